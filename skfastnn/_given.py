"""What users give, before anything reads it: what scikit-learn's validation leaves open, or would learn too late.

It takes time and memory in proportion to what is given, before it looks at a shape; and what it does not look at, the
indices of sparse matrices, compiled code would follow wherever they lead, that of SciPy too.
"""

from math import isfinite
from numbers import Real

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import validate_data

COMPRESSED = ("csr", "csc", "bsr")


def check_features(estimator, X):
    """Raise ValueError, in scikit-learn's words, if X is a table of other features than the estimator has seen."""
    if len(_shape(X)) == 2 and X.shape[1] not in (0, estimator.n_features_in_):
        validate_data(estimator, X, reset=False, skip_check_array=True)


def check_given(X, name="X"):
    """Raise ValueError if entries of X are masked, or if it is a sparse matrix whose arrays do not go together."""
    check_not_masked(X, name)
    check_sparse(X)


def check_length(X, y):
    """Raise ValueError if y is of another length than X, both as far as they have shapes."""
    if y is not None and _shape(y) != () and _shape(X) != ():
        check_consistent_length(X, y)


def check_numbered(X, name="X"):
    """Raise ValueError if there are more samples or features than 32 bits number, as the compiled loops do."""
    for number, what in zip(_shape(X), ("samples", "features"), strict=False):
        if number > np.iinfo(np.int32).max:
            raise ValueError(f"{name} has {number} {what}: less than 2**31 can be numbered.")


def check_not_masked(array, name):
    """Raise ValueError if entries are masked: they would count as if they were not."""
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise ValueError(
            f"{name} has masked entries, which NumPy's functions would take as they are: fill them, as in "
            f"{name}.filled(...), or leave them out."
        )


def check_weights(sample_weight, X):
    """Raise ValueError if weights are masked, a number that is not finite, or an array of another length than X."""
    check_not_masked(sample_weight, "sample_weight")
    if isinstance(sample_weight, Real) and not isfinite(sample_weight):
        raise ValueError(f"sample_weight is {sample_weight}: weights must be finite.")
    shape = _shape(sample_weight)
    if shape and shape[0] != X.shape[0]:
        raise ValueError(f"sample_weight.shape == {shape}, expected {(X.shape[0],)}!")


def check_sparse(X):
    """Raise ValueError if the arrays of a sparse X do not go together: compiled code would read beyond them."""
    if not issparse(X):
        return
    # the checks bring the arrays of what they check in shape, so let them have an object of their own
    if X.format in COMPRESSED:
        if X.format == "bsr" and X.data.ndim != 3:
            raise ValueError(f"The data of a BSR matrix are three-dimensional, got shape {X.data.shape}.")
        type(X)((X.data, X.indices, X.indptr), shape=X.shape).check_format(full_check=True)
    elif X.format == "coo":
        type(X)((X.data, X.coords), shape=X.shape)
    elif X.format == "dia":
        type(X)((X.data, X.offsets), shape=X.shape)
    elif X.format == "lil":
        _check_lists(X)


def _check_lists(X):
    """Raise ValueError if the lists of a LIL matrix do not go together."""
    n_rows, n_columns = X.shape
    if X.rows.shape != (n_rows,) or X.data.shape != (n_rows,):
        raise ValueError(f"A LIL matrix of {n_rows} rows has lists for {X.rows.shape} and {X.data.shape}.")
    for row, (columns, values) in enumerate(zip(X.rows, X.data, strict=True)):
        if len(columns) != len(values):
            raise ValueError(f"Row {row} of a LIL matrix has {len(columns)} columns and {len(values)} values.")
        if columns and not 0 <= min(columns) <= max(columns) < n_columns:
            raise ValueError(f"Row {row} of a LIL matrix has columns that are not in [0, {n_columns}).")


def _shape(array):
    """Return the shape of what has one, else ()."""
    shape = getattr(array, "shape", ())
    return shape if isinstance(shape, tuple) else ()
