import numpy as np
from numpy.typing import NDArray

from skfastnn.passes.dense._catch_up import MomentumState
from skfastnn.passes.dense._weights import DenseWeights
from skfastnn.passes.shared._pairs import PairLists

class NeuronStep:
    taken: bool
    def take_all(self, n_threads: int) -> None: ...

class MomentumStep(NeuronStep):
    def add_step_bound(
        self,
        drift: NDArray[np.float64],
        pending: NDArray[np.float64],
        intercepts: NDArray[np.float64],
        n_threads: int,
    ) -> None: ...

class AdamStep(NeuronStep): ...

class AdamState:
    n_neurons: int
    ld: int
    itemsize: int

    def __init__(
        self,
        mean: NDArray[np.floating],
        square: NDArray[np.floating],
        mean_V: NDArray[np.floating],
        square_V: NDArray[np.floating],
        norms: NDArray[np.float64],
    ) -> None: ...

def momentum_step(
    pairs: PairLists,
    X: NDArray[np.floating],
    error: NDArray[np.floating],
    weights: DenseWeights,
    velocity_V: NDArray[np.floating],
    state: MomentumState,
    after: NDArray[np.float64],
    parameters: dict[str, float],
) -> MomentumStep: ...
def adam_step(
    pairs: PairLists,
    X: NDArray[np.floating],
    error: NDArray[np.floating],
    weights: DenseWeights,
    state: AdamState,
    parameters: dict[str, float],
) -> AdamStep: ...
