from numpy import ndarray

from skfastnn.passes.shared._by_feature import FeatureLists
from skfastnn.passes.shared._pairs import PairLists

def panel_backward(
    pairs: PairLists,
    X: FeatureLists,
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
