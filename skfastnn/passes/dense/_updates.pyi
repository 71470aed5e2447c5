import numpy as np
from numpy.typing import NDArray

from skfastnn.passes.shared._pairs import PairLists

class NeuronStep:
    taken: bool
    def take_all(self, n_threads: int) -> None: ...

class MomentumStep(NeuronStep):
    def add_reach(
        self,
        drift: NDArray[np.float64],
        pending: NDArray[np.float64],
        intercepts: NDArray[np.float64],
        n_threads: int,
    ) -> None: ...

class AdamStep(NeuronStep): ...

def momentum_step(
    pairs: PairLists,
    X: NDArray[np.floating],
    error: NDArray[np.floating],
    displacement: NDArray[np.floating],
    velocity: NDArray[np.floating],
    anchor: NDArray[np.floating],
    anchored: NDArray[np.uint8],
    c_state: NDArray[np.floating],
    V: NDArray[np.floating],
    velocity_V: NDArray[np.floating],
    start_V: NDArray[np.floating],
    norms: NDArray[np.float64],
    touched: NDArray[np.int64],
    step: int,
    pending: NDArray[np.float64],
    after: NDArray[np.float64],
    parameters: dict[str, float],
) -> MomentumStep: ...
def adam_step(
    pairs: PairLists,
    X: NDArray[np.floating],
    error: NDArray[np.floating],
    displacement: NDArray[np.floating],
    mean: NDArray[np.floating],
    square: NDArray[np.floating],
    anchor: NDArray[np.floating],
    anchored: NDArray[np.uint8],
    c_state: NDArray[np.floating],
    V: NDArray[np.floating],
    mean_V: NDArray[np.floating],
    square_V: NDArray[np.floating],
    start_V: NDArray[np.floating],
    norms: NDArray[np.float64],
    parameters: dict[str, float],
) -> AdamStep: ...
