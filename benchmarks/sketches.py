"""The published pieces for several layers: the cases ``lowrank`` and ``conditioning``, tables of doc/sketches.md."""

from functools import partial

import numpy as np
from scipy import sparse
from scipy.linalg import solve_triangular
from scipy.special import ndtr

from benchmarks.framework import Entry, case
from benchmarks.measure import timed

N_POINTS, N_STEPS = 4, 20
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


def _batches(m):
    rng = np.random.default_rng(0)
    W = rng.normal(size=(m, m))
    return W, [[sparse_rows(N_POINTS, m, rng) for _ in "UH"] for _ in range(N_STEPS)]


def _lazy(run, m):
    """Return seconds and multiplications of a point, and what the multiplications are for."""
    from skfastnn.lowrank import LazyLowRankMatrix

    W, batches = _batches(m)
    lazy, n = LazyLowRankMatrix(W), N_POINTS * N_STEPS
    seconds, _ = timed(_steps, lazy, batches)
    kinds = {kind: round(lazy.counters[f"{kind}_multiplications"] / n) for kind in ("query", "factor", "flush")}
    # of the published size
    restart = next(rank for rank in range(1, m) if rank >= m**0.321334)
    return {"seconds": seconds / n, "multiplications": sum(kinds.values()), "restart": restart} | kinds


def _scattered(run, m):
    W, batches = _batches(m)
    seconds, _ = timed(_scatter_steps, np.ascontiguousarray(W.T), batches)
    k = batches[0][0].nnz // N_POINTS
    return {"seconds": seconds / (N_POINTS * N_STEPS), "multiplications": k * k, "fired": k}


@case("lowrank", along="m", small={"widths": (256, 512, 1_024)})
def lowrank(widths=(1_024, 2_048, 4_096, 8_192)):
    """Lazy low-rank updates against adding them where neurons fire: multiplications and seconds per point."""
    methods = {"skfastnn": _lazy, "scatter": _scattered}
    return [Entry(name, measure, {"m": m}, "float64") for name, measure in methods.items() for m in widths]


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


def _preconditioned(run, n, near_duplicates, times, sketch):
    """Return the condition number of a layer's Jacobian, and the iterations that solve its system."""
    from skfastnn.sketch import GramOperator, exact_preconditioner, sketched_preconditioner, solve_gram

    rng = np.random.default_rng(run.seed)
    U, H = layer_factors(n, near_duplicates, rng)
    right, gram = rng.normal(size=n), GramOperator(U, H).to_array()
    settings = {"n_components": times * n, "sketch": sketch, "random_state": run.seed}
    makers = {"none": lambda U, H: None, "Cholesky": exact_preconditioner}
    making, made = timed(makers.get(sketch) or partial(sketched_preconditioner, **settings), U, H)
    solving, result = timed(partial(solve_gram, preconditioner=made), U, H, right)
    condition = condition_number(gram, getattr(made, "factor", None))
    return {"seconds": solving, "making_seconds": making, "condition": condition, "iterations": result.n_iter}


def _few_entries(run, entries, n, sketch, times):
    """Return the condition numbers for rows with few entries: the range over eight draws."""
    from skfastnn.sketch import GramOperator, sketched_preconditioner

    found, spent = [], 0.0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        U, H = np.zeros((2, n, WIDTH))
        for row in [*U, *H]:
            row[rng.choice(WIDTH, entries, replace=False)] = rng.normal(size=entries)
        make = partial(sketched_preconditioner, U, H, times * n, sketch=sketch, random_state=seed)
        try:
            seconds, made = timed(make)
        except ValueError:
            continue
        spent += seconds
        found.append(condition_number(GramOperator(U, H).to_array(), made.factor))
    return {"making_seconds": spent, "singular": 8 - len(found)} | (
        {"lowest_condition": min(found), "highest_condition": max(found)} if found else {}
    )


@case("conditioning", repeats=5, small={"sizes": (32,), "factors": (4,)})
def conditioning(sizes=(64, 256), factors=(2, 4, 8, 16)):
    """Condition numbers of a layer's Jacobian, preconditioned by sketches or by Cholesky, and iterations."""
    sketches = ("tensor_sketch", "tensor_srht")
    methods = {"none": ("none", 0), "Cholesky": ("Cholesky", 0)}
    methods |= {f"{sketch}, {times} n": (sketch, times) for times in factors for sketch in sketches}
    return [
        *(
            Entry(name, partial(_preconditioned, sketch=sketch, times=times), at, "float64")
            for n in sizes
            for at in ({"n": n, "near_duplicates": near} for near in (False, True))
            for name, (sketch, times) in methods.items()
        ),
        *(
            Entry(f"{sketch}, 8 n", partial(_few_entries, sketch=sketch, times=8), {"entries": e, "n": sizes[0]},
                  "float64", once=True)
            for e in (1, 2, 5, 20)
            for sketch in sketches
        ),
    ]  # fmt: skip
