"""How many threads, and which of two runtimes may use them.

The compiled loops share work among OpenMP's threads; BLAS, called from inside them, is to keep to one. Its number of
threads belongs to the process and not to the call that sets it, so calls are counted: the first of several that
overlap sets the limit, and the last puts back what was there.

A forked child inherits the notes of OpenMP about threads, and none of the threads: it would wait for them forever. So
it uses one.
"""

import os
import threading
from contextlib import contextmanager

import joblib
from threadpoolctl import ThreadpoolController

from skfastnn.passes.shared._pairs import openmp_max_threads


def effective_n_threads():
    """Return the number of threads for the compiled loops.

    It follows `OMP_NUM_THREADS`, `threadpoolctl` and joblib's workers; without any of them it is the number of
    cores that this process may use. A forked child has one.

    Returns
    -------
    n_threads : int
    """
    if _LIMIT.forked:
        return 1
    if os.environ.get("OMP_NUM_THREADS"):
        return openmp_max_threads()
    return max(1, min(openmp_max_threads(), joblib.cpu_count()))


@contextmanager
def one_blas_thread():
    """Keep BLAS to one thread, here and, since there is no other way, in the whole process.

    The number of threads is as before when all calls that overlap have ended, in whichever order.
    """
    _LIMIT.take()
    try:
        yield
    finally:
        _LIMIT.give_back()


class _Limit:
    """Counts who wants BLAS to have one thread, in the process and in each thread.

    Parameters
    ----------
    find_libraries : callable
        Returns the controllers of the libraries of linear algebra that are loaded, of threadpoolctl.

    Attributes
    ----------
    forked : bool
        Whether this process was forked from another one.
    """

    def __init__(self, find_libraries):
        self.forked = False
        self.find_libraries, self.shared, self.by_thread = find_libraries, None, None
        self.lock = threading.Lock()
        self.mine = threading.local()
        self.n_takers, self.before = 0, None

    def take(self):
        with self.lock:
            if self.shared is None:
                self._find()
            if self.n_takers == 0:
                self.before = _limit(self.shared)
            self.n_takers += 1
            depth = getattr(self.mine, "depth", 0)
            if depth == 0:
                self.mine.before = _limit(self.by_thread)
            self.mine.depth = depth + 1

    def _find(self):
        # looking for the libraries takes milliseconds, once; those that are called here have been loaded
        found = self.find_libraries()
        # on top of OpenMP, a limit holds for the thread that sets it
        self.by_thread = [library for library in found if getattr(library, "threading_layer", None) == "openmp"]
        self.shared = [library for library in found if library not in self.by_thread]

    def give_back(self):
        with self.lock:
            self.n_takers -= 1
            self.mine.depth -= 1
            if self.mine.depth == 0:
                _set(self.by_thread, self.mine.before)
            self._restore_if_last()

    def _restore_if_last(self):
        if self.n_takers == 0 and self.before is not None:
            _set(self.shared, self.before)
            self.before = None

    def after_fork(self):
        """Forget, in a child, the calls of threads that are not there, and their hold of the lock."""
        self.forked = True
        self.lock = threading.Lock()
        self.n_takers = getattr(self.mine, "depth", 0)
        self._restore_if_last()


def _limit(libraries):
    """Give libraries one thread; return how many each had."""
    before = [library.get_num_threads() for library in libraries]
    _set(libraries, [1] * len(before))
    return before


def _set(libraries, numbers):
    for library, number in zip(libraries, numbers, strict=True):
        # the thread that was the first to set a limit would be the only one that can: here others do it in its place
        release = getattr(library, "clear_controlling_thread", lambda force: None)
        release(force=True)
        library.set_num_threads(number)
        release(force=True)


_LIMIT = _Limit(lambda: ThreadpoolController().select(user_api="blas").lib_controllers)
if hasattr(os, "register_at_fork"):
    # nobody is in the middle of counting when the process is copied
    os.register_at_fork(
        before=lambda: _LIMIT.lock.acquire(),
        after_in_parent=lambda: _LIMIT.lock.release(),
        after_in_child=_LIMIT.after_fork,
    )
