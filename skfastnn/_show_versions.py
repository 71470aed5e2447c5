"""What to put into a bug report."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from threadpoolctl import threadpool_info

from skfastnn._threads import effective_n_threads
from skfastnn.passes.shared._products import compiled_instructions, wide_products

DEPENDENCIES = ("skfastnn", "scikit-learn", "numpy", "scipy", "joblib", "threadpoolctl", "matplotlib")


def show_versions():
    """Print versions of the package and its dependencies, and the thread pools in use.

    Examples
    --------
    >>> import skfastnn
    >>> skfastnn.show_versions()  # doctest: +ELLIPSIS
    python: ...
    """
    print(f"python: {sys.version.split()[0]}, {platform.platform()}, {platform.machine()}")
    for name in DEPENDENCIES:
        try:
            print(f"{name}: {version(name)}")
        except PackageNotFoundError:
            print(f"{name}: not installed")
    print(f"threads of the compiled loops: {effective_n_threads()}")
    print(f"kernels: compiled for {compiled_instructions()}, {'with' if wide_products() else 'without'} AVX-512 here")
    for pool in threadpool_info():
        print(f"{pool['user_api']}: {pool['internal_api']}, {pool['num_threads']} threads, {pool['version']}")
