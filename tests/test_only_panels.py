"""The cells that a panel needs,
and no others: what they leave is what the whole notebook leaves."""

import re

import nbformat
import numpy as np
import pytest
import torch

from rlvebm_utils import Dictionary
from rlvebm_utils.course.widgets import SliderPanel, Stems, stops
from rlvebm_utils.course.widgets.dual import dual_point
from rlvebm_utils.course.widgets.live import LivePage
from rlvebm_utils.course.widgets.point import drag_point
from tools.panels import _export, export_displayed, only_panels

# Cells before the panel, which shows a; a cell that begins with "# not" is not needed
BEFORE = {
    "a name": ["# not\nb = 1", "a = 2"],
    "set anew": ["# not\na = 1", "a = 2"],
    "set under a condition": ["a = 1", "if False:\n    a = 2"],
    "set in a loop that may not run": ["a = 1", "for a in []:\n    pass"],
    "set while": ["a = 1", "while a > 5:\n    a = 0"],
    "set in a try": ["a = 1", "try:\n    a = 1 / 0\nexcept ZeroDivisionError:\n    pass"],
    "added to": ["a = 1", "a += 1"],
    "an entry": ["a = [1, 2]", "a[0] = 5"],
    "an attribute": ["class A: pass", "a = A()", "a.b = 3", "# not\nc = a.b"],
    "a method": ["a = [1]", "a.append(2)"],
    "inside a function": ["k = 3", "def double(x):\n    return k * x", "a = double(4)"],
    "a name of the function's own": [
        "# not\nx = 7",
        "def one():\n    x = 1\n    return x",
        "a = one()",
    ],
    "imported": ["# not\nimport os", "from math import pi", "a = pi"],
    "a setting of a module": [
        "import math\nmath.set_side = lambda side: setattr(math, 'side', side)",
        "# not\nmath.dist([1], [2])",
        "math.set_side(3)",
        "from math import side\na = side",
    ],
    "two targets": ["a, b = 1, 2", "# not\nb = 5"],
}


def cells_of(*sources, tags=()):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    panel = nbformat.v4.new_code_cell("shown = repr(vars(a) if hasattr(a, 'b') else a)")
    panel.metadata["tags"] = ["slider"]
    for place in tags:
        cells[place].metadata["tags"] = ["slider-setup"]
    text = nbformat.v4.new_markdown_cell("words")
    return nbformat.v4.new_notebook(cells=[text, *cells, panel, nbformat.v4.new_code_cell("a = 0")])


def shown(cells) -> str:
    names = {}
    for cell in cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
    return names["shown"]


@pytest.mark.parametrize("case", BEFORE)
def test_what_is_needed_and_no_more(case):
    notebook = cells_of(*BEFORE[case])
    kept = only_panels(notebook).cells
    assert shown(kept) == shown(notebook.cells)
    needed = [source for source in BEFORE[case] if not source.startswith("# not")]
    assert [cell.source for cell in kept[:-1]] == needed
    assert kept[-1].metadata["tags"] == ["slider"]


def test_a_cell_can_be_kept_by_its_tag():
    """What no name tells: a change made through another name."""
    sources = ["a = [1]", "b = a", "b.append(2)"]
    assert shown(only_panels(cells_of(*sources)).cells) == "[1]"
    tagged = cells_of(*sources, tags=[2])
    assert shown(only_panels(tagged).cells) == shown(tagged.cells) == "[1, 2]"


def test_live_pages_are_kept_where_they_are_asked_for():
    notebook = cells_of("a = 1", "b = 2\n# a live page", "# the end")
    notebook.cells[2].metadata["tags"] = ["live"]
    sources = [cell.source for cell in only_panels(notebook, ("slider", "live")).cells]
    assert sources[:2] == ["a = 1", "b = 2\n# a live page"] and "# the end" not in sources
    assert "b = 2\n# a live page" not in [cell.source for cell in only_panels(notebook).cells]


def test_what_a_kernel_has_shown_is_exported(tmp_path, monkeypatch, capsys):
    """Slider panels and live pages, each kind numbered by itself, in the notebook's order."""
    monkeypatch.setattr(SliderPanel, "displayed", {})
    monkeypatch.setattr(LivePage, "displayed", {})
    W, y = torch.eye(2, dtype=torch.float64), torch.tensor([1.0, 0.5], dtype=torch.float64)
    panel = SliderPanel(
        lambda a: {"z": np.array([a + 1.0])},
        lambda state: [Stems(state["z"], "z", "entries", 30.0)],
        {"a": stops([0, 1], 0, label="a")},
    )
    live = [dual_point(W, y, lam=0.3), drag_point(Dictionary(W), y[None], lam=0.2)]
    for one in (live[0], panel, live[1]):
        one._ipython_display_()
    paths = export_displayed(tmp_path, "02")
    assert [path.name for path in paths] == ["02-0.html", "02-live-0.html", "02-live-1.html"]
    for path, title in zip(paths[1:], ("Drag u", "Drag y"), strict=True):
        assert f"<title>{title}" in path.read_text(encoding="utf-8")


def test_a_page_has_as_many_controls_as_fit(tmp_path):
    """All where there is room for their pictures, else the first ones."""

    def panel(stops_each: int):
        values = list(range(stops_each))
        scale = {name: stops(values, 0, label=name) for name in ("a", "b", "c")}
        return SliderPanel(
            lambda a, b, c: {"z": np.array([a, b, c]) + 1.0},
            lambda state: [Stems(state["z"], "z", "entries", 30.0)],
            scale,
            readouts=lambda state: {"sum": int(state["z"].sum())},
            alt=lambda state: f"z = {state['z'].tolist()}",
            title="three controls",
            headline="sum",
        )

    for each, shown in ((3, ["a", "b", "c"]), (15, ["a", "b"])):
        page = _export(panel(each), tmp_path / f"{each}.html").read_text("ascii")
        assert re.findall(r"<label>(\w) <", page) == shown, each
