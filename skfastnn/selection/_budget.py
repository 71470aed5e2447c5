"""What a candidate costs, and how much may be spent: one rule, in operations: results depend on no clock."""

import numpy as np

# Multiplications and additions of a matrix product that take as long as the angle, the root and the rest of one entry
# of a kernel; as reading and writing one entry of a factor; as calling everything on no data at all.
ENTRY, FACTOR_ENTRY, CALLS = 500.0, 300.0, 2e7
# 500 trees on one thread. A core multiplies and adds 5e10 times a second in a matrix product; with that, a tree takes
# 0.8 ms, and on each of log2(n) levels a row 40 ns times sqrt(d) in classifiers, 28 ns times d in regressors, where all
# features are scanned (100 x 20 0.5 s; 1,000 x 20 1.3 s and 3.1 s; 3,000 x 5 1.9 s and 3.6 s; 3,000 x 80 7 s and 38 s).
TREES, TREE, CLASSIFIER_ROW, REGRESSOR_ROW = 500, 4e7, 2000.0, 1400.0


class Budget:
    """Operations that are left."""

    def __init__(self, operations):
        self.given = self.left = float(operations)

    def spend(self, operations):
        """Note that operations were spent."""
        self.left -= operations

    def affords(self, operations):
        """Return whether operations are left."""
        return operations <= self.left


def forest_operations(n_rows, n_features, regressor=False):
    """Return about how many operations as matrix products have them pass while 500 trees grow on one thread."""
    scanned = REGRESSOR_ROW * n_features if regressor else CLASSIFIER_ROW * np.sqrt(n_features)
    return TREES * (TREE + n_rows * np.log2(n_rows + 2) * scanned)


def kernel_operations(n_rows, n_coordinates):
    """Return the operations of a kernel."""
    return n_rows**2 * (2.0 * n_coordinates + ENTRY) + CALLS


def ridge_operations(n_rows, n_outputs, n_factors):
    """Return the operations of so many factors with their leave-one-out errors."""
    return n_factors * (n_rows**2 * (2 / 3 * n_rows + FACTOR_ENTRY + 4.0 * n_outputs) + CALLS)


def gradient_operations(n_rows, n_points, n_coordinates):
    """Return the operations of a mean squared gradient."""
    return n_points * n_rows * (2 * ENTRY + 6.0 * n_coordinates) + CALLS
