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
    # the rate falls with the samples seen, to this power; 0: constant (skfastnn and torch)
    power_t: float = 0.0
    # of the ReLU, None: sqrt(0.4 ln m) (skfastnn and torch)
    threshold: float | None = None
    # of skfastnn
    search: str = "auto"
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


# Settings that reach the accuracy soonest, found by trying a few. What is good for skfastnn is good for torch, which
# does the same maths: a lower threshold learns in fewer epochs, and costs dense training nothing.
_NARROW = Settings("skfastnn", 4_096, solver="adam", batch_size=150, learning_rate=0.05, power_t=0.2, threshold=1.2)
_WIDE = Settings("skfastnn", 16_384, solver="adam", learning_rate=4e-3, threshold=1.8)
_TO_98 = (
    _NARROW,
    replace(_NARROW, library="torch", batch_size=200, learning_rate=0.06, threshold=1.0),
    _WIDE,
    replace(_WIDE, library="torch"),
    Settings("sklearn", 512, solver="adam", learning_rate=1e-3),
    Settings("sklearn", 1_024, solver="adam", learning_rate=1e-3),
)
# Small batches at a large rate end above Adam, where a step is short enough for a dozen epochs: torch, which makes five
# in the time, has Adam as well.
_SMALL_BATCHES = Settings("skfastnn", 2_048, batch_size=25, learning_rate=2.9, threshold=1.0)
_IN_60S = (
    _SMALL_BATCHES,
    replace(_SMALL_BATCHES, library="torch"),
    replace(_NARROW, library="torch", batch_size=200, learning_rate=6e-3, power_t=0.0),
    Settings("sklearn", 512, solver="adam", learning_rate=1e-3),
)
# Dense training stops at 65,536: a step takes about a second there, and its slope is known.
_WIDTHS = {
    "skfastnn": [4_096 * 2**i for i in range(7)],
    "torch": [4_096 * 2**i for i in range(5)],
    "sklearn": [4_096 * 2**i for i in range(3)],
}
# Preprocessing is not in the clock, so the engine is the one of the shortest steps; "auto" would count its leaves, too.
_SCALING = tuple(
    Settings(library, width, learning_rate=0.1 if library == "sklearn" else None, search="correlation_tree")
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
