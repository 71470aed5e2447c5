"""Sketches of Kronecker products, and what they precondition."""

from skfastnn.published._tensor_sketches import (
    GramOperator,
    GramSolution,
    TensorSketch,
    TensorSRHT,
    TriangularPreconditioner,
    exact_preconditioner,
    sketched_preconditioner,
    solve_gram,
)

__all__ = [
    "GramOperator",
    "GramSolution",
    "TensorSRHT",
    "TensorSketch",
    "TriangularPreconditioner",
    "exact_preconditioner",
    "sketched_preconditioner",
    "solve_gram",
]
