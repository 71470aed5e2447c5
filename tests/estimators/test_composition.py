"""The estimators inside of scikit-learn's meta-estimators and tools, one each."""

import inspect

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import DecisionBoundaryDisplay, PartialDependenceDisplay, permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_validate,
    learning_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from helpers import BOTH, FIRST_ORDER, data_for
from skfastnn import FastReLUClassifier, FastReLURegressor, PiecewiseLinearEncoder

X, LABEL = data_for(FastReLUClassifier, n_samples=200)
NUMBER = data_for(FastReLURegressor, n_samples=200)[1]
INDICATOR = np.column_stack([LABEL > 0, LABEL > 1]).astype(int)
NUMBERS = np.column_stack([NUMBER, X[:, 2]])
SETTINGS = {**FIRST_ORDER, "max_iter": 20, "threshold": 0.5}
CLASSIFIER, REGRESSOR = FastReLUClassifier(**SETTINGS), FastReLURegressor(**SETTINGS)

AROUND_CLASSIFIER = {
    "pipeline": (make_pipeline(StandardScaler(), CLASSIFIER), LABEL),
    "encoder": (make_pipeline(PiecewiseLinearEncoder(), CLASSIFIER), LABEL),
    "transformer": (make_pipeline(CLASSIFIER, LogisticRegression(max_iter=5_000)), LABEL),
    "union": (make_pipeline(FeatureUnion([("raw", "passthrough"), ("net", CLASSIFIER)]), LogisticRegression()), LABEL),
    "grid": (GridSearchCV(CLASSIFIER, {"threshold": [0.0, 0.5]}, cv=2), LABEL),
    "halving": (HalvingGridSearchCV(CLASSIFIER, {"threshold": [0.0, 0.5]}, cv=2, min_resources=60), LABEL),
    "halving by epochs": (
        HalvingGridSearchCV(CLASSIFIER, {"threshold": [0.0, 0.5]}, cv=2, resource="max_iter", max_resources=20), LABEL,
    ),
    "calibrated": (CalibratedClassifierCV(CLASSIFIER, cv=2), LABEL),
    "frozen and calibrated": (CalibratedClassifierCV(FrozenEstimator(clone(CLASSIFIER).fit(X, LABEL))), LABEL),
    "stacking": (StackingClassifier([("a", CLASSIFIER), ("b", LogisticRegression())], CLASSIFIER, cv=2), LABEL),
    "voting": (VotingClassifier([("a", CLASSIFIER), ("b", LogisticRegression())], voting="soft"), LABEL),
    "bagging": (BaggingClassifier(CLASSIFIER, n_estimators=2, random_state=0), LABEL),
    "boosting": (AdaBoostClassifier(CLASSIFIER, n_estimators=2, random_state=0), LABEL),
    "one versus rest": (OneVsRestClassifier(CLASSIFIER), LABEL),
    "one versus one": (OneVsOneClassifier(CLASSIFIER), LABEL),
    "output code": (OutputCodeClassifier(CLASSIFIER, code_size=2, random_state=0), LABEL),
    "labels one versus rest": (OneVsRestClassifier(CLASSIFIER), INDICATOR),
    "chain": (ClassifierChain(CLASSIFIER, order=[1, 0]), INDICATOR),
    "outputs": (MultiOutputClassifier(CLASSIFIER), INDICATOR),
    "self-training": (SelfTrainingClassifier(CLASSIFIER), np.where(np.arange(200) < 100, LABEL, -1)),
    "threshold tuned": (TunedThresholdClassifierCV(CLASSIFIER, cv=2), LABEL > 0),
}  # fmt: skip
AROUND_REGRESSOR = {
    "pipeline": (make_pipeline(StandardScaler(), REGRESSOR), NUMBER),
    "target": (TransformedTargetRegressor(REGRESSOR, func=np.arcsinh, inverse_func=np.sinh), NUMBER),
    "grid": (GridSearchCV(REGRESSOR, {"threshold": [0.0, 0.5]}, cv=2), NUMBER),
    "stacking": (StackingRegressor([("a", REGRESSOR), ("b", Ridge())], cv=2), NUMBER),
    "voting": (VotingRegressor([("a", REGRESSOR), ("b", Ridge())]), NUMBER),
    "bagging": (BaggingRegressor(REGRESSOR, n_estimators=2, random_state=0), NUMBER),
    "boosting": (AdaBoostRegressor(REGRESSOR, n_estimators=2, random_state=0), NUMBER),
    "outputs": (MultiOutputRegressor(REGRESSOR), NUMBERS),
    "chain": (RegressorChain(REGRESSOR), NUMBERS),
}


def _importances(est):
    return np.abs(est.coefs_[0]).sum(axis=1)


@pytest.mark.parametrize("name", AROUND_CLASSIFIER)
def test_around_the_classifier(name):
    model, y = AROUND_CLASSIFIER[name]
    model = clone(model).fit(X, y)
    assert model.score(X, LABEL if name == "self-training" else y) > 0.6
    if hasattr(model, "predict_proba"):
        assert np.min(model.predict_proba(X)) >= 0


@pytest.mark.parametrize("name", AROUND_REGRESSOR)
def test_around_the_regressor(name):
    model, y = AROUND_REGRESSOR[name]
    assert clone(model).fit(X, y).score(X, y) > 0.6


def test_columns_of_a_frame():
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    frame["kind"] = np.array(["x", "y", "z"])[LABEL]
    columns = ColumnTransformer([("kind", OneHotEncoder(), ["kind"])], remainder=StandardScaler())
    assert make_pipeline(columns, CLASSIFIER).fit(frame, LABEL).score(frame, LABEL) > 0.95


@BOTH
def test_features_are_eliminated_by_weights(Estimator):
    y = data_for(Estimator, n_samples=200)[1]
    model = RFE(Estimator(**SETTINGS), n_features_to_select=4, step=2, importance_getter=_importances).fit(X, y)
    assert model.support_.sum() == 4
    if Estimator is FastReLURegressor:
        assert model.support_[1]  # it has most of the variance of the target


def test_features_are_eliminated_by_the_importances_of_the_default():
    model = RFE(FastReLURegressor(random_state=0), n_features_to_select=2, step=6).fit(X, NUMBER)
    assert_array_equal(np.flatnonzero(model.support_), [0, 1])
    chosen = SelectFromModel(FastReLURegressor(random_state=0), max_features=2).fit(X, NUMBER)
    assert_array_equal(chosen.get_support(indices=True), [0, 1])


def test_permutation_importance():
    result = permutation_importance(clone(REGRESSOR).fit(X, NUMBER), X, NUMBER, n_repeats=2, random_state=0)
    assert result.importances_mean.argmax() == 1


def test_displays_of_scikit_learn():
    matplotlib = pytest.importorskip("matplotlib", reason="the extra plot is not installed")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    model = clone(REGRESSOR).fit(X, NUMBER)
    display = PartialDependenceDisplay.from_estimator(model, X, [0, (0, 1)], grid_resolution=5)
    assert np.ptp(display.pd_results[0]["average"]) > 0.5
    plane = clone(CLASSIFIER).fit(X[:, :2], LABEL)
    boundary = DecisionBoundaryDisplay.from_estimator(plane, X[:, :2], grid_resolution=5, response_method="predict")
    assert boundary.response.shape == (5, 5)
    pyplot.close("all")


def test_validation_tools():
    scores = cross_validate(CLASSIFIER, X, LABEL, cv=2, return_estimator=True, scoring=["accuracy", "neg_log_loss"])
    assert scores["test_accuracy"].min() > 0.5
    assert cross_val_predict(CLASSIFIER, X, LABEL, cv=2, method="predict_proba").shape == (200, 3)
    sizes, learned, _ = learning_curve(
        CLASSIFIER, X, LABEL, train_sizes=[0.5, 1.0], cv=2, exploit_incremental_learning=True
    )
    assert_array_equal(sizes, [50, 100])
    assert learned.min() > 0.4  # one epoch on each half, and three classes


def fit_arguments(Estimator):
    return [name for name in inspect.signature(Estimator.fit).parameters if name not in ("self", "X", "y")]


@BOTH
def test_every_argument_of_fit_can_be_requested(Estimator):
    names = fit_arguments(Estimator)
    assert "sample_weight" in names
    with config_context(enable_metadata_routing=True):
        est = Estimator().set_fit_request(**dict.fromkeys(names, True))
        assert est.get_metadata_routing().fit.requests == dict.fromkeys(names, True)
        est.set_score_request(sample_weight=True)
        est.set_partial_fit_request(sample_weight=True)


class Spy(BaseEstimator):
    """Nothing but a place in a pipeline."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


@BOTH
@pytest.mark.parametrize("wrap", [lambda est: make_pipeline(Spy(), est), lambda est: GridSearchCV(est, {}, cv=2)])
def test_weights_are_routed(Estimator, wrap):
    y = data_for(Estimator, n_samples=200)[1]
    weight = np.arange(200) % 3 + 0.5
    est = Estimator(**SETTINGS)
    expected = clone(est).fit(X, y, sample_weight=weight).predict(X)
    assert not np.array_equal(expected, clone(est).fit(X, y).predict(X))
    with config_context(enable_metadata_routing=True):
        model = wrap(clone(est).set_fit_request(sample_weight=True).set_score_request(sample_weight=True))
        assert_allclose(model.fit(X, y, sample_weight=weight).predict(X), expected)


@BOTH
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_in_and_out(Estimator, library):
    frames = pytest.importorskip(library, reason="data frames of this library are optional")
    y = data_for(Estimator, n_samples=200)[1]
    frame = frames.DataFrame(dict(zip("abcdefgh", X.T, strict=True)))
    target = frames.Series(y)
    model = make_pipeline(PiecewiseLinearEncoder(), Estimator(**SETTINGS)).set_output(transform=library)
    plain = make_pipeline(PiecewiseLinearEncoder(), Estimator(**SETTINGS)).fit(X, y)
    model.fit(frame, target)
    assert_array_equal(model.feature_names_in_, list("abcdefgh"))
    assert_allclose(model.predict(frame), plain.predict(X))
    code = model[:-1].transform(frame)
    assert isinstance(code, frames.DataFrame)
    assert list(code.columns) == list(model[0].get_feature_names_out())
    assert isinstance(model.transform(frame), frames.DataFrame)
    est = Estimator(**SETTINGS).fit(frame, target)
    with pytest.raises(ValueError, match="feature names"):
        est.predict(frame[list("hgfedcba")])
