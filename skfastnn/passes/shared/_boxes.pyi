from numpy import ndarray

LEAF_SIZE: int
MAX_POINTS: int

def spatial_order(points: ndarray, n_features: int) -> ndarray: ...

class BoxTree:
    n_points: int
    n_features: int
    n_leaves: int
    dtype: object
    leaves: ndarray
    groups: ndarray
    extent: ndarray
    nbytes: int
    def __init__(self, n_points: int, n_features: int, dtype: object) -> None: ...
    def fill(self, points: ndarray, order: ndarray | None, n_threads: int) -> None: ...
