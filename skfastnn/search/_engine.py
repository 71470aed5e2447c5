"""The contract between search engines and the rest.

An engine answers one question: which neurons may fire on the rows of this batch? Its answer is a superset of those
that do; the passes verify every pair, so that all engines give the same training trajectory. Engines with a `recall`
below one are approximate: what they miss does not fire in that step.
"""

from abc import ABC, abstractmethod

import numpy as np

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
    verified : bool
        Whether `candidates` returns exactly the firing pairs, with their activations.
    counters : dict
        Operations so far; at least `candidates`, `fired`, `dot_products`, `refreshed`, `visited`.
    recall : float
        Share of the firing pairs that are among the candidates; an estimate if it is below 1.
    """

    name = ""
    layout = "dense"
    verified = False
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

    @abstractmethod
    def build(self, rows, network, n_threads):
        """Preprocess the rows and the network as they are at the start.

        Parameters
        ----------
        rows : TrainingRows
        network : skfastnn.networks._network.Network
        n_threads : int
        """

    def lets_defer(self, solver):
        """Return whether the solver may leave its steps to the pass over the next batch, whoever goes through it."""
        return False

    def arrange(self, index):
        """Return the samples of a batch in the order that suits the engine; a batch is the same in any."""
        return index

    @abstractmethod
    def candidates(self, batch, solver):
        """Collect the candidates of a batch.

        Parameters
        ----------
        batch : Batch
        solver : skfastnn.solvers._solver.Solver
            Knows certified bounds on how far each neuron is from its reference.

        Returns
        -------
        pairs : PairLists
            Kept, and overwritten by the next call. Without values; with `verified`, the activations.
        """

    def _step_to_take(self, solver):
        """Return the step that the solver deferred, or None; the lists that it needs give way to the spare ones."""
        step = solver.hand_over()
        if step is None:
            solver.catch_up()
        else:
            self.pairs, self.spare = self.spare, self.pairs
        return step

    def moved(self, fired, solver):
        """Take note of what fired, after the solver's step; refresh references when it pays."""
        self.counters["fired"] += fired.total
