"""What the engines cost, in nanoseconds of one core, all in one table; and the memory that they may use.

Fits of ten epochs on two cores of an AMD EPYC with AVX-512 gave these numbers (`doc/experiments/which-engine.md`; how
far the choice is from the fastest: `python -m benchmarks --case auto`). Ratios are what counts. They are not measured
anew where a process begins: the engine decides the order of sums, and the last bits of a fit would depend on a clock.
"""

import contextlib
import os
from pathlib import Path

import numpy as np

from skfastnn.passes.shared._products import wide_products

# a product with all neurons: for each pair, and for each multiplication; ours, and the library's
DENSE, MULTIPLICATION = (0.3, 0.011) if wide_products() else (0.6, 0.028)
# to list a pair that fires
LISTED = 0.4
# what a step takes besides: dense, half-spaces, bytes, tree
DENSE_STEP, BOX_STEP, BYTE_STEP, TREE_STEP = 40_000.0, 80_000.0, 60_000.0, 100_000.0

# half-spaces: a neuron that asks; a group of sixteen boxes or points, and for each feature of a box or point
ASKING, GROUP, BOX_FEATURE, POINT_FEATURE = 8.0, 2.5, 1.0, 0.4
# what else goes with a pair, and with a feature of it
REPORTED, REPORTED_FEATURE = 0.2, 0.01
# rows that ask: boxes around a neuron, for each feature; a pair that fires, which is sorted
ENCLOSED, SORTED = 1.0, 5.0

# bytes: a pair, besides its products; to write weights, for each feature; rows, the same
BYTES, WEIGHT_WRITTEN, ROW_WRITTEN = 0.55, 0.3, 1.7
# a pair that passes, and for each feature, if its row is read in floats or in bytes
PASSED, PASSED_FLOAT, PASSED_BYTE = 6.0, 0.035, 0.02
# pairs that pass for each that does at the start: weights grow
GROWN = 1.3

# tree: a comparison of leaves; a candidate, and each of its multiplications, for which memory is jumped about
LEAF, CANDIDATE, JUMPING = 0.45, 3.0, 0.06
# INIT, a leaf, and each multiplication
LEAF_WRITTEN, LEAF_MULTIPLICATION = 0.3, MULTIPLICATION
# candidates for each pair, besides those that fire: neurons move
DRIFTING = 0.01
# Share of the memory that the leaves of a tree may take, a byte a pair: fits of a grid search run side by side.
TREE_SHARE = 0.25

# Rows and neurons that are looked at; features up to which hyperplanes do not cut nearly every box.
PROBED, FEW_FEATURES = 256, 16
# where a container says how much it may use, by either version of control groups
MEMORY_LIMITS = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"


def usable_memory():
    """Return the bytes of memory that this machine has, or its container may use; infinity where nothing says."""
    total = np.inf
    with contextlib.suppress(AttributeError, ValueError, OSError):
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in MEMORY_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # not there; "max"
            total = min(total, int(Path(path).read_text()))
    return total
