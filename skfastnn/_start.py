"""Where training starts: what a network is drawn from, kept for the calls that go on with it.

The draw depends on a seed alone. Around it stand the statistics of rows and target, which later calls follow, and the
sizes that were chosen when the network was drawn, which they keep.
"""

from dataclasses import dataclass, replace

import numpy as np

from skfastnn._coordinates import Statistics, follow, recent_rows
from skfastnn._losses import scale_of

STATISTICS = ("rows", "drawn", "recent")


@dataclass(frozen=True)
class Start:
    """What determines a network, besides its widths, before it is trained.

    Attributes
    ----------
    rows : Statistics
        Of all rows so far.
    target : dict
        Of all targets so far: weight, and shift and spread of each output, ndarrays of shape (n_outputs,).
    drawn : Statistics
        Of the rows by which the network was drawn.
    seed : int
    fitted : bool
        Whether it was drawn by `fit`, and not by `partial_fit`.
    recent : Statistics or None
        Of the last rows of a stream.
    thresholds : list of float
        Of the hidden layers.
    antisymmetric : bool
    output_size : float
        Of the output weights.
    spread : float
        Standard deviation of the intercepts.
    as_in_mlp : bool
        Whether output and steps are sized as in MLPClassifier.
    given : dict
        What the parameters `threshold` and `init` were, written out.
    activations : list of (mean, scale), or None
        Of each layer but the last, where there are several.
    rate : dict or None
        The numbers that the step size is made of, as measured when the network was drawn, and for which solver.
    """

    rows: Statistics
    target: dict
    drawn: Statistics
    seed: int
    fitted: bool
    recent: Statistics | None = None
    thresholds: list | None = None
    antisymmetric: bool = True
    output_size: float = 1.0
    spread: float = 0.0
    as_in_mlp: bool = False
    given: dict | None = None
    activations: list | None = None
    rate: dict | None = None

    @classmethod
    def at(cls, data, loss, random_state, fitted):
        """Return the start of a new network for these samples.

        Parameters
        ----------
        data : Data
            Rows as the network takes them.
        loss : object of `skfastnn._losses`
        random_state : numpy.random.RandomState
        fitted : bool
        """
        rows, target = _measure(data, loss)
        return cls(rows, target, rows, int(random_state.randint(np.iinfo(np.int32).max)), fitted)

    def following(self, data, loss):
        """Return the start after more samples of a stream, and whether the network is to be drawn anew."""
        rows, target = _measure(data, loss)
        recent = recent_rows(self.recent, rows)
        followed, anew = follow(self.drawn, self.rows, rows, recent)
        anew = anew and not self.fitted
        # rows that have nothing to do with those before: nor have their targets
        forget = anew and followed is rows
        target = target if forget else loss.follow(self.target, target)
        return replace(self, rows=followed, drawn=followed if anew else self.drawn, target=target, recent=recent), anew

    @classmethod
    def from_state(cls, state):
        """Return the start that `state` was made of, None for None."""
        if state is None:
            return None
        return cls(**(state | {name: state[name] and Statistics(**state[name]) for name in STATISTICS}))

    def state(self):
        """Return a dict of numbers, words and arrays, which are not copied."""
        statistics = {name: getattr(self, name) for name in STATISTICS}
        return vars(self) | {name: value and dict(vars(value)) for name, value in statistics.items()}

    def coordinates(self, dtype):
        """Return the normalised coordinates of the rows."""
        return self.rows.coordinates(dtype)

    def target_units(self):
        """Return the shift and the scale of the target in training."""
        return self.target["shift"], scale_of(self.target["shift"], self.target["spread"])


def _measure(data, loss):
    """Return the statistics of rows and target."""
    rows = Statistics.of_rows(data.X, data.weight)
    shift, spread = loss.moments(data.target, data.weight)
    return rows, {"weight": rows.weight, "shift": shift, "spread": spread}
