"""Costs that several engines have, in nanoseconds of one core; and the memory that they may use."""

import contextlib
import os
from pathlib import Path

import numpy as np

from skfastnn.passes.shared._products import wide_products

# a product with all neurons: for each pair, and for each multiplication; ours, and the library's
DENSE, MULTIPLICATION = (0.3, 0.011) if wide_products() else (0.6, 0.028)
# to list a pair that fires
LISTED = 0.4
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
