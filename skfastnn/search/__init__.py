"""Search engines: who may fire?

`CorrelationDTree`, `CorrelationWTree` and `HalfspaceTree` are the structures of the papers, for use by themselves; the
engines that training uses are chosen by name through :func:`make_engine`.
"""

from importlib import import_module

# what is imported here registers itself
from skfastnn.search import _dense, _dense_panels  # noqa: F401
from skfastnn.search._engine import ENGINES
from skfastnn.search.correlation_tree import _tree_search  # noqa: F401
from skfastnn.search.halfspace import _halfspace  # noqa: F401
from skfastnn.search.heavy import _heavy_search  # noqa: F401
from skfastnn.search.quantized import _quantized  # noqa: F401

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
    name : str, one of `ENGINES`
    network : skfastnn.networks._network.Network
        Networks that are laid out in panels have "dense" alone.

    Returns
    -------
    engine : skfastnn.search._engine.SearchEngine
    """
    return ENGINES["panels" if network.by_panels else "dense"][name]()
