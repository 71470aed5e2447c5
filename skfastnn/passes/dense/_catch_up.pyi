import numpy as np
from numpy.typing import NDArray

def catch_up(
    neurons: NDArray[np.int64],
    displacement: NDArray[np.floating],
    velocity: NDArray[np.floating],
    anchor: NDArray[np.floating],
    anchored: NDArray[np.uint8],
    norms: NDArray[np.float64],
    touched: NDArray[np.int64],
    step: int,
    pending: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def movement_bounds(
    norms: NDArray[np.float64],
    anchor_norms: NDArray[np.float64],
    touched: NDArray[np.int64],
    step: int,
    pending: NDArray[np.float64],
    drift: NDArray[np.float64],
    unsettled: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def rebase(
    neurons: NDArray[np.int64],
    displacement: NDArray[np.floating],
    anchor: NDArray[np.floating],
    anchored: NDArray[np.uint8],
) -> None: ...
