"""The README's example prints what the README says."""

import doctest
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_readme_example():
    result = doctest.testfile(str(README), module_relative=False)
    assert result.attempted >= 6
    assert result.failed == 0
