"""Step sizes of targets whose unit changes."""

from types import SimpleNamespace

import numpy as np

from skfastnn._rates import _natural_rate


def test_a_unit_that_shrinks_without_end_leaves_no_step():
    stage = SimpleNamespace(batch_size=1, alpha=0.0, settings={"momentum": 0.9})
    plan, data = SimpleNamespace(solver="sgd", stages=[stage]), SimpleNamespace(weight=np.ones(3))
    start = SimpleNamespace(rate={"unit": np.ones(1), "numbers": (1.0, 1.0, 1.0)})
    steps = []
    for scale in (1.0, 1e-3, 1e-200):
        network = SimpleNamespace(target_scale=np.array([scale]))
        with np.errstate(over="ignore"):  # as in a fit
            steps.append(_natural_rate(plan, start, network, data))
    assert steps[0] > steps[1] > steps[2] == 0.0
