"""Training beside torch and scikit-learn: the same data, threads and width.

Four kinds of measurement:

epochs    seconds of a whole fit (preprocessing included) of a fixed number of epochs
target    seconds of training until the test accuracy first reaches a target
budget    best test accuracy reached within so many seconds of training
step      seconds per step at several widths, preprocessing excluded

`alpha=0` everywhere: the libraries penalise different things, and the losses are compared. "torch-bfloat16" trains the
same network in bfloat16: the honest opponent on processors that multiply in it.
"""

import importlib
import statistics
from dataclasses import dataclass, field, replace
from functools import partial

from benchmarks.data import load
from benchmarks.framework import Entry, case
from benchmarks.measure import PeakMemory, epoch_seconds
from benchmarks.sketches import shift

LIBRARIES = {"skfastnn": "float32", "torch": "float32", "torch-bfloat16": "bfloat16", "sklearn": "float32"}
# a target that is not reached within this many epochs is given up
MAX_EPOCHS = 40
# of `scaling`: narrow networks take more steps, so that the difference of two fits is not noise
SCALING_EPOCHS = {4_096: 9, 8_192: 9, 16_384: 5}


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
    # of torch: as it was chosen in the first repeat; None: to be chosen
    recipe: str | None = None
    # of torch: whether to try compiled code, which takes half a minute outside the clock
    may_compile: bool = True

    @property
    def shift(self):
        """The threshold, resolved."""
        return shift(self.width) if self.threshold is None else self.threshold

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
    recipe: str | None = None

    def figures(self, **changed):
        """Return seconds and quality as a run answers them."""
        quality = {"loss": self.losses[-1], "accuracy": self.accuracy, "fired": self.fired, "epochs": self.epochs}
        quality |= {"learning_rate": self.learning_rate}
        return {"seconds": self.seconds} | quality | ({"recipe": self.recipe} if self.recipe else {}) | changed


def fixed_epochs(adapter, problem, settings, run, epochs):
    """Return the outcome of a whole fit; that of a peer that was cut short has its time scaled."""
    peers = run.peer_epochs and min(run.peer_epochs, epochs)
    done = peers if peers and settings.library != "skfastnn" else epochs
    outcome = adapter.train(problem, settings, done)
    setup = outcome.setup_seconds
    seconds = setup + (outcome.seconds - setup) * epochs / done
    return outcome.figures(seconds=seconds) | ({f"loss_{peers}": outcome.losses[peers - 1]} if peers else {})


def seconds_to_target(adapter, problem, settings, run, target):
    """Return the outcome at the first epoch that reaches the test accuracy."""
    for outcome in adapter.progress(problem, settings):
        if outcome.accuracy >= target or outcome.epochs >= MAX_EPOCHS:
            return outcome.figures(reached=outcome.accuracy >= target)


def best_in_budget(adapter, problem, settings, run, budget):
    """Return the most accurate outcome among those within so many seconds."""
    best = None
    for outcome in adapter.progress(problem, settings, budget):
        if outcome.seconds > budget:
            break
        if best is None or outcome.accuracy > best["accuracy"]:
            best = outcome.figures()
    if best is None:
        raise RuntimeError(f"one epoch takes longer than {budget:g} s")
    return best


def seconds_per_step(adapter, problem, settings, run):
    """Return the time of a step: of ours by a clock inside the fit, else as the difference of two fits."""
    extra = SCALING_EPOCHS.get(settings.width, 3) - 1
    per_epoch = -(-len(problem.X_train) // settings.n_batch(len(problem.X_train)))
    if settings.library == "skfastnn":
        seconds, outcome = epoch_seconds(adapter.train, problem, settings, 1 + extra, False)
        took = statistics.median(seconds[1:]) / per_epoch
    else:
        short = adapter.train(problem, settings, 1, score=False)
        # both by one recipe
        settings = replace(settings, recipe=short.recipe)
        outcome = adapter.train(problem, settings, 1 + extra, score=False)
        took = (outcome.seconds - short.seconds) / (extra * per_epoch)
    figures = outcome.figures()
    del figures["seconds"]
    return {"step_seconds": took} | figures


def _measure(run, m, kind, data, settings):
    """Train as `settings` say, in this process, after a small fit that starts threads and loads libraries."""
    adapter = importlib.import_module(f"benchmarks.adapter_{settings.library.partition('-')[0]}")
    problem = load(data)
    known = {key: value for key, value in run.given.items() if getattr(settings, key) is None}
    settings = replace(settings, seed=run.seed, n_threads=run.n_threads, may_compile=not run.small, **known)
    # large enough that some neurons fire on every row
    small = replace(settings, width=1024, learning_rate=settings.learning_rate or 0.01, may_compile=False)
    adapter.train(problem.head(400), replace(small, recipe=None), 1, score=False)
    memory = PeakMemory()
    figures = kind(adapter, problem, settings, run)
    return figures | {"peak_mb": memory.growth()}


def _entries(kind, data, chosen):
    """Return an entry for each of `chosen`, those of skfastnn first, since torch takes its learning rate."""
    return [
        Entry(
            settings.library, partial(_measure, kind=kind, data=data, settings=settings), {"m": settings.width},
            dtype=LIBRARIES[settings.library], takes=("learning_rate",) if settings.learning_rate is None
            and settings.library != "skfastnn" else (),
        )
        for settings in sorted(chosen, key=lambda settings: settings.library != "skfastnn")
    ]  # fmt: skip


def _of_all(width, sklearn_rate, batch_size=200):
    """Return settings of every library, SGD with momentum at the same width and batch size.

    MLPClassifier starts from other weights at another scale, so that it needs its own rate;
    its time does not depend on it.
    """
    ours = Settings("skfastnn", width, batch_size=batch_size)
    theirs = replace(ours, library="sklearn", learning_rate=sklearn_rate)
    return [ours, replace(ours, library="torch"), replace(ours, library="torch-bfloat16"), theirs]


def _epochs_case(name, data, width, epochs, sklearn_rate, batch_size, summary):
    small = {"width": 1_024, "epochs": 2, "data": "digits" if data == "digits" else "mnist-400"}

    @case(name, summary, small=small, data=("mnist",) if data == "mnist" else ())
    def entries(width=width, epochs=epochs, data=data):
        return _entries(partial(fixed_epochs, epochs=epochs), data, _of_all(width, sklearn_rate, batch_size))


for _kilo in (16, 64):
    _of = f"digits 1,257 x 64, m={1_024 * _kilo:,}, 300 full-batch momentum steps"
    _epochs_case(f"digits-{_kilo}k", "digits", 1_024 * _kilo, 300, 0.2, None, _of)
for _kilo in (4, 16, 64):
    _of = f"MNIST 60,000 x 784, m={1_024 * _kilo:,}, 10 epochs, batch 200, momentum"
    _epochs_case(f"mnist-{_kilo}k", "mnist", 1_024 * _kilo, 10, 0.1, 200, _of)

# Settings that reach the accuracy soonest, found by trying a few. What is good for skfastnn is good for torch, which
# does the same maths: a lower threshold learns in fewer epochs, and costs dense training nothing.
_NARROW = Settings("skfastnn", 4_096, solver="adam", batch_size=150, learning_rate=0.05, power_t=0.2, threshold=1.2)
_NARROW_TORCH = replace(_NARROW, library="torch", batch_size=200, learning_rate=0.06, threshold=1.0)
_WIDE = Settings("skfastnn", 16_384, solver="adam", learning_rate=4e-3, threshold=1.8)
_MLPS = [Settings("sklearn", width, solver="adam", learning_rate=1e-3) for width in (512, 1_024)]


def _both_precisions(settings):
    return [replace(settings, library=name) for name in ("torch", "torch-bfloat16")]


@case("mnist-98", data=("mnist",), small={"data": "mnist-1000", "target": 0.5})
def to_98(data="mnist", target=0.98):
    """MNIST, seconds to 98.0 % test accuracy"""
    chosen = [_NARROW, _WIDE, *_both_precisions(_NARROW_TORCH), *_both_precisions(_WIDE), *_MLPS]
    return _entries(partial(seconds_to_target, target=target), data, chosen)


@case("mnist-60s", data=("mnist",), small={"data": "mnist-1000", "budget": 3.0})
def in_60_seconds(data="mnist", budget=60.0):
    """MNIST, best test accuracy in 60 s"""
    # Small batches at a large rate end above Adam, where a step is short enough for a dozen epochs: torch, which makes
    # five in the time, has Adam as well.
    small_batches = Settings("skfastnn", 2_048, batch_size=25, learning_rate=2.9, threshold=1.0)
    adam = replace(_NARROW_TORCH, learning_rate=6e-3, power_t=0.0, threshold=1.2)
    chosen = [small_batches, *_both_precisions(small_batches), *_both_precisions(adam), _MLPS[0]]
    return _entries(partial(best_in_budget, budget=budget), data, chosen)


@case("scaling", data=("mnist",), along="m", small={"data": "mnist-400", "n_widths": 3, "first": 512})
def scaling(data="mnist-4000", n_widths=7, first=4_096):
    """MNIST 4,000 x 784, seconds per step by width"""
    # dense training stops at 65,536: a step takes about a second there, and its slope is known
    most = {"skfastnn": 7, "torch": 5, "torch-bfloat16": 5, "sklearn": 3}
    # Preprocessing is not in the clock, so the engine is the one of the shortest steps; "auto" would count its leaves.
    chosen = [
        Settings(library, first * 2**i, learning_rate=0.1 if library == "sklearn" else None, search="correlation_tree")
        for library in LIBRARIES
        for i in range(min(n_widths, most[library]))
    ]
    return _entries(seconds_per_step, data, chosen)
