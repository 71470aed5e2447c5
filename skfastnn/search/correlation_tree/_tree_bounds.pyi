import numpy as np
from numpy.typing import NDArray

from skfastnn.passes.shared._pairs import PairLists

def set_bounds(
    exact: NDArray[np.float64],
    intercepts: NDArray[np.float64],
    foot: NDArray[np.float64],
    largest_norm: float,
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
    candidates: PairLists, fired: PairLists, waste: NDArray[np.float64], limit: float, together: int
) -> NDArray[np.int64]: ...
