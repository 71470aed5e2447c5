"""The entries of the passes refuse arrays that do not fit each other, whichever of them it is."""

import numpy as np
import pytest

from helpers import without_outputs
from layers import ADAM_RULE, N_NEURONS, N_ROWS, RULE, Layer, PanelLayer, lists_of, pending_matrices
from skfastnn.passes.dense._catch_up import MomentumState, catch_up, movement_bounds, rebase
from skfastnn.passes.dense._dense_forward import dense_forward
from skfastnn.passes.dense._forward import forward, output_of_fired
from skfastnn.passes.dense._tangent import DenseJacobian
from skfastnn.passes.dense._updates import AdamState, adam_step, momentum_step
from skfastnn.passes.dense._weights import DenseWeights
from skfastnn.passes.panels._panel_layer import (
    BasisChange,
    PanelMoments,
    panel_adam_step,
    panel_forward,
    panel_sgd_step,
)
from skfastnn.passes.panels._panel_tangent import PanelJacobian
from skfastnn.passes.panels._panel_weights import PanelWeights
from skfastnn.passes.shared._boxes import MAX_POINTS, BoxTree, spatial_order
from skfastnn.passes.shared._gram import gram, sample_major
from skfastnn.passes.shared._jacobian import Change
from skfastnn.passes.shared._pairs import PairLists
from skfastnn.passes.shared._rows import gather_sparse_rows
from skfastnn.search.correlation_tree._tree_bounds import note_waste, renew_standing, set_bounds
from skfastnn.search.halfspace._neuron_points import neuron_points

# what is passed on as it is
FREE = ("pairs", "candidates", "fired", "lists", "pair_shift", "n_threads", "step", "parameters", "a", "b", "data")


def arrays_of(layer, names):
    return {name: getattr(layer, name) for name in names.split()}


def weight_arguments(layer):
    return arrays_of(layer, "start displacement anchor anchored pair_shift c_state V start_V")


def momentum_state_arguments(layer):
    return arrays_of(layer, "velocity norms touched step") | {"pending": pending_matrices(6, RULE)}


def moment_arguments(layer):
    return arrays_of(layer, "mean square mean_V square_V norms")


def forward_arguments(layer):
    lists = lists_of(layer.activations)
    arguments = {"candidates": lists, "fired": PairLists(N_NEURONS, layer.dtype), "weights": layer.weights}
    buffers = np.zeros((lists.n_blocks, N_ROWS, layer.V.shape[1]))
    return arguments | {"X": layer.X, "buffers": buffers, "n_threads": 1}


def dense_arguments(layer):
    return {"fired": PairLists(N_NEURONS, layer.dtype), "weights": layer.weights, "X": layer.X, "n_threads": 1}


def point_arguments(layer):
    return {"weights": layer.weights, "points": np.zeros((N_NEURONS, layer.n_features + 1)), "n_threads": 1}


def momentum_arguments(layer):
    arguments = {"pairs": lists_of(layer.activations)} | arrays_of(layer, "X error weights velocity_V")
    state = layer.momentum(pending_matrices(6, RULE))
    return arguments | {"state": state, "after": pending_matrices(7, RULE), "parameters": RULE}


def adam_arguments(layer):
    arguments = {"pairs": lists_of(layer.activations)} | arrays_of(layer, "X error weights moments")
    return arguments | {"parameters": ADAM_RULE}


def bound_arguments(layer):
    arguments = {"state": layer.momentum(pending_matrices(6, RULE)), "anchor_norms": np.zeros(N_NEURONS)}
    return arguments | {"drift": np.zeros(N_NEURONS), "unsettled": np.zeros(N_NEURONS), "n_threads": 1}


def factor_arguments(of, pairs, n_rows):
    arrays = {
        "V": of.V,
        "u": np.zeros((n_rows, of.V.shape[1])),
        "buffers": np.zeros((pairs.n_blocks, n_rows, of.V.shape[1])),
    }
    return arrays


def jacobian_arguments(layer):
    pairs = lists_of(layer.activations)
    return {"pairs": pairs, "X": layer.X} | factor_arguments(layer, pairs, N_ROWS)


def change_arguments(layer):
    return {"W": layer.displacement, "c": np.zeros((N_NEURONS, 1)), "V": layer.V}


ENTRIES = [
    (DenseWeights, weight_arguments), (MomentumState, momentum_state_arguments), (AdamState, moment_arguments),
    (forward, forward_arguments), (dense_forward, dense_arguments), (neuron_points, point_arguments),
    (momentum_step, momentum_arguments), (adam_step, adam_arguments), (movement_bounds, bound_arguments),
    (DenseJacobian, jacobian_arguments), (Change, change_arguments),
]  # fmt: skip


def cut(array, axis):
    """Return a copy that is shorter along an axis."""
    return np.ascontiguousarray(np.take(array, range(array.shape[axis] - 1), axis=axis))


def refuses(entry, arguments):
    try:
        entry(*arguments.values())
    except ValueError:
        return True
    return False


def assert_refuses_all_that_is_cut(entry, make_arguments, may_be_cut=()):
    assert not refuses(entry, make_arguments())
    for name, value in make_arguments().items():
        if name in FREE or not isinstance(value, np.ndarray):
            continue
        for axis in range(value.ndim):
            arguments = make_arguments() | {name: cut(value, axis)}
            assert (name, axis) in may_be_cut or refuses(entry, arguments), f"{name} was cut along axis {axis}"


@pytest.mark.parametrize("pair_shift", [0, 1])
@pytest.mark.parametrize(("entry", "arguments"), ENTRIES, ids=[entry.__name__ for entry, _ in ENTRIES])
def test_arrays_that_are_too_short_are_refused(entry, arguments, pair_shift):
    # batches may be smaller, fewer neurons looked at, and points may do without padding; weights have several layouts
    free = {("X", 0), ("points", 0), ("points", 1), ("W", 0), ("W", 1)}
    assert_refuses_all_that_is_cut(entry, lambda: arguments(Layer(5, 3, np.float64, pair_shift, 5)), free)


@pytest.mark.parametrize("cut_off", ["neuron", "feature"])
def test_weights_of_other_neurons_or_rows_are_refused(cut_off):
    layer, other = Layer(5, 3, np.float64, longest_delay=5), Layer(12, 3, np.float64, longest_delay=5)
    if cut_off == "neuron":
        other = Layer(5, 3, np.float64, longest_delay=5)
        names = "start displacement anchor anchored c_state V start_V velocity mean square norms touched"
        vars(other).update({name: cut(value, 0) for name, value in arrays_of(other, names).items()})
        other.mean_V, other.square_V = cut(other.mean_V, 0), cut(other.square_V, 0)
    state = other.momentum(pending_matrices(6, RULE))
    for entry, make_arguments in ENTRIES[3:5]:
        assert refuses(entry, make_arguments(layer) | {"weights": other.weights})
    for weights, moved in (other.weights, layer.momentum(pending_matrices(6, RULE))), (layer.weights, state):
        assert refuses(momentum_step, momentum_arguments(layer) | {"weights": weights, "state": moved})
        assert refuses(catch_up, {"neurons": np.arange(5), "weights": weights, "state": moved, "n_threads": 1})
        assert refuses(neuron_points, point_arguments(layer) | {"weights": weights, "n_threads": 1, "state": moved})
    assert refuses(adam_step, adam_arguments(layer) | {"weights": other.weights})
    assert refuses(adam_step, adam_arguments(layer) | {"moments": other.moments})


def test_read_only_weights_are_read_and_not_moved():
    layer = Layer(5, 3, np.float64)
    layer.displacement.flags.writeable = False
    forward(*forward_arguments(layer).values())
    for entry, arguments in (momentum_step, momentum_arguments(layer)), (adam_step, adam_arguments(layer)):
        with pytest.raises(ValueError, match="read-only"):
            entry(*arguments.values())
    with pytest.raises(ValueError, match="read-only"):
        rebase(np.arange(5), layer.weights)


def test_weights_of_several_types_are_refused():
    arguments = weight_arguments(Layer(5, 3, np.float64))
    for name in ("start", "anchor", "c_state", "V", "start_V"):
        with pytest.raises(ValueError, match="dtype mismatch"):
            DenseWeights(*(arguments | {name: arguments[name].astype(np.float32)}).values())


def test_steps_and_lists_of_another_type_than_the_weights_are_refused():
    layer, single = Layer(12, 3, np.float64), Layer(12, 3, np.float32)  # rows of both are padded to 16 numbers
    lists, state = lists_of(single.activations), single.momentum(pending_matrices(6, RULE))
    step = momentum_step(*momentum_arguments(single).values())
    for entry, arguments in [
        (catch_up, {"neurons": np.arange(5), "weights": layer.weights, "state": state, "n_threads": 1}),
        (momentum_step, momentum_arguments(layer) | {"pairs": lists}),
        (adam_step, adam_arguments(layer) | {"weights": single.weights}),
        (forward, forward_arguments(layer) | {"state": None, "step": step}),
        (output_of_fired, {"pairs": lists, "n_rows": N_ROWS, "V": layer.V, "out": np.zeros((3, N_ROWS, 8)), "n": 1}),
    ]:
        with pytest.raises(ValueError, match="dtype"):
            entry(*arguments.values())


def test_what_has_no_neuron_is_refused():
    layer, example = Layer(5, 3, np.float64), PanelLayer(np.float64)
    of = arrays_of(layer, "velocity norms touched")
    for entry, arguments in [
        (MomentumState, momentum_state_arguments(layer) | {name: array[:0] for name, array in of.items()}),
        (AdamState, {name: array[:0] for name, array in moment_arguments(layer).items()}),
        (PanelMoments, {name: array[:0] for name, array in panel_moment_arguments(example).items()}),
        (Change, change_arguments(layer) | {"V": np.zeros((N_NEURONS, 0))}),
        (PairLists, {"n_neurons": 0, "dtype": np.float64}),
    ]:
        with pytest.raises(ValueError, match=r"there must be a neuron|at least 1, got 0"):
            entry(*arguments.values())


@pytest.mark.parametrize("pair_shift", [-1, 2])
def test_neurons_share_their_start_with_one_other_at_most(pair_shift):
    with pytest.raises(ValueError, match="pair_shift must be 0 or 1"):
        DenseWeights(*(weight_arguments(Layer(5, 3, np.float64)) | {"pair_shift": pair_shift}).values())


@pytest.mark.parametrize("length", [9, 1])
def test_rows_that_are_no_whole_vectors_are_refused(length):
    W, c_state, anchored = np.ones((3, length)), np.ones((3, 3)), np.zeros(3, np.uint8)
    with pytest.raises(ValueError, match="whole vectors"):
        without_outputs(W, W, W, anchored, 0, c_state)


@pytest.mark.parametrize("delay", [-1, 6])
def test_a_delay_without_a_matrix_is_refused(delay):
    layer = Layer(5, 3, np.float64, longest_delay=5)
    layer.touched[7] = layer.step - delay
    with pytest.raises(ValueError, match="a row for every delay"):
        layer.momentum(pending_matrices(6, RULE))


def test_neurons_that_are_not_there_are_refused():
    layer = Layer(5, 3, np.float64)
    state = layer.momentum(pending_matrices(6, RULE))
    for neurons in (np.array([-1]), np.array([N_NEURONS])):
        with pytest.raises(ValueError, match="no neuron"):
            catch_up(neurons, layer.weights, state, 1)
        with pytest.raises(ValueError, match="no neuron"):
            rebase(neurons, layer.weights)


def panel_weight_arguments(example):
    arguments = {"base": example.start, "first": example.first, "second": example.second, "factors": (1.0, 2.0)}
    return arguments | arrays_of(example, "order c_state V start_V")


def panel_moment_arguments(example):
    return arrays_of(example, "start mean square first_V second_V")


def panel_sgd_arguments(example):
    arguments = {"pairs": example.fired(), "lists": example.lists, "error": example.error}
    arguments["weights"] = PanelWeights(*panel_weight_arguments(example).values())
    arguments |= {"first_V": example.first_V, "basis": BasisChange(np.eye(2), np.eye(2), np.eye(2))}
    return arguments | {"parameters": RULE, "n_threads": 1}


def panel_adam_arguments(example):
    arguments = {"pairs": example.fired(), "lists": example.lists, "error": example.error}
    arguments["weights"] = example.weights(example.nothing, example.nothing, (1.0, 0.0))
    arguments["moments"] = PanelMoments(*panel_moment_arguments(example).values())
    return arguments | {"parameters": ADAM_RULE, "n_threads": 1}


def panel_jacobian_arguments(example):
    pairs = example.fired()
    arguments = {"pairs": pairs, "lists": example.lists, "order": example.order}
    return arguments | factor_arguments(example, pairs, example.X.shape[0])


PANEL_ENTRIES = [
    (PanelWeights, panel_weight_arguments), (PanelMoments, panel_moment_arguments),
    (panel_sgd_step, panel_sgd_arguments), (panel_adam_step, panel_adam_arguments),
    (PanelJacobian, panel_jacobian_arguments),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "arguments"), PANEL_ENTRIES, ids=[entry.__name__ for entry, _ in PANEL_ENTRIES])
def test_panels_that_are_too_small_are_refused(entry, arguments):
    assert_refuses_all_that_is_cut(entry, lambda: arguments(PanelLayer(np.float64)))


def test_panels_of_other_neurons_or_features_are_refused():
    example, other = PanelLayer(np.float64), PanelLayer(np.float64, n_features=41)
    fewer = PanelLayer(np.float64, n_neurons=149)
    for weights in (
        other.weights(other.nothing, other.nothing, (1, 0)),
        fewer.weights(fewer.start, fewer.second, (1, 1)),
    ):
        with pytest.raises(ValueError, match="must"):
            panel_forward(PairLists(150, np.float64), weights, example.lists, 1)
        assert refuses(panel_sgd_step, panel_sgd_arguments(example) | {"weights": weights})
        assert refuses(panel_adam_step, panel_adam_arguments(example) | {"weights": weights})


def test_panels_of_another_type_or_read_only_are_refused():
    example = PanelLayer(np.float64)
    weights = example.weights(example.start, example.second, (1, 1))
    with pytest.raises(ValueError, match="the same dtype"):
        panel_forward(PairLists(150, np.float32), weights, example.lists, 1)
    arguments = panel_sgd_arguments(example)
    example.first.flags.writeable = False
    weights = example.weights(example.start, example.second, (1, 1))
    panel_forward(PairLists(150, np.float64), weights, example.lists, 1)
    with pytest.raises(ValueError, match="read-only"):
        panel_sgd_step(*(arguments | {"weights": weights}).values())


@pytest.mark.parametrize("panels", [False, True])
def test_a_change_of_other_weights_is_refused(panels):
    of = PanelLayer(np.float64) if panels else Layer(5, 12, np.float64)
    W = of.first if panels else of.displacement
    arguments = panel_jacobian_arguments(of) if panels else jacobian_arguments(of)
    jacobian = (PanelJacobian if panels else DenseJacobian)(*arguments.values())
    n = len(of.V)
    changes = [
        Change(W, np.zeros((n, 1)), np.tile(of.V, 2)), Change(cut(W, 1), np.zeros((n, 1)), of.V),
        Change(cut(W, 0), np.zeros((n - 1, 1)), cut(of.V, 0)),
        Change(*(array.astype(np.float32) for array in (W, np.zeros((n, 1)), of.V)))
    ]  # fmt: skip
    for change in changes:
        for product in (jacobian.times, jacobian.transposed):
            with pytest.raises(ValueError, match="change"):
                product(change, 1)
    with pytest.raises(ValueError, match="C order"):
        Change(np.asfortranarray(W), np.zeros((n, 1)), of.V)


def test_an_order_that_names_a_neuron_twice_is_refused():
    arguments = panel_weight_arguments(PanelLayer(np.float64))
    arguments["order"] = np.zeros_like(arguments["order"])
    with pytest.raises(ValueError, match="each neuron"):
        PanelWeights(*arguments.values())


def test_more_points_than_are_numbered_are_refused():
    assert MAX_POINTS == 2**31 - 16
    for n_points in (2**31 - 15, 2**31 - 1, 2**40):
        with pytest.raises(ValueError, match="at most 2147483632"):
            BoxTree(n_points, 1, np.float32)
    with pytest.raises(ValueError, match="at most 2147483632"):
        spatial_order(np.empty((2**31 - 15, 0), dtype=np.float32), 0)


def test_coordinates_that_points_do_not_have_are_refused():
    with pytest.raises(ValueError, match="n_features columns"):
        spatial_order(np.ones((20, 2)), 3)


def test_gram_of_rows_that_are_not_there_is_refused():
    layer = Layer(5, 3, np.float64)
    for row in (-1, N_ROWS):
        with pytest.raises(ValueError, match="no such rows"):
            gram(lists_of(layer.activations), layer.X, np.ones(N_NEURONS), 1.0, True, np.zeros((1, N_ROWS)), 1,
                 np.array([row], np.int32))  # fmt: skip
    with pytest.raises(ValueError, match="activations"):
        sample_major(PairLists(3, None), 5)


@pytest.mark.parametrize(("out", "n_norms"), [((1, 8), 2), ((2, 8), 1), ((2, 4), 2)])
def test_sparse_rows_that_are_given_too_little_room_are_refused(out, n_norms):
    indptr, indices, index = np.array([0, 1, 2]), np.array([0, 4], np.int32), np.arange(2, dtype=np.int32)
    with pytest.raises(ValueError, match="do not fit"):
        gather_sparse_rows(indptr, indices, np.ones(2), index, np.zeros(5), 1.0, np.zeros(out), np.zeros(n_norms), 1)


def test_bounds_of_other_neurons_are_refused():
    n, padded = np.zeros(5), np.zeros(64, np.float32)
    arguments = {"exact": n, "intercepts": n, "foot": n, "norm": 1.0, "drift": padded, "threshold": padded}
    for name in ("exact", "intercepts", "foot"):
        assert refuses(set_bounds, arguments | {name: np.zeros(6)})
    for name in ("drift", "threshold"):
        assert refuses(set_bounds, arguments | {name: padded[:4]})
    arguments = dict.fromkeys(("drift", "threshold", "standing_drift", "standing_threshold"), padded)
    for name in arguments:
        assert refuses(renew_standing, arguments | {name: np.zeros(128, np.float32), "growth": 1.0, "skin": 0.1})
    five, six = PairLists(5, None), PairLists(6, None)
    for candidates, fired, waste in (five, six, n), (five, five, np.zeros(6)):
        with pytest.raises(ValueError, match="same neurons"):
            note_waste(candidates, fired, waste, 1.0, 1)
