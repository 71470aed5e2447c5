"""Search engines: who may fire?

`CorrelationDTree`, `CorrelationWTree` and `HalfspaceTree` are the structures of the papers, for use by themselves; the
engines that training uses are chosen by name through :func:`make_engine`.
"""

from skfastnn.search._correlation_tree import CorrelationTreeSearch
from skfastnn.search._correlation_trees import CorrelationDTree, CorrelationWTree
from skfastnn.search._dense import DenseSearch
from skfastnn.search._halfspace import HalfspaceSearch
from skfastnn.search._halfspace_tree import HalfspaceTree
from skfastnn.search._heavy_pairs import HeavyPairsSearch
from skfastnn.search._panels import PanelSearch
from skfastnn.search._quantized import QuantizedSearch

ENGINES = {
    engine.name: engine
    for engine in (CorrelationTreeSearch, DenseSearch, HalfspaceSearch, HeavyPairsSearch, QuantizedSearch)
}
PANEL_ENGINES = {engine.name: engine for engine in (PanelSearch,)}

__all__ = ["CorrelationDTree", "CorrelationWTree", "HalfspaceTree", "make_engine"]


def make_engine(name, network):
    """Return a new search engine.

    Parameters
    ----------
    name : {"correlation_tree", "dense", "halfspace", "heavy_pairs"}
    network : skfastnn._network.Network
        Networks that are laid out in panels have "dense" alone.

    Returns
    -------
    engine : skfastnn.search._contract.SearchEngine
    """
    return (PANEL_ENGINES if network.by_panels else ENGINES)[name]()
