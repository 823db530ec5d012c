"""Give this repository another address: ``python -m tools.address owner/name``.

pyproject.toml decides the address; what :func:`holders` lists and the notebooks' first cells have
to hold it literally. This replaces the old one in all of them, in executed notebooks too: their
outputs stay good, since the address matters on Colab alone. The badges of README and of each
notebook are written anew: with the placeholder they would lead nowhere, and say so instead.

    python -m tools.address OWNER/rlvebm    the placeholder: takes out badges that lead nowhere
"""

import re
import sys
import tomllib
from pathlib import Path

import nbformat

from tools import notebooks

ROOT = Path(__file__).resolve().parent.parent
PLACEHOLDER = "OWNER/rlvebm"
FIXED = ("pyproject.toml", "README.md", "CONTRIBUTING.md", "CITATION.cff", "benchmarks/README.md")
BLOCK = re.compile(r"(<!-- badges\b.*?-->\n).*?(<!-- /badges -->)", re.DOTALL)
# A row of README's table of notebooks: all but its last column, and the notebook
ROW = re.compile(r"^(\| \[[^]]+\]\(notebooks/(\w+)\.ipynb\) \| .* \|) [^|]* \|$", re.MULTILINE)
# A notebook's line with its badge, in its text (after "# ") or in a cell
BADGE = re.compile(
    r"^((?:# )?)(?:\[!\[Open in Colab\]\([^)]*\)\]\([^)]*\)|\*Open in Colab: [^*\n]*\*)$",
    re.MULTILINE,
)
LATER = "*Open in Colab: here, after you publish (`make address TO=owner/name`).*"
COLAB = "https://img.shields.io/badge/open_in-Colab-f9ab00?logo=googlecolab"
SITE = "https://img.shields.io/badge/read-the_site-2b6cb0"


def address(root: Path = ROOT) -> str:
    """``owner/name`` as pyproject.toml has it."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return "/".join(project["urls"]["Repository"].rsplit("/", 2)[-2:])


def site(to: str) -> str:
    """Where GitHub Pages serves the site of ``owner/name``."""
    owner, name = to.split("/")
    return f"https://{owner.lower()}.github.io/{name}/"


def holders(root: Path = ROOT) -> list[Path]:
    """The files that may hold the address."""
    return [root / name for name in FIXED] + sorted((root / "notebooks").glob("*.py"))


def with_badges(readme: str, to: str) -> str:
    """README with the badges of this address; of the placeholder, with what to do instead."""
    if not (BLOCK.search(readme) and ROW.search(readme)):
        raise ValueError("README.md: expected a block of badges and a table of notebooks, got none")
    readme = ROW.sub(lambda row: f"{row[1]} {_of_notebook(row[2], to)} |", readme)
    return BLOCK.sub(lambda block: f"{block[1]}{_of_repository(to)}\n{block[2]}", readme)


def _of_repository(to: str) -> str:
    if to == PLACEHOLDER:
        what = "Here you open Colab, Binder and the site"
        return f"*{what}, after you publish: `make address TO=owner/name`.*"
    github, binder = f"https://github.com/{to}", f"https://mybinder.org/v2/gh/{to}/main"
    tests = f"{github}/actions/workflows/tests.yml"
    return "\n".join(
        [
            f"[![Read the site]({SITE})]({site(to)})",
            f"[![Launch Binder](https://mybinder.org/badge_logo.svg)]({binder}?urlpath=lab)",
            f"[![Tests]({tests}/badge.svg?branch=main)]({tests})",
        ]
    )


def _of_notebook(name: str, to: str) -> str:
    if to == PLACEHOLDER:
        return ""
    there = f"https://colab.research.google.com/github/{to}/blob/main/notebooks/{name}.ipynb"
    return f"[![Open in Colab]({COLAB})]({there})"


def with_badge(source: str, name: str, to: str) -> str:
    """The source of notebook ``name``, its text or one cell, with the badge of this address; of
    the placeholder, with what to do instead. A source without a badge stays as it is.
    """
    return BADGE.sub(lambda found: found[1] + (_of_notebook(name, to) or LATER), source)


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
        before = path.read_text(encoding="utf-8")
        text = before.replace(site(old), site(new)).replace(old, new)
        if path == root / "README.md":
            text = with_badges(text, new)
        elif path.suffix == ".py":
            text = with_badge(text, path.stem, new)
        if text != before:
            path.write_text(text, encoding="utf-8", newline="\n")
            changed.append(path.relative_to(root).as_posix())
            if path in notebooks.texts(root / "notebooks"):
                _move_executed(path.with_suffix(".ipynb"), old, new)
                changed.append(path.with_suffix(".ipynb").name)
    return changed


def _move_executed(path: Path, old: str, new: str) -> None:
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = with_badge(cell.source.replace(old, new), path.stem, new)
    notebooks.strip(notebook)
    notebooks.write(notebook, path)


if __name__ == "__main__":
    try:
        print("changed:", *move(*(sys.argv[1:2] or [""])))
    except ValueError as error:
        sys.exit(f"error: {error}. Usage: make address TO=owner/name")
