import numpy as np
from numpy.typing import NDArray

from skfastnn.passes.panels._panel_weights import PanelWeights
from skfastnn.passes.shared._by_feature import FeatureLists
from skfastnn.passes.shared._pairs import PairLists

PANEL_SIZE: int

class BasisChange:
    def __init__(
        self,
        T: NDArray[np.float64],
        after: NDArray[np.float64],
        change: NDArray[np.floating],
        added: tuple[float, float] = (0.0, 0.0),
    ) -> None: ...

class PanelMoments:
    def __init__(
        self,
        start: NDArray[np.floating],
        mean: NDArray[np.floating],
        square: NDArray[np.floating],
        mean_V: NDArray[np.floating],
        square_V: NDArray[np.floating],
    ) -> None: ...

def panel_forward(pairs: PairLists, weights: PanelWeights, X: FeatureLists, n_threads: int) -> None: ...
def panel_sgd_step(
    pairs: PairLists,
    X: FeatureLists,
    error: NDArray[np.floating],
    weights: PanelWeights,
    velocity_V: NDArray[np.floating],
    basis: BasisChange,
    parameters: dict[str, float],
    n_threads: int,
) -> None: ...
def panel_adam_step(
    pairs: PairLists,
    X: FeatureLists,
    error: NDArray[np.floating],
    weights: PanelWeights,
    moments: PanelMoments,
    parameters: dict[str, float],
    n_threads: int,
) -> None: ...
def change_basis(weights: PanelWeights, basis: BasisChange, n_threads: int) -> None: ...
