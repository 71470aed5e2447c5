"""What is around the code: workflows, metadata, and what an import brings in."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import skfastnn

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit(path):
    used = re.findall(r"uses: (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert used
    for action in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}  # v[\d.]+", action), action


def test_floors_that_are_tested_are_those_that_are_declared():
    oldest = ROOT / ".github" / "oldest.txt"
    if not oldest.exists():
        pytest.skip("not a checkout")
    pins = dict(re.findall(r"^([\w-]+)==([\d.]+)$", oldest.read_text(encoding="utf-8"), re.MULTILINE))
    with open(ROOT / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    for requirement in project["dependencies"] + project["optional-dependencies"]["test"]:
        name, floor = requirement.split(">=")
        assert pins[name].startswith(floor), requirement


def test_version_of_the_citation():
    path = ROOT / "CITATION.cff"
    if not path.exists():
        pytest.skip("not a checkout")
    assert f"version: {skfastnn.__version__}\n" in path.read_text(encoding="utf-8")


def test_import_brings_in_little_beside_scikit_learn():
    code = """
import json, sys
import sklearn.neural_network
before = set(sys.modules)
import skfastnn
print(json.dumps([name for name in set(sys.modules) - before if not name.startswith("skfastnn")]))
"""
    result = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    ours = json.loads(result.stdout)
    packages = {name.split(".")[0] for name in ours}
    assert not packages & {"dask", "matplotlib", "mlflow", "onnx", "pandas", "polars", "skl2onnx", "skops", "torch"}
    assert len([name for name in ours if name.startswith(("sklearn", "scipy", "numpy"))]) <= 10, ours
