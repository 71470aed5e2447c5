"""How cost grows: the case ``scale``, seconds and peak memory along rows, neurons, features, outputs and firing rate.

Each series doubles one of them, from the same start, until a fit takes longer than `--limit` seconds; the exponents are
those of its upper half.
"""

from functools import partial

import numpy as np
from scipy.special import ndtri

from benchmarks.framework import Entry, case
from benchmarks.measure import PeakMemory, timed

START = {"n": 1_000, "m": 1_024, "d": 64, "outputs": 2, "rate": 0.02}
SOLVERS = {"adam": {"max_iter": 5, "batch_size": 200}, "gauss_newton": {"max_iter": 2}}


def _fit(run, axis, size, solver):
    """Return seconds and memory of a fit at the start but for one size; the threshold gives normal rows the rate."""
    from skfastnn import FastReLURegressor

    at = START | {axis: size}
    rng = np.random.default_rng(run.seed)
    X = rng.standard_normal((at["n"], at["d"]), dtype=np.float32)
    Y = np.sin(X @ rng.standard_normal((at["d"], at["outputs"]), dtype=np.float32))
    settings = {"threshold": -ndtri(at["rate"]), "tol": 0.0, "alpha": 1e-3, "random_state": 0} | SOLVERS[solver]
    FastReLURegressor(hidden_layer_sizes=64, solver=solver, **settings | {"threshold": 0.0}).fit(X[:100], Y[:100])
    memory = PeakMemory()
    seconds, model = timed(FastReLURegressor(hidden_layer_sizes=at["m"], solver=solver, **settings).fit, X, Y)
    return {"seconds": seconds, "peak_mb": memory.growth(), "fired": model.firing_rate_[0], "loss": model.loss_}


@case("scale", along="size", repeats=1, limit=1.0, small={"most": 3})
def scale(most=12):
    """Seconds and peak memory along rows, neurons, features, outputs and firing rate, with exponents; see --limit."""
    return [
        Entry(
            f"skfastnn, {solver}", partial(_fit, solver=solver), {"axis": axis, "size": start * 2**i},
            series=f"{solver} {axis}",
        )
        for solver in SOLVERS
        for axis, start in START.items()
        for i in range(most)
        # as often as not is the most
        if axis != "rate" or start * 2**i < 0.5
    ]  # fmt: skip
