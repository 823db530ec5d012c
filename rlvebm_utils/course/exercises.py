"""Exercises that answer at once: what you wrote beside what is right, on the same inputs."""

from __future__ import annotations

import copy
import inspect

import torch


def check(attempt, solution, *cases: tuple, hint: str = "", rtol: float = 1e-6) -> None:
    """Print whether ``attempt`` gives what ``solution`` gives.

    Two functions are called with each of ``cases``, tuples of arguments, on copies that they may
    spoil. Without cases the two are values. Numbers and tensors must agree in shape and to ``rtol``
    of the largest entry. The line printed is "right", or "not tried yet" for an attempt of None or
    of ``...``, or tells the first case that went wrong, both answers and the ``hint``.
    """
    if cases and not callable(solution):
        raise TypeError(f"solution: expected a function where there are cases, got {solution!r}")
    if not cases:
        outcomes = [("", attempt, solution)]
    else:
        outcomes = (_outcome(attempt, solution, case) for case in cases)
    for given, yours, right in outcomes:
        if yours is None or yours is Ellipsis or isinstance(yours, NotImplementedError):
            print("not tried yet")
            return
        if isinstance(yours, Exception) or not _agree(yours, right, rtol):
            more = f"\nhint: {hint}" if hint else ""
            print(f"not yet{given}: yours is {_short(yours)}, expected {_short(right)}{more}")
            return
    print("right" if len(cases) < 2 else f"right, in all {len(cases)} cases")


def _outcome(attempt, solution, case: tuple):
    """Where it was tried, the attempt's answer or its exception, and the right answer."""
    names = inspect.signature(solution).parameters
    given = ", for " + ", ".join(f"{n} = {_short(v)}" for n, v in zip(names, case, strict=False))
    right = solution(*copy.deepcopy(case))
    try:
        return given, attempt(*copy.deepcopy(case)), right
    except Exception as error:  # the student's own code: whatever it raises is told, not raised
        return given, error, right


def _agree(yours, right, rtol: float) -> bool:
    right = torch.as_tensor(right, dtype=torch.float64)
    try:
        yours = torch.as_tensor(yours).detach().to(right)
    except (TypeError, ValueError, RuntimeError):
        return False
    if yours.shape != right.shape:
        return False
    size = float(right.abs().max()) if right.numel() else 0.0
    return torch.allclose(yours, right, rtol=0, atol=rtol * max(size, 1e-12))


def _short(value) -> str:
    """A value in few words: small tensors by their numbers, large ones by their shape."""
    if isinstance(value, Exception):
        return f"an error ({type(value).__name__}: {value})"
    if isinstance(value, torch.Tensor):
        if value.numel() > 6:
            return f"a tensor of shape {tuple(value.shape)}"
        value = value.detach().tolist()
    return _digits(value)


def _digits(value) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_digits, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
