"""Rows of signs: one byte a sign to be summed, one bit a sign to be compared."""

from functools import cached_property

import numpy as np
from sklearn.utils import check_array, gen_batches

from skfastnn._given import check_given

# Rows of one pass over the input while it is checked.
CHECK_ROWS = 1_024
# Words that are compared at once: what is written stays in the second-level cache.
BATCH_WORDS = 1 << 16
N_BITS = np.array([i.bit_count() for i in range(1 << 16)], dtype=np.uint8)


class SignRows:
    """Rows of +-1, checked.

    Attributes
    ----------
    signs : ndarray of shape (n_rows, n_features), dtype=int8
        A view of the input where it is int8 already.
    words : ndarray of shape (n_rows, n_words), dtype=uint64
        The same, a bit a sign.
    """

    def __init__(self, X, name):
        check_given(X, name)
        X = check_array(X, dtype=None, input_name=name, ensure_all_finite=False)  # NaN is no sign, see below
        signs = X if X.dtype == np.int8 else np.empty(X.shape, dtype=np.int8)
        for part in gen_batches(X.shape[0], CHECK_ROWS):
            self._check(X[part], name)
            if signs is not X:
                signs[part] = X[part]
        self._take(signs)

    @classmethod
    def trusted(cls, signs):
        """Take an int8 array that is known to hold signs."""
        rows = cls.__new__(cls)
        rows._take(signs)
        return rows

    def _take(self, signs):
        self.signs = signs
        self.n_rows, self.n_features = signs.shape

    @cached_property
    def words(self):
        """The same, a bit a sign; those behind the last feature are zero."""
        words = np.zeros((self.n_rows, -(-self.n_features // 64)), dtype=np.uint64)
        packed = words.view(np.uint8)
        for part in gen_batches(self.n_rows, CHECK_ROWS):
            bits = np.packbits(self.signs[part] > 0, axis=1)
            packed[part, : bits.shape[1]] = bits
        return words

    @staticmethod
    def _check(rows, name):
        # bool has no -1, and a string no sign
        if rows.dtype.kind not in "iuf" or not ((rows == 1) | (rows == -1)).all():
            raise ValueError(
                f"{name} has entries other than -1 and +1, or missing ones. Take the sign of real data, e.g. "
                f"np.where({name} > np.median({name}, axis=0), 1, -1); for zeros and ones, 2 * {name} - 1."
            )


def inner_products(A, B, a, b):
    """Return the inner products of rows ``a[i]`` of A and ``b[j]`` of B, for each leading index.

    Parameters
    ----------
    A, B : SignRows
    a : ndarray of shape (n, p), dtype=int
    b : ndarray of shape (n, q), dtype=int

    Returns
    -------
    products : ndarray of shape (n, p, q), dtype=int64
        Exact: features less twice the number of signs that differ.
    """
    differ = A.words[a][:, :, None, :] ^ B.words[b][:, None, :, :]
    if hasattr(np, "bitwise_count"):
        counts = np.bitwise_count(differ)
    else:  # NumPy 1
        counts = N_BITS[differ.view(np.uint16)]
    return A.n_features - 2 * counts.sum(axis=-1, dtype=np.int64)


def verified(A, B, members_a, members_b, rows, columns, least):
    """Return the pairs of some cells whose inner product is at least `least`.

    Parameters
    ----------
    A, B : SignRows
    members_a, members_b : ndarray of shape (n_groups, size), dtype=int
        Rows of each group; -1 where it is not full.
    rows, columns : ndarray of shape (n_cells,)
        Groups of A and of B that meet in a cell.
    least : int

    Returns
    -------
    pairs : ndarray of shape (n_pairs, 2)
    products : ndarray of shape (n_pairs,)
    """
    per_cell = members_a.shape[1] * members_b.shape[1] * A.words.shape[1]
    pairs, values = [np.empty((0, 2), dtype=np.intp)], [np.empty(0, dtype=np.int64)]
    for part in gen_batches(rows.size, max(1, BATCH_WORDS // per_cell)):
        a, b = members_a[rows[part]], members_b[columns[part]]
        products = inner_products(A, B, a, b)
        # -1 stood for the last row, which is in a group of its own
        products[(a < 0)[:, :, None] | (b < 0)[:, None, :]] = least - 1
        n, i, j = np.nonzero(products >= least)
        pairs.append(np.column_stack([a[n, i], b[n, j]]))
        values.append(products[n, i, j])
    return np.concatenate(pairs), np.concatenate(values)
