"""The entries of the passes refuse arrays that do not fit each other, whichever of them it is."""

import numpy as np
import pytest
from test_panels import Example
from test_passes import ADAM_RULE, N_NEURONS, N_ROWS, NOTHING_PENDING, RULE, Layer, lists_of, pending_matrices

from skfastnn.passes.dense._catch_up import catch_up, movement_bounds, rebase
from skfastnn.passes.dense._dense_forward import dense_forward
from skfastnn.passes.dense._forward import forward
from skfastnn.passes.dense._updates import adam_step, momentum_step
from skfastnn.passes.panels._panel_layer import panel_adam_step, panel_forward, panel_sgd_step
from skfastnn.passes.shared._boxes import MAX_POINTS, BoxTree, spatial_order
from skfastnn.passes.shared._pairs import PairLists
from skfastnn.search.halfspace._neuron_points import neuron_points

WEIGHTS = ("displacement", "start", "anchor", "anchored", "c_state")
# what is passed on as it is
FREE = ("pairs", "candidates", "fired", "lists", "pair_shift", "n_threads", "step", "parameters", "a", "b", "data")


def forward_arguments(layer):
    lists = lists_of(layer.activations)
    arguments = {"candidates": lists, "fired": PairLists(N_NEURONS, layer.dtype), "X": layer.X}
    for name in (*WEIGHTS[:3], "pair_shift", *WEIGHTS[3:], "V", "velocity", "delay"):
        arguments[name] = getattr(layer, name)
    buffers = np.zeros((lists.n_blocks, N_ROWS, layer.V.shape[1]))
    return arguments | {"pending": pending_matrices(6, RULE), "buffers": buffers, "n_threads": 1}


def dense_arguments(layer):
    arguments = {"fired": PairLists(N_NEURONS, layer.dtype), "X": layer.X}
    for name in (*WEIGHTS[:3], "pair_shift", *WEIGHTS[3:]):
        arguments[name] = getattr(layer, name)
    return arguments | {"n_threads": 1}


def point_arguments(layer):
    names = (*WEIGHTS[:3], "pair_shift", *WEIGHTS[3:], "velocity", "delay")
    arguments = {name: getattr(layer, name) for name in names}
    points = np.zeros((N_NEURONS, layer.n_features + 1))
    return arguments | {"pending": pending_matrices(6, RULE), "points": points, "n_threads": 1}


def momentum_arguments(layer):
    names = (
        "X", "error", "displacement", "velocity", "anchor", "anchored", "c_state", "V", "velocity_V", "start_V",
        "norms", "touched", "step",
    )  # fmt: skip
    arguments = {"pairs": lists_of(layer.activations)} | {name: getattr(layer, name) for name in names}
    return arguments | {"pending": pending_matrices(6, RULE), "after": pending_matrices(7, RULE), "parameters": RULE}


def adam_arguments(layer):
    names = (
        "X", "error", "displacement", "mean", "square", "anchor", "anchored", "c_state", "V", "mean_V", "square_V",
        "start_V", "norms",
    )  # fmt: skip
    arguments = {"pairs": lists_of(layer.activations)} | {name: getattr(layer, name) for name in names}
    return arguments | {"parameters": ADAM_RULE}


def catch_up_arguments(layer):
    names = "displacement", "velocity", "anchor", "anchored", "norms", "touched", "step"
    arguments = {"neurons": np.arange(5)} | {name: getattr(layer, name) for name in names}
    return arguments | {"pending": pending_matrices(6, RULE), "n_threads": 1}


def bound_arguments(layer):
    arguments = {"norms": layer.norms, "anchor_norms": np.zeros(N_NEURONS), "touched": layer.touched}
    arguments |= {"step": layer.step, "pending": pending_matrices(6, RULE)}
    return arguments | {"drift": np.zeros(N_NEURONS), "unsettled": np.zeros(N_NEURONS), "n_threads": 1}


def rebase_arguments(layer):
    return {"neurons": np.arange(5)} | {name: getattr(layer, name) for name in ("displacement", "anchor", "anchored")}


ENTRIES = [
    (forward, forward_arguments), (dense_forward, dense_arguments), (neuron_points, point_arguments),
    (momentum_step, momentum_arguments), (adam_step, adam_arguments), (catch_up, catch_up_arguments),
    (movement_bounds, bound_arguments), (rebase, rebase_arguments),
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
    # batches may be smaller, neurons any, and points may do without padding
    free = {("X", 0), ("neurons", 0), ("points", 1)}
    assert_refuses_all_that_is_cut(entry, lambda: arguments(Layer(5, 3, np.float64, pair_shift, 5)), free)


@pytest.mark.parametrize("length", [9, 1])
def test_rows_that_are_no_whole_vectors_are_refused(length):
    W, c_state, anchored = np.ones((3, length)), np.ones((3, 3)), np.zeros(3, np.uint8)
    with pytest.raises(ValueError, match="whole vectors"):
        dense_forward(PairLists(3, np.float64), np.ones((2, length)), W, W, W, 0, anchored, c_state, 1)


@pytest.mark.parametrize("delay", [-1, 6])
def test_a_delay_without_a_matrix_is_refused(delay):
    layer = Layer(5, 3, np.float64, longest_delay=5)
    layer.delay[7] = delay
    with pytest.raises(ValueError, match="a row for every delay"):
        forward(*forward_arguments(layer).values())
    layer.touched[7] = layer.step - delay
    with pytest.raises(ValueError, match="delays"):
        momentum_step(*momentum_arguments(layer).values())
    with pytest.raises(ValueError, match="delays"):
        catch_up(*catch_up_arguments(layer).values())


def test_neurons_that_are_not_there_are_refused():
    layer = Layer(5, 3, np.float64)
    for neurons in (np.array([-1]), np.array([N_NEURONS])):
        with pytest.raises(ValueError, match="no neuron"):
            catch_up(*(catch_up_arguments(layer) | {"neurons": neurons}).values())
        with pytest.raises(ValueError, match="no neuron"):
            rebase(*(rebase_arguments(layer) | {"neurons": neurons}).values())


def panel_arguments(example, lists):
    return {"pairs": lists, "lists": example.lists, "data": example.lists.data}


def panel_forward_arguments(example):
    arguments = panel_arguments(example, PairLists(example.n_neurons, np.float64))
    arguments |= {"start": example.start, "first": example.first, "a": 1.0, "second": example.second, "b": 2.0}
    return arguments | {"order": example.order, "c_state": example.c_state, "n_threads": 1}


def panel_sgd_arguments(example):
    arguments = panel_arguments(example, example.fired()) | {"error": example.error}
    arguments |= {"first": example.first, "a": 1.0, "second": example.second, "b": 2.0}
    arguments |= {"T": np.eye(2), "after": np.eye(2), "change": np.eye(2)}
    arguments |= {name: getattr(example, name) for name in ("order", "c_state", "V", "first_V", "start_V")}
    return arguments | {"parameters": RULE, "n_threads": 1}


def panel_adam_arguments(example):
    arguments = panel_arguments(example, example.fired()) | {"error": example.error}
    names = ("start", "first", "mean", "square", "order", "c_state", "V", "first_V", "second_V", "start_V")
    arguments |= {name: getattr(example, name) for name in names}
    return arguments | {"parameters": ADAM_RULE, "n_threads": 1}


PANEL_ENTRIES = [
    (panel_forward, panel_forward_arguments), (panel_sgd_step, panel_sgd_arguments),
    (panel_adam_step, panel_adam_arguments),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "arguments"), PANEL_ENTRIES, ids=[entry.__name__ for entry, _ in PANEL_ENTRIES])
def test_panels_that_are_too_small_are_refused(entry, arguments):
    assert_refuses_all_that_is_cut(entry, lambda: arguments(Example(np.float64)))


def test_an_order_that_names_a_neuron_twice_is_refused():
    arguments = panel_forward_arguments(Example(np.float64))
    arguments["order"] = np.zeros_like(arguments["order"])
    with pytest.raises(ValueError, match="each neuron"):
        panel_forward(*arguments.values())


def test_more_points_than_are_numbered_are_refused():
    assert MAX_POINTS == 2**31 - 16
    for n_points in (2**31 - 15, 2**31 - 1, 2**40):
        with pytest.raises(ValueError, match="at most 2147483632"):
            BoxTree(n_points, 1, np.float32)
    with pytest.raises(ValueError, match="at most 2147483632"):
        spatial_order(np.empty((2**31 - 15, 0), dtype=np.float32), 0)


def test_nothing_pending_is_one_matrix():
    layer = Layer(5, 3, np.float64, momentum=False)
    arguments = forward_arguments(layer) | {"pending": NOTHING_PENDING, "delay": np.zeros(N_NEURONS, np.int64)}
    forward(*arguments.values())
