from numpy import ndarray

from skfastnn.passes.shared._boxes import BoxTree

def reported_output(
    tree: BoxTree, X: ndarray, centre: ndarray, V: ndarray, v: ndarray, out: ndarray, n_threads: int
) -> tuple[int, int]: ...
