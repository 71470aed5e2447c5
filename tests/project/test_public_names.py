"""Every public name has an example that runs, and a place in the reference of the API and in the page on stability."""

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

DOC = Path(__file__).parents[2] / "doc"
MODULES = (
    "skfastnn",
    "skfastnn.heavy",
    "skfastnn.inspection",
    "skfastnn.lowrank",
    "skfastnn.search",
    "skfastnn.sketch",
)
NAMES = sorted({
    (getattr(importlib.import_module(module), name).__module__, name)
    for module in MODULES
    for name in importlib.import_module(module).__all__
    if not name.startswith("_")
})  # fmt: skip


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_examples_of_public_name(module, name):
    if ".inspection." in module:
        pytest.importorskip("matplotlib")
    public = getattr(importlib.import_module(module), name)
    assert "Examples\n--------\n" in inspect.getdoc(public)
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner()
    for test in finder.find(public, name, module=importlib.import_module(module)):
        runner.run(test)
    assert runner.tries > 0
    assert runner.failures == 0


@pytest.mark.parametrize("name", [name for _, name in NAMES])
def test_public_name_has_a_place_in_the_site(name):
    entries = {line.strip().rpartition(".")[2] for line in (DOC / "api.rst").read_text(encoding="utf-8").splitlines()}
    assert name in entries
    assert f"`{name}`" in (DOC / "stability.md").read_text(encoding="utf-8")
