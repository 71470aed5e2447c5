"""What is kept of a claim: statement, how it was measured, numbers, verdict."""

import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import scipy
import sklearn

RESULTS = Path(__file__).resolve().parents[1] / "results" / "claims.json"
HOLDS, FROM, FAILS, UNTESTABLE = "holds", "holds in part", "does not hold", "not testable"


@dataclass
class Claim:
    """One claim and its verdict.

    Attributes
    ----------
    number : int
    papers, statement, how : str
    columns : list of str
    rows : list of list
        Numbers or words, one for each column.
    verdict : str
        One of the above. Of "holds in part", the part stands before the first colon of `conclusion`.
    conclusion : str
        A sentence with the numbers on which the verdict rests.
    plot : dict
        Of the page: `x`, `y` (columns), `by` (a column, optional), `log` (axes, as "x", "xy"), `title`
        (optional). May be empty.
    """

    number: int
    papers: str
    statement: str
    how: str
    columns: list
    rows: list
    verdict: str
    conclusion: str
    plot: dict


def slope(x, y):
    """Return the slope of log y against log x."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def _plain(value):
    """Return a number as JSON has it, to five digits."""
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.5g}")
    return value.item() if isinstance(value, np.generic) else value


def save(claims):
    """Write the records of all claims, with what they were measured on."""
    import skfastnn

    for claim in claims:
        claim.rows = [[_plain(value) for value in row] for row in claim.rows]
    versions = {
        "skfastnn": skfastnn.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
    }
    text = json.dumps({"versions": versions, "claims": [asdict(claim) for claim in claims]}, indent=1)
    RESULTS.write_text(text + "\n", encoding="utf-8")


def load():
    """Return the versions and the claims that are kept."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    return kept["versions"], [Claim(**claim) for claim in kept["claims"]]
