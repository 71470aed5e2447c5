import numpy as np
from numpy.typing import NDArray

def compiled_instructions() -> str: ...
def wide_products() -> bool: ...
def multiply_groups(
    A: NDArray[np.floating],
    groups: NDArray[np.int64],
    size: int,
    B: NDArray[np.floating],
    out: NDArray[np.floating],
    n_threads: int,
) -> None: ...
