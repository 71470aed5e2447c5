"""Groups of rows, their sums with random signs, and the product of the sums."""

from itertools import combinations
from math import comb

import numpy as np
from scipy import sparse
from sklearn.utils import gen_batches
from sklearn.utils._chunking import get_chunk_n_rows

# Most bytes of a tile of cells or of a block of sums: more of them gains no speed and costs page faults.
TILE_BYTES = 1 << 26


class Groups:
    """Rows in random groups, with random signs.

    Attributes
    ----------
    members : ndarray of shape (n_groups, size), dtype=int
        Rows of each group; -1 where the last one is not full.
    weights : ndarray of shape (n_groups, size), dtype=float32
        Their signs; 0 where the last group is not full.
    """

    def __init__(self, n_rows, size, rng):
        self.n_rows, self.size = n_rows, size
        self.n_groups = -(-n_rows // size)
        self.members = np.full((self.n_groups, size), -1, dtype=np.intp)
        self.members.ravel()[:n_rows] = rng.permutation(n_rows)
        self.weights = 1 - 2 * rng.randint(0, 2, self.members.shape).astype(np.float32)
        self.weights[self.members < 0] = 0

    def sums(self, signs):
        """Return the signed sums of the rows, ndarray of shape (n_groups, n_features), dtype=float32."""
        # bytes are added as bytes, four times as fast as floats, if the sums fit
        dtype = np.int8 if self.size < 128 else np.int16
        indptr = np.minimum(np.arange(self.n_groups + 1) * self.size, self.n_rows)
        weights = self.weights.ravel()[: self.n_rows].astype(dtype)
        S = sparse.csr_array((weights, self.members.ravel()[: self.n_rows], indptr), shape=(self.n_groups, self.n_rows))
        return (S @ signs).astype(np.float32)

    def monomial_sums(self, signs, left, right, keep, part):
        """Return the signed sums of products of features, for some groups.

        A monomial is the product of a left and of a right half; the sums over a group of all of them are the product
        of the matrices of the two halves.

        Parameters
        ----------
        signs : ndarray of shape (n_rows, n_features), dtype=int8
        left, right : ndarray of shape (n_halves, degree of the half)
            Features of the halves.
        keep : ndarray of shape (n_left, n_right), dtype=bool
            Which of their products are wanted.
        part : slice
            Of the groups.

        Returns
        -------
        sums : ndarray of shape (n_groups, n_kept), dtype=float32
        """
        rows = signs[self.members[part]].astype(np.float32)
        X = rows[..., left].prod(axis=-1)
        X *= self.weights[part, :, None]
        Y = rows[..., right].prod(axis=-1)
        return np.matmul(X.transpose(0, 2, 1), Y)[:, keep]


def monomial_blocks(n_features, degree, width):
    """Yield the monomials of `degree` different features, by blocks of their left halves.

    Parameters
    ----------
    n_features, degree : int
    width : int
        Left halves in a block.

    Yields
    ------
    left, right, keep : see `Groups.monomial_sums`
        Kept is what has its left half before its right half: each monomial once.
    """
    left, right = (
        np.array(list(combinations(range(n_features), half)), dtype=np.intp)
        for half in (degree // 2, degree - degree // 2)
    )
    # in this order the right halves that a block needs are a tail of their list
    left = left[np.argsort(left[:, -1], kind="stable")]
    for part in gen_batches(left.shape[0], width):
        block = left[part]
        tail = right[np.searchsorted(right[:, 0], block[0, -1], side="right") :]
        keep = block[:, -1:] < tail[:, 0]
        if keep.any():
            yield block, tail, keep


def _tile_rows(row_bytes, n_rows):
    """Return how many rows of that many bytes a tile may have."""
    return get_chunk_n_rows(row_bytes=row_bytes, max_n_rows=max(1, min(n_rows, TILE_BYTES // row_bytes)))


def cell_tiles(A, B, groups_a, groups_b, degree):
    """Yield the products of the sums of groups, tile by tile.

    Parameters
    ----------
    A, B : skfastnn.heavy._signs.SignRows
    groups_a, groups_b : Groups
    degree : int

    Yields
    ------
    first : int
        First group of A in the tile.
    cells : ndarray of shape (n_groups, n_groups of B), dtype=float32
        Sum over the pairs of a cell of their signs times the sum of all monomials of degree `degree` of x * y.
    """
    parts = gen_batches(groups_a.n_groups, _tile_rows(4 * groups_b.n_groups, groups_a.n_groups))
    if degree == 1:
        F, E = groups_a.sums(A.signs), groups_b.sums(B.signs)
        for part in parts:
            yield part.start, F[part] @ E.T
        return
    n_right = comb(A.n_features, degree - degree // 2)
    n_left = comb(A.n_features, degree // 2)
    width = _tile_rows(4 * n_right * max(groups_a.n_groups, groups_b.n_groups), n_left)
    for part in parts:
        cells = np.zeros((part.stop - part.start, groups_b.n_groups), dtype=np.float32)
        for block in monomial_blocks(A.n_features, degree, width):
            F = groups_a.monomial_sums(A.signs, *block, part)
            cells += F @ groups_b.monomial_sums(B.signs, *block, slice(None)).T
        yield part.start, cells
