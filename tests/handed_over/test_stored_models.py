"""Fitted models that are stored: those of every release load, and what cannot be read says so."""

import copy
import os
import pickle
import pickletools
import signal

import joblib
import numpy as np
import pytest
from joblib import parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV

from helpers import BOTH, FIRST_ORDER, data_for
from skfastnn import FastReLUClassifier
from skfastnn._stored import FORMAT
from skfastnn.persistence import TRUSTED_TYPES
from stored_models import FOLDER, KINDS, output, rows

FILES = sorted(FOLDER.glob("*/*.joblib"))
# scikit-learn's encoders of labels warn for themselves
of_another_scikit_learn = pytest.mark.filterwarnings(
    f"ignore::{InconsistentVersionWarning.__module__}.{InconsistentVersionWarning.__name__}"
)


@of_another_scikit_learn
@pytest.mark.parametrize("file", FILES, ids=[f"{f.parent.name}-{f.stem}" for f in FILES])
def test_models_of_every_release_predict_as_they_did_and_go_on(file):
    try:
        stored = joblib.load(file)
    except ModuleNotFoundError as error:
        if error.name != "numpy._core":
            raise
        pytest.skip("the file has numbers of NumPy 2, which NumPy 1 does not read")
    model, X = stored["model"], stored["X"]
    single = stored["output"].dtype == np.float32
    assert_allclose(output(model, X), stored["output"], rtol=1e-4 if single else 1e-8, atol=1e-5 if single else 1e-10)
    assert set(model.get_params()) == set(type(model)().get_params())
    if hasattr(model, "partial_fit") and not model.early_stopping:
        n_before, (_, target) = model.t_, KINDS[file.stem]
        model.partial_fit(rows(file.stem), target(rows(file.stem)))
        assert model.t_ > n_before


def test_there_is_a_model_of_each_kind():
    assert {file.stem for file in FILES} == set(KINDS)


@BOTH
def test_a_stored_model_names_its_format_which_no_attribute_shows(Estimator):
    est = Estimator(**FIRST_ORDER).fit(*data_for(Estimator))
    assert est.__getstate__()["_skfastnn_format"] == FORMAT
    again = pickle.loads(pickle.dumps(est))
    assert vars(again).keys() == vars(est).keys() == vars(copy.deepcopy(est)).keys()


@BOTH
def test_a_parameter_that_came_later_has_its_default(Estimator):
    state = Estimator(**FIRST_ORDER).fit(*data_for(Estimator)).__getstate__()
    del state["encoding"]
    est = Estimator.__new__(Estimator)
    est.__setstate__(state)
    assert est.encoding == "auto"
    assert est.threshold == 1.0


@BOTH
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda state: state | {"_skfastnn_format": FORMAT + 1, "_skfastnn_version": "99.0"},
            "by skfastnn 99.0 in format",
        ),
        (lambda state: state | {"_skfastnn_format": "x"}, "names no format"),
        (lambda state: {"coefs_": state["coefs_"]}, "names no format"),
        (lambda state: (1, 2), "names no format"),
        (lambda state: None, "names no format"),
    ],
)
def test_a_state_of_a_later_version_or_of_something_else_is_refused_in_words(Estimator, change, words):
    est = Estimator(**FIRST_ORDER).fit(*data_for(Estimator))
    state, before = change(est.__getstate__()), pickle.dumps(vars(est))
    with pytest.raises(ValueError, match=words):
        est.__setstate__(state)
    assert pickle.dumps(vars(est)) == before


def test_pickles_refer_to_nothing_of_ours_but_what_is_trusted():
    """What a pickle names has to stay where it is."""
    for kind, (est, target) in KINDS.items():
        data = pickle.dumps(est.fit(rows(kind), target(rows(kind))), protocol=3)
        named = {arg.replace(" ", ".") for op, arg, _ in pickletools.genops(data) if op.name == "GLOBAL"}
        assert {name for name in named if name.startswith("skfastnn")} <= set(TRUSTED_TYPES)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_pickle_that_is_cut_off_is_an_error(share):
    est = KINDS["adam"][0].fit(rows("adam"), KINDS["adam"][1](rows("adam")))
    data = pickle.dumps(est)
    with pytest.raises((EOFError, pickle.UnpicklingError)):
        pickle.loads(data[: int(share * len(data))])


def test_a_damaged_pickle_never_ends_the_process():
    """Bytes of arrays are numbers and cannot be told from right ones; whatever else is hit is an exception."""
    rng, kind = np.random.default_rng(0), "sgd"
    X, y = rows(kind), KINDS[kind][1](rows(kind))
    data = pickle.dumps(KINDS[kind][0].fit(X, y))
    n_refused = 0
    for _ in range(300):
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] ^= 1 << rng.integers(8)
        with np.errstate(all="ignore"):
            try:
                est = pickle.loads(damaged)
                est.predict(X)
                est.partial_fit(X, y)
            except Exception:  # anything but the end of the process
                n_refused += 1
    assert 0 < n_refused < 300


class Full:
    """A file on a disk that is full after some bytes."""

    def __init__(self, n_free):
        self.n_free = n_free

    def write(self, data):
        """Take bytes as long as there is room."""
        self.n_free -= len(memoryview(data).cast("B"))
        if self.n_free < 0:
            raise OSError(28, "No space left on device")


@BOTH
@pytest.mark.parametrize("n_free", [0, 1000])
def test_a_full_disk_is_an_error_and_the_model_is_as_it_was(Estimator, n_free):
    X, y = data_for(Estimator)
    est = Estimator(**FIRST_ORDER).fit(X, y)
    before, said = pickle.dumps(est), est.predict(X)
    with pytest.raises(OSError, match="No space left"):
        pickle.dump(est, Full(n_free))
    if os.path.exists("/dev/full"):
        with pytest.raises(OSError, match="No space left"):
            joblib.dump(est, "/dev/full")
    assert pickle.dumps(est) == before
    assert_array_equal(est.predict(X), said)


@pytest.mark.skipif(os.name != "posix", reason="processes are killed by signal")
@pytest.mark.filterwarnings("ignore:A worker stopped", "ignore:resource_tracker", "ignore:.*leaked")
def test_a_search_whose_worker_is_killed_is_an_error_and_the_next_one_works():
    def kill_the_worker(y, prediction):  # as a system without memory does
        os.kill(os.getpid(), signal.SIGKILL)

    X, y = data_for(FastReLUClassifier, 60)
    grid = {"threshold": [0.5, 1.0]}
    est = FastReLUClassifier(solver="adam", hidden_layer_sizes=8, max_iter=2, random_state=0)
    with pytest.raises(TerminatedWorkerError):
        GridSearchCV(est, grid, cv=2, n_jobs=2, scoring=make_scorer(kill_the_worker)).fit(X, y)
    with parallel_config("loky", n_jobs=2):
        search = GridSearchCV(est, grid, cv=2).fit(X, y)
    assert_array_equal(search.predict(X), GridSearchCV(est, grid, cv=2).fit(X, y).predict(X))
