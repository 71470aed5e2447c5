import numpy as np
from numpy.typing import NDArray

from skfastnn.passes._pairs import PairLists

def set_bounds(
    moved: NDArray[np.float64],
    c_state: NDArray[np.floating],
    foot: NDArray[np.float64],
    rounding: float,
    longest_reference: float,
    largest_norm: float,
    exact: NDArray[np.float64],
    drift: NDArray[np.float32],
    threshold: NDArray[np.float32],
) -> None: ...
def renew_standing(
    drift: NDArray[np.float32],
    threshold: NDArray[np.float32],
    standing_drift: NDArray[np.float32],
    standing_threshold: NDArray[np.float32],
    growth: float,
    skin: float,
) -> NDArray[np.uint8]: ...
def note_waste(
    candidates: PairLists, fired: PairLists, waste: NDArray[np.float64], limit: float
) -> NDArray[np.int64]: ...
