import numpy as np
from numpy.typing import NDArray

class References:
    n_references: int
    ld: int
    W: NDArray[np.floating]

    def __init__(
        self, W: NDArray[np.floating], neurons: NDArray[np.int64], foot: NDArray[np.float64], pair_shift: int
    ) -> None: ...

def write_leaves(
    leaves: NDArray[np.uint8],
    first_sample: int,
    X: NDArray[np.floating],
    references: References,
    n_threads: int,
) -> None: ...
