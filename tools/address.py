"""Give this repository another address: ``python -m tools.address owner/name``.

pyproject.toml decides the address; README, CONTRIBUTING and the notebooks' first cells have to hold
it literally. This replaces the old one in all of them, in executed notebooks too: their outputs
stay good, since the address matters on Colab alone.
"""

import re
import sys
import tomllib
from pathlib import Path

import nbformat

from tools import notebooks

ROOT = Path(__file__).resolve().parent.parent


def address(root: Path = ROOT) -> str:
    """``owner/name`` as pyproject.toml has it."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return "/".join(project["urls"]["Repository"].rsplit("/", 2)[-2:])


def holders(root: Path = ROOT) -> list[Path]:
    """The files that may hold the address."""
    fixed = ["pyproject.toml", "README.md", "CONTRIBUTING.md"]
    return [root / name for name in fixed] + sorted((root / "notebooks").glob("*.py"))


def move(new: str, root: Path = ROOT) -> list[str]:
    """Replace the address in every file that holds it; return their names. Raises ValueError,
    before anything is changed, for what is no address, and where an output is not of its source:
    the digests that say so are made anew.
    """
    if not re.fullmatch(r"[\w-]+/[\w.-]+", new, re.ASCII):
        raise ValueError(f"TO: expected owner/name, got {new!r}")
    old, changed = address(root), []
    for text in notebooks.texts(root / "notebooks"):
        if found := notebooks.faults(text):
            raise ValueError(f"{text.name}: expected a pair without faults, got {found[0]!r}")
    for path in holders(root):
        text = path.read_text(encoding="utf-8")
        if old in text:
            path.write_text(text.replace(old, new), encoding="utf-8", newline="\n")
            changed.append(path.name)
            if path in notebooks.texts(root / "notebooks"):
                _move_executed(path.with_suffix(".ipynb"), old, new)
                changed.append(path.with_suffix(".ipynb").name)
    return changed


def _move_executed(path: Path, old: str, new: str) -> None:
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace(old, new)
    notebooks.strip(notebook)
    notebooks.write(notebook, path)


if __name__ == "__main__":
    try:
        print("changed:", *move(*(sys.argv[1:2] or [""])))
    except ValueError as error:
        sys.exit(f"error: {error}. Usage: make address TO=owner/name")
