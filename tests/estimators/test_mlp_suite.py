"""scikit-learn's own tests of MLP, with these classes put in place of its own, as far as they can hold.

The tests are those of the installed scikit-learn. What is left out is named here, each with its reason.
"""

import inspect
import subprocess
import sys

import pytest
from sklearn.neural_network.tests import test_mlp

THEIRS = "from sklearn.neural_network import MLPClassifier, MLPRegressor"
OURS = "from skfastnn import FastReLUClassifier as MLPClassifier, FastReLURegressor as MLPRegressor"
OTHER_ACTIVATIONS = "asks for an activation other than relu"
PRIVATE = "looks at `_optimizer` or `_no_improvement_count`"
OTHER_NUMBERS = "expects the exact numbers, epochs or warnings of another algorithm"
LEFT_OUT = {
    "test_fit": OTHER_ACTIVATIONS,
    "test_gradient": OTHER_ACTIVATIONS,
    "test_lbfgs_classification[": OTHER_ACTIVATIONS,
    "test_lbfgs_regression[": OTHER_ACTIVATIONS,
    "test_lbfgs_classification_maxfun": OTHER_ACTIVATIONS,
    "test_lbfgs_regression_maxfun": OTHER_ACTIVATIONS,
    "test_multilabel_classification": OTHER_ACTIVATIONS,
    "test_predict_proba_binary": OTHER_ACTIVATIONS,
    "test_mlp_diverging_loss": OTHER_ACTIVATIONS,
    "test_mlp_vs_poisson_glm_equivalent": OTHER_ACTIVATIONS,
    "test_learning_rate_warmstart": PRIVATE,
    "test_adaptive_learning_rate": PRIVATE,
    "test_n_iter_no_change": PRIVATE,
    "test_mlp_warm_start_no_convergence[lbfgs-": "without widths lbfgs is Gauss-Newton, which has converged by then",
    "test_nonfinite_params": "expects an error at weights that overflow there and stay finite here",
    "test_predict_proba_multilabel": OTHER_NUMBERS,
    "test_early_stopping_stratified": "expects its split to fail where this one does without strata",
    "test_mlp_classifier_dtypes_casting": OTHER_NUMBERS,
    "test_mlp_regressor_dtypes_casting": OTHER_NUMBERS,
}


@pytest.mark.skipif(THEIRS not in inspect.getsource(test_mlp), reason="this scikit-learn imports its classes otherwise")
def test_the_suite_of_mlp_passes(tmp_path):
    swapped = tmp_path / "test_swapped.py"
    swapped.write_text(inspect.getsource(test_mlp).replace(THEIRS, OURS))
    deselected = [f"--deselect={swapped.name}::{name}" for name in LEFT_OUT]  # what begins so
    outcome = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *deselected, swapped.name],
        cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stdout[-3000:]
    assert int(outcome.stdout.split(" passed")[0].split()[-1]) > 25
