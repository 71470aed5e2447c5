"""The data sets of the benchmarks, as float32 arrays."""

import gzip
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

# beside the checkout
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
# a copy with the original split; without it, OpenML is asked
MNIST_FILE = DATA / "mnist.npz"


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
    """Return the Problem called `name`: "digits", "mnist" or "mnist-4000" (rows)."""
    if name == "digits":
        return _digits()
    base, _, n_rows = name.partition("-")
    if base != "mnist":
        raise ValueError(f"no data set is called {name!r}")
    problem = _mnist()
    return problem.head(int(n_rows)) if n_rows else problem


def load_r8():
    """Return R8 as tf-idf rows in CSR format: X_train, y_train, X_test, y_test."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    parts = []
    for name in ("r8_train.tsv.gz", "r8_test.tsv.gz"):
        with gzip.open(DATA / name, "rt") as file:
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


def _mnist():
    if MNIST_FILE.exists():
        with np.load(MNIST_FILE) as file:
            raw = [file[key] for key in ("X_train", "y_train", "X_test", "y_test")]
    else:
        from sklearn.datasets import fetch_openml

        X, y = fetch_openml("mnist_784", version=1, as_frame=False, return_X_y=True)
        raw = [X[:60_000], y[:60_000], X[60_000:], y[60_000:]]
    X_train, X_test = (_pixels(X) for X in raw[::2])
    y_train, y_test = (y.astype(np.int64) for y in raw[1::2])
    return Problem("mnist", X_train, y_train, X_test, y_test)


def _pixels(images):
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat /= 255
    return flat
