"""The data sets of the case ``defaults`` and their folds, as the files of ``data.py`` fix them."""

import sys
from dataclasses import dataclass

import numpy as np

from benchmarks.data import data_dir, load, load_r8

# files with the tables of several sets
TABLES = {
    "uci_classification": "classification",
    "uci_regression": "regression",
    "tabular_classification": "classification",
    "tabular_regression": "regression",
}
# folds that are run if nothing is said: of regression sets, of genes, of all others
REGRESSION_FOLDS, GENE_FOLDS, FOLDS = 2, 10, 4
SMALL_ROWS, MANY_ROWS = 2_000, 5_000
# parts of the report: what they are called and what a data set must be; a set may be in several
GROUPS = {
    "small-classification": ("small classification", lambda s: s.source == "uci_classification"),
    "small-regression": (
        f"regression up to {SMALL_ROWS:,} rows",
        lambda s: s.kind == "regression" and s.n_rows <= SMALL_ROWS,
    ),
    "regression": ("regression", lambda s: s.kind == "regression"),
    "large": (
        f"{MANY_ROWS:,} rows and more",
        lambda s: s.is_table and s.source != "uci_classification" and s.n_rows >= MANY_ROWS,
    ),
    "other": ("text, images, genes", lambda s: not s.is_table),
}


@dataclass(frozen=True)
class DataSet:
    """One data set, by name and kind (a name may occur in both kinds)."""

    name: str
    kind: str
    source: str
    n_rows: int
    n_folds: int

    @property
    def is_table(self):
        """Whether it came as a table of features, rather than text, images or genes."""
        return self.source in TABLES

    @property
    def needs_scaling(self):
        """Whether methods that mind the scale of a feature get a StandardScaler in front."""
        return self.is_table or self.source == "gene_expression"

    @property
    def default_folds(self):
        """How many of its folds are run if nothing is said."""
        if self.kind == "regression":
            return min(self.n_folds, REGRESSION_FOLDS)
        return min(self.n_folds, GENE_FOLDS if self.source == "gene_expression" else FOLDS)

    def folds(self, numbers):
        """Yield (X_train, y_train, X_test, y_test, y of all rows) for each fold in `numbers`."""
        if self.source in ("mnist", "r8"):
            problem = load("mnist") if self.source == "mnist" else None
            parts = load_r8() if problem is None else (problem.X_train, problem.y_train, problem.X_test, problem.y_test)
            yield from ((*parts, np.concatenate([parts[1], parts[3]])) for _ in numbers)
            return
        X, y, splits = self._splits(numbers)
        for train, test in splits:
            yield X[train], y[train], X[test], y[test], y

    def _splits(self, numbers):
        """Return X, y and pairs of row numbers (train, test)."""
        if self.source == "digits":
            from sklearn.datasets import load_digits
            from sklearn.model_selection import train_test_split

            X, y = load_digits(return_X_y=True)
            rows = np.arange(len(y))
            # the first is that of `load("digits")`
            splits = [train_test_split(rows, test_size=0.3, random_state=i) for i in numbers]
            return (X / 16).astype(np.float32), y, splits
        with np.load(data_dir() / f"{self.source}.npz") as file:
            part = {key.split("/")[1]: file[key] for key in file.files if key.startswith(f"{self.name}/")}
        X, y = part["X"], part["y"]
        if self.source == "gene_expression":
            from sklearn.model_selection import RepeatedStratifiedKFold

            splits = list(RepeatedStratifiedKFold(n_splits=5, n_repeats=10, random_state=0).split(X, y))
            return X, y, [splits[i] for i in numbers]
        if self.kind == "classification":
            return X, y, [(part[f"fold{i}_train"], part[f"fold{i}_test"]) for i in numbers]
        tests = [part[f"split{i}_test"] for i in numbers]
        return X, y, [(np.setdiff1d(np.arange(y.size), test), test) for test in tests]


def data_sets(names=None):
    """Return the DataSets that are there, the smallest first; only those in `names`, of sets or GROUPS, if given.

    Exits with a line that says so if there are no data or a name is unknown.
    """
    folder = data_dir()
    found = [DataSet("digits", "classification", "digits", 1_797, 10)]
    if (folder / "mnist.npz").exists():
        found.append(DataSet("mnist", "classification", "mnist", 70_000, 1))
    if (folder / "r8_train.tsv.gz").exists():
        found.append(DataSet("r8", "classification", "r8", 7_674, 1))
    for source in (*TABLES, "gene_expression"):
        if (folder / f"{source}.npz").exists():
            found += _sets_in(source)
    found.sort(key=lambda each: each.n_rows)
    if not names:
        return found
    if unknown := set(names) - {each.name for each in found} - set(GROUPS):
        known = ", ".join([*GROUPS, *(each.name for each in found)])
        sys.exit(f"no data set is called {', '.join(sorted(unknown))}; there are {known}")
    return [s for s in found if s.name in names or any(name in names and GROUPS[name][1](s) for name in GROUPS)]


def _sets_in(source):
    """Return the DataSets of one file of tables, or of genes, whose folds are drawn here."""
    with np.load(data_dir() / f"{source}.npz") as file:
        keys = file.files
        sizes = {key.removesuffix("/y"): file[key].size for key in keys if key.endswith("/y")}
    kind = TABLES.get(source, "classification")
    tests = [key.split("/")[0] for key in keys if key.endswith("_test") and "tune" not in key]
    return [DataSet(name, kind, source, sizes[name], tests.count(name) or 50) for name in sizes]
