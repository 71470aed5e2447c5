"""What the two estimators share: parameters, the way of a fit, prediction."""

from abc import ABCMeta, abstractmethod
from contextlib import contextmanager
from functools import cache
from numbers import Integral, Real
from types import SimpleNamespace

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, _fit_context
from sklearn.model_selection import train_test_split
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _num_samples, validate_data

from skfastnn._activations import ActivationsMixin
from skfastnn._coordinates import LOW_DENSITY, density
from skfastnn._data import Data
from skfastnn._documentation import DocumentedMixin
from skfastnn._export import ExportMixin
from skfastnn._fitted import keep, keep_insights, random_state_of, warn_of, what_was_kept
from skfastnn._given import check_features, check_given
from skfastnn._linear import train_linear
from skfastnn._messages import in_own_context, warn
from skfastnn._plan import Problem, choose_solver
from skfastnn._prediction import checked_weights, dtype_of, raw_output
from skfastnn._progress import NEEDED_TO_END, CallbackSupportMixin, progress_of
from skfastnn._recipe import Recipe
from skfastnn._scoring import make_score
from skfastnn._stored import StoredMixin
from skfastnn._task import Task
from skfastnn._threads import one_blas_thread
from skfastnn._training import train
from skfastnn._trials import all_is_auto, choose_recipe, encodes
from skfastnn._validation import (
    check_activation,
    check_goes_on,
    check_missing,
    checked_widths,
    given_set,
    hold_out,
    is_penalised,
    stops_early,
    validate_rows,
    weigh,
)  # fmt: skip
from skfastnn.search import ENGINES
from skfastnn.solvers import SOLVERS

# Rows, target and weights that the user holds out, where there are none.
NOTHING_HELD_OUT = (None, None, None)
POSITIVE = Interval(Real, 0, None, closed="neither")
NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
BELOW_ONE = Interval(Real, 0, 1, closed="left")


class BaseFastReLU(
    ActivationsMixin, ExportMixin, StoredMixin, DocumentedMixin, CallbackSupportMixin, BaseEstimator, metaclass=ABCMeta
):
    """Base of the classifier and the regressor."""

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "activation": [str],
        "solver": [StrOptions({"auto", "adam_gauss_newton", "lbfgs"}), StrOptions(SOLVERS["dense"].keys())],
        "alpha": [NOT_NEGATIVE, StrOptions({"auto", "loo"})],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"auto", "constant", "invscaling", "adaptive", "linear"})],
        "learning_rate_init": [StrOptions({"auto"}), POSITIVE],
        "power_t": [NOT_NEGATIVE],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [NOT_NEGATIVE],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [BELOW_ONE],
        "beta_1": [BELOW_ONE],
        "beta_2": [StrOptions({"auto"}), BELOW_ONE],
        "epsilon": [POSITIVE],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "encoding": [StrOptions({"auto", "none", "piecewise_linear"})],
        "threshold": [StrOptions({"auto"}), NOT_NEGATIVE, "array-like"],
        "search": [StrOptions({"auto"}), StrOptions(ENGINES["dense"].keys())],
        "init": [StrOptions({"antisymmetric", "random"})],
        "train_output": ["boolean"],
        "scoring": [str, callable, None],
    }

    @abstractmethod
    def __init__(self): ...

    @classmethod
    @cache
    def _get_param_names(cls):
        # every fit asks for them: to read them from the signature takes as long as a step
        return super()._get_param_names()

    def _set(self, arguments):
        """Store the arguments of a constructor, its `locals()`."""
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self._takes_missing()
        return tags

    # what a subclass says about its target

    @abstractmethod
    def _validate_target(self, y, first_call, incremental, classes):
        """Check y and learn what it is; return it as it is split and weighted, shape (n_samples, ...)."""

    @abstractmethod
    def _encode_target(self, y):
        """Return the target of the raw output, ndarray of shape (n_samples, n_outputs)."""

    @abstractmethod
    def _make_loss(self):
        """Return the loss, an object of `skfastnn._losses`."""

    @abstractmethod
    def _score_raw(self, raw, y, sample_weight):
        """Return the score that early stopping watches if it is not told another."""

    @abstractmethod
    def _validate_held_out_target(self, y, trained):
        """Check that the target of samples that the user holds out is like that to train on; return it so."""

    def _weigh_samples(self, y, sample_weight):
        """Return the sample weights with class weights multiplied in."""
        return sample_weight

    def _strata(self, y, n_held_out):
        """Return the labels by which the held-out part is stratified, or None."""
        return None

    # fitting

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None, sample_weight_val=None):
        """Fit the network to data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows; float32 stays float32, everything else becomes float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Target: class labels or a label indicator matrix for the classifier, numbers for the regressor.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight k counts as k copies of the sample; only ratios of weights matter.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Rows by which early stopping goes; all of X is trained on then. In a `Pipeline` they take the same way as X
            with ``Pipeline(..., transform_input=["X_val"])``.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Their target; labels are among those of `y`.
        sample_weight_val : array-like of shape (n_val,), default=None
            Their weights, into which `class_weight` is not multiplied.

        Returns
        -------
        self : object
            The fitted estimator; after an error, or an interrupt before the first iteration has ended, the estimator
            is as it was.

        Raises
        ------
        ValueError
            If the input is not finite, empty, of unequal length; if weights are negative or all zero; if no neuron
            fires at the threshold; if a parameter has no such value, or the solver cannot do what is asked of it; if
            some of X_val, y_val and sample_weight_val come without the others, or with early_stopping=False.

        Warns
        -----
        ConvergenceWarning
            If training diverged, silenced all neurons, or had not converged when `max_iter` epochs or `max_fun`
            evaluations were over.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from skfastnn import FastReLURegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = FastReLURegressor(random_state=0).fit(X[:300], y[:300])
        >>> bool(model.score(X[300:], y[300:]) > 0.4)
        True
        """
        with self._unchanged_on_error():
            self._fit(X, y, sample_weight, validation=(X_val, y_val, sample_weight_val))
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def _partial_fit(self, X, y, sample_weight=None, classes=None):
        with self._unchanged_on_error():
            if stops_early(self.early_stopping, NOTHING_HELD_OUT):
                raise ValueError("partial_fit does not support early_stopping=True.")
            self._fit(X, y, sample_weight, incremental=True, classes=classes)
        return self

    @contextmanager
    def _unchanged_on_error(self):
        # fitting replaces attributes and never changes them in place, so a shallow copy is enough
        before = self.__dict__.copy()
        try:
            yield
        except BaseException as error:
            needed = {name: value for name, value in vars(self).items() if name in NEEDED_TO_END}
            self.__dict__ = before | needed  # at once: another interrupt may follow
            if not isinstance(error, KeyboardInterrupt):
                raise
            warn("Training interrupted by user before an iteration had ended: the estimator is as it was.")

    @in_own_context
    def _fit(self, X, y, sample_weight, incremental=False, classes=None, validation=NOTHING_HELD_OUT):
        """Validate, plan, run the stages, and keep what comes of it."""
        task, widths, kind = self._make_task(X, y, sample_weight, incremental, classes, validation)
        trained = self._train(task, widths, kind)
        keep(self, task, trained)
        task.progress.end()
        warn_of(trained, self.max_iter, incremental)

    def _make_task(self, X, y, sample_weight, incremental, classes, validation):
        """Return what is to be done, the widths, and which of the samples that differ each is, if all are compared."""
        progress = progress_of(self, X, y, sample_weight)
        params = SimpleNamespace(**{name: getattr(self, name) for name in self._parameter_constraints})
        goes_on = hasattr(self, "coefs_") and (incremental or self.warm_start)
        n_given = _num_samples(X)
        data = self._validate(params, X, y, sample_weight, (goes_on, incremental, classes))
        random_state = random_state_of(self, goes_on, incremental)
        compared, held_out, same = data.X.shape[0] == n_given, None, False
        if stops_early(self.early_stopping, validation):
            split = getattr(self, "_split", None) if goes_on else None
            if validation[0] is not None:
                held_out, self._split = given_set(self, validation, data, self._takes_missing(goes_on), split)
            else:
                data, held_out, self._split = hold_out(
                    data, params, (train_test_split, random_state), split, self._strata
                )
            same = self._split["as_before"]
            compared = compared and validation[0] is not None
        loss = self._make_loss()
        before = what_was_kept(self, same) if goes_on else None
        if goes_on:
            check_goes_on(params, loss, before, self.out_activation_)
        widths, given = checked_widths(params, data.X.shape[1], before)
        problem = Problem(
            *data.X.shape, data.target.shape[1], widths if given else None,
            density(data.X, data.weight) < LOW_DENSITY, loss.has_curvature, incremental,
        )  # fmt: skip
        solver = choose_solver(self.solver, self.alpha, problem) if widths else None
        if not widths or not goes_on:
            for part in (data, held_out):
                check_missing(part, bool(widths) and encodes(params, problem, data))
        data, kind = data.merged() if solver == "gauss_newton" else (data, None)
        task = Task(params, problem, solver, data, held_out, loss, make_score(self), random_state, before, progress)
        return task, widths, kind if compared else None

    def _validate(self, params, X, y, sample_weight, call):
        """Return the samples that count."""
        goes_on, incremental, classes = call
        check_activation(params, "MLPClassifier" if hasattr(self, "predict_proba") else "MLPRegressor")
        dtype = dtype_of(self.coefs_, self.intercepts_) if goes_on else (np.float64, np.float32)
        X, y = validate_rows(self, X, y, dtype, self._takes_missing(goes_on), reset=not goes_on)
        y = self._validate_target(y, not goes_on, incremental, classes)
        X, y, weight = weigh(X, y, sample_weight, self._weigh_samples, is_penalised(params))
        return Data(X, y, self._encode_target(y), weight)

    def _train(self, task, widths, kind):
        """Return what a task leads to, `Trained`; a network that is drawn anew is chosen before."""
        if task.before is None:
            self.selection_ = []
            keep_insights(self, Recipe([]), None)
        self._posterior = None  # of the network before
        # what comes of an overflow is found in the loss, and in the weights
        with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
            if not widths:
                return train_linear(task)
            if task.before is None:
                recipe, self.selection_ = choose_recipe(task, widths, self._strata)
                keep_insights(self, recipe, kind)
            else:
                recipe = Recipe(widths, encoder=self.encoder_, scales=self._scales)
            return train(task, recipe)

    def _takes_missing(self, goes_on=False):
        """Return whether NaN is a missing value: where the features are encoded."""
        if goes_on:
            return self.encoder_ is not None
        return all_is_auto(self) or self.encoding == "piecewise_linear"

    # prediction

    @in_own_context
    def _raw_output(self, X):
        """Return the output before its activation, ndarray of shape (n_samples, n_outputs)."""
        X, *weights = self._rows_and_weights(X)
        tree = () if self._start is None else (self._start["rows"]["mean"], self._neurons["order"])
        with np.errstate(over="ignore", invalid="ignore"):
            raw = raw_output(X, *weights, *tree)
        if not get_config()["assume_finite"] and not np.isfinite(raw).all():
            n_bad = int((~np.isfinite(raw)).any(axis=1).sum())
            raise ValueError(f"The output for {n_bad} of the rows is too large for {raw.dtype}: scale the data.")
        return raw

    def _rows_and_weights(self, X):
        """Return rows as the network takes them, checked and encoded, and its weights, checked."""
        check_features(self, X)
        check_given(X)
        finite = self.encoder_ is None or "allow-nan"
        X = validate_data(
            self, X, accept_sparse="csr", dtype=(np.float64, np.float32), reset=False, ensure_all_finite=finite
        )  # fmt: skip
        if self.encoder_ is not None:
            X = self.encoder_._encode(X)
        return X, *checked_weights(self.coefs_, self.intercepts_, X.shape[1], self.n_outputs_)
