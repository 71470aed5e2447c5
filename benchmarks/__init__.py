"""Measures skfastnn: beside torch and scikit-learn, beside what the machine bears, beside its other commits.

``python -m benchmarks --list`` names the cases; ``run.md`` says what each command reproduces.
"""

import sys
from pathlib import Path

# `python -m` puts the checkout first on the path, where skfastnn/ has no compiled modules:
# the installed package must be found before it.
_ROOT = str(Path(__file__).resolve().parents[1])
sys.path[:] = [p for p in sys.path if str(Path(p or ".").resolve()) != _ROOT] + [_ROOT]
