"""FastReLURegressor."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d

from skfastnn._base import POSITIVE, BaseFastReLU, Real
from skfastnn._losses import activate, regression_loss
from skfastnn._threads import effective_n_threads
from skfastnn.selection import standard_deviation


class FastReLURegressor(RegressorMixin, BaseFastReLU):
    """Regressor with wide ReLU layers that chooses what it is not told.

    Code written for :class:`sklearn.neural_network.MLPRegressor` works with it; :class:`FastReLUClassifier` says how
    it is trained. The target is centred and scaled for training, and the output layer takes it back.

    Parameters
    ----------
    loss : {"squared_error", "poisson", "huber", "absolute_error", "quantile"}, default="squared_error"
        "poisson" has an exponential output and needs targets >= 0. "gauss_newton" and "adam_gauss_newton" take
        "squared_error", "poisson" and "huber".
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, \
shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, \
beta_1, beta_2, epsilon, n_iter_no_change, max_fun, encoding, threshold, search, init, train_output
        As in :class:`FastReLUClassifier`; early stopping watches R2, and "auto" counts the outputs of a sample as they
        are.
    quantile : float in (0, 1), default=0.5
        Quantile of loss="quantile".
    huber_delta : float > 0, default=1.35
        Where loss="huber" becomes linear, in standard deviations of the target.
    scoring : str, callable or None, default=None
        As in :class:`FastReLUClassifier`; None is R2.

    Attributes
    ----------
    coefs_, intercepts_, encoder_, selection_, plan_, feature_importances_, loss_, loss_curve_, best_loss_, \
validation_scores_, validation_loss_curve_, best_validation_score_, firing_rate_, firing_curve_, firing_recall_, \
threshold_, solver_, search_, learning_rate_init_, alpha_, search_counters_, n_iter_, t_, n_layers_, \
n_features_in_, feature_names_in_
        As in :class:`FastReLUClassifier`. The loss is that of the scaled target for all losses but "poisson"; the
        scores of early stopping are R2.
    oob_prediction_ : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        What each sample is predicted to be from all the others, as `oob_decision_function_` of the classifier.
    n_outputs_ : int
        Number of targets.
    out_activation_ : {"identity", "exp"}
        What turns the output into the prediction; "exp" for loss="poisson".

    See Also
    --------
    FastReLUClassifier : The same network for classification.

    Examples
    --------
    >>> import numpy as np
    >>> from skfastnn import FastReLURegressor
    >>> X = np.linspace(-1, 1, 200).reshape(-1, 1)
    >>> y = np.sin(3 * X).ravel()
    >>> reg = FastReLURegressor(random_state=0).fit(X, y)
    >>> bool(reg.score(X, y) > 0.99)
    True
    >>> reg.predict([[0.5]]).shape
    (1,)
    """

    _parameter_constraints: dict = {
        **BaseFastReLU._parameter_constraints,
        "loss": [StrOptions({"squared_error", "poisson", "huber", "absolute_error", "quantile"})],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
        "huber_delta": [POSITIVE],
    }

    def __init__(
        self, loss="squared_error", hidden_layer_sizes="auto", activation="relu", *, solver="auto", alpha="auto",
        batch_size="auto", learning_rate="auto", learning_rate_init="auto", power_t=0.5, max_iter=200,
        shuffle=True, random_state=None, tol=1e-4, verbose=False, warm_start=False, momentum=0.9,
        nesterovs_momentum=True, early_stopping="auto", validation_fraction=0.1, beta_1=0.9, beta_2="auto",
        epsilon=1e-8, n_iter_no_change=10, max_fun=15_000, encoding="auto", threshold="auto", search="auto",
        init="antisymmetric", train_output=True, quantile=0.5, huber_delta=1.35, scoring=None,
    ):  # fmt: skip
        self._set(locals())

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _validate_target(self, y, first_call, incremental, classes):
        y = _as_numbers(y)
        if not np.isfinite(y).all():  # also where scikit-learn was told to assume it
            raise ValueError("Input y contains NaN or infinity.")
        if self.loss == "poisson" and ((y < 0).any() or (first_call and not (y.sum(axis=0) > 0).all())):
            raise ValueError("loss='poisson' needs targets that are not negative and not all zero.")
        if not first_call and (1 if y.ndim == 1 else y.shape[1]) != self.n_outputs_:
            raise ValueError(f"y must have {self.n_outputs_} outputs as on the last call, got shape {y.shape}.")
        return y

    def _validate_held_out_target(self, y, trained):
        y = _as_numbers(y)
        if y.shape[1:] != trained.shape[1:]:
            raise ValueError(f"y_val must have as many outputs as y, got shapes {y.shape} and {trained.shape}.")
        if not np.isfinite(y).all() or (self.loss == "poisson" and (y < 0).any()):
            raise ValueError("Input y_val contains NaN, infinity, or numbers that the loss does not take.")
        return y

    _left_out_names = ("oob_prediction_",)

    def _keep_left_out(self, prediction):
        self.oob_prediction_ = prediction.ravel() if prediction.shape[1] == 1 else prediction

    def _encode_target(self, y):
        return y.reshape(y.shape[0], -1)

    def _make_loss(self):
        return regression_loss(self.loss, quantile=self.quantile, huber_delta=self.huber_delta)

    def _score_raw(self, raw, y, sample_weight):
        return r2_score(y, self._make_loss().predict(raw), sample_weight=sample_weight)

    def _has_partial_fit(self):
        return self.solver not in ("gauss_newton", "lbfgs")

    @available_if(_has_partial_fit)
    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch on some data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : object
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X, return_std=False):
        """Return the predicted targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        return_std : bool, default=False
            Whether the standard deviation of the target around the prediction is returned, too. Nine tenths of all
            targets are meant to lie within 1.645 of them. Where the network was chosen by leave-one-out error, up to
            2,000 samples, it is that of a Gaussian process, and grows away from the samples that were trained on; the
            rows that were trained on are kept for it, and the first call takes about as long as a tenth of the fit.
            Beyond, and with hidden layers of a given width, it is the same for all samples, from errors on rows that
            were held out.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        std : ndarray of the same shape, float64
            Only if `return_std`.

        Raises
        ------
        ValueError
            If `return_std` and nothing is known about errors. They are known where "gauss_newton" was left to choose
            the inputs of the network, of any number of samples, and where "adam" chose its step on samples that were
            held out, of 100 or more; but not for loss="poisson", nor after `partial_fit`, nor after a second `fit` with
            `warm_start`.

        Examples
        --------
        >>> import numpy as np
        >>> from skfastnn import FastReLURegressor
        >>> rng = np.random.default_rng(0)
        >>> X = rng.uniform(-2, 2, size=(150, 1))
        >>> y = np.sin(X).ravel() + rng.normal(scale=0.1, size=150)
        >>> y_pred, y_std = FastReLURegressor(random_state=0).fit(X, y).predict([[0.5], [4.0]], return_std=True)
        >>> bool(0.08 < y_std[0] < 0.13 and y_std[1] > y_std[0])
        True
        """
        check_is_fitted(self)
        # by what was fitted, whatever the parameters say now
        raw = self._raw_output(X)
        prediction = activate(raw, self.out_activation_)
        if not return_std:
            return prediction.ravel() if self.n_outputs_ == 1 else prediction
        std = self._standard_deviation(X)
        return (prediction.ravel(), std.ravel()) if self.n_outputs_ == 1 else (prediction, std)

    def _standard_deviation(self, X):
        """Return the standard deviation of the target around the prediction, (n_samples, n_outputs)."""
        if self._posterior is None or self.out_activation_ != "identity":
            raise ValueError(
                "return_std=True needs errors on samples that were left out, and this fit has none: it takes fit with "
                "the parameters' defaults, and a loss other than 'poisson'."
            )
        X = check_array(X, dtype=np.float64, accept_sparse="csr", ensure_all_finite="allow-nan")
        return standard_deviation(self._posterior, X, effective_n_threads())


def _as_numbers(y):
    """Return targets in double precision, a single column of them as a vector."""
    # until they are standardised: what is large and varies little would lose its digits
    y = np.asarray(y, dtype=np.float64)
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
