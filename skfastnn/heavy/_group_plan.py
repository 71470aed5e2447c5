"""The size of the groups, the degree and the number of repetitions, from a model of their cost.

A cell of ``g_a * g_b = G`` pairs holds a heavy pair, which adds plus or minus S, and G others, whose sum has standard
deviation ``sigma = s sqrt(G)``. It is flagged where its absolute value reaches t. A heavy pair is lost with
probability ``Phi(-z)`` for ``t = S - z sigma``, a cell without one is flagged with probability ``2 Phi(-t / sigma)``.
Groups are drawn anew in each repetition and a pair is found if any of them flags it, so each may lose the share
``delta ** (1 / repetitions)``: half of it is left to the noise, half to other heavy pairs in the same cell. Where the
background has long tails, z is corrected by its fourth moment.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import comb
from scipy.stats import norm

# Measured times in multiplications of a large matrix product. Comparing the rows of a flagged pair, by the feature and
# by the pair:
FEATURE_COST, PAIR_COST = 1.3, 1_500
# adding a row to a group sum, by the feature; the same of a higher degree, by the monomial, and for writing the sum:
SUM_COST, MONOMIAL_COST, MONOMIAL_SUM_COST = 15, 8, 300
# writing a cell and comparing it with the threshold.
CELL_COST = 60
MAX_REPETITIONS = 8
MAX_GROUP_SIZE = 256
DEGREES = (1, 2, 3)


@dataclass(frozen=True)
class Plan:
    """What to do.

    Attributes
    ----------
    group_size : tuple of two int
        Rows of A and of B in a group; (1, 1) is the plain product.
    degree : int
    n_repetitions : int
        Grouped passes; more follow if what is found calls for them.
    threshold : float
        Of the absolute value of a cell.
    lost_beyond : float
        A heavy pair is lost only if the rest of its cell reaches this.
    noise_loss : float
        Probability of that, by the analysis.
    cost : float
        In multiplications of a matrix product.
    """

    group_size: tuple
    degree: int
    n_repetitions: int
    threshold: float
    lost_beyond: float
    noise_loss: float
    cost: float

    @property
    def exact(self):
        """Whether nothing can be lost."""
        return self.group_size == (1, 1) and self.degree == 1


def plain_product(n_a, n_b, n_features, least):
    """Return the plan that computes all inner products."""
    # products have the parity of n_features: nothing lies between least - 2 and least
    return Plan((1, 1), 1, 1, least - 1.0, np.inf, 0.0, float(n_a) * n_b * (n_features + CELL_COST))


def cheapest_groups(n_a, n_b, background, noise, delta, degree, sizes):
    """Return the cheapest plan with groups, or None if none keeps the promise.

    Parameters
    ----------
    n_a, n_b : int
    background : skfastnn.heavy._background.Background
    noise : skfastnn.heavy._background.Noise
    delta : float
    degree : int
    sizes : sequence of int
        Group sizes to choose from, for either side.
    """
    d = background.n_features
    signal, large = background.signal(degree), noise.large
    # no larger than the rows there are; two sizes differ by one at most, unless a side is all in one group
    g_a, g_b = (np.unique(np.minimum(sizes, n)) for n in (n_a, n_b))
    g_a, g_b = (g.ravel() for g in np.meshgrid(g_a, g_b))
    alike = (np.abs(g_a - g_b) <= 1) | (g_a == n_a) | (g_b == n_b)
    g_a, g_b = g_a[alike], g_b[alike]
    G = g_a * g_b
    sigma = noise.std * np.sqrt(G)
    groups_a, groups_b = np.ceil(n_a / g_a), np.ceil(n_b / g_b)
    product = groups_a * groups_b * (comb(d, degree) + CELL_COST)
    if degree == 1:
        sums = (n_a + n_b) * d * SUM_COST
    else:
        sums = ((n_a + n_b) * MONOMIAL_COST + (groups_a + groups_b) * MONOMIAL_SUM_COST) * comb(d, degree)
    best = None
    for n_repetitions in range(1, MAX_REPETITIONS + 1):
        share = delta ** (1 / n_repetitions) / 2
        z = norm.isf(share)
        # Cornish and Fisher: the sum of few products of a high degree has longer tails than a Gaussian variable
        z = z + noise.kurtosis / G * max(0.0, z**3 - 3 * z) / 24
        threshold = signal - z * sigma
        flagged = np.minimum(1, 2 * norm.sf(threshold / sigma) + G * large)
        cost = n_repetitions * (product + sums + flagged * n_a * n_b * (FEATURE_COST * d + PAIR_COST))
        # a large pair has the sign that cancels in one draw of two
        cost[(threshold <= 0) | (G * large / 2 > share)] = np.inf
        k = np.argmin(cost)
        if np.isfinite(cost[k]) and (best is None or cost[k] < best.cost):
            size = (int(g_a[k]), int(g_b[k]))
            best = Plan(size, degree, n_repetitions, threshold[k], z[k] * sigma[k], share, float(cost[k]))
    return best


def choose_plan(n_a, n_b, background, delta, degree="auto", group_size="auto", independent=False):
    """Return the cheapest plan that loses a heavy pair with probability at most `delta`.

    Parameters
    ----------
    n_a, n_b : int
    background : skfastnn.heavy._background.Background
    delta : float
    degree, group_size : int or "auto"
    independent : bool
        Plan for independent signs, whatever was measured.

    Returns
    -------
    plan : Plan
        The plain product if nothing else will do.
    """
    d = background.n_features
    plain = plain_product(n_a, n_b, d, background.least)
    if group_size == 1 and degree in ("auto", 1):
        return plain
    degrees = [r for r in DEGREES if r <= d] if degree == "auto" else [degree]
    sizes = np.arange(1, MAX_GROUP_SIZE + 1) if group_size == "auto" else [group_size]
    plans = [plain] if degree == "auto" and group_size == "auto" else []
    for r in degrees:
        noise = background.independent(r) if independent else background.measured(r)
        plan = cheapest_groups(n_a, n_b, background, noise, delta, r, sizes)
        if plan is not None:
            plans.append(plan)
    return min(plans, key=lambda plan: plan.cost, default=plain)
