"""One measured statement of the lecture, shown so that a reader and a test can both read it."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping

_ID = re.compile(r"[A-Z]+-[0-9]+")
_VERDICTS = {True: "holds", False: "differs"}
_ERRATUM_VERDICTS = {True: "corrected: shown", False: "not reproduced"}


def claim(
    id: str,
    text: str,
    holds: bool | str,
    *,
    rtol: float | Mapping[str, float] = 1e-6,
    atol: float | Mapping[str, float] = 0.0,
    **figures: float,
) -> None:
    """Show the outcome of one measured claim as a single line, with its figures behind it.

    ``claim("FISTA-1", "KKT residual 3.1e-12 after 400 steps", holds=kkt < 1e-9, kkt=kkt)`` shows
    ``FISTA-1 · holds · KKT residual 3.1e-12 after 400 steps``.

    Parameters
    ----------
    id : the claim's name in the register, such as ``"SC-2"``; an erratum is ``"ERR-n"``.
    text : what was measured, with at least one digit, in so few significant digits that it reads
        the same on every machine.
    holds : True ("holds"; an erratum: "corrected: shown"), False ("differs"; an erratum:
        "not reproduced") or ``"in part"``. Better a comparison than a constant.
    rtol, atol : how far another machine's figures may be off, as in ``math.isclose``:
        one number for all figures, or ``{figure: number}``. A figure that is nothing but rounding
        error needs an ``atol``.
    **figures : the measured numbers in full precision, finite, at least one. They go into the
        output's metadata, where the tolerant regression test finds them.

    Outside IPython the line is printed. Raises ``TypeError`` or ``ValueError`` for anything else.
    """
    if not (isinstance(id, str) and _ID.fullmatch(id)):
        raise ValueError(f"id must look like 'SC-2' or 'ERR-3', got {id!r}")
    if not (isinstance(text, str) and re.search(r"\d", text) and "\n" not in text):
        raise ValueError(f"text must be one line that tells a figure, got {text!r}")
    if not figures:
        raise ValueError(f"{id}: give at least one measured figure as a keyword, such as kkt=3e-12")
    verdict = _verdict(id, holds)
    numbers = {name: _finite(name, value) for name, value in figures.items()}
    record = {"id": id, "verdict": verdict, "figures": numbers}
    for name, given, default in (("rtol", rtol, 1e-6), ("atol", atol, 0.0)):
        record[name] = _per_figure(name, given, default, numbers)
    _show(f"{id} · {verdict} · {text}", record)


def _verdict(id: str, holds: bool | str) -> str:
    if isinstance(holds, str):
        if holds == "in part":
            return holds
        raise ValueError(f"holds must be True, False or 'in part', got {holds!r}")
    try:
        outcome = holds.item() if hasattr(holds, "item") else holds  # a tensor of one bool
    except (RuntimeError, ValueError):
        outcome = None
    if not isinstance(outcome, bool):
        raise TypeError(f"holds must be True, False or 'in part', got {holds!r}")
    return (_ERRATUM_VERDICTS if id.startswith("ERR-") else _VERDICTS)[outcome]


def _finite(name: str, value: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} must be one number, got {value!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number}")
    return number


def _per_figure(name, given, default: float, figures: dict[str, float]) -> dict[str, float]:
    tolerances = dict(given) if isinstance(given, Mapping) else dict.fromkeys(figures, given)
    if unknown := tolerances.keys() - figures.keys():
        raise ValueError(f"{name} names {sorted(unknown)}, but the figures are {sorted(figures)}")
    tolerances = {figure: _finite(name, value) for figure, value in tolerances.items()}
    if any(value < 0 for value in tolerances.values()):
        raise ValueError(f"{name} must not be negative, got {given!r}")
    return {figure: tolerances.get(figure, default) for figure in figures}


def _show(line: str, record: dict) -> None:
    # IPython is looked up, never imported: without it the line is all there is to show.
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None:
        print(line)
        return
    from IPython.display import display

    display({"text/plain": line}, metadata={"rlvebm": record}, raw=True)
