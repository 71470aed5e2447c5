import numpy as np
from numpy.typing import NDArray

def dense_output(
    X: NDArray[np.floating],
    W: NDArray[np.floating],
    c: NDArray[np.floating],
    V: NDArray[np.floating],
    v: NDArray[np.floating],
    out: NDArray[np.floating],
    n_threads: int,
) -> None: ...
