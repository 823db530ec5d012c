"""What the course needs beside the library: if it is missing, that is said, and how to get it."""

import importlib
from types import ModuleType


def require(module: str, purpose: str, package: str | None = None) -> ModuleType:
    """The module, imported; package: what it is called where it is installed from, if not the same.

    Raises ImportError with the words of :func:`how_to_install` where it is missing.
    """
    package = package or module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(how_to_install(package, purpose)) from error


def how_to_install(package: str, purpose: str) -> str:
    """What to do about a package that is missing."""
    return (
        f"{package}: expected an installed package, for {purpose}, got none: it is missing; "
        f"pip install {package}, or all that the course needs: pip install 'rlvebm_utils[course]'"
    )
