"""The tables of the benchmark of defaults: ranks, ratios, and which results they are made of."""

import sys
from pathlib import Path

import pytest
from numpy.testing import assert_allclose

sys.path.append(str(Path(__file__).resolve().parents[2]))
standings = pytest.importorskip("benchmarks.standings", reason="benchmarks are not part of the package")
DataSet = pytest.importorskip("benchmarks.suites", reason="benchmarks are not part of the package").DataSet


def _record(name, method, fold, accuracy, version="1"):
    outcome = {"error": "none"} if accuracy is None else {"accuracy": accuracy, "cpu_seconds": 1.0, "peak_mb": 1.0}
    return {"set": name, "kind": "classification", "method": method, "fold": fold, "version": version} | outcome


def test_equal_errors_share_the_mean_of_their_ranks():
    # .1 + .2 is not .3
    errors = [[0.1 + 0.2, 0.3, 0.1], [1.0, 2.0, 3.0]]
    assert_allclose(standings.mean_ranks(errors), [(2.5 + 1) / 2, (2.5 + 2) / 2, (1 + 3) / 2])


def test_worst_ratio_is_to_the_best_yardstick_of_the_same_data_set():
    ratios, rows = standings.worst_ratios([[0.3, 0.2, 0.1], [0.5, 0.1, 0.4]], [1, 2])
    assert_allclose(ratios, [5.0, 2.0, 4.0])
    assert rows.tolist() == [1, 0, 1]


def test_data_sets_that_a_ranked_method_failed_on_do_not_count():
    records = [_record(name, method, 0, 0.5) for name in "abc" for method in ("ours", "MLP")]
    records[-1] = _record("c", "MLP", 0, None)
    sets = [DataSet(name, "classification", "uci_classification", 100, 4) for name in "abc"]
    group = standings.Group(sets, standings.select(records))
    assert [name for name, _ in group.keys] == ["a", "b"]
    assert group.methods == ["ours", "MLP"]


def test_methods_are_compared_on_the_folds_that_all_have():
    records = [_record("a", "ours", fold, fold / 10) for fold in range(4)] + [_record("a", "MLP", 1, 0.3)]
    group = standings.Group([DataSet("a", "classification", "uci_classification", 100, 4)], standings.select(records))
    assert_allclose(group.means("accuracy", "classification", group.methods), [[0.1, 0.3]])


def test_newest_version_is_taken_unless_one_is_named():
    records = [_record("a", "ours", 0, 0.1, "1+abc"), _record("a", "ours", 0, 0.2, "1+def")]
    chosen = standings.select(records, ["ours", "ours@1+abc"])
    kept = {name: folds["a", "classification"][0]["accuracy"] for name, folds in chosen.items()}
    assert kept == {"ours": 0.2, "ours@1+abc": 0.1}
