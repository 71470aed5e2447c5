from numpy import ndarray

def neuron_points(
    displacement: ndarray,
    start: ndarray,
    anchor: ndarray,
    pair_shift: int,
    anchored: ndarray,
    c_state: ndarray,
    velocity: ndarray,
    delay: ndarray,
    pending: ndarray,
    points: ndarray,
    n_threads: int,
) -> None: ...
