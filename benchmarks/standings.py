"""Tables of the case ``defaults``: who is first, by how much, at what price.

A data set counts in the ranks of a group if all methods ranked there finished it, with the folds that they share. Who
finished less than half of the group's data sets is not ranked.
"""

import sys

import numpy as np
from scipy.stats import rankdata

from benchmarks.defaults import read_records
from benchmarks.suites import GROUPS, data_sets
from benchmarks.table import align

COLUMNS = ("method", "accuracy", "nRMSE", "rank", "log-loss", "rank", "CPU s", "peak MB", "worst ratio")
# the nRMSE of a method is compared with the best of these, data set by data set
YARDSTICKS = ("MLP", "HGB", "forest")


def mean_ranks(errors):
    """Return the mean rank of each method, 1 for the least error; equal errors share the mean of their ranks.

    Parameters
    ----------
    errors : array-like of shape (n_sets, n_methods)
        Errors, of any unit that is the same within a row.

    Returns
    -------
    ranks : ndarray of shape (n_methods,)

    Examples
    --------
    >>> mean_ranks([[0.1, 0.2, 0.2], [3.0, 1.0, 2.0]])
    array([2.  , 1.75, 2.25])
    """
    # means of the same folds in another order differ in the last digit
    return rankdata(np.round(errors, 10), axis=1).mean(axis=0)


def worst_ratios(errors, yardsticks):
    """Return the largest ratio of each method's error to the least of the columns `yardsticks`, and the row of it."""
    errors = np.asarray(errors)
    ratios = errors / errors[:, yardsticks].min(axis=1, keepdims=True)
    return ratios.max(axis=0), ratios.argmax(axis=0)


def select(records, methods=None):
    """Return {method: {(set, kind): {fold: record}}} of one version of each method.

    Parameters
    ----------
    records : iterable of dict
        In the order in which they were made.
    methods : list of str or None
        ``NAME`` takes the version of its newest record, ``NAME@VERSION`` the newest of those whose version or commit
        starts so; None: all names there are.
    """
    records = list(records)
    chosen = {}
    for wanted in methods or dict.fromkeys(record["method"] for record in records):
        name, _, start = wanted.partition("@")
        own = [r for r in records if r["method"] == name and _is_version(r, start)]
        if not own:
            print(f"no result of {wanted} is kept", file=sys.stderr)
            continue
        chosen[wanted] = {}
        for record in own:
            if record["version"] == own[-1]["version"]:
                chosen[wanted].setdefault((record["set"], record["kind"]), {})[record["fold"]] = record
    return chosen


def _is_version(record, start):
    return any(text.startswith(start) for text in (record["version"], record.get("commit", "")))


def _finished(folds):
    return bool(folds) and not any("error" in record for record in folds.values())


class Group:
    """The records of the methods that are ranked on some data sets.

    Parameters
    ----------
    sets : list of DataSet
        Those of the group.
    chosen : dict
        As `select` returns it.

    Attributes
    ----------
    keys : list of tuple
        (set, kind) of the data sets that count.
    methods : list of str
        Those that are ranked.
    finished : dict
        How many of the group's data sets each method finished.
    """

    def __init__(self, sets, chosen):
        keys = [(s.name, s.kind) for s in sets if any((s.name, s.kind) in kept for kept in chosen.values())]
        self.all_keys, self.chosen = keys, chosen
        self.finished = {name: sum(_finished(kept.get(key)) for key in keys) for name, kept in chosen.items()}
        most = max(self.finished.values(), default=0)
        self.methods = [name for name in chosen if 2 * self.finished[name] >= max(most, 1)]
        self.keys = [key for key in keys if self.records(key, self.methods)]

    def records(self, key, methods):
        """Return for each of `methods` the records of the folds that all of them made; empty if there are none."""
        folds = [self.chosen[name].get(key) for name in methods]
        if not folds or not all(map(_finished, folds)):
            return []
        shared = sorted(set.intersection(*map(set, folds)))
        return [[own[fold] for fold in shared] for own in folds] if shared else []

    def means(self, what, kind, methods):
        """Return the means over folds of `what`, of shape (data sets of a kind, methods)."""
        keys = [key for key in self.keys if key[1] == kind]
        return np.array([[np.mean([r[what] for r in own]) for own in self.records(key, methods)] for key in keys])

    def totals(self, what, reduce):
        """Return `reduce` of `what` over data sets and folds, for each method."""
        made = [self.records(key, self.methods) for key in self.keys]
        return [reduce([r[what] for records in made for r in records[i]]) for i in range(len(self.methods))]


def _summary(group):
    """Return the table of a group as rows of cells, the first method first."""
    methods = group.methods
    accuracy, nrmse = group.means("accuracy", "classification", methods), group.means("nrmse", "regression", methods)
    errors = np.concatenate([part for part in (1 - accuracy, nrmse) if part.size])
    ranks = mean_ranks(errors)
    columns = [
        methods,
        [f"{100 * x:.2f}" for x in accuracy.mean(axis=0)] if accuracy.size else ["-"] * len(methods),
        [f"{x:.4f}" for x in nrmse.mean(axis=0)] if nrmse.size else ["-"] * len(methods),
        [f"{x:.2f}" for x in ranks],
        *_probabilities(group),
        [f"{x:,.1f}" for x in group.totals("cpu_seconds", sum)],
        [f"{x:,.0f}" for x in group.totals("peak_mb", max)],
        _ratios(group, nrmse),
    ]
    rows = list(zip(*columns, strict=True))
    return [COLUMNS, *(rows[i] for i in np.argsort(ranks, kind="stable"))]


def _probabilities(group):
    """Return the columns of the mean log-loss and of its rank, among the methods that have probabilities."""
    keys = [key for key in group.keys if key[1] == "classification"]
    able = [m for m in group.methods if keys and all("log_loss" in r for r in _own(group, keys, m))]
    columns = {name: ("-", "-") for name in group.methods}
    if able:
        losses = group.means("log_loss", "classification", able)
        for name, loss, rank in zip(able, losses.mean(axis=0), mean_ranks(losses), strict=True):
            columns[name] = f"{loss:.3f}", f"{rank:.2f}"
    return zip(*columns.values(), strict=True)


def _own(group, keys, method):
    return [record for key in keys for record in group.chosen[method][key].values()]


def _ratios(group, nrmse):
    """Return the column of the worst ratios to the best yardstick, each with its data set."""
    yardsticks = [i for i, name in enumerate(group.methods) if name in YARDSTICKS]
    if not nrmse.size or not yardsticks:
        return ["-"] * len(group.methods)
    names = [name for name, kind in group.keys if kind == "regression"]
    return [f"{r:.2f} {names[row]}" for r, row in zip(*worst_ratios(nrmse, yardsticks), strict=True)]


def _each(group):
    """Return a row per data set: folds, scores and seconds of every method, our error over the best yardstick's."""
    shown = [name for name, finished in group.finished.items() if finished]
    rows = [("data set", "folds", *shown, "ours / best of " + ", ".join(YARDSTICKS))]
    for name, kind in group.all_keys:
        able = [method for method in shown if _finished(group.chosen[method].get((name, kind)))]
        made = dict(zip(able, group.records((name, kind), able), strict=False))
        what = "accuracy" if kind == "classification" else "nrmse"
        scores = {method: np.mean([record[what] for record in records]) for method, records in made.items()}
        cells = [_score(made.get(method), what) for method in shown]
        rows.append((name, str(len(next(iter(made.values()), ()))), *cells, _against_best(scores, kind)))
    return rows


def _score(records, what):
    """Return the mean score and the CPU seconds of all folds."""
    if records is None:
        return "-"
    score, seconds = np.mean([record[what] for record in records]), sum(record["cpu_seconds"] for record in records)
    return f"{100 * score:.2f}, {seconds:.1f} s" if what == "accuracy" else f"{score:.4f}, {seconds:.1f} s"


def _against_best(scores, kind):
    ours = next((name for name in scores if name.partition("@")[0] == "ours"), None)
    best = [scores[name] for name in YARDSTICKS if name in scores]
    return f"{scores[ours] / min(best):.2f}" if kind == "regression" and ours and best else "-"


def _failures(group):
    """Return a line for each data set that a method failed on."""
    lines = []
    for method, kept in group.chosen.items():
        for key in group.all_keys:
            errors = [record["error"] for record in kept.get(key, {}).values() if "error" in record]
            if errors:
                lines.append(f"{method} failed on {key[0]}: {errors[0].splitlines()[-1][:120]}")
    return lines


def _versions(chosen):
    """Return a line for each method: version, commit and processors of its records."""
    lines = []
    for method, kept in chosen.items():
        records = [record for folds in kept.values() for record in folds.values()]
        commits = f" ({', '.join({r['commit']: 0 for r in records if r.get('commit')})})" if "ours" in method else ""
        cpus = ", ".join(dict.fromkeys(r["cpu"] for r in records if "cpu" in r))
        lines.append(f"{method}: {records[0]['version']}{commits}, {len(kept)} data sets, {cpus}")
    return lines


def report(methods=None, sets=None, details=False):
    """Return the tables of the results that are kept.

    Parameters
    ----------
    methods : list of str or None
        As in `select`.
    sets : list of str or None
        Data sets or groups, by name; None: all.
    details : bool
        Whether to show every data set of every group, not of regressions and of text, images and genes only.
    """
    chosen, there = select(read_records().values(), methods), data_sets(sets)
    lines = []
    for name, (title, belongs) in GROUPS.items():
        group = Group([data_set for data_set in there if belongs(data_set)], chosen)
        if not group.all_keys:
            continue
        lines.append(f"\n{title}: {len(group.keys)} of {len(group.all_keys)} data sets, those all ranked finished")
        lines += align(_summary(group)) if group.keys else []
        left = [f"{m} ({n})" for m, n in group.finished.items() if m not in group.methods and n]
        lines += [f"not ranked, with the data sets finished: {', '.join(left)}"] if left else []
        if details or name in ("regression", "other"):
            lines += ["", *align(_each(group))]
        lines += _failures(group)
    return "\n".join([*lines, "", *_versions(chosen)]).lstrip("\n")
