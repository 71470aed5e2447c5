"""What the two estimators share: parameters, validation, fitting, prediction."""

import warnings
from abc import ABCMeta, abstractmethod
from contextlib import contextmanager
from functools import partial
from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight, validate_data

from skfastnn._choices import (
    batch_size_of,
    choose_search,
    choose_solver,
    first_stage,
    output_size,
    step_size,
    threshold_limit,
)
from skfastnn._deep_fitting import DeepTrainer
from skfastnn._deep_network import CALIBRATION_ROWS, DeepNetwork
from skfastnn._fitting import Schedule, Trainer
from skfastnn._network import Coordinates, Network, check_firing, resolve_thresholds
from skfastnn._panel_network import PanelNetwork
from skfastnn._prediction import neuron_order, raw_output
from skfastnn._refined_fitting import RefiningTrainer
from skfastnn._row_space import MIN_RATIO, RowSpaceNetwork, row_space
from skfastnn._second_order_fitting import GaussNewtonTrainer
from skfastnn._sparse_input import check_indices, without_duplicates
from skfastnn._threads import blas_threads, effective_n_threads
from skfastnn._varying_features import VaryingFeaturesNetwork, varying_features
from skfastnn.search import make_engine
from skfastnn.search._contract import training_rows
from skfastnn.search._heavy_pairs import warn_if_missed
from skfastnn.solvers import make_solver
from skfastnn.solvers._step_size import MAX_PROBE

POSITIVE = Interval(Real, 0, None, closed="neither")
NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
BELOW_ONE = Interval(Real, 0, 1, closed="left")


class BaseFastReLU(BaseEstimator, metaclass=ABCMeta):
    """Base of the classifier and the regressor."""

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "threshold": [StrOptions({"auto"}), NOT_NEGATIVE, "array-like"],
        "solver": [StrOptions({"auto", "adam", "adam_gauss_newton", "gauss_newton", "sgd"})],
        "search": [StrOptions({"auto", "correlation_tree", "dense", "halfspace", "heavy_pairs", "quantized"})],
        "alpha": [NOT_NEGATIVE, StrOptions({"loo"})],
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
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "init": [StrOptions({"antisymmetric", "random"})],
        "train_output": ["boolean"],
    }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

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
        """Return the score that early stopping watches."""

    def _weigh_samples(self, y, sample_weight):
        """Return the sample weights with class weights multiplied in."""
        return sample_weight

    def _strata(self, y, n_held_out):
        """Return the labels by which the held-out part is stratified, or None."""
        return None

    # fitting

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the network to data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
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
            return self._fit(X, y, sample_weight)

    @_fit_context(prefer_skip_nested_validation=True)
    def _partial_fit(self, X, y, sample_weight=None, classes=None):
        with self._unchanged_on_error():
            if self.early_stopping:
                raise ValueError("partial_fit does not support early_stopping=True.")
            return self._fit(X, y, sample_weight, incremental=True, classes=classes)

    @contextmanager
    def _unchanged_on_error(self):
        # fitting replaces attributes and never changes them in place, so a shallow copy is enough
        before = self.__dict__.copy()
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _fit(self, X, y, sample_weight, incremental=False, classes=None):
        first_call = not hasattr(self, "coefs_") or not (incremental or self.warm_start)
        X, y, sample_weight = self._validate(X, y, sample_weight, first_call, incremental, classes)
        random_state = self._resume_random_state(first_call)
        held_out = None
        if self.early_stopping:
            X, y, sample_weight, held_out = self._hold_out(X, y, sample_weight, random_state)
        target = self._encode_target(y)
        loss = self._make_loss()
        self.solver_ = choose_solver(
            self.solver, self.alpha, X.shape[0], len(self._widths()) > 1, loss, target.shape[1], incremental
        )
        rows_as_given = X
        with blas_threads(1):
            network, X = self._make_network(
                X, held_out, target, sample_weight, loss, random_state, first_call, incremental
            )
            self.search_ = self._search_for(first_stage(self.solver_), X, network, incremental)
            target = ((target - network.target_shift) / network.target_scale).astype(X.dtype, copy=False)
            self._choose_step_size(X, target, sample_weight, loss, network, first_call)
            validate = None if held_out is None else self._validator(*held_out)
            n_seen = 0 if first_call else self.t_
            # no name for the solver here: its arrays are freed before the weights are exported
            trainer = self._run(
                network, self._resume_solver(network, first_call, incremental), loss, random_state,
                (X, target, sample_weight), 1 if incremental else self.max_iter, validate, n_seen,
            )  # fmt: skip
        self._random_state = random_state.get_state(legacy=False)
        self._keep(trainer, loss, incremental, first_call)
        self._order_neurons(rows_as_given, incremental and not first_call)
        self._warn_unconverged(trainer.history, incremental)
        warn_if_missed(self.search_counters_)
        return self

    def _validate(self, X, y, sample_weight, first_call, incremental, classes):
        """Return rows, target and weights of the samples that count."""
        check_indices(X)
        X, y = validate_data(
            self, X, y, order="C", accept_sparse="csr", reset=first_call, multi_output=True,
            dtype=(np.float64, np.float32) if first_call else self.coefs_[0].dtype,
        )  # fmt: skip
        y = self._validate_target(y, first_call, incremental, classes)
        X = without_duplicates(X)
        sample_weight = _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
        sample_weight = self._weigh_samples(y, sample_weight)
        used = sample_weight > 0  # a weight of zero is the same as leaving the sample out, draws included
        if not used.any():
            raise ValueError("All sample weights are zero: at least one weight must be positive.")
        return (X, y, sample_weight) if used.all() else (X[used], y[used], sample_weight[used])

    def _resume_random_state(self, first_call):
        if first_call:
            return check_random_state(self.random_state)
        random_state = np.random.RandomState()
        random_state.set_state(self._random_state)
        return random_state

    def _hold_out(self, X, y, sample_weight, random_state):
        """Split; return the rows, target and weights to train on, and the triple that is held out."""
        n_held_out = int(np.ceil(self.validation_fraction * X.shape[0]))
        if n_held_out < 2 or n_held_out >= X.shape[0]:
            raise ValueError(
                f"The validation set is too small or leaves nothing to train on: validation_fraction="
                f"{self.validation_fraction} of {X.shape[0]} samples. Change validation_fraction, or set "
                "early_stopping=False."
            )
        X, X_held, y, y_held, weight, weight_held = train_test_split(
            X, y, sample_weight, test_size=n_held_out, random_state=random_state, stratify=self._strata(y, n_held_out)
        )
        if not issparse(X):
            X, X_held = np.ascontiguousarray(X), np.ascontiguousarray(X_held)
        return X, y, weight, (X_held, y_held, weight_held)

    def _widths(self):
        """Return the widths of the hidden layers as a list."""
        sizes = np.atleast_1d(self.hidden_layer_sizes)
        if sizes.ndim != 1 or sizes.size == 0 or not np.issubdtype(sizes.dtype, np.integer) or sizes.min() < 1:
            raise ValueError(f"hidden_layer_sizes must hold integers >= 1, got {self.hidden_layer_sizes!r}.")
        return [int(size) for size in sizes]

    def _make_network(self, X, held_out, target, sample_weight, loss, random_state, first_call, incremental):
        """Return the network to train, drawn anew or taken up from the fitted attributes, and the rows it takes."""
        widths = self._widths()
        if first_call:
            self._start = self._new_start(X, target, sample_weight, loss, random_state, widths, incremental)
        elif widths != [W.shape[1] for W in self.coefs_[:-1]]:
            sizes = [W.shape[1] for W in self.coefs_[:-1]]
            raise ValueError(
                f"hidden_layer_sizes={self.hidden_layer_sizes!r}, but the network to go on with has "
                f"{' + '.join(map(str, sizes))} neurons. Set warm_start=False to start anew."
            )
        start = self._start
        coordinates = Coordinates(start["mean"], start["scale"], start["offset"])
        rest = start["antisymmetric"], start["seed"], X.dtype, start["output_size"]
        # later calls bring rows of which nothing is known yet
        all_rows_known = first_call and not incremental
        layout = self._layout(coordinates, [X] if held_out is None else [X, held_out[0]], all_rows_known)
        # no neuron can fire at an absurd threshold, which is said later; the scale of its output is then infinite
        with np.errstate(divide="ignore", invalid="ignore"):
            if len(widths) > 1:
                network = DeepNetwork(layout, coordinates, widths, target.shape[1], start["thresholds"], *rest)
                self._add_layers(network, X, sample_weight)
            else:
                arguments = widths[0], target.shape[1], start["thresholds"][0], *rest
                if layout is not PanelNetwork and all_rows_known and self._trains_in_row_space(X, widths[0]):
                    basis, X = row_space(X, coordinates)
                    network = RowSpaceNetwork(coordinates, basis, *arguments)
                else:
                    network = layout(coordinates, *arguments)
        network.standardise(start["target_shift"], start["target_scale"])
        if first_call:
            network.v[...] = loss.initial_output((target - network.target_shift) / network.target_scale, sample_weight)
        else:
            network.load(self.coefs_, self.intercepts_)
            network.layers[0].neuron_order = self._neurons["order"]
        return network, X

    def _add_layers(self, network, X, sample_weight):
        """Put the layers on top of the first; the first time, measure what they will take."""
        if "activations" not in self._start:
            rows, weight = self._probe(X, sample_weight, network, CALIBRATION_ROWS)
            self._start = {**self._start, "activations": network.calibrate(rows, weight)}
            return
        for mean, scale in self._start["activations"]:
            network.add_layer(mean, scale)

    @staticmethod
    def _probe(X, sample_weight, network, n_rows):
        """Return about so many normalised rows, evenly spaced, and their weights."""
        index = np.arange(0, X.shape[0], -(-X.shape[0] // n_rows), dtype=np.int32)
        data = training_rows(X, network.layers[0], effective_n_threads())
        return data.take(index), sample_weight[index]

    def _new_start(self, X, target, sample_weight, loss, random_state, widths, incremental):
        """Set threshold_; return what determines the network at its start, besides the parameters."""
        coordinates = Coordinates.from_data(X, sample_weight)
        shift, scale = loss.standardisation(target, sample_weight)
        # the first rows of a stream are not all
        few_rows = MIN_RATIO * X.shape[0] <= X.shape[1] and not incremental
        limit = threshold_limit(self.solver_, coordinates.offset is not None, few_rows, len(widths) > 1)
        thresholds = resolve_thresholds(self.threshold, widths, limit)
        self.threshold_ = thresholds[0] if len(widths) == 1 else thresholds
        return {
            "mean": coordinates.mean, "scale": float(coordinates.scale), "offset": coordinates.offset,
            "target_shift": shift, "target_scale": scale, "antisymmetric": self.init == "antisymmetric",
            "seed": int(random_state.randint(np.iinfo(np.int32).max)), "thresholds": thresholds,
            "output_size": output_size(self.solver_, self.train_output),
        }  # fmt: skip

    def _layout(self, coordinates, parts, all_rows_known):
        """Return what makes the first layer's network, given the coordinates; the data are in one or two parts."""
        # the search for firing neurons has no use for the layout for sparse rows
        if coordinates.offset is not None and self.search in ("auto", "dense"):
            return PanelNetwork
        centred = coordinates.offset is None and not issparse(parts[0])
        features = varying_features(coordinates.mean, parts) if centred and all_rows_known else None
        return Network if features is None else partial(VaryingFeaturesNetwork, features)

    def _trains_in_row_space(self, X, width):
        """Return whether rows and weights are replaced by their coordinates in the space of the rows."""
        n_samples, n_features = X.shape
        # rows that are held out, or come later, lie outside of it; a basis larger than the weights is no gain
        return (
            self.solver_ in ("gauss_newton", "sgd")
            and not self.early_stopping
            and MIN_RATIO * n_samples <= n_features
            and n_samples <= width
        )

    def _choose_step_size(self, X, target, sample_weight, loss, network, first_call):
        """Set learning_rate_init_, and make sure that neurons fire."""
        n_samples = X.shape[0]
        rows, weight = self._probe(X, sample_weight, network, MAX_PROBE)
        if first_call and abs(rows).max() > 0:
            check_firing(rows, network.layers[0])
        if self.learning_rate_init != "auto":
            self.learning_rate_init_ = float(self.learning_rate_init)
        elif first_call or self._start["rate"][0] != self.solver_:
            curvature = loss.curvature(target, sample_weight) if self.solver_ == "sgd" else None
            batch_weight = sample_weight.mean() * self._batch_size(first_stage(self.solver_), n_samples)
            self.learning_rate_init_ = step_size(
                self.solver_, network, rows, weight, loss, curvature, batch_weight, self.alpha, effective_n_threads()
            )
        else:
            self.learning_rate_init_ = self._start["rate"][1]
        self._start = {**self._start, "rate": (self.solver_, self.learning_rate_init_)}

    def _search_for(self, stage, X, network, incremental):
        batch_size = self._batch_size(stage, X.shape[0])
        return choose_search(
            self.search, stage, X, network, batch_size, self.max_iter, incremental, effective_n_threads()
        )

    def _make_solver(self, name, network):
        names = ("momentum", "nesterovs_momentum", "beta_1", "beta_2", "epsilon", "train_output")
        return make_solver(name, network, {name: getattr(self, name) for name in names}, effective_n_threads())

    def _resume_solver(self, network, first_call, incremental):
        solver = self._make_solver(first_stage(self.solver_), network)
        if not first_call:
            if incremental:
                self._restore_solver(solver)
            solver.measure()
        return solver

    def _batch_size(self, stage, n_samples):
        return batch_size_of(stage, self.solver_, self.batch_size, n_samples)

    def _schedule(self, solver, n_samples, alpha):
        names = ("learning_rate", "power_t", "shuffle", "tol", "n_iter_no_change", "verbose")
        settings = {name: getattr(self, name) for name in names}
        return Schedule(
            learning_rate_init=self.learning_rate_init_, batch_size=self._batch_size(solver, n_samples), alpha=alpha,
            **settings,
        )  # fmt: skip

    def _run(self, network, solver, loss, random_state, samples, n_epochs, validate, n_seen):
        """Train; without memory for the search structure, train densely. Return the trainer."""
        state, n_steps = random_state.get_state(legacy=False), solver.n_steps
        while True:
            # alpha is the ridge of the Gauss-Newton that follows; Adam's epochs, in partial_fit too, have no penalty
            alpha = 0.0 if self.solver == "adam_gauss_newton" else self.alpha
            schedule = self._schedule(first_stage(self.solver_), samples[0].shape[0], alpha)
            engine = make_engine(self.search_, network.layers[0])
            make_trainer = self._kind_of_trainer(samples[0], len(network.layers), loss, random_state)
            trainer = make_trainer(network, solver, engine, loss, schedule, random_state)
            del engine  # the trainer alone keeps it, and lets it go before the export
            trainer.history.n_samples_seen = n_seen
            try:
                with np.errstate(over="ignore", invalid="ignore"):  # divergence is reported by its name
                    trainer.fit(*samples, n_epochs, validate)
                return trainer
            except MemoryError as error:
                if self.search_ == "dense" or solver.n_steps > n_steps:
                    raise
                message = str(error)
            # outside of the handler, so that the traceback does not keep the arrays of the engine alive
            warnings.warn(
                f"Not enough memory for search={self.search_!r} ({message}); training with search='dense'.",
                RuntimeWarning,
                stacklevel=5,
            )
            self.search_ = "dense"
            random_state.set_state(state)

    def _kind_of_trainer(self, X, n_layers, loss, random_state):
        if n_layers > 1:
            return DeepTrainer
        if self.solver_ == "gauss_newton":
            return GaussNewtonTrainer
        if self.solver_ != "adam_gauss_newton":
            return Trainer

        def make_second(network):
            engine = make_engine(self._search_for("gauss_newton", X, network, False), network)
            solver = self._make_solver("gauss_newton", network)
            schedule = self._schedule("gauss_newton", X.shape[0], self.alpha)
            return GaussNewtonTrainer(network, solver, engine, loss, schedule, random_state)

        return partial(RefiningTrainer, make_second=make_second)

    def _validator(self, X, y, sample_weight):
        """Return a function that scores a network on held-out rows."""

        def score(network):
            rows = training_rows(X, network.layers[0], effective_n_threads())
            raw = np.empty((X.shape[0], network.n_outputs), dtype=X.dtype)
            for part in gen_batches(X.shape[0], 1024):
                index = np.arange(part.start, part.stop, dtype=np.int32)
                raw[part] = network.raw_output(rows.take(index))
            if not np.isfinite(raw).all():
                return -np.inf
            return float(self._score_raw(raw * network.target_scale + network.target_shift, y, sample_weight))

        return score

    def _keep(self, trainer, loss, incremental, first_call):
        """Set the fitted attributes from what was trained."""
        history, network = trainer.history, trainer.network
        self._solver_state = self._save_solver(trainer.solver) if incremental else None
        self.search_counters_ = {name: int(count) for name, count in trainer.engine.counters.items()}
        self.firing_recall_ = float(trainer.engine.recall)
        trainer.engine = trainer.solver = None  # their memory is needed for the export
        best = history.best_parameters
        with np.errstate(over="ignore"):
            if best is None:
                network.settle()
                best = network.export()
            self.coefs_, self.intercepts_ = best
        if not all(np.isfinite([a.min(), a.max()]).all() for a in (*self.coefs_, *self.intercepts_)):
            raise ValueError(
                "The weights are not finite. Lower learning_rate_init "
                f"(it was {self.learning_rate_init_:.3g}) or scale the data."
            )
        self.alpha_ = float(trainer.schedule.alpha)
        self.n_layers_ = len(self.coefs_) + 1
        self.n_outputs_ = network.n_outputs
        self.out_activation_ = loss.out_activation
        self._keep_history(history, first_call)

    def _keep_history(self, history, first_call):
        """Set what the fit says about itself; curves go on in partial_fit and with warm_start."""
        self.loss_curve_ = ([] if first_call else self.loss_curve_) + history.loss_curve
        self.firing_curve_ = ([] if first_call else self.firing_curve_) + history.firing_curve
        nothing = [0.0] * (len(self.coefs_) - 1)
        self.firing_rate_ = np.atleast_1d(self.firing_curve_[-1]).tolist() if self.firing_curve_ else nothing
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.inf
        self.n_iter_ = max(1, len(history.loss_curve))
        self.t_ = history.n_samples_seen
        if self.early_stopping:
            self.best_loss_ = None
            self.validation_scores_ = history.validation_scores
            self.best_validation_score_ = history.best_score
        else:
            earlier = None if first_call else self.best_loss_
            self.best_loss_ = min(history.best_loss, np.inf if earlier is None else earlier)
            self.validation_scores_ = self.best_validation_score_ = None

    def _order_neurons(self, X, goes_on):
        """Keep the order of the neurons in a tree for prediction; an order that is old costs time, nothing else."""
        if goes_on and self.t_ < 2 * self._neurons["n_seen"]:
            return
        deep = len(self.coefs_) > 2
        order = None if deep else neuron_order(self.coefs_, self.intercepts_, self._start["mean"], X)
        self._neurons = {"order": order, "n_seen": self.t_}

    def _warn_unconverged(self, history, incremental):
        if history.firing_curve and np.min(history.firing_curve[-1]) == 0 and not incremental:
            warnings.warn(
                "No neuron fired in the last epoch: training has silenced the network. Lower learning_rate_init "
                f"(it was {self.learning_rate_init_:.3g}) or scale the data.",
                ConvergenceWarning,
                stacklevel=5,
            )
        if (
            not incremental
            and not history.converged
            and not history.interrupted
            and len(history.loss_curve) == self.max_iter
        ):
            warnings.warn(
                f"Maximum iterations ({self.max_iter}) reached and the optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=5,
            )

    def _save_solver(self, solver):
        """Return what partial_fit needs to go on with the same moments."""
        return {
            "solver": self.solver_, "n_steps": solver.n_steps, "arrays": solver.state(),
        }  # fmt: skip

    def _restore_solver(self, solver):
        """Go on with the moments of the last call of partial_fit, if there are any."""
        state = self._solver_state
        if state is None or state["solver"] != self.solver_:
            return
        solver.resume(state["arrays"], state["n_steps"])

    # prediction

    def _raw_output(self, X):
        """Return the output before its activation, ndarray of shape (n_samples, n_outputs)."""
        check_indices(X)
        X = validate_data(self, X, accept_sparse="csr", dtype=(np.float64, np.float32), reset=False)
        return raw_output(X, self.coefs_, self.intercepts_, self._start["mean"], self._neurons["order"])
