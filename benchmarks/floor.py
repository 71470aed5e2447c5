"""How far from what the machine bears: the case ``floor``.

The floor of a pass is the larger of two times: the bytes that must move over the bandwidth of a plain loop, and the
multiplications over those of a plain product of matrices. Both are measured in the same process, with the same number
of threads; the loop runs over arrays as large as those of the pass, so that what fits in a cache is compared with that
cache.

What is counted, d features, k outputs:

training     a step: search, forward, backward and update of a batch, all of which may go through memory once. Bytes: of
             the neurons that fire on some row of the batch, weights and velocity (momentum) or weights and two moments
             (Adam), read and written, and the rows. Multiplications: 2 d + 3 k for each pair of row and neuron that
             fires (products forward, gradients of weights and of the output layer); finding the pairs costs nothing,
             and what a weight's update takes by itself is left out.
kernel       a product of Gauss-Newton's kernel with a vector for each output. Bytes: the list of the pairs that fire (a
             row number and an activation), rows, output weights. Multiplications: 2 d + 4 k for each pair.
prediction   of all rows. Bytes: rows, weights, output. Multiplications: d for each pair of row and neuron, since nobody
             knows beforehand which fire.

`share` is that of the whole fit; `searching`, `forward` and `stepping` are those of the parts of a step (a step that is
deferred is taken by the pass over the next batch, so that the update counts there).
"""

import time
from collections import defaultdict
from contextlib import contextmanager
from functools import partial

import numpy as np
from scipy.linalg.blas import saxpy
from sklearn.base import clone

from benchmarks.data import made
from benchmarks.framework import Entry, case
from benchmarks.measure import median_seconds, timed
from benchmarks.sketches import shift

BATCH = 200
# arrays with a number for each weight, that a step reads and writes
ARRAYS = {"sgd": 2, "adam": 3}


def bandwidth(n_bytes):
    """Return the bytes that a plain loop over arrays of `n_bytes` moves in a second: the faster of two loops."""
    x, y = np.ones((2, max(n_bytes // 8, 1 << 14)), dtype=np.float32)
    times = max(1, (1 << 27) // n_bytes)

    def read():
        for _ in range(times):
            np.dot(x, y)

    def add():
        for _ in range(times):
            saxpy(x, y, a=1e-9)

    return max(
        streams * times * x.nbytes / min(timed(loop)[0] for _ in range(7)) for loop, streams in ((read, 2), (add, 3))
    )


def peak(size=1_536):
    """Return the multiplications of a plain product of float32 matrices in a second."""
    A = np.ones((size, size), dtype=np.float32)
    return size**3 / min(timed(np.dot, A, A)[0] for _ in range(7))


class Clock:
    """Seconds by name of what it wraps, calls, bytes and multiplications; what counts them stops it."""

    def __init__(self):
        self.seconds, self.counts = defaultdict(float), defaultdict(int)

    def wrap(self, name, function, count=None):
        """Return the function, timed; `count` takes its arguments, and returns bytes and multiplications."""

        def wrapped(*arguments, **keywords):
            counting = self.seconds["counting"]
            start = time.perf_counter()
            result = function(*arguments, **keywords)
            self.seconds[name] += time.perf_counter() - start - (self.seconds["counting"] - counting)
            self.counts["calls", name] += 1
            if count:
                took, (n_bytes, n_multiplications) = timed(count, *arguments)
                self.counts["bytes"] += n_bytes
                self.counts["multiplications"] += n_multiplications
                self.seconds["counting"] += took
            return result

        return wrapped

    def figures(self, name, whole, working_set):
        """Return what the case answers: for a call of what is named, and the share of `whole` seconds."""
        calls = self.counts["calls", name]
        if not calls:
            raise RuntimeError(f"there was no {name} in this fit")
        per_call = [self.counts["bytes"] / calls, self.counts["multiplications"] / calls]
        shares = {part: self.seconds[part] / whole for part in ("searching", "forward", "stepping")}
        answer = floor_of(*per_call, self.seconds[name] / calls, working_set)
        return answer | {"share": self.seconds[name] / whole} | (shares if name == "step" else {})


def floor_of(n_bytes, n_multiplications, seconds, working_set):
    """Return measured and least seconds, what they are made of, and their ratio."""
    moving, multiplying = n_bytes / bandwidth(working_set), n_multiplications / peak()
    least = max(moving, multiplying)
    return {
        "step_seconds": seconds,
        "bytes": n_bytes,
        "multiplications": n_multiplications,
        "floor_seconds": least,
        "over_floor": seconds / least,
        "bound_by": "bytes" if moving > multiplying else "multiplications",
    }


@contextmanager
def replaced(owner, name, value):
    """Replace an attribute for a while."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _watched_fit(clock, fit, X, y, count):
    """Fit with the clock in every step, and return the seconds of the fit without what counting took."""
    from skfastnn._fitting import Trainer

    prepare = Trainer._prepare

    def watch(trainer, rows):
        prepare(trainer, rows)
        trainer.engine.candidates = clock.wrap("searching", trainer.engine.candidates)
        trainer._forward = clock.wrap("forward", trainer._forward)
        trainer.solver.step = clock.wrap("stepping", trainer.solver.step, count)

    with replaced(Trainer, "_prepare", watch), replaced(Trainer, "_step", clock.wrap("step", Trainer._step)):
        return timed(fit, X, y)[0] - clock.seconds["counting"]


def _training(run, what, m, d, solver, n_rows, dense):
    from skfastnn import FastReLUClassifier

    problem, n_outputs = made(n_rows, d), 10
    how = {"threshold": 0.0, "search": "dense"} if dense else {"threshold": shift(m)}
    model = FastReLUClassifier(
        m, solver=solver, batch_size=BATCH, max_iter=3, alpha=0.0, tol=0.0, random_state=run.seed, **how
    )

    def count(pairs, rows, *_):
        fired = np.count_nonzero(pairs.counts())
        moved = 2 * ARRAYS[solver] * fired * (d + n_outputs) + rows.shape[0] * d
        return 4 * moved, pairs.total * (2 * d + 3 * n_outputs)

    clock, X, y = Clock(), problem.X_train, problem.y_train
    # memory is there, and libraries are loaded, when the clock starts
    clone(model).set_params(max_iter=1).fit(X, y)
    whole = _watched_fit(clock, model.fit, X, y, count)
    figures = clock.figures("step", whole, 4 * ARRAYS[solver] * m * d)
    return figures | {"fired": model.firing_rate_[0], "search": model.search_, "loss": model.loss_}


def _kernel(run, what, m, d, n_rows):
    from skfastnn import FastReLURegressor
    from skfastnn.solvers import _gauss_newton

    problem, n_outputs = made(n_rows, d), 10
    Y = np.eye(n_outputs, dtype=np.float32)[problem.y_train]
    model = FastReLURegressor(
        hidden_layer_sizes=m,
        solver="gauss_newton",
        threshold=1.0,
        alpha=1e-3,
        max_iter=3,
        tol=0.0,
        random_state=run.seed,
    )

    def count(pairs, *_):
        return 8 * pairs.total + 4 * (n_rows * d + m * n_outputs), pairs.total * (2 * d + 4 * n_outputs)

    clock = Clock()
    clone(model).set_params(max_iter=1).fit(problem.X_train, Y)
    product = clock.wrap("product", _gauss_newton.gram_product, count)
    with replaced(_gauss_newton, "gram_product", product):
        whole = timed(model.fit, problem.X_train, Y)[0] - clock.seconds["counting"]
    pairs = model.firing_rate_[0] * n_rows * m
    figures = clock.figures("product", whole, int(8 * pairs))
    return figures | {"fired": model.firing_rate_[0], "loss": model.loss_}


def _prediction(run, what, m, d, n_rows):
    from skfastnn import FastReLUClassifier

    problem = made(n_rows, d)
    model = FastReLUClassifier(m, solver="sgd", max_iter=1, random_state=run.seed)
    model.fit(problem.X_train[:1_000], problem.y_train[:1_000])
    seconds = median_seconds(lambda: model.predict(problem.X_train), 3)
    n_bytes = 4 * (n_rows * d + d * m + n_rows * 10)
    return floor_of(n_bytes, n_rows * d * m, seconds, n_bytes) | {"share": 1.0}


@case("floor", small={"shapes": ((256, 64),), "widths": (1_024,), "n_rows": 400})
def floor(shapes=((1_024, 784), (4_096, 64), (4_096, 784)), widths=(4_096, 16_384, 65_536), n_rows=4_000):
    """Measured time of a pass over its floor, by bytes and by multiplications: training, kernel product, prediction."""
    training = partial(_training, n_rows=n_rows)
    return [
        *(
            Entry(f"skfastnn, {solver}", partial(training, solver=solver, dense=dense), at)
            for dense, places in ((True, shapes), (False, [(m, 784) for m in widths]))
            for m, d in places
            for at in [{"what": "step, all fire" if dense else "step, few fire", "m": m, "d": d}]
            for solver in ("sgd", "adam")
        ),
        *(
            Entry("skfastnn, gauss_newton", partial(_kernel, n_rows=min(n_rows, 1_500)), at)
            for m in widths[:2]
            for at in [{"what": "kernel product", "m": m, "d": 64}]
        ),
        *(
            Entry("skfastnn, predict", partial(_prediction, n_rows=n_rows), {"what": "prediction", "m": m, "d": 784})
            for m in widths[:2]
        ),
    ]
