"""Ctrl-C between any two lines of a call."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FAULTS = Path(__file__).parents[1] / "faults"


@pytest.mark.skipif(sys.platform == "win32", reason="has no alarm that interrupts")
def test_ctrl_c_at_a_random_moment_leaves_an_estimator_that_works_and_settings_as_they_were():
    environment = {**os.environ, "PYTHONPATH": str(FAULTS), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, FAULTS / "fits_interrupted.py", "--times", "2", "--seed", "1"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    n_calls = int(re.findall(r"(\d+) calls:", run.stdout)[-1])
    assert n_calls >= 100
