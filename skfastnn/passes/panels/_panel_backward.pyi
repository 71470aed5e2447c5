from numpy import ndarray

from skfastnn.passes.panels._panel_weights import PanelWeights
from skfastnn.passes.shared._by_feature import FeatureLists
from skfastnn.passes.shared._pairs import PairLists

def panel_backward(
    pairs: PairLists, X: FeatureLists, error: ndarray, weights: PanelWeights, buffers: ndarray, n_threads: int
) -> None: ...
