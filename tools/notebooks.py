"""Build the notebooks: run each text (.py) and write what it gives beside it (.ipynb).

    python -m tools.notebooks                          every notebook
    python -m tools.notebooks 02_sparse_coding_fista   just this one

The same text in the same environment gives the same bytes: nothing in the result depends on the
clock, on chance or on the machine. ``faults`` tells what is wrong with a pair; the tests insist
that it finds nothing.
"""

import argparse
import hashlib
import re
import sys
import time
from collections import Counter
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KEPT_METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}
# These tags and comments make nbval look away.
BLINDFOLDS = re.compile(
    r"nbval[-_](ignore[-_]output|skip|raises[-_]exception)|raises-exception"
    r"|pytest_validate_ignore_output",
    re.IGNORECASE,
)


def texts(folder: Path = FOLDER) -> list[Path]:
    """The notebooks' texts in reading order; a name that starts with ``_`` is not a notebook."""
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


def digests(notebook) -> list[str]:
    """For each code cell a digest of its source and of all code before it: what made its output."""
    running, result = hashlib.sha256(), []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            running.update(cell.source.encode() + b"\0")
            result.append(running.hexdigest()[:16])
    return result


def execute(notebook, folder: Path, *, env=None, on_cell=None, timeout: int = 600) -> None:
    """Run all cells in place, in a fresh kernel whose working directory is ``folder``.

    ``env`` is the kernel's environment (None: this process's); ``on_cell`` is called after each
    code cell. Raises nbclient's ``CellExecutionError`` at the first cell that fails.
    """
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
    )
    if on_cell is not None:
        client.on_cell_executed = lambda **_: on_cell()
    client.execute(**({} if env is None else {"env": env}))


def strip(notebook) -> None:
    """Take out what differs from run to run or needs a live kernel; name every cell by its text."""
    notebook.metadata = nbformat.from_dict(KEPT_METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    made_by, seen = iter(digests(notebook)), Counter()
    for cell in notebook.cells:
        name = hashlib.sha256(f"{cell.cell_type}\0{cell.source}".encode()).hexdigest()[:8]
        seen[name] += 1
        cell.id = name if seen[name] == 1 else f"{name}-{seen[name]}"
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type == "code":
            cell.metadata["rlvebm"] = {"made_by": next(made_by)}
            for output in cell.outputs:
                output.get("data", {}).pop(WIDGET_VIEW, None)
            # a progress bar that is done leaves an output without anything in it
            cell.outputs = [one for one in cell.outputs if one.get("data") != {}]


def build(text: Path) -> None:
    """Run one text and write its .ipynb; a cell that fails leaves the old file as it was."""
    notebook = jupytext.read(text)
    code_cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    with tqdm(total=code_cells, desc=text.stem, unit="cell") as bar:
        execute(notebook, text.parent, on_cell=bar.update)
    strip(notebook)
    write(notebook, text.with_suffix(".ipynb"))


def write(notebook, target: Path) -> None:
    """Put a notebook in its place, whole or not at all."""
    nbformat.validate(notebook)
    part = target.with_suffix(".part")
    part.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")
    part.replace(target)


def faults(text: Path) -> list[str]:
    """What is wrong with the pair of ``text``, one sentence each; an empty list if nothing is."""
    paired = text.with_suffix(".ipynb")
    missing = [path.name for path in (text, paired) if not path.exists()]
    if missing:
        return [f"{name} is missing" for name in missing]
    source, result = jupytext.read(text), jupytext.read(paired)
    found = []
    if len(source.cells) != len(result.cells):
        found.append(f"{len(source.cells)} cells in the text, {len(result.cells)} in the notebook")
    for number, (ours, theirs) in enumerate(zip(source.cells, result.cells, strict=False)):
        for aspect, a, b in (
            ("type", ours.cell_type, theirs.cell_type),
            ("source", ours.source, theirs.source),
            ("tags", ours.metadata.get("tags", []), theirs.metadata.get("tags", [])),
        ):
            if a != b:
                found.append(f"cell {number}: its {aspect} differs between text and notebook")
    return found + _faults_of_result(result)


def _faults_of_result(notebook) -> list[str]:
    found = []
    if "widgets" in notebook.metadata:
        found.append("the notebook holds widget state")
    made_by, count = iter(digests(notebook)), 0
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        count += 1
        if cell.execution_count != count:
            found.append(f"cell {number}: execution count {cell.execution_count}, expected {count}")
        if cell.metadata.get("rlvebm", {}).get("made_by") != next(made_by):
            found.append(f"cell {number}: its output was made by other source")
        if BLINDFOLDS.search(cell.source + " ".join(cell.metadata.get("tags", []))):
            found.append(f"cell {number}: asks the regression test to look away")
        for output in cell.outputs:
            if output.output_type == "error":
                found.append(f"cell {number}: shows an error, {output.ename}")
            if output.get("name") == "stderr":
                found.append(f"cell {number}: shows warnings: {output.text.strip()[:80]!r}")
            if WIDGET_VIEW in output.get("data", {}):
                found.append(f"cell {number}: holds a widget view, which no other session can show")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Run notebooks' texts and rewrite their .ipynb.")
    parser.add_argument("name", nargs="*", help="such as 02_sparse_coding_fista (default: all)")
    names = [Path(name).stem for name in parser.parse_args().name]
    chosen = [FOLDER / f"{name}.py" for name in names] or texts()
    for text in chosen:
        if not text.exists():
            parser.error(f"no {text.name} in {FOLDER.name}/")
    for text in chosen:
        start = time.perf_counter()
        try:
            build(text)
        except CellExecutionError as error:
            print(f"{text.name}: a cell failed, {text.stem}.ipynb is unchanged\n{error}")
            return 1
        print(f"{text.stem}.ipynb written, {time.perf_counter() - start:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
