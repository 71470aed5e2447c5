"""What a network is made of besides its parameters, and how it is trained: what "auto" leaves open, settled once.

For first order a recipe is chosen on a part of the rows that is held out: how the features are encoded, and how many
epochs the step size takes to fall to zero. On noisy data few epochs are better, on clean data many; and codes that are
piecewise linear gain where trees do. Then all rows are trained on by the recipe with the least loss.
"""

from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from scipy.sparse import issparse
from sklearn.model_selection import train_test_split

# Epochs that are tried, and those that are taken where there are too few rows to ask.
EPOCHS_TO_TRY, EPOCHS = (12, 35, 100), 35
LEAST_ROWS_TO_ASK = 100
# Share of the rows that is held out to choose, and rows up to which.
HELD_OUT, MAX_HELD_OUT = 0.2, 5_000
# Rows that are trained on to choose.
MAX_ASKED = 20_000
# A candidate that costs more has to be better by this share of the loss.
WORTH = 0.01


@dataclass(frozen=True)
class Recipe:
    """How a network is made and trained.

    Attributes
    ----------
    widths : list of int
        Of the hidden layers.
    encoding : {"none", "piecewise_linear"}
    encoder : transformer or None
        Fitted; takes the rows as given to those of the network.
    scales : ndarray of shape (n_columns,) or None
        Factors of the columns of the rows that the network takes; they are multiplied into its weights afterwards.
    epochs : int or None
        Over which the step size falls to zero; None: as the parameters say.
    threshold : float or None
        What threshold="auto" stands for; None: by width and solver.
    alpha : float or None
        What alpha="auto" stands for; None: found by the solver.
    """

    widths: list
    encoding: str = "none"
    encoder: object = None
    scales: np.ndarray | None = None
    epochs: int | None = None
    threshold: float | None = None
    alpha: float | None = None

    def rows(self, X):
        """Return the rows that the network takes, before its coordinates."""
        if self.encoder is not None:
            X = self.encoder._encode(X)
        if self.scales is None:
            return X
        return X.multiply(self.scales).tocsr().astype(X.dtype) if issparse(X) else X * self.scales.astype(X.dtype)

    def describe(self):
        """Return what the recipe says, in plain words and numbers."""
        return {
            "encoding": self.encoding, "learned_scales": self.scales is not None,
            "hidden_layer_sizes": tuple(self.widths), "epochs": self.epochs, "threshold": self.threshold,
            "alpha": self.alpha,
        }  # fmt: skip


def choose(recipes, data, train, evaluate, strata, random_state):
    """Return the recipe with the least loss on rows that are held out, and a table of what was tried.

    The encoding is chosen first, by short training; then the number of epochs.

    Parameters
    ----------
    recipes : list of Recipe
        They differ in the encoding.
    data : Data
    train : callable
        Takes a recipe and data, returns a trained network.
    evaluate : callable
        Takes what `train` returned and data, returns the mean loss.
    strata : callable
        Takes the target and the number of rows that are held out, returns labels or None.
    random_state : numpy.random.RandomState
    """
    n = data.target.shape[0]
    if n < LEAST_ROWS_TO_ASK:
        return replace(recipes[0], epochs=EPOCHS), []
    n_held_out = int(min(HELD_OUT * n, MAX_HELD_OUT))
    inside, outside = train_test_split(
        np.arange(n), test_size=n_held_out, random_state=random_state, stratify=strata(data.y, n_held_out)
    )
    part, rest = data.take(np.sort(inside[:MAX_ASKED])), data.take(np.sort(outside))
    table = []

    def loss_of(recipe):
        began = perf_counter()
        loss = evaluate(train(recipe, part), rest)
        table.append(recipe.describe() | {"error": loss, "seconds": perf_counter() - began})
        return loss if np.isfinite(loss) else np.inf

    def best_of(candidates):
        best, least = None, np.inf
        for recipe in candidates:
            loss = loss_of(recipe)
            if best is None or loss < (1 - WORTH) * least:
                best, least = recipe, loss
        return best, least

    short, least = best_of([replace(recipe, epochs=EPOCHS_TO_TRY[0]) for recipe in recipes])
    for epochs in EPOCHS_TO_TRY[1:]:
        longer = replace(short, epochs=epochs)
        loss = loss_of(longer)
        if loss > least:
            break
        short, least = longer, loss
    return short, table
