"""What holds for all tests."""

import os
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
if not any((CHECKOUT / "skfastnn").glob("_cyutility.*")):
    # `python -m pytest` puts the checkout first, where its sources would hide the package that is installed; an
    # editable install is found without sys.path. The same for programs that tests start.
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != CHECKOUT]
    os.environ["PYTHONSAFEPATH"] = "1"

from skfastnn.passes.shared._worth import set_worth_a_thread  # noqa: E402 only now it is known where from


@pytest.fixture(autouse=True)
def threads_for_the_smallest_loop():
    """Data of tests are small: without this, loops would not use the threads that a test gives them."""
    before = set_worth_a_thread(1e-3)
    yield
    set_worth_a_thread(before)


@pytest.fixture
def any_step(monkeypatch):
    """Steps of sgd are as long as they are told to be, however long."""
    monkeypatch.setattr("skfastnn._rates._natural_rate", lambda *_: float("inf"))


@pytest.fixture
def solved_to_the_end(monkeypatch):
    """Systems of Gauss-Newton are; else rounding decides when conjugate gradients stop."""
    monkeypatch.setattr("skfastnn.solvers._gauss_newton.CG_TOLERANCE", 1e-13)
    monkeypatch.setattr("skfastnn.solvers._gauss_newton.MAX_CG", 1000)
