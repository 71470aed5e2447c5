"""Where a fit says how it goes on: it prints for `verbose`, and calls the callbacks of scikit-learn.

Callbacks (`sklearn.callback`, of scikit-learn 1.9) see a task "fit" with a subtask for each epoch, or iteration of
Gauss-Newton and L-BFGS. A callback that asks to stop is obeyed at the end of the epoch. What callbacks would evaluate
is exported from the network for those that ask for it, and never else. Where scikit-learn is older there is no
`set_callbacks`, and where none were set nothing is called.
"""

import sys

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn < 1.9

    class CallbackSupportMixin:
        """Stands for that of scikit-learn 1.9."""


# Attributes of an estimator by which scikit-learn finds, after the fit, the callbacks that are to end theirs.
NEEDED_TO_END = ("_callback_fit_ctx", "_skl_callbacks_to_teardown")


def progress_of(estimator, X, y, sample_weight):
    """Return what reports on a fit of an estimator to data, as the user gave them."""
    if getattr(estimator, "_skl_callbacks", None):
        return CallbackProgress(estimator, X, y, sample_weight)
    return Progress(estimator.verbose)


class Progress:
    """Prints how a fit goes on.

    Parameters
    ----------
    verbose : bool
    """

    def __init__(self, verbose=False):
        self.verbose = verbose

    def say(self, line):
        """Print the line that a callable returns, if asked to."""
        if self.verbose:
            print(line())

    def announce(self, line):
        """As `say`, about what is to come: beside the results, whose lines programs read."""
        if self.verbose:
            print(line(), file=sys.stderr)

    def begin(self, n_epochs, attributes):
        """Take note that a fit begins.

        Parameters
        ----------
        n_epochs : int
            At most.
        attributes : callable
            Takes weights and intercepts, returns the attributes of an estimator that predicts by them.
        """

    def epoch_begins(self, name, parameters):
        """Take note that an epoch begins, or begins again.

        Parameters
        ----------
        name : {"epoch", "iteration"}
        parameters : callable
            Returns the weights and intercepts where the network is, in the coordinates that it was given.
        """

    def epoch_ends(self, line, parameters):
        """Say how an epoch went; return whether training is to stop.

        Parameters
        ----------
        line : callable
            Returns it in words, for those who want to read it.
        parameters : callable
            As of `epoch_begins`.
        """
        self.say(line)
        return False

    def end(self):
        """Take note that the estimator is fitted."""


class CallbackProgress(Progress):
    """Prints how a fit goes on, and calls callbacks.

    Parameters
    ----------
    estimator : estimator
        Its callbacks are called.
    X, y, sample_weight
        What it is fitted to, as the user gave it.
    """

    def __init__(self, estimator, X, y, sample_weight):
        super().__init__(estimator.verbose)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self.given = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self.context = self.epoch = self.attributes = None

    def begin(self, n_epochs, attributes):
        self.attributes = attributes
        self.context = self.given["estimator"]._init_callback_context(max_subtasks=n_epochs)
        self.context.call_on_fit_task_begin(**self.given)

    def epoch_begins(self, name, parameters):
        if self.epoch is None:
            self.epoch = self.context.subcontext(task_name=name)
            self.epoch.call_on_fit_task_begin(**self.given, reconstruction_attributes=self._to_predict(parameters))

    def epoch_ends(self, line, parameters):
        self.say(line)
        epoch, self.epoch = self.epoch, None
        return epoch.call_on_fit_task_end(**self.given, reconstruction_attributes=self._to_predict(parameters))

    def end(self):
        if self.epoch is not None:  # it was interrupted, or there was nothing to do
            self.epoch.call_on_fit_task_end(estimator=self.given["estimator"])
        self.context.call_on_fit_task_end(**self.given, reconstruction_attributes={})

    def _to_predict(self, parameters):
        return lambda: self.attributes(*parameters())
