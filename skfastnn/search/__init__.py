"""Search engines: who may fire?

`CorrelationDTree` and `CorrelationWTree` are the trees of the paper, for use by themselves; the engines that training
uses are chosen by name through :func:`make_engine`.
"""

from skfastnn.search._correlation_tree import CorrelationTreeSearch
from skfastnn.search._correlation_trees import CorrelationDTree, CorrelationWTree
from skfastnn.search._dense import DenseSearch

ENGINES = {engine.name: engine for engine in (CorrelationTreeSearch, DenseSearch)}

__all__ = ["CorrelationDTree", "CorrelationWTree", "make_engine"]


def make_engine(name):
    """Return a new search engine.

    Parameters
    ----------
    name : {"correlation_tree", "dense"}

    Returns
    -------
    engine : skfastnn.search._contract.SearchEngine
    """
    return ENGINES[name]()
