"""How many threads, and which of two runtimes may use them."""

import os

import joblib
from threadpoolctl import ThreadpoolController

from skfastnn.passes._pairs import openmp_max_threads


def effective_n_threads():
    """Return the number of threads for the compiled loops.

    It follows `OMP_NUM_THREADS`, `threadpoolctl` and joblib's workers; without any of them it is the number of
    cores that this process may use.

    Returns
    -------
    n_threads : int
    """
    if os.environ.get("OMP_NUM_THREADS"):
        return openmp_max_threads()
    return max(1, min(openmp_max_threads(), joblib.cpu_count()))


def blas_threads(n_threads):
    """Return a context manager in which BLAS uses `n_threads` threads at most."""
    return ThreadpoolController().limit(limits=n_threads, user_api="blas")
