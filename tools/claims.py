"""notebooks/CLAIMS.md, made from the executed notebooks: ``python -m tools.claims``.

The register (rlvebm_utils/course/claims.toml) says what is promised; the notebooks show what was
measured. ``faults`` tells where the two disagree; the tests insist that it finds nothing.

notebooks/FIGURES.toml holds the figures as they are expected. Nothing rewrites them by the way: an
experiment that gives other ones, though its verdict be the same, is a fault until somebody says
why, ``python -m tools.claims accept SC-2 "trained for twice as long"``.
"""

import math
import sys
import textwrap
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import nbformat

from rlvebm_utils.course.claims import REGISTER, UNSETTLED, Entry, register

ROOT = Path(__file__).resolve().parent.parent
PAGE, FIGURES = "CLAIMS.md", "FIGURES.toml"


@dataclass(frozen=True)
class Shown:
    """One claim as an executed cell shows it."""

    id: str
    notebook: str
    cell: int
    tagged: bool  # the cell carries the tag claim:ID
    executed: bool
    verdict: str
    measured: str
    rule: str
    figures: dict[str, float | list[float]]


def finished(path: Path = REGISTER) -> list[str]:
    """The notebooks that have to keep their promises."""
    return tomllib.loads(path.read_text(encoding="utf-8"))["finished"]


def _tags(cell) -> list[str]:
    """The tags that mean a claim, well-formed or not."""
    return [tag for tag in cell.metadata.get("tags", []) if tag.lower().startswith("claim")]


def _notebooks(folder: Path):
    for path in sorted(folder.glob("*.ipynb")):
        yield path.stem, nbformat.read(path, as_version=4)


def shown(folder: Path) -> list[Shown]:
    """Every claim in the outputs of the notebooks in ``folder``."""
    return [
        one
        for name, notebook in _notebooks(folder)
        for number, cell in enumerate(notebook.cells)
        for output in cell.get("outputs", [])
        if (one := _shown(name, number, cell, output))
    ]


def _shown(name: str, number: int, cell, output) -> Shown | None:
    record = output.get("metadata", {}).get("rlvebm")
    line = output.get("data", {}).get("text/plain", "")
    head = f"{record['id']} · {record['verdict']} · " if record else ""
    if not record or not line.startswith(head):
        return None
    tagged, executed = f"claim:{record['id']}" in _tags(cell), cell.execution_count is not None
    told = record["verdict"], line.removeprefix(head), record["rule"], record["figures"]
    return Shown(record["id"], name, number, tagged, executed, *told)


def faults(folder: Path, path: Path = REGISTER) -> list[str]:
    """Where register and notebooks disagree, one sentence each; an empty list if nowhere."""
    claims, lines = register(path), shown(folder)
    return [
        *_promises(folder, claims, finished(path), lines),
        *_tag_faults(folder, claims, lines),
        *_line_faults(claims, lines),
        *_figure_faults(folder, claims, lines),
    ]


def _promises(folder: Path, claims: dict[str, Entry], done: list[str], lines) -> list[str]:
    missing = [name for name in done if not (folder / f"{name}.ipynb").exists()]
    found = [f"{name} is listed as finished and does not exist" for name in missing]
    for id, entry in claims.items():
        if entry.notebook in done and not any(_counts(line, entry) for line in lines):
            found.append(f"{entry.notebook}: promises {id}, and no executed cell shows it")
    return found


def _tag_faults(folder: Path, claims: dict[str, Entry], lines: list[Shown]) -> list[str]:
    found, places = [], {(line.id, line.notebook, line.cell) for line in lines}
    for name, notebook in _notebooks(folder):
        for number, cell in enumerate(notebook.cells):
            for tag in _tags(cell):
                id = tag.removeprefix("claim:")
                if tag == id or id not in claims:
                    found.append(f"{name}, cell {number}: unknown claim tag {tag!r}")
                elif (id, name, number) not in places:
                    found.append(f"{name}, cell {number}: tagged {tag}, and does not show it")
    return found


def _line_faults(claims: dict[str, Entry], lines: list[Shown]) -> list[str]:
    found, seen = [], set()
    for line in lines:
        where = f"{line.notebook}, cell {line.cell}"
        if line.id not in claims:
            found.append(f"{where}: shows {line.id}, which is not in the register")
        elif not line.tagged:
            found.append(f"{where}: shows {line.id} and lacks the tag claim:{line.id}")
        if (line.id, line.notebook) in seen:
            found.append(f"{where}: shows {line.id} a second time")
        elif line.verdict.startswith(UNSETTLED):
            found.append(f"{where}: {line.id} is {line.verdict}")
        seen.add((line.id, line.notebook))
    return found


def _figure_faults(folder: Path, claims: dict[str, Entry], lines: list[Shown]) -> list[str]:
    """Figures that are not the expected ones, nor near enough by the entry's own tolerances."""
    found, expected = [], expected_figures(folder)
    shown_ids = {line.id for line in lines}
    found += [f"{FIGURES}: has {id}, which no cell shows" for id in expected.keys() - shown_ids]
    for line in lines:
        entry, known = claims.get(line.id), expected.get(line.id, {})
        if not entry:
            continue
        moved = [name for name in line.figures if not _near(entry, name, line.figures, known)]
        if moved or line.figures.keys() != known.keys() - {"why"}:
            named = ", ".join(moved) or "other names"
            found.append(f"{line.id}: not the figures of {FIGURES} ({named}); mend it, or accept")
        elif not known["why"].strip():
            found.append(f"{FIGURES}: {line.id} does not say why its figures are expected")
    return found


def _near(entry: Entry, name: str, figures: dict, expected: dict) -> bool:
    """Whether a figure is as expected, on this machine or another."""
    got, known = (x if isinstance(x, list) else [x] for x in (figures[name], expected.get(name)))
    rtol, atol = (entry.tolerances(kind).get(name, 0) for kind in ("rtol", "atol"))
    near = (
        math.isclose(a, b, rel_tol=rtol + 1e-8, abs_tol=atol)
        for a, b in zip(got, known, strict=False)
    )
    return None not in known and len(got) == len(known) and all(near)


def expected_figures(folder: Path) -> dict[str, dict]:
    """What each claim's figures are expected to be: id → name → number or numbers, and "why"."""
    return tomllib.loads((folder / FIGURES).read_text(encoding="utf-8"))


def accept(folder: Path, ids: list[str], why: str) -> None:
    """Expect the figures that these claims show now; why: in a few words, kept beside them."""
    if not why.strip() or '"' in why:
        raise ValueError(f"why: expected a reason without quotation marks, got {why!r}")
    expected, now = expected_figures(folder), {line.id: line.figures for line in shown(folder)}
    for id in ids:
        if id not in now:
            raise ValueError(f"ids: expected claims that a notebook shows, got {id!r}")
        expected[id] = {"why": why, **now[id]}
    _write_figures(folder / FIGURES, expected)


def _write_figures(path: Path, expected: dict[str, dict]) -> None:
    parts = [
        "# The figures that the claims are expected to measure, within the register's tolerances.",
        "# Changed on purpose only: make claims ARGS=\"accept ID 'why'\"",
    ]
    for id, figures in expected.items():
        parts += ["", f"[{id}]", f'why = "{figures["why"]}"']
        for name, value in sorted(
            (name, value) for name, value in figures.items() if name != "why"
        ):
            parts += textwrap.wrap(f"{name} = {_in_toml(value)}", 100, subsequent_indent="  ")
    path.write_text("\n".join(parts) + "\n", encoding="utf-8", newline="\n")


def _in_toml(value: float | list[float]) -> str:
    """Nine digits: more than any tolerance asks for."""
    if isinstance(value, list):
        return f"[{', '.join(map(_in_toml, value))}]"
    return repr(float(f"{value:.9g}"))


def _counts(line: Shown, entry: Entry) -> bool:
    """Does this line keep what the register promises?"""
    return line.id == entry.id and line.notebook == entry.notebook and line.tagged and line.executed


def page(folder: Path, path: Path = REGISTER) -> str:
    """The page in Markdown: how many claims have which verdict, then each with its figures."""
    claims, done = register(path), finished(path)
    lines = {
        id: line
        for id, entry in claims.items()
        if entry.notebook in done
        for line in shown(folder)
        if _counts(line, entry)
    }
    counts = Counter(line.verdict for line in lines.values())
    told = " · ".join(f"**{verdict}** {count}" for verdict, count in counts.most_common())
    to_come = [f"- `{e.notebook}`: {id}" for id, e in claims.items() if e.notebook not in done]
    return "\n".join(
        [
            "# The lecture's statements, measured",
            "",
            "Made by `make claims` from what the executed notebooks show; tests hold every figure.",
            "",
            f"{len(lines)} statements: {told}",
            "",
            "| id | statement (ERR: on the notes) | notebook | measured | verdict | rule |",
            "|---|---|---|---|---|---|",
            *(_row(claims[id], line) for id, line in lines.items()),
            *(["", "To come:", "", *to_come] if to_come else []),
            "",
        ]
    )


def _row(entry: Entry, line: Shown) -> str:
    link = f"[{entry.notebook[:2]}]({entry.notebook}.ipynb)"
    says = f"{entry.statement} ({entry.lecture})"
    cells = (entry.id, says, link, line.measured, line.verdict, f"`{line.rule}`")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main(arguments: list[str]) -> int:
    """Write the page; returns 1, after saying why, where promises are not kept."""
    folder = ROOT / "notebooks"
    if arguments[:1] == ["accept"] and len(arguments) > 2:
        accept(folder, arguments[1:-1], why=arguments[-1])
    elif arguments:
        print("usage: python -m tools.claims [accept ID … 'why']")
        return 2
    found = faults(folder)
    for fault in found:
        print(f"error: {fault}")
    (folder / PAGE).write_text(page(folder), encoding="utf-8", newline="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
