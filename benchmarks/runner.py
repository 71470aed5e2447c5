"""The one place that runs cases: a fresh process for every run, entries taking turns, medians.

The child is ``python -m benchmarks.runner SPEC`` and answers with one line of JSON. A fresh process makes threads and
peak memory comparable.
"""

import importlib
import json
import os
import subprocess
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.framework import CASES, Run
from benchmarks.records import ROOT, UNITS, Record

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# modules that register cases
MODULES = (
    "training",
    "floor",
    "scale",
    "quick",
    "second_order",
    "deep",
    "inputs",
    "users",
    "geometry",
    "accuracy",
    "heavy",
    "sketches",
)
# glibc gives blocks above 32 MB back to the system when they are freed; with these it keeps
# them, which spares a library that allocates at every step the page faults
REUSE_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
}


class RunError(RuntimeError):
    """A child failed; the message is the last line that it wrote."""


def load_cases():
    """Import the modules that register cases, and return all of them by name."""
    for module in MODULES:
        importlib.import_module(f"benchmarks.{module}")
    return CASES


def entries_of(case, small=False):
    """Return the entries of a case."""
    return case.entries(**(case.small if small else {}))


def in_child(case_name, number, run, reuse_memory=False, site=None):
    """Return what an entry measures, in a process of its own; with `site`, of the package installed there."""
    spec = {"case": case_name, "number": number, "run": asdict(run), "site": site}
    env = os.environ | dict.fromkeys(THREAD_VARIABLES, str(run.n_threads)) | (REUSE_MEMORY if reuse_memory else {})
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), env.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "benchmarks.runner", json.dumps(spec)]
    child = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if child.returncode:
        lines = child.stderr.strip().splitlines() or [f"exit code {child.returncode}"]
        raise RunError(lines[-1][:300])
    return json.loads(child.stdout.splitlines()[-1])


def use_site(site):
    """Let the package that is installed in a folder be found before any other."""
    # those of an editable install come before all folders
    sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in type(finder).__module__]
    sys.path.insert(0, site)
    found = importlib.import_module("skfastnn").__file__
    if not Path(found).is_relative_to(site):
        raise ImportError(f"skfastnn is found at {found}, not in {site}")


def handed_over(entries, number, answers, learning_rate=None):
    """Return the figures that an entry takes of skfastnn, and the recipe of its own first repeat."""
    entry = entries[number]
    own = answers[number][0] if answers[number] else {}
    given = {"recipe": own["recipe"]} if "recipe" in own else {}
    if not entry.takes:
        return given
    if learning_rate is not None:
        return given | {"learning_rate": learning_rate}
    ours = [i for i, other in enumerate(entries) if other.method == "skfastnn" and answers[i]]
    same = [i for i in ours if entries[i].at == entry.at]
    if not ours:
        raise RunError(f"takes {', '.join(entry.takes)} of skfastnn: run both, or give --learning-rate")
    source = answers[(same or ours)[0]][0]
    return given | {name: source[name] for name in entry.takes}


def run_case(case, options, say=lambda line: print(line, file=sys.stderr, flush=True)):
    """Run all entries, A B A B, and return the records.

    Parameters
    ----------
    case : Case
    options : argparse.Namespace
        `repeats`, `threads`, `libraries`, `widths`, `peer_epochs`, `learning_rate`, `reuse_memory`, `limit`, `small`.
    say : callable
        Takes a line after each run.
    """
    entries, repeats = entries_of(case, options.small), options.repeats or case.repeats
    limit = case.limit if options.limit is None else options.limit
    chosen = [i for i, entry in enumerate(entries) if _is_wanted(entry, options)]
    answers, left_out, ended = [[] for _ in entries], set(), set()
    for turn in range(repeats):
        for i in chosen:
            entry = entries[i]
            if i in left_out or (turn and entry.once):
                continue
            if entry.series in ended and not turn:
                left_out.add(i)
                continue
            try:
                given = handed_over(entries, i, answers, options.learning_rate)
                run = Run(turn, options.threads, given, options.peer_epochs, options.small)
                answers[i].append(in_child(case.name, i, run, options.reuse_memory))
            except RunError as error:
                left_out.add(i)
                say(f"{_label(entry)} left out: {error}")
                continue
            figures = measured(answers[i][-1])
            if entry.series and next(iter(figures.values())) > limit:
                ended.add(entry.series)
            say(f"{turn + 1}/{repeats} {_label(entry)}: " + ", ".join(f"{k} {v:.4g}" for k, v in figures.items()))
    records = [record for i in chosen if answers[i] for record in records_of(case.name, entries[i], answers[i])]
    return records + means(records, case.mean_over) + exponents(records, case.along)


def _is_wanted(entry, options):
    if options.libraries and not any(entry.method.split(",")[0] == name for name in options.libraries):
        return False
    return not options.widths or entry.at.get("m") in options.widths


def _label(entry):
    return " ".join([entry.method, *(f"{key}={value}" for key, value in entry.at.items())])


def measured(answer):
    """Return the figures of an answer that are measured."""
    return {name: value for name, value in answer.items() if name in UNITS}


def _middle(values):
    """Return the median of numbers, or the first of other values."""
    values = [value for value in values if value is not None]
    if not values:
        return None
    return median(values) if all(isinstance(value, (int, float)) for value in values) else values[0]


def records_of(case_name, entry, answers):
    """Return a record for each figure of an entry's answers."""
    quality = {name: _middle([answer.get(name) for answer in answers]) for name in answers[0] if name not in UNITS}
    quality = {name: value for name, value in quality.items() if value is not None}
    records = []
    for figure in measured(answers[0]):
        values = [answer[figure] for answer in answers]
        place = (case_name, entry.method, entry.dtype, entry.at, figure)
        records.append(Record(*place, median(values), UNITS[figure], quality, len(values), 0, values))
    return records


def _groups(records, key):
    """Return records that differ in one key of `at` only, by the rest of what they are known by."""
    groups = {}
    for record in records:
        if key in record.at:
            rest = {name: value for name, value in record.at.items() if name != key}
            groups.setdefault((record.method, record.dtype, record.figure, str(rest)), []).append((rest, record))
    return groups.values()


def means(records, key):
    """Return records of the means over a key of `at`."""
    found = []
    for group in _groups(records, key):
        rest, first = group[0]
        names = [k for k, value in first.quality.items() if isinstance(value, (int, float))]
        members = [record for _, record in group]
        quality = {k: float(np.mean([r.quality[k] for r in members if k in r.quality])) for k in names}
        value = float(np.mean([record.value for record in members]))
        place = (first.case, first.method, first.dtype, {key: f"mean of {len(members)}"} | rest, first.figure)
        found.append(Record(*place, value, first.unit, quality, first.repeats, first.seed))
    return found


def exponents(records, key):
    """Return records of the slopes of log(value) over log(key), of the upper half of at least three sizes.

    At the lower end, what a fit costs whatever its size hides the slope.
    """
    found = []
    for group in _groups(records, key):
        rest, first = group[0]
        points = sorted((record.at[key], record.value) for _, record in group if record.value > 0)
        points = points[-max(3, (len(points) + 1) // 2) :]
        if len(points) < 3:
            continue
        slope = float(np.polyfit(*np.log(points).T, 1)[0])
        place = (first.case, first.method, first.dtype, rest, f"exponent of {first.figure}")
        quality = {"along": key, "from": points[0][0], "to": points[-1][0]}
        found.append(Record(*place, slope, "", quality, first.repeats, first.seed))
    return found


def main(spec):
    """Measure the entry that `spec` describes and print its answer as JSON."""
    warnings.simplefilter("ignore")
    if spec["site"]:
        use_site(spec["site"])
    run = Run(**spec["run"])
    entry = entries_of(load_cases()[spec["case"]], run.small)[spec["number"]]
    print(json.dumps({name: _plain(value) for name, value in entry.measure(run, **entry.at).items()}))


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
