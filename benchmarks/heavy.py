"""Heavy pairs of +-1 rows: the case ``heavy-pairs``.

The opponent is the product of the two matrices in float32, row block by row block, and a comparison.
"""

import numpy as np
from sklearn.utils import gen_batches
from threadpoolctl import threadpool_limits

from benchmarks.measure import timed

N_FEATURES, RHO = 4_096, 0.5
SIZES = [2**k for k in range(12, 17)]
# one pair in so many rows
ROWS_PER_PAIR = 64
# the product is timed on so many rows of A that it has this many cells, and scaled
MAX_CELLS = 2**28
BLOCK_ROWS = 1_024
# above this size a run is long enough to be its own average
N_REPEATS, REPEATED_UP_TO = 3, 16_384
SEEDS, SEEDS_SIZE, SEEDS_PAIRS, DELTAS = range(20), 16_384, 1_000, (1e-3, 1e-6)
# features and rho: where degree two is at its best, and where it is not
DEGREE_CASES, DEGREE_SIZE = ((64, 0.9), (96, 0.9), (256, 0.8)), 16_384


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


def timed_plain(A, B, rho):
    """Return the seconds of `plain`, scaled to all rows, and the factor."""
    n = min(A.shape[0], MAX_CELLS // B.shape[0])
    n_repeats = N_REPEATS if B.shape[0] < REPEATED_UP_TO else 1
    factor = A.shape[0] / n
    return factor * np.median([timed(plain, A[:n], B, rho)[0] for _ in range(n_repeats)]), factor


def recall(result, pairs):
    """Return the share of the planted pairs that were found."""
    found = {tuple(pair) for pair in result.pairs.tolist()}
    return np.mean([tuple(pair) in found for pair in pairs.tolist()])


def _ours(A, B, rho, **settings):
    from skfastnn import heavy_pairs

    n_repeats = N_REPEATS if A.shape[0] <= REPEATED_UP_TO else 1
    answers = [timed(lambda: heavy_pairs(A, B, rho, random_state=0, **settings)) for _ in range(n_repeats)]
    return np.median([seconds for seconds, _ in answers]), answers[0][1]


def _by_size():
    print(f"planted pairs, d={N_FEATURES:,}, rho={RHO}, int8 in; seconds")
    print(
        f"{'n':>7}{'groups':>9}{'passes':>8}{'ours':>9}{'product':>9}{'ratio':>7}{'multiplications':>17}{'recall':>8}"
    )
    logs = []
    for n in SIZES:
        A, B, pairs = planted(n, N_FEATURES, RHO, n // ROWS_PER_PAIR, seed=0)
        ours, result = _ours(A, B, RHO)
        product, factor = timed_plain(A, B, RHO)
        fewer = result.n_multiplications_plain / result.n_multiplications
        note = f"   product scaled from 1/{factor:.0f} of the rows of A" if factor > 1 else ""
        print(
            f"{n:>7,}{'{} x {}'.format(*result.group_size):>9}{result.n_repetitions:>8}{ours:>9.3f}{product:>9.2f}"
            f"{product / ours:>7.1f}{f'1 / {fewer:.1f}':>17}{recall(result, pairs):>8.4f}{note}",
            flush=True,
        )
        logs.append(np.log([n, ours, result.n_multiplications, product]))
    slopes = np.polyfit([row[0] for row in logs], [row[1:] for row in logs], 1)[0]
    print("exponents of n: seconds {:.2f}, multiplications {:.2f}, product {:.2f}; ".format(*slopes), end="")
    print("the reference has n^(2 omega / 3) = n^1.581")


def _by_seed(delta):
    from skfastnn import heavy_pairs

    n_found, worst, slowest = 0, 1.0, 0.0
    for seed in SEEDS:
        A, B, pairs = planted(SEEDS_SIZE, N_FEATURES, RHO, SEEDS_PAIRS, seed)
        seconds, result = timed(lambda A=A, B=B, seed=seed: heavy_pairs(A, B, RHO, delta=delta, random_state=seed))
        share = recall(result, pairs)
        assert (result.inner_products >= RHO * N_FEATURES).all()
        n_found, worst, slowest = n_found + share * len(pairs), min(worst, share), max(slowest, seconds)
    total = len(SEEDS) * SEEDS_PAIRS
    print(f"{len(SEEDS)} seeds, n={SEEDS_SIZE:,}, {SEEDS_PAIRS:,} pairs each, delta={delta:g}: ", end="")
    print(f"recall {n_found / total:.5f} ({total - round(n_found)} of {total:,} missed), ", end="")
    print(f"worst seed {worst:.4f}, slowest {slowest:.2f} s", flush=True)


def _by_degree():
    n = DEGREE_SIZE
    print(f"degrees, n={n:,}: seconds and multiplications as a share of the product's")
    for d, rho in DEGREE_CASES:
        A, B, pairs = planted(n, d, rho, n // ROWS_PER_PAIR, seed=0)
        print(f"d={d}, rho={rho}: product {timed_plain(A, B, rho)[0]:.2f} s", end="")
        for degree in (1, 2):
            seconds, result = _ours(A, B, rho, degree=degree)
            share = result.n_multiplications / result.n_multiplications_plain
            print(f"; degree {degree}, groups {'{} x {}'.format(*result.group_size)}", end="")
            print(f" {seconds:.2f} s, {share:.2f}, recall {recall(result, pairs):.4f}", end="", flush=True)
        print()


def heavy_pairs(n_threads):
    """Planted pairs of +-1 rows: `heavy_pairs` beside the product of the matrices; recall over 20 seeds; degrees."""
    with threadpool_limits(n_threads, user_api="blas"):
        _by_size()
        for delta in DELTAS:
            _by_seed(delta)
        _by_degree()


CASES = {"heavy-pairs": heavy_pairs}
