import numpy as np
from numpy.typing import NDArray

from skfastnn.passes.shared._by_feature import FeatureLists

def sparse_layer(
    H: FeatureLists,
    data: NDArray[np.floating],
    W: NDArray[np.floating],
    c: NDArray[np.floating],
    out: NDArray[np.floating],
    n_threads: int,
) -> None: ...
