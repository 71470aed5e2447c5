"""A few dimensions: the cases ``halfspace`` (training, prediction, queries) and ``auto`` (the choice of an engine)."""

import numpy as np

from benchmarks.measure import PeakMemory, timed

N_REPEATS = 3
ENGINES = ("dense", "quantized", "correlation_tree", "halfspace")
SIZES = [2**k for k in range(12, 21, 2)]


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


def _step(search, more, X, y, width, **settings):
    """Return seconds per step as the difference of two fits."""
    short = timed(_fast(width, search, 1, **settings).fit, X, y)[0]
    longer = timed(_fast(width, search, 1 + more, **settings).fit, X, y)[0]
    return (longer - short) / (more * -(-len(X) // 200))


def _training(width=65_536, n=20_000):
    X, y = smooth(n, 3)
    print(f"training, d=3, m={width:,}, n={n:,}, batch 200, float32: ms per step (median, min-max); fit of 6 epochs")
    for solver in ("adam", "sgd"):
        seconds = {search: [] for search in ENGINES}
        timed(_fast(width, "correlation_tree", 1, solver=solver).fit, X, y)
        for _ in range(N_REPEATS):
            for search in ENGINES:
                # enough epochs that setting up, a second for the trees, is not what differs
                seconds[search].append(1e3 * _step(search, 3 if search == "dense" else 12, X, y, width, solver=solver))
        mine = np.median(seconds["halfspace"])
        for search, s in seconds.items():
            fit, model = timed(_fast(width, search, 6, solver=solver).fit, X, y)
            print(f"  {solver:5}{search:18}{np.median(s):>7.2f} ({min(s):.2f}-{max(s):.2f}) ms, ", end="")
            print(f"{np.median(s) / mine:.1f} x halfspace; fit {fit:.2f} s, loss {model.loss_:.5f}")
    return model


def _prediction(model, n=100_000):
    from skfastnn._prediction import raw_output

    X = np.random.default_rng(1).uniform(-1, 1, (n, 3)).astype(np.float32)
    W, c = model.coefs_[0], model.intercepts_[0]
    timed(model.predict, X[:2_000])
    memory = PeakMemory()
    tree = [timed(model.predict, X)[0] for _ in range(N_REPEATS)]
    growth = memory.growth()
    tiles = [timed(raw_output, X, model.coefs_, model.intercepts_)[0] for _ in range(N_REPEATS)]

    def product():
        for part in range(0, n, 2_000):
            H = X[part : part + 2_000] @ W
            H += c

    products = [timed(product)[0] for _ in range(N_REPEATS)]
    mine = np.median(tree)
    difference = np.abs(model.predict(X)[:, None] - raw_output(X, model.coefs_, model.intercepts_)).max()
    print(f"predict, {n:,} rows: {mine:.3f} s, memory grows by {growth:.0f} MB; ", end="")
    print(f"tiles of the dense product {np.median(tiles):.2f} s ({np.median(tiles) / mine:.1f} x), ", end="")
    print(f"X W + c alone {np.median(products):.2f} s ({np.median(products) / mine:.1f} x); differ by {difference:.1e}")


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


def share_scanned(d, n=65_536, n_queries=100, seed=0):
    """Return the shares of normal points that are reported, scanned with boxes, and scanned with balls.

    Hyperplanes are two standard deviations away, as those of neurons that fire on 2 % of the rows.
    """
    from skfastnn.search import HalfspaceTree

    rng = np.random.default_rng(seed)
    points, normals = rng.standard_normal((n, d)), rng.standard_normal((n_queries, d))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    tree = HalfspaceTree(points)
    for normal in normals:
        tree.query(normal, 2.0)
    counts = tree.counters
    return (
        counts["reported"] / n / n_queries,
        counts["points_scanned"] / n / n_queries,
        _ball_share(points, normals, 2.0),
    )


def _queries():
    print("share of 65,536 normal points scanned per query, 2.3 % reported:")
    for d in (2, 3, 4, 6, 8, 10, 12, 16):
        reported, boxes, balls = share_scanned(d)
        print(f"  d={d:<3} reported {reported:.3f}, scanned with boxes {boxes:.4f}, with balls {balls:.4f}")
    print("microseconds per query of m normal points, hyperplanes through the middle and two deviations away:")
    for d in (2, 3, 4, 6):
        rng = np.random.default_rng(0)
        points, normals = rng.standard_normal((2**20, d)), rng.standard_normal((200, d))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        for offset in (0.0, 2.0):
            micro, scanned = zip(*(_queried(points[:m], normals, offset) for m in SIZES), strict=True)
            slopes = [np.polyfit(np.log(SIZES), np.log(numbers), 1)[0] for numbers in (micro, scanned)]
            print(
                f"  d={d}, offset {offset:g}: {' '.join(f'{s:.1f}' for s in micro)}; slope of time {slopes[0]:.2f}, ",
                end="",
            )
            print(f"of points scanned {slopes[1]:.2f}, of the paper's bound without k {1 - 1 / (d // 2):.2f}")


def _queried(points, normals, offset):
    """Return microseconds and points scanned of a query, without what Python adds."""
    from skfastnn.passes.shared._boxes import BoxTree, spatial_order
    from skfastnn.search.halfspace._halfspace_query import N_SPARE, points_above

    tree = BoxTree(*points.shape, points.dtype)
    tree.fill(points, spatial_order(points, points.shape[1]), 1)
    places = np.empty(len(points) + N_SPARE, dtype=np.int32)

    def ask():
        return [points_above(tree, normal, offset, places)[2] for normal in normals]

    runs = [timed(ask) for _ in range(N_REPEATS)]
    return 1e6 * np.median([seconds for seconds, _ in runs]) / len(normals), np.mean(runs[0][1])


def halfspace(n_threads):
    """d=3, m=65,536: steps beside the other engines, prediction beside products; queries by dimension and number."""
    _prediction(_training())
    _queries()


# rows, features, neurons, threshold
GRID = [
    (n, d, m, threshold)
    for n in (1_000, 6_000)
    for d, m in ((2, 1_024), (2, 16_384), (4, 4_096), (6, 16_384), (8, 1_024), (8, 16_384), (12, 4_096), (16, 16_384),
                 (32, 1_024), (64, 8_192), (784, 2_048))
    for threshold in ("auto", 0.0)
    if threshold == "auto" or (n == 1_000 and m <= 8_192)
]  # fmt: skip


def auto(n_threads, epochs=10):
    """The engine that search="auto" takes, beside the fastest, on a grid of rows, features and neurons."""
    worst = 0.0
    print(f"whole fits of {epochs} epochs, adam, batch 200, float32, normal rows; seconds")
    print(f"{'rows':>6}{'d':>5}{'m':>8}{'b':>6}" + "".join(f"{search:>18}" for search in ENGINES) + "  auto, ratio")
    for n, d, m, threshold in GRID:
        X = np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)
        y = np.sin(X[:, 0]) + X[:, 1]
        seconds = {search: [] for search in (*ENGINES, "auto")}
        for _ in range(N_REPEATS):
            for search, runs in seconds.items():
                if search == "halfspace" and d > 64:
                    runs.append(np.inf)  # hundreds of box tests that never exclude anything
                    continue
                s, model = timed(_fast(m, search, epochs, solver="adam", threshold=threshold).fit, X, y)
                runs.append(s)
        chosen = model.search_
        times = {search: min(runs) for search, runs in seconds.items()}
        ratio = times[chosen] / min(times[search] for search in ENGINES)
        worst = max(worst, ratio)
        row = "".join(f"{times[search]:>18.3f}" for search in ENGINES)
        print(f"{n:>6}{d:>5}{m:>8}{threshold!s:>6}{row}  {chosen}, {ratio:.2f}", flush=True)
    print(f"worst ratio {worst:.2f}")


CASES = {"auto": auto, "halfspace": halfspace}
