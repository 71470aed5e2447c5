import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

class FeatureLists:
    shape: tuple[int, int]
    data: NDArray[np.floating]
    nnz: int
    def __init__(
        self,
        shape: tuple[int, int],
        features: NDArray[np.int32],
        ends: NDArray[np.int64],
        rows: NDArray[np.int32],
        data: NDArray[np.floating],
    ) -> None: ...
    def to_csr(self, data: NDArray[np.floating] | None = None) -> csr_array: ...

def rows_by_feature(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    data: NDArray[np.floating],
    n_features: int,
    index: NDArray[np.int32],
    factor: float,
) -> FeatureLists: ...
def entries_by_feature(H: NDArray[np.floating]) -> FeatureLists: ...
