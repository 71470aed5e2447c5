import numpy as np
from numpy.typing import NDArray

def write_leaves(
    leaves: NDArray[np.uint8],
    first_sample: int,
    X: NDArray[np.floating],
    W: NDArray[np.floating],
    neurons: NDArray[np.int64],
    foot: NDArray[np.float64],
    step: float,
    pair_shift: int,
    n_threads: int,
) -> None: ...
