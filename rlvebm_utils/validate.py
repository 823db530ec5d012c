"""Argument checks shared by the whole package.
 Every message names the argument, says what came and what was expected. The checks run before any
work is done, so a bad call leaves nothing half-finished.
"""

import math
import os
from collections.abc import Callable, Collection
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor

Given = ParamSpec("Given")
Result = TypeVar("Result")
DTYPES = (torch.float32, torch.float64)
LARGEST = 2**63 - 1  # of the integers that torch and C take


def describe(value) -> str:
    """What came, in a few words: ``float32 tensor of shape (3, 4) on cpu`` or ``list``."""
    if not isinstance(value, Tensor):
        return type(value).__name__
    dtype = str(value.dtype).removeprefix("torch.")
    if value.is_nested:
        return f"nested {dtype} tensor on {value.device}"
    layout = "" if value.layout == torch.strided else f"{value.layout} ".removeprefix("torch.")
    return f"{layout}{dtype} tensor of shape {tuple(value.shape)} on {value.device}"


def shown(value) -> str:
    """The value itself if it is short, else what it is."""
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    text = describe(value) if isinstance(value, Tensor | np.ndarray) else repr(value)
    return text if len(text) < 60 else describe(value)


def plain_numbers(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """The function with numbers of NumPy's among its arguments made Python's: they count in few
    bits, and torch does not take all of them.
    """

    @wraps(function)
    def called(*arguments: Given.args, **named: Given.kwargs) -> Result:
        named = {name: _plain(value) for name, value in named.items()}
        return function(*map(_plain, arguments), **named)

    return called


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value


def is_plain(value: Tensor) -> bool:
    """Whether the tensor has its entries side by side, in memory: not sparse, nested or quantized,
    and not one that only has a shape.
    """
    strided = value.layout == torch.strided and not value.is_nested
    return strided and not value.is_quantized and not value.is_meta


def check_tensor(name: str, value, *, like: Tensor | None = None) -> Tensor:
    """A finite, non-empty tensor of float32 or float64; of the dtype and device of ``like`` when
    that is given.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: expected a torch.Tensor, got {describe(value)}")
    if not value.is_floating_point():
        raise TypeError(f"{name}: expected a floating-point tensor, got {describe(value)}")
    if like is not None and value.dtype != like.dtype:
        raise TypeError(f"{name}: expected {like.dtype} like the dictionary, got {describe(value)}")
    if value.dtype not in DTYPES:
        raise TypeError(f"{name}: expected float32 or float64, got {describe(value)}")
    if like is not None and value.device != like.device:
        raise ValueError(
            f"{name}: expected device {like.device} like the dictionary, got {describe(value)}"
        )
    if not is_plain(value):
        raise TypeError(f"{name}: expected a dense tensor with entries, got {describe(value)}")
    if value.numel() == 0:
        raise ValueError(f"{name}: expected at least one entry, got an empty {describe(value)}")
    check_finite(name, value.detach())
    return value


def check_finite(name: str, x: Tensor) -> None:
    """No NaN, nothing infinite, and no numbers so large that float64 cannot hold their squares:
    energies are sums of those.
    """
    # One pass over good numbers: in float32 a sum, since squares might leave it where x does not
    if torch.compiler.is_compiling():
        return
    size = torch.linalg.vector_norm(x) if x.dtype == torch.float64 else x.sum()
    if _is_true_or_hidden(torch.isfinite(size)):
        return
    bad = int((~torch.isfinite(x)).sum())
    if bad:
        raise ValueError(
            f"{name}: expected finite numbers, got {bad} NaN or infinite in a {describe(x)}"
        )
    if x.dtype == torch.float64:
        raise ValueError(
            f"{name}: expected numbers whose squares {x.dtype} can hold, "
            f"got entries up to {float(x.abs().max()):.1e}"
        )


def _is_true_or_hidden(flag: Tensor) -> bool:
    """The flag; True within torch.func.vmap, where numbers cannot be looked at."""
    try:
        return bool(flag)
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        return True


def check_range(name: str, atoms: Tensor, unit: str) -> None:
    """Not all zero, and neither so small nor so large that squares leave the dtype."""
    if not atoms.any():
        raise ValueError(
            f"{name}: expected at least one non-zero {unit}, got an all-zero {describe(atoms)}"
        )
    squared, range_ = float(atoms.detach().double().square().sum()), torch.finfo(atoms.dtype)
    if not atoms.numel() * range_.tiny < squared < range_.max:
        raise ValueError(
            f"{name}: expected {unit}s whose squared lengths {atoms.dtype} can hold, "
            f"got entries up to {float(atoms.abs().max()):.1e}"
        )


def check_lam(lam, rows: int, device, name: str = "lam") -> Tensor:
    """λ as a float64 tensor of shape (rows,): one finite number ≥ 0 for all samples, or one for
    each, in a tensor or an array of NumPy's.
    """
    number = as_number(lam)
    value = _lam_as_tensor(name, number if number is not None else lam, device)
    if value is None:
        raise TypeError(
            f"{name}: expected a number or a tensor of one λ per sample, got {describe(lam)}"
        )
    if value.ndim > 1 or (value.ndim == 1 and value.shape[0] != rows):
        raise ValueError(f"{name}: expected one number or {rows} of them, got {describe(value)}")
    least, most = (number, number) if number is not None else torch.stack(value.aminmax()).tolist()
    if not 0 <= least <= most < math.inf:  # NaN is neither
        raise ValueError(f"{name}: expected finite numbers ≥ 0, got a minimum of {least}")
    return value.detach().expand(rows)


def _lam_as_tensor(name: str, lam, device) -> Tensor | None:
    """In float64 on the device; None if it is no number and no tensor or array of numbers."""
    if isinstance(lam, float):
        return torch.full((), lam, dtype=torch.float64, device=device)
    if isinstance(lam, np.ndarray) and lam.dtype.kind in "iuf":
        return torch.as_tensor(lam.astype(np.float64), device=device)
    if not isinstance(lam, Tensor) or lam.is_complex() or lam.dtype == torch.bool:
        return None
    if lam.device != device and (lam.ndim > 0 or lam.is_meta):
        raise ValueError(f"{name}: expected device {device} like the samples, got {describe(lam)}")
    return lam.to(device=device, dtype=torch.float64) if is_plain(lam) else None


def as_number(value) -> float | None:
    """A real number of Python's or NumPy's as a float (infinite, if no float is that large); None
    for anything else.
    """
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def check_count(name: str, value, *, minimum: int = 1) -> int:
    """An integer of at least ``minimum``, and no more than 64 bits hold."""
    number = _plain(value)
    whole = isinstance(number, int) and not isinstance(number, bool)
    if not whole or not minimum <= number <= LARGEST:
        limit = " and < 2**63" if whole and number > LARGEST else ""
        raise ValueError(f"{name}: expected an integer ≥ {minimum}{limit}, got {shown(value)}")
    return number


def check_fraction(name: str, value, low: float, high: float) -> float:
    """A finite number between ``low`` and ``high``, both allowed."""
    number = as_number(value)
    if number is None or not math.isfinite(number) or not low <= number <= high:
        raise ValueError(f"{name}: expected a number in [{low}, {high}], got {shown(value)}")
    return number


def check_positive(name: str, value, or_else: str = "") -> float:
    """A finite number > 0."""
    number = as_number(value)
    if number is None or not 0 < number < math.inf:
        raise ValueError(f"{name}: expected a number > 0{or_else}, got {shown(value)}")
    return number


def check_choice(name: str, value, allowed: Collection[str]) -> str:
    """One of a few words."""
    if not isinstance(value, str) or value not in allowed:
        words = ", ".join(map(repr, allowed))
        raise ValueError(f"{name}: expected one of {words}, got {shown(value)}")
    return value


def check_path(name: str, value) -> Path:
    """Where a file or a folder is, or is to be."""
    if not isinstance(value, str | os.PathLike) or isinstance(os.fspath(value), bytes):
        raise TypeError(f"{name}: expected a path, got {shown(value)}")
    if not os.fspath(value) or "\0" in os.fspath(value):
        raise ValueError(f"{name}: expected a path, got {shown(value)}")
    return Path(value)


def check_dtype(name: str, value) -> torch.dtype:
    """One of the two that the package computes in."""
    if not isinstance(value, torch.dtype) or value not in DTYPES:
        raise TypeError(f"{name}: expected torch.float32 or torch.float64, got {shown(value)}")
    return value


def check_flag(name: str, value) -> bool:
    """True or False, and nothing that merely counts as one."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}: expected True or False, got {shown(value)}")
    return bool(value)


def check_one_lam(lam, device=None) -> float:
    """λ ≥ 0 where one number has to serve all samples."""
    if isinstance(lam, Tensor | np.ndarray) and lam.ndim > 0:
        raise ValueError(f"lam: expected one number for all samples, got {describe(lam)}")
    return float(check_lam(lam, 1, device))


def check_snapshots(snapshots, steps: int) -> None:
    """A collection of steps from 0 to ``steps``."""
    if not isinstance(snapshots, Collection) or isinstance(snapshots, str):
        raise TypeError(f"snapshots: expected a tuple of steps, got {shown(snapshots)}")
    for step in snapshots:
        if check_count("snapshots", step, minimum=0) > steps:
            raise ValueError(f"snapshots: expected steps from 0 to {steps}, got {step}")


def check_threshold(v, threshold) -> Tensor:
    """The threshold of a proximal operator in the dtype and on the device of ``v``."""
    if not isinstance(v, Tensor) or v.dtype not in (*DTYPES, torch.float16, torch.bfloat16):
        raise TypeError(f"v: expected a floating-point torch.Tensor, got {describe(v)}")
    if not is_plain(v):
        raise TypeError(f"v: expected a dense tensor with entries, got {describe(v)}")
    if isinstance(threshold, Tensor):
        return torch.as_tensor(threshold, dtype=v.dtype, device=v.device)
    number = as_number(threshold)
    if number is None:
        raise TypeError(f"threshold: expected a number or a tensor, got {shown(threshold)}")
    if not number >= 0:
        raise ValueError(f"threshold: expected a number ≥ 0, got {shown(threshold)}")
    return torch.full((), number, dtype=v.dtype, device=v.device)


def check_dictionary(value) -> None:
    """An operator, and not the matrix it is made from."""
    answers = hasattr(value, "check_samples") and hasattr(value, "atoms")
    if not answers or isinstance(value, type):
        raise TypeError(
            f"dictionary: expected an operator such as Dictionary(W), got {describe(value)}"
        )
