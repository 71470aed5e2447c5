"""Heavy inner products of P5: claims 17 to 19."""

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.claims.record import FAILS, FROM, HOLDS, Claim, slope
from benchmarks.heavy import planted, recall

RHO, N_FEATURES = 0.5, 4_096
SIZES = [2**k for k in range(11, 16)]
TAU = 3.0


def exponent():
    """Return claim 17."""
    from skfastnn import heavy_pairs

    rows = []
    for n in SIZES:
        A, B, pairs = planted(n, N_FEATURES, RHO, max(1, n // 256), seed=0)
        found = heavy_pairs(A, B, RHO, random_state=0)
        plain = found.n_multiplications_plain
        rows.append([n, N_FEATURES, 1, found.n_multiplications, plain / found.n_multiplications, recall(found, pairs)])
    # with fewer rows, most multiplications are those of the sample by which groups are planned
    grown = slope(SIZES[-2:], [row[3] for row in rows[-2:]])
    for degree in (1, 2):
        A, B, pairs = planted(4_096, 128, 0.9, 16, seed=0)
        found = heavy_pairs(A, B, 0.9, degree=degree, random_state=0)
        fewer = found.n_multiplications_plain / found.n_multiplications
        rows.append([4_096, 128, degree, found.n_multiplications, fewer, recall(found, pairs)])
    return [
        Claim(
            17,
            "P5",
            "All heavy pairs are found in O(n^(2 omega / 3)) = O(n^1.58) operations.",
            f"heavy_pairs on planted pairs at rho = {RHO} (rho = 0.9 with 128 features), one pair in 256 rows; "
            "multiplications as "
            "the function counts them, with BLAS's classical product.",
            ["n", "d", "degree", "multiplications", "times fewer than n^2 d", "recall"],
            rows,
            HOLDS if grown <= 1.6 else FAILS,
            f"From the last doubling the exponent of n is {grown:.2f} at degree 1: groups save a factor, of "
            f"{rows[len(SIZES) - 1][4]:.0f} at n = "
            f"{SIZES[-1]:,}, not an exponent. Degree 2 multiplies {rows[-1][3] / rows[-2][3]:.1f} times as much. The "
            "exponent of the "
            "paper needs fast matrix multiplication and sizes beyond any use.",
            {},
        )
    ]


def _cells(A, B, g, rng):
    """Return the sums over the cells of g x g pairs, with new random signs."""
    sums = []
    for rows in (A, B):
        signs = rng.choice(np.array([-1, 1], dtype=np.float32), len(rows))
        sums.append((signs[:, None] * rows).reshape(len(rows) // g, g, -1).sum(axis=1))
    return sums[0] @ sums[1].T


def published(A, B, rho, rng):
    """Return the pairs that P5's algorithm of degree one finds: fixed groups of n^(1/3), most of 10 ln n votes."""
    n, d = A.shape
    g = round(n ** (1 / 3))
    A, B = A.astype(np.float32), B.astype(np.float32)
    n_votes = int(np.ceil(10 * np.log(n)))
    votes = sum(np.abs(_cells(A, B, g, rng)) >= rho * d / 2 for _ in range(n_votes))
    pairs = []
    for i, j in np.argwhere(votes > n_votes / 2):
        products = A[i * g : (i + 1) * g] @ B[j * g : (j + 1) * g].T
        pairs.append(np.argwhere(products >= rho * d) + [i * g, j * g])
    return np.concatenate(pairs) if pairs else np.empty((0, 2), dtype=int)


def success():
    """Return claim 18."""
    from skfastnn import heavy_pairs

    rows = []
    for n, n_trials in ((512, 30), (1_728, 8)):
        for n_pairs in (1, round(n ** (1 / 3)), 4 * round(n ** (1 / 3))):
            shares, ours, complete = [], [], 0
            for seed in range(n_trials):
                A, B, pairs = planted(n, N_FEATURES, RHO, n_pairs, seed)
                found = {tuple(pair) for pair in published(A, B, RHO, np.random.default_rng(seed)).tolist()}
                shares.append(np.mean([tuple(pair) in found for pair in pairs.tolist()]))
                ours.append(recall(heavy_pairs(A, B, RHO, random_state=seed), pairs))
                complete += shares[-1] == 1
            promised = max(0.0, 1 - n**-5 - n_pairs**2 / n ** (2 / 3))
            rows.append([n, n_pairs, n_trials, complete / n_trials, promised, np.mean(shares), np.mean(ours)])
    return [
        Claim(
            18,
            "P5",
            "All pairs are found with probability 1 - n^-5 - k^2 / n^(2/3).",
            "P5's algorithm at degree one (groups of n^(1/3), a majority of 10 ln n votes at half of rho d), d = "
            f"{N_FEATURES:,}, rho = "
            f"{RHO}, k planted pairs; beside heavy_pairs, which promises to miss each with probability 0.001 at most.",
            ["n", "k", "trials", "all found", "promised", "recall", "recall of heavy_pairs"],
            rows,
            HOLDS if all(row[3] >= row[4] for row in rows) else FAILS,
            f"All pairs were found in at least {min(row[3] for row in rows):.0%} of the trials of each line. The "
            f"promise is empty from k = n^(1/3) on, where recall was still {min(row[5] for row in rows):.3f} or more.",
            {},
        )
    ]


def separation(n=1_024, g=8, n_pairs=16):
    """Return claim 19."""
    rows = []
    for d in (64, 256, 1_024, 4_096):
        snr = RHO * np.sqrt(d) / g
        heavy, values, v = [], [], 0.0
        for seed in range(5):
            A, B, pairs = planted(n, d, RHO, n_pairs, seed)
            cells = np.zeros((n // g, n // g), dtype=bool)
            cells[pairs[:, 0] // g, pairs[:, 1] // g] = True
            heavy.append(cells.ravel())
            rng = np.random.default_rng(seed)
            values.append(np.abs(_cells(A.astype(np.float32), B.astype(np.float32), g, rng)).ravel())
            products = A.astype(np.float32) @ B.astype(np.float32).T
            v = max(v, np.quantile(np.abs(products), 1 - 1 / n))
        heavy, values = np.concatenate(heavy), np.concatenate(values)
        hit = [np.mean(values[heavy] >= t) for t in (TAU * g * v, RHO * d / 2)]
        false = [np.mean(values[~heavy] >= t) for t in (TAU * g * v, RHO * d / 2)]
        rows.append([d, snr, roc_auc_score(heavy, values), hit[0], false[0], hit[1], false[1]])
    good = [row for row in rows if row[3] >= 0.9 and row[4] <= 0.1]
    last = rows[-1]
    return [
        Claim(
            19,
            "P5",
            "The threshold tau n^(1/3) v^r tells cells with a heavy pair from others.",
            f"Degree r = 1, n = {n:,}, cells of {g} x {g} pairs, rho = {RHO}, one draw of signs; v is the 1 - 1/n "
            "quantile of the background, tau = 3. SNR, the signal over the noise of a cell, is rho sqrt(d) / g; AUC is "
            "the area under the ROC curve of |C|: 1 if cells can be told apart, 0.5 if not. Then the share of cells "
            "with a heavy pair, and of others, beyond the published threshold, and beyond half of rho d.",
            ["d", "SNR", "AUC", "hits, published", "false, published", "hits, half", "false, half"],
            rows,
            FROM if good else FAILS,
            (f"from SNR = {good[0][1]:g} on: " if good else "")
            + f"The published threshold of degree one hits {last[3]:.0%} at SNR {last[1]:g}: it needs "
            "rho d > 3 v n^(1/3). |C| itself does tell them apart where the signal is strong (AUC "
            f"{last[2]:.3f} there, {rows[0][2]:.2f} at SNR {rows[0][1]:g}): half of rho d hits {last[5]:.0%} with "
            f"{last[6]:.1%} false ones.",
            {"x": "SNR", "y": ["AUC", "hits, half", "false, half"], "log": "x"},
        )
    ]
