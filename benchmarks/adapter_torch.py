"""torch in the benchmarks: the network of skfastnn, computed densely.

Same maths and width: inputs centred and divided by their root-mean-square norm, standard normal weights in pairs of
opposite output sign, the same thresholds, outputs scaled by gamma, mean cross-entropy. Autograd and an optimiser of
torch do the rest.
"""

import gc
import math
import time
from itertools import islice

import torch
from torch.nn import functional as F

from benchmarks.cases import Outcome

# steps of the trial that chooses between torch's implementations of the optimiser
TRIAL_STEPS = 3
CHUNK_SIZE = 1000


class Network:
    """The dense network and the transform of its inputs.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), dtype=float32
        Training rows; `rows` holds them in the network's coordinates.
    """

    def __init__(self, X, n_outputs, width, seed, threshold=None):
        X = torch.from_numpy(X)
        self.mean = X.mean(dim=0)
        rows = X - self.mean
        self.scale = float(rows.square().sum(dim=1).mean().sqrt())
        self.rows = rows.div_(self.scale)

        threshold = math.sqrt(0.4 * math.log(width)) if threshold is None else threshold
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

    def hidden(self, rows):
        """Return the outputs of the hidden layer for normalised `rows`."""
        W, c, _, _ = self.params
        return F.relu(F.linear(rows, W, c), inplace=True)

    def forward(self, rows):
        """Return the logits for normalised `rows`."""
        _, _, V, v = self.params
        return F.linear(self.hidden(rows), V) * self.gamma + v

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
        return float((self.hidden(self.rows[:CHUNK_SIZE]) > 0).float().mean())


def _mean_square_output(b):
    """Return E[max(g - b, 0)^2] for a standard normal g."""
    tail = 0.5 * math.erfc(b / math.sqrt(2))
    density = math.exp(-0.5 * b * b) / math.sqrt(2 * math.pi)
    return (1 + b * b) * tail - b * density


def _optimizer(params, settings, implementation):
    """Return torch's optimiser; `implementation` is its keyword "foreach" or "fused"."""
    options = {"lr": settings.learning_rate, implementation: True}
    if settings.solver == "adam":
        return torch.optim.Adam(params, **options)
    return torch.optim.SGD(params, momentum=settings.momentum, nesterov=True, **options)


def _step(network, optimizer, rows, labels):
    optimizer.zero_grad(set_to_none=True)
    loss = F.cross_entropy(network.forward(rows), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def _faster_implementation(problem, settings):
    """Return the faster of torch's two optimiser loops on this case, outside the clock."""
    n_batch = settings.n_batch(len(problem.X_train))
    labels = torch.from_numpy(problem.y_train[:n_batch])
    seconds = {}
    for implementation in ("foreach", "fused"):
        network = Network(
            problem.X_train[:n_batch], int(problem.y_train.max()) + 1, settings.width, 0, settings.threshold
        )
        optimizer = _optimizer(network.params, settings, implementation)
        # the first step allocates gradients and momentum
        _step(network, optimizer, network.rows, labels)
        start = time.perf_counter()
        for _ in range(TRIAL_STEPS):
            _step(network, optimizer, network.rows, labels)
        seconds[implementation] = time.perf_counter() - start
        del network, optimizer
        gc.collect()
    return min(seconds, key=seconds.get)


def _run_epoch(network, optimizer, labels, n_batch, random, n_seen, settings):
    """Take one pass over the shuffled rows and return the mean loss."""
    total = 0.0
    n_rows = len(labels)
    for picked in torch.randperm(n_rows, generator=random).split(n_batch):
        whole = len(picked) == n_rows
        # the full batch needs no copy
        rows = network.rows if whole else network.rows.index_select(0, picked)
        target = labels if whole else labels.index_select(0, picked)
        if settings.power_t:
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate / (n_seen + 1) ** settings.power_t
        n_seen += len(picked)
        total += len(picked) * _step(network, optimizer, rows, target)
    return total / n_rows


def _epochs(problem, settings):
    """Yield (network, outcome so far) after each epoch; the clock stops between epochs."""
    torch.set_num_threads(settings.n_threads)
    torch.set_flush_denormal(False)
    implementation = _faster_implementation(problem, settings)

    start = time.perf_counter()
    n_batch = settings.n_batch(len(problem.X_train))
    network = Network(
        problem.X_train, int(problem.y_train.max()) + 1, settings.width, settings.seed, settings.threshold
    )
    labels = torch.from_numpy(problem.y_train)
    optimizer = _optimizer(network.params, settings, implementation)
    random = torch.Generator().manual_seed(settings.seed)
    seconds = time.perf_counter() - start
    outcome = Outcome(seconds, 0, setup_seconds=seconds, learning_rate=settings.learning_rate)
    while True:
        start = time.perf_counter()
        n_seen = outcome.epochs * len(labels)
        outcome.losses.append(_run_epoch(network, optimizer, labels, n_batch, random, n_seen, settings))
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
