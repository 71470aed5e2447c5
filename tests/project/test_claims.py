"""The page of claims says what the kept results say, and the measurements notice what they measure."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))
network = pytest.importorskip("benchmarks.claims.network", reason="benchmarks are not part of the package")
from benchmarks.claims import heavy_pairs, page, record  # noqa: E402


def test_the_page_says_what_the_kept_results_say():
    versions, claims = record.load()
    assert [claim.number for claim in claims] == list(range(1, 21))
    for claim in claims:
        assert any(isinstance(value, (int, float)) for row in claim.rows for value in row)
        assert all(len(row) == len(claim.columns) for row in claim.rows)
        assert not claim.plot or (ROOT / "doc" / "claims" / f"{claim.number:02}.png").exists()
    assert (ROOT / "doc" / "claims.md").read_text(encoding="utf-8") == page.page(versions, claims)


def test_gradient_of_the_papers_network():
    rng = np.random.default_rng(0)
    X, y = network.unit_rows(5, 3, rng), rng.standard_normal(5)
    net = network.PaperNetwork(X, y, 8, 0.3, rng)
    W, a = net.W.copy(), net.signs

    def loss(W):
        return 0.5 * np.sum((np.maximum(X @ W.T - 0.3, 0) @ a - y) ** 2)

    error = net.error.copy()
    net.move(1e-6 * error)
    step = W - net.W
    # down the gradient, the loss falls by the squared norm of the gradient times the rate
    np.testing.assert_allclose((loss(W) - loss(net.W)) / 1e-6, np.sum(step**2) / 1e-12, rtol=1e-4)


def test_published_search_finds_planted_pairs():
    A, B, pairs = heavy_pairs.planted(216, 2_048, 0.5, 3, seed=0)
    found = heavy_pairs.published(A, B, 0.5, np.random.default_rng(0))
    assert {tuple(pair) for pair in pairs.tolist()} <= {tuple(pair) for pair in found.tolist()}
