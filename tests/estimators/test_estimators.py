"""The estimators as users meet them: drop-in use, targets, weights, going on with training, stopping."""

import inspect
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits, make_classification, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.metrics import mean_pinball_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor

from helpers import BOTH, FIRST_ORDER, SMALL, SOLVERS, assert_same_fit, data_for
from skfastnn import FastReLUClassifier, FastReLURegressor
from skfastnn.networks._network import Network

FULL_BATCH = {"batch_size": 10_000}


# drop-in use


@pytest.mark.parametrize("Estimator", [MLPClassifier, FastReLUClassifier])
def test_classifier_takes_the_code_written_for_mlp(Estimator):
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    clf = Estimator(hidden_layer_sizes=(512,), alpha=1e-3, max_iter=50, random_state=0)
    clf.fit(X_train, y_train)
    assert clf.score(X_test, y_test) > 0.97
    assert clf.predict_proba(X_test).shape == (y_test.size, 10)


@pytest.mark.parametrize("Estimator", [MLPRegressor, FastReLURegressor])
def test_regressor_takes_the_code_written_for_mlp(Estimator):
    X, y = data_for(FastReLURegressor, 300)
    reg = Estimator(hidden_layer_sizes=(512,), alpha=1e-3, max_iter=50, random_state=0).fit(X, y)
    assert reg.score(X, y) > 0.7


@pytest.mark.parametrize(("Mlp", "Estimator"), [(MLPClassifier, FastReLUClassifier), (MLPRegressor, FastReLURegressor)])
def test_fitted_attributes_are_those_of_mlp(Mlp, Estimator):
    X, y = data_for(Estimator)
    theirs = Mlp(hidden_layer_sizes=(64,), max_iter=5, random_state=0).fit(X, y)
    ours = Estimator(hidden_layer_sizes=(64,), max_iter=5, random_state=0).fit(X, y)
    wanted = {name for name in vars(theirs) if name.endswith("_") and not name.startswith("_")}
    assert wanted <= set(vars(ours))
    assert [a.shape for a in ours.coefs_] == [a.shape for a in theirs.coefs_]
    assert [a.shape for a in ours.intercepts_] == [a.shape for a in theirs.intercepts_]
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name)


@pytest.mark.parametrize(("Mlp", "Estimator"), [(MLPClassifier, FastReLUClassifier), (MLPRegressor, FastReLURegressor)])
def test_defaults_are_those_of_mlp_where_the_meaning_is_the_same(Mlp, Estimator):
    theirs, ours = Mlp().get_params(), Estimator().get_params()
    automatic = {
        "hidden_layer_sizes", "solver", "learning_rate", "learning_rate_init", "alpha", "beta_2", "early_stopping"
    }  # fmt: skip
    assert {ours[name] for name in automatic} == {"auto"}
    for name in theirs.keys() - automatic:
        assert ours[name] == theirs[name], name


@pytest.mark.parametrize(("Mlp", "Estimator"), [(MLPClassifier, FastReLUClassifier), (MLPRegressor, FastReLURegressor)])
def test_parameters_come_in_the_order_of_mlp(Mlp, Estimator):
    theirs, ours = (list(inspect.signature(E).parameters.values()) for E in (Mlp, Estimator))
    if "loss" not in {p.name for p in theirs}:  # that of MLPRegressor came with scikit-learn 1.7
        ours = [p for p in ours if p.name != "loss"]
    assert [(p.name, p.kind) for p in ours[: len(theirs)]] == [(p.name, p.kind) for p in theirs]


@BOTH
def test_exported_weights_are_an_ordinary_relu_network(Estimator):
    X, y = data_for(Estimator)
    est = Estimator(**SMALL).fit(X, y)
    (W, V), (c, v) = est.coefs_, est.intercepts_
    raw = np.maximum(X @ W + c, 0) @ V + v
    if Estimator is FastReLURegressor:
        assert_allclose(est.predict(X), raw.ravel(), rtol=1e-10)
    else:
        assert_allclose(est.decision_function(X), raw, rtol=1e-10)
        assert_allclose(est.predict_proba(X), np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True), rtol=1e-10)
    assert est.firing_rate_[0] == est.firing_curve_[-1]
    assert 0 < est.firing_rate_[0] < 0.5


# targets


def test_binary_classifier():
    X, y = make_classification(200, random_state=0)
    clf = FastReLUClassifier(**{**SMALL, "max_iter": 30}).fit(X, y)
    assert clf.score(X, y) > 0.9
    assert clf.out_activation_ == "logistic"
    assert clf.decision_function(X).shape == (200,)
    assert_array_equal(clf.predict(X), clf.decision_function(X) > 0)
    assert_allclose(clf.predict_proba(X)[:, 1], 1 / (1 + np.exp(-clf.decision_function(X))))
    assert_allclose(clf.predict_proba(X).sum(axis=1), 1)
    assert_allclose(np.exp(clf.predict_log_proba(X)), clf.predict_proba(X))


def test_string_labels():
    X, y = data_for(FastReLUClassifier)
    names = np.array(["b", "a", "c"])[y]
    clf = FastReLUClassifier(**SMALL).fit(X, names)
    assert_array_equal(clf.classes_, ["a", "b", "c"])
    assert set(clf.predict(X)) <= {"a", "b", "c"}
    plain = FastReLUClassifier(**SMALL).fit(X, np.array([1, 0, 2])[y])
    assert_array_equal(clf.predict(X), clf.classes_[plain.predict(X)])


def test_labels_in_a_column_warn():
    X, y = data_for(FastReLUClassifier)
    with pytest.warns(UserWarning, match="column-vector y"):
        clf = FastReLUClassifier(**SMALL).fit(X, y[:, None])
    assert clf.predict(X).shape == y.shape


def test_multilabel():
    X, Y = make_multilabel_classification(200, 10, n_classes=4, random_state=0)
    clf = FastReLUClassifier(**{**SMALL, "max_iter": 60}, solver="gauss_newton", alpha=1e-4).fit(X, Y)
    assert clf.out_activation_ == "logistic"
    assert clf.predict(X).shape == clf.predict_proba(X).shape == clf.decision_function(X).shape == (200, 4)
    assert clf.predict_log_proba(X).shape == (200, 4)
    assert_array_equal(clf.predict(X), clf.predict_proba(X) > 0.5)
    assert np.mean(clf.predict(X) == Y) > 0.9


def test_multilabel_with_one_column_left_out_of_the_sample():
    X, Y = make_multilabel_classification(60, 10, n_classes=3, random_state=0)
    Y[:, 1] = 0
    clf = FastReLUClassifier(**{**SMALL, "max_iter": 30}).fit(X, Y)
    assert not clf.predict(X)[:, 1].any()


def test_one_class():
    X, _ = data_for(FastReLUClassifier)
    clf = FastReLUClassifier(**SMALL).fit(X, np.full(100, "only"))
    assert_array_equal(clf.predict(X), np.full(100, "only"))
    assert_array_equal(clf.predict_proba(X), np.ones((100, 1)))
    assert_array_equal(clf.predict_log_proba(X), np.zeros((100, 1)))


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_multi_output_regression(loss):
    X, y = data_for(FastReLURegressor, 200)
    Y = np.exp(np.column_stack([y, -y]) / 2)
    reg = FastReLURegressor(loss, **{**SMALL, "max_iter": 100}).fit(X, Y)
    assert reg.n_outputs_ == 2
    assert reg.predict(X).shape == Y.shape
    assert reg.score(X, Y) > 0.8


def test_shape_of_the_prediction_is_that_of_the_target():
    X, y = data_for(FastReLURegressor)
    assert FastReLURegressor(**SMALL).fit(X, y).predict(X).shape == (100,)
    with pytest.warns(DataConversionWarning, match="column-vector"):
        assert FastReLURegressor(**SMALL).fit(X, y[:, None]).predict(X).shape == (100,)
    assert FastReLURegressor(**SMALL).fit(X, np.column_stack([y, y])).predict(X).shape == (100, 2)


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "huber", "absolute_error", "quantile"])
@SOLVERS
def test_every_loss_improves(loss, solver):
    X, y = data_for(FastReLURegressor, 200)
    reg = FastReLURegressor(loss, solver=solver, **{**SMALL, "max_iter": 40}).fit(X, np.exp(y / 2))
    assert reg.loss_curve_[-1] < 0.5 * reg.loss_curve_[0]
    assert (reg.out_activation_ == "exp") == (loss == "poisson")
    if loss == "poisson":
        assert (reg.predict(X) > 0).all()


def test_quantile_regression_covers_its_share():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (600, 1))
    y = X[:, 0] + rng.normal(size=600)
    settings = {**SMALL, "max_iter": 60}
    for quantile in (0.1, 0.9):
        reg = FastReLURegressor("quantile", quantile=quantile, **settings).fit(X, y)
        assert abs(np.mean(y <= reg.predict(X)) - quantile) < 0.05
        constant = mean_pinball_loss(y, np.full(600, np.quantile(y, quantile)), alpha=quantile)
        assert mean_pinball_loss(y, reg.predict(X), alpha=quantile) < constant


def test_scale_and_offset_of_the_target_do_not_matter():
    X, y = data_for(FastReLURegressor)
    plain = FastReLURegressor(**SMALL).fit(X, y)
    moved = FastReLURegressor(**SMALL).fit(X, 1e6 + 1e3 * y)
    assert_allclose(moved.predict(X), 1e6 + 1e3 * plain.predict(X), rtol=1e-9)
    assert_allclose(moved.loss_curve_, plain.loss_curve_, rtol=1e-6)


@BOTH
def test_scale_and_offset_of_the_features_do_not_matter(Estimator):
    X, y = data_for(Estimator)
    plain, moved = Estimator(**FIRST_ORDER).fit(X, y), Estimator(**FIRST_ORDER).fit(100 + 10 * X, y)
    assert_allclose(moved.loss_curve_, plain.loss_curve_, rtol=1e-6)


# weights


@SOLVERS
@pytest.mark.parametrize(
    ("Estimator", "more"),
    [
        (FastReLURegressor, {}),
        (FastReLUClassifier, {}),
        (FastReLUClassifier, {"class_weight": "balanced"}),
        (FastReLUClassifier, {"class_weight": {0: 2.0, 1: 0.5}}),
    ],
)
def test_weight_is_the_same_as_copies(Estimator, more, solver):
    X, y = data_for(Estimator, 60)
    weight = np.random.default_rng(0).integers(0, 4, 60)
    settings = {**SMALL, **FULL_BATCH, "solver": solver, "alpha": 0.1, **more}
    weighted = Estimator(**settings).fit(X, y, sample_weight=weight)
    copies = Estimator(**settings).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    # the search orders sums by sample, so copies are rounded differently
    assert_same_fit(weighted, copies, rtol=1e-9)
    assert_allclose(weighted.loss_curve_, copies.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("class_weight", ["balanced", [{0: 2, 1: 1}, {0: 1, 1: 3}, {1: 5}]])
def test_weight_is_the_same_as_copies_in_multilabel(class_weight):
    X, Y = make_multilabel_classification(60, 10, n_classes=3, random_state=0)
    weight = np.random.default_rng(0).integers(0, 4, 60)
    settings = {**FIRST_ORDER, **FULL_BATCH, "class_weight": class_weight}
    weighted = FastReLUClassifier(**settings).fit(X, Y, sample_weight=weight)
    copies = FastReLUClassifier(**settings).fit(np.repeat(X, weight, axis=0), np.repeat(Y, weight, axis=0))
    assert_same_fit(weighted, copies, rtol=1e-9)


@BOTH
@pytest.mark.parametrize("settings", [{}, {"early_stopping": True}, {"batch_size": 7}])
def test_weight_zero_is_the_same_as_leaving_out(Estimator, settings):
    X, y = data_for(Estimator)
    weight = np.random.default_rng(0).integers(0, 2, 100)
    settings = {**SMALL, **settings}
    weighted = Estimator(**settings).fit(X, y, sample_weight=weight)
    left_out = Estimator(**settings).fit(X[weight > 0], y[weight > 0])
    assert_same_fit(weighted, left_out)


def test_class_weight_is_sample_weight():
    X, y = data_for(FastReLUClassifier)
    settings = {**SMALL, "early_stopping": True}
    by_class = FastReLUClassifier(class_weight={0: 3.0, 2: 0.5}, **settings).fit(X, y)
    by_sample = FastReLUClassifier(**settings).fit(X, y, sample_weight=np.array([3.0, 1.0, 0.5])[y])
    assert_same_fit(by_class, by_sample)


def test_balanced_class_weight_lifts_a_rare_class():
    X, y = make_classification(400, weights=[0.95], flip_y=0.1, random_state=0)
    settings = {**FIRST_ORDER, "max_iter": 10}
    plain = FastReLUClassifier(**settings).fit(X, y)
    balanced = FastReLUClassifier(class_weight="balanced", **settings).fit(X, y)
    assert balanced.predict(X).sum() > plain.predict(X).sum()


def test_early_stopping_scores_with_weights():
    X, y = data_for(FastReLUClassifier, 200)
    weight = np.where(y == 0, 1e-6, 1.0)
    clf = FastReLUClassifier(**{**SMALL, "max_iter": 1}, early_stopping=True, validation_fraction=0.5)
    clf.fit(X, np.where(y == 0, 1, 0), sample_weight=weight)
    # nearly all of the weight has one label, which an untrained network learns at once
    assert clf.best_validation_score_ > 0.99


# going on with training


@BOTH
@SOLVERS
@pytest.mark.parametrize("batch_size", [7, 10_000])
def test_partial_fit_goes_on_as_fit_does(Estimator, solver, batch_size):
    X, y = data_for(Estimator)
    settings = {**SMALL, "batch_size": batch_size, "solver": solver, "search": "dense", "alpha": 0.1, "max_iter": 8}
    settings["learning_rate_init"] = 0.1 if solver == "sgd" else 0.002
    whole = Estimator(**settings).fit(X, y)
    steps = Estimator(**settings)
    for _ in range(8):
        steps.partial_fit(X, y, **({"classes": [0, 1, 2]} if Estimator is FastReLUClassifier else {}))
    # the same only if momentum, moments, step counts and the random state are carried over
    assert_allclose(steps.loss_curve_, whole.loss_curve_, rtol=1e-9)
    assert_same_fit(steps, whole, rtol=1e-9)
    assert len(steps.loss_curve_) == len(steps.firing_curve_) == 8
    assert steps.t_ == whole.t_ == 800
    assert_allclose(steps.best_loss_, whole.best_loss_, rtol=1e-9)


@BOTH
def test_partial_fit_shrinks_the_rate_of_invscaling_over_calls(Estimator):
    X, y = data_for(Estimator)
    settings = {**SMALL, **FULL_BATCH, "solver": "sgd", "search": "dense", "learning_rate": "invscaling"}
    whole, steps = Estimator(**settings).fit(X, y), Estimator(**settings)
    for _ in range(5):
        steps.partial_fit(X, y, **({"classes": [0, 1, 2]} if Estimator is FastReLUClassifier else {}))
    assert_allclose(steps.loss_curve_, whole.loss_curve_, rtol=1e-9)


@BOTH
def test_partial_fit_follows_a_new_learning_rate(Estimator):
    X, y = data_for(Estimator)
    est = Estimator(**SMALL, search="dense").fit(X, y)
    before = [a.copy() for a in est.coefs_]
    est.set_params(learning_rate_init=1e-12).partial_fit(X, y)
    assert est.learning_rate_init_ == 1e-12
    for old, new in zip(before, est.coefs_, strict=True):
        assert_allclose(new, old, atol=1e-8)


def test_partial_fit_after_fit_and_with_another_solver():
    X, y = data_for(FastReLUClassifier)
    clf = FastReLUClassifier(**SMALL, solver="sgd").fit(X, y)
    loss = clf.loss_
    for solver in ("sgd", "adam", "sgd"):
        clf.set_params(solver=solver).partial_fit(X, y)
        assert clf.solver_ == solver
    assert clf.loss_ < loss
    assert len(clf.loss_curve_) == 8


def test_partial_fit_needs_classes_once():
    X, y = data_for(FastReLUClassifier)
    clf = FastReLUClassifier(**SMALL)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        clf.partial_fit(X, y)
    clf.partial_fit(X[y < 2], y[y < 2], classes=[2, 1, 0])
    assert_array_equal(clf.classes_, [0, 1, 2])
    clf.partial_fit(X, y)
    with pytest.raises(ValueError, match=r"not in `classes_`: \[3\]"):
        clf.partial_fit(X, y + 1)
    with pytest.raises(ValueError, match="not the same as on the last call"):
        clf.partial_fit(X, y, classes=[0, 1])


def test_partial_fit_of_an_unknown_class_on_the_first_call():
    X, y = data_for(FastReLUClassifier)
    clf = FastReLUClassifier(**SMALL)
    with pytest.raises(ValueError, match=r"not in `classes_`: \[2\]"):
        clf.partial_fit(X, y, classes=[0, 1])
    assert vars(clf) == vars(clone(clf))


def test_partial_fit_multilabel():
    X, Y = make_multilabel_classification(60, 10, n_classes=3, random_state=0)
    clf = FastReLUClassifier(**SMALL).partial_fit(X, Y).partial_fit(X, Y)
    assert clf.predict(X).shape == Y.shape
    with pytest.raises(ValueError, match="3 labels per sample"):
        clf.partial_fit(X, Y[:, :2])
    with pytest.raises(ValueError, match="3 labels per sample"):
        clf.partial_fit(X, Y[:, 0])
    assert_array_equal(FastReLUClassifier(**SMALL).partial_fit(X, Y, classes=[0, 1, 2]).classes_, [0, 1, 2])


@BOTH
def test_partial_fit_refuses_what_it_cannot_do(Estimator):
    X, y = data_for(Estimator)
    with pytest.raises(ValueError, match="early_stopping"):
        Estimator(**SMALL, early_stopping=True).partial_fit(X, y)
    if Estimator is FastReLUClassifier:
        with pytest.raises(ValueError, match="class_weight='balanced'"):
            Estimator(**SMALL, class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])


@BOTH
@SOLVERS
def test_warm_start_goes_on_from_the_weights(Estimator, solver):
    X, y = data_for(Estimator)
    rate = {"learning_rate_init": 0.005} if solver == "adam" else {}
    est = Estimator(**SMALL, **rate, solver=solver, warm_start=True).fit(X, y)
    first = est.loss_curve_
    est.fit(X, y)
    assert est.loss_curve_[:5] == first
    assert len(est.loss_curve_) == 10
    assert est.n_iter_ == 5
    assert est.t_ == 1000
    assert est.loss_curve_[5] < 0.7 * first[0]  # not less than the last, since the moments of Adam start anew
    assert est.loss_ < first[-1]
    assert len(Estimator(**SMALL).fit(X, y).fit(X, y).loss_curve_) == 5


def test_warm_start_needs_the_same_classes_and_width():
    X, y = data_for(FastReLUClassifier)
    clf = FastReLUClassifier(**SMALL, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="same classes as in the previous call"):
        clf.fit(X[y > 0], y[y > 0])
    with pytest.raises(ValueError, match="has 128 neurons"):
        clf.set_params(hidden_layer_sizes=(64,)).fit(X, y)
    clf.set_params(warm_start=False).fit(X[y > 0], y[y > 0])
    assert clf.coefs_[0].shape == (8, 64)


@BOTH
def test_dtype_of_the_first_call_is_kept(Estimator):
    X, y = data_for(Estimator, dtype=np.float32)
    est = Estimator(**SMALL, warm_start=True).fit(X, y)
    est.fit(X.astype(np.float64), y)
    assert {a.dtype for a in est.coefs_ + est.intercepts_} == {np.dtype(np.float32)}


# stopping


@BOTH
@SOLVERS
def test_early_stopping_restores_the_best_weights(Estimator, solver):
    X, y = data_for(Estimator, 300)
    rng = np.random.default_rng(0)
    y = np.where(rng.uniform(size=300) < 0.3, rng.permutation(y), y)
    settings = {**SMALL, "solver": solver, "max_iter": 60, "learning_rate_init": 1.0 if solver == "sgd" else 0.1}
    est = Estimator(**settings, early_stopping=True, n_iter_no_change=5).fit(X, y)
    assert est.best_validation_score_ == max(est.validation_scores_)
    assert np.argmax(est.validation_scores_) < est.n_iter_ - 1
    assert est.n_iter_ == len(est.validation_scores_) < 60
    assert est.best_loss_ is None

    # the split is the first that the random state is used for
    stratify = y if Estimator is FastReLUClassifier else None
    _, X_held, _, y_held = train_test_split(X, y, test_size=0.1, random_state=0, stratify=stratify)
    assert_allclose(est.score(X_held, y_held), est.best_validation_score_, rtol=1e-9)


@BOTH
def test_scores_that_are_not_finite_are_the_worst(Estimator, monkeypatch):
    X, y = data_for(Estimator)
    monkeypatch.setattr(Network, "raw_output", lambda self, rows: np.full((rows.shape[0], self.n_outputs), np.nan))
    est = Estimator(**SMALL, early_stopping=True).fit(X, y)
    assert est.validation_scores_ == [-np.inf] * 5
    assert np.isfinite(est.coefs_[0]).all()


def test_early_stopping_with_a_rare_class_does_without_strata():
    X, y = data_for(FastReLUClassifier)
    y[0] = 7
    clf = FastReLUClassifier(**SMALL, early_stopping=True).fit(X, y)
    assert_array_equal(clf.classes_, [0, 1, 2, 7])
    X, Y = make_multilabel_classification(60, 10, n_classes=3, random_state=0)
    assert len(FastReLUClassifier(**SMALL, early_stopping=True).fit(X, Y).validation_scores_) == 5


@BOTH
@pytest.mark.parametrize("fraction", [0.0, 0.001, 0.999])
def test_early_stopping_needs_two_samples_to_score_and_one_to_train(Estimator, fraction):
    X, y = data_for(Estimator)
    with pytest.raises(ValueError, match="Change validation_fraction"):
        Estimator(**SMALL, early_stopping=True, validation_fraction=fraction).fit(X, y)


@BOTH
@pytest.mark.parametrize("learning_rate", ["constant", "adaptive"])
def test_training_stops_without_progress(Estimator, learning_rate):
    X, y = data_for(Estimator)
    settings = {**FIRST_ORDER, "max_iter": 100, "tol": 10.0, "n_iter_no_change": 2, "learning_rate": learning_rate}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        est = Estimator(**settings).fit(X, y)
    # adaptive: the rate is divided by five until it is a millionth, every three epochs
    assert est.n_iter_ == (4 if learning_rate == "constant" else 31)


@BOTH
def test_patience_without_end(Estimator):
    X, y = data_for(Estimator)
    est = Estimator(
        **{**FIRST_ORDER, "tol": 10.0, "n_iter_no_change": np.inf, "max_iter": 20, "learning_rate": "constant"}
    ).fit(X, y)
    assert est.n_iter_ == 20


@BOTH
def test_warnings_point_to_the_line_of_the_user(Estimator):
    X, y = data_for(Estimator)
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(5\) reached") as record:
        Estimator(**FIRST_ORDER).fit(X, y)
    assert [warning.filename for warning in record] == [__file__]


@BOTH
def test_verbose_prints_a_line_per_epoch_and_the_plan_beside_them(Estimator, capsys):
    X, y = data_for(Estimator)
    est = Estimator(**SMALL, verbose=True).fit(X, y)
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert printed.err.startswith("Stage 1 of 1: ")
    assert len(lines) == 5
    assert lines[2].startswith(f"Iteration 3, loss = {est.loss_curve_[2]:.8f}")
    Estimator(**SMALL, verbose=True, early_stopping=True).fit(X, y)
    assert "validation score" in capsys.readouterr().out
    Estimator(**SMALL).fit(X, y)
    assert capsys.readouterr() == ("", "")


@BOTH
@pytest.mark.parametrize("early_stopping", [False, True])
def test_interrupt_keeps_the_model(Estimator, early_stopping, monkeypatch):
    X, y = data_for(Estimator)

    def interrupt(message, file=None):
        if message.startswith("Iteration 3"):
            raise KeyboardInterrupt

    monkeypatch.setattr("builtins.print", interrupt)
    settings = {**SMALL, "learning_rate": "constant", "early_stopping": early_stopping}
    est = Estimator(**settings, verbose=True)
    with pytest.warns(UserWarning, match="interrupted by user"):
        est.fit(X, y)
    assert est.n_iter_ == 3
    three = Estimator(**{**settings, "max_iter": 3}).fit(X, y)
    assert_same_fit(est, three)
