"""Search engines: who may fire?

`CorrelationDTree`, `CorrelationWTree` and `HalfspaceTree` are the structures of the papers, for use by themselves; the
engines that training uses are chosen by name through :func:`make_engine`.
"""

from importlib import import_module

from skfastnn.search._dense import DenseSearch
from skfastnn.search._dense_panels import PanelSearch
from skfastnn.search.correlation_tree._tree_search import CorrelationTreeSearch
from skfastnn.search.halfspace._halfspace import HalfspaceSearch
from skfastnn.search.heavy._heavy_search import HeavyPairsSearch
from skfastnn.search.quantized._quantized import QuantizedSearch

ENGINES = {
    engine.name: engine
    for engine in (CorrelationTreeSearch, DenseSearch, HalfspaceSearch, HeavyPairsSearch, QuantizedSearch)
}
PANEL_ENGINES = {engine.name: engine for engine in (PanelSearch,)}
# Where the names are that are offered here and that nothing here uses.
PUBLISHED = {
    "CorrelationDTree": "skfastnn.published._correlation_trees",
    "CorrelationWTree": "skfastnn.published._correlation_trees",
    "HalfspaceTree": "skfastnn.published._halfspace_tree",
}

__all__ = ["CorrelationDTree", "CorrelationWTree", "HalfspaceTree"]


def __getattr__(name):
    if name not in PUBLISHED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(PUBLISHED[name]), name)


def make_engine(name, network):
    """Return a new search engine.

    Parameters
    ----------
    name : {"correlation_tree", "dense", "halfspace", "heavy_pairs", "quantized"}
    network : skfastnn.networks._network.Network
        Networks that are laid out in panels have "dense" alone.

    Returns
    -------
    engine : skfastnn.search._engine.SearchEngine
    """
    return (PANEL_ENGINES if network.by_panels else ENGINES)[name]()
