"""Callbacks of scikit-learn are called by every solver, may stop a fit, and leave nothing behind."""

import importlib.util
import sys
import threading
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers import assert_same_fit
from skfastnn import FastReLUClassifier, FastReLURegressor, _progress

callback = pytest.importorskip("sklearn.callback", reason="this scikit-learn has no callbacks")

SMALL = {"hidden_layer_sizes": 64, "max_iter": 4, "random_state": 0, "learning_rate": "constant"}
SOLVERS = {
    "adam": SMALL | {"solver": "adam"},
    "sgd": SMALL | {"solver": "sgd"},
    "gauss_newton": SMALL | {"solver": "gauss_newton", "tol": 0},
    "adam_gauss_newton": SMALL | {"solver": "adam_gauss_newton", "max_iter": 3},
    "lbfgs": SMALL | {"solver": "lbfgs"},
    "deep": SMALL | {"hidden_layer_sizes": (32, 16)},
    "linear": SMALL | {"hidden_layer_sizes": ()},
    "early_stopping": SMALL | {"early_stopping": True},
    "encoded": SMALL | {"encoding": "piecewise_linear"},
    "all_auto": {"random_state": 0},
}


def data(n_classes=3):
    return make_classification(150, 6, n_informative=5, n_redundant=0, n_classes=n_classes, random_state=0)


class Recorder:
    """Notes what it is told, keeps what a network predicts after each epoch, and stops or fails where it is to."""

    def __init__(self, X=None, stop_after=np.inf, fail_after=np.inf):
        self.X, self.stop_after, self.fail_after = X, stop_after, fail_after
        self.began, self.ended, self.predictions, self.torn_down = [], [], [], 0

    def setup(self, estimator, context):
        self.max_subtasks = context.max_subtasks

    def on_fit_task_begin(self, estimator, context):
        self.began.append(context.task_name)

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        self.ended.append(context.task_name)
        if self.X is not None and fitted_estimator is not None:
            self.predictions.append(fitted_estimator.predict_proba(self.X))
        n_epochs = sum(name != "fit" for name in self.ended)
        if n_epochs >= self.fail_after:
            raise OSError("the disk is full")
        return n_epochs >= self.stop_after

    def teardown(self, estimator, context):
        self.torn_down += 1


class Counter(Recorder):
    """Counts the epochs, and asks for nothing."""

    def on_fit_task_end(self, estimator, context):
        self.ended.append(context.task_name)


@pytest.mark.parametrize("case", SOLVERS)
def test_every_epoch_is_a_task_after_which_the_network_predicts(case):
    X, y = data()
    recorder = Recorder(X)
    est = FastReLUClassifier(**SOLVERS[case]).set_callbacks(recorder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        est.fit(X, y)
    epochs = [name for name in recorder.ended if name != "fit"]
    assert est.n_iter_ <= len(epochs) <= min(est.n_iter_ + 1, recorder.max_subtasks)
    assert recorder.began[0] == recorder.ended[-1] == "fit"
    assert sorted(recorder.began) == sorted(recorder.ended)
    assert recorder.torn_down == 1
    assert_allclose(recorder.predictions[-1], est.predict_proba(X))
    if case != "early_stopping":  # which keeps the best network, not the last
        assert_allclose(recorder.predictions[-2], est.predict_proba(X), atol=1e-10)
        assert np.abs(recorder.predictions[0] - est.predict_proba(X)).max() > 1e-6


def test_tasks_are_named_for_what_they_are():
    X, y = data()
    recorder = Counter()
    FastReLUClassifier(**SOLVERS["adam_gauss_newton"]).set_callbacks(recorder).fit(X, y)
    assert recorder.ended[:3] == ["epoch"] * 3
    assert set(recorder.ended[3:-1]) == {"iteration"}


@pytest.mark.parametrize("case", ["adam", "sgd", "gauss_newton", "lbfgs", "deep"])
def test_a_stop_request_is_obeyed(case):
    X, y = data()
    est = FastReLUClassifier(**SOLVERS[case] | {"max_iter": 20}).set_callbacks(Recorder(stop_after=2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        est.fit(X, y)
    assert est.n_iter_ == 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_same_fit(est, FastReLUClassifier(**SOLVERS[case] | {"max_iter": 2}).fit(X, y))


@pytest.mark.parametrize("settings", [{"solver": "adam_gauss_newton"}, {"hidden_layer_sizes": ()}])
def test_a_stop_request_ends_all_stages(settings):
    X, y = data()
    est = FastReLUClassifier(**SMALL | settings).set_callbacks(Recorder(stop_after=2)).fit(X, y)
    assert est.n_iter_ == 2


def test_callbacks_change_no_bit():
    X, y = data()
    plain = FastReLUClassifier(**SOLVERS["adam"]).fit(X, y)
    watched = FastReLUClassifier(**SOLVERS["adam"]).set_callbacks(Counter()).fit(X, y)
    for a, b in zip(plain.coefs_, watched.coefs_, strict=True):
        assert (a == b).all()


def test_without_callbacks_nothing_is_called(monkeypatch):
    monkeypatch.delattr("sklearn.callback.CallbackSupportMixin._init_callback_context")
    X, y = data()
    FastReLUClassifier(**SMALL).fit(X, y)


def test_partial_fit_is_a_fit_of_one_epoch():
    X, y = data()
    recorder = Counter()
    est = FastReLUClassifier(**SMALL).set_callbacks(recorder)
    for _ in range(2):
        est.partial_fit(X, y, classes=[0, 1, 2])
    assert recorder.ended == ["epoch", "fit"] * 2


@pytest.mark.parametrize("failing", [Recorder(fail_after=2), None])
def test_an_error_leaves_no_listener_and_no_thread(failing):
    pytest.importorskip("rich", reason="scikit-learn's progress bar needs rich")
    from sklearn.callback import _progressbar, _transport

    X, y = data()
    settings = SMALL if failing else SMALL | {"threshold": 1e6}
    est = FastReLUClassifier(**settings).set_callbacks(callback.ProgressBar(), *([failing] if failing else []))
    before, threads, listeners = vars(est).copy(), set(threading.enumerate()), set(_transport._listeners)
    with pytest.raises(OSError if failing else ValueError, match="disk is full" if failing else "No neuron fires"):
        est.fit(X, y)
    assert vars(est) == before
    assert not _progressbar._run_monitors
    assert set(_transport._listeners) == listeners
    assert not [t for t in set(threading.enumerate()) - threads if not t.daemon]


def test_an_interrupted_epoch_is_ended():
    X, y = data()
    recorder = Counter()

    class Interrupt(Counter):
        def on_fit_task_begin(self, estimator, context):
            super().on_fit_task_begin(estimator, context)
            if len(self.began) == 4:
                raise KeyboardInterrupt

    est = FastReLUClassifier(**SMALL).set_callbacks(recorder, Interrupt())
    with pytest.warns(UserWarning, match="interrupted by user"):
        est.fit(X, y)
    assert est.n_iter_ == 2
    assert recorder.torn_down == 1
    assert len(recorder.ended) == len(recorder.began)


@pytest.mark.parametrize("verbose", [False, True])
def test_progress_bar_of_a_fit(capsys, verbose):
    pytest.importorskip("rich", reason="scikit-learn's progress bar needs rich")
    X, y = data()
    est = FastReLUClassifier(**SMALL, verbose=verbose).set_callbacks(callback.ProgressBar()).fit(X, y)
    shown = capsys.readouterr().out
    assert "FastReLUClassifier - fit" in shown
    assert "100%" in shown
    assert ("Iteration 4" in shown) == verbose
    assert est.n_iter_ == 4


def test_scores_of_a_fit_and_of_a_pipeline():
    X, y = make_regression(120, 5, noise=1.0, random_state=0)
    weight = np.linspace(1, 2, 120)
    monitor = callback.ScoringMonitor(scoring="r2")
    reg = FastReLURegressor(**SMALL).set_callbacks(monitor).fit(X, y, sample_weight=weight)
    scores = [row["r2"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(scores) == 4
    assert scores[-1] == pytest.approx(reg.score(X, y, sample_weight=weight))
    monitor = callback.ScoringMonitor(scoring="r2")
    pipe = make_pipeline(StandardScaler(), FastReLURegressor(**SMALL).set_callbacks(monitor)).fit(X, y)
    scores = [row["r2"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert scores[-1] == pytest.approx(pipe.score(X, y))


def test_grid_search_with_two_workers(capsys):
    pytest.importorskip("rich", reason="scikit-learn's progress bar needs rich")
    X, y = data(2)
    monitor = callback.ScoringMonitor(scoring="accuracy")
    est = FastReLUClassifier(**SMALL).set_callbacks(monitor)
    grid = GridSearchCV(est, {"alpha": [0.0, 0.1]}, cv=2, n_jobs=2).set_callbacks(callback.ProgressBar())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        grid.fit(X, y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 4 * (4 + 1)  # of each fit, and of the one at the end
    assert "GridSearchCV - fit" in capsys.readouterr().out


def test_clones_keep_callbacks():
    recorder = Counter()
    X, y = data()
    clone(FastReLUClassifier(**SMALL).set_callbacks(recorder)).fit(X, y)
    assert recorder.ended[-1] == "fit"


def test_older_scikit_learn_has_nothing_to_set(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    spec = importlib.util.spec_from_file_location("older_progress", _progress.__file__)
    older = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(older)
    assert not hasattr(older.CallbackSupportMixin, "set_callbacks")
    assert type(older.progress_of(FastReLUClassifier(), None, None, None)) is older.Progress
