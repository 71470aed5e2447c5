"""More data than memory, and more than one process: streams from disk, and a cluster of workers."""

import os
import subprocess
import sys

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV

from helpers import BOTH, FIRST_ORDER, data_for

MEGABYTE = 1 << 20
LIMIT = 320 * MEGABYTE  # of which the interpreter and its libraries take two thirds
N_FEATURES, N_IN_BATCH, N_INFORMATIVE = 1_000, 4_000, 8

STREAM = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_DATA, ({LIMIT}, {LIMIT}))
import numpy as np
from skfastnn import FastReLURegressor

X = np.memmap(sys.argv[1], np.float32, "r").reshape(-1, {N_FEATURES})
assert X.nbytes >= 5 * {LIMIT}
try:
    np.array(X)
    raise SystemExit("the limit does not hold")
except MemoryError:
    pass
model = FastReLURegressor(hidden_layer_sizes=(32,), solver="adam", learning_rate_init=0.01, random_state=0)
for first in range(0, len(X), {N_IN_BATCH}):
    rows = X[first : first + {N_IN_BATCH}]
    model.partial_fit(rows, rows[:, :{N_INFORMATIVE}].sum(axis=1))
assert model.t_ == len(X)
rows = X[:200]
print(model.score(rows, rows[:, :{N_INFORMATIVE}].sum(axis=1)))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit on memory is Linux's")
def test_stream_of_five_times_the_memory(tmp_path):
    n_batches = -(-5 * LIMIT // (4 * N_FEATURES * N_IN_BATCH))
    block = np.random.default_rng(0).standard_normal((200, N_FEATURES), dtype=np.float32)
    with open(tmp_path / "rows", "wb") as file:  # the other rows are zero, and take no place on the disk
        for i in range(n_batches):
            file.seek(i * 4 * N_FEATURES * N_IN_BATCH)
            block.tofile(file)
        file.truncate(n_batches * 4 * N_FEATURES * N_IN_BATCH)
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", STREAM, str(tmp_path / "rows")]
    result = subprocess.run(command, env=one_thread, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert float(result.stdout) > 0.8


@pytest.fixture
def cluster():
    """Two processes that do what joblib is told to let Dask do."""
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as local,
        distributed.Client(local) as client,
    ):
        yield client


@BOTH
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_grid_search_on_a_cluster(cluster, Estimator):
    X, y = data_for(Estimator)
    search = GridSearchCV(Estimator(**FIRST_ORDER), {"threshold": [0.0, 0.5, 1.0]}, cv=2)
    expected = search.fit(X, y).cv_results_["mean_test_score"]
    with joblib.parallel_config("dask", scatter=[X, y]):
        search.fit(X, y)
    assert_array_equal(search.cv_results_["mean_test_score"], expected)
    n_tasks = cluster.run(lambda dask_worker: dask_worker.state.executed_count)
    assert len(n_tasks) == 2
    assert sum(n_tasks.values()) >= 6  # as many fits
