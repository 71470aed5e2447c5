"""Several hidden layers: the cases ``deep`` (time and operations by width, beside torch) and ``deep-mnist`` (accuracy).

Widths grow with the threshold sqrt(0.4 ln m) in every layer, as the theory has it; the default is 1 at most.
"""

import time
from functools import partial

import numpy as np

from benchmarks.data import load
from benchmarks.framework import Entry, case
from benchmarks.measure import PeakMemory, epoch_seconds, timed
from benchmarks.sketches import shift


def _fast(width, epochs, batch_size, solver, threshold=None):
    from skfastnn import FastReLUClassifier

    return FastReLUClassifier(
        (width, width), solver=solver, max_iter=epochs, batch_size=batch_size, alpha=0.0,
        threshold=shift(width) if threshold is None else threshold,
        tol=0.0, n_iter_no_change=10**6, random_state=0,
    )  # fmt: skip


def _step(run, m, batch, solver, n_steps=4, threshold=None):
    problem, n_rows = load("mnist-4000"), n_steps * batch
    fit = _fast(m, 4, batch, solver, threshold).fit
    seconds, model = epoch_seconds(fit, problem.X_train[:n_rows], problem.y_train[:n_rows])
    # forward at most once, backward and update only where neurons of the second layer fire; of a sample
    count = model.firing_rate_[0] * m**2
    fired = {f"fired_{i}": float(rate) for i, rate in enumerate(model.firing_rate_, start=1)}
    return {"step_seconds": np.median(seconds[1:]) / n_steps, "multiplications": count, "loss": model.loss_} | fired


def _peak(run, m, batch, solver):
    problem = load("mnist-400")
    _fast(256, 1, batch, solver).fit(problem.X_train, problem.y_train)
    memory = PeakMemory()
    model = _fast(m, 2, batch, solver).fit(problem.X_train, problem.y_train)
    return {"peak_of_weights": memory.growth() * 2**20 / sum(W.nbytes for W in model.coefs_)}


def _torch_step(run, m, batch, solver, dtype, n_steps=3):
    """Return the seconds of a step; in bfloat16 all of it is, the optimiser too: faster than it can be used."""
    import torch

    torch.set_num_threads(run.n_threads)
    problem, dtype = load("mnist-4000"), getattr(torch, dtype)
    X = torch.from_numpy(problem.X_train[:batch]).to(dtype)
    y = torch.from_numpy(problem.y_train[:batch])
    layers = [torch.nn.Linear(784, m), torch.nn.ReLU(), torch.nn.Linear(m, m), torch.nn.ReLU(), torch.nn.Linear(m, 10)]
    model = torch.nn.Sequential(*layers).to(dtype)
    if solver == "adam":
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    else:
        optimiser = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, nesterov=True, fused=True)
    seconds = []
    for _ in range(n_steps + 1):
        start = time.perf_counter()
        optimiser.zero_grad(set_to_none=False)
        loss = torch.nn.functional.cross_entropy(model(X).float(), y)
        loss.backward()
        optimiser.step()
        seconds.append(time.perf_counter() - start)
    return {"step_seconds": np.median(seconds[1:]), "loss": loss.item()}


def _beside_torch(places):
    """Return entries for steps at the threshold of the papers, at that of the defaults, and of torch."""
    return [
        entry
        for place in places
        for entry in (
            Entry("skfastnn", partial(_step, n_steps=5), place),
            Entry("skfastnn, default threshold", partial(_step, n_steps=5, threshold="auto"), place),
            Entry("torch", partial(_torch_step, dtype="float32"), place),
            Entry("torch", partial(_torch_step, dtype="bfloat16"), place, dtype="bfloat16"),
        )
    ]


@case("deep-8k", data=("mnist",), small={"m": 512})
def deep_8k(m=8_192):
    """Two hidden layers (m, m) on MNIST, batch 200: seconds of a step beside torch in float32 and bfloat16."""
    return _beside_torch([{"m": m, "batch": 200, "solver": solver} for solver in ("sgd", "adam")])


@case("deep", data=("mnist",), along="m", small={"widths": (512, 1_024, 2_048)})
def deep(widths=tuple(1_024 * 2**k for k in range(5))):
    """Two hidden layers (m, m) on MNIST: seconds and multiplications per step by width; beside torch; peak memory."""
    solvers, widest = ("sgd", "adam"), widths[-1]
    at = [{"m": m, "batch": 1_000, "solver": solver} for solver in solvers for m in widths]
    last = [{"m": widest, "batch": 200, "solver": solver} for solver in solvers]
    return [
        *(Entry("skfastnn", _step, place) for place in at),
        *_beside_torch(last),
        *(Entry("skfastnn, memory", _peak, place, once=True) for place in last),
    ]


def _whole_fit(run, depth, m, data, make, **settings):
    problem = load(data)
    seconds, model = timed(
        make()((m,) * depth, random_state=run.seed, **settings).fit, problem.X_train, problem.y_train
    )
    score = model.score(problem.X_test, problem.y_test)
    return {"seconds": seconds, "accuracy": score, "loss": model.loss_, "epochs": model.n_iter_}


def _ours():
    from skfastnn import FastReLUClassifier

    return FastReLUClassifier


def _mlp():
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier


@case("deep-mnist", data=("mnist",), repeats=1, small={"m": 256, "data": "mnist-1000"})
def deep_mnist(m=1_024, data="mnist"):
    """MNIST, (1,024, 1,024), all defaults: test accuracy and seconds beside MLPClassifier; depths one to four."""
    fit = partial(_whole_fit, data=data)
    by_depth = partial(fit, make=_ours, solver="adam", max_iter=5)
    return [
        Entry("skfastnn", partial(fit, make=_ours), {"depth": 2, "m": m}),
        Entry("MLPClassifier", partial(fit, make=_mlp), {"depth": 2, "m": m}),
        *(Entry("skfastnn, adam 5 epochs", by_depth, {"depth": depth, "m": m}) for depth in (1, 2, 3, 4)),
    ]
