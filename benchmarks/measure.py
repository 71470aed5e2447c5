"""One run of one library in a fresh process: the process, the clock, the memory.

The parent calls `run`; the child is ``python -m benchmarks.measure SPEC`` and answers with
one line of JSON. A fresh process makes threads and peak memory comparable.
"""

import importlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
import warnings
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.cases import CASES, Settings
from benchmarks.data import load

ROOT = Path(__file__).resolve().parents[1]
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# glibc gives blocks above 32 MB back to the system when they are freed; with these it keeps
# them, which spares a library that allocates at every step the page faults
REUSE_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
}
# a target that is not reached within this many epochs is given up
MAX_EPOCHS = 40
# `scaling`: narrow networks take more steps, so that the difference of two fits is not noise
SCALING_EPOCHS = {4_096: 9, 8_192: 9, 16_384: 5}


def run(case_name, settings, epochs, reuse_memory=False):
    """Run one library in a child process and return its answer as a dict.

    Parameters
    ----------
    case_name : str
        Key of CASES.
    settings : Settings
        With seed, threads and learning rate filled in.
    epochs : int
        Epochs to train; ignored by cases that end by themselves.
    reuse_memory : bool
        Let the C library keep large freed blocks (glibc only).

    Raises
    ------
    RuntimeError
        If the child fails; the message ends with what it wrote to stderr.
    """
    spec = {"case": case_name, "settings": asdict(settings), "epochs": epochs}
    env = os.environ | dict.fromkeys(THREAD_VARIABLES, str(settings.n_threads))
    if reuse_memory:
        env |= REUSE_MEMORY
    child = subprocess.run(
        [sys.executable, "-m", "benchmarks.measure", json.dumps(spec)],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode:
        raise RuntimeError(f"{settings.label} failed on {case_name}:\n{child.stderr[-2000:]}")
    return json.loads(child.stdout.splitlines()[-1])


def fixed_epochs(adapter, problem, settings, case, epochs):
    """Return the outcome of a whole fit."""
    return asdict(adapter.train(problem, settings, epochs))


def seconds_to_target(adapter, problem, settings, case, epochs):
    """Return the outcome at the first epoch that reaches the case's test accuracy."""
    for outcome in adapter.progress(problem, settings):
        reached = outcome.accuracy >= case.target
        if reached or outcome.epochs >= MAX_EPOCHS:
            return asdict(outcome) | {"reached": reached}


def best_in_budget(adapter, problem, settings, case, epochs):
    """Return the most accurate outcome among those within the case's seconds."""
    best = None
    for outcome in adapter.progress(problem, settings, case.budget):
        if outcome.seconds > case.budget:
            break
        if best is None or outcome.accuracy > best["accuracy"]:
            best = asdict(outcome)
    if best is None:
        raise RuntimeError(f"one epoch takes longer than {case.budget:g} s")
    return best


def seconds_per_step(adapter, problem, settings, case, epochs):
    """Return the time of a step: of ours by a clock inside the fit, else as the difference of two fits."""
    extra = SCALING_EPOCHS.get(settings.width, 3) - 1
    per_epoch = -(-len(problem.X_train) // settings.n_batch(len(problem.X_train)))
    if settings.library == "skfastnn":
        seconds, outcome = epoch_seconds(adapter.train, problem, settings, 1 + extra, False)
        return asdict(outcome) | {"seconds": statistics.median(seconds[1:]) / per_epoch}
    steps = extra * per_epoch
    short = adapter.train(problem, settings, 1, score=False)
    longer = adapter.train(problem, settings, 1 + extra, score=False)
    return asdict(longer) | {"seconds": (longer.seconds - short.seconds) / steps}


MEASURES = {
    "epochs": fixed_epochs,
    "target": seconds_to_target,
    "budget": best_in_budget,
    "scaling": seconds_per_step,
}


def timed(function, *arguments):
    """Return the seconds that a call takes, its warnings silenced, and what it returns."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = function(*arguments)
    return time.perf_counter() - start, result


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


def main(spec):
    """Run the measurement that `spec` describes and print its answer as JSON."""
    case = CASES[spec["case"]]
    settings = Settings(**spec["settings"])
    adapter = importlib.import_module(f"benchmarks.adapter_{settings.library}")
    problem = load(case.data)
    # starts threads and loads libraries; large enough that some neurons fire on every row
    small = replace(settings, width=1024, learning_rate=settings.learning_rate or 0.01)
    adapter.train(problem.head(400), small, 1, score=False)

    memory = PeakMemory()
    answer = MEASURES[case.kind](adapter, problem, settings, case, spec["epochs"])
    print(json.dumps(answer | {"peak_mb": memory.growth()}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
