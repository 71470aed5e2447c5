"""Early stopping by samples that the user holds out, and by a score that the user names."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.metrics import log_loss, make_scorer, mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers import EVERY_SOLVER
from skfastnn import FastReLUClassifier, FastReLURegressor

SMALL = {"hidden_layer_sizes": 64, "max_iter": 6, "random_state": 0, "learning_rate": "constant", "solver": "adam"}


def parts(seed=0, n_classes=3):
    X, y = make_classification(200, 6, n_informative=5, n_redundant=0, n_classes=n_classes, random_state=seed)
    return train_test_split(X, y, test_size=0.3, random_state=0)


def numbers():
    X, y = make_regression(200, 5, noise=5.0, random_state=0)
    return train_test_split(X, y, test_size=0.3, random_state=0)


@pytest.mark.parametrize("solver", EVERY_SOLVER)
def test_scores_are_those_of_the_samples_that_are_given(solver):
    X, X_val, y, y_val = parts()
    clf = FastReLUClassifier(**SMALL | {"solver": solver}).fit(X, y, X_val=X_val, y_val=y_val)
    assert len(clf.validation_scores_) == len(clf.validation_loss_curve_) == clf.n_iter_
    assert clf.score(X_val, y_val) == clf.best_validation_score_ == max(clf.validation_scores_)
    best = int(np.argmax(clf.validation_scores_))
    assert clf.validation_loss_curve_[best] == pytest.approx(log_loss(y_val, clf.predict_proba(X_val)))


@pytest.mark.parametrize("scoring", [None, "neg_log_loss"])
def test_a_linear_model_keeps_its_best_iteration_too(scoring):
    X, X_val, y, y_val = parts()
    y_val = np.where(np.arange(len(y_val)) % 2, y_val, (y_val + 1) % 3)
    clf = FastReLUClassifier(hidden_layer_sizes=(), scoring=scoring, tol=1e-8, n_iter_no_change=3)
    clf.fit(X, y, X_val=X_val, y_val=y_val)
    best = int(np.argmax(clf.validation_scores_))
    assert best < clf.n_iter_ - 1
    assert clf.n_iter_ == len(clf.validation_scores_) < 20
    expected = clf.score(X_val, y_val) if scoring is None else -log_loss(y_val, clf.predict_proba(X_val))
    assert clf.best_validation_score_ == pytest.approx(expected)
    assert clf.validation_loss_curve_[best] == pytest.approx(log_loss(y_val, clf.predict_proba(X_val)))


@pytest.mark.parametrize("solver", ["gauss_newton", "adam"])
def test_numbers_that_are_missing_in_what_is_held_out_alone_are_encoded(solver, monkeypatch):
    monkeypatch.setattr("skfastnn._plan.SMALL_DATA", 1_000 if solver == "gauss_newton" else 10)
    X, X_val, y, y_val = numbers()
    X_val[0, 0] = np.nan
    reg = FastReLURegressor(max_iter=3, random_state=0).fit(X, y, X_val=X_val, y_val=y_val)
    assert reg.solver_ == solver
    assert reg.encoder_ is not None
    assert reg.score(X_val, y_val) == pytest.approx(reg.best_validation_score_)


def test_all_rows_are_trained_on():
    X, X_val, y, y_val = parts()
    clf = FastReLUClassifier(**SMALL).fit(X, y, X_val=X_val, y_val=y_val)
    plain = FastReLUClassifier(**SMALL).fit(X, y)
    assert_allclose(clf.loss_curve_, plain.loss_curve_, rtol=1e-6)
    assert plain.validation_scores_ is plain.validation_loss_curve_ is plain.best_validation_score_ is None


def test_the_loss_of_validation_is_in_the_units_of_the_loss():
    X, _, y, _ = numbers()
    reg = FastReLURegressor(**SMALL | {"solver": "gauss_newton"}).fit(X, y, X_val=X, y_val=y)
    assert_allclose(reg.validation_loss_curve_, reg.loss_curve_, rtol=1e-5)


def test_weights_count_as_copies():
    X, X_val, y, y_val = parts()
    weight = np.arange(len(y_val)) % 3
    weighted = FastReLUClassifier(**SMALL).fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight)
    copies = np.repeat(np.arange(len(y_val)), weight)
    repeated = FastReLUClassifier(**SMALL).fit(X, y, X_val=X_val[copies], y_val=y_val[copies])
    assert_allclose(weighted.validation_scores_, repeated.validation_scores_)
    assert_allclose(weighted.validation_loss_curve_, repeated.validation_loss_curve_)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_weights_beyond_single_precision_count_by_their_ratios(unit):
    X, X_val, y, y_val = parts()
    X, X_val, weight = X.astype(np.float32), X_val.astype(np.float32), 1.0 + np.arange(len(y_val)) % 3
    weight[0] = 1e-30
    scaled, plain = (
        FastReLUClassifier(**SMALL).fit(X, y, None, X_val, y_val, sample_weight_val=w) for w in (unit * weight, weight)
    )
    assert_allclose(scaled.validation_loss_curve_, plain.validation_loss_curve_, rtol=1e-6)


def test_training_stops_where_the_score_does_not_improve():
    X, X_val, y, _ = parts()
    nothing_to_learn = np.random.RandomState(0).randint(3, size=len(X_val))
    clf = FastReLUClassifier(**SMALL | {"max_iter": 100}, n_iter_no_change=3)
    assert clf.fit(X, y, X_val=X_val, y_val=nothing_to_learn).n_iter_ < 60


@pytest.mark.parametrize("form", [sparse.csr_array, np.asarray])
def test_rows_may_be_stored_as_they_are_not_in_training(form):
    X, X_val, y, y_val = parts()
    other = np.asarray if form is sparse.csr_array else sparse.csr_array
    mixed = FastReLUClassifier(**SMALL).fit(form(X), y, X_val=other(X_val), y_val=y_val)
    same = FastReLUClassifier(**SMALL).fit(form(X), y, X_val=form(X_val), y_val=y_val)
    assert_allclose(mixed.validation_scores_, same.validation_scores_)


@pytest.mark.parametrize(
    ("given", "settings", "message"),
    [
        ({"X_val": 1}, {}, "y_val was not passed"),
        ({"y_val": 1}, {}, "X_val was not passed"),
        ({"sample_weight_val": "zero"}, {}, "were not passed"),
        ({"X_val": 1, "y_val": 1}, {"early_stopping": False}, "'auto' or True"),
        ({"X_val": "wide", "y_val": 1}, {}, "features"),
        ({"X_val": 1, "y_val": "short"}, {}, "inconsistent numbers of samples"),
        ({"X_val": 1, "y_val": "strange"}, {}, "not in `classes_`"),
        ({"X_val": 1, "y_val": 1, "sample_weight_val": "zero"}, {}, "zero"),
    ],
)
def test_what_does_not_fit_is_said(given, settings, message):
    X, X_val, y, y_val = parts()
    options = {
        "X_val": {1: X_val, "wide": np.hstack([X_val, X_val])},
        "y_val": {1: y_val, "short": y_val[1:], "strange": y_val + 7},
        "sample_weight_val": {"zero": np.zeros(len(y_val))},
    }
    with pytest.raises(ValueError, match=message):
        FastReLUClassifier(**SMALL, **settings).fit(X, y, **{name: options[name][kind] for name, kind in given.items()})


def test_held_out_numbers_that_the_loss_does_not_take_are_named():
    X = np.random.default_rng(0).standard_normal((80, 4))
    reg = FastReLURegressor("poisson", hidden_layer_sizes=16, solver="adam", max_iter=2, early_stopping=True)
    with pytest.raises(ValueError, match="numbers that the loss does not take"):
        reg.fit(X, np.exp(X[:, 0]), X_val=X[:20], y_val=np.full(20, -1.0))


def test_targets_of_several_outputs_have_to_fit():
    X, y = make_multilabel_classification(100, 5, n_classes=3, random_state=0)
    clf = FastReLUClassifier(**SMALL).fit(X, y, X_val=X, y_val=y)
    assert clf.score(X, y) == clf.best_validation_score_
    with pytest.raises(ValueError, match="indicator matrix of 3 labels"):
        FastReLUClassifier(**SMALL).fit(X, y, X_val=X, y_val=y[:, :2])
    with pytest.raises(ValueError, match="as many outputs"):
        FastReLURegressor(**SMALL).fit(X, y, X_val=X, y_val=y[:, :2])


def test_the_best_weights_stay_while_the_samples_are_the_same():
    X, X_val, y, y_val = parts()
    clf = FastReLUClassifier(**SMALL, warm_start=True).fit(X, y, X_val=X_val, y_val=y_val)
    first = clf.best_validation_score_
    assert clf.fit(X, y, X_val=X_val, y_val=y_val).best_validation_score_ >= first
    assert len(clf.validation_loss_curve_) == len(clf.validation_scores_) == 12
    assert clf.score(X_val, y_val) == clf.best_validation_score_
    # others: their score is what counts
    assert clf.fit(X, y, X_val=X_val[:9], y_val=y_val[:9]).best_validation_score_ == clf.score(X_val[:9], y_val[:9])
    assert clf.set_params(early_stopping=True).fit(X, y).n_iter_ == 6  # and a split after them


def test_partial_fit_takes_the_default():
    X, _, y, _ = parts()
    clf = FastReLUClassifier(**SMALL).partial_fit(X, y, classes=[0, 1, 2])
    assert clf.validation_scores_ is None


@pytest.mark.parametrize(
    ("scoring", "expected"),
    [
        ("neg_log_loss", lambda clf, X, y: -log_loss(y, clf.predict_proba(X))),
        ("loss", lambda clf, X, y: -log_loss(y, clf.predict_proba(X))),
        ("roc_auc_ovr", None),
        (lambda est, X, y: est.score(X, y), lambda clf, X, y: clf.score(X, y)),
        (None, lambda clf, X, y: clf.score(X, y)),
    ],
)
@pytest.mark.parametrize("own", [True, False])
def test_scoring_names_what_is_watched(scoring, expected, own):
    X, X_val, y, y_val = parts()
    clf = FastReLUClassifier(**SMALL, scoring=scoring, early_stopping=True)
    clf.fit(X, y, **({"X_val": X_val, "y_val": y_val} if own else {}))
    assert clf.best_validation_score_ == max(clf.validation_scores_)
    assert np.isfinite(clf.validation_scores_).all()
    if own and expected is not None:
        assert clf.best_validation_score_ == pytest.approx(expected(clf, X_val, y_val), rel=1e-6)


def test_scoring_takes_weights_encoded_features_and_names():
    pd = pytest.importorskip("pandas", reason="pandas is optional")
    X, X_val, y, y_val = numbers()
    weight = np.linspace(1, 2, len(y_val))
    X, X_val = (pd.DataFrame(part, columns=list("abcde")) for part in (X, X_val))
    scoring = make_scorer(mean_squared_error, greater_is_better=False)
    reg = FastReLURegressor(**SMALL, scoring=scoring, encoding="piecewise_linear")
    reg.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight)
    expected = -mean_squared_error(y_val, reg.predict(X_val), sample_weight=weight)
    assert reg.best_validation_score_ == pytest.approx(expected, rel=1e-6)


def test_a_pipeline_transforms_the_samples_that_are_held_out():
    X, X_val, y, y_val = parts()
    scaler = StandardScaler().fit(X)
    direct = FastReLUClassifier(**SMALL).fit(
        scaler.transform(X), y, X_val=scaler.transform(X_val), y_val=y_val, sample_weight_val=None
    )
    with sklearn.config_context(enable_metadata_routing=True):
        clf = FastReLUClassifier(**SMALL).set_fit_request(X_val=True, y_val=True)
        pipe = make_pipeline(StandardScaler(), clf, transform_input=["X_val"]).fit(X, y, X_val=X_val, y_val=y_val)
    assert_allclose(pipe[-1].validation_scores_, direct.validation_scores_)
    assert_allclose(pipe[-1].validation_loss_curve_, direct.validation_loss_curve_)
