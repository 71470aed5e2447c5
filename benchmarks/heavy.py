"""Heavy pairs of +-1 rows: the case ``heavy-pairs``.

The opponent is the product of the two matrices in float32, row block by row block, and a comparison.
"""

from functools import partial

import numpy as np
from sklearn.utils import gen_batches

from benchmarks.framework import Entry, case
from benchmarks.measure import timed

N_FEATURES, RHO = 4_096, 0.5
# one pair in so many rows
ROWS_PER_PAIR = 64
# the product is timed on so many rows of A that it has this many cells, and scaled
MAX_CELLS = 2**28
BLOCK_ROWS = 1_024
SEEDS_PAIRS, DELTAS = 1_000, (1e-3, 1e-6)
# features and rho: where degree two is at its best, and where it is not
DEGREE_CASES = ((64, 0.9), (96, 0.9), (256, 0.8))


def planted(n, n_features, rho, n_pairs, seed):
    """Return random rows, with pairs of them at exactly `rho`, and these pairs in ascending order."""
    rng = np.random.default_rng(seed)
    A, B = (2 * rng.integers(0, 2, (n, n_features), dtype=np.int8) - 1 for _ in range(2))
    pairs = np.column_stack([np.sort(rng.choice(n, n_pairs, replace=False)), rng.choice(n, n_pairs, replace=False)])
    for a, b in pairs:
        B[b] = A[a]
        B[b, rng.choice(n_features, int(n_features * (1 - rho) / 2), replace=False)] *= -1
    return A, B, pairs


def plain(A, B, rho):
    """Return the pairs by computing all inner products."""
    right, pairs = B.astype(np.float32).T, []
    for part in gen_batches(A.shape[0], BLOCK_ROWS):
        cells = A[part].astype(np.float32) @ right
        a, b = np.divmod(np.flatnonzero(cells >= rho * A.shape[1]), B.shape[0])
        pairs.append(np.column_stack([a + part.start, b]))
    return np.concatenate(pairs)


def recall(result, pairs):
    """Return the share of the planted pairs that were found."""
    found = {tuple(pair) for pair in result.pairs.tolist()}
    return np.mean([tuple(pair) in found for pair in pairs.tolist()])


def _product(run, n, d, rho):
    """Time the product, scaled to all rows of A."""
    A, B, _ = planted(n, d, rho, n // ROWS_PER_PAIR, seed=0)
    rows = min(n, MAX_CELLS // n)
    seconds, _ = timed(plain, A[:rows], B, rho)
    return {"seconds": seconds * n / rows, "multiplications": float(n) * n * d, "share_run": rows / n}


def _ours(run, n, d, rho, n_pairs=None, **settings):
    from skfastnn import heavy_pairs

    A, B, pairs = planted(n, d, rho, n_pairs or n // ROWS_PER_PAIR, run.seed if n_pairs else 0)
    seconds, result = timed(lambda: heavy_pairs(A, B, rho, random_state=run.seed, **settings))
    assert (result.inner_products >= rho * d).all()
    figures = {"seconds": seconds, "multiplications": float(result.n_multiplications), "recall": recall(result, pairs)}
    return figures | {"groups": "{} x {}".format(*result.group_size), "passes": result.n_repetitions}


def _seeds(run, n, d, rho, delta, n_seeds):
    """Return the slowest seed's time and the recall over all seeds."""
    from dataclasses import replace

    found = [
        _ours(replace(run, seed=seed), n, d, rho, min(SEEDS_PAIRS, n // 4), delta=delta) for seed in range(n_seeds)
    ]
    shares = [figures["recall"] for figures in found]
    slowest = max(figures["seconds"] for figures in found)
    return {"seconds": slowest, "recall": np.mean(shares), "worst_recall": min(shares), "seeds": n_seeds}


@case("heavy-pairs", along="n", small={"largest": 10, "n_seeds": 2})
def heavy_pairs(largest=16, n_seeds=20):
    """Planted pairs of +-1 rows: `heavy_pairs` beside the product of the matrices; recall over 20 seeds; degrees."""
    at = [{"n": 2**k, "d": N_FEATURES, "rho": RHO} for k in range(largest - 4, largest + 1)]
    middle = 2 ** (largest - 2)
    by_degree = [{"n": middle, "d": d, "rho": rho} for d, rho in DEGREE_CASES]
    seeds = {"n": middle, "d": N_FEATURES, "rho": RHO}
    return [
        *(Entry("skfastnn", _ours, place, "int8") for place in at),
        *(Entry("product", _product, place) for place in at),
        *(
            Entry("skfastnn, seeds", partial(_seeds, n_seeds=n_seeds), seeds | {"delta": delta}, "int8", once=True)
            for delta in DELTAS
        ),
        *(Entry("product", _product, place) for place in by_degree),
        *(
            Entry("skfastnn", partial(_ours, degree=degree), place | {"degree": degree}, "int8")
            for place in by_degree
            for degree in (1, 2)
        ),
    ]
