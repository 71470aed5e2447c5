"""Displays, and the HTML representation."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone

from helpers import BOTH, EVERY_ENGINE, FIRST_ORDER, data_for
from skfastnn import FastReLUClassifier, FastReLURegressor, PiecewiseLinearEncoder
from skfastnn.inspection import FiringDisplay, SearchDisplay, TrainingDisplay

X, LABEL = data_for(FastReLUClassifier)


@pytest.fixture
def pyplot():
    matplotlib = pytest.importorskip("matplotlib", reason="the extra plot is not installed")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


def fitted(**parameters):
    return FastReLUClassifier(**{**FIRST_ORDER, **parameters}).fit(X, LABEL)


@BOTH
def test_loss_by_epoch(pyplot, Estimator):
    y = data_for(Estimator)[1]
    est = Estimator(**FIRST_ORDER).fit(X, y)
    display = TrainingDisplay.from_estimator(est)
    (line,) = display.lines_
    assert_array_equal(line.get_xydata(), np.column_stack([np.arange(1, 6), est.loss_curve_]))
    assert display.ax_.get_legend().get_texts()[0].get_text() == Estimator.__name__
    assert display.ax_.get_ylabel() == "Loss"
    assert display.figure_ is display.ax_.figure


def test_loss_of_a_validation_set_is_dashed(pyplot):
    est = fitted()
    est.validation_loss_curve_ = [2.0, 1.0, 0.5, 0.4, 0.3]
    display = TrainingDisplay.from_estimator(est, name="network", color="red")
    _, dashed = display.lines_
    assert_array_equal(dashed.get_ydata(), est.validation_loss_curve_)
    assert (dashed.get_linestyle(), dashed.get_color(), dashed.get_label()) == ("--", "red", "network (validation)")


def test_scores_on_held_out_samples(pyplot):
    est = fitted(early_stopping=True)
    display = TrainingDisplay.from_estimator(est, kind="validation")
    assert_array_equal(display.lines_[0].get_ydata(), est.validation_scores_)


def test_firing_rates_by_layer(pyplot):
    est = fitted(hidden_layer_sizes=(64, 48))
    display = TrainingDisplay.from_estimator(est, kind="firing", name="deep")
    assert_array_equal(np.column_stack([line.get_ydata() for line in display.lines_]), est.firing_curve_)
    assert [line.get_label() for line in display.lines_] == ["deep (layer 1)", "deep (layer 2)"]
    assert display.ax_.get_ylim()[0] == 0


def test_several_networks_on_one_axes(pyplot):
    few = TrainingDisplay.from_estimator(fitted(threshold=2.0), kind="firing", name="few")
    many = TrainingDisplay.from_estimator(fitted(threshold=0.0), kind="firing", name="many", ax=few.ax_)
    assert many.ax_ is few.ax_
    assert [text.get_text() for text in few.ax_.get_legend().get_texts()] == ["few", "many"]
    assert few.ax_.get_ylim()[1] > max(many.lines_[0].get_ydata())


def test_nothing_to_draw_is_said(pyplot):
    with pytest.raises(ValueError, match="recorded nothing"):
        TrainingDisplay.from_estimator(fitted(), kind="validation")
    with pytest.raises(ValueError, match="kind"):
        TrainingDisplay.from_estimator(fitted(), kind="accuracy")
    linear = FastReLUClassifier(hidden_layer_sizes=()).fit(X, LABEL)
    with pytest.raises(ValueError, match="recorded nothing"):
        TrainingDisplay.from_estimator(linear, kind="firing")
    with pytest.raises(ValueError, match="no hidden layer"):
        FiringDisplay.from_estimator(linear, X)
    with pytest.raises(ValueError, match="Nothing was counted"):
        SearchDisplay.from_estimator(linear)


@pytest.mark.parametrize("names", [np.arange(3), np.array(["a", "b", "c"])])
def test_firing_neurons_by_class(pyplot, names):
    est = fitted()
    display = FiringDisplay.from_estimator(est, X, names[LABEL])
    fires = (X @ est.coefs_[0] + est.intercepts_[0] > 0).sum(axis=1)
    assert display.labels == [str(name) for name in names]
    for label, counts in enumerate(display.n_firing):
        assert_array_equal(counts, fires[label == LABEL])
        assert_allclose(display.boxes_["medians"][label].get_ydata(), np.median(counts) / 128)
    assert [text.get_text() for text in display.ax_.get_xticklabels()] == display.labels


def test_firing_neurons_of_all_rows_and_of_labels(pyplot):
    est = FastReLURegressor(**FIRST_ORDER).fit(X, X[:, 0])
    assert [len(part) for part in FiringDisplay.from_estimator(est, X).n_firing] == [100]
    indicator = np.column_stack([LABEL == 0, LABEL != 1]).astype(int)
    assert [len(part) for part in FiringDisplay.from_estimator(est, X, indicator).n_firing] == [
        (LABEL == 0).sum(), (LABEL != 1).sum()
    ]  # fmt: skip
    with pytest.raises(ValueError, match="continuous"):
        FiringDisplay.from_estimator(est, X, X[:, 0])


@pytest.mark.parametrize("search", EVERY_ENGINE)
@pytest.mark.parametrize("solver", ["adam", "gauss_newton", "adam_gauss_newton"])
def test_search_by_pairs(pyplot, search, solver):
    est = fitted(search=search, solver=solver, tol=0.0)
    display = SearchDisplay.from_estimator(est)
    assert [bar.get_width() for bar in display.bars_] == list(display.counts.values())
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == list(display.counts)
    assert 0 < display.counts["fired"] <= display.counts["computed"] == est.search_counters_["candidates"]
    if solver == "adam":
        assert display.n_pairs == display.counts["all"] == 5 * 100 * 128
        assert display.counts["fired"] == est.search_counters_["fired"]
    known = solver == "adam" or (solver == "gauss_newton" and search in ("dense", "quantized"))
    assert (display.n_pairs is not None) == known
    if known and search != "halfspace":  # whose leaves are filled up
        assert display.counts["computed"] <= display.n_pairs


def test_displays_are_drawn_again(pyplot):
    est = fitted()
    _, axes = pyplot.subplots(1, 3)
    displays = (
        TrainingDisplay.from_estimator(est), FiringDisplay.from_estimator(est, X, LABEL),
        SearchDisplay.from_estimator(est),
    )  # fmt: skip
    for display, ax in zip(displays, axes, strict=True):
        assert display.plot(ax, name="another").ax_ is ax
        texts = [ax.get_title(), *(ax.get_legend().get_texts() if ax.get_legend() else [])]
        assert any("another" in str(text) for text in texts)


def test_matplotlib_is_imported_when_something_is_drawn():
    code = "import sys, skfastnn.inspection; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("est", [FastReLUClassifier(), FastReLURegressor(), PiecewiseLinearEncoder()])
def test_html_links_to_the_documentation(est):
    with config_context(display="diagram"):
        for state in (est, clone(est).fit(X, LABEL)):
            html = state._repr_html_()
            assert f"generated/skfastnn.{type(est).__name__}.html" in html
            assert "/modules/generated/" not in html  # scikit-learn's own
