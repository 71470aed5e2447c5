"""How first order is trained where nothing is said about it: widths, codes, epochs."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.datasets import make_blobs, make_classification
from sklearn.metrics import log_loss

from skfastnn import FastReLUClassifier, FastReLURegressor
from skfastnn import _recipe as recipe_module
from skfastnn import _trials as trials_module
from skfastnn._data import Data
from skfastnn._losses import BinaryLogLoss, SoftmaxLogLoss, SquaredError
from skfastnn._plan import (
    LEAST_WIDTH,
    MANY_FEATURES,
    SPARSE_WIDTH,
    Problem,
    batch_size_of,
)
from skfastnn._prediction import raw_output
from skfastnn._rates import FEATURES_OF_STEP, SPARSE_STEP, STEP, falling_step
from skfastnn._recipe import (
    ASKED_TWICE,
    EPOCHS_TO_TRY,
    HELD_OUT,
    LEAST_EPOCHS,
    Insights,
    LeftOut,
    Questions,
    Recipe,
    affordable_epochs,
    choose,
    products_per_epoch,
    try_once,
)
from skfastnn._training import _nearer_to
from skfastnn._trials import FEW_NEURONS, _as_sure_as_held_out_rows_say, _calibrated, _less_wrong


def problem(n_features, n_samples=150, seed=0):
    X = np.random.default_rng(seed).standard_normal((n_samples, n_features))
    return X, (X[:, 0] > 0).astype(int)


def test_products_are_those_of_the_numbers_that_are_stored():
    X, _ = problem(20)
    assert products_per_epoch(Recipe([8, 5]), X) == 150 * (20 * 8 + 8 * 5)
    X[:, 5:] = 0
    assert products_per_epoch(Recipe([8]), sparse.csr_array(X)) == 150 * 5 * 8


@pytest.mark.parametrize(
    ("budget", "expected"),
    # of 150 rows twice 120 are trained on to choose: 35 epochs cost 35 + 1.6 (2 x 12 + 35), 100 cost 100 + 1.6 x 159
    [
        (355, EPOCHS_TO_TRY), (354, EPOCHS_TO_TRY[:2]), (130, EPOCHS_TO_TRY[:2]), (129, EPOCHS_TO_TRY[:1]),
        (9, (9,)), (0.1, (LEAST_EPOCHS,)),
    ],
)  # fmt: skip
def test_no_more_epochs_than_are_affordable(budget, expected, monkeypatch):
    X, _ = problem(20)
    recipe = Recipe([8])
    monkeypatch.setattr(recipe_module, "MAX_PRODUCTS", budget * products_per_epoch(recipe, X))
    assert tuple(affordable_epochs(recipe, X)) == expected


def test_what_leaves_no_choice_is_not_tried(monkeypatch):
    X, y = problem(20)
    monkeypatch.setattr(recipe_module, "MAX_PRODUCTS", 1)
    data = Data(X, y, y[:, None], np.ones(y.size))
    questions = Questions(data, None, None, None, np.random.RandomState(0))
    assert choose([Recipe([8])], questions, 0.0, 200).epochs == LEAST_EPOCHS
    assert questions.table == []


@pytest.mark.parametrize(("n_features", "tried"), [(3, True), (MANY_FEATURES + 1, False)])
def test_codes_of_very_many_features_are_not_tried(n_features, tried, monkeypatch):
    X, y = problem(n_features)
    y[::7] = 1 - y[::7]  # or else the first network that is tried is good enough
    monkeypatch.setattr("skfastnn._plan.SMALL_DATA", 0)
    model = FastReLUClassifier(random_state=0).fit(X, y)
    assert model.solver_ == "adam"
    assert ("piecewise_linear" in {row["encoding"] for row in model.selection_}) == tried


@pytest.mark.parametrize(
    ("n_samples", "falls", "expected"),
    [
        (20, True, 20),
        (99, True, 99),
        (100, True, 100),
        (500, True, 32),
        (3_200, True, 100),
        (10_000, True, 200),
        (500, False, 200),
        (20, False, 20),
    ],
)
def test_few_rows_are_taken_in_small_batches_where_the_step_falls(n_samples, falls, expected):
    assert batch_size_of("adam", "adam", "auto", n_samples, falls) == expected
    assert batch_size_of("adam", "adam", 50, n_samples, falls) == min(50, n_samples)


@pytest.mark.parametrize(("n_samples", "n_parts"), [(200, 2), (ASKED_TWICE + 1, 1)])
def test_few_rows_are_asked_twice_and_the_losses_averaged(n_samples, n_parts):
    X, y = problem(3, n_samples)
    data = Data(X, y, y[:, None], np.ones(y.size))
    parts, losses = [], iter(np.arange(100.0))

    def train(recipe, part):
        parts.append(part.X.shape[0])

    def evaluate(trained, part):
        return next(losses), part.target

    questions = Questions(data, train, evaluate, lambda y, n: y, np.random.RandomState(0))
    choose([Recipe([8])], questions, 0.0, 200)
    assert parts == [n_samples - n_samples // 5] * len(parts)
    errors = [row["error"] for row in questions.table]
    assert errors == [np.mean(np.arange(n_parts) + n_parts * i) for i in range(len(errors))]


@pytest.mark.parametrize(("limit", "epochs"), [(200, 100), (7, 7)])
def test_what_is_tried_once_has_the_most_epochs_and_knows_its_errors(limit, epochs):
    X, y = problem(3, 200)
    data = Data(X, y, y[:, None], np.ones(y.size))
    trained = []

    def train(recipe, part):
        trained.append((recipe.epochs, part.X.shape[0]))

    questions = Questions(
        data, train, lambda trained, part: (0.5, part.target), lambda y, n: y, np.random.RandomState(0)
    )
    recipe = try_once(Recipe([8]), questions, limit)
    assert trained == [(epochs, 160)]
    assert recipe.epochs == epochs
    assert np.array_equal(recipe.left_out.error, data.target[recipe.left_out.index])


def test_very_many_features_get_fewer_neurons(monkeypatch):
    X, y = problem(40_000, n_samples=40)
    monkeypatch.setattr("skfastnn._plan.SMALL_DATA", 0)
    model = FastReLUClassifier(random_state=0, max_iter=1).fit(X, y)
    assert model.solver_ == "adam"
    assert model.coefs_[0].shape == (40_000, LEAST_WIDTH)


def test_sparse_rows_get_few_plain_neurons(monkeypatch):
    X, y = problem(300)
    X[:, 1:][np.random.default_rng(0).random((150, 299)) < 0.99] = 0
    X[X[:, 0] < 0, 0] = 0
    monkeypatch.setattr("skfastnn._plan.SMALL_DATA", 0)
    model = FastReLUClassifier(random_state=0).fit(sparse.csr_array(X), y)
    assert model.coefs_[0].shape == (300, SPARSE_WIDTH)
    assert model.threshold_ == 0


def test_steps_are_smaller_for_many_features():
    def step(n_features, sparse=False):
        return falling_step(Problem(1000, n_features, 2, None, sparse, True, False), natural=1.0)

    assert step(2) == step(FEATURES_OF_STEP) == STEP
    assert step(4 * FEATURES_OF_STEP) == pytest.approx(STEP / 2)
    assert step(2, sparse=True) == step(10_000, sparse=True) == SPARSE_STEP


def test_the_plan_says_what_auto_stands_for(capsys):
    X, y = make_classification(120, 5, random_state=0)
    model = FastReLUClassifier(solver="adam_gauss_newton", max_iter=3, random_state=0, verbose=True).fit(X, y)
    adam, gauss_newton = model.plan_
    assert [adam["solver"], gauss_newton["solver"]] == ["adam", "gauss_newton"]
    assert adam["hidden_layer_sizes"] == (model.coefs_[0].shape[1],)
    assert adam["threshold"] == (model.threshold_,)
    assert adam["search"] == model.search_
    assert adam["batch_size"] == 120
    assert adam["max_iter"] == 3
    assert adam["learning_rate_init"] == model.learning_rate_init_
    assert gauss_newton["learning_rate_init"] is None
    assert gauss_newton["alpha"] == model.alpha_
    lines = capsys.readouterr().err.splitlines()
    assert [line[:12] for line in lines] == ["Stage 1 of 2", "Stage 2 of 2"]
    assert "batch_size=120" in lines[0]


def test_nothing_in_the_plan_is_auto_but_what_training_finds():
    X, y = make_classification(120, 5, random_state=0)
    for settings in ({}, {"solver": "adam"}, {"solver": "sgd", "max_iter": 2}, {"hidden_layer_sizes": ()}):
        (stage,) = FastReLUClassifier(random_state=0, **settings).fit(X, y).plan_
        assert "auto" not in stage.values()


def test_a_limit_to_epochs_that_is_low_is_their_number():
    X, y = problem(3, 300)
    y[::7] = 1 - y[::7]
    few = FastReLUClassifier(16, max_iter=20, random_state=0).fit(X, y)
    assert few.n_iter_ == 20
    assert {row["epochs"] for row in few.selection_} <= {20}
    assert FastReLUClassifier(16, random_state=0).fit(X, y).n_iter_ in EPOCHS_TO_TRY


def bends(n_samples, noise, seed=0):
    """Return what two neurons that look in the right directions have learned."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n_samples, 6))
    y = np.abs(X[:, 0] + X[:, 1]) + np.maximum(X[:, 2] - X[:, 3], 0)
    return X, y + noise * rng.standard_normal(n_samples)


@pytest.mark.parametrize(("noise", "solvers"), [(0.01, {"gauss_newton", "adam"}), (1.5, {"gauss_newton"})])
def test_features_are_learned_where_there_is_little_noise(noise, solvers):
    X, y = bends(800, noise)
    reg = FastReLURegressor(random_state=0).fit(X, y)
    assert {row["solver"] for row in reg.selection_} == solvers
    assert reg.solver_ == ("adam" if "adam" in solvers else "gauss_newton")
    assert reg.feature_importances_[:4].sum() > 0.6


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(("share_of_wrong_labels", "threshold"), [(0.0, 1.0), (0.2, 0.0)])
def test_few_neurons_fire_where_classes_are_told_apart(n_classes, share_of_wrong_labels, threshold):
    X, y = make_blobs(150, 4, centers=8 * np.eye(4)[:n_classes], random_state=0)
    wrong = np.random.default_rng(0).random(y.size) < share_of_wrong_labels
    assert FastReLUClassifier(random_state=0).fit(X, (y + wrong) % n_classes).threshold_ == threshold


def balance(n_samples, seed=0):
    """Return weights and arms of scales, and which side goes down: products of features, which few neurons learn."""
    X = np.stack(np.meshgrid(*[np.arange(1.0, 6.0)] * 4), axis=-1).reshape(-1, 4)
    X = X[np.random.default_rng(seed).permutation(len(X))]
    y = np.sign(X[:, 0] * X[:, 1] - X[:, 2] * X[:, 3]).astype(int)
    return (X[:n_samples], y[:n_samples]), (X[n_samples:], y[n_samples:])


def test_a_few_neurons_are_taken_where_they_learn_features_of_classes():
    train, (X, y) = balance(300)
    learned = FastReLUClassifier(random_state=0).fit(*train)
    solved = FastReLUClassifier(random_state=0, solver="gauss_newton").fit(*train)
    assert learned.solver_ == "adam"
    assert learned.coefs_[0].shape == (4, FEW_NEURONS)
    assert log_loss(y, learned.predict_proba(X)) < 0.5 * log_loss(y, solved.predict_proba(X))
    assert not any(row["learned_scales"] for row in learned.selection_ if row["solver"] == "adam")


@pytest.mark.parametrize(("hopeless", "n_tries"), [(0.0, 1), (np.inf, 4)])
def test_a_hopeless_try_is_the_last(monkeypatch, hopeless, n_tries):
    monkeypatch.setattr(trials_module, "HOPELESS", hopeless)
    clf = FastReLUClassifier(random_state=0).fit(*balance(200)[0])
    assert [row["solver"] for row in clf.selection_].count("adam") == n_tries
    assert clf.solver_ == "gauss_newton"


def test_a_few_neurons_are_not_tried_of_several_labels_or_many_classes():
    X, y = problem(6)
    for target in (np.column_stack([y, 1 - y]), np.arange(150) % 21):
        clf = FastReLUClassifier(random_state=0).fit(X, target)
        assert {row["solver"] for row in clf.selection_} == {"gauss_newton"}


@pytest.mark.parametrize(("loss", "n_outputs", "even"), [(SoftmaxLogLoss(), 3, 0.0), (BinaryLogLoss(), 1, 0.5)])
def test_what_is_expected_of_indicators_is_the_best_of_their_multiples(loss, n_outputs, even):
    rng = np.random.default_rng(0)
    target = np.eye(3)[rng.integers(3, size=80)][:, :n_outputs]
    prediction, weight = target + 0.6 * rng.standard_normal(target.shape), rng.uniform(1, 2, size=80)
    losses = _calibrated(loss, prediction, Data(None, None, target, weight))
    of_multiples = [
        np.average(loss.value_and_gradient(factor * (prediction - even), target)[0], weights=weight)
        for factor in np.geomspace(0.2, 100, 400)
    ]
    assert_allclose(np.average(losses, weights=weight), min(of_multiples), rtol=1e-3)


def test_errors_of_what_was_tried_are_in_one_unit(monkeypatch):
    X, y = bends(60, 0.0)
    monkeypatch.setattr(trials_module, "_try_adam", lambda *_: (Recipe([4]), [{"error": 0.1}]))
    for n_outputs in (2, 3):
        reg = FastReLURegressor(random_state=0).fit(X, np.tile(y[:, None], n_outputs))
        assert reg.selection_[-1]["error"] == pytest.approx(0.2 * n_outputs)


@pytest.mark.parametrize("loss", ["poisson", "huber"])
def test_regressors_learn_features_for_squared_errors_alone(loss):
    X, y = bends(150, 0.0)
    model = FastReLURegressor(loss, random_state=0).fit(X, y)
    assert {row["solver"] for row in model.selection_} == {"gauss_newton"}


def test_a_constant_target_leaves_nothing_to_learn():
    X, _ = bends(150, 0.0)
    with np.errstate(all="raise"):
        reg = FastReLURegressor(random_state=0).fit(X, np.full(150, 4.0))
    assert reg.solver_ == "gauss_newton"


def test_features_are_learned_only_if_that_is_less_wrong_on_the_same_samples():
    y, weight = np.arange(6.0)[:, None], np.array([1.0, 2, 1, 1, 1, 1])
    errors = np.array([1.0, 3, 1, 1, 1, 1])[:, None]
    data = Data(y, y, y, weight)
    recipe = Recipe([8], insights=Insights(None, y - errors, {"unit": np.ones(1)}))
    error = (weight @ errors**2 / weight.sum()).item()

    def chosen(error_of_adam, expected=error):
        learned = Recipe([4], solver="adam", left_out=LeftOut(np.array([1, 2]), error_of_adam, weight[[1, 2]]))
        return _less_wrong(recipe, expected, learned, data, np.ones(1))

    # it was trained on a fifth less than the other
    assert chosen(errors[[1, 2]] * np.sqrt(0.96 / (1 - HELD_OUT))).solver is None
    better = chosen(errors[[1, 2]] * np.sqrt(0.9 / (1 - HELD_OUT)))
    assert better.solver == "adam"
    assert_allclose(better.insights.posterior["unit"], np.sqrt(0.9))
    assert chosen(errors[[1, 2]] * np.sqrt(1.8 / (1 - HELD_OUT)), expected=2 * error).solver == "adam"


@pytest.mark.parametrize("Estimator", [FastReLUClassifier, FastReLURegressor])
def test_what_is_learned_from_noise_is_not_worse_than_a_constant(Estimator):
    rng = np.random.default_rng(0)
    X, X_test = rng.standard_normal((3_000, 60)), rng.standard_normal((2_000, 60))
    if Estimator is FastReLURegressor:
        y, y_test = rng.standard_normal(3_000) + 50, rng.standard_normal(2_000) + 50
        reg = Estimator(hidden_layer_sizes=64, random_state=0).fit(X, y)
        assert np.mean((reg.predict(X_test) - y_test) ** 2) < 1.02 * np.mean((y.mean() - y_test) ** 2)
        assert reg.plan_[0]["share_of_output"] < 0.5
    else:
        y, y_test = (rng.random(n) < 0.2 for n in (3_000, 2_000))
        clf = Estimator(hidden_layer_sizes=64, random_state=0).fit(X, y)
        constant = np.tile([1 - y.mean(), y.mean()], (2_000, 1))
        assert log_loss(y_test, clf.predict_proba(X_test)) < 1.06 * log_loss(y_test, constant)


def test_the_output_is_shrunk_towards_the_constant_as_held_out_rows_say():
    y, weight = np.array([1.0, 2, 4, 5])[:, None], np.array([1.0, 1, 1, 1])
    data, index, raw = Data(y, y, y, weight), np.array([0, 3]), np.array([-3.0, 9.0])[:, None]
    recipe = Recipe([8], left_out=LeftOut(index, y[index] - raw, weight[index]))
    shrunk = _as_sure_as_held_out_rows_say(recipe, data, SquaredError())
    # the mean is 3, from which -3 and 9 are three times as far as 1 and 5
    assert_allclose(shrunk.share_of_output, 1 / 3, rtol=1e-4)
    assert_allclose(shrunk.constant, 3)
    assert_allclose(shrunk.left_out.error, 0, atol=1e-3)
    sure = replace(recipe, left_out=LeftOut(index, 0 * raw, weight[index]))
    assert _as_sure_as_held_out_rows_say(sure, data, SquaredError()) is sure


def test_a_share_of_the_output_is_that_of_the_trained_network():
    X, _ = bends(300, 0.1)
    coefs, intercepts = [np.ones((6, 4)), np.arange(4.0)[:, None]], [np.zeros(4), np.array([2.0])]
    nearer = raw_output(X, *_nearer_to(np.array([5.0]), 0.25, coefs, intercepts))
    assert_allclose(nearer, 5 + 0.25 * (raw_output(X, coefs, intercepts) - 5))
