"""The published pieces for several layers: the cases ``lowrank`` and ``conditioning``, tables of doc/sketches.md."""

from functools import partial

import numpy as np
from scipy import sparse
from scipy.linalg import solve_triangular
from scipy.special import ndtr
from threadpoolctl import threadpool_limits

from benchmarks.measure import timed

WIDTHS = (1024, 2048, 4096, 8192)
N_POINTS, N_STEPS, N_REPEATS = 4, 20, 5
# of the network behind the condition numbers
WIDTH, N_FEATURES, DISTANCE = 1024, 64, 1e-3


def shift(width, factor=0.4):
    """Return the published threshold."""
    return float(np.sqrt(factor * np.log(width)))


def sparse_rows(n_rows, width, rng):
    """Return rows with as many entries as neurons fire on average at the published shift."""
    k = round(width * ndtr(-shift(width)))
    columns = np.concatenate([rng.choice(width, k, replace=False) for _ in range(n_rows)])
    ends = np.arange(0, n_rows * k + 1, k)
    return sparse.csr_matrix((rng.normal(size=n_rows * k), columns, ends), shape=(n_rows, width))


def scatter(columns, U, H):
    """Add the updates to the matrix, held by columns, entry by entry."""
    for u, h in zip(U, H, strict=True):
        columns[np.ix_(h.indices, u.indices)] += np.outer(h.data, u.data)


def _steps(matrix, batches):
    for U, H in batches:
        matrix.update(U.T, H.T)
        matrix.query_rows(H)
    # what has not been added yet has to be in the end
    matrix.flush()


def _scatter_steps(columns, batches):
    for U, H in batches:
        scatter(columns, U, H)
        H @ columns


def lowrank(n_threads):
    """Lazy low-rank updates against adding them where neurons fire: multiplications and seconds per point."""
    from skfastnn.lowrank import LazyLowRankMatrix

    print("m, k, scatter, product with W, restart size, product with factors, flush; milliseconds: scatter, lazy")
    for width in WIDTHS:
        rng = np.random.default_rng(0)
        W = rng.normal(size=(width, width))
        batches = [[sparse_rows(N_POINTS, width, rng) for _ in "UH"] for _ in range(N_STEPS)]
        lazy, columns = LazyLowRankMatrix(W), np.ascontiguousarray(W.T)
        with threadpool_limits(n_threads):
            seconds = [timed(_scatter_steps, columns, batches)[0], timed(_steps, lazy, batches)[0]]
        np.testing.assert_allclose(lazy.to_array(), columns.T, atol=1e-9)
        n, k, counters = N_POINTS * N_STEPS, batches[0][0].nnz // N_POINTS, lazy.counters
        restart = next(rank for rank in range(1, width) if rank >= width**0.321334)
        kinds = ("query_multiplications", "factor_multiplications", "flush_multiplications")
        products, factors, flushes = (round(counters[kind] / n) for kind in kinds)
        milliseconds = ", ".join(f"{1e3 * value / n:.2f}" for value in seconds)
        print(f"{width:,} | {k} | {k * k:,} | {products:,} | {restart} | {factors:,} | {flushes:,} | {milliseconds}")


def layer_factors(n_samples, near_duplicates, rng):
    """Return u_i and h_i of the second layer of a network at the start, its inputs normalised."""
    X = rng.normal(size=(n_samples, N_FEATURES))
    if near_duplicates:
        X[n_samples // 2 :] = X[: n_samples // 2] + DISTANCE * rng.normal(size=(n_samples // 2, N_FEATURES))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    H = X @ rng.normal(size=(N_FEATURES, WIDTH))
    H *= H > shift(WIDTH)
    H /= np.linalg.norm(H, axis=1, keepdims=True)
    fired = H @ rng.normal(size=(WIDTH, WIDTH)) > shift(WIDTH)
    U = fired * rng.choice([-1.0, 1.0], WIDTH) / np.sqrt(WIDTH)
    return sparse.csr_matrix(U), sparse.csr_matrix(H)


def condition_number(gram, factor=None):
    """Return the condition number of J, or of J' inv(R): the root of that of the Gram matrix."""
    if factor is not None:
        left = solve_triangular(factor, gram, trans="T")
        gram = solve_triangular(factor, left.T, trans="T")
    values = np.linalg.eigvalsh(gram)
    return np.sqrt(values[-1] / values[0])


def _compare(n_samples, near_duplicates):
    """Print condition numbers, iterations and seconds: medians over the repeats."""
    from skfastnn.sketch import GramOperator, exact_preconditioner, sketched_preconditioner, solve_gram

    rows = {}
    for seed in range(N_REPEATS):
        rng = np.random.default_rng(seed)
        U, H = layer_factors(n_samples, near_duplicates, rng)
        right, gram = rng.normal(size=n_samples), GramOperator(U, H).to_array()

        makers = {"none": lambda U, H: None, "Cholesky": exact_preconditioner}
        for times in (2, 4, 8, 16):
            for sketch in ("tensor_sketch", "tensor_srht"):
                makers[f"{sketch}, {times} n"] = partial(
                    sketched_preconditioner, n_components=times * n_samples, sketch=sketch, random_state=seed
                )
        for name, make in makers.items():
            making, made = timed(make, U, H)
            solving, result = timed(partial(solve_gram, preconditioner=made), U, H, right)
            condition = condition_number(gram, getattr(made, "factor", None))
            rows.setdefault(name, []).append((condition, result.n_iter, 1e3 * making, 1e3 * solving))
    print(f"n = {n_samples}, near duplicates: {near_duplicates}; condition number, iterations, ms to make, ms to solve")
    for name, numbers in rows.items():
        condition, n_iter, making, solving = np.median(numbers, axis=0)
        print(f"{name} | {condition:.4g} | {n_iter:.0f} | {making:.1f} | {solving:.1f}")


def _few_entries(n_samples=64, width=WIDTH, times=8):
    """Print the condition numbers for rows with few entries: the range over eight draws."""
    from skfastnn.sketch import GramOperator, sketched_preconditioner

    print(f"n = {n_samples}, s = {times} n; entries of a row, lowest and highest condition number, singular sketches")
    for n_entries in (1, 2, 5, 20):
        for sketch in ("tensor_sketch", "tensor_srht"):
            found, singular = [], 0
            for seed in range(8):
                rng = np.random.default_rng(seed)
                U, H = np.zeros((2, n_samples, width))
                for row in [*U, *H]:
                    row[rng.choice(width, n_entries, replace=False)] = rng.normal(size=n_entries)
                try:
                    made = sketched_preconditioner(U, H, times * n_samples, sketch=sketch, random_state=seed)
                    found.append(condition_number(GramOperator(U, H).to_array(), made.factor))
                except ValueError:
                    singular += 1
            spread = f"{min(found):.1f} to {max(found):.1f}" if found else ""
            print(f"{n_entries} | {sketch} | {spread} | {singular}")


def conditioning(n_threads):
    """Condition numbers of a layer's Jacobian, preconditioned by sketches or by Cholesky, and iterations."""
    with threadpool_limits(n_threads):
        for n_samples in (64, 256):
            for near_duplicates in (False, True):
                _compare(n_samples, near_duplicates)
        _few_entries()


CASES = {"conditioning": conditioning, "lowrank": lowrank}
