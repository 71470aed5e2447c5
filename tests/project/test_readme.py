"""Examples of the README, the pages of the site and docstrings print what they say; links lead somewhere."""

import doctest
import inspect
import re
import sys
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

from skfastnn import FastReLUClassifier, FastReLURegressor

ROOT = Path(__file__).parents[2]
PAGES = sorted(str(path.relative_to(ROOT)) for pattern in ("*.md", "doc/**/*.md") for path in ROOT.glob(pattern))


# without examples: tables of parameters and of what takes memory, and the list of pages
PROSE = {"doc/guide/index.md", "doc/guide/memory.md", "doc/guide/parameters.md"}
TESTED = [
    "README.md",
    "doc/index.md",
    "doc/getting_started.md",
    "doc/migration.md",
    *(page for page in PAGES if re.match(r"doc/(guide|papers)/", page) and page not in PROSE),
]


@pytest.mark.parametrize("page", TESTED)
def test_examples_of_page(page):
    result = doctest.testfile(str(ROOT / page), module_relative=False)
    assert result.attempted >= 4
    assert result.failed == 0


@pytest.mark.parametrize("page", sorted(set(PAGES) - set(TESTED)))
def test_no_example_goes_untested(page):
    assert ">>> " not in (ROOT / page).read_text(encoding="utf-8")


def test_each_page_of_the_guide_is_in_its_index():
    pages = {path.name for path in (ROOT / "doc" / "guide").glob("*.md")} - {"index.md"}
    linked = re.findall(r"^\|.*\]\((\w+\.md)\)", (ROOT / "doc" / "guide" / "index.md").read_text(), re.MULTILINE)
    assert sorted(linked) == sorted(pages)


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_checkout(page):
    path = ROOT / page
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", path.read_text(encoding="utf-8")):
        linked = path.parent / target if target else path
        assert linked.exists(), target
        if anchor:
            assert anchor in _anchors(linked), f"{target}#{anchor}"


def _anchors(path):
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("Estimator", [FastReLUClassifier, FastReLURegressor])
def test_docstring_of_estimator(Estimator):
    result = doctest.testmod(sys.modules[Estimator.__module__])
    assert result.attempted > 0
    assert result.failed == 0


# modules with examples, and what these need
EXAMPLES = {
    "_activations": None,
    "_base": None,
    "_export": None,
    "inspection._firing": "matplotlib",
    "inspection._search": "matplotlib",
    "inspection._training": "matplotlib",
    "onnx": "skl2onnx",
    "persistence": None,
}


@pytest.mark.parametrize(("name", "needed"), EXAMPLES.items())
def test_docstrings_of_module(name, needed):
    if needed is not None:
        pytest.importorskip(needed)
    result = doctest.testmod(import_module(f"skfastnn.{name}"))
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("Estimator", [FastReLUClassifier, FastReLURegressor])
def test_docstring_names_parameters_in_order_and_every_attribute(Estimator):
    parameters, attributes = inspect.getdoc(Estimator).split("Attributes\n----------\n")
    parameters, attributes = parameters.split("Parameters\n----------\n")[1], attributes.split("See Also\n")[0]
    assert _entries(parameters) == list(inspect.signature(Estimator).parameters)
    fitted = Estimator().fit(pd.DataFrame({"a": [0.0, 1.0, 2.0, 4.0], "b": [1.0, 0.0, 1.0, 0.0]}), [0, 1, 1, 0])
    assert set(_entries(attributes)) == {name for name in vars(fitted) if re.fullmatch(r"[a-z]\w*_", name)}


def _entries(section):
    """Return the names that a section of a docstring describes, in order."""
    heads = re.findall(r"^(\w.*?)(?: : .*)?$", section, re.MULTILINE)
    return [name.strip() for head in heads for name in head.split(",")]
