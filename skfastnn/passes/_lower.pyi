import numpy as np
from numpy.typing import NDArray

def add_lower_products(
    A: NDArray[np.floating], B: NDArray[np.floating], out: NDArray[np.floating], n_threads: int
) -> None: ...
def cholesky(A: NDArray[np.floating], n_threads: int) -> int: ...
