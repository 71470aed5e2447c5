"""What to trust when a fitted estimator is stored without pickle.

skops, and MLflow which stores by it, load only types that they know or are told to trust. These here hold arrays,
numbers and strings, and run nothing when they are loaded.

Examples
--------
>>> from sklearn.datasets import load_iris
>>> from skfastnn import FastReLUClassifier
>>> from skfastnn.persistence import TRUSTED_TYPES
>>> TRUSTED_TYPES[0]
'skfastnn._classifier.FastReLUClassifier'
>>> model = FastReLUClassifier(random_state=0).fit(*load_iris(return_X_y=True))

With skops::

    stored = skops.io.dumps(model)
    model = skops.io.loads(stored, trusted=TRUSTED_TYPES)

With MLflow::

    mlflow.sklearn.save_model(model, "path", skops_trusted_types=TRUSTED_TYPES)
    model = mlflow.sklearn.load_model("path")
"""

from skfastnn._classifier import FastReLUClassifier
from skfastnn._regressor import FastReLURegressor
from skfastnn.preprocessing import PiecewiseLinearEncoder

TRUSTED_TYPES = [
    f"{kind.__module__}.{kind.__qualname__}" for kind in (FastReLUClassifier, FastReLURegressor, PiecewiseLinearEncoder)
]
