"""Heavy pairs: the same as all inner products say, up to the promised misses."""

import warnings
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binom
from sklearn import config_context

from skfastnn import heavy_pairs
from skfastnn.heavy._background import Background, symmetric_polynomial
from skfastnn.heavy._group_plan import cheapest_groups, choose_plan
from skfastnn.heavy._groups import Groups, cell_tiles, monomial_blocks
from skfastnn.heavy._signs import SignRows

# heavy pairs are 16 standard deviations away
FEATURES, RHO = 1024, 0.5


def signs(seed, *shape):
    return 2 * np.random.default_rng(seed).integers(0, 2, shape, dtype=np.int8) - 1


def planted(n_a, n_b, d=FEATURES, rho=RHO, n_pairs=1, seed=0):
    """Independent rows but for `n_pairs` pairs of different rows, barely heavy."""
    rng = np.random.default_rng(seed)
    A, B = signs(seed, n_a, d), signs(seed + 1, n_b, d)
    rows = zip(rng.choice(n_a, n_pairs, replace=False), rng.choice(n_b, n_pairs, replace=False), strict=True)
    for a, b in rows:
        B[b] = A[a]
        B[b, rng.choice(d, int(d * (1 - rho) / 2), replace=False)] *= -1
    return A, B


def by_hand(A, B, rho):
    products = A.astype(np.float32) @ B.astype(np.float32).T
    pairs = np.argwhere(products >= rho * A.shape[1])
    return pairs, products[tuple(pairs.T)]


def assert_all_found(result, A, B, rho=RHO):
    pairs, products = by_hand(A, B, rho)
    assert_array_equal(result.pairs, pairs)
    assert_array_equal(result.inner_products, products)


@pytest.mark.parametrize(
    ("n_a", "n_b", "n_pairs"), [(1, 1, 1), (1, 3000, 1), (1003, 37, 2), (1501, 1502, 1), (2048, 2000, 100)]
)
def test_pairs_are_those_of_the_plain_product(n_a, n_b, n_pairs):
    A, B = planted(n_a, n_b, n_pairs=n_pairs)
    result = heavy_pairs(A, B, RHO, delta=1e-6, random_state=0)
    assert len(result.pairs) == n_pairs
    assert_all_found(result, A, B)
    assert result.miss_probability <= 1e-6


def test_groups_save_multiplications_and_are_reported():
    A, B = planted(3000, 3000)
    result = heavy_pairs(A, B, RHO, random_state=0)
    size_a, size_b = result.group_size
    assert size_a * size_b > 1
    assert result.degree == 1
    assert result.n_multiplications < 0.35 * result.n_multiplications_plain
    assert result.n_multiplications_plain == 3000 * 3000 * FEATURES
    assert result.n_cells == result.n_repetitions * -(-3000 // size_a) * -(-3000 // size_b)
    assert 0 < result.n_cells_flagged < 0.1 * result.n_cells
    assert result.background_std == pytest.approx(np.sqrt(FEATURES), rel=0.1)
    assert 0 < result.threshold < RHO * FEATURES


def test_few_rows_take_the_plain_product():
    A, B = planted(20, 30, n_pairs=3)
    result = heavy_pairs(A, B, RHO, random_state=0)
    assert result.group_size == (1, 1)
    assert result.miss_probability == 0
    assert_all_found(result, A, B)


def test_nothing_heavy_gives_empty_arrays():
    result = heavy_pairs(signs(0, 1500, FEATURES), signs(1, 1500, FEATURES), RHO, random_state=0)
    assert result.pairs.shape == (0, 2)
    assert result.inner_products.shape == (0,)
    assert result.group_size != (1, 1)


def test_heavy_pairs_that_share_rows_and_cells_are_all_found():
    """Thirty copies on each side: whatever the groups, some of the 900 pairs meet and may cancel."""
    A, B = planted(2000, 2000, n_pairs=20)
    A[:30] = B[500:530] = signs(5, FEATURES)
    once = heavy_pairs(A, B, RHO, delta=1e-5, random_state=0)
    assert_all_found(once, A, B)
    assert once.n_repetitions > 1
    assert once.miss_probability <= 1e-5


@pytest.mark.parametrize(("degree", "d", "rho", "group_size"), [(1, 512, 0.5, 2), (2, 64, 0.8, 7), (3, 24, 0.99, 3)])
def test_degrees_agree(degree, d, rho, group_size):
    A, B = planted(160, 131, d, rho, n_pairs=5)
    result = heavy_pairs(A, B, rho, degree=degree, group_size=group_size, delta=1e-5, random_state=0)
    assert result.degree == degree
    assert result.group_size == (group_size, group_size)
    assert result.n_cells_flagged < result.n_cells / 2
    assert_all_found(result, A, B, rho)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.float16])
@pytest.mark.parametrize("order", ["C", "F"])
def test_dtype_and_order_do_not_matter(dtype, order):
    A, B = planted(700, 701, n_pairs=9)
    expected = heavy_pairs(A, B, RHO, group_size=2, random_state=0)
    result = heavy_pairs(np.asarray(A, dtype, order=order), B.tolist(), RHO, group_size=2, random_state=0)
    assert_array_equal(result.pairs, expected.pairs)
    assert result.n_cells_flagged == expected.n_cells_flagged


def test_input_is_not_changed():
    A, B = planted(700, 700)
    copies = A.copy(), B.copy()
    A.flags.writeable = B.flags.writeable = False
    heavy_pairs(A, B, RHO, random_state=0)
    assert_array_equal(A, copies[0])
    assert_array_equal(B, copies[1])


def test_same_seed_same_result_whatever_the_working_memory():
    A, B = planted(1500, 1400, n_pairs=300)
    draw = {"delta": 0.2, "group_size": 4}
    first = heavy_pairs(A, B, RHO, **draw, random_state=0)
    with config_context(working_memory=0.02):
        again = heavy_pairs(A, B, RHO, **draw, random_state=np.random.RandomState(0))
    other = heavy_pairs(A, B, RHO, **draw, random_state=1)
    assert_array_equal(first.pairs, again.pairs)
    assert first.n_cells_flagged == again.n_cells_flagged
    assert not np.array_equal(first.n_cells_flagged, other.n_cells_flagged)


@pytest.mark.parametrize("delta", [0.02, 0.2])
def test_misses_are_as_rare_as_promised(delta):
    """Barely heavy pairs, 600 in each of eight draws: some are missed, and no more than `delta` of them."""
    n_missed = 0
    for seed in range(8):
        A, B = planted(1200, 1200, n_pairs=600, seed=10 * seed)
        n_missed += 600 - len(heavy_pairs(A, B, RHO, delta=delta, random_state=seed).pairs)
    assert 0 < n_missed <= binom.ppf(0.999, 8 * 600, delta)


@pytest.mark.parametrize(("degree", "d", "group_size"), [(1, 1024, 3), (1, 1024, 5), (2, 64, 5), (2, 96, 9)])
def test_analysis_predicts_the_tail_of_the_cells(degree, d, group_size):
    A, B = (SignRows(signs(seed, 4000, d), "A") for seed in (0, 1))
    background = Background(A, B, d - d // 8, np.random.RandomState(0))
    plan = choose_plan(4000, 4000, background, 0.01, degree, group_size)
    groups = [Groups(4000, group_size, np.random.RandomState(seed)) for seed in (2, 3)]
    cells = np.abs(np.concatenate([tile for _, tile in cell_tiles(A, B, *groups, degree)]))
    assert np.mean(cells >= plan.lost_beyond) / 2 == pytest.approx(plan.noise_loss, rel=0.2)
    assert plan.threshold + plan.lost_beyond == pytest.approx(background.signal(degree))


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_cells_are_signed_sums_of_polynomials_of_inner_products(degree):
    A, B = (SignRows(signs(seed, n, 9), "A") for seed, n in ((0, 17), (1, 22)))
    groups = Groups(17, 4, np.random.RandomState(0)), Groups(22, 5, np.random.RandomState(1))
    added = symmetric_polynomial(A.signs.astype(int) @ B.signs.T.astype(int), 9, degree)
    at_a, at_b = np.zeros((5, 17)), np.zeros((5, 22))
    for at, group in zip((at_a, at_b), groups, strict=True):
        for i in range(group.n_groups):
            full = group.members[i] >= 0
            at[i, group.members[i, full]] = group.weights[i, full]
    for megabytes in (1024, 1e-4):
        with config_context(working_memory=megabytes), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Could not adhere to working_memory")
            cells = np.concatenate([tile for _, tile in cell_tiles(A, B, *groups, degree)])
        assert_allclose(cells, at_a @ added @ at_b.T, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("degree", [2, 3, 4, 5])
def test_each_monomial_comes_once(degree):
    found = []
    for left, right, keep in monomial_blocks(7, degree, 3):
        found += [(*left[i], *right[j]) for i, j in np.argwhere(keep)]
    assert sorted(found) == list(combinations(range(7), degree))


def test_symmetric_polynomial_is_the_sum_of_monomials():
    Z = signs(0, 20, 8).astype(int)
    for degree in range(1, 6):
        expected = sum(Z[:, list(monomial)].prod(axis=1) for monomial in combinations(range(8), degree))
        assert_allclose(symmetric_polynomial(Z.sum(axis=1), 8, degree), expected)


def test_groups_hold_each_row_once():
    for n, size in ((1, 1), (10, 3), (12, 4), (5, 200)):
        groups = Groups(n, size, np.random.RandomState(0))
        assert_array_equal(np.sort(groups.members[groups.members >= 0]), np.arange(n))
        assert_array_equal(groups.weights != 0, groups.members >= 0)


def test_signs_are_random():
    """Where the background leans one way, sums without signs would grow like the size of the groups."""
    weights = Groups(10_000, 5, np.random.RandomState(0)).weights
    assert abs(weights.mean()) < 0.05
    assert abs((weights[:, 0] * weights[:, 1]).mean()) < 0.1
    assert not np.array_equal(weights, Groups(10_000, 5, np.random.RandomState(1)).weights)


def test_sums_of_large_groups_do_not_overflow():
    groups = Groups(300, 300, np.random.RandomState(0))
    same = np.ones((300, 2), dtype=np.int8) * groups.weights[0, np.argsort(groups.members[0])][:, None].astype(np.int8)
    assert_array_equal(groups.sums(same), [[300, 300]])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 130), st.floats(0.01, 0.99), st.integers(1, 6),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_no_false_positive_whatever_the_sizes(n_a, n_b, d, rho, group_size, seed):
    A, B = signs(seed, n_a, d), signs(seed + 1, n_b, d)
    B[0] = A[-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        result = heavy_pairs(A, B, rho, group_size=group_size, random_state=seed)
    pairs, products = by_hand(A, B, rho)
    expected = dict(zip(map(tuple, pairs.tolist()), products.tolist(), strict=True))
    found = dict(zip(map(tuple, result.pairs.tolist()), result.inner_products.tolist(), strict=True))
    assert found.items() <= expected.items()
    if result.group_size == (1, 1):
        assert found == expected


def test_signs_are_counted_without_bitwise_count(monkeypatch):
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    A, B = planted(100, 90, d=333, n_pairs=10)
    assert_all_found(heavy_pairs(A, B, 0.3, random_state=0), A, B, 0.3)


def test_correlated_background_is_measured_and_gives_way_to_the_plain_product():
    """All rows lean the same way: a background of 16 standard deviations, in which groups drown."""
    rng = np.random.default_rng(0)
    lean = signs(3, FEATURES)
    A, B = (np.where(rng.random((1500, FEATURES)) < 0.15, -lean, lean).astype(np.int8) for _ in range(2))
    with pytest.warns(RuntimeWarning, match="too correlated.*root mean square 5"):
        result = heavy_pairs(A, B, 0.6, random_state=0)
    assert result.background_std == pytest.approx(0.49 * FEATURES, rel=0.05)
    assert result.group_size == (1, 1)
    assert_all_found(result, A, B, 0.6)


def test_mildly_correlated_background_makes_groups_smaller():
    rng = np.random.default_rng(0)
    A, B = (np.where(rng.random((1500, 4096)) < 0.4, -1, 1).astype(np.int8) for _ in range(2))
    B[3] = A[5]
    result = heavy_pairs(A, B, 0.7, random_state=0)
    free = heavy_pairs(signs(0, 1500, 4096), signs(1, 1500, 4096), 0.7, random_state=0)
    assert result.background_std > 2 * free.background_std
    assert 1 < np.prod(result.group_size) < np.prod(free.group_size)
    assert_all_found(result, A, B, 0.7)


def test_many_heavy_pairs_in_few_rows_call_for_more_passes():
    """Copies on each side hide one another: their misses come by the row, so the share is bounded in the mean."""
    shares, draws = [], range(10)
    for seed in draws:
        A, B = signs(seed, 1500, FEATURES), signs(seed + 1, 1500, FEATURES)
        A[:60] = B[:60] = signs(seed + 2, FEATURES)
        result = heavy_pairs(A, B, RHO, delta=0.02, random_state=seed)
        shares.append(1 - len(result.pairs) / 3600)
        assert result.miss_probability <= 0.02
        assert result.n_repetitions >= 2
    assert np.mean(shares) <= 0.02


def test_rows_that_are_all_alike_end_in_the_plain_product():
    A = np.ones((400, 1024))
    with pytest.warns(RuntimeWarning, match="too correlated"):
        result = heavy_pairs(A, A, RHO, random_state=0)
    assert len(result.pairs) == 400 * 400


def test_passes_that_do_not_help_end_in_the_plain_product():
    """A sample may miss a row that is heavy with many; then passes cannot separate its pairs."""
    A, B = planted(3000, 3000)
    B[:2900] = A[0]
    with pytest.warns(RuntimeWarning, match="too many passes"):
        result = heavy_pairs(A, B, RHO, random_state=0)
    assert result.group_size == (1, 1)
    assert_all_found(result, A, B)


def test_groups_too_large_are_refused_with_a_warning():
    A, B = planted(600, 600)
    with pytest.warns(RuntimeWarning, match="no threshold keeps delta"):
        result = heavy_pairs(A, B, RHO, group_size=100, random_state=0)
    assert_all_found(result, A, B)


@pytest.mark.parametrize("n", [10**5, 10**6])
@pytest.mark.parametrize(("d", "rho", "degree"), [(64, 0.9, 2), (96, 0.9, 2), (256, 0.75, 1), (1024, 0.9, 1)])
def test_degree_two_is_for_few_features_and_pairs_almost_alike(n, d, rho, degree):
    A, B = (SignRows(signs(seed, 2000, d), "A") for seed in (0, 1))
    background = Background(A, B, 2 * int(rho * d / 2), np.random.RandomState(0))
    plan = choose_plan(n, n, background, 1e-3)
    assert not plan.exact
    assert plan.degree == degree


def test_degree_two_costs_about_the_square_of_rho_more():
    """With as many rows as make the group sums cheap, and no heavy pairs to hide others."""
    A, B = (SignRows(signs(seed, 600, 4096), "A") for seed in (0, 1))
    background, n, sizes = Background(A, B, 2048, np.random.RandomState(0)), 10**7, np.arange(1, 257)
    one, two = (
        cheapest_groups(n, n, background, background.independent(degree)._replace(large=0), 1e-3, degree, sizes).cost
        for degree in (1, 2)
    )
    assert two / one == pytest.approx(0.5**-2, rel=0.15)


def test_monomials_of_reported_cost():
    A, B = planted(64, 64, 32, 0.9)
    result = heavy_pairs(A, B, 0.9, degree=2, group_size=2, random_state=0)
    sample, passes = 64 * 64 * 32, result.n_repetitions * (128 + 32 * 32) * comb(32, 2)
    assert result.n_multiplications == sample + passes + result.n_cells_flagged * 4 * 32


@pytest.mark.parametrize("bad", [0.0, 2.0, np.nan, np.inf])
def test_other_entries_than_signs_are_refused(bad):
    A, B = planted(5, 5)
    B = B.astype(np.float64)
    B[4, 4] = bad
    with pytest.raises(ValueError, match=r"B has entries other than -1 and \+1.*np.where"):
        heavy_pairs(A, B, RHO)


@pytest.mark.parametrize("bad", [np.ones((2, 3), bool), np.full((2, 3), 255, np.uint8), np.full((2, 3), "1")])
def test_rows_without_signs_are_refused(bad):
    with pytest.raises(ValueError, match="A has entries"):
        heavy_pairs(bad, np.ones((2, 3)), RHO)


@pytest.mark.parametrize("rho", [0, 1, -0.5, 1.5, np.nan])
def test_rho_lies_between_zero_and_one(rho):
    with pytest.raises(ValueError, match="rho"):
        heavy_pairs(np.ones((2, 3)), np.ones((2, 3)), float(rho))


def test_shapes_that_do_not_fit_are_refused():
    ones = np.ones((2, 3))
    with pytest.raises(ValueError, match="A has 3 features and B has 4"):
        heavy_pairs(ones, np.ones((2, 4)), RHO)
    with pytest.raises(ValueError, match="0 sample"):
        heavy_pairs(ones[:0], ones, RHO)
    with pytest.raises(ValueError, match="0 feature"):
        heavy_pairs(ones, ones[:, :0], RHO)
    with pytest.raises(ValueError, match="degree=4 exceeds"):
        heavy_pairs(ones, ones, RHO, degree=4)
    with pytest.raises(ValueError, match="delta"):
        heavy_pairs(ones, ones, RHO, delta=0.0)
