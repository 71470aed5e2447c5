"""Gauss-Newton on networks laid out in panels, for rows of few stored entries."""

import numpy as np

from skfastnn.passes.panels._panel_tangent import PanelJacobian
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

    def _make_jacobian(self):
        return PanelJacobian(self.pairs, self.rows, self.network.order, self.V, self.u, self.buffers)

    def _inner_products(self, index, out):
        rows = self.rows.to_csr()
        out[...] = (rows[index] @ rows.T).toarray()
        return np.zeros((0, 0), dtype=out.dtype)
