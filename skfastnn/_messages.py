"""Warnings that point to the line of the user's program, however deep in the package they arise."""

import os
import sys
import warnings
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import wraps
from pathlib import Path

import sklearn

# Frames of these packages are not the user's: a fit may be asked for by a pipeline.
NOT_THE_USERS = tuple(f"{Path(file).parent}{os.sep}" for file in (__file__, sklearn.__file__))


_quiet = ContextVar("quiet", default=False)


@contextmanager
def quiet():
    """Keep warnings back, in this thread alone: networks that are trained to be compared have nothing to say."""
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)


def in_own_context(function):
    """Make what a function silences, here and in NumPy, end with it, wherever Ctrl-C comes: between any two lines."""

    @wraps(function)
    def run(*args, **kwargs):
        return copy_context().run(function, *args, **kwargs)

    return run


def warn(message, category=UserWarning):
    """Issue a warning at the first frame outside of this package and of scikit-learn.

    Parameters
    ----------
    message : str
    category : type
    """
    if _quiet.get():
        return
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(NOT_THE_USERS):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
