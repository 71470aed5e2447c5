"""How training went."""

import numpy as np
from sklearn.utils._param_validation import StrOptions, validate_params
from sklearn.utils.validation import check_is_fitted

from skfastnn.inspection._display import Display, as_percent, start_at_zero

LABELS = {"loss": "Loss", "validation": "Score on held-out samples", "firing": "Neurons that fire"}


class TrainingDisplay(Display):
    """Loss, score on held-out samples or share of firing neurons, by epoch.

    Several networks go on one axes: pass the `ax_` of the first display to the next. It is made by
    :meth:`from_estimator`; all parameters are stored as attributes.

    Parameters
    ----------
    curves : dict of str to ndarray of shape (n_epochs,)
        The lines, by what is added to the name in the legend: "" for the first, " (validation)", " (layer 2)", ...
    kind : {"loss", "validation", "firing"}
        What the curves are.
    name : str, default=None
        Name of the network in the legend.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The curves.
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    FiringDisplay : How many neurons fire, by class.
    SearchDisplay : What the search for firing neurons looked at.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skfastnn import FastReLUClassifier
    >>> from skfastnn.inspection import TrainingDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> plain = FastReLUClassifier(hidden_layer_sizes=(256,), random_state=0).fit(X, y)
    >>> display = TrainingDisplay.from_estimator(plain, name="plain ReLU")
    >>> shifted = FastReLUClassifier(hidden_layer_sizes=(256,), threshold=1.0, random_state=0).fit(X, y)
    >>> both = TrainingDisplay.from_estimator(shifted, name="threshold 1", ax=display.ax_)
    >>> len(both.ax_.lines)
    2
    >>> both.figure_.show()  # doctest: +SKIP
    """

    def __init__(self, *, curves, kind="loss", name=None):
        self.curves, self.kind, self.name = curves, kind, name

    @classmethod
    @validate_params({"kind": [StrOptions(set(LABELS))], "name": [str, None]}, prefer_skip_nested_validation=True)
    def from_estimator(cls, estimator, *, kind="loss", ax=None, name=None, **line_kwargs):
        """Draw what a fitted network recorded.

        Parameters
        ----------
        estimator : FastReLUClassifier or FastReLURegressor
            Fitted.
        kind : {"loss", "validation", "firing"}, default="loss"
            "loss" is that of the training samples and, where it was recorded, that of the validation set, dashed;
            "validation" the score on held-out samples; "firing" the share of firing neurons in each hidden layer.
        ax : matplotlib Axes, default=None
            Axes to draw on, those of another display for instance; new ones by default.
        name : str, default=None
            Name in the legend; the name of the class by default.
        **line_kwargs : dict
            Passed on to matplotlib's `plot`.

        Returns
        -------
        display : TrainingDisplay
            The picture, with what it was drawn from.

        Raises
        ------
        ValueError
            If nothing of that kind was recorded.
        """
        check_is_fitted(estimator)
        curves = _curves(estimator, kind)
        if not curves:
            raise ValueError(f"This network has recorded nothing for kind={kind!r}.")
        name = type(estimator).__name__ if name is None else name
        return cls(curves=curves, kind=kind, name=name).plot(ax, **line_kwargs)

    def plot(self, ax=None, *, name=None, **line_kwargs):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; new ones by default.
        name : str, default=None
            Name in the legend; `self.name` by default.
        **line_kwargs : dict
            Passed on to matplotlib's `plot`.

        Returns
        -------
        display : TrainingDisplay
            This one.
        """
        name = self._begin(ax, name)
        self.lines_ = []
        for suffix, values in self.curves.items():
            style = {"color": self.lines_[0].get_color(), "linestyle": "--"} if self.lines_ else {}
            epochs = np.arange(1, len(values) + 1)
            marker = "o" if len(values) == 1 else None
            self.lines_ += self.ax_.plot(
                epochs, values, **{"label": name + suffix, "marker": marker, **line_kwargs, **style}
            )
        self.ax_.set(xlabel="Epoch", ylabel=LABELS[self.kind])
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        if self.kind == "firing":
            as_percent(self.ax_.yaxis)
            start_at_zero(self.ax_)
        if self.kind == "loss" and min(line.get_ydata().min() for line in self.ax_.lines) > 0:
            self.ax_.set_yscale("log")
        self.ax_.legend()
        return self


def _curves(estimator, kind):
    """Return the curves of a fitted estimator, by what is added to its name; those that are empty left out."""
    if kind == "loss":
        curves = {"": estimator.loss_curve_, " (validation)": getattr(estimator, "validation_loss_curve_", None)}
    elif kind == "validation":
        curves = {"": estimator.validation_scores_}
    else:
        layers = np.atleast_2d(np.transpose(estimator.firing_curve_))
        curves = {f" (layer {i + 1})" if len(layers) > 1 else "": layer for i, layer in enumerate(layers)}
    return {suffix: np.array(curve) for suffix, curve in curves.items() if curve is not None and len(curve)}
