"""How a network is scored on rows that are held out, for early stopping."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.utils import gen_batches

from skfastnn._data import Data
from skfastnn._threads import effective_n_threads
from skfastnn.networks._training_rows import training_rows

# Rows whose output is computed together.
CHUNK_ROWS = 1024


@dataclass(frozen=True)
class Outcome:
    """What a network says about rows that are held out.

    Attributes
    ----------
    held_out : Data
        Rows as the user gave them.
    raw : ndarray of shape (n_samples, n_outputs)
        Output before its activation, in units of the target.
    loss : float
        Mean loss, in the units of training.
    to_predict : callable
        Returns the attributes of an estimator that predicts by the network, a dict.
    """

    held_out: Data
    raw: np.ndarray
    loss: float
    to_predict: Callable


def make_score(estimator):
    """Return what gives an `Outcome` a score, larger for a better one: as the parameter `scoring` says."""
    if estimator.scoring is None:
        return lambda outcome: estimator._score_raw(outcome.raw, outcome.held_out.y, outcome.held_out.weight)
    if isinstance(estimator.scoring, str) and estimator.scoring == "loss":
        return lambda outcome: -outcome.loss
    scorer = check_scoring(estimator, estimator.scoring)

    def score(outcome):
        fitted, rows = copy.copy(estimator), outcome.held_out
        vars(fitted).update(outcome.to_predict())
        vars(fitted).pop("feature_names_in_", None)  # rows have become an array
        weights = {"sample_weight": rows.weight} if np.ptp(rows.weight) > 0 else {}
        return scorer(fitted, rows.X, rows.y, **weights)

    return score


def evaluate(held_out, raw, units, task, to_predict):
    """Return the score and the mean loss on rows that are held out.

    Parameters
    ----------
    held_out : Data
        Rows as the user gave them.
    raw : ndarray of shape (n_samples, n_outputs)
        Output before its activation, in units of the target.
    units : tuple (shift, scale)
        Of the target in training.
    task : Task
        Its loss and its score are taken.
    to_predict : callable
        Returns the attributes of an estimator that predicts so.
    """
    if not np.isfinite(raw).all():
        return -np.inf, np.inf
    shift, scale = units
    losses, _ = task.loss.value_and_gradient((raw - shift) / scale, (held_out.target - shift) / scale)
    mean_loss = float(np.average(losses, weights=held_out.weight))
    return float(task.score(Outcome(held_out, raw, mean_loss, to_predict))), mean_loss


def make_validator(held_out, X, task, to_predict):
    """Return what takes a network, and returns its score and its mean loss on rows that are held out.

    Parameters
    ----------
    held_out, task
        As of `evaluate`.
    X : ndarray or CSR matrix of shape (n_samples, n_inputs)
        The rows as the network takes them.
    to_predict : callable
        Takes weights and intercepts, returns the attributes of an estimator that predicts by them.
    """

    def validate(network):
        rows = training_rows(X, network.layers[0], effective_n_threads())
        raw = np.empty((X.shape[0], network.n_outputs), dtype=X.dtype)
        for part in gen_batches(X.shape[0], CHUNK_ROWS):
            raw[part] = network.raw_output(rows.take(np.arange(part.start, part.stop, dtype=np.int32)))
        units = network.target_shift, network.target_scale
        raw = raw * units[1] + units[0]
        return evaluate(held_out, raw, units, task, lambda: to_predict(*network.export()))

    return validate
