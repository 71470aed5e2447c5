import numpy as np
from numpy.typing import NDArray

def matmul_nt(A: NDArray[np.floating], B: NDArray[np.floating], out: NDArray[np.floating], n_threads: int) -> None: ...
def matmul_groups_nt(
    A: NDArray[np.floating],
    groups: NDArray[np.int64],
    size: int,
    B: NDArray[np.floating],
    out: NDArray[np.floating],
    n_threads: int,
) -> None: ...
