"""The data sets of the benchmarks: where their files are, how they are fetched, what they hold.

Files are looked for in the folder that the environment variable SKFASTNN_DATA or the option --data names; else in
`shared/data` beside the checkout; else in scikit-learn's data home.
"""

import gzip
import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True)
class File:
    """A file of data.

    Attributes
    ----------
    name : str
    sha256 : str
        Of the arrays where `fetch` is given, since archives differ in their dates; else of the file.
    what : str
    fetch : callable or None
        Returns the arrays by name; None if no single address has them.
    """

    name: str
    sha256: str
    what: str
    fetch: object = None

    @property
    def path(self):
        """Where it is, or would be."""
        return data_dir() / self.name

    def digest(self):
        """Return the checksum of what is there."""
        if self.fetch is None:
            return hashlib.sha256(self.path.read_bytes()).hexdigest()
        with np.load(self.path) as arrays:
            return digest_of(arrays)


def digest_of(arrays):
    """Return the checksum of arrays, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def _mnist_of_openml():
    from sklearn.datasets import fetch_openml

    X, y = fetch_openml("mnist_784", version=1, as_frame=False, return_X_y=True, n_retries=1)
    X, y = X.astype(np.uint8), y.astype(np.uint8)
    return {"X_train": X[:60_000], "y_train": y[:60_000], "X_test": X[60_000:], "y_test": y[60_000:]}


_UCI = "UCI Machine Learning Repository, standardised"
FILES = {
    "mnist": File(
        "mnist.npz",
        "c868f4cc70f1ec2961bd3b26437ea3a5d0e93cba4d95b336c6d475dd9dabb021",
        "MNIST, OpenML's mnist_784, version 1",
        _mnist_of_openml,
    ),
    "r8": File(
        "r8_train.tsv.gz",
        "b8c4f23b71758bbd9ad0c9d8f72c41b3478abcd30e06697b08da3bfb95ca72c9",
        "Reuters-21578 R8, training part: label, tab, text",
    ),
    "r8_test": File(
        "r8_test.tsv.gz",
        "92185e63642709d0388ad85004ccebc0a42fd451114ee54135709b12b0763702",
        "Reuters-21578 R8, test part",
    ),
    "gene_expression": File(
        "gene_expression.npz",
        "9ba41b65bb2c84a5c9ca41d2f9194628effb13505e73d24fa24a3598140ecbd6",
        "golub (leukaemia) and alon (colon): NAME/X, NAME/y",
    ),
    "uci_classification": File(
        "uci_classification.npz",
        "f86b7ad6235fedb405d6599e93bd31a947ec2a5c9b67038622d2190fbf6797c7",
        f"45 sets of the {_UCI}, with the folds of Fernandez-Delgado et al. (2014)",
    ),
    "uci_regression": File(
        "uci_regression.npz",
        "0566e4d7336705766db1214711e89641c170e111a84b6aa073dc06cb39841334",
        f"five sets of the {_UCI}, with twenty splits",
    ),
    "tabular_classification": File(
        "tabular_classification.npz",
        "255bc79c675e4818a990b2e008844b8bb685ef6fcf5cece5898c463430acdda7",
        "letter, magic, nursery, page-blocks, with four folds",
    ),
    "tabular_regression": File(
        "tabular_regression.npz",
        "521a5ed5bc60523eb4f5679e768b4bb08102e198acb7028011172b1a2777c6c6",
        "airfoil, machine, stock, skillcraft, bike, elevators, pol, kin40k, with five splits",
    ),
}


def data_dir():
    """Return the folder of the data files, whether it is there or not."""
    if named := os.environ.get("SKFASTNN_DATA"):
        return Path(named).expanduser().resolve()
    if BESIDE.is_dir():
        return BESIDE
    from sklearn.datasets import get_data_home

    return Path(get_data_home()) / "skfastnn"


def missing(names):
    """Return a line that says which of some files are not there; empty if all are."""
    lacking = [FILES[name] for name in names if not FILES[name].path.exists()]
    if not lacking:
        return ""
    fetchable = "; `python -m benchmarks fetch` fetches it" if all(file.fetch for file in lacking) else ""
    return f"needs {', '.join(file.name for file in lacking)} in {data_dir()}{fetchable}"


def fetch(files=None):
    """Fetch what is missing and can be fetched, check all by checksum, and return whether nothing is wrong.

    What is missing is said in a line each; only a file that is not what it should be is wrong.
    """
    well = True
    for file in (FILES if files is None else files).values():
        state = _fetched(file)
        well &= not state.startswith("not ")
        print(f"{file.name:28} {state}", flush=True)
    return well


def _fetched(file):
    if not file.path.exists():
        if file.fetch is None:
            return f"missing, no single address has it: {file.what}"
        try:
            arrays = file.fetch()
        except Exception as error:  # of the network, of its absence, of OpenML
            return f"missing, could not be fetched ({type(error).__name__}): {file.what}"
        if digest_of(arrays) != file.sha256:
            return f"not kept: what was fetched has another checksum than {file.what}"
        file.path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(file.path, **arrays)
        return "fetched"
    return "there" if file.digest() == file.sha256 else f"not what is expected: another checksum than {file.what}"


@dataclass(frozen=True)
class Problem:
    """A training part and a test part; X in [0, 1], labels as integers 0 ... k-1."""

    name: str
    X_train: np.ndarray
    y_train: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray

    def head(self, n_rows):
        """Return the same problem with the first `n_rows` training rows only."""
        return replace(self, X_train=self.X_train[:n_rows], y_train=self.y_train[:n_rows])


def load(name):
    """Return the Problem called `name`: "digits", "mnist" or "made", with a number of rows ("made-4000")."""
    if name == "digits":
        return _digits()
    base, _, n_rows = name.partition("-")
    if base == "made":
        return made(int(n_rows))
    if base != "mnist":
        raise ValueError(f"no data set is called {name!r}")
    return _mnist(int(n_rows) if n_rows else None)


def made(n_rows, n_features=784, n_classes=10, n_test=1_000):
    """Return rows as those of MNIST: in [0, 1], most numbers zero, noisy mixtures of a few shapes of each class."""
    rng = np.random.default_rng(0)
    shapes = rng.random((n_classes, 4, n_features)) ** 2 * (rng.random((n_classes, 4, n_features)) < 0.1)
    y = rng.integers(n_classes, size=n_rows + n_test)
    mixed = rng.dirichlet(np.full(4, 0.5), y.size)
    X = np.empty((y.size, n_features), dtype=np.float32)
    for label in range(n_classes):
        X[y == label] = mixed[y == label] @ shapes[label]
    X += 0.1 * rng.standard_normal(X.shape, dtype=np.float32) * (X > 0)
    X = np.clip(X, 0, 1)
    return Problem("made", X[:n_rows], y[:n_rows], X[n_rows:], y[n_rows:])


def load_r8():
    """Return R8 as tf-idf rows in CSR format: X_train, y_train, X_test, y_test."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    parts = []
    for name in ("r8_train.tsv.gz", "r8_test.tsv.gz"):
        with gzip.open(data_dir() / name, "rt") as file:
            parts.append([line.rstrip("\n").split("\t", 1) for line in file])
    vectorizer = TfidfVectorizer(dtype=np.float32)
    X = [
        vectorizer.fit_transform([text for _, text in parts[0]]),
        vectorizer.transform([text for _, text in parts[1]]),
    ]
    return X[0], np.array([label for label, _ in parts[0]]), X[1], np.array([label for label, _ in parts[1]])


def _digits():
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
    return Problem("digits", X_train, y_train, X_test, y_test)


def _mnist(n_rows):
    with np.load(FILES["mnist"].path) as file:
        X_train, X_test = _pixels(file["X_train"][:n_rows]), _pixels(file["X_test"])
        y_train, y_test = (file[key].astype(np.int64) for key in ("y_train", "y_test"))
    y_train = y_train[:n_rows]
    return Problem("mnist", X_train, y_train, X_test, y_test)


def _pixels(images):
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat /= 255
    return flat
