"""What the two estimators share: parameters, validation, fitting, prediction."""

import warnings
from abc import ABCMeta, abstractmethod
from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._chunking import get_chunk_n_rows
from sklearn.utils._param_validation import Hidden, Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from skfastnn._fitting import Schedule, Trainer
from skfastnn._network import Coordinates, Network, padded_length, resolve_threshold
from skfastnn._threads import blas_threads, effective_n_threads
from skfastnn.search import make_engine
from skfastnn.search._contract import TrainingRows
from skfastnn.solvers import automatic_step_size, make_solver
from skfastnn.solvers._step_size import MAX_PROBE, tangent_kernel

POSITIVE = Interval(Real, 0, None, closed="neither")
NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
BELOW_ONE = Interval(Real, 0, 1, closed="left")


class BaseFastReLU(BaseEstimator, metaclass=ABCMeta):
    """Base of the classifier and the regressor."""

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "threshold": [StrOptions({"auto"}), NOT_NEGATIVE],
        "solver": [StrOptions({"auto", "adam", "sgd"})],
        "search": [StrOptions({"auto", "correlation_tree", "dense"})],
        "alpha": [NOT_NEGATIVE],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
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
        "early_stopping": ["boolean"],
        "validation_fraction": [BELOW_ONE],
        "beta_1": [BELOW_ONE],
        "beta_2": [BELOW_ONE],
        "epsilon": [POSITIVE],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Hidden(StrOptions({"inf"}))],
        "init": [StrOptions({"antisymmetric", "random"})],
        "train_output": ["boolean"],
    }

    @abstractmethod
    def __init__(
        self, *, hidden_layer_sizes, threshold, solver, search, alpha, batch_size, learning_rate, learning_rate_init,
        power_t, max_iter, shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum,
        early_stopping, validation_fraction, beta_1, beta_2, epsilon, n_iter_no_change, init, train_output,
    ):  # fmt: skip
        self.hidden_layer_sizes = hidden_layer_sizes
        self.threshold = threshold
        self.solver = solver
        self.search = search
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.init = init
        self.train_output = train_output

    # what a subclass says about its target

    @abstractmethod
    def _validate_target(self, X, y, first_call, classes=None):
        """Check y and learn what it is; return it as it is split and weighted, shape (n_samples, ...)."""

    @abstractmethod
    def _encode_target(self, y):
        """Return the target of the raw output, ndarray of shape (n_samples, n_outputs)."""

    @abstractmethod
    def _make_loss(self):
        """Return the loss, an object of `skfastnn._losses`."""

    @abstractmethod
    def _score_raw(self, raw, y, sample_weight):
        """Return the score that early stopping watches."""

    def _weigh_samples(self, y, sample_weight):
        """Return the sample weights with class weights multiplied in."""
        return sample_weight

    # fitting

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the network to data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows; float32 stays float32, everything else becomes float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Target: class labels or a label indicator matrix for the classifier, numbers for the regressor.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight k counts as k copies of the sample.

        Returns
        -------
        self : object
            The fitted estimator; after an error the estimator is as it was.

        Raises
        ------
        ValueError
            If the input is not finite, empty, of unequal length; if weights are negative or all zero; if no neuron
            fires at the threshold.
        """
        with self._unchanged_on_error():
            return self._fit(X, y, sample_weight, incremental=False)

    @_fit_context(prefer_skip_nested_validation=True)
    def _partial_fit(self, X, y, sample_weight=None, classes=None):
        with self._unchanged_on_error():
            if self.early_stopping:
                raise ValueError("partial_fit does not support early_stopping=True.")
            return self._fit(X, y, sample_weight, incremental=True, classes=classes)

    @contextmanager
    def _unchanged_on_error(self):
        before = self.__dict__.copy()
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _fit(self, X, y, sample_weight, incremental, classes=None):
        first_call = not hasattr(self, "coefs_") or not (incremental or self.warm_start)
        X, y = validate_data(
            self, X, y, dtype=(np.float64, np.float32), order="C", reset=first_call, multi_output=True, y_numeric=False
        )  # fmt: skip
        y = self._validate_target(X, y, first_call, classes)
        sample_weight = _check_sample_weight(
            sample_weight, X, dtype=X.dtype, ensure_non_negative=True
        )  # fmt: skip
        sample_weight = self._weigh_samples(y, sample_weight)
        if not (sample_weight > 0).any():
            raise ValueError("All sample weights are zero: at least one weight must be positive.")
        if first_call:
            self._random_state = check_random_state(self.random_state)
        X, y, sample_weight, validation = self._split(X, y, sample_weight)
        used = sample_weight > 0  # a weight of zero is the same as leaving the sample out, draws included
        if not used.all():
            X, y, sample_weight = X[used], y[used], sample_weight[used]
        with blas_threads(1):
            self._train(X, y, sample_weight, validation, incremental, first_call)
        return self

    def _split(self, X, y, sample_weight):
        if not self.early_stopping:
            return X, y, sample_weight, None
        stratify = self._stratification(y)
        X, X_val, y, y_val, sample_weight, weight_val = train_test_split(
            X, y, sample_weight, test_size=self.validation_fraction, random_state=self._random_state, stratify=stratify
        )  # fmt: skip
        if X_val.shape[0] < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        if not (weight_val > 0).any() or not (sample_weight > 0).any():
            raise ValueError("All sample weights are zero in the training or the validation part.")
        return np.ascontiguousarray(X), y, sample_weight, (np.ascontiguousarray(X_val), y_val, weight_val)

    def _stratification(self, y):
        return None

    def _train(self, X, y, sample_weight, validation, incremental, first_call):
        loss = self._make_loss()
        target = self._encode_target(y).astype(X.dtype, copy=False)
        network = self._network(X, target, sample_weight, loss, first_call)
        scaled = ((target - network.target_shift) / network.target_scale).astype(X.dtype, copy=False)
        probe_rate = self._probe(X, scaled, sample_weight, loss, network, first_call)
        solver = make_solver(self.solver_, network, self._solver_settings(), effective_n_threads())
        if not first_call:
            solver.measure()
        if incremental and not first_call:
            self._restore_solver(solver)
        engine = make_engine(self._choose_search(incremental))
        if first_call:
            self._rate = probe_rate
        trainer = Trainer(network, solver, engine, loss, self._schedule(X.shape[0]), self._random_state)
        trainer = self._run(trainer, X, scaled, sample_weight, validation, incremental)
        self._keep(trainer, loss, incremental, first_call)

    def _run(self, trainer, X, target, sample_weight, validation, incremental):
        """Train; without memory for the search structure, train densely."""
        n_epochs = 1 if incremental else self.max_iter
        validate = None if validation is None else self._validator(*validation)
        with warnings.catch_warnings():
            trainer.fit(X, target, sample_weight, n_epochs, validate)
        return trainer

    def _network(self, X, target, sample_weight, loss, first_call):
        """Return the network to train: drawn anew, or taken up from the fitted attributes."""
        sizes = np.atleast_1d(self.hidden_layer_sizes)
        if sizes.ndim != 1 or sizes.size != 1:
            raise ValueError(
                f"hidden_layer_sizes must name exactly one hidden layer, got {self.hidden_layer_sizes!r}. "
                "Use one wide layer, e.g. hidden_layer_sizes=(4096,)."
            )
        if not np.issubdtype(sizes.dtype, np.integer) or sizes[0] < 1:
            raise ValueError(f"hidden_layer_sizes must hold integers >= 1, got {self.hidden_layer_sizes!r}.")
        m = int(sizes[0])
        if first_call:
            coordinates = Coordinates.from_data(X, sample_weight)
            seed = int(self._random_state.randint(np.iinfo(np.int32).max))
            self._start = {"mean": coordinates.mean, "scale": np.float64(coordinates.scale), "seed": np.int64(seed)}
            self.threshold_ = resolve_threshold(self.threshold, m)
            self.solver_ = "adam" if self.solver == "auto" else self.solver
        coordinates = Coordinates(self._start["mean"].astype(X.dtype), float(self._start["scale"]))
        network = Network(
            coordinates, m, target.shape[1], self.threshold_, self.init == "antisymmetric", int(self._start["seed"]),
            X.dtype,
        )  # fmt: skip
        if first_call:
            self._centre_target(network, target, sample_weight, loss)
        else:
            network.target_shift, network.target_scale = self._start["target_shift"], self._start["target_scale"]
            network.load(self.coefs_, self.intercepts_)
        return network

    def _centre_target(self, network, target, sample_weight, loss):
        if loss.standardises:
            mean = np.average(target, axis=0, weights=sample_weight)
            scale = np.sqrt(np.average((target - mean) ** 2, axis=0, weights=sample_weight))
            network.target_shift = mean.astype(np.float64)
            network.target_scale = np.where(scale > 0, scale, 1.0).astype(np.float64)
        scaled = (target - network.target_shift) / network.target_scale
        network.v[...] = loss.initial_output(scaled, sample_weight)
        self._start.update(target_shift=network.target_shift, target_scale=network.target_scale)

    def _probe(self, X, target, sample_weight, loss, network, first_call):
        """Return the automatic step size, and make sure that neurons fire."""
        if not first_call:
            return None
        step = -(-X.shape[0] // MAX_PROBE)
        index = np.arange(0, X.shape[0], step, dtype=np.int32)
        data = TrainingRows(X, network.coordinates, network.ld, effective_n_threads())
        rows, norms = data.gather(index, *data.buffers(index.size))
        kernel, firing_rate = tangent_kernel(rows, network)
        if firing_rate == 0 and norms.any():
            raise ValueError(
                f"No neuron fires at threshold={self.threshold_:.4g}: the firing rate on {index.size} rows is 0. "
                "Lower threshold (threshold='auto' is sqrt(0.4 ln m)) or widen hidden_layer_sizes."
            )
        if self.learning_rate_init != "auto":
            return float(self.learning_rate_init)
        return automatic_step_size(
            self.solver_, kernel, sample_weight[index], loss.curvature(target), rows, network
        )  # fmt: skip

    def _solver_settings(self):
        names = ("momentum", "nesterovs_momentum", "beta_1", "beta_2", "epsilon", "train_output")
        return {name: getattr(self, name) for name in names}

    def _choose_search(self, incremental):
        """Resolve search="auto"; rows that are seen once are not worth a tree."""
        if self.search != "auto":
            self.search_ = self.search
        else:
            self.search_ = "dense" if incremental else "correlation_tree"
        return self.search_

    def _schedule(self, n_samples):
        if self.batch_size == "auto":
            batch_size = min(200, n_samples)
        else:
            if self.batch_size > n_samples:
                warnings.warn(
                    "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped.",
                    stacklevel=5,
                )
            batch_size = min(self.batch_size, n_samples)
        names = ("learning_rate", "power_t", "alpha", "shuffle", "max_iter", "tol", "n_iter_no_change", "verbose")
        settings = {name: getattr(self, name) for name in names}
        return Schedule(learning_rate_init=self._rate, batch_size=batch_size, **settings)

    def _validator(self, X, y, sample_weight):
        """Return a function that scores a network on held-out rows."""

        def score(network):
            rows = TrainingRows(X, network.coordinates, network.ld, effective_n_threads())
            raw = np.empty((X.shape[0], network.n_outputs), dtype=X.dtype)
            for part in gen_batches(X.shape[0], 1024):
                index = np.arange(part.start, part.stop, dtype=np.int32)
                raw[part] = network.raw_output(rows.gather(index, *rows.buffers(index.size))[0])
            return self._score_raw(raw * network.target_scale + network.target_shift, y, sample_weight)

        return score

    def _keep(self, trainer, loss, incremental, first_call):
        """Set the fitted attributes; nothing before this line has touched those of an earlier fit."""
        history, network = trainer.history, trainer.network
        best = history.best_parameters
        solver_state = self._solver_state(trainer.solver) if incremental else None
        self.search_counters_ = {name: int(count) for name, count in trainer.engine.counters.items()}
        trainer.engine = trainer.solver = None  # their memory is needed for the export
        self.coefs_, self.intercepts_ = best if best is not None else network.export()
        self._trained_state = solver_state
        self.n_layers_ = 3
        self.n_outputs_ = network.n_outputs
        self.out_activation_ = loss.out_activation
        self.learning_rate_init_ = self._rate
        continued = incremental and not first_call
        earlier = self.loss_curve_ if continued else []
        self.loss_curve_ = earlier + history.loss_curve
        self.firing_curve_ = (self.firing_curve_ if continued else []) + history.firing_curve
        self.firing_rate_ = [self.firing_curve_[-1] if self.firing_curve_ else 0.0]
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.inf
        n_iter = max(1, len(history.loss_curve))
        self.n_iter_ = n_iter + (self.n_iter_ if continued else 0)
        self.t_ = history.n_samples_seen + (self.t_ if continued else 0)
        if self.early_stopping:
            self.best_loss_ = None
            self.validation_scores_ = history.validation_scores
            self.best_validation_score_ = history.best_score
        else:
            self.best_loss_ = min(history.best_loss, self.best_loss_ if continued else np.inf)
            self.validation_scores_ = self.best_validation_score_ = None
        self._warn_unconverged(history, incremental)

    def _warn_unconverged(self, history, incremental):
        stopped = history.n_without_improvement > self.n_iter_no_change
        if not incremental and not stopped and not history.interrupted and len(history.loss_curve) == self.max_iter:
            warnings.warn(
                f"Maximum iterations ({self.max_iter}) reached and the optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=6,
            )

    def _solver_state(self, solver):
        solver.catch_up()
        arrays = {name: value for name, value in vars(solver).items() if isinstance(value, np.ndarray)}
        return {"n_steps": solver.n_steps, "arrays": arrays, "c_state": solver.network.c_state[:, 1:].copy()}

    def _restore_solver(self, solver):
        """Go on with the moments of the last call of partial_fit."""
        state = getattr(self, "_trained_state", None)
        if state is None:
            return
        for name, value in state["arrays"].items():
            if name not in ("norms", "anchor_norms"):
                getattr(solver, name)[...] = value
        solver.n_steps = state["n_steps"]
        solver.network.c_state[:, 1:] = state["c_state"]

    # prediction

    def _raw_output(self, X):
        """Return the output before its activation, ndarray of shape (n_samples, n_outputs).

        Rows are taken in chunks, so that memory is bounded by scikit-learn's `working_memory`.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        (W, V), (c, v) = self.coefs_, self.intercepts_
        out = np.empty((X.shape[0], V.shape[1]), dtype=np.result_type(X.dtype, W.dtype))
        n_rows = get_chunk_n_rows(row_bytes=2 * W.shape[1] * W.itemsize, max_n_rows=X.shape[0])
        for part in gen_batches(X.shape[0], n_rows):
            H = X[part] @ W
            H += c
            out[part] = np.maximum(H, 0, out=H) @ V + v
        return out
