"""The framework of the benchmarks: records, who is run when, tables, data, and the verdict on two commits."""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[2]))
pytest.importorskip("benchmarks.runner", reason="benchmarks are not part of the package")
from benchmarks import compare, data, floor, records, runner, table
from benchmarks.framework import Case, Entry, Run

OPTIONS = argparse.Namespace(
    repeats=3, threads=1, libraries=None, widths=None, peer_epochs=None, learning_rate=None, reuse_memory=False,
    limit=None, small=False,
)  # fmt: skip


def _case(*entries, **settings):
    return Case("made-up", "summary", lambda: list(entries), **settings)


class Runs(list):
    """Runs cases in this process; holds which entry was run, and what it was told."""

    def __call__(self, case, **changed):
        self.case = case
        options = argparse.Namespace(**vars(OPTIONS) | changed)
        return runner.run_case(case, options, say=lambda line: None)

    def in_child(self, name, number, run, *_, **__):
        self.append((number, run))
        entry = self.case.entries()[number]
        return entry.measure(run, **entry.at)


@pytest.fixture
def runs(monkeypatch):
    made = Runs()
    monkeypatch.setattr(runner, "in_child", made.in_child)
    return made


def test_every_case_has_a_summary_entries_and_sizes_to_try_it():
    cases = runner.load_cases()
    assert {"floor", "scale", "quick", "mnist-16k"} <= set(cases)
    for name, case in cases.items():
        assert len(case.summary) > 20
        assert name == case.name
        assert case.small
        if not data.missing(case.data) or name not in ("uci", "uci-regression"):  # whose entries are the sets in a file
            assert runner.entries_of(case, small=True)


def test_entries_take_turns_and_records_are_medians(runs):
    seconds = {0: iter([3.0, 1.0, 2.0]), 1: iter([6.0, 4.0, 5.0])}
    entries = [
        Entry(name, lambda run, m, i=i: {"seconds": next(seconds[i]), "loss": float(run.seed)}, {"m": 8})
        for i, name in enumerate(("skfastnn", "torch"))
    ]
    ours, theirs = runs(_case(*entries))
    assert [number for number, _ in runs] == [0, 1] * 3
    assert [run.seed for _, run in runs] == [0, 0, 1, 1, 2, 2]
    assert (ours.value, theirs.value, ours.unit, ours.quality, ours.repeats) == (2.0, 5.0, "s", {"loss": 1.0}, 3)
    assert "2.50" in "\n".join(table.tables([ours, theirs]))


def test_rates_are_handed_over_at_the_same_place_and_recipes_kept(runs):
    def answer(run, m, **of_method):
        return {"seconds": 1.0} | of_method

    ours = [Entry("skfastnn", lambda run, m: answer(run, m, learning_rate=m / 10), {"m": m}) for m in (1, 2)]
    peer = Entry("torch", lambda run, m: answer(run, m, recipe="fused"), {"m": 2}, takes=("learning_rate",))
    runs(_case(*ours, peer), repeats=2)
    assert [run.given for number, run in runs if number == 2] == [
        {"learning_rate": 0.2},
        {"learning_rate": 0.2, "recipe": "fused"},
    ]


def test_a_failure_leaves_out_its_entry_only(runs):
    def fail(run):
        raise runner.RunError("no torch")

    found = runs(_case(Entry("torch", fail), Entry("skfastnn", lambda run: {"seconds": 1.0})))
    assert [record.method for record in found] == ["skfastnn"]
    assert [number for number, _ in runs].count(0) == 1


def test_series_end_at_the_limit_and_give_their_exponent(runs):
    entries = [
        Entry("skfastnn", lambda run, axis, size: {"seconds": size**2}, {"axis": "n", "size": 2.0**i}, series="n")
        for i in range(9)
    ]
    *found, exponent = runs(_case(*entries, along="size"), repeats=1, limit=200.0)
    assert [record.at["size"] for record in found] == [1, 2, 4, 8, 16]
    assert exponent.figure == "exponent of seconds"
    assert exponent.value == pytest.approx(2)
    assert (exponent.at, exponent.quality["from"]) == ({"axis": "n"}, 4)


def test_means_over_sets(runs):
    entries = [
        Entry("ours", lambda run, set, value=value: {"seconds": value, "accuracy": value / 10}, {"set": str(value)})
        for value in (1.0, 3.0)
    ]
    mean = runs(_case(*entries, mean_over="set"), repeats=1)[-1]
    assert (mean.value, mean.quality, mean.at) == (2.0, {"accuracy": pytest.approx(0.2)}, {"set": "mean of 2"})


def test_records_come_back_as_they_were_kept(tmp_path):
    made = [records.Record("a", "skfastnn", "float32", {"m": 2}, "seconds", 1.5, "s", {"loss": 0.1}, 2, 0, [1.0, 2.0])]
    made_on = records.about(2)
    assert records.newest("a", tmp_path) is None
    records.keep("a", {"cpu": "older"}, [], tmp_path)
    records.keep("a", made_on, made, tmp_path)
    assert records.newest("a", tmp_path) == (made_on, made)
    assert made_on["cpu"]
    assert made_on["threads"] == 2
    assert made_on["versions"]["numpy"] == np.__version__


def test_a_child_answers_what_the_entry_measures():
    answer = runner.in_child("quick", 0, Run(n_threads=1, small=True))
    assert answer["seconds"] > 0
    assert answer["accuracy"] > 0.5


@pytest.mark.parametrize(
    ("head", "word"),
    [
        ([1.2, 1.3, 1.2, 1.25], "slower"),
        ([0.8, 0.7, 0.8, 0.75], "faster"),
        ([1.04, 1.03, 1.04, 1.04], ""),
        # of the same code on a busy machine
        ([0.955, 2.37, 2.24], "slower?"),
        ([0.9, 1.2, 1.0, 1.3], "slower?"),
    ],
)
def test_verdict_is_on_all_pairs(head, word):
    assert compare.verdict(np.ones(len(head)), head).word == word
    # the machine slows down in between: ratios do not know
    slow = np.array([1.0, 2.0, 5.0, 1.0])[: len(head)]
    assert compare.verdict(slow, slow * head).word == word


def test_two_commits_are_run_in_turn_and_one_that_is_slower_fails(capsys):
    order = []

    def run(name, number, told, site):
        order.append(site)
        return {"seconds": {"old": 1.0, "new": 1.0 + number}[site] + 0.001 * told.seed, "loss": 0.0}

    entries = [Entry("skfastnn", None, {"kind": kind}) for kind in "ab"] + [Entry("torch", None)]
    pairs = compare.pairs_of(
        _case(*entries), ("old", "new"), argparse.Namespace(repeats=4, threads=1, small=False), run
    )
    assert order[:6] == ["old", "new", "old", "new", "new", "old"]
    lines, slower = compare.table(("old", "new"), pairs)
    assert slower
    assert ["slower" in line for line in lines] == [False, False, True]
    same = {name: (both[0], both[0]) for name, both in pairs.items()}
    assert not compare.table(("old", "old"), same)[1]


def test_fetch_keeps_only_what_has_the_checksum(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SKFASTNN_DATA", str(tmp_path / "new"))
    arrays = {"X": np.arange(6), "y": np.zeros(3)}

    def no_network():
        raise OSError

    good = data.File("good.npz", data.digest_of(arrays), "good", lambda: arrays)
    bad = data.File("bad.npz", "0", "bad", lambda: arrays)
    absent = data.File("absent.npz", "0", "absent", no_network)
    assert data.fetch({"good": good, "absent": absent, "elsewhere": data.File("elsewhere", "0", "elsewhere")})
    assert good.digest() == good.sha256
    assert not data.fetch({"bad": bad})
    assert not bad.path.exists()
    said = capsys.readouterr().out
    for words in ("fetched", "could not be fetched (OSError)", "no single address has it", "another checksum"):
        assert words in said


def test_what_is_missing_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("SKFASTNN_DATA", str(tmp_path))
    line = data.missing(("mnist",))
    assert "mnist.npz" in line
    assert "fetch" in line
    assert "\n" not in line
    assert not data.missing(())


def test_floor_is_the_larger_of_moving_and_multiplying(monkeypatch):
    monkeypatch.setattr(floor, "bandwidth", lambda n_bytes: 100.0)
    monkeypatch.setattr(floor, "peak", lambda: 1000.0)
    moving, multiplying = floor.floor_of(500, 1000, 10.0, 1), floor.floor_of(50, 1000, 10.0, 1)
    assert (moving["bound_by"], moving["floor_seconds"], moving["over_floor"]) == ("bytes", 5.0, 2.0)
    assert (multiplying["bound_by"], multiplying["floor_seconds"]) == ("multiplications", 1.0)


def test_what_counts_work_is_not_in_the_clock():
    clock = floor.Clock()

    def count(seconds):
        time.sleep(0.2)
        return 3, 4

    def work(seconds):
        part(seconds)

    part = clock.wrap("part", time.sleep, count)
    clock.wrap("whole", work)(0.01)
    assert 0.01 <= clock.seconds["part"] <= clock.seconds["whole"] < 0.2
    assert (clock.counts["bytes"], clock.counts["multiplications"], clock.counts["calls", "part"]) == (3, 4, 1)
