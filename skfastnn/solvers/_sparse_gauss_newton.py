"""Gauss-Newton on networks laid out in panels, for rows of few stored entries."""

import numpy as np

from skfastnn.passes.panels._panel_tangent import (
    panel_gram_product,
    panel_jacobian_product,
    panel_jacobian_transpose_product,
)
from skfastnn.solvers._gauss_newton import GaussNewton
from skfastnn.solvers._solver import registered


@registered
class PanelGaussNewton(GaussNewton):
    """Gauss-Newton iterations whose products cost the stored entries of the rows.

    Parameters
    ----------
    network : skfastnn.networks._panel_network.PanelNetwork
    settings : dict
        `train_output`.
    n_threads : int
    """

    layout = "panels"

    def _read_weights(self, W):
        W[...] = self.network.first

    def _write_weights(self, W):
        self.network.first[...] = W

    def _product_cost(self):
        return self.rows.nnz * self.network.n_neurons / 8 + self.pairs.total * (4 + self.V.shape[1] / 8)

    def _inner_products(self, index, out):
        rows = self.rows.to_csr()
        out[...] = (rows[index] @ rows.T).toarray()
        return np.zeros((0, 0), dtype=out.dtype)

    def _gram_buffers(self, u):
        panel_gram_product(
            self.pairs, self.rows, self.rows.data, self.network.order, self.V, self._padded(u),
            self.train_output, self.buffers, self.n_threads,
        )  # fmt: skip

    def _jacobian_buffers(self, displacement):
        panel_jacobian_product(
            self.pairs, self.rows, self.rows.data, self.network.order, self.V, displacement.W, displacement.c,
            displacement.V, self.buffers, self.n_threads,
        )  # fmt: skip

    def _transposed_hidden(self, u, out):
        panel_jacobian_transpose_product(
            self.pairs, self.rows, self.rows.data, self.network.order, self.V, u, out.W, out.c, out.V, self.n_threads
        )  # fmt: skip
