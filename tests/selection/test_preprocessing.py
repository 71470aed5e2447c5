"""The piecewise-linear encoder against plain NumPy, and what it makes of data that are missing, extreme or sparse."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.utils._testing import create_memmap_backed_data
from sklearn.utils.estimator_checks import parametrize_with_checks

from skfastnn.preprocessing import CHUNK, OPEN_LIMIT, RAW_LIMIT, PiecewiseLinearEncoder

HUGE = np.finfo(np.float64).max


def rows(n_samples=200, missing=True, seed=0):
    """Rows with a smooth, a rounded, a binary, a constant and a skewed feature; values of two of them are missing."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, 5))
    X[:, 1], X[:, 2], X[:, 3], X[:, 4] = np.round(X[:, 1]), X[:, 2] > 0, 7.0, np.exp(3 * X[:, 4])
    if missing:
        X[rng.random(n_samples) < 0.2, 0] = np.nan
        X[:3, 2] = np.nan
    return X


def reference(train, X, n_bins=12):
    """Encode column by column; a missing value becomes the mean of what the training data give."""
    code = []
    for x, z in zip(train.T, X.T, strict=True):
        there, absent = x[~np.isnan(x)], np.isnan(x)
        values = np.unique(there)
        code.append((z - there.mean()) / (there.std() or 1))
        if values.size > 2:
            levels = np.arange(n_bins + 1) / n_bins
            edges = np.unique(np.quantile(there, levels, method="averaged_inverted_cdf"))
            edges = values if values.size <= n_bins + 1 else edges
            for i, (a, b) in enumerate(pairwise(edges)):
                low, high = -np.inf if i == 0 else 0, np.inf if i == edges.size - 2 else 1
                code.append(np.clip((z - a) / (b - a), low, high) - np.clip((there - a) / (b - a), 0, 1).mean())
        for column in code:
            column[np.isnan(column)] = 0
        if absent.any():
            code.append(np.isnan(z) - absent.mean())
    return np.column_stack(code)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([PiecewiseLinearEncoder(), PiecewiseLinearEncoder(3, include_raw=False, add_indicator=False)])
def test_common_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("n_bins", [2, 5, 12])
@pytest.mark.parametrize("order", ["C", "F"])
def test_code_is_that_of_the_reference(n_bins, order):
    train, X = rows(), rows(80, seed=1)
    train_memmap = create_memmap_backed_data(np.asarray(train, order=order))
    encoder = PiecewiseLinearEncoder(n_bins).fit(train_memmap)
    assert_allclose(encoder.transform(np.asarray(X, order=order)), reference(train, X, n_bins), atol=1e-12)


def test_code_is_centred_and_raw_features_have_unit_variance():
    X = rows()
    code = PiecewiseLinearEncoder().fit_transform(X)
    assert_allclose(code.mean(0), 0, atol=1e-12)
    assert_allclose(code[~np.isnan(X[:, 0]), 0].std(), 1)


def test_one_row_many_rows_and_several_chunks_give_the_same():
    X = np.tile(rows(), (20, 1))
    encoder = PiecewiseLinearEncoder().fit(X)
    code = encoder.transform(X)
    assert code.size > 2 * CHUNK
    for i in (0, 1, len(X) - 1):
        assert_array_equal(encoder._encode(X[i : i + 1])[0], code[i])


@pytest.mark.parametrize("weight", [None, 0.1, 1 / 3])
def test_edges_between_two_values_are_half_way_whatever_the_rounding(weight):
    for n_samples in range(30, 300, 10):
        X = np.arange(float(n_samples))[:, None]
        weights = weight if weight is None else np.full(n_samples, weight)
        edges = PiecewiseLinearEncoder(10).fit(X, sample_weight=weights).edges_[0]
        assert_array_equal(edges[1:-1], np.arange(1, 10) * (n_samples / 10) - 0.5)


def test_edges_of_few_values_are_the_values():
    X = np.array([[0.0], [3.0], [3.0], [5.0], [np.nan]])
    encoder = PiecewiseLinearEncoder(add_indicator=False).fit(X)
    assert_array_equal(encoder.edges_[0], [0.0, 3.0, 5.0])
    means = np.array([0.75, 0.25])
    assert_allclose(encoder.transform([[4.0], [6.0], [-3.0]])[:, 1:], np.array([[1, 0.5], [1, 1.5], [-1, 0]]) - means)


@pytest.mark.parametrize("column", [[0, 1] * 50, [0] * 95 + [1, 2, 3, 4, 5], [0.5] * 100])
def test_two_values_or_one_that_prevails_have_no_bins(column):
    encoder = PiecewiseLinearEncoder(include_raw=False).fit(np.array(column)[:, None])
    assert encoder.edges_[0].size == 0
    assert encoder.get_feature_names_out().tolist() == ["x0"]


def test_names_and_features_of_coordinates():
    X = rows()
    encoder = PiecewiseLinearEncoder(n_bins=2).fit(X)
    names = encoder.get_feature_names_out(["a", "b", "c", "d", "e"])
    expected = "a a_bin0 a_bin1 a_missing b b_bin0 b_bin1 c c_missing d e e_bin0 e_bin1"
    assert " ".join(names) == expected
    assert ["abcde"[j] for j in encoder.feature_indices_] == [name[0] for name in names]
    without = PiecewiseLinearEncoder(n_bins=2, include_raw=False, add_indicator=False).fit(X)
    assert " ".join(without.get_feature_names_out()) == "x0_bin0 x0_bin1 x1_bin0 x1_bin1 x2 x3 x4_bin0 x4_bin1"


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames_in_and_out(library):
    frames = pytest.importorskip(library, reason="data frames of this library are optional")
    X = frames.DataFrame({"height": [1.0, 2.0, 3.0, 5.0], "age": [3, 4, 5, 3]})
    encoder = PiecewiseLinearEncoder(n_bins=2).set_output(transform=library)
    code = encoder.fit_transform(X)
    assert isinstance(code, frames.DataFrame)
    assert list(code.columns) == ["height", "height_bin0", "height_bin1", "age", "age_bin0", "age_bin1"]
    assert_array_equal(code.to_numpy(), PiecewiseLinearEncoder(n_bins=2).fit_transform(X.to_numpy()))


@pytest.mark.parametrize(("dtype", "out"), [(np.float32, np.float32), (np.int32, np.float64), (bool, np.float64)])
def test_dtype_of_the_code(dtype, out):
    X = rows(missing=False).astype(dtype)
    code = PiecewiseLinearEncoder().fit_transform(X)
    assert code.dtype == out
    assert_allclose(code, PiecewiseLinearEncoder().fit_transform(X.astype(float)), atol=1e-6)


def test_float32_far_from_zero_loses_nothing_but_its_own_rounding():
    X = (1e6 + np.random.default_rng(0).normal(size=(200, 2))).astype(np.float32)
    code = PiecewiseLinearEncoder().fit_transform(X)
    assert_allclose(code, PiecewiseLinearEncoder().fit_transform(X.astype(float) - 1e6), atol=1e-6)


# weights


def test_weights_are_copies():
    X, weights = rows(), np.random.default_rng(0).integers(0, 4, 200)
    a = PiecewiseLinearEncoder(5).fit(X, sample_weight=weights)
    b = PiecewiseLinearEncoder(5).fit(X.repeat(weights, axis=0))
    assert_allclose(a.transform(X), b.transform(X), atol=1e-12)


@pytest.mark.parametrize("factor", [0.1, 1e-250, 1e306])
def test_unit_of_weights_does_not_matter(factor):
    X, weights = rows(), np.random.default_rng(0).integers(0, 4, 200)
    a = PiecewiseLinearEncoder(5).fit(X, sample_weight=weights)
    b = PiecewiseLinearEncoder(5).fit(X, sample_weight=weights * factor)
    assert_allclose(a.transform(X), b.transform(X), atol=1e-9)


def test_rows_of_next_to_no_weight_are_encoded():
    encoder = PiecewiseLinearEncoder().fit([[1.0], [1.001]], sample_weight=[1.0, 1e-320])
    assert_array_equal(encoder.transform([[1.0], [1.001]]), [[0.0], [RAW_LIMIT]])


@pytest.mark.parametrize("weight", [0.0, -1.0])
def test_weights_without_a_positive_one_or_below_zero_are_refused(weight):
    weights = np.full(200, weight)
    with pytest.raises(ValueError, match=r"(?i)sample.weight"):
        PiecewiseLinearEncoder().fit(rows(), sample_weight=weights)


# missing values


def test_missing_values_without_an_indicator_are_at_their_means():
    X = rows()
    encoder = PiecewiseLinearEncoder(add_indicator=False).fit(X)
    assert not encoder.transform(np.full((1, 5), np.nan)).any()


def test_missing_where_none_was_in_training_is_at_the_mean():
    encoder = PiecewiseLinearEncoder().fit(rows(missing=False))
    assert not encoder.transform(np.full((1, 5), np.nan)).any()


@pytest.mark.parametrize("column", [[np.nan] * 4, [3.0] * 4])
def test_constant_and_all_missing_features_are_one_zero_coordinate(column):
    encoder = PiecewiseLinearEncoder().fit(np.array(column)[:, None])
    assert_array_equal(encoder.transform([[0.0], [np.nan], [HUGE]]), np.zeros((3, 1)))


# extremes


@pytest.mark.parametrize("factor", [1e-320, 1e-200, 1e200, 1e307])
def test_unit_of_a_feature_does_not_matter(factor):
    X = rows(missing=False)
    X[:, 4] = X[:, 0] + 1
    rtol = 1e-2 if factor < 1e-308 else 1e-9
    a, b = PiecewiseLinearEncoder().fit(X), PiecewiseLinearEncoder().fit(X * factor)
    assert_allclose(b.transform(X * factor), a.transform(X), rtol, rtol)
    assert_allclose(b.edges_[0], a.edges_[0] * factor, rtol, 1e-320)


COLUMNS = {
    "one value a row": np.arange(5.0),
    "two rows": [1.0, 2.0],
    "one row": [1.0],
    "an outlier": [*np.linspace(-1, 1, 99), 1e6],
    "the whole range": [-HUGE, 0.0, 1.0, HUGE],
    "subnormal spread": [0.0, 5e-324, 1e-310, 1e-323],
    "subnormal spread of float32": [0.0, 1e-45, 3e-45, 1e-44],
    "subnormal beside huge": [0.0, 5e-324, 1e-310, 1e300],
    "neighbours": [1.0, np.nextafter(1.0, 2.0), 1 + 3e-16, 1 + 1e-15],
}


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS.keys())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_code_is_finite_and_bounded(column, dtype):
    train = np.clip(np.array(column)[:, None], -np.finfo(dtype).max, np.finfo(dtype).max).astype(dtype)
    encoder = PiecewiseLinearEncoder().fit(train)
    assert np.abs(encoder.transform(train)).max() <= max(1.0, len(train) ** 0.5)
    far = np.array([[-np.finfo(dtype).max], [np.finfo(dtype).max], [np.nan]], dtype)
    assert np.abs(encoder.transform(far)).max() <= RAW_LIMIT


def test_outliers_leave_the_bins_of_others_as_they_were():
    X = np.linspace(0, 1, 1200)[:, None]
    spoilt = np.vstack([X, [[1e6]]])
    code, other = (PiecewiseLinearEncoder().fit(Z).transform(X) for Z in (X, spoilt))
    assert_allclose(code[:, 1:-1], other[:, 1:-1], atol=0.02)


def test_narrow_open_bins_end_beyond_twelve_widths():
    X = np.r_[np.linspace(0, 1e-9, 50), np.linspace(1, 2, 50)][:, None]
    encoder = PiecewiseLinearEncoder(4, include_raw=False).fit(X)
    below, least = encoder.transform([[-1.0], [0.0]])
    assert_allclose((least - below)[0], OPEN_LIMIT)
    assert_array_equal(below[1:], least[1:])


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("convert", [np.asarray, sp.csr_array])
def test_infinite_values_are_refused(value, convert):
    X = convert(np.array([[1.0], [value]]))
    with pytest.raises(ValueError, match="infinity"):
        PiecewiseLinearEncoder().fit(X)


# sparse X


def sparse_rows(n_samples=200, n_features=8, seed=0):
    """Rows of features from mostly zero to never zero, of both signs, one with missing values."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features))
    X[rng.random(X.shape) > np.linspace(0.02, 1, n_features)] = 0
    X[rng.random(n_samples) < 0.1, 3] = np.nan
    return X


@pytest.mark.parametrize("container", [sp.csr_array, sp.csc_array, sp.csr_matrix, sp.coo_array])
@pytest.mark.parametrize("weighted", [False, True])
def test_sparse_code_is_the_dense_one_less_that_of_zero(container, weighted):
    train, X = sparse_rows(), sparse_rows(seed=1)
    weights = np.random.default_rng(2).integers(0, 3, 200) * 0.1 if weighted else None
    dense = PiecewiseLinearEncoder(5).fit(train, sample_weight=weights)
    encoder = PiecewiseLinearEncoder(5).fit(container(train), sample_weight=weights)
    code = encoder.transform(container(X))
    assert code.format == "csr"
    assert isinstance(code, sp.sparray) == issubclass(container, sp.sparray)
    assert_allclose(code.toarray(), dense.transform(X) - dense.transform(np.zeros((1, 8))), atol=1e-12)
    assert code.nnz == np.count_nonzero(code.toarray())
    assert_allclose(encoder.transform(X), code.toarray(), atol=1e-15)
    assert_allclose(dense.transform(container(X)), dense.transform(X), atol=1e-15)


def test_mostly_zero_features_of_sparse_data_are_scaled_and_stay_sparse():
    X = sp.random_array((500, 30), density=0.05, format="csr", random_state=np.random.default_rng(0), dtype=np.float32)
    code = PiecewiseLinearEncoder().fit_transform(X)
    assert code.dtype == np.float32
    assert_array_equal(code.indices, X.indices)
    assert_allclose(code.toarray(), X.toarray() / X.toarray().std(axis=0, dtype=float), rtol=1e-6)


def test_sparse_entries_stored_twice_or_out_of_order_are_read_as_scipy_reads_them():
    X = sp.csr_array((np.array([1.0, 2.0, 3.0, 5.0]), np.array([1, 0, 1, 0]), np.array([0, 3, 4, 4])), shape=(3, 2))
    encoder = PiecewiseLinearEncoder().fit(X)
    assert_allclose(encoder.transform(X).toarray(), encoder.transform(X.toarray()))
    assert X.nnz == 4


def test_zeros_of_rows_without_weight_are_absent():
    X = np.random.default_rng(0).integers(0, 4, (1000, 1))
    for seed in range(10):  # some sums of weights round up, others down
        weights = np.random.default_rng(seed).random(1000) * (X[:, 0] > 0)
        encoder = PiecewiseLinearEncoder().fit(sp.csc_array(X), sample_weight=weights)
        assert_array_equal(encoder.edges_[0], [1.0, 2.0, 3.0])


def test_sparse_entries_out_of_range_are_refused():
    X = sp.csr_array(np.eye(2))
    encoder = PiecewiseLinearEncoder().fit(X)
    X.indices[1] = -1
    with pytest.raises(ValueError, match="ind"):
        encoder.transform(X)


# in use


def test_a_linear_model_of_the_code_bends():
    X = np.sort(np.random.default_rng(0).uniform(-3, 3, (500, 1)), axis=0)
    y = np.sin(2 * X[:, 0])
    model = make_pipeline(PiecewiseLinearEncoder(24), Ridge(1e-3)).fit(X[::2], y[::2])
    assert model.score(X[1::2], y[1::2]) > 0.98
