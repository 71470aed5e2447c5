import numpy as np
from numpy.typing import NDArray

from skfastnn.passes.shared._pairs import PairLists

GROUP_SIZE: int
STEP: float

def query(
    leaves: NDArray[np.uint8],
    pairs: PairLists,
    index: NDArray[np.int32],
    norms: NDArray[np.float32],
    norms_outside: NDArray[np.float32],
    rows_inside: NDArray[np.float32],
    threshold: NDArray[np.float32],
    drift: NDArray[np.float32],
    inside: NDArray[np.float32],
    projected: NDArray[np.uint8],
    wanted: NDArray[np.uint8],
    n_threads: int,
) -> None: ...
