"""Turns the answers of the runs into the printed table: one line per library and width."""

import importlib.metadata
import os
import platform
from pathlib import Path
from statistics import median

import numpy as np

COLUMNS = ("library", "m", "seconds", "min-max", "ratio", "loss", "test acc", "fired", "peak MB")


def header(case_name, case, n_threads, repeats):
    """Return the lines that say what was measured, on what, with which versions."""
    versions = []
    for package in ("skfastnn", "torch", "scikit-learn", "numpy"):
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} not installed")
    return "\n".join(
        [
            f"{case_name}: {case.summary}",
            f"float32, {n_threads} threads of {os.cpu_count()} CPUs ({cpu()}), "
            f"median of {repeats}; {', '.join(versions)}",
        ]
    )


def cpu():
    """Return the processor's name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def scaled_seconds(answer, n_epochs):
    """Return the seconds of `n_epochs` epochs, scaled from the epochs that were run."""
    setup = answer["setup_seconds"]
    return setup + (answer["seconds"] - setup) * n_epochs / answer["epochs"]


def reference(settings, entries):
    """Return the skfastnn entry that `settings` is compared with: same width, else the first."""
    ours = [entry for entry in entries if entry.library == "skfastnn"]
    same = [entry for entry in ours if entry.width == settings.width]
    return next(iter(same + ours), None)


def table(case, answers, peer_epochs=None):
    """Return the table and the remarks under it.

    Parameters
    ----------
    case : Case
        What was measured.
    answers : dict of Settings to list of dict
        The answers of the repeats of each entry.
    peer_epochs : int or None
        Epochs of the runs that were cut short; None if none was.
    """
    seconds = {
        settings: [
            scaled_seconds(answer, case.epochs) if case.kind == "epochs" else answer["seconds"] for answer in runs
        ]
        for settings, runs in answers.items()
    }
    rows = [COLUMNS]
    remarks = []
    for settings, runs in answers.items():
        base = reference(settings, answers)
        ratio = "-"
        # within a budget all take the same time: the accuracy is the result
        if base is not None and case.kind != "budget":
            ratio = f"{median(seconds[settings]) / median(seconds[base]):.2f}"
        rows.append(_row(settings, runs, seconds[settings], ratio, case))
        remarks += _remarks(settings, runs[0], case, peer_epochs)
    if case.kind == "scaling":
        remarks += _slopes(seconds)
    return "\n".join([*align(rows), *remarks])


def _row(settings, runs, seconds, ratio, case):
    digits = 5 if case.kind == "scaling" else 2
    first = runs[0]
    complete = case.kind != "epochs" or first["epochs"] == case.epochs
    return (
        settings.library,
        f"{settings.width:,}",
        f"{median(seconds):.{digits}f}",
        f"{min(seconds):.{digits}f}-{max(seconds):.{digits}f}",
        ratio,
        f"{median(run['losses'][-1] for run in runs):.4g}" if complete else "-",
        _percent(runs, "accuracy") if complete else "-",
        _percent(runs, "fired"),
        f"{median(run['peak_mb'] for run in runs):.0f}",
    )


def _percent(runs, key):
    values = [run[key] for run in runs if run[key] is not None]
    return f"{100 * median(values):.2f} %" if values else "-"


def _remarks(settings, answer, case, peer_epochs):
    remarks = []
    n_epochs = answer["epochs"]
    if case.kind == "epochs" and n_epochs != case.epochs:
        remarks.append(f"{settings.label}: seconds scaled from {n_epochs} epochs")
    if case.kind == "epochs" and peer_epochs:
        loss = answer["losses"][peer_epochs - 1]
        remarks.append(f"{settings.label}: loss {loss:.4g} at epoch {peer_epochs}")
    if case.kind == "target" and not answer["reached"]:
        remarks.append(f"{settings.label}: gave up after {n_epochs} epochs")
    elif case.kind in ("target", "budget"):
        remarks.append(f"{settings.label}: {n_epochs} epochs")
    if settings.library == "skfastnn":
        remarks.append(f"{settings.label}: learning rate {answer['learning_rate']:.4g}")
    return remarks


def _slopes(seconds):
    """Return a line per library: the slope of log(seconds per step) over log(m)."""
    lines = []
    for library in dict.fromkeys(settings.library for settings in seconds):
        points = [(s.width, median(t)) for s, t in seconds.items() if s.library == library]
        if len(points) > 1:
            log_m, log_seconds = np.log(points).T
            slope = np.polyfit(log_m, log_seconds, 1)[0]
            widths = f"m = {points[0][0]:,} to {points[-1][0]:,}"
            lines.append(f"{library}: slope of log(seconds) over log(m) is {slope:.3f}, {widths}")
    return lines


def align(rows):
    """Return rows of cells as lines whose columns are as wide as they must be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            # names to the left, numbers to the right
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
