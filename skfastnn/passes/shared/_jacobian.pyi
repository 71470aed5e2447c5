from typing import Any

import numpy as np
from numpy.typing import NDArray

class Change:
    n_neurons: int
    ld_out: int
    itemsize: int
    hidden_shape: tuple[int, ...]

    def __init__(self, W: NDArray[np.floating], c: NDArray[np.floating], V: NDArray[np.floating]) -> None: ...

class Jacobian:
    n_rows: int
    ld_out: int
    itemsize: int

    def times(self, change: Any, n_threads: Any) -> None: ...
    def transposed(self, change: Any, n_threads: Any) -> None: ...
    def gram(self, with_output: Any, n_threads: Any) -> None: ...
