"""What a network may be shown: rows as they are, standardised, or encoded; each original feature with a scale."""

from dataclasses import dataclass, replace

import numpy as np

# Ratio of the largest to the smallest spread of a feature up to which features count as standardised already.
ALIKE = 1.1
# How far beyond its range in the training rows a feature may be, in units of that range: a network extrapolates
# linearly, and an outlier in one feature would be all that it sees.
MARGIN_OF_RANGE = 0.25


@dataclass(frozen=True)
class Inputs:
    """An affine map of the features, or of their encoding, to centred inputs.

    Attributes
    ----------
    encoding : {"none", "standardize", "piecewise_linear"}
    low, high : ndarray of shape (n_features,)
        Numbers that features are clipped to.
    mean, factor : ndarray of shape (n_coordinates,)
        What is subtracted from the coordinates, and what they are then multiplied with.
    feature : ndarray of shape (n_coordinates,), int
        The original feature of each.
    encoder : object or None
        A fitted transformer, where coordinates are not the features themselves.
    scales : ndarray of shape (n_features,) or None
        Learned scales of the original features, which `factor` contains; their root-mean-square is one.
    """

    encoding: str
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    factor: np.ndarray
    feature: np.ndarray
    encoder: object = None
    scales: np.ndarray | None = None

    def transform(self, X):
        """Return the inputs for rows X, ndarray of shape (n_rows, n_coordinates), float64."""
        coordinates = np.clip(X, self.low, self.high)
        if self.encoder is not None:
            coordinates = self.encoder.transform(coordinates)
        inputs = np.asarray(coordinates, dtype=np.float64) - self.mean
        inputs *= self.factor
        return inputs

    def with_scales(self, scales):
        """Return these inputs with each original feature multiplied by a scale."""
        return replace(self, factor=self.factor * scales[self.feature], scales=scales)


def spread_of(X, share):
    """Return the weighted mean and standard deviation of each column; rounding noise is no deviation."""
    mean = share @ X
    spread = np.sqrt(share @ (X - mean) ** 2)
    spread[spread <= 1e-7 * np.abs(mean)] = 0.0
    return mean, spread


def bounds_of(X):
    """Return the numbers that features are clipped to; a feature without any number has none."""
    known = np.where(np.isnan(X), np.inf, X).min(axis=0), np.where(np.isnan(X), -np.inf, X).max(axis=0)
    low, high = (np.where(np.isfinite(bound), bound, 0.0) for bound in known)
    margin = MARGIN_OF_RANGE * (high - low)
    return low - margin, high + margin


def candidate_inputs(X, share, encoder_factory, missing=False):
    """Return the maps that differ, the one of the least risk first.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        NaN only where an encoder is given, which then has to take it.
    share : ndarray of shape (n_rows,)
        Shares of the rows in the mean.
    encoder_factory : callable or None
        Makes a transformer whose `fit` takes weights, and that has `feature_indices_` when it is fitted.
    missing : bool, default=False
        Whether other rows have NaN, which the encoder alone takes.

    Returns
    -------
    candidates : list of Inputs
    """
    candidates, bounds = [], bounds_of(X)
    if not (missing or np.isnan(X).any()):
        mean, spread = spread_of(X, share)
        each, varies = np.arange(X.shape[1]), spread > 0
        candidates.append(Inputs("standardize", *bounds, mean, varies / np.where(varies, spread, 1.0), each))
        if varies.any() and spread[varies].max() > ALIKE * spread[varies].min():
            candidates.append(Inputs("none", *bounds, mean, varies.astype(np.float64), each))
    if encoder_factory is not None:
        encoder = encoder_factory()
        encoded = np.asarray(encoder.fit(X, sample_weight=share).transform(X), dtype=np.float64)
        if not candidates or encoded.shape[1] > X.shape[1]:  # codes beside the features, or what does without NaN
            mean, spread = spread_of(encoded, share)
            factor, feature = (spread > 0).astype(np.float64), np.asarray(encoder.feature_indices_)
            candidates.append(Inputs("piecewise_linear", *bounds, mean, factor, feature, encoder))
    return candidates
