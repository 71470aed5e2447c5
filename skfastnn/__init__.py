"""Wide ReLU networks for scikit-learn whose training costs what the firing neurons cost."""

from importlib.metadata import version

try:
    import skfastnn._cyutility as _compiled  # noqa: F401 what all compiled modules share
except ModuleNotFoundError as error:
    raise ImportError(
        "The compiled modules of skfastnn are missing: you are in the source directory; leave it, or pip install -e ."
    ) from error

from skfastnn._classifier import FastReLUClassifier
from skfastnn._regressor import FastReLURegressor
from skfastnn._show_versions import show_versions
from skfastnn.heavy import heavy_pairs
from skfastnn.preprocessing import PiecewiseLinearEncoder

__version__ = version("skfastnn")

__all__ = [
    "FastReLUClassifier",
    "FastReLURegressor",
    "PiecewiseLinearEncoder",
    "__version__",
    "heavy_pairs",
    "show_versions",
]
