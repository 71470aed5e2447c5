"""Sketches against the Kronecker products they stand for; preconditioned solutions against dense linear algebra."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.linalg import hadamard
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils._testing import create_memmap_backed_data

from skfastnn.published import _tensor_sketches
from skfastnn.sketch import (
    GramOperator,
    TensorSketch,
    TensorSRHT,
    exact_preconditioner,
    sketched_preconditioner,
    solve_gram,
)

BOTH = pytest.mark.parametrize("Sketch", [TensorSketch, TensorSRHT])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
NAMES = pytest.mark.parametrize("name", ["tensor_sketch", "tensor_srht"])


def make_pair(n_samples=6, n_left=5, n_right=7, dtype=np.float64, seed=0):
    """Vectors of unit length, a third of the entries zero."""
    rng = np.random.default_rng(seed)
    pair = []
    for n_features in (n_left, n_right):
        X = rng.normal(size=(n_samples, n_features)) * (rng.random((n_samples, n_features)) < 2 / 3)
        X[:, 0] += 1e-2
        pair.append((X / np.linalg.norm(X, axis=1, keepdims=True)).astype(dtype))
    return pair


def products(U, H):
    """The Kronecker products of the rows."""
    return (U[:, :, None] * H[:, None, :]).reshape(len(U), -1)


def near_duplicates(n_samples=40, distance=1e-4):
    U, H = make_pair(n_samples // 2, 30, 40)
    rng = np.random.default_rng(1)
    shifted = (X + distance * rng.normal(size=X.shape) for X in (U, H))
    return [np.concatenate(two) for two in zip((U, H), shifted, strict=True)]


def sketch_matrix(est, n_left, n_right):
    """The sketch as a matrix, from the sketches of all pairs of unit vectors."""
    U = np.repeat(np.eye(n_left), n_right, axis=0)
    H = np.tile(np.eye(n_right), (n_left, 1))
    return est.transform(U, H)


@BOTH
@DTYPES
@pytest.mark.parametrize("n_components", [1, 2, 7, 64])
def test_it_is_a_linear_map_of_the_kronecker_product(Sketch, dtype, n_components):
    U, H = make_pair(dtype=dtype)
    est = Sketch(n_components, random_state=0).fit(U, H)
    sketches = est.transform(U, H)
    assert sketches.shape == (6, n_components)
    assert sketches.dtype == dtype
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    assert_allclose(sketches, products(U, H) @ sketch_matrix(est, 5, 7), atol=tolerance)


def test_tensor_sketch_adds_each_pair_to_one_bucket():
    U, H = make_pair(3, 4, 3)
    est = TensorSketch(5, random_state=1).fit(U, H)
    expected = np.zeros((3, 5))
    (left, right) = (m.tocoo() for m in est.maps_)
    for i, a, s in zip(left.coords[0], left.coords[1], left.data, strict=True):
        for j, b, t in zip(right.coords[0], right.coords[1], right.data, strict=True):
            expected[:, (a + b) % 5] += s * t * U[:, i] * H[:, j]
    assert_allclose(est.transform(U, H), expected, atol=1e-14)


def test_srht_samples_products_of_hadamard_transforms():
    U, H = make_pair(4, 5, 2)
    est = TensorSRHT(9, random_state=1).fit(U, H)
    expected = 1 / 3
    for X, (signs, sampled) in zip((U, H), est.maps_, strict=True):
        width = {5: 8, 2: 2}[X.shape[1]]
        transform = hadamard(width)[:, : X.shape[1]] * signs
        expected = expected * (X @ transform.T)[:, sampled]
    assert_allclose(est.transform(U, H), expected, atol=1e-14)


@pytest.mark.parametrize("log_width", range(7))
def test_fast_hadamard_transform(log_width):
    X = np.random.default_rng(0).normal(size=(3, 2**log_width))
    expected = X @ hadamard(2**log_width)
    assert_allclose(_tensor_sketches._hadamard_transform(X), expected, atol=1e-12)


@BOTH
def test_inner_products_are_right_in_expectation(Sketch):
    U, H = make_pair(4, 6, 9)
    n_draws = 1000
    draws = np.empty((n_draws, 4, 4))
    for seed in range(n_draws):
        sketches = Sketch(16, random_state=seed).fit_transform(U, H)
        draws[seed] = sketches @ sketches.T
    error = draws.mean(axis=0) - (U @ U.T) * (H @ H.T)
    # sixteen means, each within four and a half standard errors
    assert (np.abs(error) < 4.5 * draws.std(axis=0) / np.sqrt(n_draws)).all()


@BOTH
def test_error_falls_with_the_square_root_of_the_length(Sketch):
    U, H = make_pair(8, 12, 10)
    gram, errors = (U @ U.T) * (H @ H.T), []
    for n_components in (64, 1024):
        sketches = (Sketch(n_components, random_state=seed).fit_transform(U, H) for seed in range(40))
        errors.append(np.sqrt(np.mean([(S @ S.T - gram) ** 2 for S in sketches])))
    assert 3 < errors[0] / errors[1] < 5.5


@BOTH
@DTYPES
@pytest.mark.parametrize("layout", ["F", "strided", "memmap", "csr", "csr_array", "csc", "int64", "mixed", "list"])
def test_memory_layout_does_not_matter(Sketch, dtype, layout):
    U, H = make_pair(dtype=dtype)
    est = Sketch(11, random_state=0).fit(U, H)
    expected = est.transform(U, H)
    if layout == "F":
        pair = [np.asfortranarray(X) for X in (U, H)]
    elif layout == "strided":
        pair = [np.repeat(X, 2, axis=1)[:, ::2] for X in (U, H)]
    elif layout == "memmap":
        pair = create_memmap_backed_data([U, H])
    elif layout == "list":
        pair = [U.tolist(), H.tolist()]
    else:
        make = {"csr_array": sparse.csr_array, "csc": sparse.csc_matrix}.get(layout, sparse.csr_matrix)
        pair = [make(U), H if layout == "mixed" else make(H)]
        if layout == "int64":
            for X in pair:
                X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    assert_allclose(est.transform(*pair), expected, atol=1e-5 if dtype == np.float32 else 1e-14)


@BOTH
def test_dtype_is_the_wider_of_the_two(Sketch):
    U, H = make_pair()
    assert Sketch(3).fit_transform(U.astype(np.float32), H).dtype == np.float64
    assert Sketch(3).fit_transform(U.astype(np.float32), H.astype(np.float32)).dtype == np.float32
    assert Sketch(3).fit_transform(np.eye(6, dtype=int), H.astype(np.float32)).dtype == np.float64


@BOTH
def test_same_seed_same_sketch(Sketch):
    U, H = make_pair()
    est = Sketch(20, random_state=3)
    sketches = est.fit_transform(U, H)
    assert_array_equal(sketches, est.fit(H[:, :5], H).transform(U, H))
    assert_array_equal(sketches, clone(est).fit_transform(U, H))
    assert_array_equal(sketches, pickle.loads(pickle.dumps(est)).transform(U, H))
    assert_array_equal(sketches, Sketch(20, random_state=np.random.RandomState(3)).fit_transform(U, H))
    assert not np.array_equal(sketches, Sketch(20, random_state=4).fit_transform(U, H))


@BOTH
def test_a_row_does_not_depend_on_its_batch(Sketch):
    U, H = make_pair()
    est = Sketch(20, random_state=3).fit(U, H)
    assert_allclose(est.transform(U[2:3], H[2:3])[0], est.transform(U, H)[2], atol=1e-15)


@BOTH
def test_parameters_and_features_are_recorded(Sketch):
    est = Sketch(n_components=8, random_state=1)
    assert est.get_params() == {"n_components": 8, "random_state": 1}
    assert est.set_params(n_components=9).fit(*make_pair()).n_features_ == (5, 7)


@settings(max_examples=30, deadline=None)
@given(
    Sketch=st.sampled_from([TensorSketch, TensorSRHT]),
    n_samples=st.integers(1, 3),
    n_left=st.integers(1, 5),
    n_right=st.integers(1, 5),
    n_components=st.integers(1, 6),
    as_csr=st.booleans(),
)
def test_degenerate_shapes(Sketch, n_samples, n_left, n_right, n_components, as_csr):
    U, H = make_pair(n_samples, n_left, n_right)
    U[0] = 0
    est = Sketch(n_components, random_state=0).fit(U, H)
    expected = products(U, H) @ sketch_matrix(est, n_left, n_right)
    if as_csr:
        U, H = sparse.csr_matrix(U), sparse.csr_matrix(H)
    sketches = est.transform(U, H)
    assert_allclose(sketches, expected, atol=1e-13)
    assert not sketches[0].any()


@BOTH
def test_bad_arguments_raise(Sketch):
    U, H = make_pair()
    with pytest.raises(ValueError, match="n_components"):
        Sketch(0).fit(U, H)
    with pytest.raises(TypeError, match="n_components"):
        Sketch(2.5).fit(U, H)
    with pytest.raises(ValueError, match="same number of rows, got 6 and 5"):
        Sketch().fit(U, H[:5])
    with pytest.raises(ValueError, match="NaN"):
        Sketch().fit(U * np.nan, H)
    with pytest.raises(NotFittedError):
        Sketch().transform(U, H)
    with pytest.raises(ValueError, match="7 and 5 features, but the sketch was drawn for 5 and 7"):
        Sketch().fit(U, H).transform(H, U)


@DTYPES
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix])
def test_gram_operator_is_the_gram_matrix_of_the_products(make, dtype):
    U, H = make_pair(9, dtype=dtype)
    J = products(U, H).astype(np.float64)
    gram, operator = J @ J.T + 0.5 * np.eye(9), GramOperator(make(U), make(H), 0.5)
    X = np.random.default_rng(0).normal(size=(9, 2)).astype(dtype)
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    assert_allclose(operator.to_array(), gram, atol=tolerance)
    assert_allclose(operator @ X, gram @ X, atol=tolerance)
    assert_allclose(operator.T @ X[:, 0], gram @ X[:, 0], atol=tolerance)
    assert (operator @ X).dtype == operator.dtype == dtype


def test_gram_operator_works_in_chunks_of_rows():
    U, H = make_pair(400)
    X = np.random.default_rng(0).normal(size=(400, 2))
    expected = GramOperator(U, H, 0.1).to_array() @ X
    # at least one row is taken: 2 x 400 x 8 bytes
    with config_context(working_memory=0.05):
        assert_allclose(GramOperator(U, H, 0.1) @ X, expected, atol=1e-12)


@NAMES
@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_factor_is_that_of_the_sketched_gram_matrix(name, ridge):
    U, H = make_pair()
    made = sketched_preconditioner(U, H, 40, ridge, sketch=name, random_state=0)
    Sketch = {"tensor_sketch": TensorSketch, "tensor_srht": TensorSRHT}[name]
    S = Sketch(40, random_state=0).fit_transform(U, H)
    gram = S @ S.T + ridge * np.eye(6)
    assert_array_equal(made.factor, np.triu(made.factor))
    assert_allclose(made.factor.T @ made.factor, gram, atol=1e-13)
    assert_allclose(made @ gram, np.eye(6), atol=1e-8)
    assert_allclose(made.H @ gram, np.eye(6), atol=1e-8)


def test_exact_preconditioner_is_the_inverse():
    U, H = make_pair()
    made = exact_preconditioner(U, H, 0.1)
    assert_allclose(made @ GramOperator(U, H, 0.1).to_array(), np.eye(6), atol=1e-12)


@DTYPES
@pytest.mark.parametrize("ridge", [0.0, 0.2])
@pytest.mark.parametrize("how", ["none", "sketched", "exact"])
def test_solution_is_that_of_the_dense_system(how, ridge, dtype):
    U, H = make_pair(20, 15, 12, dtype)
    right = np.random.default_rng(0).normal(size=20)
    preconditioner = {
        "none": lambda *_: None,
        "sketched": lambda *pair: sketched_preconditioner(*pair, 160, ridge, random_state=0),
        "exact": lambda *pair: exact_preconditioner(*pair, ridge),
    }[how](U, H)
    tol = 1e-5 if dtype == np.float32 else 1e-12
    result = solve_gram(U, H, right, ridge, preconditioner=preconditioner, tol=tol)
    J = products(U, H).astype(np.float64)
    expected = np.linalg.solve(J @ J.T + ridge * np.eye(20), right)
    assert_allclose(result.solution, expected, rtol=100 * tol, atol=1000 * tol)
    assert result.solution.dtype == dtype
    assert result.residual < 10 * tol
    assert 1 <= result.n_iter <= (2 if how == "exact" else 60)


@NAMES
def test_sketch_makes_near_duplicates_well_conditioned(name):
    U, H = near_duplicates()
    J = products(U, H)
    assert np.linalg.cond(J) > 1e3
    # (sqrt 8 + 1) / (sqrt 8 - 1) = 2.1 is what the length promises
    for seed in range(5):
        made = sketched_preconditioner(U, H, 8 * len(U), sketch=name, random_state=seed)
        assert np.linalg.cond(np.linalg.solve(made.factor.T, J)) < 3
    right = np.random.default_rng(0).normal(size=len(U))
    sketched, plain = solve_gram(U, H, right, preconditioner=made), solve_gram(U, H, right)
    assert 2 * sketched.n_iter < plain.n_iter
    assert sketched.residual < 1e-8


def one_entry_rows(n_samples=60):
    """Rows of the identity at scattered places."""
    places = np.random.default_rng(0).choice(500, n_samples, replace=False)
    return np.eye(500)[places], np.ones((n_samples, 1))


def test_only_the_srht_keeps_rows_with_one_entry_apart():
    U, H = one_entry_rows()
    for seed in range(5):
        assert np.linalg.cond(TensorSRHT(240, random_state=seed).fit_transform(U, H)) < 4
        # sixty of 240 buckets, of which two are the same with near certainty
        assert np.linalg.matrix_rank(TensorSketch(240, random_state=seed).fit_transform(U, H)) < 60


def test_sketch_makes_orthogonal_rows_worse_conditioned():
    U, H = one_entry_rows()
    right = np.arange(60.0)
    made = sketched_preconditioner(U, H, 240, sketch="tensor_srht", random_state=0)
    assert solve_gram(U, H, right).n_iter == 1
    assert solve_gram(U, H, right, preconditioner=made).n_iter > 5


def test_dependent_rows_need_a_ridge():
    U, H = (np.concatenate([X, X]) for X in make_pair())
    for make in (exact_preconditioner, lambda U, H, ridge=0.0: sketched_preconditioner(U, H, 50, ridge)):
        with pytest.raises(ValueError, match="increase ridge"):
            make(U, H)
        right = np.arange(12.0)
        assert solve_gram(U, H, right, 0.1, preconditioner=make(U, H, 0.1)).residual < 1e-9


def test_sketch_shorter_than_the_number_of_rows_needs_a_ridge():
    U, H = make_pair()
    with pytest.raises(ValueError, match="more than the 6 rows"):
        sketched_preconditioner(U, H, 5)
    assert sketched_preconditioner(U, H, 5, 0.1, random_state=0).shape == (6, 6)


def test_zero_rows_zero_right_hand_side_and_one_row():
    U, H = make_pair()
    U[2] = 0
    made = sketched_preconditioner(U, H, 30, 0.5, random_state=0)
    result = solve_gram(U, H, np.ones(6), 0.5, preconditioner=made)
    assert_allclose(result.solution[2], 2.0)
    nothing = solve_gram(U, H, np.zeros(6), 0.5)
    assert not nothing.solution.any()
    assert (nothing.n_iter, nothing.residual) == (0, 0.0)
    assert_allclose(solve_gram([[2.0]], [[3.0]], [36.0]).solution, [1.0])


def test_too_few_iterations_are_told():
    U, H = near_duplicates()
    with pytest.warns(ConvergenceWarning, match="2 iterations did not reach"):
        result = solve_gram(U, H, np.arange(40.0), max_iter=2)
    assert result.n_iter == 2
    assert result.residual > 1e-10


def test_bad_systems_raise():
    U, H = make_pair()
    with pytest.raises(ValueError, match=r"must have shape \(6,\), got \(5,\)"):
        solve_gram(U, H, np.ones(5))
    with pytest.raises(ValueError, match="preconditioner must have shape"):
        solve_gram(U, H, np.ones(6), preconditioner=np.eye(5))
    with pytest.raises(ValueError, match="ridge"):
        GramOperator(U, H, -1.0)
    with pytest.raises(ValueError, match="ridge must be finite"):
        exact_preconditioner(U, H, np.inf)
    with pytest.raises(ValueError, match="tol"):
        solve_gram(U, H, np.ones(6), tol=0.0)
    with pytest.raises(ValueError, match="max_iter"):
        solve_gram(U, H, np.ones(6), max_iter=0)
    with pytest.raises(ValueError, match="sketch must be one of"):
        sketched_preconditioner(U, H, 10, sketch="gaussian")
