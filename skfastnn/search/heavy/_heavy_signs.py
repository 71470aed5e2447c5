"""Pairs of sign vectors with a large inner product: from sums of groups where there is a gap, or all products."""

import numpy as np

from skfastnn.heavy._background import Background
from skfastnn.heavy._group_plan import choose_plan
from skfastnn.heavy._heavy_pairs import Search
from skfastnn.heavy._signs import SignRows
from skfastnn.passes.shared._blas import matmul_nt

# Probability that the groups lose a pair.
DELTA = 1e-3
# Batches after which the background is looked at anew: what it costs is small beside so many of them.
PLAN_EVERY = 64
# Most products at a time.
TILE_SIZE = 1 << 22


class HeavySigns:
    """The plan, kept from batch to batch, and what follows from it.

    Attributes
    ----------
    plan : skfastnn.heavy._group_plan.Plan or None
        None is the product of all signs.
    n_compared : int
        Inner products of signs, or cells, of the last batch.
    """

    def __init__(self, n_threads):
        self.n_threads, self.rng = n_threads, np.random.RandomState(0)
        self.plan, self.planned_least, self.n_batches = None, np.inf, 0

    def pairs(self, neurons, rows, least):
        """Return pairs of which the inner product reaches `least`.

        Parameters
        ----------
        neurons, rows : ndarray of shape (n, n_bits), int8
        least : ndarray of shape (n_neurons,)
            For each neuron.

        Returns
        -------
        neuron, row : ndarray of shape (n_pairs,)
            In ascending order.
        products : ndarray of shape (n_pairs,)
        """
        lowest = int(np.ceil(least.min(initial=neurons.shape[1])))
        self._choose_plan(neurons, rows, lowest)
        found = None if self.plan is None else self._from_groups(neurons, rows, lowest)
        return self._from_products(neurons, rows, least) if found is None else found

    def _choose_plan(self, neurons, rows, lowest):
        due = self.n_batches % PLAN_EVERY == 0
        self.n_batches += 1
        if not due and (self.plan is None or lowest >= self.planned_least):
            return
        self.plan, self.planned_least = None, lowest
        if lowest <= 0:  # what is heavy is then the rule
            return
        background = Background(SignRows.trusted(neurons), SignRows.trusted(rows), lowest, self.rng)
        plan = choose_plan(neurons.shape[0], rows.shape[0], background, DELTA)
        self.plan = None if plan.exact else plan

    def _from_groups(self, neurons, rows, lowest):
        search = Search(SignRows.trusted(neurons), SignRows.trusted(rows), lowest, 0)
        for _ in range(self.plan.n_repetitions):
            search.look(self.plan, self.rng)
        self.n_compared = search.n_cells
        if search.miss_probability(self.plan) > DELTA:
            self.plan = None  # until the background is looked at anew
            return None
        return *search.pairs().T, search.products

    def _from_products(self, neurons, rows, least):
        # float32 holds the products exactly, and has the fastest matrix product
        rows = rows.astype(np.float32)
        least = least.astype(np.float32)[:, None]
        step = max(1, TILE_SIZE // max(rows.shape))
        found = [[], [], []]
        for first in range(0, neurons.shape[0], step):
            part = neurons[first : first + step].astype(np.float32)
            S = np.empty((part.shape[0], rows.shape[0]), dtype=np.float32)
            matmul_nt(part, rows, S, self.n_threads)
            at = np.flatnonzero(least[first : first + step] <= S)
            neuron, row = np.divmod(at, rows.shape[0])
            for whole, new in zip(found, (neuron + first, row, S.ravel()[at]), strict=True):
                whole.append(new)
        self.n_compared = neurons.shape[0] * rows.shape[0]
        return tuple(np.concatenate(arrays) for arrays in found)
