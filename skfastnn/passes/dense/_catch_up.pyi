from typing import Any

from skfastnn.passes.dense._weights import DenseWeights

class MomentumState:
    n_neurons: int
    ld: int
    itemsize: int

    def __init__(self, velocity: Any, norms: Any, touched: Any, step: int, pending: Any) -> None: ...

def movement_bounds(state: MomentumState, anchor_norms: Any, drift: Any, unsettled: Any, n_threads: int) -> None: ...
def catch_up(neurons: Any, weights: DenseWeights, state: MomentumState, n_threads: int) -> None: ...
def rebase(neurons: Any, weights: DenseWeights) -> None: ...
