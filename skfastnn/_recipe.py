"""What a network is made of besides its parameters, and how it is trained: what "auto" leaves open, settled once.

For first order a recipe is chosen on a part of the rows that is held out: how the features are encoded, and how many
epochs the step size takes to fall to zero. On noisy data few epochs are better, on clean data many; and codes that are
piecewise linear gain where trees do. Then all rows are trained on by the recipe with the least loss.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from time import perf_counter
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.model_selection import train_test_split

from skfastnn._sparse_input import distinct
from skfastnn.preprocessing import PiecewiseLinearEncoder
from skfastnn.selection import forest_operations, select
from skfastnn.selection._inputs import MARGIN_OF_RANGE
from skfastnn.selection._kernel import CONSTANT

# Epochs that are tried. Of fewer rows than these nobody is asked: one batch holds them all, and epochs are between the
# last two, that at least this many rows are seen (35 epochs of ten rows leave a rate that is far from its mean where it
# was; 22 sets of fewer than 200 rows, 100 neurons: log-loss .72 at 35 epochs, .92 at 100).
EPOCHS_TO_TRY, FEW_ROWS, LEAST_ROWS_SEEN = (12, 35, 100), 100, 1_000
# Multiplications, forward alone, that training may take, what is tried included: about those of MLPClassifier((512,))
# on MNIST. Where not even the fewest epochs are affordable, as many as are, but not fewer than these.
MAX_PRODUCTS, LEAST_EPOCHS = 7e11, 6
# Share of the rows that is held out to choose, and rows up to which.
HELD_OUT, MAX_HELD_OUT = 0.2, 5_000
# Rows up to which two such parts are asked, and their losses averaged (42 small classification sets, 100 neurons:
# log-loss .564, not .574).
ASKED_TWICE = 1_000
# Rows that are trained on to choose.
MAX_ASKED = 20_000
# Share of the time of a forest of 500 trees that may be spent in closed form.
SHARE_OF_FOREST = 0.5
# Neurons, at most, of more rows than these: the kernel costs their square times the width, and what twice as many add
# is less than noise (seven classification sets: 21.8 % wrong, log-loss .536 with 4,096, 21.3 % and .539 with 2,048).
# On fewer rows more are worth their time (33 sets, three parts of the training rows held out: 19.9 % and .513 with
# 4,096, 20.1 +- .2 % and .515 +- .002 with 2,048, in two thirds of the time).
MANY_ROWS, ENOUGH_NEURONS = 1_000, 2_048
# Share of the variance of class indicators that is left unexplained, below which it is better that few neurons fire,
# and takes two thirds of the time (13 parts held out of seven sets, log-loss at a threshold of 1 less that at 0: -.009
# +- .003; digits .043, not .058, chess-krvkp .044, not .057). Where .1 to .2 are left it is no better, and on
# regressions, however clean, worse as often as better.
CLEAN, THRESHOLD_OF_CLEAN = 0.1, 1.0
# A smaller step: on few and noisy rows, of which features are better not learned.
GENTLE = 0.25
# A candidate that costs more has to be better by this share of the loss.
WORTH = 0.01


@dataclass(frozen=True)
class Insights:
    """What the choice in closed form says about the data.

    Attributes
    ----------
    importances : ndarray of shape (n_features,)
        Of sum one.
    loo_prediction : ndarray of shape (n_samples, n_outputs) or None
        Of the target, for samples that are left out; None where there are too many.
    posterior : dict
        What `skfastnn.selection.standard_deviation` takes, in units of the target.
    """

    importances: np.ndarray
    loo_prediction: np.ndarray | None
    posterior: dict


@dataclass(frozen=True)
class LeftOut:
    """Errors on samples that were held out to choose.

    Attributes
    ----------
    index : ndarray of shape (n_held_out,)
        Which samples they are; some may be there twice.
    error : ndarray of shape (n_held_out, n_outputs)
        Target less raw output.
    weight : ndarray of shape (n_held_out,)
    """

    index: np.ndarray
    error: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Recipe:
    """How a network is made and trained.

    Attributes
    ----------
    widths : list of int
        Of the hidden layers.
    threshold : float or None
        What threshold="auto" stands for; None: by width and solver.
    encoding : {"none", "piecewise_linear"}
    encoder : transformer or None
        Fitted; takes the rows as given to those of the network.
    scales : ndarray of shape (n_columns,) or None
        Factors of the columns of the rows that the network takes; they are multiplied into its weights afterwards.
    learned_scales : bool
        Whether they know the target, and are not of standardised features alone.
    epochs : int or None
        Over which the step size falls to zero; None: as the parameters say.
    spread : float
        Standard deviation of the intercepts at the start.
    share_of_step : float
        Of the usual one that falls to zero.
    share_of_output : float
        How far the output goes from a constant to what was trained: less than one where rows that were held out say so.
    constant : ndarray of shape (n_outputs,) or None
        Raw output that is best without looking at the rows; there where `share_of_output` is less than one.
    solver : str or None
        That trains it; None: that of the task.
    as_asked : bool
        Whether it is trained as if the user had asked for these widths: few neurons as in MLPClassifier.
    insights : Insights or None
    left_out : LeftOut or None
        How wrong it was when it was chosen.
    """

    widths: list
    threshold: float | None = None
    encoding: str = "none"
    encoder: object = None
    scales: np.ndarray | None = None
    learned_scales: bool = False
    epochs: int | None = None
    spread: float = 0.0
    share_of_step: float = 1.0
    share_of_output: float = 1.0
    constant: np.ndarray | None = None
    solver: str | None = None
    as_asked: bool = False
    insights: object = None
    left_out: object = None

    def rows(self, X):
        """Return the rows that the network takes, before its coordinates."""
        if self.encoder is not None:
            X = np.ascontiguousarray(self.encoder._encode(X))
        if self.scales is None:
            return X
        if issparse(X):
            return X.multiply(self.scales).tocsr().astype(X.dtype)
        return np.ascontiguousarray(X * self.scales.astype(X.dtype))

    def describe(self):
        """Return what the recipe says, in plain words and numbers."""
        return {
            "solver": self.solver, "encoding": self.encoding, "learned_scales": self.learned_scales,
            "hidden_layer_sizes": tuple(self.widths), "epochs": self.epochs, "threshold": self.threshold,
            "share_of_step": self.share_of_step,
        }  # fmt: skip


class Tried(NamedTuple):
    """A recipe, its loss on the samples that were held out, and the errors there, an array for each part of them."""

    recipe: Recipe
    loss: float
    errors: tuple


def make_encoder():
    """Return the encoder of the features that networks see."""
    return PiecewiseLinearEncoder(beyond=MARGIN_OF_RANGE)


def choose_in_closed_form(widths, data, loss, n_threads, missing=False):
    """Return the recipe for Gauss-Newton with the least leave-one-out error of infinitely wide networks.

    Parameters
    ----------
    widths : list of int
    data : Data
    loss : object of `skfastnn._losses`
    n_threads : int
    missing : bool, default=False
        Whether rows that are held out have NaN.

    Returns
    -------
    recipe : Recipe
    table : list of dict
        What was tried.
    error : float
        Mean over samples of squared errors of the standardised target, added up over outputs.
    """
    shift, scale = loss.standardisation(data.target, data.weight)
    target, regressor = (data.target - shift) / scale, loss.out_activation in ("identity", "exp")
    n, d = data.X.shape
    if n > MANY_ROWS:
        widths = [min(width, ENOUGH_NEURONS) for width in widths]
    chosen = select(
        data.X, target, data.weight, encoder_factory=make_encoder, missing=missing,
        budget=SHARE_OF_FOREST * forest_operations(n, d, regressor=regressor), n_threads=n_threads,
    )  # fmt: skip
    variance = mean_square(target - np.average(target, axis=0, weights=data.weight), data.weight)
    clean = not regressor and chosen.error < CLEAN * variance
    left_out = None if chosen.loo_prediction is None else shift + scale * chosen.loo_prediction
    posterior = chosen.posterior | {"unit": chosen.posterior["unit"] * scale}
    inputs, insights = chosen.inputs, Insights(chosen.importances, left_out, posterior)
    plain = inputs.scales is None and inputs.encoding != "standardize"
    # the ridge is found anew on the kernel of the network, which is finite, for a loss that may not be a square
    recipe = Recipe(
        widths, THRESHOLD_OF_CLEAN if clean else 0.0, inputs.encoding, inputs.encoder,
        None if plain else inputs.factor, inputs.scales is not None, spread=CONSTANT, insights=insights,
    )  # fmt: skip
    table = [
        {
            "solver": "gauss_newton",
            "encoding": record["candidate"].encoding,
            "learned_scales": record["candidate"].scales,
        }
        | {name: record[name] for name in ("alpha", "error", "seconds")}
        for record in chosen.table
    ]
    return recipe, table, chosen.error


def mean_square(error, weight):
    """Return the weighted mean over samples of squared errors, added up over outputs."""
    return float(weight @ np.einsum("ij,ij->i", error, error) / weight.sum())


def products_per_epoch(recipe, X):
    """Return the multiplications that all rows take from the first layer to the last, before the outputs."""
    per_row = X.nnz / X.shape[0] if issparse(X) else X.shape[1]
    if recipe.encoder is not None:
        per_row = recipe.encoder.feature_indices_.size
    widths = recipe.widths
    return X.shape[0] * (per_row * widths[0] + sum(a * b for a, b in pairwise(widths)))


def n_questions(n_samples):
    """Return on how many parts of the rows, held out in turn, each recipe is tried."""
    return 2 if n_samples <= ASKED_TWICE else 1


def affordable_epochs(recipe, X):
    """Return the numbers of epochs to try, ascending, of which at least one is left.

    To try more than one is to train on a part of the rows, too: twice by the fewest, to see whether a smaller step is
    better, and once by each other.
    """
    n = X.shape[0]
    part = n_questions(n) * min((1 - HELD_OUT) * n, MAX_ASKED) / n
    most = MAX_PRODUCTS / max(products_per_epoch(recipe, X), 1)
    few, *more = EPOCHS_TO_TRY
    affordable, tried = [int(min(max(most, LEAST_EPOCHS), few))], 2 * few
    for epochs in more:
        tried += epochs
        if epochs + part * tried <= most:
            affordable.append(epochs)
    return affordable


class Questions:
    """Tries recipes on rows that are held out, the same for all, and notes what was tried.

    Parameters
    ----------
    data : Data
    train : callable
        Takes a recipe and data, returns a trained network.
    evaluate : callable
        Takes what `train` returned and data, returns the mean loss and the errors, (n_samples, n_outputs).
    strata : callable
        Takes the target and the number of rows that are held out, returns labels or None.
    random_state : numpy.random.RandomState

    Attributes
    ----------
    parts : list of tuple
        Data that is trained on, and numbers of the samples that are held out from it.
    table : list of dict
        What was tried.
    """

    def __init__(self, data, train, evaluate, strata, random_state):
        self.data, self.train, self.evaluate = data, train, evaluate
        self.strata, self.random_state = strata, random_state
        self.parts, self.table = [], []

    def hold_out(self, n_parts):
        """Hold out parts of the rows, each for itself."""
        n = self.data.target.shape[0]
        n_held_out = int(min(HELD_OUT * n, MAX_HELD_OUT))
        for _ in range(n_parts):
            inside, outside = train_test_split(
                np.arange(n), test_size=n_held_out, random_state=self.random_state,
                stratify=self.strata(self.data.y, n_held_out),
            )  # fmt: skip
            self.parts.append((self.data.take(np.sort(inside[:MAX_ASKED])), np.sort(outside)))

    def ask(self, recipe):
        """Try a recipe."""
        began = perf_counter()
        answers = [self.evaluate(self.train(recipe, part), self.data.take(outside)) for part, outside in self.parts]
        losses, errors = zip(*answers, strict=True)
        loss = float(np.mean(losses))
        self.table.append(recipe.describe() | {"error": loss, "seconds": perf_counter() - began})
        return Tried(recipe, loss if np.isfinite(loss) else np.inf, errors)

    def settle(self, best):
        """Return the recipe of what was tried, which knows its errors."""
        index = np.concatenate([outside for _, outside in self.parts])
        return replace(best.recipe, left_out=LeftOut(index, np.concatenate(best.errors), self.data.weight[index]))


def choose(recipes, questions, enough, limit, hopeless=np.inf):
    """Return the recipe with the least loss on rows that are held out.

    The encoding is chosen first, by short training; then whether smaller steps do better; then the number of epochs.

    Parameters
    ----------
    recipes : list of Recipe
        They differ in the encoding.
    questions : Questions
    enough : float
        Loss from which on nothing else is tried.
    limit : int
        To epochs. One that is below the most epochs that would be tried is what was asked for: it is their number.
    hopeless : float, default=inf
        Loss of the first that is tried beyond which nothing else is.
    """
    data = questions.data
    n = data.target.shape[0]
    if n < FEW_ROWS:
        _, least, most = EPOCHS_TO_TRY
        differ = distinct(data.X, data.y)[0].size  # so that a weight of k is the same as k copies
        return replace(recipes[0], epochs=int(np.clip(LEAST_ROWS_SEEN / differ, least, most)))
    asked_for = [limit] if limit < EPOCHS_TO_TRY[-1] else None
    affordable = asked_for or affordable_epochs(recipes[0], data.X)
    if len(affordable) == len(recipes) == 1:
        return replace(recipes[0], epochs=affordable[0])
    questions.hold_out(n_questions(n))
    plain, *encoded = [replace(recipe, epochs=affordable[0]) for recipe in recipes]
    best = questions.ask(plain)
    if best.loss > hopeless:
        return questions.settle(best)
    for other in encoded:
        best = _better(best, other, questions, enough, WORTH)
    best = _better(best, replace(best.recipe, share_of_step=GENTLE), questions, enough, WORTH)
    for epochs in (asked_for or affordable_epochs(best.recipe, data.X))[1:]:  # codes cost more
        best = _better(best, replace(best.recipe, epochs=epochs), questions, enough, 0.0)
        if best.recipe.epochs != epochs:
            break
    return questions.settle(best)


def try_once(recipe, questions, limit):
    """Return the recipe, with as many epochs as are affordable, and what it is worth on one part of the rows.

    Where there is little noise, more epochs are better; and beside leave-one-out errors, which one part is compared
    with, a second one says little (six sets of 142 to 1,015 rows, six parts of each held out: nRMSE .200 in 4.6 s; all
    that `choose` tries, on two parts, .203 in 7.7 s).
    """
    if questions.data.target.shape[0] < FEW_ROWS:
        return recipe
    questions.hold_out(1)
    epochs = min(affordable_epochs(recipe, questions.data.X)[-1], limit)
    return questions.settle(questions.ask(replace(recipe, epochs=epochs)))


def _better(best, recipe, questions, enough, worth):
    """Return the better of what was tried and a recipe, which is not asked where the loss is small enough."""
    if best.loss <= enough:
        return best
    other = questions.ask(recipe)
    return other if other.loss <= (1 - worth) * best.loss else best
