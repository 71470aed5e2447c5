import numpy as np
from numpy.typing import NDArray

from skfastnn.passes.shared._pairs import PairLists

def jacobian_product(
    pairs: PairLists,
    X: NDArray[np.floating],
    V: NDArray[np.floating],
    change_w: NDArray[np.floating],
    change_c: NDArray[np.floating],
    change_v: NDArray[np.floating],
    buffers: NDArray[np.floating],
    n_threads: int,
) -> None: ...
def jacobian_transpose_product(
    pairs: PairLists,
    X: NDArray[np.floating],
    V: NDArray[np.floating],
    u: NDArray[np.floating],
    change_w: NDArray[np.floating],
    change_c: NDArray[np.floating],
    change_v: NDArray[np.floating],
    n_threads: int,
) -> None: ...
def gram_product(
    pairs: PairLists,
    X: NDArray[np.floating],
    V: NDArray[np.floating],
    u: NDArray[np.floating],
    with_output: bool,
    buffers: NDArray[np.floating],
    n_threads: int,
) -> None: ...
