"""The case ``defaults``: every method as it comes, on every data set there is.

One child process per data set and method, one thread, fits one after the other. Each fold is a record in
`KEPT`, by data set, kind, fold, method and version: what is there is not run again, so that the peers are run once.

Scores: accuracy and log-loss (probabilities of at least 1e-15), or root-mean-square error over the standard deviation
of the target (nRMSE). The target of a regression is standardised by its training part for all methods.
"""

import contextlib
import importlib.metadata
import itertools
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import time
import warnings

import numpy as np

from benchmarks.measure import PeakMemory
from benchmarks.peers import METHODS
from benchmarks.records import RESULTS, ROOT, commit, cpu
from benchmarks.runner import THREAD_VARIABLES
from benchmarks.suites import data_sets

KEPT = RESULTS / "defaults.jsonl"
# CPU seconds of a child, all its folds; a shared machine may take this many times as long by the clock
LIMIT, PATIENCE = 600, 20
SMALLEST_PROBABILITY = 1e-15


def key_of(record):
    """Return what a record is known by."""
    return tuple(record[name] for name in ("set", "kind", "fold", "method", "version"))


def read_records(path=KEPT):
    """Return the records by key, the last of each key, in the order in which they were made."""
    if not path.exists():
        return {}
    records = {}
    for line in path.read_text().splitlines():
        record = json.loads(line)
        records.pop(key_of(record), None)
        records[key_of(record)] = record
    return records


def run(methods=None, sets=None, n_folds=None, again=(), limit=LIMIT):
    """Make the records that are not there yet and append each to `KEPT`, the smallest data sets first.

    Parameters
    ----------
    methods, sets : list of str or None
        Names to run; None: all, methods that are not installed excepted.
    n_folds : int or None
        Folds of each data set, at most as many as it has; None: the usual number.
    again : list of str
        Methods whose records are made anew.
    limit : float
        CPU seconds that the folds of one data set and method may take.
    """
    versions = installed(methods or METHODS)
    done = read_records()
    RESULTS.mkdir(exist_ok=True)
    for data_set, name in itertools.product(data_sets(sets), versions):
        base = {"set": data_set.name, "kind": data_set.kind, "method": name, "version": versions[name]}
        numbers = range(min(n_folds or data_set.default_folds, data_set.n_folds))
        numbers = [i for i in numbers if name in again or not _settled(done.get(key_of(base | {"fold": i})), limit)]
        if numbers and METHODS[name].runs_on(data_set):
            records = [base | record for record in in_child(data_set, name, numbers, limit)]
            with KEPT.open("a") as file:
                file.writelines(json.dumps(record) + "\n" for record in records)
            print(_line(data_set, name, records), file=sys.stderr, flush=True)


def _settled(record, limit):
    """Whether a record is there and would not come out otherwise with more time."""
    return record is not None and record.get("limit", limit) >= limit


def installed(names):
    """Return the versions of those methods that are installed, and say which are not."""
    versions = {name: METHODS[name].version() for name in names}
    for name in [name for name, version in versions.items() if version is None]:
        print(f"{name} left out: {METHODS[name].package} is not installed", file=sys.stderr)
        del versions[name]
    return versions


def _line(data_set, name, records):
    scores = [record.get("accuracy", record.get("nrmse")) for record in records if "error" not in record]
    mean = f"{np.mean(scores):.4f}" if len(scores) == len(records) else records[-1]["error"]
    return f"{data_set.name} {name}: {mean}, {sum(record.get('cpu_seconds', 0) for record in records):.1f} s"


def in_child(data_set, name, numbers, limit):
    """Return the records of some folds, made in a process of its own; a failure is a record, too."""
    spec = {"set": data_set.name, "kind": data_set.kind, "method": name, "folds": numbers, "limit": limit}
    try:
        child = subprocess.run(
            [sys.executable, "-m", "benchmarks.defaults", json.dumps(spec)],
            cwd=ROOT,
            env=os.environ | dict.fromkeys(THREAD_VARIABLES, "1"),
            capture_output=True,
            timeout=PATIENCE * limit,
            check=False,
        )
        output, error = child.stdout, f"exit code {child.returncode}: {child.stderr.decode()[-300:]}"
        if child.returncode == -signal.SIGXCPU:
            error = f"more than {limit:g} s of CPU"
    except subprocess.TimeoutExpired as exception:
        output, error = exception.stdout or b"", f"more than {PATIENCE * limit:g} s by the clock"
    # libraries print, too
    records = [json.loads(line) for line in output.decode().splitlines() if line.startswith('{"fold": ')]
    missing = sorted(set(numbers) - {record["fold"] for record in records})
    return records + [{"fold": i, "error": error, "limit": limit} for i in missing]


def classification_scores(model, X, y):
    """Return accuracy and, where there are probabilities, log-loss; a class that was not seen has probability 0."""
    scores = {"accuracy": float(np.mean(np.ravel(model.predict(X)) == y))}
    if hasattr(model, "predict_proba"):
        column = {label: i for i, label in enumerate(model.classes_)}
        probabilities = np.c_[model.predict_proba(X), np.zeros(len(y))]
        own = probabilities[np.arange(len(y)), [column.get(label, -1) for label in y]]
        scores["log_loss"] = float(-np.mean(np.log(np.clip(own, SMALLEST_PROBABILITY, 1))))
    return scores


def regression_scores(model, X, y, spread):
    """Return the root-mean-square error in units of `spread`."""
    return {"nrmse": float(np.sqrt(np.mean((np.ravel(model.predict(X)) - y) ** 2)) / spread)}


def measure_fold(method, data_set, X, y, X_test, y_test, y_all):
    """Return scores, CPU seconds of all threads and growth of the memory of one fold."""
    spread = 1.0
    if data_set.kind == "regression":
        centre, scale = y.mean(), y.std()
        y, y_test, spread = (y - centre) / scale, (y_test - centre) / scale, y_all.std() / scale
    model = method.make(data_set)
    memory, start = PeakMemory(), time.process_time()
    model.fit(X, y)
    fitted = time.process_time()
    if data_set.kind == "regression":
        scores = regression_scores(model, X_test, y_test, spread)
    else:
        scores = classification_scores(model, X_test, y_test)
    seconds = {"cpu_seconds": fitted - start, "scoring_cpu_seconds": time.process_time() - fitted}
    return scores | seconds | {"n": X.shape[0], "d": X.shape[1], "peak_mb": memory.growth()}


def _warm_up(method, data_set):
    """Fit a few rows, so that no library is loaded inside the clock."""
    X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    y = X[:, 0] if data_set.kind == "regression" else (X[:, 0] > 0).astype(np.int64)
    method.make(data_set).fit(X, y)


def main(spec):
    """Run the folds that `spec` describes and print a line of JSON for each."""
    resource.setrlimit(resource.RLIMIT_CPU, (spec["limit"], spec["limit"] + 10))
    warnings.simplefilter("ignore")
    data_set = next(each for each in data_sets([spec["set"]]) if each.kind == spec["kind"])
    method = METHODS[spec["method"]]
    where = {"cpu": cpu(), "commit": commit(), "time": time.strftime("%Y-%m-%d %H:%M")}
    where["versions"] = {"python": platform.python_version()} | {
        package: importlib.metadata.version(package) for package in ("numpy", "scikit-learn")
    }
    _warm_up(method, data_set)
    for number, fold in zip(spec["folds"], data_set.folds(spec["folds"]), strict=True):
        try:
            with contextlib.redirect_stdout(sys.stderr):
                record = measure_fold(method, data_set, *fold)
        except Exception as exception:
            record = {"error": f"{type(exception).__name__}: {exception}"[:300]}
        print(json.dumps({"fold": number} | record | where), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
