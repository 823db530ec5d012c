"""Train four times as long: which figures move, and does a verdict change?

    python -m tools.settled                   every notebook with trainings
    python -m tools.settled 03_lista          just this one

Each notebook whose trainings are written as ``length(…)`` is run anew, in memory, with all of them
four times as long. Trainings that are shipped, because a notebook could not wait for them, are made
anew as well, in a folder that can be kept (``--trained``). For each statement the figures of the
committed notebook and those of the long run are printed, and the verdicts. Exits with 1 if a
verdict is another one. It takes hours.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
from tqdm import tqdm

from rlvebm_utils.course import atoms, autoencoders, balls, families, few_labels, trainings
from rlvebm_utils.course.settled import ELSEWHERE, VARIABLE
from tools.notebooks import FOLDER, execute, texts

TIMES = 4
# Written by tools/NAME.py, in this order: few_labels needs autoencoders
FILES = (atoms, autoencoders, balls, families, few_labels, trainings)
SHIPPED = {one.__name__.rpartition(".")[2]: one.FILE for one in FILES}


@dataclass(frozen=True)
class Measured:
    """What a notebook shows of one statement."""

    verdict: str
    sentence: str


def measured(notebook) -> dict[str, Measured]:
    """The statements in the outputs of an executed notebook, by id."""
    found = {}
    for output in (o for cell in notebook.cells for o in cell.get("outputs", [])):
        if record := output.get("metadata", {}).get("rlvebm"):
            sentence = output["data"]["text/plain"].split(" · ", 2)[2]
            found[record["id"]] = Measured(record["verdict"], sentence)
    return found


def shipped(text: Path) -> list[str]:
    """The shipped trainings that a notebook reads, by the name of what writes them."""
    source = text.read_text(encoding="utf-8")
    return [name for name in SHIPPED if re.search(rf"^from .*\b{name}\b", source, re.MULTILINE)]


def trains(text: Path) -> bool:
    """Whether a notebook has trainings that can be made longer."""
    return bool(shipped(text) or re.search(r"\blength\(", text.read_text(encoding="utf-8")))


def longer(text: Path, folder: Path, times: float = TIMES) -> dict[str, Measured]:
    """What a notebook shows when its trainings are ``times`` as long.

    folder: where those lie that are shipped, ``times`` as long; what is missing there is trained.
    """
    environment = {**os.environ, VARIABLE: f"{times:g}", ELSEWHERE: str(folder)}
    for name in shipped(text):
        if not (target := folder / SHIPPED[name].name).exists():
            command = [sys.executable, "-m", f"tools.{name}", "--to", target]
            subprocess.run(command, env=environment, check=True)
    notebook = jupytext.read(text)
    cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    with tqdm(total=cells, desc=f"{text.stem}, {times:g} times as long", unit="cell") as bar:
        execute(notebook, text.parent, env=environment, on_cell=bar.update, timeout=4 * 3600)
    return measured(notebook)


def compare(now: dict[str, Measured], then: dict[str, Measured]) -> list[str]:
    """Print each statement that moved, both ways; return those whose verdict changed."""
    changed = [id for id in now if id not in then or now[id].verdict != then[id].verdict]
    for id, one in now.items():
        other = then.get(id, Measured("not shown", ""))
        if other == one:
            print(f"{id}: {one.verdict}, the same figures")
            continue
        print(f"{id}: {one.verdict}{' → ' + other.verdict if id in changed else ''}")
        print(f"    as committed:  {one.sentence}\n    trained longer: {other.sentence}")
    return changed


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Run the notebooks with longer trainings.")
    parser.add_argument("name", nargs="*", help="such as 03_lista (default: all that train)")
    parser.add_argument("--trained", type=Path, help="where longer trainings are kept")
    told, changed = parser.parse_args(arguments), []
    with tempfile.TemporaryDirectory() as folder:
        for text in [FOLDER / f"{name}.py" for name in told.name] or filter(trains, texts()):
            now = measured(nbformat.read(text.with_suffix(".ipynb"), as_version=4))
            changed += compare(now, longer(text, (told.trained or Path(folder)).absolute()))
    print(f"another verdict: {', '.join(changed) or 'none'}")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
