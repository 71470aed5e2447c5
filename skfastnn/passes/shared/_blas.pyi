import numpy as np
from numpy.typing import NDArray

def matmul_nt(A: NDArray[np.floating], B: NDArray[np.floating], out: NDArray[np.floating], n_threads: int) -> None: ...
