"""The loops in C beside this file: compiled by the machine's own compiler, once, then loaded.

Python and torch are too slow where the work is many small steps that depend on each other. The
library that comes out lies in the user's cache folder (see :mod:`rlvebm_utils.cache`), under a name
that changes with the source, the flags and the processor, and ends in the sum of its content. What
lies there is loaded only where nobody but this user can have put it there, and only whole.

How a function is called stands in one place, its prototype in C: what Python hands over is checked
against that.
"""

import contextlib
import ctypes
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass
from functools import cache
from numbers import Integral, Real
from pathlib import Path

import torch
from torch import Tensor

from ..cache import is_private, private_folder, temporary_folder
from ..validate import check_choice, describe

BACKENDS = ("auto", "c", "torch")
SOURCES = Path(__file__).parent
FILES = ("codes", "images", "learning")
NUMBERS = {torch.float32: ("float", "int32_t"), torch.float64: ("double", "int64_t")}
# What -ffast-math would allow, less what changes the processor's state for the whole process; the
# second way is for compilers that do not know the first
FLAGS = "-O3 -shared -fno-math-errno -fno-trapping-math -ffinite-math-only -fno-signed-zeros"
FLAGS += " -fassociative-math -freciprocal-math"
WAYS = ("-march=native -fopenmp-simd -falign-loops=32", "-Wno-unknown-pragmas")
SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
if sys.platform != "win32":  # code there can lie anywhere as it is
    FLAGS += " -fPIC"

# Of a prototype: what it returns, the name, the parameters; of a parameter: const, the type, the
# pointer, what may be NULL, the name
PROTOTYPE = re.compile(r"^EXPORT\s+(\w+)\s+(\w+)\(([^)]*)\)", re.MULTILINE)
PARAMETER = re.compile(r"(?:const )?(\w+) ?(\*)?(?:restrict )?(OR_NULL )?(\w+)")
WHOLE = {"int": ctypes.c_int, "size": ctypes.c_int64, "int64_t": ctypes.c_int64}
RETURNS = WHOLE | {"double": ctypes.c_double, "void": None}
ENTRIES = {"double": torch.float64, "size": torch.int64, "int64_t": torch.int64}


class CompileError(ImportError):
    """There is no C compiler here, or it failed."""


def use_c(backend: str, possible: bool, needs: str, file: str, dtype: torch.dtype) -> bool:
    """Whether ``backend`` means the C loops here; "auto" does where they are possible and
    compiled, or are so in a second. needs: what they need and what came, for the message when they
    were asked for by name.
    """
    check_choice("backend", backend, BACKENDS)
    if backend == "c" and not possible:
        raise ValueError(f"backend: 'c' needs {needs}")
    if backend == "c":
        library(file, dtype)
    return backend == "c" or (backend == "auto" and possible and _at_hand(file, dtype))


def compile_loops() -> None:
    """Compile the C loops behind :func:`encode`, :func:`encode_images` and
    :func:`learn_dictionary_fast`, for float32 and float64; the result is kept in the user's cache
    folder, or for this process alone where others could change what lies there.

    Where the machine has a C compiler (``$CC``, ``cc``, ``gcc`` or ``clang``) they compile by
    themselves at their first use, each in about a second. Elsewhere install the extra ``fast``
    (ziglang, a compiler as a Python package) and call this once: it takes some seconds. Raises
    ImportError, with the compiler's words, where it fails.
    """
    for file in FILES:
        for dtype in NUMBERS:
            library(file, dtype)


@cache
def library(file: str, dtype: torch.dtype) -> "dict[str, Function]":
    """The functions of ``{file}.c`` for numbers of this dtype; compiled if need be."""
    kept = _kept(file, dtype)
    if kept:
        return kept
    try:
        return _load(_compile_into(private_folder("compiled"), file, dtype), file, dtype)
    except OSError:  # a disk that is full, say, or one from which nothing may be run
        return _load(_compile_into(temporary_folder("compiled"), file, dtype), file, dtype)


def prepared(file: str, dtype: torch.dtype, function: str, *arguments):
    """A C function with all but its first arguments, checked here once and for all. The tensors are
    kept alive as long as it is.
    """
    return library(file, dtype)[function].prepared(*arguments)


def call(file: str, dtype: torch.dtype, function: str, *arguments):
    """Call a C function once. Raises TypeError where an argument is not what its prototype says."""
    return library(file, dtype)[function].prepared(*arguments)()


# --- from Python to C -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Whole:
    """A parameter that is a whole number."""

    name: str  # function and parameter
    kind: type  # of ctypes

    def from_param(self, value):
        """The value as C takes it; TypeError or ValueError if it is none."""
        # The usual case first: asking the abstract class takes as long as all the rest
        if type(value) is not int and (isinstance(value, bool) or not isinstance(value, Integral)):
            raise TypeError(f"{self.name}: expected an integer, got {describe(value)}")
        number = self.kind(value)
        if number.value != value:  # ctypes cuts off what is too much
            bits = 8 * ctypes.sizeof(number)
            raise ValueError(f"{self.name}: expected an integer of {bits} bits, got {value}")
        return number


@dataclass(frozen=True)
class Number:
    """A parameter that is a float64."""

    name: str  # function and parameter

    def from_param(self, value):
        """The value as C takes it; TypeError or ValueError if it is none."""
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"{self.name}: expected a number, got {describe(value)}")
        return ctypes.c_double(value)


@dataclass(frozen=True)
class Pointer:
    """A parameter that is the address of a tensor's entries."""

    name: str  # function and parameter
    dtype: torch.dtype  # of the entries
    nullable: bool

    def from_param(self, value):
        """The value as C takes it; TypeError or ValueError if it is none."""
        if value is None and self.nullable:
            return ctypes.c_void_p(None)
        if not isinstance(value, Tensor) or not self.suits(value):
            entries = str(self.dtype).removeprefix("torch.")
            other = " or None" if self.nullable else ""
            raise TypeError(
                f"{self.name}: expected contiguous {entries} tensor on the CPU{other}, "
                f"got {_describe_layout(value)}"
            )
        return ctypes.c_void_p(value.data_ptr())

    def suits(self, value: Tensor) -> bool:
        """Whether C may read this tensor's entries one after the other."""
        in_place = value.is_cpu and value.layout == torch.strided and value.is_contiguous()
        return in_place and value.dtype == self.dtype


class Function:
    """A C function that checks what it is called with.

    ctypes itself would do so at each call, for all arguments. Most of them are the same for many
    calls, so they are checked here and handed on as what C takes.
    """

    def __init__(self, run, argtypes: "list[Whole | Number | Pointer]", restype):
        self.run, self.argtypes, self.name = run, argtypes, run.__name__
        run.restype = restype

    def prepared(self, *arguments):
        """Itself with all but its first arguments."""
        left = len(self.argtypes) - len(arguments)
        if left < 0:
            raise TypeError(self._wrong_number(len(arguments)))
        run, first_argtypes = self.run, self.argtypes[:left]
        fixed = _as_c(self.argtypes[left:], arguments)

        def with_first(*first, keep=arguments):
            if len(first) != left:
                raise TypeError(self._wrong_number(len(first) + len(keep)))
            return run(*_as_c(first_argtypes, first), *fixed)

        return with_first

    def _wrong_number(self, got: int) -> str:
        return f"{self.name}: expected {len(self.argtypes)} arguments, got {got}"


def _as_c(argtypes, arguments) -> list:
    return [kind.from_param(value) for kind, value in zip(argtypes, arguments, strict=True)]


def _describe_layout(value) -> str:
    """As in other messages, and how entries that are not side by side lie."""
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.is_contiguous():
        return describe(value)
    return f"{describe(value)} with strides {value.stride()}"


@cache
def _prototypes(file: str, dtype: torch.dtype) -> dict[str, tuple]:
    """For each function that ``{file}.c`` exports: its parameters, and what it returns."""
    return {
        function: (
            [_parameter(function, one, dtype) for one in parameters.split(",")],
            RETURNS[returns],
        )
        for returns, function, parameters in PROTOTYPE.findall(_source(f"{file}.c"))
    }


def _parameter(function: str, text: str, dtype: torch.dtype) -> Whole | Number | Pointer:
    """One parameter of a prototype."""
    found = PARAMETER.fullmatch(" ".join(text.split()))
    kind, pointer, nullable, name = found.groups() if found else (None,) * 4
    entries, name = ENTRIES | {"real": dtype}, f"{function}.{name}"
    if pointer and kind in entries:
        return Pointer(name, entries[kind], bool(nullable))
    if not pointer and kind in WHOLE:
        return Whole(name, WHOLE[kind])
    if not pointer and kind == "double":
        return Number(name)
    raise ValueError(f"{function}: expected a parameter of a known type in C, got {text!r}")


# --- from C to a library --------------------------------------------------------------------------


def _load(path: Path, file: str, dtype: torch.dtype) -> dict[str, Function]:
    functions = ctypes.CDLL(str(path))
    return {
        name: Function(getattr(functions, name), *prototype)
        for name, prototype in _prototypes(file, dtype).items()
    }


def _kept(file: str, dtype: torch.dtype) -> dict[str, Function] | None:
    """What was compiled before, if it can be trusted, is whole and can be loaded here."""
    for path in private_folder("compiled").glob(f"{_stem(file, dtype)}-*{SUFFIX}"):
        try:
            if is_private(path) and path.name == _full_name(file, dtype, path.read_bytes()):
                return _load(path, file, dtype)
        except (OSError, AttributeError):  # of another machine; without one of the functions
            pass
        with contextlib.suppress(OSError):
            path.unlink()
    return None


def _compile_into(folder: Path, file: str, dtype: torch.dtype) -> Path:
    """The path of a new library in ``folder``."""
    # Made beside its place and moved there: another process never sees half of it
    workshop = Path(tempfile.mkdtemp(dir=folder))
    try:
        new = workshop / f"new{SUFFIX}"
        _compile(file, dtype, new)
        new.chmod(0o700)  # whatever the umask allows others
        return new.replace(folder / _full_name(file, dtype, new.read_bytes()))
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


@cache
def _at_hand(file: str, dtype: torch.dtype) -> bool:
    """Compiled already, or by a quick compiler now; says so where that fails."""
    try:
        if not _system_compiler() and not _kept(file, dtype):
            return False
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
        flags = [*FLAGS.split(), *way.split(), *_without_avx(compiler)]
        run = subprocess.run([*compiler, *flags, *source], capture_output=True)
        if run.returncode == 0:
            return
    # It may quote a line of the source, in whatever encoding the system has
    said = run.stderr.decode("utf-8", "replace").strip() or f"exit status {run.returncode}"
    raise CompileError(f"backend: 'c' could not be compiled by {compiler[0]}: {said}")


def _without_avx(compiler: list[str]) -> list[str]:
    """GCC for Windows keeps long vectors on a stack that is aligned for short ones (its bug 54412),
    and the process dies: there it gets no AVX.
    """
    if sys.platform != "win32" or platform.machine() != "AMD64":
        return []
    asked = subprocess.run([*compiler, "--version"], capture_output=True)
    return [] if b"clang" in asked.stdout else ["-mno-avx"]


@cache
def _system_compiler() -> list[str] | None:
    names = [os.environ.get("CC", ""), "cc", "gcc", "clang"]
    found = [name.split() for name in names if name and shutil.which(name.split()[0])]
    return found[0] if found else None


def _stem(file: str, dtype: torch.dtype) -> str:
    """How the name of a library begins: what it is made of."""
    text = [_source("common.h"), _source(f"{file}.c"), FLAGS, *WAYS, _processor()]
    made_of = _sum("\0".join(text).encode())
    return f"{file}-{str(dtype).removeprefix('torch.')}-{made_of}"


def _full_name(file: str, dtype: torch.dtype, content: bytes) -> str:
    """The name of the library that has this content: what is damaged does not have its name."""
    return f"{_stem(file, dtype)}-{_sum(content)}{SUFFIX}"


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _source(name: str) -> str:
    return (SOURCES / name).read_text("utf-8")


@cache
def _processor() -> str:
    """What a library for this processor may be made of."""
    named = f"{platform.machine()} {platform.processor()}"
    try:
        if sys.platform == "darwin":  # its processor() is "arm" or "i386", whichever it is
            asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return f"{named} {subprocess.run(asked, capture_output=True).stdout.decode()}"
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line for line in lines if line.lower().startswith(("flags", "features")))
    except (OSError, StopIteration):
        return named
