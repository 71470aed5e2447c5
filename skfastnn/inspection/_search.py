"""What the search for firing neurons cost."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skfastnn.inspection._display import Display

# What `search_counters_` counts as visited: looks at a pair for less than its price, or boxes.
LOOKS = {
    "quantized": "looked at in bytes",
    "correlation_tree": "looked at by a bound",
    "heavy_pairs": "looked at by signs",
    "halfspace": "boxes looked at",
}


class SearchDisplay(Display):
    """How many pairs of a row and a neuron training looked at, computed in full, and found to fire.

    Where few pairs are computed of those that there are, the search is why training is fast. It is made by
    :meth:`from_estimator`; all parameters are stored as attributes.

    Parameters
    ----------
    counts : dict of str to int
        Number of pairs (with search="halfspace" of boxes, where it says so) by what was done with them.
    n_pairs : int or None
        Number of pairs that there were, of which the labels show the share; None if it is not known.
    name : str, default=None
        Name of the network, the title.

    Attributes
    ----------
    bars_ : matplotlib BarContainer
        The bars.
    ax_ : matplotlib Axes
        Axes with the bars.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    TrainingDisplay : Loss and firing neurons by epoch.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skfastnn import FastReLUClassifier
    >>> from skfastnn.inspection import SearchDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> network = FastReLUClassifier(
    ...     hidden_layer_sizes=(2048,), threshold=1.5, search="correlation_tree", solver="adam", max_iter=5,
    ...     tol=0, n_iter_no_change=5, random_state=0)
    >>> display = SearchDisplay.from_estimator(network.fit(X, y))
    >>> list(display.counts)
    ['all', 'looked at by a bound', 'computed', 'fired']
    >>> display.figure_.show()  # doctest: +SKIP
    """

    def __init__(self, *, counts, n_pairs, name=None):
        self.counts, self.n_pairs, self.name = counts, n_pairs, name

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, name=None, **bar_kwargs):
        """Draw the counters of the last call of `fit` or `partial_fit`, of the first hidden layer.

        Parameters
        ----------
        estimator : FastReLUClassifier or FastReLURegressor
            Fitted.
        ax : matplotlib Axes, default=None
            Axes to draw on; new ones by default.
        name : str, default=None
            Title; the name of the class and of its search by default.
        **bar_kwargs : dict
            Passed on to matplotlib's `barh`.

        Returns
        -------
        display : SearchDisplay
            The picture, with what it was drawn from.

        Raises
        ------
        ValueError
            If nothing was counted: of networks without a hidden layer, or trained by L-BFGS.
        """
        check_is_fitted(estimator)
        if not estimator.search_counters_.get("candidates"):
            raise ValueError("Nothing was counted: this network was not trained by going through pairs.")
        counts, n_pairs = _counts(estimator)
        name = f"{type(estimator).__name__}, search={estimator.search_!r}" if name is None else name
        return cls(counts=counts, n_pairs=n_pairs, name=name).plot(ax, **bar_kwargs)

    def plot(self, ax=None, *, name=None, **bar_kwargs):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; new ones by default.
        name : str, default=None
            Title; `self.name` by default.
        **bar_kwargs : dict
            Passed on to matplotlib's `barh`.

        Returns
        -------
        display : SearchDisplay
            This one.
        """
        name = self._begin(ax, name)
        places = np.arange(len(self.counts))
        numbers = list(self.counts.values())
        self.bars_ = self.ax_.barh(places, numbers, **bar_kwargs)
        self.ax_.bar_label(self.bars_, [self._label(*item) for item in self.counts.items()], padding=3)
        self.ax_.set_yticks(places, list(self.counts))
        self.ax_.invert_yaxis()
        self.ax_.set_xlim(0, 1.5 * max(numbers))  # room for the labels
        self.ax_.xaxis.set_major_formatter(lambda number, _: _rounded(int(number)))
        self.ax_.set(title=name, xlabel="Pairs of a row and a neuron, in all epochs")
        return self

    def _label(self, name, number):
        share = "" if self.n_pairs is None or "boxes" in name else f", {number / self.n_pairs:.1%}"
        return f"{_rounded(number)}{share}"


def _counts(estimator):
    """Return what was done with how many pairs, and how many there were, None if that is not known."""
    counters, search = estimator.search_counters_, estimator.search_
    n_pairs = None if estimator.solver_ == "adam_gauss_newton" else _n_pairs(estimator)
    fired = counters["fired"]
    counts = {} if n_pairs is None else {"all": n_pairs}
    if counters["visited"] and search in LOOKS:
        counts[LOOKS[search]] = counters["visited"]
    if n_pairs is not None:
        fired = round(n_pairs * _mean_firing_rate(estimator))
    return {**counts, "computed": counters["candidates"], "fired": fired}, n_pairs


def _n_pairs(estimator):
    """Return how many pairs there were in the passes of the last call, or None.

    Gauss-Newton also passes over steps on trial, which its rates do not count: only engines that count every pair know.
    """
    counters, rate = estimator.search_counters_, _mean_firing_rate(estimator)
    every = {"dense": "candidates", "quantized": "visited"}.get(estimator.search_)
    if every is not None:
        return counters[every]
    return round(counters["fired"] / rate) if rate and estimator.solver_ != "gauss_newton" else None


def _mean_firing_rate(estimator):
    rates = estimator.firing_curve_[-estimator.n_iter_ :]
    return float(np.mean([np.atleast_1d(rate)[0] for rate in rates]))


def _rounded(number):
    """Return a number as it is read: in thousands, millions or billions from ten thousand on."""
    for unit, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= max(unit, 10_000):
            return f"{number / unit:.3g} {letter}"
    return f"{number:,}"
