"""What a case is: entries, each a method with a function that measures it in a process of its own."""

from collections.abc import Callable
from dataclasses import dataclass, field

# by name, in the order in which their modules are imported
CASES = {}


@dataclass(frozen=True)
class Run:
    """What a measuring function is told besides where it stands.

    Attributes
    ----------
    seed, n_threads : int
    given : dict
        Figures handed over: by skfastnn to those who take them, and the `recipe` of an entry's own first repeat.
    peer_epochs : int or None
        Epochs of other libraries to run, where their time is scaled to all.
    small : bool
        Whether to show only that it works.
    """

    seed: int = 0
    n_threads: int = 1
    given: dict = field(default_factory=dict)
    peer_epochs: int | None = None
    small: bool = False


@dataclass(frozen=True)
class Entry:
    """One row of a case's table.

    Attributes
    ----------
    method : str
        The library, or what of ours; those that start with "skfastnn" are ours.
    measure : callable
        Takes a `Run` and `at` as keywords; returns a dict of figures (`records.UNITS`) and of quality.
    at : dict
        What tells it from other entries of the method.
    dtype : str
    once : bool
        Whether another repeat would return the same.
    takes : tuple of str
        Figures that the entry of skfastnn at the same place, else its first, hands over.
    series : str
        Entries of one series grow; those after one that took longer than `--limit` are left out.
    """

    method: str
    measure: Callable
    at: dict = field(default_factory=dict)
    dtype: str = "float32"
    once: bool = False
    takes: tuple = ()
    series: str = ""


@dataclass(frozen=True)
class Case:
    """A named set of entries; `case` makes it of the function that returns them.

    Attributes
    ----------
    name, summary : str
    entries : callable
        Returns the entries; its keywords are the sizes.
    small : dict
        Sizes with which it takes seconds, to see that it works.
    data : tuple of str
        Files that it needs (`data.FILES`).
    repeats : int
        If nothing is said.
    along : str
        The key of `at` along which exponents are fitted.
    mean_over : str
        The key of `at` over which means are taken.
    limit : float
        Seconds after which a series ends, if nothing is said.
    """

    name: str
    summary: str
    entries: Callable
    small: dict = field(default_factory=dict)
    data: tuple = ()
    repeats: int = 3
    along: str = ""
    mean_over: str = ""
    limit: float = float("inf")


def case(name, summary=None, **settings):
    """Register the function that returns a case's entries; the summary is the first line of its docstring."""

    def register(function):
        CASES[name] = Case(name, summary or function.__doc__.splitlines()[0], function, **settings)
        return function

    return register
