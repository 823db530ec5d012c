"""One measured statement of the lecture: a cell says what was measured, the register the rest.

The register, ``claims.toml`` beside this file, holds for each claim the statement, the lecture's
own place, the sentence that tells the figures and the rule that gives the verdict. Sentence and
rule are expressions over the figures, evaluated by simpleeval: no names but theirs, no calls but
those in ``FUNCTIONS``.
"""

from __future__ import annotations

import ast
import html
import math
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from string import Formatter

import numpy as np

from .extras import require

simpleeval = require("simpleeval", "the rules of the claims")

REGISTER = Path(__file__).with_name("claims.toml")
KINDS = {"claim": "holds", "erratum": "corrected", "illustration": "illustration"}
SAID = {"erratum": "where the lecture's notes need care"}
FAILED = {"claim": "differs", "erratum": "not reproduced", "illustration": "differs"}
HALF = "half_"
UNSETTLED = "not settled"
AT_HALF = "{}; half of the training gives the same to {:.0f} %"
REQUIRED = {"kind", "notebook", "lecture", "statement", "measured"}
OPTIONAL = {"holds", "in_part", "condition", "rtol", "atol", "spread"}


def _joined(*values) -> np.ndarray:
    return np.concatenate([np.ravel(value) for value in values])


FUNCTIONS: dict[str, Callable] = {
    "min": lambda *values: _joined(*values).min(),
    "max": lambda *values: _joined(*values).max(),
    "mean": np.mean,
    "all": np.all,
    "abs": np.abs,
    "floor": math.floor,
    "count": np.size,
    "falls": lambda series: bool((np.diff(series) < 0).all()),
    "never_rises": lambda series: bool((np.diff(series) <= 0).all()),
    "as_range": lambda values, digits=0: as_range(values, digits),
}


def as_range(values, digits: int = 0) -> str:
    """The smallest and the largest of some values, or one number where both read the same."""
    values = np.asarray(values, dtype=float)
    ends = [f"{end(values):.{digits}f}" for end in (np.min, np.max)]
    return "–".join(dict.fromkeys(ends))


@dataclass(frozen=True)
class Entry:
    """What the register says of one claim.

    id: such as "SC-2"; an erratum is "ERR-n". kind: "claim", "erratum" (a place where the notes
    need care) or "illustration" (what nothing could make fail). notebook: which one measures it.
    lecture: the place in the notes. statement: what the lecture says, in our words. measured: the
    sentence, a template over the figures, such as "{100 * excess:.1f} % above". holds: the rule; in
    words of verdicts, "holds" (an erratum: "corrected"). in_part: the rule of "in part", asked
    where ``holds`` fails or is left out. condition: makes "holds" a "holds if …". rtol, atol: how
    far another machine's figures may be off, one number for all of them or one for each. spread:
    for each figure of a training, how far it may be from the same figure at half of that training,
    relative to its largest entry. That one is given as well, as ``half_NAME``; where it is further
    off, or the verdict would be another one, the verdict is "not settled".
    """

    id: str
    kind: str
    notebook: str
    lecture: str
    statement: str
    measured: str
    holds: str | None = None
    in_part: str | None = None
    condition: str | None = None
    rtol: float | Mapping[str, float] = 1e-6
    atol: float | Mapping[str, float] = 0.0
    spread: Mapping[str, float] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """The figures that are asked for: those of sentence and rules, and the twins at half."""
        return self.told | {HALF + name for name in self.spread}

    @property
    def told(self) -> set[str]:
        """The figures that sentence and rules are made of."""
        texts = [text for _, text, _, _ in Formatter().parse(self.measured) if text]
        return set().union(*map(_names, [*texts, *filter(None, (self.holds, self.in_part))]))

    def sentence(self, figures: Mapping[str, np.ndarray]) -> str:
        """What was measured, in the few digits of the template."""
        parts = []
        for literal, text, spec, _ in Formatter().parse(self.measured):
            value = _evaluate(text, figures) if text else ""
            parts.append(literal + format(value, spec or ""))
        told = "".join(parts)
        off = [self.off(name, figures) for name in self.spread]
        return AT_HALF.format(told, 100 * max(off)) if off else told

    def verdict(self, figures: Mapping[str, np.ndarray]) -> str:
        """What the rules make of the figures, if half of the training says the same."""
        verdict = self._ruled(figures)
        return verdict if self.settled(figures) else f"{UNSETTLED} ({verdict})"

    def settled(self, figures: Mapping[str, np.ndarray]) -> bool:
        """Whether half of the training gives the same verdict, and its figures to ``spread``."""
        half = {**figures, **{name: figures[HALF + name] for name in self.spread}}
        near = (self.off(name, figures) <= spread for name, spread in self.spread.items())
        return all(near) and self._ruled(half) == self._ruled(figures)

    def off(self, name: str, figures: Mapping[str, np.ndarray]) -> float:
        """How far a figure is from its twin at half, relative to its largest entry."""
        whole, half = figures[name], figures[HALF + name]
        if np.shape(whole) != np.shape(half):
            return math.inf
        return float(np.abs(whole - half).max() / max(np.abs(whole).max(), 1e-300))

    def _ruled(self, figures: Mapping[str, np.ndarray]) -> str:
        if self.holds and _evaluate(self.holds, figures):
            return f"holds if {self.condition}" if self.condition else KINDS[self.kind]
        if self.in_part and _evaluate(self.in_part, figures):
            return "in part"
        return FAILED[self.kind]

    def rule(self, verdict: str) -> str:
        """The rule behind a verdict, for a reader."""
        if verdict.startswith(UNSETTLED):
            within = ", ".join(f"{name} {most:g}" for name, most in self.spread.items())
            return f"half of the training gives the same verdict, and figures to {within}"
        rule = self.in_part if verdict == "in part" else self.holds or self.in_part
        rule = rule.replace("<=", "≤").replace(">=", "≥").replace("==", "=").replace(" * ", " · ")
        return rule if verdict != FAILED[self.kind] else f"not: {rule}"

    def tolerances(self, kind: str) -> dict[str, float]:
        """``rtol`` or ``atol`` of each figure."""
        given, default = getattr(self, kind), 1e-6 if kind == "rtol" else 0.0
        if not isinstance(given, Mapping):
            return dict.fromkeys(self.names, given)
        return {name: given.get(name.removeprefix(HALF), default) for name in self.names}


@cache
def register(path: Path = REGISTER) -> dict[str, Entry]:
    """The register's entries by id; raises ValueError for one that is not what it should be."""
    claims = tomllib.loads(path.read_text(encoding="utf-8"))["claims"]
    return {id: _entry(id, dict(fields)) for id, fields in claims.items()}


def claim(id: str, **figures) -> None:
    """Show one measured claim: the lecture's statement, what was measured, and the verdict.

    id: its name in the register, such as ``"SC-2"``. figures: just those that its sentence and its
    rules in the register are made of; each a finite number, yes or no, or a series of numbers (a
    list or a tensor of one dimension). They go in full precision into the output's metadata, where
    the tolerant regression test finds them.

    Outside IPython the line ``SC-1 · holds · 33 kinks …`` is printed. Raises TypeError or
    ValueError, naming what is wrong.
    """
    entries = register()
    if id not in entries:
        raise ValueError(f"id: expected one of the register's {len(entries)} claims, got {id!r}")
    entry = entries[id]
    if figures.keys() != entry.names:
        expected, got = ", ".join(sorted(entry.names)), ", ".join(sorted(figures))
        raise ValueError(f"{id}: expected the figures {expected}, got {got or 'none'}")
    figures = {name: _series(name, value) for name, value in figures.items()}
    verdict, sentence = entry.verdict(figures), entry.sentence(figures)
    record = {"id": id, "verdict": verdict, "rule": entry.rule(verdict)}
    record["figures"] = {name: value.tolist() for name, value in sorted(figures.items())}
    for kind in ("rtol", "atol"):
        record[kind] = dict(sorted(entry.tolerances(kind).items()))
    _show(f"{id} · {verdict} · {sentence}", card(entry, sentence, verdict), record)


CARD = (
    '<div style="border-left:4px solid {colour};padding:.3em .9em;margin:.5em 0;max-width:60em">'
    '<div style="opacity:.75">{id} · {said} ({lecture}): {statement}</div>'
    '<div style="margin:.35em 0"><b>Measured:</b> {sentence}.</div>'
    '<div><b style="color:{colour}">{verdict}</b>'
    ' <span style="opacity:.75">· the rule: {rule}</span></div></div>'
)
# Readable on white and on black; the words say the same, so that nothing hangs on the colour
COLOURS = {"holds": "#1f8a5b", "corrected": "#1f8a5b", "in part": "#b7791f", "differs": "#c2410c"}


def card(entry: Entry, sentence: str, verdict: str) -> str:
    """The claim as a small card of HTML, without scripts."""
    colour = next((c for word, c in COLOURS.items() if verdict.startswith(word)), "#6b7280")
    texts = {"id": entry.id, "lecture": entry.lecture, "statement": entry.statement}
    texts["said"] = SAID.get(entry.kind, "the lecture says")
    texts |= {"sentence": sentence, "verdict": verdict, "rule": entry.rule(verdict)}
    return CARD.format(colour=colour, **{name: html.escape(text) for name, text in texts.items()})


# ---- the register's entries ----


def _entry(id: str, fields: dict) -> Entry:
    if missing := REQUIRED - fields.keys():
        raise ValueError(f"{id}: expected {', '.join(sorted(missing))}, got none")
    if unknown := fields.keys() - REQUIRED - OPTIONAL:
        expected = ", ".join(sorted(REQUIRED | OPTIONAL))
        raise ValueError(f"{id}: expected {expected}, got {', '.join(sorted(unknown))}")
    if fields["kind"] not in KINDS:
        raise ValueError(f"{id}.kind: expected one of {', '.join(KINDS)}, got {fields['kind']!r}")
    entry = Entry(id, **fields)
    if not (entry.holds or entry.in_part):
        raise ValueError(f"{id}: expected a rule, holds or in_part, got none")
    if not entry.names:
        raise ValueError(f"{id}.measured: expected a sentence that tells a figure, got none")
    _check_tolerances(entry)
    return entry


def _check_tolerances(entry: Entry) -> None:
    for kind in ("rtol", "atol", "spread"):
        given = getattr(entry, kind)
        by_name = given if isinstance(given, Mapping) else {name: given for name in entry.told}
        if unknown := by_name.keys() - entry.told:
            known, came = ", ".join(sorted(entry.told)), ", ".join(sorted(unknown))
            raise ValueError(f"{entry.id}.{kind}: expected some of {known}, got {came}")
        for value in by_name.values():
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise ValueError(f"{entry.id}.{kind}: expected numbers ≥ 0, got {value!r}")


# ---- figures and expressions ----


def _series(name: str, value) -> np.ndarray:
    """A figure as float64, of no dimension or of one."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        array = np.asarray([float(one) for one in value] if np.ndim(value) else float(value))
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name}: expected a number or a series of them, got {value!r}") from None
    if array.size == 0 or not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, got {array.tolist()}")
    return array


def _names(expression: str) -> set[str]:
    """The figures that an expression asks for."""
    tree = ast.parse(expression, mode="eval")
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - FUNCTIONS.keys()


def _evaluate(expression: str, figures: Mapping[str, np.ndarray]):
    """An expression over figures; numbers come out as Python's own, so that ``format`` takes
    them.
    """
    names = {name: value if value.ndim else float(value) for name, value in figures.items()}
    value = simpleeval.simple_eval(expression, names=names, functions=FUNCTIONS)
    return value.item() if hasattr(value, "item") and np.ndim(value) == 0 else value


def _show(line: str, text: str, record: dict) -> None:
    # IPython is looked up, never imported: without it the line is all there is to show.
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None:
        print(line)
        return
    from IPython.display import display

    display({"text/plain": line, "text/html": text}, metadata={"rlvebm": record}, raw=True)
