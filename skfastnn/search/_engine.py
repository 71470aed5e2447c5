"""The contract between search engines and the rest.

An engine answers one question: which neurons may fire on the rows of this batch? Its answer is a superset of those
that do; the passes verify every pair, so that all engines give the same training trajectory. Engines with a `recall`
below one are approximate: what they miss does not fire in that step.
"""

from abc import ABC, abstractmethod

import numpy as np

from skfastnn.passes.dense._forward import forward, output_of_fired

# The engines by name, of each layout of weights; the parameter `search` offers the names of dense ones.
ENGINES = {"dense": {}, "panels": {}}


def registered(engine):
    """Offer a class of engines by its name; a decorator."""
    ENGINES[engine.layout][engine.name] = engine
    return engine


class SearchEngine(ABC):
    """Who may fire?

    Attributes
    ----------
    name : str
        As `search` takes it.
    layout : {"dense", "panels"}
        Of the weights that it searches.
    counters : dict
        Operations so far; at least `candidates`, `fired`, `dot_products`, `refreshed`, `visited`.
    recall : float
        Share of the firing pairs that are among the candidates; an estimate if it is below 1.
    """

    name = ""
    layout = "dense"
    recall = 1.0

    def __init__(self):
        self.counters = dict.fromkeys(("candidates", "fired", "dot_products", "refreshed", "visited"), 0)

    @classmethod
    def cost(cls, probe):
        """Return the nanoseconds that a pair of row and neuron is expected to take; infinity: not to be chosen.

        Parameters
        ----------
        probe : skfastnn.search._cost_model.Probe
        """
        return np.inf

    def build(self, rows, network, n_threads):
        """Preprocess the rows and the network as they are at the start; what an engine adds calls this first.

        Parameters
        ----------
        rows : TrainingRows
        network : skfastnn.networks._network.Network
        n_threads : int
        """
        self.rows, self.network, self.n_threads = rows, network, n_threads

    def takes_steps(self, solver):
        """Return whether the solver may defer its steps to the pass over the next batch."""
        return False

    def arrange(self, index):
        """Return the samples of a batch in the order that suits the engine; a batch is the same in any."""
        return index

    @abstractmethod
    def forward(self, batch, fired, solver, buffers):
        """List what fires on the rows of a batch, and sum its output; a step that was deferred is taken on the way.

        Parameters
        ----------
        batch : Batch
        fired : PairLists
            Overwritten: the rows on which each neuron fires, and its activations there. Others than those that a
            deferred step needs.
        solver : skfastnn.solvers._solver.Solver
            Knows certified bounds on how far each neuron is from its reference.
        buffers : ndarray of shape (n_blocks, n_rows, ld_out)
            Overwritten; the output is in the first.
        """

    def moved(self, fired, solver):
        """Take note of what fired, after the solver's step; refresh references when it pays."""
        self.counters["fired"] += fired.total


class CandidateSearch(SearchEngine):
    """An engine that names pairs which may fire; all of them are computed."""

    @abstractmethod
    def candidates(self, batch, solver):
        """Collect the candidates of a batch; parameters as of `forward`.

        Returns
        -------
        pairs : PairLists
            Without values; kept, and overwritten by the next call.
        """

    def forward(self, batch, fired, solver, buffers):
        candidates = self.candidates(batch, solver)
        weights, state, step = self.network.arrays, solver.silence, solver.deferred
        forward(candidates, fired, weights, batch.rows, buffers, self.n_threads, state, step)


class ExactSearch(SearchEngine):
    """An engine that knows which pairs fire, and their activations, when it has found them."""

    @abstractmethod
    def list_fired(self, batch, fired, solver):
        """List what fires; parameters as of `forward`."""

    def forward(self, batch, fired, solver, buffers):
        self.list_fired(batch, fired, solver)
        output_of_fired(fired, batch.rows.shape[0], self.network.V, buffers, self.n_threads)

    def _step_to_take(self, solver):
        """Return the step that the pass over all neurons is to take; where there is none, nothing else is pending."""
        if solver.deferred is None:
            solver.catch_up()
        return solver.deferred
