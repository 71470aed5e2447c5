"""Input that cannot work: clear errors, an estimator left as it was, and what happens when training goes wrong."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_digits, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import InvalidParameterError

from helpers import EVERY_ENGINE, SOLVERS
from skfastnn import FastReLUClassifier, FastReLURegressor, PiecewiseLinearEncoder, heavy_pairs
from skfastnn._given import check_numbered
from skfastnn.lowrank import LazyLowRankMatrix
from skfastnn.networks._network import Network
from skfastnn.search import CorrelationDTree, CorrelationWTree, HalfspaceTree
from skfastnn.search.correlation_tree._tree_search import CorrelationTreeSearch
from skfastnn.sketch import GramOperator, TensorSketch

BOTH = pytest.mark.parametrize("Estimator", [FastReLUClassifier, FastReLURegressor])
SMALL = {"hidden_layer_sizes": (128,), "threshold": 1.0, "random_state": 0, "max_iter": 3}
FIRST_ORDER = {**SMALL, "solver": "adam"}


def data_for(Estimator):
    X, y = make_classification(60, 8, random_state=0)
    return (X, y) if Estimator is FastReLUClassifier else (X, X[:, 0] + y)


def changed(X, value):
    X = X.copy()
    X[3, 2] = value
    return X


def frozen_copy(value):
    """Copy the state of an estimator deeply into something that `==` compares by value."""
    if isinstance(value, np.ndarray):
        return value.tobytes(), value.shape, value.dtype
    if isinstance(value, dict):
        return {key: frozen_copy(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [frozen_copy(item) for item in value]
    return frozen_copy(vars(value)) if hasattr(value, "__dict__") else value


# data

BAD_DATA = {
    "NaN": (lambda X, y: (changed(X, np.nan), y, None), "contains NaN"),
    "infinity": (lambda X, y: (changed(X, np.inf), y, None), "infinity"),
    "NaN in y": (lambda X, y: (X, np.where(np.arange(60) == 3, np.nan, y), None), "NaN"),
    "no rows": (lambda X, y: (X[:0], y[:0], None), r"0 sample\(s\)"),
    "no features": (lambda X, y: (X[:, :0], y, None), r"0 feature\(s\)"),
    "too few targets": (lambda X, y: (X, y[1:], None), "inconsistent numbers of samples"),
    "one dimension": (lambda X, y: (X[0], y[:8], None), "Expected 2D array"),
    "negative weight": (lambda X, y: (X, y, np.where(np.arange(60) == 3, -1.0, 1.0)), "Negative values.*sample_weight"),
    "zero weights": (lambda X, y: (X, y, np.zeros(60)), "(?i)sample.weight.*zero"),
    "NaN in weights": (lambda X, y: (X, y, np.full(60, np.nan)), "sample_weight contains NaN"),
    "too few weights": (lambda X, y: (X, y, np.ones(59)), r"sample_weight.shape == \(59,\)"),
}


@BOTH
@pytest.mark.parametrize("case", BAD_DATA)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("fitted", [False, True])
def test_bad_data_is_named_and_leaves_the_estimator_as_it_was(Estimator, case, method, fitted):
    make, message = BAD_DATA[case]
    X, y = data_for(Estimator)
    est = Estimator(**SMALL)
    if fitted:
        est.fit(X, y).partial_fit(X, y)
    before = frozen_copy(vars(est))
    more = {"classes": [0, 1]} if method == "partial_fit" and Estimator is FastReLUClassifier else {}
    bad_X, bad_y, weight = make(X, y)
    with pytest.raises(ValueError, match=message):
        getattr(est, method)(bad_X, bad_y, sample_weight=weight, **more)
    assert frozen_copy(vars(est)) == before


@BOTH
def test_prediction_checks_the_number_of_features(Estimator):
    X, y = data_for(Estimator)
    est = Estimator(**SMALL).fit(X, y)
    for bad, message in ((X[:, 1:], "7 features"), (changed(X, np.nan), "NaN"), (X[:0], r"0 sample\(s\)")):
        with pytest.raises(ValueError, match=message):
            est.predict(bad)
    with pytest.raises(ValueError, match="7 features"):
        est.partial_fit(X[:, 1:], y)


def test_targets_that_do_not_fit_the_task():
    X, y = data_for(FastReLUClassifier)
    with pytest.raises(ValueError, match="Unknown label type"):
        FastReLUClassifier(**SMALL).fit(X, y + 0.5)
    with pytest.raises(ValueError, match="fit one classifier per output"):
        FastReLUClassifier(**SMALL).fit(X, np.column_stack([y, y + 1]))
    with pytest.raises(ValueError, match="could not convert string to float"):
        FastReLURegressor(**SMALL).fit(X, np.where(y, "a", "b"))
    for bad in (y - 1.0, 0.0 * y, np.column_stack([y, 0 * y])):
        with pytest.raises(ValueError, match="loss='poisson' needs targets"):
            FastReLURegressor("poisson", **SMALL).fit(X, bad)
    reg = FastReLURegressor(**SMALL).fit(X, y)
    with pytest.raises(ValueError, match="1 outputs as on the last call"):
        reg.partial_fit(X, np.column_stack([y, y]))


@pytest.mark.parametrize("class_weight", [{0: 0.0, 1: 0.0}, {5: 1.0}, [{0: 1.0}, {1: 1.0}]])
def test_bad_class_weight(class_weight):
    X, y = data_for(FastReLUClassifier)
    with pytest.raises(ValueError, match="weight"):
        FastReLUClassifier(**SMALL, class_weight=class_weight).fit(X, y)
    with pytest.raises(ValueError, match="'balanced' or a list of one dict per label"):
        FastReLUClassifier(**SMALL, class_weight={0: 1.0}).fit(X, np.column_stack([y, 1 - y]))


@BOTH
def test_a_single_row_and_constant_data_train(Estimator):
    X, y = data_for(Estimator)
    for data, target in ((X[:1], y[:1]), (np.full_like(X, 3.0), y), (np.zeros_like(X), y)):
        est = Estimator(**SMALL).fit(data, target)
        assert np.isfinite(est.coefs_[0]).all()
        assert np.unique(est.predict(data)).size == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("factor", [1e-15, 1e15])
def test_features_of_extreme_scale_train(dtype, factor):
    X, y = data_for(FastReLUClassifier)
    clf = FastReLUClassifier(**{**SMALL, "max_iter": 30}).fit((factor * X).astype(dtype), y)
    assert clf.score((factor * X).astype(dtype), y) > 0.9


@BOTH
@pytest.mark.parametrize("n_features", [2**31, 2**31 + 10, 2**40])
def test_more_features_than_can_be_numbered_are_refused_in_words(Estimator, n_features):
    rng = np.random.default_rng(0)
    _, y = data_for(Estimator)
    X = sparse.csr_array((rng.random(60), (np.arange(60), rng.integers(n_features, size=60))), shape=(60, n_features))
    with pytest.raises(ValueError, match=f"X has {n_features} features: less than"):
        Estimator(**FIRST_ORDER).fit(X, y)


def test_more_samples_than_can_be_numbered_are_refused_in_words():
    check_numbered(SimpleNamespace(shape=(2**31 - 1, 2**31 - 1)))
    with pytest.raises(ValueError, match="X has 2147483648 samples: less than"):
        check_numbered(SimpleNamespace(shape=(2**31, 1)))


@BOTH
@pytest.mark.parametrize("view", ["Fortran", "every other", "backwards", "a row for all"])
def test_where_numbers_lie_in_memory_does_not_matter(Estimator, view):
    X, y = data_for(Estimator)
    if view == "a row for all":
        X = X[:1].repeat(60, axis=0)
    given = {
        "Fortran": np.asfortranarray(X),
        "every other": X.repeat(3, axis=0).repeat(2, axis=1)[::3, ::2],
        "backwards": X[::-1, ::-1].copy()[::-1, ::-1],
        "a row for all": np.broadcast_to(X[0], X.shape),
    }[view]
    assert_array_equal(given, X)
    as_given, as_copied = (Estimator(**FIRST_ORDER).fit(rows, y) for rows in (given, X))
    assert_array_equal(as_given.coefs_[0], as_copied.coefs_[0])
    # NumPy's products round by where the rows lie
    assert_allclose(as_given.predict(given), as_copied.predict(X), rtol=1e-10)


# what has no memory behind it, lies in memory in another way, or is of another type


ENTRIES = {
    "fit": lambda Estimator, X, y: Estimator(**FIRST_ORDER).fit(X, y),
    "partial_fit": lambda Estimator, X, y: (
        Estimator(**FIRST_ORDER).partial_fit(X, y, **classes_of(Estimator)).coefs_[0]
    ),
    "X_val": lambda Estimator, X, y: Estimator(**FIRST_ORDER).fit(*data_for(Estimator), None, X, y),
}
ENTRY = pytest.mark.parametrize("entry", ENTRIES)


def classes_of(Estimator):
    return {"classes": [0, 1]} if Estimator is FastReLUClassifier else {}


def sparse_rows(form="csr"):
    X, _ = data_for(FastReLUClassifier)
    return sparse.csr_matrix(np.where(abs(X) > 0.5, X, 0)).asformat(form)


@BOTH
@ENTRY
@pytest.mark.parametrize("dtype", [np.float64, np.int8])
@pytest.mark.parametrize("shape", [(2**31, 8), (2**40, 8), (60, 2**31), (60, 2**40)])
def test_a_shape_without_memory_behind_it_is_refused_before_it_is_read(Estimator, entry, dtype, shape):
    _, y = data_for(Estimator)
    X = np.broadcast_to(np.ones(1, dtype), shape)
    target = y if shape[0] == 60 else np.broadcast_to(y[:1], shape[:1])
    with pytest.raises(ValueError, match=r"less than 2\*\*31 can be numbered|is expecting 8 features"):
        ENTRIES[entry](Estimator, X, target)


@BOTH
def test_prediction_looks_at_the_number_of_features_before_it_reads_them(Estimator):
    est = Estimator(**SMALL).fit(*data_for(Estimator))
    huge = sparse.csr_array(([1.0], [2**39], [0, 1]), shape=(1, 2**40))
    for X in (np.broadcast_to(1.0, (60, 2**40)), np.broadcast_to(np.int8(1), (60, 2**40)), huge):
        for method in (est.predict, est.transform, getattr(est, "predict_proba", est.predict), est.partial_fit):
            with pytest.raises(ValueError, match=r"less than 2\*\*31|X has 1099511627776 features, but"):
                method(X, *[[0]] * (method == est.partial_fit))


@BOTH
def test_lengths_are_compared_before_targets_and_weights_are_read(Estimator):
    X, y = data_for(Estimator)
    est, endless = Estimator(**FIRST_ORDER), np.broadcast_to(1, 2**40)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        est.fit(X, endless)
    for more in ((endless,), (None, X, y, endless)):
        with pytest.raises(ValueError, match=r"sample_weight.shape == \(1099511627776,\)"):
            est.fit(X, y, *more)


DAMAGES = {
    "csr": ["index", "negative", "pointer", "last", "length", "data"],
    "csc": ["index", "negative", "pointer", "last", "length", "data"],
    "bsr": ["index", "negative", "pointer", "last", "length", "data", "flat"],
    "coo": ["row", "column", "negative column", "short"],
    "lil": ["column", "negative column", "columns", "values", "lists"],
    "dia": ["offsets"],
}
FAR = 10**7


def damaged(form, how):
    """A sparse matrix whose arrays were changed behind its back."""
    X = sparse_rows(form)
    if form == "lil":
        change = {
            "column": lambda: X.rows[3].__setitem__(-1, FAR),
            "negative column": lambda: X.rows[3].__setitem__(0, -FAR),
            "columns": lambda: X.rows[3].pop(),
            "values": lambda: X.data[3].pop(),
            "lists": lambda: setattr(X, "rows", X.rows[:30]),
        }
    elif form == "coo":
        change = {
            "row": lambda: X.row.__setitem__(3, FAR),
            "column": lambda: X.col.__setitem__(3, FAR),
            "negative column": lambda: X.col.__setitem__(3, -FAR),
            "short": lambda: setattr(X, "data", X.data[:10]),
        }
    else:
        change = {
            "index": lambda: X.indices.__setitem__(3, FAR),
            "negative": lambda: X.indices.__setitem__(3, -FAR),
            "pointer": lambda: X.indptr.__setitem__(4, FAR),
            "last": lambda: X.indptr.__setitem__(-1, FAR),
            "length": lambda: setattr(X, "indptr", X.indptr[:-3]),
            "data": lambda: setattr(X, "data", X.data[:4]),
            "flat": lambda: setattr(X, "data", X.data.ravel()),
            "offsets": lambda: setattr(X, "offsets", X.offsets[:2]),
        }
    change[how]()
    return X


TAKING_SPARSE = {
    "fit": lambda X: FastReLUClassifier(**FIRST_ORDER).fit(X, data_for(FastReLUClassifier)[1]),
    "predict": lambda X: FastReLURegressor(**SMALL).fit(*data_for(FastReLURegressor)).predict(X),
    "transform": lambda X: FastReLURegressor(**SMALL).fit(*data_for(FastReLURegressor)).transform(X),
    "sparse y": lambda X: FastReLUClassifier(**SMALL).fit(data_for(FastReLUClassifier)[0], X),
    "encoder": lambda X: PiecewiseLinearEncoder().fit(X),
    "encoding": lambda X: PiecewiseLinearEncoder().fit(data_for(FastReLURegressor)[0]).transform(X),
    "sketch": lambda X: TensorSketch(4).fit_transform(X, X),
    "Gram matrix": lambda X: GramOperator(X, X),
    "update": lambda X: LazyLowRankMatrix(np.eye(60)).update(X, X),
    "products": lambda X: LazyLowRankMatrix(np.eye(8)).query_rows(X),
}


@pytest.mark.parametrize("taking", TAKING_SPARSE)
@pytest.mark.parametrize(("form", "how"), [(form, how) for form, all_how in DAMAGES.items() for how in all_how])
def test_sparse_matrices_whose_arrays_do_not_go_together_are_refused(taking, form, how):
    X = damaged(form, how)
    with pytest.raises(ValueError, match=r"ind|axis|length|offsets|LIL|three-dimensional"):
        TAKING_SPARSE[taking](X)


def with_arrays(X, data=None, indices=None, indptr=None):
    """The same CSR matrix with other arrays, as they are."""
    other = type(X)(X.shape)
    other.data = X.data if data is None else data
    other.indices = X.indices if indices is None else indices
    other.indptr = X.indptr if indptr is None else indptr
    return other


def backwards_in_rows(X):
    order = np.concatenate([np.arange(a, b)[::-1] for a, b in zip(X.indptr[:-1], X.indptr[1:], strict=True)])
    return with_arrays(X, X.data[order], X.indices[order])


def read_only(X):
    for array in (X.data, X.indices, X.indptr):
        array.setflags(write=False)
    return X


SAME_SPARSE = {
    **{form: (lambda X, form=form: X.asformat(form)) for form in ("csc", "coo", "lil", "dok", "dia", "bsr")},
    "array": sparse.csr_array,
    "int64 indices": lambda X: with_arrays(X, indices=X.indices.astype(np.int64), indptr=X.indptr.astype(np.int64)),
    "indices of two types": lambda X: with_arrays(X, indices=X.indices.astype(np.int64)),
    "indices of bytes": lambda X: with_arrays(X, indices=X.indices.astype(np.uint8)),
    "other byte order": lambda X: with_arrays(X, X.data.astype(">f8"), X.indices.astype(">i4")),
    "strided": lambda X: with_arrays(X, X.data.repeat(2)[::2], X.indices.repeat(2)[::2], X.indptr.repeat(2)[::2]),
    "unsorted": backwards_in_rows,
    "read-only": lambda X: read_only(X.copy()),
    "read-only and unsorted": lambda X: read_only(backwards_in_rows(X)),
    "twice": lambda X: with_arrays(X, X.data.repeat(2) / 2, X.indices.repeat(2), 2 * X.indptr),
    "zeros that are stored": lambda X: sparse.csr_matrix(np.ones(X.shape)).multiply(0).tocsr() + X,
    "room at the end": lambda X: with_arrays(X, np.r_[X.data, [9.0] * 5], np.r_[X.indices, [99] * 5]),
}
GIVING_ARRAYS = {
    "fit": lambda X: FastReLUClassifier(**FIRST_ORDER).fit(X, data_for(FastReLUClassifier)[1]).coefs_[0],
    "default": lambda X: FastReLURegressor(max_iter=2, random_state=0).fit(X, data_for(FastReLURegressor)[1]).coefs_[0],
    "predict": lambda X: FastReLURegressor(**SMALL).fit(*data_for(FastReLURegressor)).predict(X),
    "encoder": lambda X: PiecewiseLinearEncoder().fit(X).transform(sparse_rows()).toarray(),
    "encoding": lambda X: PiecewiseLinearEncoder().fit(sparse_rows()).transform(X).toarray(),
}


@pytest.mark.parametrize("giving", GIVING_ARRAYS)
@pytest.mark.parametrize("how", SAME_SPARSE)
@pytest.mark.filterwarnings("ignore:Maximum iterations")
def test_how_a_sparse_matrix_is_stored_does_not_matter(giving, how):
    X = sparse_rows()
    assert_allclose(GIVING_ARRAYS[giving](SAME_SPARSE[how](X)), GIVING_ARRAYS[giving](X), rtol=1e-10, atol=1e-12)


def off_by_a_byte(X):
    memory = np.empty(X.nbytes + 1, np.uint8)[1:].view(X.dtype).reshape(X.shape)
    memory[...] = X
    return memory


SAME_DENSE = {
    "other byte order": lambda X: X.astype(">f8"),
    "off by a byte": off_by_a_byte,
    "long double": lambda X: X.astype(np.longdouble),
    "objects": lambda X: X.astype(object),
    "numbers in words": lambda X: X.astype(str),
    "lists": lambda X: X.tolist(),
    "nothing masked": np.ma.masked_array,
    "nullable": lambda X: pd.DataFrame(X).astype("Float64"),
}


@BOTH
@pytest.mark.parametrize("how", SAME_DENSE)
def test_the_type_of_numbers_does_not_matter(Estimator, how):
    X, y = data_for(Estimator)
    as_given, as_copied = (Estimator(**FIRST_ORDER).fit(rows, y) for rows in (SAME_DENSE[how](X), X))
    assert_array_equal(as_given.coefs_[0], as_copied.coefs_[0])
    assert_allclose(as_given.predict(SAME_DENSE[how](X)), as_copied.predict(X), rtol=1e-10)


NO_ROWS = {
    "complex": (lambda X: X + 1j, "Complex data"),
    "words": (lambda X: np.full(X.shape, "a"), "could not convert string to float"),
    "three dimensions": (lambda X: X[..., None], "dim 3"),
    "sparse of three dimensions": (lambda X: sparse.coo_array(X[..., None]), "3D"),
    "missing": (lambda X: pd.DataFrame(X).astype("Float64").mask(X > 2), "NaN"),
    "too large": (lambda X: X.astype(np.longdouble) * np.longdouble("1e4000"), "infinity"),
    "masked": (lambda X: np.ma.masked_greater(X, 2), "X has masked entries"),
    "a number": (lambda X: 1.0, "array"),
    "records": (lambda X: np.zeros(60, [("a", float), ("b", float)]), "Cannot cast|1D array"),
}


@BOTH
@pytest.mark.parametrize("what", NO_ROWS)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast", "ignore:invalid value encountered")
def test_what_is_no_table_of_numbers_is_refused(Estimator, what):
    X, y = data_for(Estimator)
    make, message = NO_ROWS[what]
    fitted = Estimator(**FIRST_ORDER).fit(X, y)
    for call in (Estimator(**FIRST_ORDER).fit, fitted.partial_fit, lambda rows, _: fitted.predict(rows)):
        with pytest.raises((ValueError, TypeError), match=message):
            call(make(X), y)
    with pytest.raises((ValueError, TypeError), match="infinity" if what == "missing" else message):
        PiecewiseLinearEncoder().fit(make(X) if what != "missing" else np.full_like(X, np.inf))


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.nan, "weights must be finite"),
        (np.inf, "weights must be finite"),
        (np.where(np.arange(60) == 3, np.inf, 1.0), "infinity"),
        (np.ones(60) * 1j, "Complex"),
        (np.ma.masked_less(np.arange(60.0), 5), "sample_weight has masked entries"),
        (np.ones((60, 1)), "1D array or scalar"),
        (["a"] * 60, "could not convert string"),
    ],
)
def test_weights_that_are_none(weight, message):
    X, y = data_for(FastReLURegressor)
    reg = FastReLURegressor(**FIRST_ORDER)
    for call in (
        lambda: reg.fit(X, y, weight), lambda: reg.partial_fit(X, y, weight),
        lambda: reg.fit(X, y, None, X, y, weight), lambda: PiecewiseLinearEncoder().fit(X, None, weight),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            call()


def test_labels_of_several_types_are_refused_in_words():
    X, y = data_for(FastReLUClassifier)
    mixed, clf = np.array([1, "a", None] * 20, object), FastReLUClassifier(**FIRST_ORDER)
    with pytest.raises(ValueError, match="Unknown label type"):
        clf.fit(X, mixed)
    with pytest.raises(TypeError, match="y_val has labels of several types"):
        clf.fit(X, y, X_val=X, y_val=mixed)
    with pytest.raises(TypeError, match="classes has labels of several types"):
        clf.partial_fit(X, y, classes=mixed[:3])
    with pytest.raises(TypeError, match="classes has labels of several types"):
        clf.fit(X, y).partial_fit(X, y, classes=mixed[:3])


@pytest.mark.parametrize("low", [0, 2**53, 2**63 - 2, -(2**63)])
def test_large_labels_are_told_apart(low):
    X, y = data_for(FastReLUClassifier)
    labels = np.array([low, low + 1])[y]
    clf, small = (FastReLUClassifier(**SMALL).fit(X, t) for t in (labels, y))
    assert_array_equal(clf.predict(X), labels[0] - y[0] + small.predict(X))
    assert_array_equal(clf.partial_fit(X, labels).classes_, [low, low + 1])


@pytest.mark.parametrize("factor", [1e306, 1e307])
@pytest.mark.parametrize("sizes", ["auto", (), 16])
def test_targets_whose_sum_overflows_are_refused(factor, sizes):
    X, y = data_for(FastReLURegressor)
    reg = FastReLURegressor(hidden_layer_sizes=sizes)
    for call in (reg.fit, reg.partial_fit):
        with pytest.raises(ValueError, match="numbers that are too large for float64: scale it"):
            call(X, factor * np.sign(y))


def test_sparse_targets_of_a_regressor_and_masked_ones_are_refused():
    X, y = data_for(FastReLURegressor)
    reg = FastReLURegressor(**SMALL)
    with pytest.raises(TypeError, match=r"y\.toarray"):
        reg.fit(X, sparse.csr_matrix(y[:, None]))
    with pytest.raises(ValueError, match="y has masked entries"):
        reg.fit(X, np.ma.masked_less(y, 0))


def test_points_and_signs_without_memory_behind_them_or_with_masks_are_refused():
    endless, masked = np.broadcast_to(1.0, (2**31, 3)), np.ma.masked_less(np.eye(3), 1)
    tree = HalfspaceTree(np.eye(3))
    for call in (HalfspaceTree, tree.add):
        with pytest.raises(ValueError, match=r"less than 2\*\*31 can be numbered"):
            call(endless)
    for call in (
        HalfspaceTree, tree.add, lambda X: heavy_pairs(2 * X - 1, np.ones((2, 3)), 0.5), LazyLowRankMatrix,
        lambda X: CorrelationDTree(X, np.eye(3)), lambda X: CorrelationWTree(np.eye(3), X),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="has masked entries"):
            call(masked)


# parameters

BAD_PARAMETERS = {
    "threshold": ["high", -1.0, None, np.nan],
    "solver": ["newton", None],
    "search": ["lsh", None],
    "alpha": ["a", -1.0, None],
    "batch_size": ["all", 0, 1.5],
    "learning_rate": ["cosine"],
    "learning_rate_init": ["fast", 0.0, -1.0, None],
    "power_t": ["a", -1.0],
    "max_iter": ["a", 0, 1.5],
    "shuffle": ["yes"],
    "random_state": ["a"],
    "tol": ["a", -1.0],
    "momentum": ["a", -0.1, 1.1],
    "nesterovs_momentum": ["yes"],
    "early_stopping": ["yes"],
    "validation_fraction": ["a", -0.1, 1.0],
    "beta_1": ["a", 1.0],
    "beta_2": ["a", 1.0],
    "epsilon": ["a", 0.0],
    "n_iter_no_change": ["a", 0, 1.5],
    "init": ["glorot"],
    "train_output": ["yes"],
}


@BOTH
@pytest.mark.parametrize(("name", "value"), [(name, value) for name, bad in BAD_PARAMETERS.items() for value in bad])
def test_bad_parameter_is_named(Estimator, name, value):
    X, y = data_for(Estimator)
    est = Estimator(**{**SMALL, name: value})
    with pytest.raises(InvalidParameterError, match=f"The {name!r} parameter of {Estimator.__name__} must be"):
        est.fit(X, y)
    assert not hasattr(est, "coefs_")


@pytest.mark.parametrize(("name", "value"), [("loss", "log_loss"), ("quantile", 1.0), ("huber_delta", 0.0)])
def test_bad_parameter_of_the_regressor_is_named(name, value):
    with pytest.raises(InvalidParameterError, match=f"The {name!r} parameter"):
        FastReLURegressor(**{**SMALL, name: value}).fit(*data_for(FastReLURegressor))


@BOTH
@pytest.mark.parametrize("sizes", [[[64]], [[64, 64]], (64, 0), (64, 1.5)])
def test_sizes_that_are_none(Estimator, sizes):
    X, y = data_for(Estimator)
    with pytest.raises(ValueError, match="hidden_layer_sizes must hold integers"):
        Estimator(**{**SMALL, "hidden_layer_sizes": sizes}).fit(X, y)


@BOTH
@pytest.mark.parametrize("sizes", [(0,), (-3,), (1.5,), ("a",)])
def test_width_that_is_no_width(Estimator, sizes):
    with pytest.raises(ValueError, match=r"hidden_layer_sizes must hold integers >= 1"):
        Estimator(hidden_layer_sizes=sizes).fit(*data_for(Estimator))
    with pytest.raises(InvalidParameterError, match="hidden_layer_sizes"):
        Estimator(hidden_layer_sizes=0).fit(*data_for(Estimator))


@BOTH
@pytest.mark.parametrize("threshold", [6.0, 60.0])
@SOLVERS
@pytest.mark.parametrize("rate", ["auto", 1.0])
def test_threshold_at_which_nothing_fires(Estimator, threshold, solver, rate):
    X, y = data_for(Estimator)
    est = Estimator(**{**SMALL, "threshold": threshold}, solver=solver, learning_rate_init=rate)
    before = frozen_copy(vars(est))
    with pytest.raises(ValueError, match=rf"threshold={threshold:g}: the firing rate on 60 rows is 0. Lower threshold"):
        est.fit(X, y)
    assert frozen_copy(vars(est)) == before


# training that goes wrong


@pytest.mark.usefixtures("any_step")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("search", EVERY_ENGINE)
@pytest.mark.parametrize("Estimator", [FastReLUClassifier, FastReLURegressor])
def test_divergence_stops_with_finite_weights(Estimator, dtype, search):
    X, y = data_for(Estimator)
    rate = 1e6 if Estimator is FastReLURegressor else 1e30
    est = Estimator(**{**SMALL, "max_iter": 100}, solver="sgd", search=search, learning_rate_init=rate)
    with pytest.warns(ConvergenceWarning, match="stopped being finite") as record:
        est.fit(X.astype(dtype), y)
    message = str(record[0].message)
    assert f"in epoch {len(est.loss_curve_) + 1};" in message
    assert f"Lower learning_rate_init (it was {rate:.3g})" in message
    assert len(record) == 1
    assert est.n_iter_ == max(1, len(est.loss_curve_)) < 100
    assert all(np.isfinite(a).all() for a in est.coefs_ + est.intercepts_)
    assert np.isfinite(est.predict(X)).all()


@pytest.mark.usefixtures("any_step")
def test_a_network_that_was_silenced_is_reported():
    X, y = load_digits(return_X_y=True)
    clf = FastReLUClassifier(**{**SMALL, "max_iter": 5}, solver="sgd", learning_rate_init=1e6)
    with pytest.warns(ConvergenceWarning, match=r"No neuron fired in the last epoch.*Lower learning_rate_init"):
        clf.fit(X, y)
    assert clf.firing_rate_ == [0.0]


def test_weights_that_are_not_finite_are_never_kept(monkeypatch):
    X, y = data_for(FastReLUClassifier)
    clf = FastReLUClassifier(**SMALL).fit(X, y)
    before = frozen_copy(vars(clf))
    export = Network.export

    def overflow(self):
        coefs, intercepts = export(self)
        return [1e308 * coefs[0] * 1e308, coefs[1]], intercepts

    monkeypatch.setattr(Network, "export", overflow)
    with pytest.raises(ValueError, match=r"weights are not finite. Lower learning_rate_init"):
        clf.fit(X, y)
    assert frozen_copy(vars(clf)) == before


def test_early_stopping_survives_divergence():
    X, y = data_for(FastReLURegressor)
    reg = FastReLURegressor(**SMALL, solver="sgd", early_stopping=True, learning_rate_init=1e4)
    with pytest.warns(ConvergenceWarning):
        reg.fit(X, y)
    assert np.isfinite(reg.predict(X)).all()


@BOTH
def test_interrupt_before_training_leaves_the_estimator_as_it_was(Estimator, monkeypatch):
    X, y = data_for(Estimator)
    est = Estimator(**FIRST_ORDER, search="correlation_tree").fit(X, y)
    before = frozen_copy(vars(est))

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(CorrelationTreeSearch, "build", interrupt)
    with pytest.warns(UserWarning, match="as it was"):
        est.fit(X, y)
    assert frozen_copy(vars(est)) == before


# memory


@BOTH
@pytest.mark.parametrize("method", ["build", "candidates"])
def test_without_memory_for_the_search_structure_training_is_dense(Estimator, method, monkeypatch):
    X, y = data_for(Estimator)
    settings = {**FIRST_ORDER, "batch_size": 10}
    dense = Estimator(**settings, search="dense").fit(X, y)

    def fail(self, *args):
        raise MemoryError("the correlation trees need 123,456 bytes")

    monkeypatch.setattr(CorrelationTreeSearch, method, fail)
    est = Estimator(**settings, search="correlation_tree")
    with pytest.warns(RuntimeWarning, match=re.escape("trees need 123,456 bytes); training with search='dense'")) as w:
        est.fit(X, y)
    assert w[0].filename == __file__
    assert est.search_ == "dense"
    assert_array_equal(est.coefs_[0], dense.coefs_[0])  # the same draws, also for the order of the samples
    assert est.loss_curve_ == dense.loss_curve_
    assert est.search == "correlation_tree"


def test_memory_error_after_the_first_step_is_an_error(monkeypatch):
    X, y = data_for(FastReLUClassifier)
    clf = FastReLUClassifier(**FIRST_ORDER, search="correlation_tree")
    before = frozen_copy(vars(clf))

    def moved(self, pairs, solver):
        raise MemoryError("no memory")

    monkeypatch.setattr(CorrelationTreeSearch, "moved", moved)
    with pytest.raises(MemoryError, match="no memory"):
        clf.fit(X, y)
    assert frozen_copy(vars(clf)) == before
