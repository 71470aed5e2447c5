import numpy as np
from numpy.typing import NDArray

from skfastnn.passes.dense._updates import NeuronStep
from skfastnn.passes.shared._pairs import PairLists

def dense_forward(
    fired: PairLists,
    X: NDArray[np.floating],
    displacement: NDArray[np.floating],
    start: NDArray[np.floating],
    anchor: NDArray[np.floating],
    pair_shift: int,
    anchored: NDArray[np.uint8],
    c_state: NDArray[np.floating],
    n_threads: int,
    step: NeuronStep | None = None,
) -> None: ...
