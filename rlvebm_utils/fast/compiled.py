"""The loops in C beside this file: compiled by the machine's own compiler, once, then loaded.

Python and torch are too slow where the work is many small steps that depend on each other. The
library that comes out lies in the user's cache folder (``RLVEBM_CACHE`` names another), under a
name that changes with the source, the flags and the processor.
"""

import ctypes
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

BACKENDS = ("auto", "c", "torch")
SOURCES = Path(__file__).parent
FILES = ("codes", "images", "learning")
NUMBERS = {torch.float32: ("float", "int32_t"), torch.float64: ("double", "int64_t")}
# What -ffast-math would allow, less what changes the processor's state for the whole process; the
# second way is for compilers that do not know the first
FLAGS = "-O3 -shared -fPIC -fno-math-errno -fno-trapping-math -ffinite-math-only -fno-signed-zeros"
FLAGS += " -fassociative-math -freciprocal-math"
WAYS = ("-march=native -fopenmp-simd -falign-loops=32", "-Wno-unknown-pragmas")


class CompileError(ImportError):
    """There is no C compiler here, or it failed."""


def use_c(backend: str, possible: bool, needs: str, file: str, dtype: torch.dtype) -> bool:
    """Whether ``backend`` means the C loops here; "auto" does where they are possible and
    compiled, or are so in a second. needs: what they need and what came, for the message when they
    were asked for by name.
    """
    if backend not in BACKENDS:
        expected = ", ".join(map(repr, BACKENDS))
        raise ValueError(f"backend: expected one of {expected}, got {backend!r}")
    if backend == "c" and not possible:
        raise ValueError(f"backend: 'c' needs {needs}")
    if backend == "c":
        library(file, dtype)
    return backend == "c" or (backend == "auto" and possible and _at_hand(file, dtype))


def compile_loops() -> None:
    """Compile the C loops behind :func:`encode`, :func:`encode_images` and
    :func:`learn_dictionary_fast`, for float32 and float64; the result is kept on disk.

    Where the machine has a C compiler (``$CC``, ``cc``, ``gcc`` or ``clang``) they compile by
    themselves at their first use, each in about a second. Elsewhere install the extra ``fast``
    (ziglang, a compiler as a Python package) and call this once: it takes some seconds. Raises
    ImportError, with the compiler's words, where it fails.
    """
    for file in FILES:
        for dtype in NUMBERS:
            library(file, dtype)


@cache
def library(file: str, dtype: torch.dtype) -> ctypes.CDLL:
    """The library made from ``{file}.c`` for numbers of this dtype; compiled if need be."""
    path = _path(file, dtype)
    if path.exists():
        return ctypes.CDLL(str(path))
    # Made beside its place and moved there: another process never sees half of it
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(dir=path.parent)
    except OSError:  # nowhere to keep it: for this process only
        folder = tempfile.mkdtemp()
    try:
        new = Path(folder) / path.name
        _compile(file, dtype, new)
        try:
            new.replace(path)
        except OSError:
            return ctypes.CDLL(str(new))
        return ctypes.CDLL(str(path))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prepared(file: str, dtype: torch.dtype, function: str, *arguments, returns=ctypes.c_int64):
    """A C function with all but its first arguments: tensors go as pointers, whole numbers as
    int64, others as double. The tensors are kept alive as long as it is.
    """
    run = getattr(library(file, dtype), function)
    run.restype = returns
    fixed = tuple(map(_as_c, arguments))

    def with_first(*first, keep=arguments):
        return run(*map(_as_c, first), *fixed)

    return with_first


def call(file, dtype, function, *arguments, returns=ctypes.c_int64):
    """Call a C function once."""
    returns = ctypes.c_double if function == "subtract_decoded" else returns
    return prepared(file, dtype, function, *arguments, returns=returns)()


def _as_c(value):
    if isinstance(value, Tensor):
        assert value.is_contiguous() and value.device.type == "cpu"
        return ctypes.c_void_p(value.data_ptr())
    if value is None:
        return ctypes.c_void_p(None)
    return ctypes.c_int64(value) if isinstance(value, int) else ctypes.c_double(value)


@cache
def _at_hand(file: str, dtype: torch.dtype) -> bool:
    """Compiled already, or by a quick compiler now; says so where that fails."""
    if not _path(file, dtype).exists() and not _system_compiler():
        return False
    try:
        library(file, dtype)
    except (CompileError, OSError) as error:
        warnings.warn(
            f"the C loops are not to be had, torch does their work: {error}", stacklevel=5
        )
        return False
    return True


def _compile(file: str, dtype: torch.dtype, out: Path) -> None:
    compiler = _system_compiler()
    if not compiler and importlib.util.find_spec("ziglang"):
        compiler = [sys.executable, "-m", "ziglang", "cc"]
    if not compiler:
        raise CompileError(
            "backend: 'c' needs a C compiler (cc, gcc or clang; rlvebm_utils[fast] brings one); "
            "install one, or choose backend='torch'"
        )
    number, word = NUMBERS[dtype]
    source = [f"-DREAL={number}", f"-DWORD={word}", str(SOURCES / f"{file}.c"), "-o", str(out)]
    for way in WAYS:
        run = subprocess.run(
            [*compiler, *FLAGS.split(), *way.split(), *source], capture_output=True, text=True
        )
        if run.returncode == 0:
            return
    said = run.stderr.strip() or f"exit status {run.returncode}"
    raise CompileError(f"backend: 'c' could not be compiled by {compiler[0]}: {said}")


@cache
def _system_compiler() -> list[str] | None:
    names = [os.environ.get("CC", ""), "cc", "gcc", "clang"]
    found = [name.split() for name in names if name and shutil.which(name.split()[0])]
    return found[0] if found else None


def _path(file: str, dtype: torch.dtype) -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = os.environ.get("RLVEBM_CACHE") or home / "rlvebm_utils"
    text = [(SOURCES / name).read_text("utf-8") for name in ("common.h", f"{file}.c")]
    name = hashlib.sha256("\0".join([*text, FLAGS, *WAYS, _processor()]).encode()).hexdigest()[:16]
    return Path(folder) / f"{file}-{str(dtype).removeprefix('torch.')}-{name}.so"


@cache
def _processor() -> str:
    """What a library for this processor may be made of."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line for line in lines if line.lower().startswith(("flags", "features")))
    except (OSError, StopIteration):
        return f"{platform.machine()} {platform.processor()}"
