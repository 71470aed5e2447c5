import numpy as np
from numpy.typing import NDArray

def gather_rows(
    X: NDArray[np.floating],
    runs: NDArray[np.int64],
    index: NDArray[np.int32],
    mean: NDArray[np.floating],
    inverse_scale: float,
    out: NDArray[np.floating],
    norms: NDArray[np.floating],
    n_threads: int,
) -> None: ...
def gather_sparse_rows(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    data: NDArray[np.floating],
    index: NDArray[np.int32],
    mean: NDArray[np.floating],
    inverse_scale: float,
    out: NDArray[np.floating],
    norms: NDArray[np.floating],
    n_threads: int,
) -> None: ...
