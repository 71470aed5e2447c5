"""The problem set: which data, which width, which settings, and what is measured.

Four kinds of measurement:

epochs    seconds of a whole fit (preprocessing included) of a fixed number of epochs
target    seconds of training until the test accuracy first reaches `target`
budget    best test accuracy reached within `budget` seconds of training
scaling   seconds per step at several widths, preprocessing excluded

`alpha=0` everywhere: the libraries penalise different things, and the losses are compared.
"""

from dataclasses import dataclass, field, replace

LIBRARIES = ("skfastnn", "torch", "sklearn")


@dataclass(frozen=True)
class Settings:
    """What one library is asked to train."""

    library: str
    width: int
    solver: str = "sgd"
    # None: all rows at once
    batch_size: int | None = 200
    # None: "auto" in skfastnn; the value skfastnn found for torch, which does the same maths
    learning_rate: float | None = None
    momentum: float = 0.9
    seed: int = 0
    n_threads: int = 2

    @property
    def label(self):
        """Library and width, as printed."""
        return f"{self.library} {self.width}"

    def n_batch(self, n_rows):
        """Return the rows per batch for `n_rows` training rows."""
        return n_rows if self.batch_size is None else min(self.batch_size, n_rows)


@dataclass
class Outcome:
    """What one training run reports; `seconds` exclude loading, warm-up and scoring."""

    seconds: float
    epochs: int
    # the part of `seconds` that does not grow with the number of epochs, where it is known
    setup_seconds: float = 0.0
    # mean loss over the batches of each epoch
    losses: list = field(default_factory=list)
    accuracy: float | None = None
    # share of (row, neuron) pairs with a positive output
    fired: float | None = None
    # as resolved, if it was "auto"
    learning_rate: float | None = None


@dataclass(frozen=True)
class Case:
    """One named benchmark: a row of the output per entry of `entries`."""

    summary: str
    data: str
    kind: str
    entries: tuple
    epochs: int = 0
    target: float = 0.0
    budget: float = 0.0


def _three(width, sklearn_rate, batch_size=200):
    """Return one entry per library, SGD with momentum at the same width and batch size.

    MLPClassifier starts from other weights at another scale, so that it needs its own rate;
    its time does not depend on it.
    """
    common = Settings("skfastnn", width, batch_size=batch_size)
    return (
        common,
        replace(common, library="torch"),
        replace(common, library="sklearn", learning_rate=sklearn_rate),
    )


def _digits(width):
    summary = f"digits 1,257 x 64, m={width:,}, 300 full-batch momentum steps"
    return Case(summary, "digits", "epochs", _three(width, 0.2, batch_size=None), epochs=300)


def _mnist(width):
    summary = f"MNIST 60,000 x 784, m={width:,}, 10 epochs, batch 200, momentum"
    return Case(summary, "mnist", "epochs", _three(width, 0.1), epochs=10)


# Widths and rates that reach the accuracy soonest, found by trying a few for each library.
_TO_98 = (
    Settings("skfastnn", 4_096, solver="adam", learning_rate=7e-3),
    Settings("torch", 4_096, solver="adam", learning_rate=7e-3),
    Settings("skfastnn", 16_384, solver="adam", learning_rate=3.5e-3),
    Settings("torch", 16_384, solver="adam", learning_rate=3.5e-3),
    Settings("sklearn", 512, solver="adam", learning_rate=1e-3),
    Settings("sklearn", 1_024, solver="adam", learning_rate=1e-3),
)
_IN_60S = (
    Settings("skfastnn", 16_384, solver="adam", learning_rate=3.5e-3),
    Settings("torch", 4_096, solver="adam", learning_rate=7e-3),
    Settings("sklearn", 512, solver="adam", learning_rate=1e-3),
)
# Dense training stops at 65,536: a step takes about a second there, and its slope is known.
_WIDTHS = {
    "skfastnn": [4_096 * 2**i for i in range(7)],
    "torch": [4_096 * 2**i for i in range(5)],
    "sklearn": [4_096 * 2**i for i in range(3)],
}
_SCALING = tuple(
    Settings(library, width, learning_rate=0.1 if library == "sklearn" else None)
    for library in LIBRARIES
    for width in _WIDTHS[library]
)

CASES = {
    "digits-16k": _digits(16_384),
    "digits-64k": _digits(65_536),
    "mnist-4k": _mnist(4_096),
    "mnist-16k": _mnist(16_384),
    "mnist-64k": _mnist(65_536),
    "mnist-98": Case("MNIST, seconds to 98.0 % test accuracy", "mnist", "target", _TO_98, target=0.98),
    "mnist-60s": Case("MNIST, best test accuracy in 60 s", "mnist", "budget", _IN_60S, budget=60.0),
    "scaling": Case("MNIST 4,000 x 784, seconds per step", "mnist-4000", "scaling", _SCALING),
}
