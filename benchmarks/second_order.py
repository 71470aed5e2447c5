"""Gauss-Newton beside what it replaces: the cases ``gauss-newton``, ``gn-iteration``, ``kin8nm``, ``probabilities``."""

import time
from functools import partial

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from benchmarks.data import FILES
from benchmarks.framework import Entry, case
from benchmarks.measure import epoch_seconds, timed
from benchmarks.sketches import shift

# kin8nm: the loss to reach, as a share of that of the mean, and the seconds after which a peer is stopped
TARGET, PATIENCE = 1e-3, 150.0


def _classifier(seed=0, **settings):
    from skfastnn import FastReLUClassifier

    return FastReLUClassifier(random_state=seed, **settings)


def _mlp(seed=0, **settings):
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(max_iter=1000, random_state=seed, **settings)


def _scores(model, X, y):
    """Return accuracy, log-loss and Brier score."""
    from sklearn.metrics import log_loss

    p = model.predict_proba(X)
    brier = np.mean(np.sum((p - (y[:, None] == model.classes_)) ** 2, axis=1))
    loss = log_loss(y, p, labels=model.classes_)
    return {"accuracy": model.score(X, y), "log_loss": loss, "brier": brier}


def _digits_fit(run, split, make):
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    X, y = load_digits(return_X_y=True)
    how = {"random_state": 0, "stratify": y} if split == "one" else {"random_state": run.seed}
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, **how)
    # libraries are loaded by a fit of a few rows
    make().fit(X_train[:100], y_train[:100])
    seconds, model = timed(make(run.seed).fit, X_train, y_train)
    return {"seconds": seconds} | _scores(model, X_test, y_test)


@case("gauss-newton", repeats=10, small={"splits": ("one",)})
def digits(splits=("one", "ten")):
    """Digits, 30 % test: accuracy, seconds, log-loss and Brier score beside MLPClassifier, all defaults."""
    wide = partial(_mlp, hidden_layer_sizes=(512,))
    makers = {"skfastnn": _classifier, "MLPClassifier((512,))": wide, "MLPClassifier()": _mlp}
    return [
        Entry(name, partial(_digits_fit, make=make), {"split": split}, "float64")
        for split in splits
        for name, make in makers.items()
    ]


def _iteration(run, m, threshold, dense):
    from sklearn.datasets import load_digits

    from skfastnn import FastReLURegressor

    X, y = load_digits(return_X_y=True)
    X, Y = X[:1257], np.eye(10)[y[:1257]]
    if dense:
        seconds, loss = timed(dense_iteration, X, Y, m, threshold, 1e-3)
        return {"seconds": seconds, "loss": loss}
    settings = {"threshold": threshold, "alpha": 1e-3, "random_state": 0, "tol": 0.0}
    model = FastReLURegressor(hidden_layer_sizes=m, solver="gauss_newton", max_iter=1, **settings)
    return {"seconds": timed(model.fit, X, Y)[0], "loss": model.loss_}


@case("gn-iteration", small={"widths": (512,)})
def iteration(widths=(4_096, 16_384)):
    """One iteration on digits, one-hot targets, beside the same iteration with dense NumPy products."""
    return [
        Entry(
            name, partial(_iteration, dense=name != "skfastnn"), {"m": m, "threshold": round(threshold, 2)}, "float64"
        )
        for m in widths
        for threshold in (1.0, shift(m))
        for name in ("skfastnn", "NumPy")
    ]


def dense_iteration(X, Y, width, threshold, alpha, n_cg=60, tolerance=0.03):
    """Take the first Gauss-Newton step with dense products, squared error; return the loss after it.

    The same start (other draws), kernel, preconditioner, tolerance of conjugate gradients and ridge.
    """
    rng = np.random.default_rng(0)
    x = X - X.mean(axis=0)
    x /= np.sqrt(np.mean(np.sum(x**2, axis=1)))
    n, k = Y.shape
    target = (Y - Y.mean(axis=0)) / Y.std(axis=0)
    W = np.repeat(rng.standard_normal((width // 2, x.shape[1])), 2, axis=0)
    V = 2 * rng.choice([-1.0, 1.0], (width // 2, k))
    V = np.stack([V, -V], axis=1).reshape(width, k)
    Z = x @ W.T - threshold
    H, fires = np.maximum(Z, 0), (Z > 0).astype(float)
    square_scale = 1 / (width * np.mean(H**2))
    K = square_scale * ((1 + x @ x.T) * ((fires * np.mean(V**2, axis=1)) @ fires.T) + H @ H.T) + 1
    ridge = alpha * np.mean(K.diagonal()) / n / k
    factor = cho_factor(ridge * np.eye(n) + K / (n * k))

    def transposed(u):
        signal = fires * (u @ V.T)
        return signal.T @ x, signal.sum(axis=0), H.T @ u

    def times(W_, c_, V_):
        return (fires * (x @ W_.T + c_)) @ V + H @ V_

    def system(a):
        return ridge * a + (square_scale * times(*transposed(a)) + a.sum(axis=0)) / (n * k)

    right = target / np.sqrt(n * k)
    a, r = np.zeros_like(right), right.copy()
    p = z = cho_solve(factor, r)
    for _ in range(n_cg):
        if np.linalg.norm(r) <= tolerance * np.linalg.norm(right):
            break
        q = system(p)
        old = np.vdot(r, z)
        step = old / np.vdot(p, q)
        a, r = a + step * p, r - step * q
        z = cho_solve(factor, r)
        p = z + np.vdot(r, z) / old * p
    scale = np.sqrt(square_scale)
    W_, c_, V_ = transposed(a / np.sqrt(n * k))
    output = np.maximum(x @ (W + scale * W_).T - threshold + scale * c_, 0) @ (V + scale * V_) * scale
    return 0.5 * np.mean((output + a.sum(axis=0) / np.sqrt(n * k) - target) ** 2)


def _kin8nm(n_rows):
    with np.load(FILES["uci_regression"].path) as file:
        X, y = file["kin8nm/X"][:n_rows], file["kin8nm/y"][:n_rows]
    return (X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean()) / y.std()


def _fast_descent(run, m, n_rows):
    """Fit to the automatic stop, which is at the target; the way there says when a peer's loss was passed."""
    from skfastnn import FastReLURegressor

    settings = {"solver": "gauss_newton", "alpha": 1e-5, "random_state": 0, "search": "dense"}
    fit = FastReLURegressor(hidden_layer_sizes=m, **settings).fit
    total, (per_iteration, model) = timed(epoch_seconds, fit, *_kin8nm(n_rows))
    at = total - np.sum(per_iteration) + np.cumsum(per_iteration)
    way = " ".join(f"{2 * loss:.1e}@{s:.1f}s" for loss, s in zip(model.loss_curve_, at, strict=True))
    return {"seconds": total, "loss": 2 * model.loss_, "steps": model.n_iter_, "way": way}


def _peer_descent(run, m, descend, patience, n_rows):
    seconds, (loss, steps) = timed(descend, *_kin8nm(n_rows), m, run.n_threads, patience)
    return {"seconds": seconds, "loss": loss, "steps": steps}


@case("kin8nm", data=("uci_regression",), repeats=1, small={"m": 64, "patience": 1.0, "n_rows": 400})
def kin8nm(m=8_192, patience=PATIENCE, n_rows=None):
    """kin8nm, 8,192 x 8: seconds to a thousandth of the squared loss at the start, or to that at which L-BFGS stops."""
    peer = partial(_peer_descent, patience=patience, n_rows=n_rows)
    peers = {"torch L-BFGS": _torch, "MLPRegressor": _scikit}
    return [
        Entry("skfastnn", partial(_fast_descent, n_rows=n_rows), {"m": m}, "float64"),
        *(Entry(name, partial(peer, descend=descend), {"m": m}, "float64") for name, descend in peers.items()),
    ]


def _scikit(X, y, width, n_threads, patience):
    """Fit until the target, or until patience ends: L-BFGS of SciPy has no clock of its own."""
    from sklearn.neural_network import MLPRegressor

    model = MLPRegressor(hidden_layer_sizes=(width,), solver="lbfgs", alpha=0.0, max_iter=10**6, random_state=0)
    reached, start = [], time.perf_counter()
    backprop = type(model)._backprop

    class Enough(Exception):
        pass

    def watched(*arguments):
        loss, *gradients = backprop(model, *arguments)
        reached.append(2 * loss)
        if 2 * loss < TARGET or time.perf_counter() - start > patience:
            raise Enough
        return (loss, *gradients)

    model._backprop = watched
    try:
        model.fit(X, y)
    except Enough:
        pass
    return min(reached), len(reached)


def _torch(X, y, width, n_threads, patience):
    import torch

    torch.set_num_threads(n_threads)
    torch.manual_seed(0)
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    layers = torch.nn.Sequential(torch.nn.Linear(8, width), torch.nn.ReLU(), torch.nn.Linear(width, 1)).double()
    optimizer = torch.optim.LBFGS(layers.parameters(), max_iter=20, history_size=10, line_search_fn="strong_wolfe")
    start, count = time.perf_counter(), [0]

    def closure():
        optimizer.zero_grad()
        loss = torch.mean((layers(X)[:, 0] - y) ** 2)
        loss.backward()
        count[0] += 1
        return loss

    loss = 1.0
    while loss > TARGET and time.perf_counter() - start < patience:
        optimizer.step(closure)
        with torch.no_grad():
            loss = float(torch.mean((layers(X)[:, 0] - y) ** 2))
    return loss, count[0]


def _uci_folds(run, set, make):
    with np.load(FILES["uci_classification"].path) as file:
        data = {key.split("/")[1]: file[key] for key in file if key.startswith(set + "/")}
    X, y, spent, found = data["X"], data["y"], 0.0, []
    for fold in range(4):
        train, test = data[f"fold{fold}_train"], data[f"fold{fold}_test"]
        seconds, model = timed(make(run.seed).fit, X[train], y[train])
        spent += seconds
        found.append(_scores(model, X[test], y[test]))
    return {"seconds": spent} | {name: np.mean([scores[name] for scores in found]) for name in found[0]}


@case("probabilities", data=("uci_classification",), repeats=1, small={"names": ("statlog-vehicle",)})
def probabilities(names=("cardiotocography-10clases", "statlog-vehicle", "waveform-noise")):
    """Log-loss and Brier score on three UCI sets, four folds each, beside MLPClassifier."""
    makers = {
        "skfastnn": _classifier,
        "skfastnn, alpha=loo": partial(_classifier, alpha="loo"),
        "adam_gauss_newton, loo": partial(_classifier, solver="adam_gauss_newton", alpha="loo"),
        "MLPClassifier": _mlp,
        "MLPClassifier((512,))": partial(_mlp, hidden_layer_sizes=(512,)),
    }
    return [
        Entry(label, partial(_uci_folds, make=make), {"set": name}) for name in names for label, make in makers.items()
    ]
