"""The clock and the memory inside a run."""

import platform
import resource
import time
from pathlib import Path

import numpy as np


def timed(function, *arguments):
    """Return the seconds that a call takes, and what it returns."""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def median_seconds(function, repeats):
    """Return the median seconds of calls after a first one."""
    function()
    return float(np.median([timed(function)[0] for _ in range(repeats)]))


def epoch_seconds(fit, *data):
    """Return the seconds of each epoch of a fit of ours, by a clock inside it, and what it returns.

    Where gigabytes are allocated the difference of two fits says nothing about an epoch.
    """
    from skfastnn._fitting import Trainer

    seconds, epoch = [], Trainer._epoch

    def timed_epoch(trainer, *arguments):
        took, finite = timed(epoch, trainer, *arguments)
        seconds.append(took)
        return finite

    Trainer._epoch = timed_epoch
    try:
        return seconds, fit(*data)
    finally:
        Trainer._epoch = epoch


class PeakMemory:
    """Growth of the resident memory since the object was made, at its highest, in MB."""

    def __init__(self):
        try:
            # Linux: restart the high-water mark at what is resident now
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            pass
        self.start = self._high_water()

    def growth(self):
        """Return the growth so far, in MB."""
        return self._high_water() - self.start

    @staticmethod
    def _high_water():
        status = Path("/proc/self/status")
        if status.exists():
            for line in status.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # macOS counts bytes, other systems kilobytes
        return peak / (2**20 if platform.system() == "Darwin" else 2**10)
