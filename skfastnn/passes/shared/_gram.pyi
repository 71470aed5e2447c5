import numpy as np
from numpy.typing import NDArray

from skfastnn.passes.shared._pairs import PairLists

def sample_major(
    pairs: PairLists, n_rows: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], NDArray[np.floating]]: ...
def gram(
    pairs: PairLists,
    X: NDArray[np.floating],
    weight: NDArray[np.floating],
    square_scale: float,
    with_output: bool,
    K: NDArray[np.floating],
    n_threads: int,
    wanted: NDArray[np.int32] | None = None,
) -> None: ...
