import numpy as np
from numpy.typing import NDArray

from skfastnn.passes.dense._updates import NeuronStep
from skfastnn.passes.dense._weights import DenseWeights
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

class RowsInBytes:
    shift: NDArray[np.floating]
    lossless: bool

    def __init__(
        self,
        codes: NDArray[np.uint8],
        about: NDArray[np.float32],
        shift: NDArray[np.floating],
        zero: int,
        lossless: bool,
    ) -> None: ...

def quantized_forward(
    fired: PairLists,
    weights: DenseWeights,
    X: NDArray[np.floating],
    index: NDArray[np.int32],
    coded: RowsInBytes,
    n_threads: int,
    step: NeuronStep | None = None,
) -> int: ...
