"""The panels of a notebook without the rest of it, and as pages that need no kernel.

    python -m tools.panels [FOLDER]     every panel of every notebook as a page in FOLDER (exports)

Dragging a slider, timing it and exporting it all start with a kernel that has run the notebook up
to the panel, and most of a notebook is not needed for that. ``only_panels`` keeps the cells tagged
``slider`` and, before them, the cells that set the names they use. What a call changes inside an
object cannot be read off the names, so the browser test compares what the panel then shows with
what the whole notebook showed; a cell that it misses is kept by the tag ``slider-setup``.
"""

import ast
import hashlib
import html
import math
import os
import re
import symtable
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import nbformat

from rlvebm_utils.course.live.ball import settled_data, write_ball_page
from rlvebm_utils.course.live.draw import write_draw_page
from rlvebm_utils.course.live.point import star_atoms, star_points, write_point_page
from rlvebm_utils.course.widgets import SliderPanel
from rlvebm_utils.course.widgets.page import HEAD
from rlvebm_utils.course.widgets.panel import places

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
LARGEST = 500_000  # bytes of an exported page
MOST = 400  # pictures in it: each has to be computed
INDEX = """<body>
<main style="max-width: 640px; margin: auto; padding: 1em; font: 16px/1.5 system-ui, sans-serif">
<h1>Sliders</h1>
{}
</main>
</body>
</html>
"""


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def only_panels(notebook):
    """A new notebook: the slider cells and the code cells that they need, in their order."""
    kept, needed = [], set()
    imported = {name for cell in _code(notebook) for name in _imports(ast.parse(cell.source))}
    for cell in reversed(list(_code(notebook))):
        statements = ast.parse(cell.source).body
        changed = {name for one in statements for name in _changes(one) - imported | _sets(one)}
        settings = any(_is_setting(one, imported) for one in statements)
        if {"slider", "slider-setup"} & set(tags(cell)) or changed & needed or settings:
            kept.insert(0, nbformat.v4.new_code_cell(cell.source, metadata=cell.metadata))
            for one in reversed(statements):
                needed = (needed - _sets(one) if _is_sure(one) else needed) | _reads(one)
    return nbformat.v4.new_notebook(cells=kept, metadata=notebook.metadata)


def stray_widgets(notebook) -> list[str]:
    """In a notebook just run: widgets that no test would move, one sentence each."""
    found = []
    for number, cell in enumerate(notebook.cells):
        panels = 0
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            text = data.get("text/plain", "")
            if WIDGET_VIEW not in data:
                continue
            if text.startswith("Live page “") and "live" in tags(cell):
                continue
            panels += text.startswith("Slider panel “")
            if not text.startswith("Slider panel “"):
                found.append(f"cell {number}: a widget outside of a slider panel: {text[:60]}")
            elif "slider" not in tags(cell):
                found.append(f"cell {number}: a slider panel, and the cell lacks the tag slider")
        if "slider" in tags(cell) and panels != 1:
            found.append(f"cell {number}: tagged slider, and shows {panels} panels")
    return found


def _code(notebook) -> Iterator:
    return (cell for cell in notebook.cells if cell.cell_type == "code")


def _imports(tree: ast.AST) -> set[str]:
    found = (node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom)))
    return {(one.asname or one.name).partition(".")[0] for node in found for one in node.names}


def _table(statement: ast.stmt) -> symtable.SymbolTable:
    return symtable.symtable(ast.unparse(statement), "cell", "exec")


def _reads(statement: ast.stmt) -> set[str]:
    """The notebook's names that a statement uses, those inside its functions included."""

    def within(table, top=False) -> set[str]:
        symbols = (one for one in table.get_symbols() if top or one.is_global())
        own = {one.get_name() for one in symbols if one.is_referenced()}
        return own.union(*map(within, table.get_children()))

    return within(_table(statement), top=True)


def _sets(statement: ast.stmt) -> set[str]:
    symbols = _table(statement).get_symbols()
    return {one.get_name() for one in symbols if one.is_assigned() or one.is_imported()}


def _is_sure(statement: ast.stmt) -> bool:
    """Whether it sets its names always, and without regard to what they were before."""
    return not isinstance(statement, (ast.AugAssign, ast.If, ast.For, ast.While, ast.Try))


def _is_setting(statement: ast.stmt, imported: set[str]) -> bool:
    """module.set_…(…) by itself, of an imported module: every cell below may depend on it."""
    if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)):
        return False
    module, _, name = ast.unparse(statement.value.func).partition(".")
    return module in imported and name.rpartition(".")[2].startswith("set_")


def _changes(statement: ast.stmt) -> set[str]:
    """The names of what it changes in place: a[i] = …, a.b = …, and the a of a.method(…)."""
    found = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            node = node.value.func
        elif not isinstance(getattr(node, "ctx", None), ast.Store):
            continue
        if isinstance(node, (ast.Attribute, ast.Subscript)):
            while not isinstance(node, ast.Name) and hasattr(node, "value"):
                node = node.value
            found.add(getattr(node, "id", ""))
    return found


def export_displayed(folder, name: str) -> list[Path]:
    """In a kernel: each panel that it has shown as FOLDER/name-0.html and so on, small enough."""
    return [
        _export(panel, Path(folder) / f"{name}-{place}.html")
        for place, panel in enumerate(SliderPanel.displayed.values())
    ]


def _export(panel, path: Path) -> Path:
    """With as many of its controls as fit into a page, the first ones first."""
    names = list(panel.controls)
    for count in range(len(names), 0, -1):
        for frames in (30, 20, 12):
            sizes = [len(places(panel.controls[name], frames)[0]) for name in names[:count]]
            if math.prod(sizes) > MOST:
                continue
            panel.export_html(path, over=names[:count], frames=frames)
            if path.stat().st_size < LARGEST:
                return path
            path.unlink()
    raise ValueError(f"{panel.title}: expected a page below {LARGEST} bytes, got more in 12 frames")


def write_index(folder: Path, titles: Mapping[str, str]) -> Path:
    """A page with a link to every page of the folder; titles: of the notebooks, by name."""
    rows = []
    for name, title in titles.items():
        rows += [f"<h2>{html.escape(title)}</h2>", "<ul>"]
        for page in sorted(folder.glob(f"{name}-*.html")):
            own = re.search("<title>(.*?)</title>", page.read_text("utf-8"))[1]
            rows.append(f'<li><a href="{page.name}">{own}</a></li>')
        rows.append("</ul>")
    path = folder / "index.html"
    path.write_text(HEAD.format(title="Sliders") + INDEX.format("\n".join(rows)), encoding="utf-8")
    return path


def made_by(notebook) -> str:
    """A digest of all that the pages of a notebook's panels are made from."""
    from tools.notebooks import ROOT

    files = sorted((ROOT / "rlvebm_utils").rglob("*.[pchtm]*")) + [Path(__file__)]
    parts = [path.read_bytes() for path in files if path.suffix in (".py", ".c", ".h", ".toml")]
    parts += [cell.source.encode() for cell in notebook.cells]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def main(folder: Path) -> None:
    """Write the pages that are missing, or older than what they are made from."""
    import jupytext

    from tools.notebooks import ROOT, execute, texts

    paths = filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    folder.mkdir(parents=True, exist_ok=True)
    titles = {}
    for text in texts():
        notebook = only_panels(jupytext.read(text))
        if not notebook.cells:
            continue
        titles[text.stem] = re.search("^# # (.*)", text.read_text("utf-8"), re.MULTILINE)[1]
        digest, known = made_by(notebook), folder / f"{text.stem}.digest"
        if not known.exists() or known.read_text() != digest:
            export = f"export_displayed({str(folder.resolve())!r}, {text.stem!r})"
            export = f"from tools.panels import export_displayed\n{export}"
            notebook.cells.append(nbformat.v4.new_code_cell(export))
            execute(notebook, text.parent, env=environment)
            known.write_text(digest)
            print(f"{text.stem}: {len(notebook.cells) - 1} cells run")
    write_draw_page(folder / "live-draw.html")
    write_point_page(folder / "live-point.html", star_atoms(), star_points(), lam=0.1)
    write_ball_page(folder / "live-ball.html", settled_data())
    titles["live"] = "In the page"
    print(f"{write_index(folder, titles)} written")


if __name__ == "__main__":
    main(Path(*sys.argv[1:] or ["exports"]))
