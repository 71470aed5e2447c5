# Bounds of the lazy tree, neuron by neuron: thresholds, drifts, and who has left the room of a list that stands.
#
# Problem     Before each query the threshold of every neuron follows its intercept, and its drift how far it has moved;
#             where lists stand, groups whose neurons have left the bounds of their lists are to be listed anew. A few
#             additions a neuron: what counts is to go through the arrays once.
# Layout      Arrays by neuron; float32 ones are padded to whole groups of 64 neurons.
# Invariants  Every rounding is to the safe side: drifts up, thresholds down. The query compares in float32.
# Cost        A few nanoseconds a neuron, on one thread.

from libc.math cimport fabs
from libc.stdint cimport int64_t, uint8_t

import numpy as np

from skfastnn.passes.shared._pairs cimport PairLists

cdef extern from "query_kernels.h":
    int GROUP


def set_bounds(
    const double[::1] exact,                # IN    (n_neurons,) bounds on the movement since the references
    const double[::1] intercepts,           # IN    (n_neurons,) upper bounds
    const double[::1] foot,                 # IN    (n_neurons,)
    double largest_norm,                    # IN    of the rows
    float[::1] drift,                       # OUT   (padded neurons,) the same bounds in float32
    float[::1] threshold,                   # OUT   (padded neurons,) above the foot
):
    """Set the drifts and thresholds of a query."""
    cdef Py_ssize_t r
    cdef double lowest
    if not exact.shape[0] == intercepts.shape[0] == foot.shape[0] <= min(drift.shape[0], threshold.shape[0]):
        raise ValueError("arrays must have an entry per neuron")
    for r in range(exact.shape[0]):
        drift[r] = <float> (exact[r] * (1 + 1e-6))
        lowest = -intercepts[r] - foot[r]
        # the comparison is carried out in float32
        threshold[r] = <float> (lowest - 1e-6 * (fabs(lowest) + exact[r] * largest_norm + 4))


def renew_standing(
    const float[::1] drift,                 # IN    (padded neurons,)
    const float[::1] threshold,             # IN    (padded neurons,)
    float[::1] standing_drift,              # INOUT (padded neurons,) bounds with which lists were made
    float[::1] standing_threshold,          # INOUT (padded neurons,)
    float growth,                           # IN    room of the drift, a factor
    float skin,                             # IN    and a summand, also of the threshold
):
    """Widen the bounds of groups that left them; return which groups those are, uint8 of shape (n_groups,).

    Rows that pass at some drift and threshold pass at a larger drift and a lower threshold too, so a list made with
    room to spare is a superset for as long as its neurons stay inside.
    """
    cdef Py_ssize_t g, r
    cdef Py_ssize_t n_groups = drift.shape[0] // GROUP
    cdef bint left
    if not drift.shape[0] == threshold.shape[0] == standing_drift.shape[0] == standing_threshold.shape[0]:
        raise ValueError("bounds must be of the same neurons")
    renewed_array = np.zeros(n_groups, dtype=np.uint8)
    cdef uint8_t[::1] renewed = renewed_array
    for g in range(n_groups):
        left = False
        for r in range(g * GROUP, (g + 1) * GROUP):
            left |= drift[r] > standing_drift[r] or threshold[r] < standing_threshold[r]
        if left:
            renewed[g] = 1
            for r in range(g * GROUP, (g + 1) * GROUP):
                standing_drift[r] = drift[r] * growth + skin
                standing_threshold[r] = threshold[r] - skin
    return renewed_array


def note_waste(PairLists candidates, PairLists fired, double[::1] waste, double limit, Py_ssize_t together):
    """Add up the candidates that did not fire; return the neurons that wasted more than the limit so far.

    `together` neurons, one after the other, are due together or not at all, by their mean.
    """
    cdef Py_ssize_t g, r, first, last
    cdef Py_ssize_t n = candidates.n_neurons
    cdef Py_ssize_t n_due = 0
    cdef double total
    if fired.n_neurons != n or waste.shape[0] != n:
        raise ValueError("waste and lists must be of the same neurons")
    due_array = np.empty(n, dtype=np.int64)
    cdef int64_t[::1] due = due_array
    for g in range((n + together - 1) // together):
        first, last = g * together, min((g + 1) * together, n)
        total = 0
        for r in range(first, last):
            waste[r] += candidates.count[r] - fired.count[r]
            total += waste[r]
        if total > limit * (last - first):
            for r in range(first, last):
                due[n_due] = r
                n_due += 1
    return due_array[:n_due]
