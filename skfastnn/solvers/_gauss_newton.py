"""Gauss-Newton with Levenberg-Marquardt damping, in the space of the samples.

Each iteration replaces the network by its linearisation and the loss by its quadratic model. The minimiser is a ridge
regression whose solution lies in the span of the rows of the Jacobian J, which has one row per sample and output: with
J' u in place of the weights' displacement, the system has as many unknowns as there are outputs of samples. J is as
sparse as the firing sets and is never formed: products with it run through the lists of firing pairs.

With several outputs the system couples them. It is solved by conjugate gradients with exact products, preconditioned
by the Cholesky factor of the kernel that the outputs share.

Reference: Deng, Hu, Song, Weinstein, Zhuo, "Training Overparametrized Neural Networks in Sublinear Time", 2022, arXiv
2208.04508.
"""

from dataclasses import dataclass

import numpy as np

from skfastnn._data import copies_of
from skfastnn.networks._network import aligned_zeros
from skfastnn.passes.dense._tangent import DenseJacobian
from skfastnn.passes.shared._gram import gram
from skfastnn.passes.shared._jacobian import Change
from skfastnn.solvers._conjugate_gradients import conjugate_gradients
from skfastnn.solvers._leave_one_out import LARGEST, START, best_ridge
from skfastnn.solvers._preconditioner import CholeskyPreconditioner, NystromPreconditioner
from skfastnn.solvers._solver import Solver, registered
from skfastnn.solvers._tiled_gram import tiled_gram, tiles_pay

# Conjugate gradients stop at this residual, relative to the right-hand side, or after so many iterations: what is
# left is made good by the next linearisation.
CG_TOLERANCE, MAX_CG = 0.03, 15
# Damping, in units of the ridge or of this share of the mean diagonal of the system, whichever is larger; it grows
# while steps fail and shrinks when the quadratic model was right.
LEAST_DAMPING = 1e-4
DAMPING_GROWTH, DAMPING_DECAY, GOOD_RATIO = 4.0, 4.0, 0.7
MAX_TRIALS = 20
# Damping of the second step where there are several outputs: from there on they have curvatures of their own, and the
# kernel that they share is no good preconditioner beside a small ridge. Where conjugate gradients do not converge
# damping grows, too; and it shrinks only where that took few iterations (22 sets of 3 to 10 classes: two thirds of the
# products of damping by promises alone, test log-loss -.010 +- .005).
SECOND_DAMPING, FEW_CG = 2.0, 5
# Least shift of the system, in units of the rounding of its diagonal, for a ridge of zero.
LEAST_SHIFT = 1e3
# Damping of a step on one of several batches, in units of the diagonal of the system.
BATCH_DAMPING = 0.3
# Rows up to which the whole kernel and its factor are kept, and rows of it that stand for it beyond.
MAX_ROWS, N_LANDMARKS = 10_000, 2_000
# Rows that are left out, one by one, to find a ridge: factors of more take longer than the training.
MAX_LEFT_OUT = 1_000


@dataclass
class Displacement:
    """Distances of all parameters from their start: weights, intercepts, output weights, output intercepts."""

    W: np.ndarray
    c: np.ndarray
    V: np.ndarray
    v: np.ndarray

    def __post_init__(self):
        # what products with a Jacobian take
        self.change = Change(self.W, self.c, self.V)

    @classmethod
    def zeros(cls, network):
        """Return a displacement of zero for a network."""
        shapes = (network.hidden_shape, (network.n_neurons, 1), network.V.shape, network.v.shape)
        return cls(*(aligned_zeros(shape, network.dtype) for shape in shapes))

    def arrays(self):
        """Return the four arrays."""
        return self.W, self.c, self.V, self.v

    def add(self, factor, other):
        """Add a multiple of another displacement in place."""
        for mine, theirs in zip(self.arrays(), other.arrays(), strict=True):
            mine += factor * theirs

    def square(self):
        """Return the squared norm."""
        return float(sum(np.einsum("...i,...i", a.ravel(), a.ravel(), dtype=np.float64) for a in self.arrays()))


@registered
class GaussNewton(Solver):
    """Gauss-Newton iterations on a network.

    Parameters
    ----------
    network : skfastnn.networks._network.Network
    settings : dict
        `train_output`.
    n_threads : int

    Attributes
    ----------
    ridge : float
        Penalty of half the squared displacement, in the objective of the mean loss. Set by the caller.
    """

    name, kind = "gauss_newton", "model"

    def __init__(self, network, settings, n_threads):
        super().__init__(network, n_threads)
        self.train_output = settings["train_output"]
        self.ridge = 0.0
        self.forget_rows()
        self.buffers, self.kernel = np.empty((0, 0, 0)), np.empty((0, 0))
        self.start_c, self.start_v = network.start_c, network.v.copy()
        # where the last accepted step led
        self.here = Displacement.zeros(network)
        self.trial = Displacement.zeros(network)

    def forget_rows(self):
        """Forget what is known of rows: others are to come, or the same in another order."""
        self.damping, self.rejected = 0.0, False
        # iterations of conjugate gradients: in the last solution, and in the first with the present kernel
        self.n_cg, self.n_cg_fresh, self.converged = 0, None, True
        # scale, shift and preconditioner of the last solution, as long as the kernel is the same
        self.factored = None

    def measure(self):
        """Take the network's displacement from its start as it is."""
        network, here = self.network, self.here
        self._read_weights(here.W)
        here.c[...] = network.c_state[:, :1] - self.start_c
        here.V[...] = network.V - network.start_V

    # one iteration

    def state(self):
        """Return no arrays: every call starts from the network alone."""
        return {}

    def linearise(self, pairs, rows, raw, curvature, share, total_weight, whole=True):
        """Linearise the network where it is.

        Parameters
        ----------
        pairs : PairLists
            Firing pairs of the rows, with activations; kept until the next call.
        rows : ndarray of shape (n_rows, ld)
        raw : ndarray of shape (n_rows, n_outputs)
            Output of the network.
        curvature : skfastnn._losses.Curvature
            Of the loss at `raw`.
        share : ndarray of shape (n_rows,)
            Shares of the samples in the mean loss.
        total_weight : float
            Sum of the weights of the samples.
        whole : bool
            Whether these are all rows, the same in every call, so that an earlier kernel may still precondition well;
            a batch is damped from the start, or it would undo what others have taught.
        """
        network = self.network
        self.pairs, self.rows, self.curvature, self.root_share = pairs, rows, curvature, np.sqrt(share)[:, None]
        self.V, self.total_weight = network.V.copy(), total_weight
        self.n_rows, self.n_outputs = raw.shape
        if self.buffers.shape[1] < self.n_rows:
            self.buffers = aligned_zeros((pairs.n_blocks, self.n_rows, network.ld_out), network.dtype)
            self.u = aligned_zeros((self.n_rows, network.ld_out), network.dtype)
        self.whole, self.jacobian = whole, self._make_jacobian()
        if not whole or self.n_cg_fresh is None or self.n_cg > self.n_cg_fresh + self._spare_iterations():
            self._make_kernel()
        self.moved_so_far = self._times(self.here)

    def _spare_iterations(self):
        """Return how many more conjugate gradients than with a fresh kernel cost as much as a new kernel."""
        # in additions to the kernel that take as long: a product, and a solution with the factor
        solution = 0.4 * self.kernel.size * (1 + self.n_outputs / 8)
        return int(self.kernel_cost / (self._product_cost() + solution))

    def _product_cost(self):
        return self.pairs.total * (4 + (self.rows.shape[1] + 2 * self.V.shape[1]) / 16)

    def _make_jacobian(self):
        return DenseJacobian(self.pairs, self.rows, self.V, self.u, self.buffers)

    def _inner_products(self, index, out):
        """Return the rows for the kernel; where they are not dense, products of rows `index` with all go to `out`."""
        return self.rows

    def _make_kernel(self):
        """Compute the kernel that the outputs share, or some of its rows where there are too many."""
        network, n_rows = self.network, self.n_rows
        self.n_cg_fresh = self.factored = None
        counts = self.pairs.counts().astype(np.float64)
        few = n_rows <= MAX_ROWS
        shape = (n_rows if few else N_LANDMARKS, n_rows)
        if self.kernel.shape != shape:
            self.kernel = np.empty(0)  # before the new one is allocated
            self.kernel = aligned_zeros(shape, network.dtype)
        weight = np.mean(self.V[:, : self.n_outputs] ** 2, axis=1)
        common = (weight, network.output_scale**2, self.train_output, self.kernel, self.n_threads)
        if few:
            self.landmarks = None
            rows = self._inner_products(slice(None), self.kernel)
            if tiles_pay(counts, n_rows, network.dtype):
                tiled_gram(self.pairs, rows, *common)
            else:
                gram(self.pairs, rows, *common)
            diagonal = self.kernel.diagonal()
        else:
            self.landmarks = (np.arange(N_LANDMARKS) * n_rows // N_LANDMARKS).astype(np.int32)
            rows = self._inner_products(self.landmarks, self.kernel)
            gram(self.pairs, rows, *common, self.landmarks)
            diagonal = self.kernel[np.arange(N_LANDMARKS), self.landmarks]
        self.kernel_cost = float(counts @ counts) / 2 if few else float(counts.sum()) ** 2 / counts.size / n_rows
        share = self.root_share[:, 0] ** 2 if few else self.root_share[self.landmarks, 0] ** 2
        self.mean_diagonal = float(np.average(diagonal, weights=share))

    def choose_ridge(self, raw, unit, exact=True):
        """Return the ridge, in units of `unit`, with the least leave-one-out error of the linearised model.

        Parameters
        ----------
        raw : ndarray of shape (n_rows, n_outputs)
        unit : float
        exact : bool
            Whether all rows are looked at; else some that stand for the others, where there are many. A ridge is about
            as large as the noise of a row, however many there are.

        Raises
        ------
        ValueError
            If there are too many rows for the whole kernel, and `exact`.
        """
        if exact and self.landmarks is not None:
            raise ValueError(
                f"alpha='loo' needs the whole tangent kernel, which is computed for up to {MAX_ROWS:,} rows; got "
                f"{self.n_rows:,}. Choose alpha by cross-validation."
            )
        curvature = self.curvature
        scale = curvature.mean_scale
        # What the quadratic model of the loss draws the output to, all of it, wherever the displacement begins: what
        # is left of it after training has seen the rows that are left out.
        target = raw + curvature.root(curvature.minus_gradient) / scale**2
        weight, copies = (self.root_share * scale)[:, 0] ** 2, copies_of(self.root_share[:, 0] ** 2)
        if self.landmarks is not None:
            some, kernel = self.landmarks, np.ascontiguousarray(self.kernel[:, self.landmarks])
        elif exact or self.n_rows <= MAX_LEFT_OUT:
            some, kernel = slice(None), self.kernel
        else:
            some = np.arange(MAX_LEFT_OUT) * self.n_rows // MAX_LEFT_OUT
            kernel = np.ascontiguousarray(self.kernel[np.ix_(some, some)])
        if not unit > 0:  # of a network that no parameter changes
            return 10.0**LARGEST
        fit = best_ridge(kernel, weight[some], target[some], START, self.n_threads, copies[some], unit)
        return 10.0**fit.log_ridge

    def propose(self):
        """Move the network to the minimiser of the damped model; return the decrease of the objective it promises."""
        lam, scale = self.ridge, self._curvature_scale()
        if self.whole:
            mu = max(self.damping, LEAST_SHIFT * float(np.finfo(self.network.dtype).eps) * scale - lam)
        else:
            mu = max(self.damping, BATCH_DAMPING * scale)
        # a network that no parameter changes has neither ridge nor damping
        total = max(lam + mu, float(np.finfo(self.network.dtype).tiny))
        kept = mu / total
        rhs = self.curvature.minus_gradient * self.root_share
        rhs += self.curvature.transposed_root(self.root_share * self.moved_so_far) * (lam / total)
        solution, product = self._solve(rhs, total)
        self._transposed(self.root_share * self.curvature.root(solution), self.trial)
        change = product + (kept - 1) * self.moved_so_far
        self.trial.add(kept, self.here)
        self._place(self.trial)
        a = self.curvature.transposed_root(self.root_share * change)
        decrease = (a * (self.curvature.minus_gradient * self.root_share)).sum() - 0.5 * (a * a).sum()
        return float(decrease) + 0.5 * lam * (self.here.square() - self.trial.square())

    def accept(self, ratio):
        """Stay where the network is; `ratio` of the promised decrease came true."""
        self.here, self.trial = self.trial, self.here
        self.n_steps += 1
        if self.n_steps == 1 and self.n_outputs > 1:
            self.damping = max(self.damping, SECOND_DAMPING * self._damping_unit())
        elif not self.converged:
            self._damp()
        elif ratio > GOOD_RATIO and not self.rejected and self.n_cg <= FEW_CG:
            self.damping /= DAMPING_DECAY
            if self.damping < self._damping_unit() / DAMPING_DECAY:
                self.damping = 0.0
        self.rejected = False

    def reject(self):
        """Damp the next proposal more."""
        self.rejected = True
        self._damp()

    def restore(self):
        """Put the network where the last accepted step led."""
        self._place(self.here)

    def penalty(self, displacement):
        """Return the penalty of a displacement."""
        return 0.5 * self.ridge * displacement.square()

    def _damp(self):
        self.damping = max(DAMPING_GROWTH * self.damping, self._damping_unit())

    def _damping_unit(self):
        return max(self.ridge, LEAST_DAMPING * self._curvature_scale())

    def _curvature_scale(self):
        """Return the size of the diagonal of the system."""
        mean_square = float(self.root_share[:, 0] ** 2 @ self.curvature.mean_scale[:, 0] ** 2)
        return mean_square * self.mean_diagonal / self.total_weight

    def _place(self, displacement):
        """Put the network at a displacement from its start."""
        network = self.network
        self._write_weights(displacement.W)
        network.c_state[:, :1] = self.start_c + displacement.c
        network.V[...] = network.start_V + displacement.V
        network.v[...] = self.start_v + displacement.v

    # what depends on the layout of the hidden layer

    def _read_weights(self, W):
        """Write the distance of the weights from their start into W."""
        network = self.network
        W[...] = network.displacement
        W[network.anchored > 0] += network.anchor[network.anchored > 0]
        self._note_norms(network.displacement)

    def _write_weights(self, W):
        """Put the weights at the distance W from their start."""
        network = self.network
        if network.anchored.any():
            W = W - network.anchor
        change = network.displacement - W
        self.norms[:, 2] += np.sqrt(np.einsum("ij,ij->i", change, change, dtype=np.float64))
        network.displacement[...] = W
        self._note_norms(network.displacement)

    def _note_norms(self, W):
        self.norms[:, 0] = np.sqrt(np.einsum("ij,ij->i", W, W, dtype=np.float64)) * (1 + 1e-5)

    # the linear algebra

    def _solve(self, rhs, total):
        """Solve ``(total I + R' G R) a = rhs``; return a and ``G R a``, both of shape (n_rows, n_outputs)."""
        curvature = self.curvature

        def apply(a):
            product = self._gram(self.root_share * curvature.root(a))
            return total * a + curvature.transposed_root(self.root_share * product), product

        def descend(found, n_iterations):
            solve = self._preconditioner(total).solve
            return conjugate_gradients(
                apply, lambda r: curvature.project(solve(r)), rhs, found, CG_TOLERANCE, n_iterations
            )

        found = None
        if self.n_cg_fresh is not None:
            found = descend(None, min(MAX_CG, self.n_cg_fresh + 1 + self._spare_iterations()))
            if not found.converged and found.n_iterations < MAX_CG:
                self._make_kernel()
        if self.n_cg_fresh is None:
            found = descend(found, MAX_CG)
            self.n_cg_fresh = found.n_iterations
        self.n_cg, self.converged = found.n_iterations, found.converged
        return found.solution, found.product

    def _preconditioner(self, total):
        scale = (self.root_share * self.curvature.mean_scale)[:, 0].astype(self.network.dtype)
        if self.factored is not None:
            known_scale, known_total, preconditioner = self.factored
            if known_total == total and np.array_equal(known_scale, scale):
                return preconditioner
        self.factored = None  # its memory is needed for the next
        if self.landmarks is None:
            preconditioner = CholeskyPreconditioner(self.kernel, scale, total, self.n_threads)
        else:
            preconditioner = NystromPreconditioner(self.kernel, self.landmarks, scale, total, self.n_threads)
        self.factored = (scale, total, preconditioner)
        return preconditioner

    def _take_factor(self, u):
        self.u[: self.n_rows, : self.n_outputs] = u

    def _gram(self, u):
        """Return ``J J' u`` for u of shape (n_rows, n_outputs)."""
        self._take_factor(u)
        self.jacobian.gram(self.train_output, self.n_threads)
        product = self.network.output_scale**2 * self.buffers[0, : self.n_rows, : self.n_outputs]
        return product + u.sum(axis=0) if self.train_output else product

    def _times(self, displacement):
        """Return ``J d``."""
        self.jacobian.times(displacement.change, self.n_threads)
        return self.network.output_scale * self.buffers[0, : self.n_rows, : self.n_outputs] + displacement.v

    def _transposed(self, u, out):
        """Write ``J' u`` into a displacement."""
        self._take_factor(self.network.output_scale * u)
        self.jacobian.transposed(out.change, self.n_threads)
        out.v[...] = u.sum(axis=0)
        if not self.train_output:
            out.V[...] = 0
            out.v[...] = 0
