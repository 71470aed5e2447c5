"""How many threads, and which of two runtimes may use them.

The compiled loops share work among OpenMP's threads; BLAS, called from inside them, is to keep to one. Its number of
threads belongs to the process and not to the call that sets it, so it is noted who calls: the first of several that
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

    The number of threads is as before when all calls that overlap have ended, in whichever order, and by Ctrl-C too.
    """
    taker = object()
    try:
        _LIMIT.take(taker)
        yield
    finally:
        try:
            _LIMIT.give_back(taker)
        finally:  # again: Ctrl-C may have come in the middle
            _LIMIT.give_back(taker)


class _Limit:
    """Knows who wants BLAS to have one thread, in the process and in each thread.

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
        self.everybody = _Takers()

    def take(self, taker):
        with self.lock:
            if self.shared is None:
                self._find()
            self.everybody.add(taker, self.shared)
            self._mine().add(taker, self.by_thread)

    def _mine(self):
        """Return those who want it in this thread."""
        if not hasattr(self.mine, "takers"):
            self.mine.takers = _Takers()
        return self.mine.takers

    def _find(self):
        # looking for the libraries takes milliseconds, once; those that are called here have been loaded
        found = self.find_libraries()
        # on top of OpenMP, a limit holds for the thread that sets it
        self.by_thread = [library for library in found if getattr(library, "threading_layer", None) == "openmp"]
        self.shared = [library for library in found if library not in self.by_thread]

    def give_back(self, taker):
        with self.lock:
            self._mine().discard(taker, self.by_thread)
            self.everybody.discard(taker, self.shared)

    def after_fork(self):
        """Forget, in a child, the calls of threads that are not there, and their hold of the lock."""
        self.forked = True
        self.lock = threading.Lock()
        self.everybody.keep(self._mine().takers, self.shared)


class _Takers:
    """Those who want some libraries to have one thread, and how many there were before.

    Ctrl-C may come between any two lines: what is to be done is noted before it is done, and may be done again.
    """

    def __init__(self):
        self.takers, self.before = set(), None

    def add(self, taker, libraries):
        """Note somebody who wants it, once; the first one limits the libraries."""
        if self.before is None:
            self.before = [library.get_num_threads() for library in libraries]
        self.takers.add(taker)
        if len(self.takers) == 1:
            _set(libraries, [1] * len(libraries))

    def discard(self, taker, libraries):
        """Forget somebody, if there; the last one puts back what was there."""
        self.keep(self.takers - {taker}, libraries)

    def keep(self, takers, libraries):
        """Forget all others."""
        self.takers = set(takers)
        if not self.takers and self.before is not None:
            _set(libraries, self.before)
            self.before = None


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
