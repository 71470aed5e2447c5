import numpy as np
from numpy.typing import NDArray

from skfastnn.passes.shared._pairs import PairLists

GROUP_SIZE: int
STEP: float

class QueryRows:
    def __init__(
        self,
        index: NDArray[np.int32],
        norms: NDArray[np.float32],
        norms_outside: NDArray[np.float32],
        inside: NDArray[np.float32],
    ) -> None: ...

class QueryBounds:
    def __init__(
        self,
        threshold: NDArray[np.float32],
        drift: NDArray[np.float32],
        inside: NDArray[np.float32],
        projected: NDArray[np.uint8],
    ) -> None: ...

def query(
    leaves: NDArray[np.uint8],
    pairs: PairLists,
    rows: QueryRows,
    bounds: QueryBounds,
    wanted: NDArray[np.uint8],
    n_threads: int,
) -> None: ...
