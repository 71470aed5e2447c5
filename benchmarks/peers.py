"""The methods of the case ``defaults``: each as it is when nothing is set but the seed and one thread."""

import importlib.metadata
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Method:
    """One method: the package that it comes from, and the module and names of its two estimators."""

    package: str
    module: str
    classifier: str
    regressor: str
    parameters: tuple = (("random_state", 0),)
    # trees, and libraries that scale by themselves, get the features as they are
    scaled: bool = False
    # runs on text, images and genes only
    tables: bool = True

    def make(self, data_set):
        """Return an unfitted estimator for `data_set`, with a StandardScaler where it belongs."""
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        name = self.classifier if data_set.kind == "classification" else self.regressor
        model = getattr(importlib.import_module(self.module), name)(**dict(self.parameters))
        return make_pipeline(StandardScaler(), model) if self.scaled and data_set.needs_scaling else model

    def runs_on(self, data_set):
        """Whether it takes part on `data_set`."""
        return self.tables or not data_set.is_table

    def version(self):
        """Return the version of its package, with the state of the code for ours; None if it is not installed."""
        try:
            version = importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            return None
        return version + code_state() if self.package == "skfastnn" else version


def _git(*arguments, text=None):
    answer = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, input=text, check=False)
    return answer.stdout.strip()


@cache
def commit():
    """Return the short name of the commit that is checked out, or an empty string."""
    return _git("rev-parse", "--short=7", "HEAD")


@cache
def code_state():
    """Return "+" and what identifies the package's source: changed notes or benchmarks are no other version."""
    changed = _git("diff", "HEAD", "--", "skfastnn")
    state = _git("rev-parse", "--short=7", "HEAD:skfastnn")
    return f"+{state}" + (f".{_git('hash-object', '--stdin', text=changed)[:7]}" if changed else "")


_SEED = (("random_state", 0),)
_PYTABKIT = (*_SEED, ("device", "cpu"), ("n_threads", 1))
_SKLEARN = "scikit-learn"
METHODS = {
    "ours": Method("skfastnn", "skfastnn", "FastReLUClassifier", "FastReLURegressor", scaled=True),
    "MLP": Method(_SKLEARN, "sklearn.neural_network", "MLPClassifier", "MLPRegressor", scaled=True),
    "SVM": Method(_SKLEARN, "sklearn.svm", "SVC", "SVR", parameters=(), scaled=True),
    "forest": Method(
        _SKLEARN,
        "sklearn.ensemble",
        "RandomForestClassifier",
        "RandomForestRegressor",
        parameters=(*_SEED, ("n_estimators", 500)),
    ),
    "HGB": Method(_SKLEARN, "sklearn.ensemble", "HistGradientBoostingClassifier", "HistGradientBoostingRegressor"),
    "LinearSVC": Method(_SKLEARN, "sklearn.svm", "LinearSVC", "LinearSVR", scaled=True, tables=False),
    "LightGBM": Method(
        "lightgbm",
        "lightgbm",
        "LGBMClassifier",
        "LGBMRegressor",
        parameters=(*_SEED, ("n_jobs", 1), ("verbose", -1)),
    ),
    "CatBoost": Method(
        "catboost",
        "catboost",
        "CatBoostClassifier",
        "CatBoostRegressor",
        parameters=(*_SEED, ("thread_count", 1), ("verbose", 0), ("allow_writing_files", False)),
    ),
    "RealMLP": Method("pytabkit", "pytabkit", "RealMLP_TD_Classifier", "RealMLP_TD_Regressor", parameters=_PYTABKIT),
    "xRFM": Method("xrfm", "pytabkit", "XRFM_D_Classifier", "XRFM_D_Regressor", parameters=_PYTABKIT),
}
