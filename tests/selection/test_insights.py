"""What falls out of the choice in closed form: importances of features, and samples that are left out."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris, make_friedman1, make_multilabel_classification

from skfastnn import FastReLUClassifier, FastReLURegressor
from skfastnn.preprocessing import PiecewiseLinearEncoder


def test_features_that_do_not_matter_have_no_importance():
    X, y = make_friedman1(300, 10, noise=0.5, random_state=0)
    model = FastReLURegressor(random_state=0).fit(X, y)
    assert model.feature_importances_.shape == (10,)
    assert model.feature_importances_.sum() == pytest.approx(1)
    assert model.feature_importances_[5:].max() < 0.2 * model.feature_importances_[:5].min()


def test_what_is_left_out_is_predicted_as_well_as_new_samples_are():
    X, y = make_friedman1(600, 10, noise=1.0, random_state=0)
    model = FastReLURegressor(random_state=0).fit(X[:300], y[:300])
    left_out = np.mean((model.oob_prediction_ - y[:300]) ** 2)
    new = np.mean((model.predict(X[300:]) - y[300:]) ** 2)
    assert model.oob_prediction_.shape == (300,)
    assert 0.6 * new < left_out < 1.4 * new
    assert left_out > 1.5 * np.mean((model.predict(X[:300]) - y[:300]) ** 2)


def test_decision_function_of_what_is_left_out():
    X, y = load_iris(return_X_y=True)
    names = np.array(["b", "a", "c"])[y]
    model = FastReLUClassifier(random_state=0).fit(X, names)
    assert model.oob_decision_function_.shape == (150, 3)
    assert_allclose(model.oob_decision_function_.sum(axis=1), 1)
    assert 0.9 < np.mean(model.classes_[model.oob_decision_function_.argmax(axis=1)] == names) < 1
    two = FastReLUClassifier(random_state=0).fit(X[:100], names[:100])
    assert two.oob_decision_function_.shape == (100, 2)
    assert_array_equal(two.classes_[two.oob_decision_function_.argmax(axis=1)], names[:100])


def test_several_outputs_and_labels():
    X, Y = make_multilabel_classification(120, 6, n_classes=3, random_state=0)
    model = FastReLUClassifier(random_state=0).fit(X, Y)
    assert model.oob_decision_function_.shape == (120, 3)
    assert np.mean((model.oob_decision_function_ > 0.5) == Y) > 0.7
    reg = FastReLURegressor(random_state=0).fit(X, np.column_stack([X[:, 0], 10 + X[:, 1]]))
    assert reg.oob_prediction_.shape == (120, 2)
    assert_allclose(reg.oob_prediction_.mean(axis=0), [X[:, 0].mean(), 10 + X[:, 1].mean()], rtol=0.1)


def test_copies_of_a_sample_are_in_their_places():
    X, y = make_friedman1(100, 5, random_state=0)
    twice = FastReLURegressor(random_state=0).fit(np.vstack([X, X]), np.concatenate([y, y]))
    assert_array_equal(twice.oob_prediction_[:100], twice.oob_prediction_[100:])
    assert np.corrcoef(twice.oob_prediction_[:100], y)[0, 1] > 0.9


def test_nothing_is_said_where_nothing_was_chosen():
    X, y = make_friedman1(100, 5, random_state=0)
    model = FastReLURegressor(random_state=0).fit(X, y)
    assert hasattr(model, "feature_importances_")
    model.set_params(solver="adam", max_iter=3).fit(X, y)
    assert not hasattr(model, "feature_importances_")
    assert not hasattr(model, "oob_prediction_")


def test_a_feature_goes_no_farther_than_beyond():
    X = np.linspace(0, 1, 50)[:, None] ** [[1, 2]]
    encoder = PiecewiseLinearEncoder(beyond=0.25).fit(X)
    assert_array_equal(encoder.transform([[1e9, -1e9]]), encoder.transform([[1.25, -0.25]]))
    assert (encoder.transform([[1.25, -0.25]]) != encoder.transform([[1.2, -0.2]]))[:, [0, -1]].any()
    assert_allclose(encoder.transform(X), PiecewiseLinearEncoder().fit(X).transform(X), rtol=1e-12)
