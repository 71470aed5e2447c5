"""Conjugate gradients beside a direct solution."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skfastnn.solvers._conjugate_gradients import conjugate_gradients

RNG = np.random.default_rng(0)
ROOT, OTHER = RNG.standard_normal((30, 30)), RNG.standard_normal((30, 30))
A = ROOT @ ROOT.T + np.eye(30)
RIGHT = RNG.standard_normal((30, 1))


def solve(found=None, tolerance=1e-10, n_iterations=60, right=RIGHT, matrix=A):
    return conjugate_gradients(
        lambda a: (matrix @ a, OTHER @ a), lambda r: r / A.diagonal()[:, None], right, found, tolerance, n_iterations
    )


def test_solution_and_by_product_belong_together():
    found = solve()
    assert found.converged
    assert found.n_iterations <= 60
    assert_allclose(found.solution, np.linalg.solve(A, RIGHT), rtol=1e-6)
    assert_allclose(found.product, OTHER @ found.solution, rtol=1e-6)


def test_what_was_cut_short_is_gone_on_with():
    some = solve(n_iterations=5)
    assert not some.converged
    assert_allclose(some.residual, RIGHT - A @ some.solution, atol=1e-10)
    found = solve(some)
    assert found.converged
    assert_allclose(found.solution, np.linalg.solve(A, RIGHT), rtol=1e-6)
    assert_allclose(found.product, OTHER @ found.solution, rtol=1e-6)


@pytest.mark.parametrize(("right", "matrix"), [(0 * RIGHT, A), (RIGHT, 0 * A), (RIGHT * np.nan, A)])
def test_where_nothing_is_to_be_found_it_is_not_looked_for(right, matrix):
    found = solve(right=right, matrix=matrix)
    assert found.n_iterations == 0
    assert_allclose(found.solution, 0)
