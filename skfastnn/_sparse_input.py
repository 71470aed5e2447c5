"""What scikit-learn's validation leaves open for sparse matrices."""

from scipy.sparse import issparse


def check_indices(X):
    """Raise ValueError if indices of a compressed sparse X are out of range: compiled code would follow them."""
    if issparse(X) and X.format in ("csr", "csc"):
        # the check brings the index arrays of what it checks in shape, so let it have an object of its own
        type(X)((X.data, X.indices, X.indptr), shape=X.shape).check_format(full_check=True)


def without_duplicates(X):
    """Return X, or a copy of a sparse X in which each entry is stored once and in order."""
    if not issparse(X) or X.has_canonical_format:
        return X
    X = X.copy()
    X.sum_duplicates()
    return X
