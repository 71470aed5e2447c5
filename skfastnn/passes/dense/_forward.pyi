import numpy as np
from numpy.typing import NDArray

from skfastnn.passes.dense._updates import NeuronStep
from skfastnn.passes.shared._pairs import PairLists

def forward(
    candidates: PairLists,
    fired: PairLists,
    X: NDArray[np.floating],
    displacement: NDArray[np.floating],
    start: NDArray[np.floating],
    anchor: NDArray[np.floating],
    pair_shift: int,
    anchored: NDArray[np.uint8],
    c_state: NDArray[np.floating],
    V: NDArray[np.floating],
    velocity: NDArray[np.floating],
    delay: NDArray[np.int64],
    pending: NDArray[np.float64],
    buffers: NDArray[np.floating],
    n_threads: int,
    step: NeuronStep | None = None,
) -> None: ...
def output_of_fired(
    pairs: PairLists, n_rows: int, V: NDArray[np.floating], buffers: NDArray[np.floating], n_threads: int
) -> None: ...
