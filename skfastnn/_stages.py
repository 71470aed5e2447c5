"""The plan of a fit, in stages.

A solver trains in stages: "adam_gauss_newton" in two, every other in one of its own name. A plan is made from sizes and
parameters (`_plan.py`); the search for firing neurons and the step size of a stage, which are measured on the network,
are filled in when the stage begins.
"""

from dataclasses import dataclass

from skfastnn._fitting import Schedule
from skfastnn._recipe import Recipe
from skfastnn.solvers import kind_of


@dataclass(frozen=True)
class Stage:
    """A solver, and how long and with which steps it trains.

    Attributes
    ----------
    solver : str
        A registered one, or "lbfgs".
    settings : dict
        Of the solver: momentum, nesterovs_momentum, beta_1, beta_2, epsilon, train_output.
    search : str
        How the neurons that fire are found; "auto" until the stage begins.
    batch_size, epochs : int
    expected_passes : int
        How often every row is expected to be seen.
    alpha : float or {"auto", "loo"}
        Penalty; of "gauss_newton" in words where it is found in training.
    learning_rate : str
        Of the constructor, "auto" resolved.
    learning_rate_init : "auto" or float
        "auto" until the stage begins.
    unit : float
        Step in normalised coordinates that a rate of one stands for.
    limits : dict
        power_t, shuffle, tol, n_iter_no_change, max_fun, of the constructor.
    """

    solver: str
    settings: dict
    search: str
    batch_size: int
    epochs: int
    expected_passes: int
    alpha: float | str
    learning_rate: str
    learning_rate_init: float | str
    limits: dict
    unit: float = 1.0

    def schedule(self):
        """Return what the fit loop follows, a `Schedule`."""
        return Schedule(
            unit=self.unit, learning_rate_init=self.unit * self.learning_rate_init, batch_size=self.batch_size,
            alpha=self.alpha, learning_rate=self.learning_rate, **self.limits,
        )  # fmt: skip

    def describe(self):
        """Return what the stage does, a dict of plain words and numbers; rates where they mean something."""
        has_rate = kind_of(self.solver) in ("gradient", "even")
        return {
            "solver": self.solver, "search": self.search, "batch_size": self.batch_size, "max_iter": self.epochs,
            "alpha": self.alpha, "learning_rate": self.learning_rate if has_rate else None,
            "learning_rate_init": self.learning_rate_init if has_rate else None,
        }  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """What is trained, and in which stages.

    Attributes
    ----------
    solver : str
        As the user names it: of all stages.
    recipe : Recipe
        What the network sees, and its widths.
    stages : tuple of Stage
    problem : Problem
        What was looked at.
    falls : bool
        Whether the step size falls to zero over a number of epochs that is ours to choose.
    """

    solver: str
    recipe: Recipe
    stages: tuple
    problem: object
    falls: bool

    @property
    def widths(self):
        """Of the hidden layers."""
        return self.recipe.widths

    def describe(self, stage, thresholds):
        """Return what a stage is about, a dict of plain words and numbers."""
        network = {
            "hidden_layer_sizes": tuple(self.widths), "threshold": tuple(thresholds), "encoding": self.recipe.encoding,
            "learned_scales": self.recipe.learned_scales, "share_of_output": self.recipe.share_of_output,
        }  # fmt: skip
        return network | stage.describe()


def sentence(record):
    """Return what `Plan.describe` says in one line."""
    return ", ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in record.items()
    )
