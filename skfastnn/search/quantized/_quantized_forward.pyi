import numpy as np
from numpy.typing import NDArray

from skfastnn.passes.dense._updates import NeuronStep
from skfastnn.passes.shared._pairs import PairLists

MAX_FEATURES: int

def byte_products() -> bool: ...
def byte_gain() -> int: ...
def rows_to_bytes(
    X: NDArray[np.floating],
    shift: NDArray[np.floating],
    base: float,
    zero: int,
    codes: NDArray[np.uint8],
    about: NDArray[np.float32],
    n_threads: int,
) -> None: ...
def quantized_forward(
    fired: PairLists,
    X: NDArray[np.floating],
    index: NDArray[np.int32],
    codes: NDArray[np.uint8],
    about: NDArray[np.float32],
    shift: NDArray[np.floating],
    zero: int,
    lossless: bool,
    displacement: NDArray[np.floating],
    start: NDArray[np.floating],
    anchor: NDArray[np.floating],
    pair_shift: int,
    anchored: NDArray[np.uint8],
    c_state: NDArray[np.floating],
    n_threads: int,
    step: NeuronStep | None = None,
) -> int: ...
