"""
A grid search on a cluster
==========================

Joblib hands the fits of a grid search to Dask: here to two processes on this machine, elsewhere to a
``Client("scheduler:8786")`` and as many machines as it knows. `scatter` sends the data to the workers once instead of
with each fit.

Run with ``python examples/dask_grid_search.py``; needs dask and distributed.
"""

import joblib
from distributed import Client, LocalCluster
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skfastnn import FastReLUClassifier

# %%
# Worker processes import this file: what starts them is below ``if __name__ == "__main__"``.


def main():
    X, y = load_digits(return_X_y=True)
    settings = {"learning_rate_init": 0.001, "max_iter": 50, "tol": 0.01, "n_iter_no_change": 2}
    network = FastReLUClassifier(**settings, random_state=0)
    search = GridSearchCV(network, {"hidden_layer_sizes": [32, 512], "threshold": [0.0, 1.0]}, cv=3)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster),
        joblib.parallel_config("dask", scatter=[X, y]),
    ):
        search.fit(X, y)
    for parameters, score in zip(search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True):
        print(f"{score:.3f} with {parameters}")


if __name__ == "__main__":
    main()
