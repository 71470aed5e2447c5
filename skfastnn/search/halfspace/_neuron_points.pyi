from numpy import ndarray

from skfastnn.passes.dense._catch_up import MomentumState
from skfastnn.passes.dense._weights import DenseWeights

def neuron_points(
    weights: DenseWeights, points: ndarray, n_threads: int, state: MomentumState | None = None
) -> None: ...
