"""A fitted network as one of scikit-learn's own estimators.

The threshold and the coordinates in which the network was trained are in `coefs_` and `intercepts_` already, and the
neurons are plain ReLU on those: nothing is approximated, outputs agree up to rounding.
"""

import copy
import inspect

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skfastnn._prediction import checked_weights


class ExportMixin:
    """What hands a fitted network over."""

    def to_sklearn(self):
        """Return this network as a fitted MLPClassifier or MLPRegressor, behind its encoder if it has one.

        It predicts the same and no longer needs what this estimator keeps for training; the encoder needs this package.
        `partial_fit` goes on from these weights, with scikit-learn's Adam, steps and penalty.

        Returns
        -------
        estimator : MLPClassifier, MLPRegressor or Pipeline
            A pipeline of `encoder_` and the network if the features are encoded. All losses of the regressor but
            "poisson" become "squared_error", which is of no meaning for predictions.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If a classifier has seen one class only, which MLPClassifier cannot express, or a regressor has an
            exponential output and MLPRegressor has none (scikit-learn before 1.7).

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skfastnn import FastReLUClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> network = FastReLUClassifier(hidden_layer_sizes=256, threshold=1.0, random_state=0).fit(X, y)
        >>> mlp = network.to_sklearn()
        >>> mlp
        MLPClassifier(hidden_layer_sizes=(256,), random_state=0)
        >>> bool((mlp.predict(X) == network.predict(X)).all())
        True
        """
        from sklearn.pipeline import make_pipeline

        check_is_fitted(self)
        network, names = _as_mlp(self), getattr(self, "feature_names_in_", None)
        if self.encoder_ is None:
            first = network
        else:
            # its array is what the network knows, whatever frames scikit-learn is told to make elsewhere
            first = copy.deepcopy(self.encoder_).set_output(transform="default")
        if names is not None:
            first.feature_names_in_ = names.copy()
        return network if first is network else make_pipeline(first, network)


def _as_mlp(estimator):
    """Return a fitted MLP with copies of the weights of a network."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    n_inputs = len(estimator.coefs_[0])
    coefs, intercepts = checked_weights(estimator.coefs_, estimator.intercepts_, n_inputs, estimator.n_outputs_)
    kind = MLPClassifier if hasattr(estimator, "classes_") else MLPRegressor
    settings = {"hidden_layer_sizes": tuple(c.size for c in intercepts[:-1]), "random_state": estimator.random_state}
    if estimator.out_activation_ == "exp":
        if "loss" not in inspect.signature(kind).parameters:
            raise ValueError("An exponential output needs scikit-learn 1.7 or newer, whose MLPRegressor has a loss.")
        settings["loss"] = "poisson"
    mlp = kind(**settings)
    if kind is MLPClassifier:
        if estimator.classes_.size == 1:
            raise ValueError(f"MLPClassifier needs two classes; this network knows {estimator.classes_} alone.")
        mlp.classes_ = estimator.classes_.copy()
        mlp._label_binarizer = copy.deepcopy(estimator._label_binarizer)
    mlp.coefs_, mlp.intercepts_ = ([np.array(a, order="C") for a in arrays] for arrays in (coefs, intercepts))
    mlp.n_features_in_ = n_inputs
    for name in ("n_layers_", "n_outputs_", "out_activation_", "n_iter_", "t_", "loss_"):
        setattr(mlp, name, getattr(estimator, name))
    mlp.loss_curve_, mlp.best_loss_ = list(estimator.loss_curve_), estimator.loss_
    mlp.validation_scores_ = mlp.best_validation_score_ = None
    mlp._no_improvement_count = 0  # partial_fit counts on
    return mlp
