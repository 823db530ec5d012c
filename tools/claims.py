"""README's claim table, made from the executed notebooks: ``python -m tools.claims``.

The register (notebooks/claims.toml) says what is promised; the notebooks show what was measured.
``faults`` tells where the two disagree; the tests insist that it finds nothing.
"""

import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
BEGIN = "<!-- claims: begin (written by `make claims`) -->"
END = "<!-- claims: end -->"


@dataclass(frozen=True)
class Shown:
    """One claim line as an executed cell shows it."""

    id: str
    notebook: str
    cell: int
    tagged: bool  # the cell carries the tag claim:ID
    executed: bool
    verdict: str
    measured: str


def read_register(folder: Path) -> dict:
    return tomllib.loads((folder / "claims.toml").read_text(encoding="utf-8"))


def _tags(cell) -> list[str]:
    """The tags that mean a claim, well-formed or not."""
    return [tag for tag in cell.metadata.get("tags", []) if tag.lower().startswith("claim")]


def _notebooks(folder: Path):
    for path in sorted(folder.glob("*.ipynb")):
        yield path.stem, nbformat.read(path, as_version=4)


def shown(folder: Path) -> list[Shown]:
    """Every claim line in the outputs of the notebooks in ``folder``."""
    found = []
    for name, notebook in _notebooks(folder):
        for number, cell in enumerate(notebook.cells):
            for output in cell.get("outputs", []):
                record = output.get("metadata", {}).get("rlvebm")
                line = output.get("data", {}).get("text/plain", "")
                head = f"{record['id']} · {record['verdict']} · " if record else ""
                if not record or not line.startswith(head):
                    continue
                found.append(
                    Shown(
                        id=record["id"],
                        notebook=name,
                        cell=number,
                        tagged=f"claim:{record['id']}" in _tags(cell),
                        executed=cell.execution_count is not None,
                        verdict=record["verdict"],
                        measured=line.removeprefix(head),
                    )
                )
    return found


def faults(folder: Path) -> list[str]:
    """Where register and notebooks disagree, one sentence each; an empty list if nowhere."""
    register, lines, found = read_register(folder), shown(folder), []
    claims = register["claims"]
    for name in register["finished"]:
        if not (folder / f"{name}.ipynb").exists():
            found.append(f"{name} is listed as finished and does not exist")
    for id, entry in claims.items():
        if entry["notebook"] not in register["finished"]:
            continue
        if not any(_counts(line, id, entry) for line in lines):
            found.append(f"{entry['notebook']}: promises {id}, and no executed cell shows it")
    for name, notebook in _notebooks(folder):
        for number, cell in enumerate(notebook.cells):
            for tag in _tags(cell):
                id = tag.removeprefix("claim:")
                if tag == id or id not in claims:
                    found.append(f"{name}, cell {number}: unknown claim tag {tag!r}")
                elif not any((s.id, s.notebook, s.cell) == (id, name, number) for s in lines):
                    found.append(f"{name}, cell {number}: tagged {tag}, and does not show it")
    seen = set()
    for line in lines:
        where = f"{line.notebook}, cell {line.cell}"
        if line.id not in claims:
            found.append(f"{where}: shows {line.id}, which is not in the register")
        elif not line.tagged:
            found.append(f"{where}: shows {line.id} and lacks the tag claim:{line.id}")
        if (line.id, line.notebook) in seen:
            found.append(f"{where}: shows {line.id} a second time")
        seen.add((line.id, line.notebook))
    return found


def _counts(line: Shown, id: str, entry: dict) -> bool:
    """Does this line keep what the register promises for ``id``?"""
    return line.id == id and line.notebook == entry["notebook"] and line.tagged and line.executed


def table(folder: Path) -> str:
    """The table in Markdown: finished notebooks' claims with figures, then what is to come."""
    register, lines = read_register(folder), shown(folder)
    rows = ["| id | statement | notebook | measured | verdict |", "|---|---|---|---|---|"]
    to_come: dict[str, list[str]] = {}
    for id, entry in register["claims"].items():
        name = entry["notebook"]
        if name not in register["finished"]:
            to_come.setdefault(name, []).append(id)
            continue
        link = f"[{name[:2]}](notebooks/{name}.ipynb)"
        for line in lines:
            if _counts(line, id, entry):
                cells = (id, entry["statement"], link, line.measured, line.verdict)
                rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    later = [f"- `{name}`: {', '.join(ids)}" for name, ids in sorted(to_come.items())]
    return "\n".join(rows + (["", "To come:", "", *later] if later else []))


def with_table(readme: str, folder: Path) -> str:
    """``readme`` with a fresh table between its two markers."""
    between = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    if len(between.findall(readme)) != 1:
        raise ValueError(f"README.md must hold one pair of markers: {BEGIN} … {END}")
    return between.sub(lambda _: f"{BEGIN}\n\n{table(folder)}\n\n{END}", readme)


def main() -> int:
    folder, path = ROOT / "notebooks", ROOT / "README.md"
    found = faults(folder)
    for fault in found:
        print(f"error: {fault}")
    path.write_text(
        with_table(path.read_text(encoding="utf-8"), folder), encoding="utf-8", newline="\n"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
