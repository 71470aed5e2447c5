"""What is kept of a measurement: a record for each figure, and what it was measured on."""

import importlib.metadata
import json
import os
import platform
import subprocess
import time
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("skfastnn", "numpy", "scipy", "scikit-learn", "torch")
# figures that are measured, with their units; whatever else a run returns is the quality of what it did
UNITS = {
    "seconds": "s",
    "step_seconds": "s",
    "epoch_seconds": "s",
    "predict_seconds": "s",
    "query_seconds": "s",
    "making_seconds": "s",
    "peak_mb": "MB",
    "peak_of_weights": "weights",
    "multiplications": "1",
    "floor_seconds": "s",
    "bytes": "B",
}


@dataclass
class Record:
    """One figure of one method: the median over the repeats.

    Attributes
    ----------
    case, method, dtype : str
    at : dict
        What tells the record from others of the method: width, solver, data set.
    figure : str
        A key of `UNITS`, or "exponent of" one.
    value : float
    unit : str
    quality : dict
        Losses, scores and the like of the same runs, so that a faster wrong run shows.
    repeats : int
    seed : int
        Of the first repeat; the others count up.
    values : list of float
        Of each repeat.
    """

    case: str
    method: str
    dtype: str
    at: dict
    figure: str
    value: float
    unit: str
    quality: dict = field(default_factory=dict)
    repeats: int = 1
    seed: int = 0
    values: list = field(default_factory=list)


def _git(*arguments, text=None):
    answer = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, input=text, check=False)
    return answer.stdout.strip()


@cache
def commit():
    """Return the short name of the commit that is checked out, or an empty string."""
    return _git("rev-parse", "--short=7", "HEAD")


@cache
def code_state():
    """Return "+" and what identifies the package's source: changed notes or benchmarks are no other version."""
    changed = _git("diff", "HEAD", "--", "skfastnn")
    state = _git("rev-parse", "--short=7", "HEAD:skfastnn")
    return f"+{state}" + (f".{_git('hash-object', '--stdin', text=changed)[:7]}" if changed else "")


def version_of(package):
    """Return the version of an installed package, with the state of the code for ours; None if it is not there."""
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
    return version + code_state() if package == "skfastnn" else version


def cpu():
    """Return the processor's name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def about(n_threads):
    """Return what a run was made on."""
    return {
        "cpu": cpu(),
        "cpus": os.cpu_count(),
        "threads": n_threads,
        "commit": commit(),
        "time": time.strftime("%Y-%m-%d %H:%M"),
        "versions": {"python": platform.python_version()} | {name: version_of(name) for name in PACKAGES},
    }


def keep(case_name, made_on, records, folder=RESULTS):
    """Append a run, as one line of JSON, to the results of a case."""
    folder.mkdir(exist_ok=True)
    line = json.dumps({"about": made_on, "records": [asdict(record) for record in records]})
    with (folder / f"{case_name}.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def newest(case_name, folder=RESULTS):
    """Return what the last run of a case was made on, and its records; None if none is kept."""
    path = folder / f"{case_name}.jsonl"
    if not path.exists():
        return None
    run = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
    return run["about"], [Record(**record) for record in run["records"]]
