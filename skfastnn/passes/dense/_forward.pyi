import numpy as np
from numpy.typing import NDArray

from skfastnn.passes.dense._catch_up import MomentumState
from skfastnn.passes.dense._updates import NeuronStep
from skfastnn.passes.dense._weights import DenseWeights
from skfastnn.passes.shared._pairs import PairLists

def forward(
    candidates: PairLists,
    fired: PairLists,
    weights: DenseWeights,
    X: NDArray[np.floating],
    buffers: NDArray[np.floating],
    n_threads: int,
    state: MomentumState | None = None,
    step: NeuronStep | None = None,
) -> None: ...
def output_of_fired(
    pairs: PairLists, n_rows: int, V: NDArray[np.floating], buffers: NDArray[np.floating], n_threads: int
) -> None: ...
