from numpy import ndarray

from skfastnn.passes._boxes import BoxTree
from skfastnn.passes._pairs import PairLists

def rows_above(
    tree: BoxTree,
    pairs: PairLists,
    displacement: ndarray,
    start: ndarray,
    anchor: ndarray,
    pair_shift: int,
    anchored: ndarray,
    c_state: ndarray,
    n_threads: int,
) -> tuple[int, int]: ...
def points_above(tree: BoxTree, normal: ndarray, offset: float, positions: ndarray) -> tuple[int, int, int]: ...
