"""The choice between the compiled way (numba, the optional extra ``fast``) and torch alone."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

BACKENDS = ("auto", "numba", "torch")


def use_numba(backend: str, possible: bool, needs: str, ready: Callable[[], bool]) -> bool:
    """Whether ``backend`` means numba here; "auto" does where it is possible, installed and
    ``ready``. needs: what numba needs and what came, for the message when it was asked for by name.
    """
    if backend not in BACKENDS:
        expected = ", ".join(map(repr, BACKENDS))
        raise ValueError(f"backend: expected one of {expected}, got {backend!r}")
    installed = importlib.util.find_spec("numba") is not None
    if backend == "auto":
        return possible and installed and ready()
    if backend == "numba" and not possible:
        raise ValueError(f"backend: 'numba' needs {needs}")
    if backend == "numba" and not installed:
        raise ImportError(
            "backend: 'numba' needs numba; install rlvebm_utils[fast], or choose backend='torch'"
        )
    return backend == "numba"


def is_compiled(function) -> bool:
    """In this process, or on disk by an earlier one: compiling is nothing to surprise people
    with.
    """
    module = function.__module__.rpartition(".")[2]
    return bool(function.signatures) or any(
        Path(function._cache.cache_path).glob(f"{module}.{function.__name__}*.nbi")
    )
