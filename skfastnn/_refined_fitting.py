"""The fit loop of Adam followed by Gauss-Newton: features are learned, then everything is solved for.

Gauss-Newton alone is kernel regression in disguise, with the kernel of the features that were drawn. Adam moves the
features to where the target needs them, and leaves a loss that many more epochs would bring down; a few iterations of
Gauss-Newton from there, with the kernel of the features that were learned, do it at once. The penalty is on the
distance from where Adam arrived: what it found is kept unless the data say otherwise.
"""

from skfastnn._fitting import Trainer

# Iterations of Gauss-Newton at most; it stops by itself before.
MAX_REFINEMENTS = 10


class RefiningTrainer(Trainer):
    """Runs epochs of Adam, then iterations of Gauss-Newton, and keeps one history of both.

    Parameters
    ----------
    network, solver, engine, loss, schedule, random_state
        As in `Trainer`.
    make_second : callable
        Takes the network where the epochs have led, and returns the trainer that goes on with it.
    """

    def __init__(self, *arguments, make_second):
        super().__init__(*arguments)
        self.make_second = make_second

    def fit(self, X, y, sample_weight, n_epochs, validate=None):
        history = super().fit(X, y, sample_weight, n_epochs, validate)
        diverged = len(history.loss_curve) < n_epochs and not history.converged
        if history.interrupted or diverged:
            return history
        if history.best_parameters is not None:
            self.network.load(*history.best_parameters)
        self.network.begin_here()
        counters = self.engine.counters
        self.engine = self.solver = None  # their memory is needed for the kernel
        second = self.make_second(self.network)
        second.history = history
        history.n_without_improvement, history.converged = 0, False
        second.fit(X, y, sample_weight, MAX_REFINEMENTS, validate)
        for name, count in counters.items():
            second.engine.counters[name] = second.engine.counters.get(name, 0) + count
        self.engine, self.solver, self.schedule = second.engine, second.solver, second.schedule
        return history
