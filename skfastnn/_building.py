"""A network for some data: its layout, and its parameters as drawn or as another call left them."""

from dataclasses import replace
from functools import partial

import numpy as np
from scipy.sparse import issparse

from skfastnn._threads import effective_n_threads
from skfastnn.networks._deep_network import CALIBRATION_ROWS, DeepNetwork
from skfastnn.networks._known_network import KnownNetwork
from skfastnn.networks._network import Network
from skfastnn.networks._panel_network import PanelNetwork
from skfastnn.networks._row_space import MIN_RATIO, RowSpaceNetwork, row_space
from skfastnn.networks._training_rows import training_rows
from skfastnn.networks._varying_features import VaryingFeaturesNetwork, varying_features


def build(plan, start, data, held_out, all_rows_known, drawn):
    """Return a network as it is drawn, the rows that it takes, and the start, to which deep networks add.

    Parameters
    ----------
    plan : Plan
    start : Start
    data : Data
        To train on.
    held_out : Data or None
    all_rows_known : bool
        Whether these are all rows that the network will be trained on; later calls bring others.
    drawn : ndarray of shape (n_drawn, ld) or None
        What another call has drawn for the first layer of this network, where that is known.
    """
    X, n_outputs = data.X, data.target.shape[1]
    coordinates = start.coordinates(X.dtype)
    layout = _layout(plan, coordinates, [X] if held_out is None else [X, held_out.X], all_rows_known)
    if layout is Network and drawn is not None:
        layout = partial(KnownNetwork, drawn)
    rest = start.antisymmetric, start.seed, X.dtype, start.output_size
    # no neuron can fire at an absurd threshold, which is said later; the scale of its output is then infinite
    with np.errstate(divide="ignore", invalid="ignore"):
        if len(plan.widths) > 1:
            network = DeepNetwork(layout, coordinates, plan.widths, n_outputs, start.thresholds, *rest)
            start = _add_layers(network, start, data)
        else:
            arguments = plan.widths[0], n_outputs, start.thresholds[0], *rest
            in_row_space = layout is not PanelNetwork and all_rows_known and held_out is None
            if in_row_space and _row_space_pays(plan, X):
                basis, X = row_space(X, coordinates)
                network = RowSpaceNetwork(coordinates, basis, *arguments)
            else:
                network = layout(coordinates, *arguments)
    if start.spread > 0:
        network.layers[0].spread_intercepts(start.spread, start.seed)
    if start.as_in_mlp:
        network.layers[-1].scale_output_as_mlp()
    network.standardise(*start.target_units())
    return network, X, start


def take_up(network, before, scales):
    """Give a network the parameters that another call has led to.

    Parameters
    ----------
    network : Network or DeepNetwork
    before : Before
    scales : ndarray of shape (n_features,) or None
        Factors of the columns of the rows, which are in the weights.
    """
    network.load(*before.parameters(network.layers[0].n_given_features, network.n_outputs, scales))
    network.layers[0].neuron_order = before.neurons["order"]


def with_factors(coefs, scales):
    """Return weights on columns as they are, for weights on columns that are multiplied by factors."""
    if scales is None:
        return coefs
    return [coefs[0] * scales[:, None].astype(coefs[0].dtype), *coefs[1:]]


def without_factors(coefs, scales):
    """Return weights on columns that are multiplied by factors, for weights on columns as they are."""
    if scales is None:
        return coefs
    factors = scales[:, None]
    first = np.divide(coefs[0], factors, where=factors > 0, out=0 * coefs[0])
    return [first.astype(coefs[0].dtype), *coefs[1:]]


def probe_rows(network, data, n_rows):
    """Return the numbers of about so many rows, evenly spaced, the normalised rows, and their weights."""
    index = np.arange(0, data.X.shape[0], -(-data.X.shape[0] // n_rows), dtype=np.int32)
    rows = training_rows(data.X, network.layers[0], effective_n_threads()).take(index)
    return index, rows, data.weight[index]


def _add_layers(network, start, data):
    """Put the layers on top of the first; the first time, measure what they will take. Return the start."""
    if start.activations is None:
        _, rows, weight = probe_rows(network, data, CALIBRATION_ROWS)
        return replace(start, activations=network.calibrate(rows, weight))
    for mean, scale in start.activations:
        network.add_layer(mean, scale)
    return start


def _layout(plan, coordinates, parts, all_rows_known):
    """Return what makes the first layer's network, given the coordinates; the data are in one or two parts."""
    # the search for firing neurons has no use for the layout for sparse rows
    if coordinates.offset is not None and plan.stages[0].search in ("auto", "dense"):
        return PanelNetwork
    centred = coordinates.offset is None and not issparse(parts[0])
    known = centred and all_rows_known and plan.solver != "lbfgs"
    features = varying_features(coordinates.mean, parts) if known else None
    return Network if features is None else partial(VaryingFeaturesNetwork, features)


def _row_space_pays(plan, X):
    """Return whether rows and weights are replaced by their coordinates in the space of the rows."""
    n_samples, n_features = X.shape
    # a basis larger than the weights is no gain
    few = MIN_RATIO * n_samples <= n_features and n_samples <= plan.widths[0]
    return plan.solver in ("gauss_newton", "sgd") and few
