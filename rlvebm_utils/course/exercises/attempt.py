"""Running a reader's function: what it gives, or in friendly words why it gives nothing."""

from __future__ import annotations

import ctypes
import linecache
import threading
import traceback
from collections.abc import Callable
from contextlib import contextmanager

import torch

from .values import Trouble

LIMIT = 10.0  # seconds

ENDLESS = "no answer after {limit:g} seconds. Does its loop end?"
STOPPED = "it stopped at `{line}` with {kind}: {words}"
SPOILT = "it changes its argument {name}. Make a new tensor: x = x - 1 instead of x -= 1"


class _TimeIsUp(BaseException):
    """Not an Exception, so that a reader's ``except Exception`` doesn't swallow it."""


def outcome(attempt: Callable, case: tuple):
    """What ``attempt`` gives for copies of these arguments, or the ``Trouble`` it has.

    A NotImplementedError that the reader's own line raises comes back as it is: nobody has tried
    yet. Torch raises the same kind, for a complex maximum say; that is told.
    """
    given = [v.clone() if isinstance(v, torch.Tensor) else v for v in case]
    try:
        with _time_limit(LIMIT):
            answer = attempt(*given)
    except _TimeIsUp:
        return Trouble(ENDLESS.format(limit=LIMIT))
    except Exception as error:  # the reader's own code: whatever it raises is told, not raised
        line = _line(attempt, error)
        if isinstance(error, NotImplementedError) and "raise" in line:
            return error
        return Trouble(_stopped(line, error))
    for name, before, after in zip(_names(attempt), case, given, strict=False):
        if isinstance(before, torch.Tensor) and not torch.equal(before, after):
            return Trouble(SPOILT.format(name=name))
    return answer


def _names(attempt: Callable) -> tuple[str, ...]:
    return attempt.__code__.co_varnames if hasattr(attempt, "__code__") else ()


def _line(attempt: Callable, error: Exception) -> str:
    """The reader's own line that an error came from, or an empty one."""
    own = attempt.__code__.co_filename if hasattr(attempt, "__code__") else ""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == own]
    return linecache.getline(own, frames[-1].lineno).strip() if frames else ""


def _stopped(line: str, error: Exception) -> str:
    words = str(error).splitlines()[0] if str(error) else "no words"
    return STOPPED.format(line=line or "its call", kind=type(error).__name__, words=words)


@contextmanager
def _time_limit(seconds: float):
    """Raise ``_TimeIsUp`` in this thread if the block is not done in time.

    Signals would do so in a main thread on Unix alone; an exception set from a timer does so
    anywhere, at the next line of Python.
    """
    thread, lock, done = threading.get_ident(), threading.Lock(), threading.Event()

    def stop():
        with lock:
            if not done.is_set():
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(thread), ctypes.py_object(_TimeIsUp)
                )

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            done.set()
        timer.cancel()
