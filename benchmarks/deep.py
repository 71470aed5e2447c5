"""Several hidden layers: the cases ``deep`` (time and operations by width, beside torch) and ``deep-mnist`` (accuracy).

Widths grow with the threshold sqrt(0.4 ln m) in every layer, as the theory has it; the default is 1 at most.
"""

import multiprocessing
import time

import numpy as np

from benchmarks.data import load
from benchmarks.measure import PeakMemory, epoch_seconds, timed
from benchmarks.sketches import shift

N_REPEATS = 3
WIDTHS = [1_024 * 2**k for k in range(5)]


def _fast(width, epochs, batch_size, solver, **settings):
    from skfastnn import FastReLUClassifier

    threshold = shift(width)
    return FastReLUClassifier(
        (width, width), solver=solver, max_iter=epochs, batch_size=batch_size, threshold=threshold, alpha=0.0, tol=0.0,
        n_iter_no_change=10**6, random_state=0, **settings,
    )  # fmt: skip


def _step(width, batch_size, n_steps, solver):
    """Return seconds per step, the firing rates, and multiplications per sample in the second layer."""
    problem, n_rows = load("mnist-4000"), n_steps * batch_size
    fit = _fast(width, 4, batch_size, solver).fit
    seconds, model = epoch_seconds(fit, problem.X_train[:n_rows], problem.y_train[:n_rows])
    # forward at most once, backward and update only where neurons of the second layer fire
    return np.median(seconds[1:]) / n_steps, model.firing_rate_, model.firing_rate_[0] * width**2


def _peak(width, solver):
    problem = load("mnist-400")
    timed(_fast(256, 1, 200, solver).fit, problem.X_train, problem.y_train)
    memory = PeakMemory()
    _, model = timed(_fast(width, 2, 200, solver).fit, problem.X_train, problem.y_train)
    return memory.growth() * 2**20 / sum(W.nbytes for W in model.coefs_)


def _torch_step(width, batch_size, n_threads, n_steps=3):
    import torch

    torch.set_num_threads(n_threads)
    problem = load("mnist-4000")
    X = torch.from_numpy(problem.X_train[:batch_size])
    y = torch.from_numpy(problem.y_train[:batch_size].astype(np.int64))
    model = torch.nn.Sequential(
        torch.nn.Linear(784, width), torch.nn.ReLU(), torch.nn.Linear(width, width), torch.nn.ReLU(),
        torch.nn.Linear(width, 10),
    )  # fmt: skip
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, nesterov=True)
    seconds = []
    for _ in range(n_steps + 1):
        start = time.perf_counter()
        optimiser.zero_grad(set_to_none=False)
        torch.nn.functional.cross_entropy(model(X), y).backward()
        optimiser.step()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[1:]))


def _apart(function, *arguments):
    """Return what a function returns in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def deep(n_threads):
    """Two hidden layers (m, m) on MNIST: seconds and multiplications per step by width; beside torch; peak memory."""
    for solver in ("sgd", "adam"):
        seconds, operations = [], []
        for width in WIDTHS:
            s, rates, count = _apart(_step, width, 1_000, 4, solver)
            seconds.append(s)
            operations.append(count)
            print(
                f"{solver:5} m={width:>6,} batch 1,000: {s:.4f} s a step, fired {rates[0]:.3f} {rates[1]:.3f}, ", end=""
            )
            print(f"{count:,.0f} multiplications a sample and pass in the second layer", flush=True)
        slopes = [np.polyfit(np.log(WIDTHS), np.log(v), 1)[0] for v in (seconds, operations)]
        print(f"{solver:5} slope of seconds {slopes[0]:.2f}, of operations {slopes[1]:.2f}")
    width = WIDTHS[-1]
    runs = {"torch": [], "sgd": [], "adam": []}
    for _ in range(N_REPEATS):
        runs["torch"].append(_apart(_torch_step, width, 200, n_threads))
        for solver in ("sgd", "adam"):
            runs[solver].append(_apart(_step, width, 200, 5, solver)[0])
    for solver in ("sgd", "adam"):
        ours, theirs = np.median(runs[solver]), np.median(runs["torch"])
        print(
            f"m={width:,}, batch 200: {solver} {ours:.3f} s ({min(runs[solver]):.3f}-{max(runs[solver]):.3f}), ", end=""
        )
        print(f"torch {theirs:.3f} s ({min(runs['torch']):.3f}-{max(runs['torch']):.3f}), ratio {theirs / ours:.1f}")
        print(f"peak memory of {solver}: {_apart(_peak, width, solver):.2f} x the weights", flush=True)


def deep_mnist(n_threads):
    """MNIST, (1,024, 1,024), all defaults: test accuracy and seconds beside MLPClassifier; depths one to four."""
    from sklearn.neural_network import MLPClassifier

    from skfastnn import FastReLUClassifier

    problem = load("mnist")
    X, y = problem.X_train, problem.y_train
    makers = {"skfastnn": FastReLUClassifier, "MLPClassifier": MLPClassifier}
    for name, make in makers.items():
        seconds, model = timed(make((1_024, 1_024), random_state=0).fit, X, y)
        score = model.score(problem.X_test, problem.y_test)
        print(
            f"{name:14} {100 * score:.2f} % in {seconds:.0f} s, {model.n_iter_} epochs, loss {model.loss_:.5f}",
            flush=True,
        )
    for depth in (1, 2, 3, 4):
        model = FastReLUClassifier((1_024,) * depth, solver="adam", max_iter=5, random_state=0)
        seconds, _ = timed(model.fit, X, y)
        curve = " ".join(f"{loss:.4f}" for loss in model.loss_curve_)
        rates = " ".join(f"{rate:.2f}" for rate in model.firing_rate_)
        score = model.score(problem.X_test, problem.y_test)
        print(
            f"depth {depth}: {100 * score:.2f} % after 5 epochs, {seconds:.0f} s; losses {curve}; fired {rates}",
            flush=True,
        )


CASES = {"deep": deep, "deep-mnist": deep_mnist}
