from numpy import ndarray

from skfastnn.passes._pairs import PairLists

def panel_backward(
    pairs: PairLists,
    indptr: ndarray,
    indices: ndarray,
    error: ndarray,
    V: ndarray,
    start: ndarray,
    first: ndarray,
    a: float,
    second: ndarray,
    b: float,
    order: ndarray,
    buffers: ndarray,
    n_threads: int,
) -> None: ...
