"""Argument checks shared by the whole package.
 Every message names the argument, says what came and what was expected. The checks run before any
work is done, so a bad call leaves nothing half-finished.
"""

import math
from collections.abc import Collection
from numbers import Integral, Real

import torch
from torch import Tensor


def describe(value) -> str:
    """What came, in a few words: ``float32 tensor of shape (3, 4) on cpu`` or ``list``."""
    if isinstance(value, Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        return f"{dtype} tensor of shape {tuple(value.shape)} on {value.device}"
    return type(value).__name__


def check_tensor(name: str, value, *, like: Tensor | None = None) -> Tensor:
    """A finite, non-empty, real floating-point tensor; of the dtype and device of ``like`` when
    that is given.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: expected a torch.Tensor, got {describe(value)}")
    if not value.is_floating_point():
        raise TypeError(f"{name}: expected a floating-point tensor, got {describe(value)}")
    if like is not None and value.dtype != like.dtype:
        raise TypeError(f"{name}: expected {like.dtype} like the dictionary, got {describe(value)}")
    if like is not None and value.device != like.device:
        raise ValueError(
            f"{name}: expected device {like.device} like the dictionary, got {describe(value)}"
        )
    if value.numel() == 0:
        raise ValueError(f"{name}: expected at least one entry, got an empty {describe(value)}")
    # A sum is one pass, and finite only where all entries are; if it is not, they are looked at
    if not torch.isfinite(value.detach().sum()) and not torch.isfinite(value).all():
        bad = int((~torch.isfinite(value)).sum())
        raise ValueError(
            f"{name}: expected finite numbers, got {bad} NaN or infinite in a {describe(value)}"
        )
    return value


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


def check_lam(lam, rows: int, device) -> Tensor:
    """λ as a float64 tensor of shape (rows,): one finite number ≥ 0 for all samples, or one for
    each.
    """
    is_tensor = isinstance(lam, Tensor) and not lam.is_complex() and lam.dtype != torch.bool
    if isinstance(lam, bool) or not (is_tensor or isinstance(lam, Real)):
        raise TypeError(
            f"lam: expected a number or a tensor of one λ per sample, got {describe(lam)}"
        )
    if is_tensor and lam.device != device and (lam.ndim > 0 or lam.is_meta):
        raise ValueError(f"lam: expected device {device} like the samples, got {describe(lam)}")
    value = torch.as_tensor(lam, dtype=torch.float64, device=device)
    if value.ndim > 1 or (value.ndim == 1 and value.shape[0] != rows):
        raise ValueError(f"lam: expected one number or {rows} of them, got {describe(value)}")
    if not torch.isfinite(value).all() or (value < 0).any():
        raise ValueError(f"lam: expected finite numbers ≥ 0, got a minimum of {float(value.min())}")
    return value.detach().expand(rows)


def check_count(name: str, value, *, minimum: int = 1) -> int:
    """An integer of at least ``minimum``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise ValueError(f"{name}: expected an integer ≥ {minimum}, got {value!r}")
    return int(value)


def check_fraction(name: str, value, low: float, high: float) -> float:
    """A finite number between ``low`` and ``high``, both allowed."""
    ok = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    if not ok or not low <= value <= high:
        raise ValueError(f"{name}: expected a number in [{low}, {high}], got {value!r}")
    return value


def check_flag(name: str, value) -> bool:
    """True or False, and nothing that merely counts as one."""
    if not isinstance(value, bool):
        raise TypeError(f"{name}: expected True or False, got {value!r}")
    return value


def check_one_lam(lam, device=None) -> float:
    """λ ≥ 0 where one number has to serve all samples."""
    if isinstance(lam, Tensor) and lam.ndim > 0:
        raise ValueError(f"lam: expected one number for all samples, got {describe(lam)}")
    return float(check_lam(lam, 1, device))


def check_snapshots(snapshots, steps: int) -> None:
    """A collection of steps from 0 to ``steps``."""
    if not isinstance(snapshots, Collection):
        raise TypeError(f"snapshots: expected a tuple of steps, got {describe(snapshots)}")
    for step in snapshots:
        if check_count("snapshots", step, minimum=0) > steps:
            raise ValueError(f"snapshots: expected steps from 0 to {steps}, got {step}")


def check_threshold(v, threshold) -> Tensor:
    """The threshold of a proximal operator in the dtype and on the device of ``v``."""
    if not isinstance(v, Tensor) or not v.is_floating_point():
        raise TypeError(f"v: expected a floating-point torch.Tensor, got {describe(v)}")
    if isinstance(threshold, bool) or not isinstance(threshold, Real | Tensor):
        raise TypeError(f"threshold: expected a number or a tensor, got {describe(threshold)}")
    if isinstance(threshold, Real) and not threshold >= 0:
        raise ValueError(f"threshold: expected a number ≥ 0, got {threshold!r}")
    return torch.as_tensor(threshold, dtype=v.dtype, device=v.device)


def check_dictionary(value) -> None:
    """An operator, and not the matrix it is made from."""
    if not (hasattr(value, "check_samples") and hasattr(value, "atoms")):
        raise TypeError(
            f"dictionary: expected an operator such as Dictionary(W), got {describe(value)}"
        )
