import numpy as np
from numpy.typing import NDArray

def write_first_leaves(
    leaves: NDArray[np.uint8],
    first_sample: int,
    X: NDArray[np.floating],
    start: NDArray[np.floating],
    foot: float,
    step: float,
    pair_shift: int,
    n_threads: int,
) -> None: ...
