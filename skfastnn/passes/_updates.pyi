import numpy as np
from numpy.typing import NDArray

from skfastnn.passes._pairs import PairLists

def sgd_step(
    pairs: PairLists,
    X: NDArray[np.floating],
    error: NDArray[np.floating],
    displacement: NDArray[np.floating],
    velocity: NDArray[np.floating],
    anchor: NDArray[np.floating],
    anchored: NDArray[np.uint8],
    c_state: NDArray[np.floating],
    V: NDArray[np.floating],
    velocity_V: NDArray[np.floating],
    start_V: NDArray[np.floating],
    norms: NDArray[np.float64],
    touched: NDArray[np.int64],
    step: int,
    pending: NDArray[np.float64],
    parameters: dict[str, float],
    n_threads: int,
) -> None: ...
def adam_step(
    pairs: PairLists,
    X: NDArray[np.floating],
    error: NDArray[np.floating],
    displacement: NDArray[np.floating],
    mean: NDArray[np.floating],
    square: NDArray[np.floating],
    anchor: NDArray[np.floating],
    anchored: NDArray[np.uint8],
    c_state: NDArray[np.floating],
    V: NDArray[np.floating],
    mean_V: NDArray[np.floating],
    square_V: NDArray[np.floating],
    start_V: NDArray[np.floating],
    norms: NDArray[np.float64],
    parameters: dict[str, float],
    n_threads: int,
) -> None: ...
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
) -> None: ...
