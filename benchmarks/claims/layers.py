"""Several layers, as in P4: claims 14 to 16."""

import warnings

import numpy as np
from scipy.special import ndtr
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from benchmarks.claims.network import unit_rows
from benchmarks.claims.record import FAILS, FROM, HOLDS, Claim, slope
from benchmarks.sketches import scatter, shift, sparse_rows

DEPTH, N_EPOCHS = 4, 6
WIDTHS, N_POINTS, N_STEPS = (512, 1_024, 2_048, 4_096), 4, 12
SHIFTS, NORM_WIDTH, N_INPUTS = (1.0, 1.5, 1.82), 2_048, 200


def _density(b):
    return np.exp(-(b**2) / 2) / np.sqrt(2 * np.pi)


def activations(width, b, depth, seed=0, n_features=64, n_inputs=N_INPUTS):
    """Return the activations of each layer of P4's network at the start, scaled so that E |h|^2 is one."""
    rng = np.random.default_rng(seed)
    H, layers = unit_rows(n_inputs, n_features, rng), []
    scale = np.sqrt(1 / (2 * (ndtr(-b) + b * _density(b))))
    for _ in range(depth):
        Z = H @ (rng.standard_normal((H.shape[1], width)) * np.sqrt(2 / width))
        H = scale * Z * (np.sqrt(2 / width) * b < Z)
        layers.append(H)
    return layers


def _trained(width, solver):
    """Return what fires in each layer: at the start, in the epoch with most, and on the row with most at the end."""
    from skfastnn import FastReLUClassifier

    X, y = load_digits(return_X_y=True)
    X, y, b = X[:500].astype(np.float32), y[:500], shift(width)
    model = FastReLUClassifier(
        (width,) * 3,
        solver=solver,
        threshold=b,
        learning_rate_init=1e-12,
        max_iter=1,
        tol=0,
        alpha=0,
        warm_start=True,
        n_iter_no_change=10**6,
        random_state=0,
    ).fit(X, y)
    model.set_params(learning_rate_init=1e-3 if solver == "adam" else "auto", max_iter=N_EPOCHS).fit(X, y)
    H, most = X, []
    for W, c in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        H = np.maximum(H @ W + c, 0)
        most.append(np.count_nonzero(H, axis=1).max() / width)
    rates = np.array(model.firing_curve_)
    return rates[0], rates.max(axis=0), most


def fired_by_layer():
    """Return claim 14."""
    rows = []
    for width in (1_024, 4_096):
        for layer, H in enumerate(activations(width, shift(width), DEPTH), 1):
            counts = np.count_nonzero(H, axis=1)
            rows.append(["P4's start", width, layer, counts.mean() / width, "", counts.max() / width, width**-0.2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for width in (1_024, 4_096):
            for solver in ("sgd", "adam"):
                for layer, numbers in enumerate(zip(*_trained(width, solver), strict=True), 1):
                    rows.append([f"estimator, {solver}", width, layer, *numbers, width**-0.2])
    most = {}
    for row in rows:
        kind = row[0].rpartition(" ")[2]
        mean, single = most.get(kind, (0.0, 0.0))
        most[kind] = max(mean, max(row[3], row[4] or 0) / row[6]), max(single, row[5] / row[6])
    return [
        Claim(
            14,
            "P4",
            "In every layer and step at most O(m^(4/5)) neurons fire.",
            f"b = sqrt(0.4 ln m). P4's network at its start, {N_INPUTS} random inputs; and FastReLUClassifier with "
            "three layers on "
            f"500 digits, {N_EPOCHS} epochs (whose intercepts are drawn around -b above the first layer). "
            "Shares of the neurons that fire; the bound is m^(4/5) / m.",
            ["network", "m", "layer", "mean at the start", "mean, most of the epochs", "most of any input", "bound"],
            rows,
            HOLDS if max(most["sgd"]) <= 1 else FROM if most["start"][1] <= 1 and most["sgd"][0] <= 1 else FAILS,
            f"for the average input at the start and under sgd: means are at most {most['start'][0]:.2f} and "
            f"{most['sgd'][0]:.2f} of the bound, single inputs {most['start'][1]:.2f} and {most['sgd'][1]:.2f} times "
            "as many. "
            f"With Adam, which is not P4's training, they are {most['adam'][0]:.2f} and {most['adam'][1]:.2f} times "
            "as many.",
            {},
        )
    ]


def update_cost():
    """Return claim 15."""
    from skfastnn.lowrank import LazyLowRankMatrix

    rows = []
    for width in WIDTHS:
        rng = np.random.default_rng(0)
        W = rng.normal(size=(width, width))
        lazy, columns = LazyLowRankMatrix(W), np.ascontiguousarray(W.T)
        for _ in range(N_STEPS):
            U, H = (sparse_rows(N_POINTS, width, rng) for _ in "UH")
            lazy.update(U.T, H.T)
            lazy.query_rows(H)
            scatter(columns, U, H)
        lazy.flush()
        np.testing.assert_allclose(lazy.to_array(), columns.T, atol=1e-9)
        n, k, counts = N_POINTS * N_STEPS, U.nnz // N_POINTS, lazy.counters
        kinds = ("query_multiplications", "factor_multiplications", "flush_multiplications")
        rows.append([width, k, k**2, *(counts[kind] / n for kind in kinds), width**2])
    names = ["scatter", "product with W", "product with factors", "flush"]
    slopes = {name: slope(WIDTHS, [row[2 + i] for row in rows]) for i, name in enumerate(names)}
    return [
        Claim(
            15,
            "P4",
            "After the start an iteration takes m^(2 - Omega(1)) operations.",
            f"LazyLowRankMatrix at the published restart size, {N_STEPS} updates of {N_POINTS} points each, rows "
            "with as many entries "
            "as neurons fire at b = sqrt(0.4 ln m); multiplications for each point. Scatter adds the update to the "
            "fired entries of "
            "the matrix instead; both end in the same matrix.",
            ["m", "k", *names, "m^2"],
            rows,
            FROM if slopes["scatter"] < 1.9 and slopes["product with W"] < 1.9 <= slopes["flush"] else FAILS,
            f"for updates that are scattered: their exponent is {slopes['scatter']:.2f}, and "
            f"{slopes['product with W']:.2f} of the "
            "products. The published lazy updates do not reach it: with classical multiplication a flush has the "
            "exponent "
            f"{slopes['flush']:.2f}, {rows[-1][5] / rows[-1][6]:.1f} m^2 for each point.",
            {"x": "m", "y": [*names, "m^2"], "log": "xy"},
        )
    ]


def norms():
    """Return claim 16."""
    rows = []
    for b in SHIFTS:
        for layer, H in enumerate(activations(NORM_WIDTH, b, DEPTH), 1):
            lengths = np.linalg.norm(H, axis=1)
            rows.append([b, layer, np.mean(lengths**2), lengths.mean(), lengths.std(), int(np.sum(lengths == 0))])
    gentle, steep = (next(row for row in rows if row[:2] == [b, DEPTH]) for b in (SHIFTS[0], SHIFTS[-1]))
    return [
        Claim(
            16,
            "P4",
            "With the factor c_b activations keep length one in every layer.",
            f"P4's network at its start, m = {NORM_WIDTH:,}, {N_INPUTS} random inputs of length one, {DEPTH} layers; "
            "lengths of the activations behind each. The claim is that the mean is 1 and the deviation small.",
            ["b", "layer", "mean squared length", "mean length", "deviation of length", "inputs of length 0"],
            rows,
            HOLDS if steep[4] < 0.2 else FROM if gentle[4] < 0.2 else FAILS,
            f"for small thresholds only: the deviation over inputs after {DEPTH} layers is {gentle[4]:.2f} at b = "
            f"{SHIFTS[0]:g}, but "
            f"{steep[4]:.2f} at b = {SHIFTS[-1]:g}, where {steep[5]} of {N_INPUTS} inputs have died out. The mean "
            "holds "
            f"({min(row[3] for row in rows):.2f} to {max(row[3] for row in rows):.2f}); the threshold is absolute, "
            "so a short "
            "activation fires less and becomes shorter.",
            {"x": "layer", "y": ["deviation of length"], "by": "b", "log": ""},
        )
    ]
