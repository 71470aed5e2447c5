"""Fitted networks in other hands: scikit-learn's MLP, ONNX, skops, MLflow, memory maps."""

import runpy
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import is_classifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers import BOTH, FIRST_ORDER, data_for
from skfastnn import FastReLUClassifier, FastReLURegressor, PiecewiseLinearEncoder
from skfastnn.persistence import TRUSTED_TYPES

X, LABEL = data_for(FastReLUClassifier)
NUMBER = data_for(FastReLURegressor)[1]
TARGETS = {
    "two classes": (FastReLUClassifier, LABEL > 0),
    "classes": (FastReLUClassifier, LABEL),
    "texts": (FastReLUClassifier, np.array(["a", "b", "c"])[LABEL]),
    "labels": (FastReLUClassifier, np.eye(3, dtype=int)[LABEL]),
    "two labels": (FastReLUClassifier, np.eye(3, dtype=int)[LABEL][:, :2]),
    "number": (FastReLURegressor, NUMBER),
    "numbers": (FastReLURegressor, np.column_stack([NUMBER, X[:, 2], -NUMBER])),
    "count": (FastReLURegressor, np.round(np.exp(NUMBER / 2))),
}
NETWORKS = {
    "a threshold": {},
    "two layers": {"hidden_layer_sizes": (48, 32), "threshold": [1.0, 0.5]},
    "codes": {"encoding": "piecewise_linear"},
    "linear": {"hidden_layer_sizes": ()},
}
ALL = pytest.mark.parametrize("target", TARGETS)
MLP_HAS_COUNTS = "loss" in MLPRegressor().get_params()  # since scikit-learn 1.7


def fitted(target, dtype=np.float64, **parameters):
    """Return a network and rows for it; missing values where they are encoded."""
    Estimator, y = TARGETS[target]
    if target == "count":
        parameters["loss"] = "poisson"
    rows = X.astype(dtype)
    if "encoding" in parameters:
        rows[::7, 2] = np.nan
    return Estimator(**{**FIRST_ORDER, **parameters}).fit(rows, y), rows


def assert_same_predictions(a, b, rows, **tolerance):
    """Check that labels are the same, and numbers up to rounding."""
    if is_classifier(b):
        assert_array_equal(a.predict(rows), b.predict(rows))
        assert_allclose(a.predict_proba(rows), b.predict_proba(rows), **tolerance)
    else:
        assert_allclose(a.predict(rows), b.predict(rows), **tolerance)


@ALL
@pytest.mark.parametrize("network", NETWORKS)
def test_mlp_predicts_the_same(target, network):
    est, rows = fitted(target, **NETWORKS[network])
    if target == "count" and not MLP_HAS_COUNTS:
        with pytest.raises(ValueError, match=r"1\.7"):
            est.to_sklearn()
        return
    exported = est.to_sklearn()
    assert isinstance(exported, Pipeline) == (network == "codes")
    mlp = exported[-1] if network == "codes" else exported
    assert type(mlp) is (MLPClassifier if is_classifier(est) else MLPRegressor)
    assert_same_predictions(exported, est, rows, rtol=1e-9, atol=1e-12)


@BOTH
def test_mlp_of_the_default_network(Estimator):
    rows, y = data_for(Estimator, dtype=np.float32)
    est = Estimator(random_state=0).fit(rows, y)
    assert_same_predictions(est.to_sklearn(), est, rows, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("parameters", [{}, {"encoding": "piecewise_linear"}])
def test_mlp_takes_sparse_rows_and_named_columns(parameters):
    frame = pd.DataFrame(np.maximum(X, 0), columns=list("abcdefgh"))
    est = FastReLUClassifier(**FIRST_ORDER, **parameters).fit(frame, LABEL)
    mlp = est.to_sklearn()
    assert_array_equal(mlp.feature_names_in_, frame.columns)
    assert_same_predictions(mlp, est, frame, atol=1e-9)
    with config_context(transform_output="pandas"):
        assert_same_predictions(mlp, est, frame, atol=1e-9)
    sparse = FastReLUClassifier(**FIRST_ORDER, **parameters).fit(csr_array(frame.to_numpy()), LABEL)
    assert_same_predictions(sparse.to_sklearn(), sparse, csr_array(frame.to_numpy()), atol=1e-9)


@pytest.mark.parametrize("target", ["classes", "labels", "numbers"])
def test_mlp_goes_on_and_leaves_the_network_alone(target):
    est, rows = fitted(target)
    before = [W.copy() for W in est.coefs_]
    mlp = est.to_sklearn()
    for _ in range(3):
        mlp.partial_fit(rows, TARGETS[target][1])
    assert len(mlp.loss_curve_) == len(est.loss_curve_) + 3
    assert not np.array_equal(mlp.coefs_[0], before[0])
    for W, old in zip(est.coefs_, before, strict=True):
        assert_array_equal(W, old)


def test_mlp_of_one_class_is_refused():
    est = FastReLUClassifier(**FIRST_ORDER).fit(X, np.zeros(100))
    with pytest.raises(ValueError, match="two classes"):
        est.to_sklearn()


@pytest.fixture
def run_onnx():
    """Return what converts a model and runs it on rows."""
    pytest.importorskip("skl2onnx", reason="the extra onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    import skfastnn.onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # skl2onnx on its own behalf
        from skl2onnx import to_onnx
    skfastnn.onnx.register()

    def run(model, rows, **options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            graph = to_onnx(model, rows[:1], options=options if is_classifier(model) else None)
        session = runtime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
        return session.run(None, {"X": rows})

    return run


@ALL
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_onnx_predicts_the_same(run_onnx, target, network, dtype):
    est, rows = fitted(target, dtype, **NETWORKS[network])
    prediction, *probability = run_onnx(est, rows, zipmap=False)
    tolerance = {"rtol": 1e-3, "atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-9, "atol": 1e-12}
    if probability:
        assert_array_equal(prediction, est.predict(rows))
        assert_allclose(probability[0], est.predict_proba(rows), **tolerance)
    else:
        assert prediction.dtype == dtype
        assert_allclose(prediction, est.predict(rows).reshape(len(rows), -1), **tolerance)


def test_onnx_in_a_pipeline_with_zipped_probabilities(run_onnx):
    y = TARGETS["texts"][1]
    steps = StandardScaler(), PiecewiseLinearEncoder(), FastReLUClassifier(**FIRST_ORDER)
    model = make_pipeline(*steps).fit(X, y)
    label, probability = run_onnx(model, X.astype(np.float32))  # which is all that ONNX can zip
    assert_array_equal(label, model.predict(X))
    zipped = [[row[name] for name in model.classes_] for row in probability]
    assert_allclose(zipped, model.predict_proba(X), atol=1e-4)


def test_onnx_of_numbered_classes(run_onnx):
    est, rows = fitted("texts")
    label, _ = run_onnx(est, rows, zipmap=False, nocl=True)
    assert_array_equal(est.classes_[label], est.predict(rows))


def test_onnx_of_one_class_is_refused(run_onnx):
    est = FastReLUClassifier(**FIRST_ORDER).fit(X, np.zeros(100))
    with pytest.raises(RuntimeError, match="nothing to convert"):
        run_onnx(est, X)


@ALL
@pytest.mark.parametrize("parameters", [{"warm_start": True}, {"encoding": "piecewise_linear"}])
def test_skops_trusts_the_published_types_and_no_others(target, parameters):
    skops = pytest.importorskip("skops.io", reason="the extra persistence is not installed")
    est, rows = fitted(target, **parameters)
    stored = skops.dumps(est)
    assert set(skops.get_untrusted_types(data=stored)) <= set(TRUSTED_TYPES)
    loaded = skops.loads(stored, trusted=TRUSTED_TYPES)
    assert_same_predictions(loaded, est, rows, rtol=0)
    y = TARGETS[target][1]
    again, expected = loaded.partial_fit(rows, y), est.partial_fit(rows, y)
    assert_same_predictions(again, expected, rows, rtol=0)


def test_mlflow_stores_by_skops(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mlflow on its own behalf
        mlflow = pytest.importorskip("mlflow.sklearn", reason="mlflow is not installed")
        pytest.importorskip("skops.io", reason="the extra persistence is not installed")
        est, rows = fitted("classes", encoding="piecewise_linear")
        mlflow.save_model(est, str(tmp_path / "model"), skops_trusted_types=TRUSTED_TYPES)
        assert list(tmp_path.glob("model/*.skops"))
        assert_same_predictions(mlflow.load_model(str(tmp_path / "model")), est, rows, rtol=0)


@ALL
def test_memory_maps_predict_and_go_on(tmp_path, target):
    est, rows = fitted(target)
    joblib.dump(est, tmp_path / "model")
    mapped = joblib.load(tmp_path / "model", mmap_mode="r")
    assert isinstance(mapped.coefs_[0], np.memmap)
    assert_same_predictions(mapped, est, rows, rtol=0)
    y = TARGETS[target][1]
    assert_same_predictions(mapped.partial_fit(rows, y), est.partial_fit(rows, y), rows, rtol=0)


@ALL
@pytest.mark.parametrize("network", NETWORKS)
def test_torch_module_has_the_same_output(target, network):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    path = Path(__file__).parents[2] / "examples" / "to_torch.py"
    to_torch = runpy.run_path(str(path))["to_torch"]
    est, rows = fitted(target, **NETWORKS[network])
    seen = rows if est.encoder_ is None else est.encoder_.transform(rows)
    raw = to_torch(est)(torch.from_numpy(seen)).detach().numpy()
    assert_allclose(raw, est._raw_output(rows), rtol=1e-9, atol=1e-12)
