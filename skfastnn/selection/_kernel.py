"""The tangent kernel of one infinitely wide hidden ReLU layer, and the gradient of what is fitted with it.

Rows are centred, of root-mean-square norm one, and have a constant coordinate, which stands for random intercepts.
Then kernel and gradient are functions of norms and angles alone (Cho and Saul, "Kernel methods for deep learning",
2009: the arc-cosine kernels of order 0 and 1): no network has to be drawn to know how one would do.
"""

import numpy as np

# Standard deviation of the intercepts at the start, beside weights by which pre-activations have one.
CONSTANT = 1.0
# Rows closer to parallel than this count as parallel: there the derivative by the angle is 0 times infinity.
PARALLEL = 1e-12
# Rows at a time: what is computed on the way stays in the cache.
BLOCK = 32


def network_rows(inputs, share):
    """Return centred rows as the kernel takes them: of root-mean-square norm one, with the constant coordinate.

    Parameters
    ----------
    inputs : ndarray of shape (n_rows, n_coordinates)
    share : ndarray of shape (n_rows,)
        Shares of the rows in the mean; their sum is one.

    Returns
    -------
    rows : ndarray of shape (n_rows, n_coordinates + 1), float64
    """
    rows = np.empty((inputs.shape[0], inputs.shape[1] + 1))
    np.divide(inputs, rms_norm(inputs, share), out=rows[:, :-1])
    rows[:, -1] = CONSTANT
    return rows


def rms_norm(inputs, share):
    """Return the root-mean-square norm of the rows; one if that is zero."""
    size = np.sqrt(share @ np.einsum("ij,ij->i", inputs, inputs))
    return float(size) if size > 0 else 1.0


def tangent_kernel(A, B=None):
    """Return the kernel of rows with each other, or with other rows.

    It is ``1 + 2 E[<a, b> 1(<w, a> > 0) 1(<w, b> > 0) + relu(<w, a>) relu(<w, b>)]`` over standard normal w: intercept
    of the output, hidden layer, output weights.

    Parameters
    ----------
    A, B : ndarray of shapes (n_rows, d), (m_rows, d)
        As `network_rows` returns them.

    Returns
    -------
    kernel : ndarray of shape (n_rows, m_rows), float64
    """
    symmetric = B is None
    B = A if symmetric else B
    norms, others = np.linalg.norm(A, axis=1), np.linalg.norm(B, axis=1)
    kernel = np.empty((A.shape[0], B.shape[0]))
    for part in _parts(A.shape[0]):
        end = part.stop if symmetric else B.shape[0]
        inner = A[part] @ B[:end].T
        product = np.outer(norms[part], others[:end])
        both, sine = _both_and_sine(_cosine(inner, product))
        out = kernel[part, :end]
        np.multiply(inner, both, out=out)  # <a, b> by the hidden layer, |a| |b| cos by the output weights
        out *= 2
        sine *= product
        out += sine
        out += 1
        if symmetric:
            kernel[: part.start, part] = out[:, : part.start].T
    return kernel


def _parts(n_rows):
    return [slice(first, min(first + BLOCK, n_rows)) for first in range(0, n_rows, BLOCK)]


def _cosine(inner, product):
    cosine = inner / product
    return np.clip(cosine, -1.0, 1.0, out=cosine)


def _both_and_sine(cosine):
    """Return the share of directions on which both rows are positive, twice, and the sine of the angle over pi."""
    both = np.arccos(cosine)
    both *= -1 / np.pi
    both += 1
    sine = cosine * cosine
    np.subtract(1, sine, out=sine)
    np.sqrt(sine, out=sine)
    sine *= 1 / np.pi
    return both, sine


def mean_squared_gradient(A, dual, share, at):
    """Return the mean squared derivative of fitted functions by each coordinate, added up over the functions.

    Of more than two functions it is an estimate: squared gradients of their sums with random signs, others at each
    point, have that mean. So the cost hardly grows with their number.

    Parameters
    ----------
    A : ndarray of shape (n_rows, d)
        As `network_rows` returns them.
    dual : ndarray of shape (n_rows, n_outputs)
        Coefficients of the functions ``f = tangent_kernel(., A) @ dual``.
    share : ndarray of shape (n_rows,)
        Shares of the rows in the mean.
    at : ndarray of shape (n_points,), int
        Rows at which the gradient is taken.

    Returns
    -------
    squares : ndarray of shape (d,)
    """
    norms, squares = np.linalg.norm(A, axis=1), np.zeros(A.shape[1])
    signs = random_signs(at.size, dual.shape[1])
    for part in _parts(at.size):
        points, size = A[at[part]], norms[at[part], None]
        cosine = _cosine(points @ A.T, size * norms)
        both, sine = _both_and_sine(cosine)
        first_order = sine + both * cosine  # arc-cosine kernel of order 1, of unit rows
        # derivative by the cosine; a row that is parallel to the point does not turn against it
        turning = np.divide(cosine, np.pi**2 * sine, out=np.zeros_like(sine), where=np.abs(cosine) < 1 - PARALLEL)
        turning += both
        along = (first_order - turning * cosine) * (norms / size)
        both += turning
        for chosen in signs:
            coefficients = chosen[part] @ dual.T
            gradient = (both * coefficients) @ A
            gradient += np.einsum("ij,ij->i", along, coefficients)[:, None] * points
            squares += share[at[part]] @ gradient**2
    return squares / share[at].sum()


def random_signs(n_points, n_outputs):
    """Return two arrays of signs of shape (n_points, n_outputs), in units that keep the mean; outputs where few."""
    if n_outputs <= 2:
        return [np.tile(row, (n_points, 1)) for row in np.eye(n_outputs)]
    return np.random.default_rng(0).choice([-np.sqrt(0.5), np.sqrt(0.5)], size=(2, n_points, n_outputs))
