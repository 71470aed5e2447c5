import numpy as np
from numpy.typing import NDArray

from skfastnn.passes.shared._by_feature import FeatureLists
from skfastnn.passes.shared._pairs import PairLists

PANEL_SIZE: int

def panel_forward(
    pairs: PairLists,
    X: FeatureLists,
    data: NDArray[np.floating],
    start: NDArray[np.floating],
    first: NDArray[np.floating],
    a: float,
    second: NDArray[np.floating],
    b: float,
    order: NDArray[np.int32],
    c_state: NDArray[np.floating],
    n_threads: int,
) -> None: ...
def panel_sgd_step(
    pairs: PairLists,
    X: FeatureLists,
    data: NDArray[np.floating],
    error: NDArray[np.floating],
    first: NDArray[np.floating],
    a: float,
    second: NDArray[np.floating],
    b: float,
    T: NDArray[np.float64],
    after: NDArray[np.float64],
    change: NDArray[np.floating],
    order: NDArray[np.int32],
    c_state: NDArray[np.floating],
    V: NDArray[np.floating],
    velocity_V: NDArray[np.floating],
    start_V: NDArray[np.floating],
    parameters: dict[str, float],
    n_threads: int,
) -> None: ...
def panel_adam_step(
    pairs: PairLists,
    X: FeatureLists,
    data: NDArray[np.floating],
    error: NDArray[np.floating],
    start: NDArray[np.floating],
    weights: NDArray[np.floating],
    mean: NDArray[np.floating],
    square: NDArray[np.floating],
    order: NDArray[np.int32],
    c_state: NDArray[np.floating],
    V: NDArray[np.floating],
    mean_V: NDArray[np.floating],
    square_V: NDArray[np.floating],
    start_V: NDArray[np.floating],
    parameters: dict[str, float],
    n_threads: int,
) -> None: ...
def change_basis(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    change: NDArray[np.floating],
    T: NDArray[np.float64],
    basis: NDArray[np.float64],
    n_threads: int,
) -> None: ...
