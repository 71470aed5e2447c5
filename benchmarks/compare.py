"""Whether one commit is slower than another: ``python -m benchmarks compare BASE HEAD``.

Both are built, each into a folder of its own; the cases, as they are here, run with one and the other in turn, and each
pair of runs makes a ratio. A case is slower if all its ratios, but for one in twenty, are above 1 by more than 5 %.
"""

import importlib.util
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.data import missing
from benchmarks.framework import Run
from benchmarks.records import ROOT
from benchmarks.runner import RunError, entries_of, in_child, measured
from benchmarks.table import align

TOLERANCE = 0.05


@dataclass(frozen=True)
class Verdict:
    """Median and range of the ratios of HEAD to BASE, and a word."""

    ratio: float
    low: float
    high: float
    word: str


def verdict(base, head):
    """Return the Verdict on seconds that were measured in pairs.

    Examples
    --------
    >>> verdict([1.0, 1.0, 1.0], [1.2, 1.1, 1.3]).word
    'slower'
    """
    ratios = np.divide(head, base)
    # of five pairs, the least and the largest: on a busy machine quartiles often are on one side by chance
    low, high = np.quantile(ratios, 0.05, method="lower"), np.quantile(ratios, 0.95, method="higher")
    ratio = np.median(ratios)
    word = ""
    if abs(ratio - 1) > TOLERANCE:
        word = "slower" if ratio > 1 else "faster"
        # some pairs do not say so
        if low <= 1 + TOLERANCE and high >= 1 - TOLERANCE:
            word += "?"
    return Verdict(float(ratio), float(low), float(high), word)


@contextmanager
def built(names, n_jobs):
    """Build commits, or "." as it is, by so many jobs, and yield the folders in which they are installed."""
    with tempfile.TemporaryDirectory() as folder:
        trees = [Path(folder) / f"source{i}" for i in range(len(names))]
        sites = [str(Path(folder).resolve() / f"site{i}") for i in range(len(names))]
        try:
            for name, tree, site in zip(names, trees, sites, strict=True):
                print(f"building {name}", file=sys.stderr, flush=True)
                if name != ".":
                    _call("git", "-C", ROOT, "worktree", "add", "--detach", tree, name)
                _install(ROOT if name == "." else tree, site, n_jobs)
            yield sites
        finally:
            for tree in trees:
                if tree.exists():
                    _call("git", "-C", ROOT, "worktree", "remove", "--force", tree)


def _install(tree, site, n_jobs):
    # what builds the package may be here: then nothing has to come from elsewhere
    isolated = () if importlib.util.find_spec("mesonpy") is None else ("--no-build-isolation",)
    how = ("--quiet", "--no-deps", *isolated, f"-Ccompile-args=-j{n_jobs}", "--target", site)
    _call(sys.executable, "-m", "pip", "install", *how, tree)


def _call(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(str(part) for part in command[:4])} ... failed:\n{done.stderr[-2000:]}")


def pairs_of(case, sites, options, run=in_child):
    """Return {place: (seconds of the first site, of the second)} of our entries, measured in turn."""
    entries, seconds, failed = entries_of(case, options.small), {}, set()
    for turn in range(options.repeats or case.repeats):
        for number, entry in enumerate(entries):
            if not entry.method.startswith("skfastnn") or entry.takes or number in failed:
                continue
            label = " ".join([case.name, entry.method, *map(str, entry.at.values())])
            told = Run(turn, options.threads, small=options.small)
            found = {}
            try:
                # who goes first changes
                for i in (0, 1) if turn % 2 == 0 else (1, 0):
                    found[i] = run(case.name, number, told, site=sites[i])
            except RunError as error:
                failed.add(number)
                print(f"{label} left out, {('BASE', 'HEAD')[i]} failed: {error}", file=sys.stderr, flush=True)
                continue
            both = seconds.setdefault(label, ([], []))
            for i in (0, 1):
                both[i].append(next(iter(measured(found[i]).values())))
            print(f"{turn + 1} {label}: {both[0][-1]:.4g} {both[1][-1]:.4g}", file=sys.stderr, flush=True)
    return seconds


def table(names, pairs):
    """Return the lines of the comparison and whether anything is slower."""
    rows = [("case", names[0], names[1], "ratio", "range", "")]
    verdicts = {label: verdict(*both) for label, both in pairs.items()}
    for label, (base, head) in pairs.items():
        found = verdicts[label]
        medians = [f"{np.median(values):.4g}" for values in (base, head)]
        rows.append((label, *medians, f"{found.ratio:.3f}", f"{found.low:.3f}-{found.high:.3f}", found.word))
    return align(rows), any(found.word == "slower" for found in verdicts.values())


def compare(base, head, cases, options):
    """Compare two commits and return whether the second is slower."""
    if lines := [f"{case.name} {line}" for case in cases if (line := missing(case.data))]:
        sys.exit("\n".join(lines))
    with built([base, head], options.threads) as sites:
        pairs = {}
        for case in cases:
            pairs |= pairs_of(case, sites, options)
    lines, slower = table((base, head), pairs)
    print("first figure of each, usually seconds: medians; ratios of pairs; marked beyond 5 %, ? if not all pairs are")
    print("\n".join(lines))
    return slower
