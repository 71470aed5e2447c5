"""What the two estimators share: parameters, validation, fitting, prediction."""

import copy
import zlib
from abc import ABCMeta, abstractmethod
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight, _num_samples, validate_data

from skfastnn._activations import ActivationsMixin
from skfastnn._coordinates import LOW_DENSITY, Statistics, density, follow, recent_rows
from skfastnn._data import Data
from skfastnn._deep_fitting import DeepTrainer
from skfastnn._documentation import DocumentedMixin
from skfastnn._export import ExportMixin
from skfastnn._fitting import History, Schedule, Trainer
from skfastnn._lbfgs_fitting import LbfgsTrainer, NoSteps
from skfastnn._linear import fit_linear, take_epoch
from skfastnn._losses import scale_of
from skfastnn._messages import quiet, warn
from skfastnn._plan import (
    FIRST_ORDER_WIDTH,
    LBFGS_ALPHA,
    MANY_FEATURES,
    MANY_OUTPUTS,
    SPARSE_WIDTH,
    WIDTH_OF_CODES,
    Problem,
    acts_as_mlp,
    batch_size_of,
    choose_search,
    choose_solver,
    choose_widths,
    falling_step,
    first_stage,
    natural_step,
    output_size,
    penalty_of,
    rate_unit,
    step_size,
    threshold_limit,
)
from skfastnn._prediction import checked_weights, neuron_order, raw_output
from skfastnn._recipe import EPOCHS_TO_TRY, Recipe, choose, choose_in_closed_form, make_encoder
from skfastnn._refined_fitting import RefiningTrainer
from skfastnn._second_order_fitting import GaussNewtonTrainer
from skfastnn._sparse_input import canonical, check_indices, distinct
from skfastnn._threads import effective_n_threads, one_blas_thread
from skfastnn.networks._deep_network import CALIBRATION_ROWS, DeepNetwork
from skfastnn.networks._network import Network, check_firing, resolve_thresholds
from skfastnn.networks._panel_network import PanelNetwork
from skfastnn.networks._row_space import MIN_RATIO, RowSpaceNetwork, row_space
from skfastnn.networks._training_rows import training_rows
from skfastnn.networks._varying_features import VaryingFeaturesNetwork, varying_features
from skfastnn.search import make_engine
from skfastnn.search.heavy._heavy_search import warn_if_missed
from skfastnn.solvers import make_solver
from skfastnn.solvers._step_size import MAX_PROBE

# Rate of Adam where it does not fall, and its beta_2: MLPClassifier's; and beta_2 where the rate falls.
CONSTANT_RATE, LONG_MEMORY, SHORT_MEMORY = 1e-3, 0.999, 0.95
# Of the step whose first change is as large as at the start: a fitted network is not to lose what it has learned to
# small batches (1,000 rows, then 500 in ten: R2 .92 to .88 with all of it, .91 with a third; rate of MLP: -9).
SHARE_AFTER_FIT = 1 / 3
# Change of the unit of the rows up to which moments of the steps before are those of the steps to come.
LARGEST_CHANGE_OF_SCALE = 1.25
POSITIVE = Interval(Real, 0, None, closed="neither")
NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
BELOW_ONE = Interval(Real, 0, 1, closed="left")


class BaseFastReLU(ActivationsMixin, ExportMixin, DocumentedMixin, BaseEstimator, metaclass=ABCMeta):
    """Base of the classifier and the regressor."""

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "activation": [str],
        "solver": [StrOptions({"auto", "adam", "adam_gauss_newton", "gauss_newton", "lbfgs", "sgd"})],
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
        "early_stopping": ["boolean"],
        "validation_fraction": [BELOW_ONE],
        "beta_1": [BELOW_ONE],
        "beta_2": [StrOptions({"auto"}), BELOW_ONE],
        "epsilon": [POSITIVE],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "encoding": [StrOptions({"auto", "none", "piecewise_linear"})],
        "threshold": [StrOptions({"auto"}), NOT_NEGATIVE, "array-like"],
        "search": [StrOptions({"auto", "correlation_tree", "dense", "halfspace", "heavy_pairs", "quantized"})],
        "init": [StrOptions({"antisymmetric", "random"})],
        "train_output": ["boolean"],
    }

    @abstractmethod
    def __init__(self): ...

    def _set(self, arguments):
        """Store the arguments of a constructor, its `locals()`."""
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self._takes_missing(first_call=True)
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
            Weight k counts as k copies of the sample; only ratios of weights matter.

        Returns
        -------
        self : object
            The fitted estimator; after an error, or an interrupt before the first iteration has ended, the estimator
            is as it was.

        Raises
        ------
        ValueError
            If the input is not finite, empty, of unequal length; if weights are negative or all zero; if no neuron
            fires at the threshold.
        """
        with self._unchanged_on_error():
            self._fit(X, y, sample_weight)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def _partial_fit(self, X, y, sample_weight=None, classes=None):
        with self._unchanged_on_error():
            if self.early_stopping:
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
            self.__dict__ = before  # at once: another interrupt may follow
            if not isinstance(error, KeyboardInterrupt):
                raise
            warn("Training interrupted by user before an iteration had ended: the estimator is as it was.")

    def _fit(self, X, y, sample_weight, incremental=False, classes=None):
        first_call = not hasattr(self, "coefs_") or not (incremental or self.warm_start)
        self._check_parameters()
        n_given = _num_samples(X)
        X, y, sample_weight = self._validate(X, y, sample_weight, first_call, incremental, classes)
        random_state = self._resume_random_state(first_call)
        data, held_out = Data(X, y, self._encode_target(y), sample_weight), None
        if self.early_stopping:
            data, held_out = self._hold_out(data, random_state, first_call)
        loss = self._make_loss()
        if not first_call:
            self._check_goes_on(loss)
        widths, given = self._choose_widths(X, first_call)
        if not widths:
            self._check_missing(data, encodes=False)
            with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is found in the weights
                self._fit_linear(data, loss, random_state, first_call, incremental)
            return
        problem = Problem(
            *data.X.shape, data.target.shape[1], widths if given else None,
            density(data.X, data.weight) < LOW_DENSITY, loss.has_curvature, incremental,
        )  # fmt: skip
        self.solver_ = choose_solver(self.solver, self.alpha, problem)
        if first_call:
            codes = self._left_to_us(problem) and not issparse(data.X)
            self._check_missing(data, encodes=codes or self.encoding == "piecewise_linear")
        kind = None
        if self.solver_ == "gauss_newton":
            data, kind = data.merged()
        with one_blas_thread():
            if first_call:
                recipe, self.selection_ = self._choose_recipe(problem, widths, data, loss, held_out, random_state)
                self.encoder_, self._scales = recipe.encoder, recipe.scales
                all_are_there = held_out is None and X.shape[0] == n_given
                self._keep_insights(recipe, kind if all_are_there else None)
            else:
                recipe = Recipe(widths, encoder=self.encoder_, scales=self._scales)
                self._posterior = None  # of the network before
            self._train(recipe, problem, data, held_out, loss, random_state, first_call)

    def _train(self, recipe, problem, data, held_out, loss, random_state, first_call):
        """Train a network by a recipe, and keep it."""
        incremental, target, sample_weight = problem.incremental, data.target, data.weight
        rows_to_predict = X = recipe.rows(data.X)
        held_out = None if held_out is None else held_out.with_rows(recipe.rows(held_out.X))
        anew = self._prepare_start(X, target, sample_weight, loss, random_state, first_call, incremental)
        if anew:
            self._choose_start(problem, recipe)
        network, X = self._make_network(X, held_out, target, sample_weight, loss, recipe.widths, anew, incremental)
        self.search_ = self._search_for(first_stage(self.solver_), X, network, incremental, recipe)
        with np.errstate(over="ignore"):
            target = ((target - network.target_shift) / network.target_scale).astype(X.dtype, copy=False)
        if not np.isfinite(target).all():
            raise ValueError(f"The target y has numbers that are too large for {X.dtype}: scale it.")
        solver = self._resume_solver(network, anew, incremental)
        unit = self._choose_step_size(X, target, sample_weight, loss, network, anew, solver.n_steps, problem, recipe)
        validate = None if held_out is None else self._validator(held_out)
        run = (network, solver, loss, random_state, (X, target, sample_weight), recipe, incremental, validate, unit)
        del solver  # its arrays are freed before the weights are exported
        trainer = self._run(*run, self._history(first_call, held_out))
        del run
        history = trainer.history
        if history.interrupted and not history.loss_curve:
            raise KeyboardInterrupt
        self._random_state = random_state.get_state(legacy=False)
        self._keep(trainer, loss, incremental, first_call)
        self._order_neurons(rows_to_predict, incremental and not first_call)
        self._warn_unconverged(history, recipe, incremental)
        warn_if_missed(self.search_counters_)
        return history

    def _choose_recipe(self, problem, widths, data, loss, held_out, random_state):
        """Return the recipe for a network that is drawn anew, and the table of what was tried."""
        if self._left_to_us(problem) and self.solver_ == "gauss_newton" and not issparse(data.X):
            return choose_in_closed_form(widths, data, loss, effective_n_threads())
        recipes = self._encodings(problem, widths, data)
        falling = self._rate_falls(problem)
        if not falling or held_out is not None:
            return replace(recipes[0], epochs=EPOCHS_TO_TRY[-1] if falling else None), []

        def train(recipe, part):
            trial = copy.copy(self)
            trial.random_state = 0
            trial.verbose = False
            trial.encoder_, trial._scales = recipe.encoder, recipe.scales
            with quiet():
                history = trial._train(recipe, problem, part, None, loss, np.random.RandomState(0), True)
            if history.interrupted:
                raise KeyboardInterrupt
            return trial, recipe

        def evaluate(trained, part):
            trial, recipe = trained
            raw = raw_output(recipe.rows(part.X), trial.coefs_, trial.intercepts_)
            shift, scale = trial._target_units()
            losses, _ = loss.value_and_gradient((raw - shift) / scale, (part.target - shift) / scale)
            return float(np.average(losses, weights=part.weight)), part.target - raw

        return choose(recipes, data, train, evaluate, self._strata, random_state, loss.negligible)

    def _encodings(self, problem, widths, data):
        """Return recipes for the ways to encode the features that are to be tried, the plainest first."""
        plain = Recipe(widths)
        if problem.widths is None and self.solver_ == "adam":
            # some hundred busy neurons learn what many thousand draw
            few = FIRST_ORDER_WIDTH if problem.n_outputs <= MANY_OUTPUTS else WIDTH_OF_CODES
            plain = Recipe([SPARSE_WIDTH if problem.sparse else few], threshold=0.0)
        if self.encoding == "none" or (problem.incremental and self.encoding == "auto"):
            return [plain]
        missing = data.has_missing()
        many = problem.n_outputs > MANY_OUTPUTS or problem.n_features > MANY_FEATURES
        if self.encoding == "auto" and not (self._left_to_us(problem) and (missing or not many)):
            return [plain]
        encoder = make_encoder().fit(data.X, sample_weight=data.weight)
        encoded = replace(plain, encoding="piecewise_linear", encoder=encoder)
        if problem.widths is None and self.solver_ == "adam":
            encoded = replace(encoded, widths=[WIDTH_OF_CODES])
        if self.encoding == "piecewise_linear" or missing:
            return [encoded]
        return [plain, encoded] if encoder.feature_indices_.size > data.X.shape[1] else [plain]

    def _left_to_us(self, problem):
        """Return whether nothing was said about the network: what it sees is then chosen, too."""
        left = self._takes_missing(first_call=True) and self.encoding == "auto" and problem.widths is None
        return left and not problem.sparse and not problem.incremental

    def _rate_falls(self, problem):
        """Return whether the step size falls to zero over a number of epochs that is ours to choose."""
        by_default = self.learning_rate == "auto" and isinstance(self.learning_rate_init, str)
        return by_default and self.solver_ == "adam" and not problem.incremental and not self.warm_start

    def _target_units(self):
        """Return the shift and the scale of the target in training."""
        shift, spread = (self._start["target"][name] for name in ("shift", "spread"))
        return shift, scale_of(shift, spread)

    def _check_parameters(self):
        """Raise ValueError for what MLP has and this network has not."""
        if self.activation != "relu":
            mlp = "MLPClassifier" if hasattr(self, "predict_proba") else "MLPRegressor"
            raise ValueError(
                f"activation={self.activation!r} is not offered: the neurons are ReLU, activation='relu'. "
                f"sklearn.neural_network.{mlp} has 'identity', 'logistic' and 'tanh'."
            )

    def _validate(self, X, y, sample_weight, first_call, incremental, classes):
        """Return rows, target and weights of the samples that count; the weights sum up to the distinct samples."""
        check_indices(X)
        X, y = validate_data(
            self, X, y, order="C", accept_sparse="csr", reset=first_call, multi_output=True,
            dtype=(np.float64, np.float32) if first_call else self._dtype(),
            ensure_all_finite="allow-nan" if self._takes_missing(first_call) else True,
        )  # fmt: skip
        y = self._validate_target(y, first_call, incremental, classes)
        X = canonical(X)
        sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        sample_weight = self._weigh_samples(y, sample_weight)
        # a weight of zero, or lost in rounding, is the same as leaving the sample out, draws included
        used = sample_weight > np.finfo(X.dtype).eps ** 2 * sample_weight.max()
        if not used.any():
            raise ValueError("All sample weights are zero: at least one weight must be positive.")
        if not used.all():
            X, y, sample_weight = X[used], y[used], sample_weight[used]
        # only ratios count, and k copies are the same as a weight of k: so penalties are shared out over what differs
        penalised = (self.alpha != 0 and not (self.alpha == "auto" and self.solver == "adam")) or self.solver == "sgd"
        total = distinct(X, y)[0].size if penalised else y.shape[0]
        sample_weight = sample_weight / sample_weight.max()
        return X, y, (sample_weight * (total / sample_weight.sum())).astype(X.dtype)

    def _takes_missing(self, first_call):
        """Return whether NaN is a missing value: where the features are encoded."""
        if not first_call:
            return self.encoder_ is not None
        ours = (self.solver, self.encoding, self.alpha, self.threshold, self.hidden_layer_sizes)
        return all(isinstance(name, str) and name == "auto" for name in ours) or self.encoding == "piecewise_linear"

    def _check_missing(self, data, encodes):
        """Raise ValueError if numbers are missing and nothing is to encode them."""
        if not encodes and data.has_missing():
            raise ValueError(
                "Input X contains NaN, which is taken for a missing value only where features are encoded: pass "
                "encoding='piecewise_linear', or impute."
            )

    def _dtype(self):
        """Return the type of the weights to go on with; any other than float32 counts as float64."""
        arrays = (*self.coefs_, *self.intercepts_)
        return np.float32 if all(np.asarray(a).dtype == np.float32 for a in arrays) else np.float64

    def _resume_random_state(self, first_call):
        if first_call:
            return check_random_state(self.random_state)
        random_state = np.random.RandomState()
        random_state.set_state(self._random_state)
        return random_state

    def _hold_out(self, data, random_state, first_call):
        """Split; return the data to train on, and those that are held out.

        Going on with the same samples, those that were held out before are held out again.
        """
        n_samples = data.target.shape[0]
        n_held_out = int(np.ceil(self.validation_fraction * n_samples))
        if n_held_out < 2 or n_held_out >= n_samples:
            raise ValueError(
                f"The validation set is too small or leaves nothing to train on: validation_fraction="
                f"{self.validation_fraction} of {n_samples} samples. Change validation_fraction, or set "
                "early_stopping=False."
            )
        split = None if first_call else getattr(self, "_split", None)
        if split is None:
            split = {"state": random_state.get_state(legacy=False), "held_out": None}
        else:
            random_state = np.random.RandomState()
            random_state.set_state(split["state"])
        parts = train_test_split(
            data.X, data.y, data.target, data.weight, test_size=n_held_out, random_state=random_state,
            stratify=self._strata(data.y, n_held_out),
        )  # fmt: skip
        inside, outside = (Data(*(a if issparse(a) else np.ascontiguousarray(a) for a in parts[k::2])) for k in (0, 1))
        held_out = zlib.crc32(outside.X.data if issparse(outside.X) else outside.X)
        self._split = {**split, "held_out": held_out, "as_before": held_out == split["held_out"]}
        return inside, outside

    def _history(self, first_call, held_out):
        """Return the history to go on with: held-out rows that are those of the call before keep their best weights."""
        if first_call or held_out is None or self.best_validation_score_ is None or not self._split["as_before"]:
            return History()
        return History(best_score=self.best_validation_score_, best_parameters=(self.coefs_, self.intercepts_))

    def _check_goes_on(self, loss):
        """Check that the parameters are those of the network to go on with."""
        start = self._start
        if loss.out_activation != self.out_activation_:
            raise ValueError(
                f"The network to go on with has the output {self.out_activation_!r}, this loss needs "
                f"{loss.out_activation!r}. Set warm_start=False to start anew."
            )
        ignored = [
            name for name in ("threshold", "init")
            if start and repr(getattr(self, name)) != start["given"][name]
        ]  # fmt: skip
        if ignored:
            warn(f"{' and '.join(ignored)} determine how a network starts: on one that goes on they have no effect.")

    def _choose_widths(self, X, first_call):
        """Return the widths of the hidden layers, and whether the user gave them."""
        widths, given = choose_widths(self.hidden_layer_sizes, X.shape[1])
        if first_call:
            return widths, given
        sizes = [W.shape[1] for W in self.coefs_[:-1]]
        if given and widths != sizes:
            raise ValueError(
                f"hidden_layer_sizes={self.hidden_layer_sizes!r}, but the network to go on with has "
                f"{' + '.join(map(str, sizes))} neurons. Set warm_start=False to start anew."
            )
        return sizes, given

    # where training starts

    def _prepare_start(self, X, target, sample_weight, loss, random_state, first_call, incremental):
        """Bring the statistics of rows and target up to date; return whether the network is drawn anew."""
        if not first_call and not incremental:
            return False
        rows = Statistics.of_rows(X, sample_weight)
        shift, spread = loss.moments(target, sample_weight)
        batch = {"rows": rows.state(), "target": {"weight": rows.weight, "shift": shift, "spread": spread}}
        if first_call:
            seed = int(random_state.randint(np.iinfo(np.int32).max))
            self._start = {**batch, "drawn": batch["rows"], "seed": seed, "fitted": not incremental}
            return True
        before = self._start
        recent = recent_rows(before.get("recent"), rows)
        followed, anew = follow(
            Statistics.from_state(before["drawn"]), Statistics.from_state(before["rows"]), rows, recent
        )  # fmt: skip
        target = loss.follow(before["target"], batch["target"])
        self._start = {**before, "rows": followed.state(), "target": target, "recent": recent.state()}
        anew = anew and not before["fitted"]
        if anew:
            self._start |= {"drawn": followed.state()}
            if followed is rows:
                self._start |= {"target": batch["target"]}
        return anew

    def _coordinates(self, dtype):
        return Statistics.from_state(self._start["rows"]).coordinates(dtype)

    def _choose_start(self, problem, recipe):
        """Choose what determines the network at its start, besides seed and coordinates."""
        widths = recipe.widths
        limit = threshold_limit(self.solver_, problem) if recipe.threshold is None else recipe.threshold
        thresholds = resolve_thresholds(self.threshold, widths, limit)
        self.threshold_ = thresholds[0] if len(widths) == 1 else thresholds
        first_order = first_stage(self.solver_) in ("adam", "lbfgs")
        as_in_mlp = first_order and acts_as_mlp(problem, self.learning_rate_init)
        self._start = {
            **self._start, "thresholds": thresholds, "antisymmetric": self.init == "antisymmetric",
            "output_size": output_size(self.solver_, self.train_output), "spread": recipe.spread,
            "activations": None, "rate": None, "as_in_mlp": as_in_mlp,
            "mlp_unit": float(np.sqrt((self._start["rows"]["mean"].size + widths[0]) / 2)),
            "given": {name: repr(getattr(self, name)) for name in ("threshold", "init")},
        }  # fmt: skip

    def _make_network(self, X, held_out, target, sample_weight, loss, widths, anew, incremental):
        """Return the network to train, drawn anew or taken up from the fitted attributes, and the rows it takes."""
        start, coordinates = self._start, self._coordinates(X.dtype)
        rest = start["antisymmetric"], start["seed"], X.dtype, start["output_size"]
        # later calls bring rows of which nothing is known yet
        all_rows_known = anew and not incremental
        layout = self._layout(coordinates, [X] if held_out is None else [X, held_out.X], all_rows_known)
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
        if start["spread"] > 0:
            network.layers[0].spread_intercepts(start["spread"], start["seed"])
        if start["as_in_mlp"]:
            network.layers[-1].scale_output_as_mlp()
        network.standardise(*self._target_units())
        if anew:
            network.v[...] = loss.initial_output((target - network.target_shift) / network.target_scale, sample_weight)
        else:
            coefs, intercepts = checked_weights(self.coefs_, self.intercepts_, X.shape[1], target.shape[1])
            if self._scales is not None:
                inside = np.divide(coefs[0], self._scales[:, None], where=self._scales[:, None] > 0, out=0 * coefs[0])
                coefs = [inside.astype(X.dtype), *coefs[1:]]
            network.load(coefs, intercepts)
            network.layers[0].neuron_order = self._neurons["order"]
        return network, X

    def _add_layers(self, network, X, sample_weight):
        """Put the layers on top of the first; the first time, measure what they will take."""
        if self._start["activations"] is None:
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

    def _layout(self, coordinates, parts, all_rows_known):
        """Return what makes the first layer's network, given the coordinates; the data are in one or two parts."""
        # the search for firing neurons has no use for the layout for sparse rows
        if coordinates.offset is not None and self.search in ("auto", "dense"):
            return PanelNetwork
        centred = coordinates.offset is None and not issparse(parts[0])
        known = centred and all_rows_known and self.solver_ != "lbfgs"
        features = varying_features(coordinates.mean, parts) if known else None
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

    def _choose_step_size(self, X, target, sample_weight, loss, network, anew, n_steps, problem, recipe):
        """Set learning_rate_init_, and make sure that neurons fire; return the step that a rate of one stands for."""
        index = np.arange(0, X.shape[0], -(-X.shape[0] // MAX_PROBE), dtype=np.int32)
        rows, weight = self._probe(X, sample_weight, network, MAX_PROBE)
        # with "auto", as with the plain ReLU, there is always a model, a constant at the least
        if anew and not isinstance(self.threshold, str) and network.layers[0].threshold > 0 and abs(rows).max() > 0:
            check_firing(rows, network.layers[0])
        known = None if anew else self._start["rate"]
        if known is None or known["solver"] != self.solver_:
            curvature = loss.curvature(target, sample_weight) if self.solver_ == "sgd" else None
            numbers = natural_step(self.solver_, network, rows, weight, loss, curvature, effective_n_threads())
            known = {"solver": self.solver_, "numbers": numbers, "unit": network.target_scale}
            self._start = {**self._start, "rate": known}
        stage = first_stage(self.solver_)
        batch_weight = sample_weight.mean() * self._batch_size(stage, X.shape[0], recipe)
        numbers = known["numbers"]
        if self.solver_ == "sgd":  # output weights are larger in a smaller unit of the target, and so is the kernel
            growth = max(1.0, float(np.max(known["unit"] / network.target_scale))) ** 2
            numbers = (growth * numbers[0], growth * numbers[1], *numbers[2:])
        natural = step_size(self.solver_, numbers, batch_weight, self._penalty(stage), self.momentum)
        unit = rate_unit(self.solver_, network)
        if self.learning_rate_init != "auto":
            self.learning_rate_init_ = float(self.learning_rate_init)
            if self.solver_ == "sgd":  # what MLPClassifier bears for its size may be more than this network does
                unit = min(unit, natural / self.learning_rate_init_)
        elif self.solver_ != "adam":
            self.learning_rate_init_ = natural / unit
        else:
            falling = recipe.share_of_step * falling_step(problem, natural) / unit
            constant = CONSTANT_RATE if problem.incremental else falling / 2
            if problem.incremental and not self._start["as_in_mlp"]:  # nor is its rate: many neurons move at once
                constant = min(constant, SHARE_AFTER_FIT * natural / unit)
            self.learning_rate_init_ = falling if self._rate_falls(problem) else constant
        # Adam without moments takes a step that does not know how little is left to learn
        goes_on = stage == "adam" and not anew and (n_steps == 0 or (problem.incremental and self._start["fitted"]))
        return unit * (loss.share_left(network.raw_output(rows), target[index], weight) if goes_on else 1.0)

    def _search_for(self, stage, X, network, incremental, recipe):
        batch_size = self._batch_size(stage, X.shape[0], recipe)
        return choose_search(
            self.search, stage, X, network, batch_size, self.max_iter, incremental, effective_n_threads()
        )

    def _make_solver(self, name, network):
        if name == "lbfgs":
            return NoSteps()
        names = ("momentum", "nesterovs_momentum", "beta_1", "beta_2", "epsilon", "train_output")
        settings = {name: getattr(self, name) for name in names}
        if settings["beta_2"] == "auto":
            by_us = isinstance(self.learning_rate_init, str) and self.learning_rate == "auto"
            settings["beta_2"] = SHORT_MEMORY if by_us else LONG_MEMORY
        return make_solver(name, network, settings, effective_n_threads())

    def _resume_solver(self, network, anew, incremental):
        solver = self._make_solver(first_stage(self.solver_), network)
        if not anew:
            self._restore_solver(solver)
            solver.measure()
        return solver

    def _batch_size(self, stage, n_samples, recipe):
        return batch_size_of(stage, self.solver_, self.batch_size, n_samples, falls=recipe.epochs is not None)

    def _penalty(self, stage):
        # alpha is the ridge of the Gauss-Newton that follows; Adam's epochs, in partial_fit too, have no penalty
        refined_later = self.solver == "adam_gauss_newton" and stage == "adam"
        alpha = 0.0 if refined_later else penalty_of(self.alpha, stage)
        return alpha / self._start["mlp_unit"] ** 2 if stage == "adam" and self._start["as_in_mlp"] else alpha

    def _schedule(self, stage, n_samples, unit, recipe):
        learning_rate = self.learning_rate
        if learning_rate == "auto":
            learning_rate = "constant" if recipe.epochs is None or stage != "adam" else "linear"
        names = ("power_t", "shuffle", "tol", "n_iter_no_change", "verbose", "max_fun")
        return Schedule(
            unit=unit,
            learning_rate_init=unit * self.learning_rate_init_, batch_size=self._batch_size(stage, n_samples, recipe),
            alpha=self._penalty(stage), learning_rate=learning_rate,
            **{name: getattr(self, name) for name in names},
        )  # fmt: skip

    def _run(self, network, solver, loss, random_state, samples, recipe, incremental, validate, unit, history):
        """Train; without memory for the search structure, train densely. Return the trainer."""
        state, n_steps = random_state.get_state(legacy=False), solver.n_steps
        n_epochs = 1 if incremental else min(self.max_iter, recipe.epochs or self.max_iter)
        stage = first_stage(self.solver_)
        history.n_samples_seen = self.t_ if hasattr(self, "t_") and (incremental or self.warm_start) else 0
        while True:
            schedule = self._schedule(stage, samples[0].shape[0], unit, recipe)
            engine = make_engine(self.search_, network.layers[0])
            make_trainer = self._kind_of_trainer(samples[0], network, loss, recipe, random_state)
            trainer = make_trainer(network, solver, engine, loss, schedule, random_state)
            del engine  # the trainer alone keeps it, and lets it go before the export
            trainer.history = history
            try:
                with np.errstate(over="ignore", invalid="ignore"):  # divergence is reported by its name
                    trainer.fit(*samples, n_epochs, validate)
                return trainer
            except MemoryError as error:
                if self.search_ == "dense" or solver.n_steps > n_steps:
                    raise
                message = str(error)
            # outside of the handler, so that the traceback does not keep the arrays of the engine alive
            warn(
                f"Not enough memory for search={self.search_!r} ({message}); training with search='dense'.",
                RuntimeWarning,
            )
            self.search_ = "dense"
            random_state.set_state(state)

    def _kind_of_trainer(self, X, network, loss, recipe, random_state):
        kinds = {"gauss_newton": GaussNewtonTrainer, "lbfgs": LbfgsTrainer}
        if self.solver_ in kinds:
            return kinds[self.solver_]
        if len(network.layers) > 1:
            return DeepTrainer
        if self.solver_ != "adam_gauss_newton":
            return Trainer

        def make_second(network):
            engine = make_engine(self._search_for("gauss_newton", X, network, False, recipe), network)
            solver = self._make_solver("gauss_newton", network)
            schedule = self._schedule("gauss_newton", X.shape[0], 1.0, recipe)
            return GaussNewtonTrainer(network, solver, engine, loss, schedule, random_state)

        return partial(RefiningTrainer, make_second=make_second)

    def _validator(self, held_out):
        """Return a function that scores a network on held-out rows."""
        X, y, sample_weight = held_out.X, held_out.y, held_out.weight

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

    def _fit_linear(self, data, loss, random_state, first_call, incremental):
        """Fit a network without hidden layers, and keep it."""
        X, target, sample_weight = data.X, data.target, data.weight
        settings = {name: getattr(self, name) for name in ("max_iter", "max_fun", "tol", "beta_1", "epsilon")}
        settings["beta_2"] = LONG_MEMORY if self.beta_2 == "auto" else self.beta_2
        settings["alpha"] = LBFGS_ALPHA if isinstance(self.alpha, str) else self.alpha
        self.learning_rate_init_ = CONSTANT_RATE if self.learning_rate_init == "auto" else self.learning_rate_init
        state = None
        if incremental:
            weights = None if first_call else checked_weights(
                self.coefs_, self.intercepts_, X.shape[1], target.shape[1]
            )  # fmt: skip
            n_samples = X.shape[0]
            order = random_state.permutation(n_samples) if self.shuffle else np.arange(n_samples)
            batch_size = batch_size_of("adam", "adam", self.batch_size, n_samples, falls=False)
            settings |= {"rate": self.learning_rate_init_, "order": order, "batch_size": batch_size}
            before = None if first_call else self._solver_state
            coefs, intercepts, history, state = take_epoch(X, target, sample_weight, loss, weights, before, settings)
        else:
            coefs, intercepts, history = fit_linear(X, target, sample_weight, loss, settings)
        history.n_samples_seen += 0 if first_call else self.t_
        self.coefs_, self.intercepts_ = ([a.astype(X.dtype) for a in arrays] for arrays in (coefs, intercepts))
        self._check_weights()
        self._solver_state, self._start, self._random_state = state, None, random_state.get_state(legacy=False)
        self.solver_, self.search_, self.threshold_ = "adam" if incremental else "lbfgs", "dense", 0.0
        self.alpha_, self.search_counters_, self.firing_recall_ = float(settings["alpha"]), {}, 1.0
        history.n_epochs_begun = len(history.loss_curve)
        self.encoder_, self._scales, self._posterior, self.selection_ = None, None, None, []
        self._keep_output(loss, target.shape[1])
        self._keep_history(history, first_call)
        self._warn_unconverged(history, Recipe([]), incremental)

    # what a fit leaves behind

    def _keep_insights(self, recipe, kind):
        """Set what the choice in closed form says about features and about samples that are left out."""
        for name in ("feature_importances_", *self._left_out_names):
            self.__dict__.pop(name, None)
        self._posterior = None if recipe.unit_of_errors is None else {"unit": recipe.unit_of_errors}
        if recipe.insights is None:
            return
        self._posterior = recipe.insights.posterior
        self.feature_importances_ = recipe.insights.importances
        if kind is not None and recipe.insights.loo_prediction is not None:
            self._keep_left_out(recipe.insights.loo_prediction[kind])

    def _keep(self, trainer, loss, incremental, first_call):
        """Set the fitted attributes from what was trained."""
        history, network = trainer.history, trainer.network
        # Gauss-Newton has no moments
        goes_on = (incremental or self.warm_start) and hasattr(trainer.solver, "resume")
        self._solver_state = self._save_solver(trainer.solver, network) if goes_on else None
        self.search_counters_ = {name: int(count) for name, count in trainer.engine.counters.items()}
        self.firing_recall_ = float(trainer.engine.recall)
        trainer.engine = trainer.solver = None  # their memory is needed for the export
        best = history.best_parameters
        with np.errstate(over="ignore"):
            if best is None:
                network.settle()
                best = network.export()
            self.coefs_, self.intercepts_ = best
            if self._scales is not None:
                self.coefs_ = [self.coefs_[0] * self._scales[:, None].astype(network.dtype), *self.coefs_[1:]]
        self._check_weights()
        alpha = trainer.schedule.alpha
        # interrupted after the epochs of Adam, before a ridge was found: so far there was no penalty
        self.alpha_ = 0.0 if isinstance(alpha, str) else float(alpha)
        self._keep_output(loss, network.n_outputs)
        self._keep_history(history, first_call)

    def _check_weights(self):
        """Raise ValueError for weights that are not finite."""
        if not all(np.isfinite([a.min(), a.max()]).all() for a in (*self.coefs_, *self.intercepts_)):
            raise ValueError(
                "The weights are not finite. Lower learning_rate_init "
                f"(it was {self.learning_rate_init_:.3g}) or scale the data."
            )

    def _keep_output(self, loss, n_outputs):
        """Set what is known of the network besides its weights."""
        self.n_layers_ = len(self.coefs_) + 1
        self.n_outputs_ = n_outputs
        self.out_activation_ = loss.out_activation

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
            earlier = [] if first_call else self.validation_scores_ or []
            self.best_loss_ = None
            self.validation_scores_ = earlier + history.validation_scores
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
        order = None
        if not deep and self._scales is None:
            order = neuron_order(self.coefs_, self.intercepts_, self._start["rows"]["mean"], X)
        self._neurons = {"order": order, "n_seen": self.t_}

    def _warn_unconverged(self, history, recipe, incremental):
        if history.firing_curve and np.min(history.firing_curve[-1]) == 0 and not incremental:
            warn(
                "No neuron fired in the last epoch: training has silenced the network. Lower learning_rate_init "
                f"(it was {self.learning_rate_init_:.3g}) or scale the data.",
                ConvergenceWarning,
            )
        if incremental or history.converged or history.interrupted:
            return
        used_up = history.n_epochs_begun == self.max_iter and recipe.epochs != self.max_iter
        if used_up or self.solver_ == "lbfgs":  # or max_fun is used up
            warn(
                f"Maximum iterations ({self.max_iter}) reached and the optimization hasn't converged yet.",
                ConvergenceWarning,
            )

    def _save_solver(self, solver, network):
        """Return what partial_fit needs to go on with the same moments, None where there are none."""
        # not of the space of the rows, whose unit is one
        arrays, scale = solver.state(), float(self._coordinates(network.dtype).scale)
        return {"solver": self.solver_, "n_steps": solver.n_steps, "arrays": arrays, "scale": scale} if arrays else None

    def _restore_solver(self, solver):
        """Go on with the moments of the last call of partial_fit, if there are any in about these coordinates."""
        state = self._solver_state
        if state is None or state["solver"] != self.solver_:
            return
        ratio = Statistics.from_state(self._start["rows"]).coordinates(np.float64).scale / state["scale"]
        if max(ratio, 1 / ratio) < LARGEST_CHANGE_OF_SCALE:
            with np.errstate(over="ignore"):  # of gradients that were close to it
                solver.resume(state["arrays"], state["n_steps"])

    # prediction

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
        check_indices(X)
        finite = self.encoder_ is None or "allow-nan"
        X = validate_data(
            self, X, accept_sparse="csr", dtype=(np.float64, np.float32), reset=False, ensure_all_finite=finite
        )  # fmt: skip
        if self.encoder_ is not None:
            X = self.encoder_._encode(X)
        return X, *checked_weights(self.coefs_, self.intercepts_, X.shape[1], self.n_outputs_)
