"""Each loss against finite differences, scikit-learn's metrics, and what it should predict without inputs."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logit
from sklearn import metrics

from skfastnn._losses import (
    AbsoluteError,
    BinaryLogLoss,
    Huber,
    Poisson,
    Quantile,
    SoftmaxLogLoss,
    SquaredError,
    regression_loss,
)

N_SAMPLES = 40


def regression_target(rng, n_outputs):
    return rng.normal(size=(N_SAMPLES, n_outputs))


def count_target(rng, n_outputs):
    return rng.poisson(2.0, size=(N_SAMPLES, n_outputs)).astype(float)


def one_hot_target(rng, n_outputs):
    return np.eye(n_outputs)[rng.integers(n_outputs, size=N_SAMPLES)]


def indicator_target(rng, n_outputs):
    return rng.integers(2, size=(N_SAMPLES, n_outputs)).astype(float)


CASES = {
    "squared_error": (SquaredError(), regression_target),
    "huber": (Huber(0.7), regression_target),
    "quantile": (Quantile(0.8), regression_target),
    "absolute_error": (AbsoluteError(), regression_target),
    "poisson": (Poisson(), count_target),
    "softmax": (SoftmaxLogLoss(), one_hot_target),
    "binary": (BinaryLogLoss(), indicator_target),
}
EVERY_LOSS = pytest.mark.parametrize("name", CASES)


def make_case(name, n_outputs=3, dtype=np.float64):
    loss, target = CASES[name]
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(N_SAMPLES, n_outputs))
    return loss, raw.astype(dtype), target(rng, n_outputs).astype(dtype)


@EVERY_LOSS
@pytest.mark.parametrize("n_outputs", [2, 3])
def test_gradient_agrees_with_finite_differences(name, n_outputs):
    loss, raw, y = make_case(name, n_outputs)
    _, gradient = loss.value_and_gradient(raw, y)
    step = 1e-6
    for j in range(n_outputs):
        nudge = step * np.eye(n_outputs)[j]
        difference = loss.value_and_gradient(raw + nudge, y)[0] - loss.value_and_gradient(raw - nudge, y)[0]
        assert_allclose(gradient[:, j], difference / (2 * step), rtol=1e-5, atol=1e-7)


@EVERY_LOSS
def test_gradient_and_value_keep_float32(name):
    loss, raw, y = make_case(name, dtype=np.float32)
    value, gradient = loss.value_and_gradient(raw, y)
    assert gradient.dtype == np.float32
    assert loss.predict(raw).dtype == np.float32
    exact_value, exact_gradient = loss.value_and_gradient(raw.astype(np.float64), y.astype(np.float64))
    assert_allclose(value, exact_value, rtol=1e-5)
    assert_allclose(gradient, exact_gradient, rtol=1e-4, atol=1e-6)


def test_values_agree_with_the_metrics_of_scikit_learn():
    weight = np.random.default_rng(1).uniform(0.5, 2, N_SAMPLES)

    def mean_loss(name, n_outputs=3):
        loss, raw, y = make_case(name, n_outputs)
        return np.average(loss.value_and_gradient(raw, y)[0], weights=weight), y, loss.predict(raw)

    value, y, prediction = mean_loss("squared_error")
    assert_allclose(value, 0.5 * metrics.mean_squared_error(y, prediction, sample_weight=weight))
    value, y, prediction = mean_loss("absolute_error")
    assert_allclose(value, metrics.mean_absolute_error(y, prediction, sample_weight=weight))
    value, y, prediction = mean_loss("quantile")
    assert_allclose(value, metrics.mean_pinball_loss(y, prediction, alpha=0.8, sample_weight=weight))
    value, y, prediction = mean_loss("poisson", n_outputs=1)
    assert_allclose(value, 0.5 * metrics.mean_poisson_deviance(y, prediction, sample_weight=weight))
    value, y, prediction = mean_loss("softmax")
    assert_allclose(value, metrics.log_loss(y, prediction, sample_weight=weight))
    value, y, prediction = mean_loss("binary")
    assert_allclose(value, sum(metrics.log_loss(y[:, j], prediction[:, j], sample_weight=weight) for j in range(3)))


@EVERY_LOSS
def test_curvature_is_at_least_half_of_the_largest_second_derivative_at_the_start(name):
    loss, _, y = make_case(name)
    weight = np.ones(N_SAMPLES)
    start = np.tile(loss.initial_output(y, weight), (N_SAMPLES, 1))
    step, n_outputs = 1e-4, y.shape[1]
    hessian = np.empty((n_outputs, n_outputs))
    for j in range(n_outputs):
        nudge = step * np.eye(n_outputs)[j]
        upper, lower = (loss.value_and_gradient(start + s * nudge, y)[1].mean(axis=0) for s in (1, -1))
        hessian[j] = (upper - lower) / (2 * step)
    curvature = loss.curvature(y, weight)
    if name not in ("quantile", "absolute_error"):  # kinks have no second derivative
        largest = np.linalg.eigvalsh((hessian + hessian.T) / 2).max()
        assert 0.5 * curvature <= largest <= 2 * curvature
    assert 0 < curvature <= 10


@pytest.mark.parametrize("name", ["squared_error", "quantile", "absolute_error", "poisson"])
def test_training_starts_at_the_best_constant(name):
    loss, _, y = make_case(name)
    weight = np.random.default_rng(1).integers(1, 4, N_SAMPLES).astype(float)
    shift, scale = loss.standardisation(y, weight)
    y = (y - shift) / scale
    start = loss.initial_output(y, weight)

    def total(raw):
        return weight @ loss.value_and_gradient(np.tile(raw, (N_SAMPLES, 1)), y)[0]

    for j in range(y.shape[1]):
        for step in (-1e-3, 1e-3):
            assert total(start) <= total(start + step * np.eye(y.shape[1])[j]) + 1e-12


@EVERY_LOSS
def test_weight_is_the_same_as_copies(name):
    loss, _, y = make_case(name)
    weight = np.random.default_rng(1).integers(1, 4, N_SAMPLES)
    copies, ones = np.repeat(y, weight, axis=0), np.ones(weight.sum())
    weight = weight.astype(float)
    assert_allclose(loss.standardisation(y, weight), loss.standardisation(copies, ones), rtol=1e-12)
    assert_allclose(loss.initial_output(y, weight), loss.initial_output(copies, ones), rtol=1e-12)
    assert_allclose(loss.curvature(y, weight), loss.curvature(copies, ones), rtol=1e-12)


def test_log_losses_do_not_overflow():
    raw = np.array([[1e4, -1e4], [-1e4, 1e4]])
    y = np.array([[0.0, 1.0], [0.0, 1.0]])
    for loss in (SoftmaxLogLoss(), BinaryLogLoss()):
        value, gradient = loss.value_and_gradient(raw, y)
        assert_allclose(value, [2e4, 0], atol=1e-12)
        assert np.isfinite(gradient).all()


def test_probabilities_are_the_inverse_link():
    _, raw, _ = make_case("softmax")
    assert_allclose(SoftmaxLogLoss().predict(raw).sum(axis=1), 1)
    assert_allclose(logit(BinaryLogLoss().predict(raw)), raw, atol=1e-12)


def test_standardisation_ignores_rounding_noise_of_a_constant_target():
    y = np.full((N_SAMPLES, 2), 0.1)
    shift, scale = SquaredError().standardisation(y, np.random.default_rng(0).uniform(size=N_SAMPLES))
    assert_allclose(shift, 0.1)
    assert_allclose(scale, 1)


def test_names_of_regression_losses():
    kinds = {
        "squared_error": SquaredError,
        "huber": Huber,
        "quantile": Quantile,
        "absolute_error": AbsoluteError,
        "poisson": Poisson,
    }
    for name, kind in kinds.items():
        assert type(regression_loss(name, quantile=0.3, huber_delta=2.0)) is kind
    assert regression_loss("quantile", quantile=0.3, huber_delta=2.0).quantile == 0.3
    assert regression_loss("huber", quantile=0.3, huber_delta=2.0).delta == 2.0
