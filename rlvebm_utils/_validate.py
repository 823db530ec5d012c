"""Argument checks shared by the whole package.

Every message names the argument, says what came and what was expected. The checks run before any work is done,
so a bad call leaves nothing half-finished.
"""

import math

import torch
from torch import Tensor


def describe(value) -> str:
    """What came, in a few words: ``float32 tensor of shape (3, 4) on cpu`` or ``list``."""
    if isinstance(value, Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        return f"{dtype} tensor of shape {tuple(value.shape)} on {value.device}"
    return type(value).__name__


def check_tensor(name: str, value, *, like: Tensor | None = None) -> Tensor:
    """A finite, non-empty, real floating-point tensor; of the dtype and device of ``like`` when that is given."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: expected a torch.Tensor, got {describe(value)}")
    if not value.is_floating_point():
        raise TypeError(f"{name}: expected a floating-point tensor, got {describe(value)}")
    if like is not None and value.dtype != like.dtype:
        raise TypeError(f"{name}: expected {like.dtype} like the dictionary, got {describe(value)}")
    if like is not None and value.device != like.device:
        raise ValueError(f"{name}: expected device {like.device} like the dictionary, got {describe(value)}")
    if value.numel() == 0:
        raise ValueError(f"{name}: expected at least one entry, got an empty {describe(value)}")
    if not torch.isfinite(value).all():
        bad = int((~torch.isfinite(value)).sum())
        raise ValueError(f"{name}: expected finite numbers, got {bad} NaN or infinite in a {describe(value)}")
    return value


def check_lam(lam, rows: int, device) -> Tensor:
    """λ as a float64 tensor of shape (rows,): one finite number ≥ 0 for all samples, or one for each."""
    if isinstance(lam, bool) or not isinstance(lam, int | float | Tensor):
        raise TypeError(f"lam: expected a number or a tensor of one λ per sample, got {describe(lam)}")
    value = torch.as_tensor(lam, dtype=torch.float64, device=device)
    if value.ndim > 1 or (value.ndim == 1 and value.shape[0] != rows):
        raise ValueError(f"lam: expected one number or {rows} of them, got {describe(value)}")
    if not torch.isfinite(value).all() or (value < 0).any():
        raise ValueError(f"lam: expected finite numbers ≥ 0, got a minimum of {float(value.min())}")
    return value.detach().expand(rows)


def check_count(name: str, value, *, minimum: int = 1) -> int:
    """An integer of at least ``minimum``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ValueError(f"{name}: expected an integer ≥ {minimum}, got {value!r}")
    return value


def check_fraction(name: str, value, low: float, high: float) -> float:
    """A finite number between ``low`` and ``high``, both allowed."""
    ok = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not ok or not low <= value <= high:
        raise ValueError(f"{name}: expected a number in [{low}, {high}], got {value!r}")
    return value
