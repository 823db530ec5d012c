"""Notebooks to hand out: the exercises without their solutions, nothing run yet.

python -m tools.student [FOLDER]     a copy of each notebook in FOLDER (student)
"""

import sys
from pathlib import Path

import jupytext
import nbformat

from tools.notebooks import ROOT, strip, texts

SOLUTION = "<summary>Solution</summary>"


def without_solutions(notebook):
    """A new notebook: no cell that holds a folded solution, no outputs."""
    cells = [cell for cell in notebook.cells if SOLUTION not in cell.source]
    kept = nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)
    strip(kept)
    return kept


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for text in texts():
        path = folder / f"{text.stem}.ipynb"
        notebook = without_solutions(jupytext.read(text))
        nbformat.write(notebook, path)
    print(f"{len(texts())} notebooks without solutions in {folder}")


if __name__ == "__main__":
    main(Path(*sys.argv[1:] or [ROOT / "student"]))
