import numpy as np
from numpy.typing import NDArray

from skfastnn.passes.shared._jacobian import Jacobian
from skfastnn.passes.shared._pairs import PairLists

class DenseJacobian(Jacobian):
    def __init__(
        self,
        pairs: PairLists,
        X: NDArray[np.floating],
        V: NDArray[np.floating],
        u: NDArray[np.floating],
        buffers: NDArray[np.floating],
    ) -> None: ...
