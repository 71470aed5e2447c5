from numpy import ndarray

from skfastnn.passes.shared._boxes import BoxTree
from skfastnn.passes.shared._pairs import PairLists

N_SPARE: int

def rows_above(tree: BoxTree, pairs: PairLists, neurons: ndarray, n_threads: int) -> tuple[int, int]: ...
def neurons_above(tree: BoxTree, pairs: PairLists, order: ndarray, rows: ndarray) -> tuple[int, int]: ...
def points_above(tree: BoxTree, normal: ndarray, offset: float, positions: ndarray) -> tuple[int, int, int]: ...
