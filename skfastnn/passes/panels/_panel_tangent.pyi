import numpy as np
from numpy.typing import NDArray

from skfastnn.passes.shared._by_feature import FeatureLists
from skfastnn.passes.shared._pairs import PairLists

def panel_gram_product(
    pairs: PairLists,
    X: FeatureLists,
    data: NDArray[np.floating],
    order: NDArray[np.int32],
    V: NDArray[np.floating],
    u: NDArray[np.floating],
    with_output: bool,
    buffers: NDArray[np.floating],
    n_threads: int,
) -> None: ...
def panel_jacobian_product(
    pairs: PairLists,
    X: FeatureLists,
    data: NDArray[np.floating],
    order: NDArray[np.int32],
    V: NDArray[np.floating],
    change_w: NDArray[np.floating],
    change_c: NDArray[np.floating],
    change_v: NDArray[np.floating],
    buffers: NDArray[np.floating],
    n_threads: int,
) -> None: ...
def panel_jacobian_transpose_product(
    pairs: PairLists,
    X: FeatureLists,
    data: NDArray[np.floating],
    order: NDArray[np.int32],
    V: NDArray[np.floating],
    u: NDArray[np.floating],
    change_w: NDArray[np.floating],
    change_c: NDArray[np.floating],
    change_v: NDArray[np.floating],
    n_threads: int,
) -> None: ...
