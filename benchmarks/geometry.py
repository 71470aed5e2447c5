"""A few dimensions: the cases ``halfspace`` (training, prediction, queries) and ``auto`` (the choice of an engine)."""

from functools import partial

import numpy as np

from benchmarks.framework import Entry, case
from benchmarks.measure import PeakMemory, median_seconds, timed

ENGINES = ("dense", "quantized", "correlation_tree", "halfspace")


def smooth(n, d, seed=0):
    """Return rows and a smooth target, float32."""
    X = np.random.default_rng(seed).uniform(-1, 1, (n, d))
    y = np.sin(3 * X[:, 0]) * np.cos(2 * X[:, 1 % d]) + X[:, -1] ** 2
    return X.astype(np.float32), y.astype(np.float32)


def _fast(width, search, epochs, **settings):
    from skfastnn import FastReLURegressor

    return FastReLURegressor(
        hidden_layer_sizes=width, search=search, max_iter=epochs, tol=0.0, n_iter_no_change=10**6, random_state=0,
        alpha=0.0, **settings,
    )  # fmt: skip


def _step(run, m, solver, search, n):
    """Return seconds per step as the difference of two fits, and of the longer one."""
    X, y = smooth(n, 3)
    # enough epochs that setting up, a second for the trees, is not what differs
    more = 3 if search == "dense" else 12
    short = timed(_fast(m, search, 1, solver=solver).fit, X, y)[0]
    longer, model = timed(_fast(m, search, 1 + more, solver=solver).fit, X, y)
    return {"step_seconds": (longer - short) / (more * -(-n // 200)), "seconds": longer, "loss": model.loss_}


def _predict(run, m, rows, how):
    """Return the seconds of predictions by the tree, by tiles of the dense product, or of the product alone."""
    from skfastnn._prediction import raw_output

    model = _fast(m, "halfspace", 1, solver="sgd").fit(*smooth(2_000, 3))
    X = np.random.default_rng(1).uniform(-1, 1, (rows, 3)).astype(np.float32)
    W, c = model.coefs_[0], model.intercepts_[0]

    def tiles():
        return raw_output(X, model.coefs_, model.intercepts_)

    def product():
        for part in range(0, rows, 2_000):
            H = X[part : part + 2_000] @ W
            H += c

    memory = PeakMemory()
    seconds = median_seconds({"tree": lambda: model.predict(X), "tiles": tiles, "product": product}[how], 3)
    difference = np.abs(model.predict(X)[:, None] - tiles()).max()
    return {"predict_seconds": seconds, "peak_mb": memory.growth(), "difference": difference}


def _ball_share(points, normals, offset, leaf=16):
    """Return the share of points that stand in balls, instead of boxes, that reach over the hyperplane."""
    from skfastnn.passes.shared._boxes import spatial_order

    blocks = points[spatial_order(points, points.shape[1])].reshape(-1, leaf, points.shape[1])
    centres = (blocks.min(axis=1) + blocks.max(axis=1)) / 2
    radii = np.linalg.norm(blocks - centres[:, None], axis=2).max(axis=1)
    length = np.linalg.norm(normals, axis=1)
    reach = normals @ centres.T
    cut = (reach + length[:, None] * radii > offset) & (reach - length[:, None] * radii <= offset)
    return cut.mean()


def _normal_points(n, d, n_queries):
    rng = np.random.default_rng(0)
    points, normals = rng.standard_normal((n, d)), rng.standard_normal((n_queries, d))
    return points, normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _shares(run, n, d, offset, n_queries=100):
    """Return the shares of normal points that are reported, scanned with boxes, and scanned with balls.

    Hyperplanes are two standard deviations away, as those of neurons that fire on 2 % of the rows.
    """
    from skfastnn.search import HalfspaceTree

    points, normals = _normal_points(n, d, n_queries)
    tree = HalfspaceTree(points)
    seconds, _ = timed(lambda: [tree.query(normal, offset) for normal in normals])
    shares = {name: tree.counters[name] / n / n_queries for name in ("reported", "points_scanned")}
    return {"query_seconds": seconds / n_queries} | shares | {"in_balls": _ball_share(points, normals, offset)}


def _query(run, n, d, offset, n_queries=200):
    """Return seconds and points scanned of a query, without what Python adds."""
    from skfastnn.passes.shared._boxes import BoxTree, spatial_order
    from skfastnn.search.halfspace._halfspace_query import N_SPARE, points_above

    points, normals = _normal_points(n, d, n_queries)
    tree = BoxTree(*points.shape, points.dtype)
    tree.fill(points, spatial_order(points, d), 1)
    places = np.empty(n + N_SPARE, dtype=np.int32)

    def ask():
        return [points_above(tree, normal, offset, places)[2] for normal in normals]

    scanned = float(np.mean(ask()))
    # the paper's bound, without k, has this exponent
    return {
        "query_seconds": median_seconds(ask, 3) / n_queries,
        "multiplications": scanned * d,
        "bound": 1 - 1 / (d // 2),
    }


@case("halfspace", along="n", small={"m": 4_096, "n": 2_000, "rows": 2_000, "most": 14})
def halfspace(m=65_536, n=20_000, rows=100_000, most=20):
    """d=3, m=65,536: steps beside the other engines, prediction beside products; queries by dimension and number."""
    methods = {"skfastnn": "halfspace"} | {f"skfastnn, {name}": name for name in ENGINES[:-1]}
    ways = {"skfastnn": "tree", "tiles": "tiles", "X @ W + c": "product"}
    return [
        *(
            Entry(name, partial(_step, search=search, n=n), {"m": m, "solver": solver})
            for solver in ("adam", "sgd")
            for name, search in methods.items()
        ),
        *(Entry(name, partial(_predict, how=how), {"m": m, "rows": rows}) for name, how in ways.items()),
        *(
            Entry("skfastnn, shares", _shares, {"n": min(65_536, 2**most), "d": d, "offset": 2.0}, "float64", once=True)
            for d in (2, 3, 4, 6, 8, 10, 12, 16)
        ),
        *(
            Entry("skfastnn, queries", _query, {"n": 2**k, "d": d, "offset": offset}, "float64")
            for d in (2, 3, 4, 6)
            for offset in (0.0, 2.0)
            for k in range(12, most + 1, 2 if most > 16 else 1)
        ),
    ]


# rows, features, neurons, threshold
GRID = [
    (n, d, m, threshold)
    for n in (1_000, 6_000)
    for d, m in ((2, 1_024), (2, 16_384), (4, 4_096), (6, 16_384), (8, 1_024), (8, 16_384), (12, 4_096), (16, 16_384),
                 (32, 1_024), (64, 8_192), (784, 2_048))
    for threshold in ("auto", 0.0)
    if threshold == "auto" or (n == 1_000 and m <= 8_192)
]  # fmt: skip


def _whole_fit(run, n, d, m, threshold, search):
    X = np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)
    y = np.sin(X[:, 0]) + X[:, 1]
    fit = _fast(m, search, 10, solver="adam", threshold=threshold).fit
    fit(X[:100], y[:100])
    seconds, model = timed(fit, X, y)
    return {"seconds": seconds, "loss": model.loss_, "search": model.search_}


@case("auto", small={"n_places": 1})
def auto(n_places=None):
    """The engine that search="auto" takes, beside the others: fits of 10 epochs by rows, features and neurons."""
    places = [dict(zip(("n", "d", "m", "threshold"), values, strict=True)) for values in GRID[:n_places]]
    return [
        Entry("skfastnn" if search == "auto" else f"skfastnn, {search}", partial(_whole_fit, search=search), place)
        for place in places
        for search in ("auto", *ENGINES)
        # above, hundreds of box tests that never exclude anything
        if search != "halfspace" or place["d"] <= 64
    ]
