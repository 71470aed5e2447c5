"""What happens when memory runs out."""

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FAULTS = Path(__file__).parents[1] / "faults"


@pytest.fixture
def shim(tmp_path):
    """Path of the library whose malloc fails when it is told to."""
    compiler = shutil.which("cc")
    if compiler is None or platform.libc_ver()[0] != "glibc":
        pytest.skip("needs a C compiler and glibc")
    if "LD_PRELOAD" in os.environ:
        pytest.skip("another library is preloaded, which may have a malloc of its own")
    library = tmp_path / "failing_malloc.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, FAULTS / "failing_malloc.c", "-ldl"], check=True)
    return library


def test_an_allocation_that_fails_is_an_error_that_changes_nothing_or_does_not_matter(shim):
    environment = {**os.environ, "LD_PRELOAD": str(shim), "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"}
    environment["PYTHONPATH"] = str(FAULTS)  # of modules beside it
    command = [sys.executable, FAULTS / "fits_without_memory.py", "--step", "60"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    n_tried, n_errors = (int(number) for number in re.findall(r"(\d+) failed, (\d+) errors", run.stdout)[-1])
    assert n_tried >= n_errors > n_tried / 2
