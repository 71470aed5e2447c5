"""Ctrl-C before a chosen line, and libraries of which it is known how many threads they have."""

import sys
import threading
from pathlib import Path

import skfastnn

ROOT = str(Path(skfastnn.__file__).parent)


def interrupt_at(n, call):
    """Call, and interrupt before the n-th line that Python runs in the package; return whether it came to that."""
    left = n

    def trace(frame, event, _):
        nonlocal left
        if not frame.f_code.co_filename.startswith(ROOT):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


class FakeLibrary:
    """A library with a limit for each thread, or for all."""

    def __init__(self, threading_layer):
        self.threading_layer, self.numbers = threading_layer, {}

    def _key(self):
        return threading.get_ident() if self.threading_layer == "openmp" else None

    def get_num_threads(self):
        return self.numbers.get(self._key(), 4)

    def set_num_threads(self, number):
        self.numbers[self._key()] = number
