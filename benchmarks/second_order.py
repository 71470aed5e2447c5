"""Gauss-Newton beside what it replaces: the cases ``gauss-newton``, ``gn-iteration``, ``kin8nm``, ``probabilities``."""

import time
from pathlib import Path

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from benchmarks.measure import epoch_seconds, timed
from benchmarks.sketches import shift

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
KIN8NM, UCI = DATA / "uci_regression.npz", DATA / "uci_classification.npz"
N_RUNS = 10
# kin8nm: the loss to reach, as a share of that of the mean, and the seconds after which a peer is stopped
TARGET, PATIENCE = 1e-3, 150.0


def digits(n_threads):
    """Digits, 30 % test: accuracy, seconds, log-loss and Brier score beside MLPClassifier, all defaults."""
    from sklearn.datasets import load_digits
    from sklearn.metrics import log_loss
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier

    from skfastnn import FastReLUClassifier

    X, y = load_digits(return_X_y=True)
    makers = {
        "skfastnn": lambda seed: FastReLUClassifier(random_state=seed),
        "MLPClassifier((512,))": lambda seed: MLPClassifier((512,), max_iter=1000, random_state=seed),
        "MLPClassifier()": lambda seed: MLPClassifier(max_iter=1000, random_state=seed),
    }
    for title, split in (
        ("one stratified split, ten seeds", lambda seed: {"random_state": 0, "stratify": y}),
        ("ten splits", lambda seed: {"random_state": seed}),
    ):
        results = {name: [] for name in makers}
        for seed in range(N_RUNS):
            X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, **split(seed))
            for name, make in makers.items():
                model = make(seed)
                seconds, _ = timed(model.fit, X_train, y_train)
                p = model.predict_proba(X_test)
                brier = np.mean(np.sum((p - np.eye(10)[y_test]) ** 2, axis=1))
                results[name].append((model.score(X_test, y_test), seconds, log_loss(y_test, p), brier))
        print(f"{title:34}{'accuracy':>9}{'seconds':>9}{'log-loss':>10}{'Brier':>8}")
        for name, rows in results.items():
            accuracy, seconds, loss, brier = np.mean(rows, axis=0)
            print(f"{name:34}{accuracy:>9.4f}{seconds:>9.3f}{loss:>10.4f}{brier:>8.4f}")


def iteration(n_threads, widths=(4_096, 16_384)):
    """One iteration on digits, one-hot targets, beside the same iteration with dense NumPy products."""
    from sklearn.datasets import load_digits

    from skfastnn import FastReLURegressor

    X, y = load_digits(return_X_y=True)
    X, Y = X[:1257], np.eye(10)[y[:1257]]
    print(f"{'m':>7}{'b':>6}{'skfastnn s':>12}{'dense s':>9}{'ratio':>7}{'loss':>11}{'dense loss':>12}")
    for width in widths:
        for threshold in (1.0, shift(width)):
            settings = {
                "hidden_layer_sizes": width,
                "threshold": threshold,
                "alpha": 1e-3,
                "random_state": 0,
                "tol": 0.0,
            }
            model = FastReLURegressor(solver="gauss_newton", max_iter=1, **settings)
            ours = [timed(model.fit, X, Y)[0] for _ in range(3)]
            theirs, loss = [], 0.0
            for _ in range(3):
                seconds, loss = timed(dense_iteration, X, Y, width, threshold, 1e-3)
                theirs.append(seconds)
            a, b = np.median(ours), np.median(theirs)
            print(f"{width:>7,}{threshold:>6.2f}{a:>12.3f}{b:>9.3f}{b / a:>7.1f}{model.loss_:>11.3g}{loss:>12.3g}")


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


def kin8nm(n_threads, width=8_192):
    """kin8nm, 8,192 x 8: seconds to a thousandth of the squared loss at the start, or to that at which L-BFGS stops."""
    import torch
    from sklearn.neural_network import MLPRegressor

    from skfastnn import FastReLURegressor

    with np.load(KIN8NM) as file:
        X, y = file["kin8nm/X"], file["kin8nm/y"]
    X, y = (X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean()) / y.std()
    torch.set_num_threads(n_threads)

    # the automatic stop is at this very loss
    settings = {"hidden_layer_sizes": width, "solver": "gauss_newton", "alpha": 1e-5, "random_state": 0}
    total, (per_iteration, model) = timed(epoch_seconds, FastReLURegressor(**settings, search="dense").fit, X, y)
    losses, at = 2 * np.array(model.loss_curve_), total - np.sum(per_iteration) + np.cumsum(per_iteration)
    print(f"{'skfastnn':14} {total:8.1f} s  loss {losses[-1]:.2e} of the start  {model.n_iter_} iterations", flush=True)

    def scikit():
        model = MLPRegressor(hidden_layer_sizes=(width,), solver="lbfgs", alpha=0.0, max_iter=10**6, random_state=0)
        return _descend_with(model, X, y)

    for name, run in (("torch L-BFGS", lambda: _torch(X, y, width)), ("MLPRegressor", scikit)):
        seconds, (loss, steps) = timed(run)
        ours = at[np.argmax(losses <= max(loss, losses[-1]))]
        print(f"{name:14} {seconds:8.1f} s  loss {loss:.2e} of the start  {steps} iterations", flush=True)
        print(f"{'':14} skfastnn is there after {ours:.1f} s: {seconds / ours:.1f} x", flush=True)


def _descend_with(model, X, y):
    """Fit until the target, or until patience ends: L-BFGS of SciPy has no clock of its own."""
    reached, start = [], time.perf_counter()
    backprop = type(model)._backprop

    class Enough(Exception):
        pass

    def watched(*arguments):
        loss, *gradients = backprop(model, *arguments)
        reached.append(2 * loss)
        if 2 * loss < TARGET or time.perf_counter() - start > PATIENCE:
            raise Enough
        return (loss, *gradients)

    model._backprop = watched
    try:
        model.fit(X, y)
    except Enough:
        pass
    return min(reached), len(reached)


def _torch(X, y, width):
    import torch

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
    while loss > TARGET and time.perf_counter() - start < PATIENCE:
        optimizer.step(closure)
        with torch.no_grad():
            loss = float(torch.mean((layers(X)[:, 0] - y) ** 2))
    return loss, count[0]


def probabilities(n_threads, names=("cardiotocography-10clases", "statlog-vehicle", "waveform-noise")):
    """Log-loss and Brier score on three UCI sets, four folds each, beside MLPClassifier."""
    from sklearn.metrics import log_loss
    from sklearn.neural_network import MLPClassifier

    from skfastnn import FastReLUClassifier

    makers = {
        "skfastnn": lambda: FastReLUClassifier(random_state=0),
        "skfastnn, alpha=loo": lambda: FastReLUClassifier(alpha="loo", random_state=0),
        "adam_gauss_newton, loo": lambda: FastReLUClassifier(solver="adam_gauss_newton", alpha="loo", random_state=0),
        "MLPClassifier": lambda: MLPClassifier(max_iter=1000, random_state=0),
        "MLPClassifier((512,))": lambda: MLPClassifier((512,), max_iter=1000, random_state=0),
    }
    with np.load(UCI) as file:
        sets = {name: {key.split("/")[1]: file[key] for key in file if key.startswith(name + "/")} for name in names}
    print(f"{'':28}{'':24}{'accuracy':>9}{'log-loss':>10}{'Brier':>8}")
    for name, data in sets.items():
        X, y = data["X"], data["y"]
        for label, make in makers.items():
            results = []
            for fold in range(4):
                train, test = data[f"fold{fold}_train"], data[f"fold{fold}_test"]
                _, model = timed(make().fit, X[train], y[train])
                p = model.predict_proba(X[test])
                brier = np.mean(np.sum((p - (y[test][:, None] == model.classes_)) ** 2, axis=1))
                results.append((model.score(X[test], y[test]), log_loss(y[test], p, labels=model.classes_), brier))
            accuracy, loss, brier = np.mean(results, axis=0)
            print(f"{name:28}{label:24}{accuracy:>9.4f}{loss:>10.4f}{brier:>8.4f}")


CASES = {"gauss-newton": digits, "gn-iteration": iteration, "kin8nm": kin8nm, "probabilities": probabilities}
