"""How many neurons fire on a row."""

import numpy as np
from sklearn.utils import check_consistent_length
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from skfastnn.inspection._display import Display, as_percent, start_at_zero


class FiringDisplay(Display):
    """Share of the neurons of the last hidden layer that fire on a row, by class.

    A box is drawn from the lower to the upper quartile of the rows of a class, with a line at their median; whiskers
    go to the last row within one and a half times its height. It is made by :meth:`from_estimator`; all parameters are
    stored as attributes.

    Parameters
    ----------
    n_firing : list of ndarray of shape (n_rows_of_class,), int
        How many neurons fire on each row, for each class.
    n_neurons : int
        Number of neurons.
    labels : list of str
        Names of the classes.
    name : str, default=None
        Name of the network, the title.

    Attributes
    ----------
    boxes_ : dict
        What matplotlib's `boxplot` returned.
    ax_ : matplotlib Axes
        Axes with the boxes.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    TrainingDisplay : The mean of all rows, by epoch.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skfastnn import FastReLUClassifier
    >>> from skfastnn.inspection import FiringDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> network = FastReLUClassifier(hidden_layer_sizes=(256,), threshold=1.0, random_state=0).fit(X, y)
    >>> display = FiringDisplay.from_estimator(network, X, y)
    >>> display.ax_.get_xlabel(), len(display.labels)
    ('Class', 10)
    >>> display.figure_.show()  # doctest: +SKIP
    """

    def __init__(self, *, n_firing, n_neurons, labels, name=None):
        self.n_firing, self.n_neurons, self.labels, self.name = n_firing, n_neurons, labels, name

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, ax=None, name=None, **boxplot_kwargs):
        """Count the neurons of a fitted network that fire, and draw.

        Parameters
        ----------
        estimator : FastReLUClassifier or FastReLURegressor
            Fitted.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_labels), default=None
            Classes, or an indicator matrix of labels, by which the rows are grouped; one box by default.
        ax : matplotlib Axes, default=None
            Axes to draw on; new ones by default.
        name : str, default=None
            Title; the name of the class by default.
        **boxplot_kwargs : dict
            Passed on to matplotlib's `boxplot`.

        Returns
        -------
        display : FiringDisplay
            The picture, with what it was drawn from.

        Raises
        ------
        ValueError
            If `y` has numbers that are no classes, or there is no hidden layer.
        """
        check_is_fitted(estimator)
        if len(estimator.coefs_) == 1:
            raise ValueError("This network has no hidden layer.")
        n_neurons = estimator.coefs_[-1].shape[0]
        n_firing = estimator._activations(X).count_nonzero(axis=1)
        if y is not None:
            check_consistent_length(n_firing, y)
        groups = {"all rows": slice(None)} if y is None else _groups(y)
        parts = [n_firing[rows] for rows in groups.values()]
        name = type(estimator).__name__ if name is None else name
        return cls(n_firing=parts, n_neurons=n_neurons, labels=list(groups), name=name).plot(ax, **boxplot_kwargs)

    def plot(self, ax=None, *, name=None, **boxplot_kwargs):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; new ones by default.
        name : str, default=None
            Title; `self.name` by default.
        **boxplot_kwargs : dict
            Passed on to matplotlib's `boxplot`.

        Returns
        -------
        display : FiringDisplay
            This one.
        """
        name = self._begin(ax, name)
        shares = [part / self.n_neurons for part in self.n_firing]
        self.boxes_ = self.ax_.boxplot(shares, **{"widths": 0.6, "flierprops": {"markersize": 2}, **boxplot_kwargs})
        long = max(map(len, self.labels)) * len(self.labels) > 60
        self.ax_.set_xticks(np.arange(1, len(self.labels) + 1), self.labels, rotation=90 if long else 0)
        as_percent(self.ax_.yaxis)
        start_at_zero(self.ax_)
        self.ax_.set(title=name, ylabel=f"Share of {self.n_neurons:,} neurons that fire on a row")
        if len(self.labels) > 1:
            self.ax_.set_xlabel("Class")
        return self


def _groups(y):
    """Return the rows of each class, by its name."""
    y = np.asarray(y)
    kind = type_of_target(y)
    if kind == "multilabel-indicator":
        return {str(label): np.flatnonzero(column) for label, column in enumerate(y.T)}
    if kind not in ("binary", "multiclass"):
        raise ValueError(f"y should be classes, by which rows are grouped; it is {kind}. Leave it out for one box.")
    return {str(label): np.flatnonzero(y.ravel() == label) for label in np.unique(y)}
