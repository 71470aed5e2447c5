"""The methods of the case ``defaults``: each as it is when nothing is set but the seed and one thread."""

import importlib
from dataclasses import dataclass

from benchmarks.records import version_of


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
        return version_of(self.package)


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
