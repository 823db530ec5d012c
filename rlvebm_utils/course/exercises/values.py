"""Answers: whether two agree, and how to show one in few words."""

from __future__ import annotations

import numbers

import torch


class Trouble(str):
    """What is wrong with an answer before its numbers matter, in words for the reader."""


NOTHING = Trouble("it gives nothing back. Is a `return` missing?")
NUMPY = Trouble("it gives a NumPy array. Stay with torch: torch.zeros instead of numpy.zeros")
ONE = (
    "it gives a tensor of shape {yours}, and one number was meant. Is a .sum(), .min() or .max()"
    " missing?"
)
KIND = "it gives {yours}, and {right} meant"
SHAPE = "it gives a tensor of shape {yours}, and the shape {right} was meant"


def agree(yours, right, rtol: float, period: float | None = None) -> bool | Trouble:
    """Whether two answers are equal to ``rtol`` of the largest entry, or why they can't be.

    period: what may be added any number of times without a difference: 2π for angles.
    """
    if isinstance(right, tuple | list):
        return _all_agree(yours, right, rtol, period)
    right = torch.as_tensor(right)
    if trouble := _of_another_kind(yours, right):
        return trouble
    yours, right = torch.as_tensor(yours).detach().double().cpu(), right.detach().double()
    if period is not None:
        yours = right + (yours - right + period / 2) % period - period / 2
    size = float(right.abs().max()) if right.numel() else 0.0
    return torch.allclose(yours, right, rtol=0, atol=rtol * max(size, 1e-12))


def _all_agree(yours, right, rtol: float, period: float | None) -> bool | Trouble:
    if yours is None:
        return NOTHING
    if not isinstance(yours, tuple | list) or len(yours) != len(right):
        return Trouble(KIND.format(yours=_named(yours), right=f"{len(right)} values were"))
    each = [agree(a, b, rtol, period) for a, b in zip(yours, right, strict=True)]
    return next((one for one in each if one is not True), True)


def _of_another_kind(yours, right: torch.Tensor) -> Trouble | None:
    """Why an answer can't be compared with the right one, if so."""
    if yours is None:
        return NOTHING
    if type(yours).__module__ == "numpy":
        return NUMPY
    if isinstance(yours, torch.Tensor):
        if yours.shape == right.shape:
            return None
        if right.ndim == 0:
            return Trouble(ONE.format(yours=tuple(yours.shape)))
        return Trouble(SHAPE.format(yours=tuple(yours.shape), right=tuple(right.shape)))
    if isinstance(yours, numbers.Number) and not isinstance(yours, complex) and right.ndim == 0:
        return None
    meant = f"a tensor of shape {tuple(right.shape)}" if right.ndim else "a number"
    return Trouble(KIND.format(yours=_named(yours), right=f"{meant} was"))


def _named(value) -> str:
    if type(value).__module__ == "torch.return_types":
        return "values with their indices (.values takes the first)"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeio' else 'a'} {name}"


def short(value, most: int = 24) -> str:
    """A value in few words: small tensors by their numbers, large ones by their shape."""
    if isinstance(value, torch.Tensor):
        if value.numel() > most:
            return f"a tensor of shape {tuple(value.shape)}"
        value = value.detach().tolist()
    return _digits(value)


def _digits(value) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(short, value))}]"
    if isinstance(value, tuple):
        return ", ".join(map(short, value))
    if callable(value):
        return getattr(value, "__name__", "a function")
    return f"{value + 0.0:.4g}" if isinstance(value, float) else str(value)  # no "-0"
