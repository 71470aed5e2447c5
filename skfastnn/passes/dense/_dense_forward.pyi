import numpy as np
from numpy.typing import NDArray

from skfastnn.passes.dense._updates import NeuronStep
from skfastnn.passes.dense._weights import DenseWeights
from skfastnn.passes.shared._pairs import PairLists

def dense_forward(
    fired: PairLists,
    weights: DenseWeights,
    X: NDArray[np.floating],
    n_threads: int,
    step: NeuronStep | None = None,
) -> None: ...
