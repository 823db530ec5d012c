"""The cells that a panel needs,
and no others: what they leave is what the whole notebook leaves."""

import nbformat
import pytest

from tools.panels import only_panels

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
