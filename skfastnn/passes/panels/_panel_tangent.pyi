import numpy as np
from numpy.typing import NDArray

from skfastnn.passes.shared._by_feature import FeatureLists
from skfastnn.passes.shared._jacobian import Jacobian
from skfastnn.passes.shared._pairs import PairLists

class PanelJacobian(Jacobian):
    def __init__(
        self,
        pairs: PairLists,
        X: FeatureLists,
        order: NDArray[np.int32],
        V: NDArray[np.floating],
        u: NDArray[np.floating],
        buffers: NDArray[np.floating],
    ) -> None: ...
