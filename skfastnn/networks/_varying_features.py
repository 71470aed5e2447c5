"""Training on the features that vary, for data with columns that do not.

Where a column has the same number in every row it is zero in all centred rows. Its weights then take no part in any
product, and no gradient reaches them: they keep what they were drawn with. The network goes through training without
them, and gets them back in the export. In images these are the pixels of the margin (67 of 784 in MNIST).
"""

import numpy as np

from skfastnn._coordinates import Coordinates, constant_columns
from skfastnn.networks._network import Network, aligned_zeros, drawn, padded_length

# Fewer are padded to as many.
MIN_FEATURES = 2


def varying_features(mean, parts):
    """Return the columns other than those that are constant and zero once they are centred; None for all.

    Parameters
    ----------
    mean : ndarray of shape (n_features,)
        What is subtracted.
    parts : list of ndarray of shape (n_samples, n_features)
        Whose rows count together.

    Returns
    -------
    features : ndarray of shape (n_varying,), int64, or None
        None also where so few columns are constant that rows, in whole vectors, would not be shorter.
    """
    n_features = mean.size
    constant = np.arange(n_features)
    for X in parts:
        constant = np.intersect1d(constant, constant_columns(X, mean, parts[0][:1]))
    n_varying = n_features - constant.size
    if n_varying < MIN_FEATURES or padded_length(n_varying, mean.dtype) >= padded_length(n_features, mean.dtype):
        return None
    return np.setdiff1d(np.arange(n_features), constant)


class VaryingFeaturesNetwork(Network):
    """Network on the features that vary; it draws and exports weights of all features.

    Parameters
    ----------
    features : ndarray of shape (n_varying,)
        Of `varying_features`.
    coordinates : Coordinates
        Of all features, centred.
    *arguments
        As `Network` takes them after the coordinates.
    """

    def __init__(self, features, coordinates, *arguments):
        self.original = coordinates
        self.constant = np.setdiff1d(np.arange(coordinates.mean.size), features)
        super().__init__(Coordinates(coordinates.mean[features], coordinates.scale, None, features), *arguments)

    def in_all_features(self, numbers):
        whole = aligned_zeros((self.n_neurons, padded_length(self.n_given_features, self.dtype)), self.dtype)
        whole[:, self.coordinates.features] = numbers[:, : self.n_features]
        return whole

    @property
    def n_given_features(self):
        """Number of features of the data, constant ones among them."""
        return self.original.mean.size

    def _draw_hidden(self, rng):
        self._allocate_hidden()
        # what is drawn for the others, and shared by pairs for as long as the export is asked for
        self.drawn_apart, self.apart_shift = np.empty((self.n_drawn, self.constant.size), self.dtype), self.pair_shift
        for first, draws in drawn(rng, self.n_drawn, self.original.mean.size):
            part = slice(first, first + draws.shape[0])
            self.start[part, : self.n_features] = draws[:, self.coordinates.features]
            self.drawn_apart[part] = draws[:, self.constant]

    def load_hidden(self, coefs, intercepts):
        # on the constant features every row is their mean, and their weights stay as drawn
        there = self.original.mean[self.constant].astype(np.float64) @ coefs[self.constant]
        super().load_hidden(coefs[self.coordinates.features], intercepts + there)

    def export_hidden(self):
        coefs = np.empty((self.original.mean.size, self.n_neurons), dtype=self.dtype)
        c = self._write_hidden(coefs, self.coordinates.features)
        apart = (self.drawn_apart / self.dtype.type(self.original.scale)).T
        coefs[self.constant] = np.repeat(apart, 1 << self.apart_shift, axis=1)[:, : self.n_neurons]
        c -= self.original.mean[self.constant].astype(np.float64) @ coefs[self.constant]
        return coefs, c
