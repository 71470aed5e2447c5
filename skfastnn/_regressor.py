"""FastReLURegressor."""

import numpy as np
from scipy.sparse import issparse
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
    hidden_layer_sizes : "auto", int or array-like of shape (n_layers - 2,), default="auto"
        Widths of the hidden layers; an empty sequence is a linear model. This and what follows, up to `train_output`,
        is explained at length in :class:`FastReLUClassifier`.
    activation : {"relu"}, default="relu"
        Others are refused.
    solver : {"auto", "adam", "adam_gauss_newton", "gauss_newton", "lbfgs", "sgd"}, default="auto"
        "auto" is "gauss_newton" for up to 2,000 samples and 20,000 outputs of samples; "adam" beyond, and where it
        does better on held-out samples of a target with little noise.
    alpha : "auto", "loo" or float >= 0, default="auto"
        Penalty on the squared distance of the weights from their start; with "gauss_newton" the ridge, which "auto" and
        "loo" choose by leave-one-out error.
    batch_size : "auto" or int, default="auto"
        Samples of a batch.
    learning_rate : {"auto", "constant", "invscaling", "adaptive", "linear"}, default="auto"
        Schedule of the step size of "sgd" and "adam".
    learning_rate_init : "auto" or float > 0, default="auto"
        Step size, in the units of MLPRegressor.
    power_t : float >= 0, default=0.5
        Exponent of "invscaling".
    max_iter : int, default=200
        Number of epochs, or of iterations of "gauss_newton" and "lbfgs", at most.
    shuffle : bool, default=True
        Whether to shuffle the samples in each epoch.
    random_state : int, RandomState instance or None, default=None
        Start of the weights, validation split and shuffling.
    tol : float >= 0, default=1e-4
        Progress below which an epoch counts as without improvement.
    verbose : bool, default=False
        Print a line per epoch; and one on each stage of the plan, to the standard error.
    warm_start : bool, default=False
        Go on from the weights of the last fit.
    momentum : float in [0, 1], default=0.9
        Momentum of "sgd".
    nesterovs_momentum : bool, default=True
        Whether to use Nesterov's momentum.
    early_stopping : "auto" or bool, default="auto"
        Hold out a part of the samples, and stop when the score on it, R2 by default, does not improve. "auto" does so
        if `fit` is given `X_val` and `y_val`.
    validation_fraction : float in [0, 1), default=0.1
        Part that is held out.
    beta_1 : float in [0, 1), default=0.9
        Decay of the first moment of "adam".
    beta_2 : "auto" or float in [0, 1), default="auto"
        Decay of the second moment of "adam".
    epsilon : float > 0, default=1e-8
        Added to the root of the second moment of "adam".
    n_iter_no_change : int or inf, default=10
        Epochs without improvement before training stops.
    max_fun : int, default=15000
        Number of evaluations of the loss by "lbfgs" at most.
    encoding : {"auto", "none", "piecewise_linear"}, default="auto"
        What the network sees: the features as they are, or encoded by
        :class:`~skfastnn.preprocessing.PiecewiseLinearEncoder`. "auto" chooses if nothing is set.
    threshold : "auto", float >= 0, or a list of them for the hidden layers, default="auto"
        How many standard deviations a pre-activation must exceed before a neuron fires; 0 is the plain ReLU.
    search : {"auto", "correlation_tree", "dense", "halfspace", "heavy_pairs", "quantized"}, default="auto"
        How the neurons that may fire are found.
    init : {"antisymmetric", "random"}, default="antisymmetric"
        "antisymmetric" starts with pairs of neurons whose outputs cancel, so that the network starts at zero.
    train_output : bool, default=True
        False freezes the output layer at its random signs.
    quantile : float in (0, 1), default=0.5
        Quantile of loss="quantile".
    huber_delta : float > 0, default=1.35
        Where loss="huber" becomes linear, in standard deviations of the target.
    scoring : str, callable or None, default=None
        As in :class:`FastReLUClassifier`; None is R2.

    Attributes
    ----------
    coefs_ : list of n_layers_ - 1 ndarray
        Weights between one layer and the next, of shape (n_inputs, n_neurons), ..., (n_neurons, n_outputs). The first
        are those on ``encoder_.transform(X)`` if there is an encoder, on X if not. Attributes are explained
        at length in :class:`FastReLUClassifier`, where they are not those of regressors alone.
    intercepts_ : list of n_layers_ - 1 ndarray
        Intercepts of each layer, threshold included, of shape (n_neurons,), ..., (n_outputs,).
    encoder_ : PiecewiseLinearEncoder or None
        What encodes the features.
    selection_ : list of dict
        What was tried before training, in that order. "error" is the mean squared error of the standardised target
        wherever "gauss_newton" was tried, else the mean loss on held-out samples.
    plan_ : list of dict
        What was trained in the last call, one record for each stage.
    feature_importances_ : ndarray of shape (n_features_in_,)
        Share of each feature in the gradient of what the chosen inputs predict. There only if the inputs were chosen
        for "gauss_newton".
    loss_ : float
        Loss of the last epoch, without the penalty: of the standardised target, but for loss="poisson".
    loss_curve_ : list of float
        Mean loss of each epoch or iteration.
    best_loss_ : float or None
        The least of them; None with early stopping.
    validation_scores_ : list of float or None
        Score on the held-out samples after each epoch, R2 if not told another; None without early stopping.
    validation_loss_curve_ : list of float or None
        Mean loss on the held-out samples after each epoch; None without early stopping.
    best_validation_score_ : float or None
        The best of the scores.
    firing_rate_ : list of float
        Fraction of (sample, neuron) pairs that fired in the last epoch, one number per hidden layer.
    firing_curve_ : list of float
        The same for each epoch; with several hidden layers a list of lists.
    firing_recall_ : float
        Share of the firing pairs that the search found in the last call: 1.0, but for search="heavy_pairs".
    threshold_ : float, or list of float with several hidden layers
        As resolved, in standard deviations of the pre-activations.
    solver_ : str
        As resolved.
    search_ : str
        As resolved.
    learning_rate_init_ : float
        As resolved, in the units of MLPRegressor.
    alpha_ : float
        As resolved; of "gauss_newton" the ridge that was chosen.
    search_counters_ : dict of int
        Operations of the search in the last call.
    n_iter_ : int
        Number of epochs, and of iterations of Gauss-Newton, of the last call.
    t_ : int
        Number of samples seen in all calls since the network was drawn.
    n_layers_ : int
        Number of layers, input and output included.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, if all are strings.
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
        if y.size and np.abs(y).max() > np.finfo(y.dtype).max / (4 * len(y)):  # sums and differences would overflow
            raise ValueError("The target y has numbers that are too large for float64: scale it.")
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
        """Train for one epoch on some data: go on from the calls before, or from a `fit`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows. They need not be scaled: location and scale of all rows so far are followed.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets, which need not be scaled either.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight k counts as k copies of the row, beside the others of this call.

        Returns
        -------
        self : FastReLURegressor
            The estimator; after an error it is as it was.

        Raises
        ------
        ValueError
            If the number of features or outputs differs from that of the calls before; if numbers are not finite; with
            early_stopping=True.

        Examples
        --------
        >>> import numpy as np
        >>> from skfastnn import FastReLURegressor
        >>> X = np.random.default_rng(0).uniform(-2, 2, size=(2_000, 1))
        >>> y = np.sin(X).ravel()
        >>> model = FastReLURegressor(random_state=0)
        >>> for start in range(0, 2_000, 50):
        ...     model = model.partial_fit(X[start : start + 50], y[start : start + 50])
        >>> bool(model.score(X, y) > 0.8)
        True
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X, return_std=False):
        """Return the predicted targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, with as many features as in `fit`; NaN where a missing value is taken.
        return_std : bool, default=False
            Whether the standard deviation of the target around the prediction is returned, too. Nine tenths of all
            targets are meant to lie within 1.645 of them. Where the network was chosen by leave-one-out error, up to
            2,000 samples, it is that of a Gaussian process, and grows away from the samples that were trained on; the
            rows that were trained on are kept for it, and the first call takes about as long as a tenth of the fit.
            Beyond, and with hidden layers of a given width, it is the same for all samples, from errors on rows that
            were held out.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs), float32 or float64
            Predictions, in units of the target.
        std : ndarray of the same shape, float64
            Standard deviations, in units of the target. Only if `return_std`.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If X has another number of features or numbers that are not finite, or if an output is too large for its
            type. Also if `return_std` and nothing is known about errors. They are known where "gauss_newton" was left
            to choose the inputs of the network, however few the samples, and where "adam" chose its step on samples
            that were held out, of 100 or more; but not for loss="poisson", nor after `partial_fit`, nor after a second
            `fit` with `warm_start`.

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
    if issparse(y):
        raise TypeError("Sparse data was passed for y, but a regressor takes dense targets: pass y.toarray().")
    # until they are standardised: what is large and varies little would lose its digits
    y = np.asarray(y, dtype=np.float64)
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
