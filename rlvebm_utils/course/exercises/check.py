"""An exercise that brings its own answer: what you wrote beside what is right."""

from __future__ import annotations

import copy
import inspect

from .values import agree, short


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
        if isinstance(yours, Exception) or agree(yours, right, rtol) is not True:
            more = f"\nhint: {hint}" if hint else ""
            print(f"not yet{given}: yours is {_shown(yours)}, expected {_shown(right)}{more}")
            return
    print("right" if len(cases) < 2 else f"right, in all {len(cases)} cases")


def _outcome(attempt, solution, case: tuple):
    """Where it was tried, the attempt's answer or its exception, and the right answer."""
    names = inspect.signature(solution).parameters
    given = ", for " + ", ".join(f"{n} = {_shown(v)}" for n, v in zip(names, case, strict=False))
    right = solution(*copy.deepcopy(case))
    try:
        return given, attempt(*copy.deepcopy(case)), right
    except Exception as error:  # the student's own code: whatever it raises is told, not raised
        return given, error, right


def _shown(value) -> str:
    if isinstance(value, Exception):
        return f"an error ({type(value).__name__}: {value})"
    return short(value, most=6)
