"""
The light bulb problem
======================

Among thousands of bulbs that flicker at random, a few pairs flicker alike. Two sets of bulbs are watched for 4,096
moments. Which bulb of one set agrees with which of the other more often than chance? Prints the pairs that
:func:`skfastnn.heavy_pairs` finds beside those that the product of the two matrices finds.
"""

import time

import numpy as np

from skfastnn import heavy_pairs

N_BULBS, N_MOMENTS, N_PAIRS = 6_000, 4_096, 5
# pairs agree in three moments of four: an inner product of half the number of moments
AGREEMENT, RHO = 0.77, 0.5


def flickering(rng):
    """Return two sets of bulbs, on (+1) and off (-1), and the pairs that agree."""
    A, B = (2 * rng.integers(0, 2, (N_BULBS, N_MOMENTS), dtype=np.int8) - 1 for _ in range(2))
    pairs = np.column_stack([rng.choice(N_BULBS, N_PAIRS, replace=False) for _ in range(2)])
    for a, b in pairs:
        B[b] = np.where(rng.random(N_MOMENTS) < AGREEMENT, A[a], -A[a])
    return A, B, pairs[np.argsort(pairs[:, 0])]


def main():
    """Plant pairs, find them twice, print both."""
    A, B, planted = flickering(np.random.default_rng(0))

    start = time.perf_counter()
    products = A.astype(np.float32) @ B.astype(np.float32).T
    expected = np.argwhere(products >= RHO * N_MOMENTS)
    product_seconds = time.perf_counter() - start

    start = time.perf_counter()
    result = heavy_pairs(A, B, RHO, random_state=0)
    seconds = time.perf_counter() - start

    print(f"{N_BULBS:,} bulbs in each set, {N_MOMENTS:,} moments, {N_PAIRS} pairs that agree")
    for (a, b), product in zip(result.pairs, result.inner_products, strict=True):
        print(f"  {a:>5} and {b:>5} agree in {(1 + product / N_MOMENTS) / 2:.1%} of the moments")
    same = np.array_equal(result.pairs, expected) and np.array_equal(result.pairs, planted)
    print(f"the planted pairs, and those of the product of the matrices: {'yes' if same else 'no'}")
    print(f"groups of {result.group_size[0]} and {result.group_size[1]}, {result.n_repetitions} pass(es), ", end="")
    print(f"{result.n_cells_flagged:,} of {result.n_cells:,} cells examined; ", end="")
    print(f"a pair is missed with probability {result.miss_probability:.1g}")
    fewer = result.n_multiplications_plain / result.n_multiplications
    print(f"{fewer:.0f} times fewer multiplications; {seconds:.2f} s, the product {product_seconds:.2f} s")


if __name__ == "__main__":
    main()
