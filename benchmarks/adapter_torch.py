"""torch in the benchmarks: the network of skfastnn, computed densely, in float32 or in bfloat16.

Same maths and width: inputs centred and divided by their root-mean-square norm, standard normal weights in pairs of
opposite output sign, the same thresholds, outputs scaled by gamma, mean cross-entropy. Autograd and an optimiser of
torch do the rest.

torch is at its best: before the clock starts, a few steps of each `Recipe` are timed, and the fastest is taken. In
bfloat16 these are weights in bfloat16 that are copies of a float32 master, which the optimiser moves, or autocast; the
optimiser as torch loops ("foreach") or in one kernel ("fused"); the better of them once more by `torch.compile`, where
that works. Which one it was is printed. Logits are scaled, and losses computed, in float32.
"""

import gc
import math
import time
from itertools import islice, product
from typing import NamedTuple

import torch
from torch.nn import functional as F

from benchmarks.training import Outcome

# steps of the trial that chooses a recipe
TRIAL_STEPS = 5
CHUNK_SIZE = 1000


class Recipe(NamedTuple):
    """How torch takes a step."""

    # "float32", "master" or "autocast"
    mode: str
    # the optimiser's keyword, "foreach" or "fused"
    optimizer: str
    compiled: str = "eager"


class Network:
    """The dense network and the transform of its inputs.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), dtype=float32
        Training rows; `rows` holds them in the network's coordinates.
    """

    def __init__(self, X, n_outputs, width, seed, threshold):
        X = torch.from_numpy(X)
        self.mean = X.mean(dim=0)
        rows = X - self.mean
        self.scale = float(rows.square().sum(dim=1).mean().sqrt())
        self.rows = rows.div_(self.scale)

        random = torch.Generator().manual_seed(seed)
        half = torch.randn(width // 2, X.shape[1], generator=random)
        signs = torch.randint(0, 2, (n_outputs, width // 2), generator=random) * 2.0 - 1.0
        self.gamma = 1 / math.sqrt(width * _mean_square_output(threshold))
        # neurons 2j and 2j+1 share their weights and have opposite outputs: f = 0 at the start
        W = half.repeat_interleave(2, dim=0)
        V = torch.stack([signs, -signs], dim=2).reshape(n_outputs, width)
        c = torch.full((width,), -threshold)
        v = torch.zeros(n_outputs)
        self.params = [p.requires_grad_() for p in (W, c, V.contiguous(), v)]

    def forward(self, rows):
        """Return the logits for normalised `rows`."""
        return logits_of(self.params, rows, self.gamma)

    @torch.no_grad()
    def accuracy(self, X, y):
        """Return the share of the rows of `X` that are classified as `y`."""
        hits = 0
        for X_part, y_part in zip(
            torch.from_numpy(X).split(CHUNK_SIZE),
            torch.from_numpy(y).split(CHUNK_SIZE),
            strict=True,
        ):
            logits = self.forward((X_part - self.mean) / self.scale)
            hits += int((logits.argmax(dim=1) == y_part).sum())
        return hits / len(y)

    @torch.no_grad()
    def fired(self):
        """Return the share of positive hidden outputs over the first training rows."""
        W, c, _, _ = self.params
        return float((F.linear(self.rows[:CHUNK_SIZE], W, c) > 0).float().mean())


def _mean_square_output(b):
    """Return E[max(g - b, 0)^2] for a standard normal g."""
    tail = 0.5 * math.erfc(b / math.sqrt(2))
    density = math.exp(-0.5 * b * b) / math.sqrt(2 * math.pi)
    return (1 + b * b) * tail - b * density


def logits_of(params, rows, gamma):
    """Return the logits of a network; the last two steps in float32."""
    W, c, V, v = params
    return F.linear(F.relu(F.linear(rows, W, c), inplace=True), V).float() * gamma + v.float()


def _loss(params, rows, labels, gamma):
    return F.cross_entropy(logits_of(params, rows, gamma), labels)


def _autocast_loss(params, rows, labels, gamma):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = logits_of(params, rows, gamma)
    return F.cross_entropy(logits, labels)


class Descent:
    """Takes the steps of a network by one recipe."""

    def __init__(self, network, settings, recipe):
        self.network, self.recipe = network, recipe
        options = {"lr": settings.learning_rate, recipe.optimizer: True}
        if settings.solver == "adam":
            self.optimizer = torch.optim.Adam(network.params, **options)
        else:
            self.optimizer = torch.optim.SGD(network.params, momentum=settings.momentum, nesterov=True, **options)
        self.params, self.rows = network.params, network.rows
        if recipe.mode == "master":
            self.params = [p.detach().bfloat16().requires_grad_() for p in network.params]
        if recipe.mode != "float32":
            self.rows = network.rows.bfloat16()
        loss = _autocast_loss if recipe.mode == "autocast" else _loss
        self.loss = torch.compile(loss, dynamic=False) if recipe.compiled == "compiled" else loss

    def set_rate(self, rate):
        """Let the steps to come have this rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def step(self, rows, labels):
        """Take a step and return the loss before it."""
        for p in self.params:
            p.grad = None
        loss = self.loss(self.params, rows, labels, self.network.gamma)
        loss.backward()
        if self.params is not self.network.params:
            for p, copy in zip(self.network.params, self.params, strict=True):
                p.grad = copy.grad.float()
        self.optimizer.step()
        if self.params is not self.network.params:
            with torch.no_grad():
                torch._foreach_copy_(self.params, self.network.params)
        return loss.item()


def _network(problem, settings, n_rows=None, seed=0):
    n_outputs = int(problem.y_train.max()) + 1
    return Network(problem.X_train[:n_rows], n_outputs, settings.width, seed, settings.shift)


def _trial(problem, settings, recipe):
    """Return the seconds of some steps by a recipe."""
    n_batch = settings.n_batch(len(problem.X_train))
    descent = Descent(_network(problem, settings, n_batch), settings, recipe)
    labels = torch.from_numpy(problem.y_train[:n_batch])
    # the first step allocates gradients and momentum, or compiles
    descent.step(descent.rows, labels)
    start = time.perf_counter()
    for _ in range(TRIAL_STEPS):
        descent.step(descent.rows, labels)
    seconds = time.perf_counter() - start
    del descent
    gc.collect()
    return seconds


def fastest_recipe(problem, settings):
    """Return the recipe with the fastest steps on this case, outside the clock."""
    modes = ("master", "autocast") if settings.library == "torch-bfloat16" else ("float32",)
    recipes = [Recipe(*names) for names in product(modes, ("foreach", "fused"))]
    seconds = {recipe: _trial(problem, settings, recipe) for recipe in recipes}
    best = min(seconds, key=seconds.get)
    if settings.may_compile:
        try:
            compiled = best._replace(compiled="compiled")
            seconds[compiled] = _trial(problem, settings, compiled)
        except Exception as error:  # no compiler, for one: whatever it is, torch goes on without
            print(f"torch.compile does not work here: {type(error).__name__}")
    return min(seconds, key=seconds.get)


def _run_epoch(descent, labels, n_batch, random, n_seen, settings):
    """Take one pass over the shuffled rows and return the mean loss."""
    total = 0.0
    n_rows = len(labels)
    for picked in torch.randperm(n_rows, generator=random).split(n_batch):
        whole = len(picked) == n_rows
        # the full batch needs no copy
        rows = descent.rows if whole else descent.rows.index_select(0, picked)
        target = labels if whole else labels.index_select(0, picked)
        if settings.power_t:
            descent.set_rate(settings.learning_rate / (n_seen + 1) ** settings.power_t)
        n_seen += len(picked)
        total += len(picked) * descent.step(rows, target)
    return total / n_rows


def _epochs(problem, settings):
    """Yield (network, outcome so far) after each epoch; the clock stops between epochs."""
    torch.set_num_threads(settings.n_threads)
    torch.set_flush_denormal(False)
    known = settings.recipe and Recipe(*settings.recipe.split())
    recipe = known or fastest_recipe(problem, settings)
    if known and known.compiled == "compiled":
        # compiling is outside the clock
        _trial(problem, settings, recipe)

    start = time.perf_counter()
    n_batch = settings.n_batch(len(problem.X_train))
    network = _network(problem, settings, seed=settings.seed)
    labels = torch.from_numpy(problem.y_train)
    descent = Descent(network, settings, recipe)
    random = torch.Generator().manual_seed(settings.seed)
    seconds = time.perf_counter() - start
    outcome = Outcome(seconds, 0, setup_seconds=seconds, learning_rate=settings.learning_rate, recipe=" ".join(recipe))
    while True:
        start = time.perf_counter()
        n_seen = outcome.epochs * len(labels)
        outcome.losses.append(_run_epoch(descent, labels, n_batch, random, n_seen, settings))
        outcome.seconds += time.perf_counter() - start
        outcome.epochs += 1
        yield network, outcome


def train(problem, settings, epochs, score=True):
    """Train for exactly `epochs` epochs and return the Outcome."""
    network, outcome = next(islice(_epochs(problem, settings), epochs - 1, None))
    outcome.fired = network.fired()
    outcome.accuracy = network.accuracy(problem.X_test, problem.y_test) if score else None
    return outcome


def progress(problem, settings, budget=None):
    """Yield the Outcome after each epoch, scored."""
    for network, outcome in _epochs(problem, settings):
        outcome.fired = network.fired()
        outcome.accuracy = network.accuracy(problem.X_test, problem.y_test)
        yield outcome
