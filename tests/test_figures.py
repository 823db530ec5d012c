"""What a figure says is recorded as data beside its picture: words, numbers, order."""

import json

import nbformat
import numpy as np
import pytest
from test_regression import differences

from rlvebm_utils.course.plots.content import MOST, content
from rlvebm_utils.course.plots.style import new_figure
from tools import notebooks


def drawn(change=lambda axes: None, **options):
    """The content of a figure with one of everything, but for the change."""
    say = dict(title="up", x="λ", first="a", second="b", heights=[1, 2, 3]) | options
    say = dict(ticks=("low", "high"), bars=("one", "two", "three")) | say
    figure, (left, right) = new_figure(1, 2)
    x = np.linspace(0, 1, 300)
    left.plot(x, x**2, label=say["first"])
    left.plot(x, 1 - x, "--", color="#123456", label=say["second"])
    left.fill_between(x, x, 2 * x)
    left.scatter([0.1, 0.2], [0.3, 0.4], c=["#ff0000", "#00ff00"], label="dots")
    left.set(title=say["title"], xlabel=say["x"], ylabel="energy", ylim=(0, 2))
    left.set_xticks([0, 1], say["ticks"])
    left.text(0.5, 0.5, "here")
    left.legend()
    right.bar(say["bars"], say["heights"])
    right.imshow(np.eye(3), vmin=0, vmax=1)
    change(left)
    return json.loads(content(figure))


CHANGES = {
    "title": dict(title="down"),
    "label": dict(x="μ"),
    "swapped names": dict(first="b", second="a"),
    "a height": dict(heights=[1, 2, 3.1]),
    "two heights": dict(heights=[2, 1, 3]),
    "words at ticks": dict(ticks=("high", "low")),
    "names of bars": dict(bars=("two", "one", "three")),
    "limits": dict(change=lambda axes: axes.set_ylim(0, 3)),
    "scale": dict(change=lambda axes: axes.set_yscale("symlog")),
    "axis upside down": dict(change=lambda axes: axes.invert_yaxis()),
    "a curve": dict(change=lambda axes: axes.lines[0].set_ydata(np.linspace(0, 1, 300) ** 3)),
    "a colour": dict(change=lambda axes: axes.lines[1].set_color("#123457")),
    "a dash": dict(change=lambda axes: axes.lines[1].set_linestyle("-")),
    "a dot": dict(change=lambda axes: axes.collections[1].set_offsets([[0.1, 0.3], [0.2, 0.5]])),
    "colours of dots": dict(change=lambda axes: axes.collections[1].set_facecolor("#ff0000")),
    "a text": dict(change=lambda axes: axes.texts[0].set_text("there")),
    "its place": dict(change=lambda axes: axes.texts[0].set_position((0.5, 0.6))),
    "no legend": dict(change=lambda axes: axes.get_legend().remove()),
    "a curve more": dict(change=lambda axes: axes.axhline(1)),
}


def recorded(drawing):
    output = nbformat.v4.new_output(
        "display_data", {"text/plain": ""}, metadata={"drawn": json.dumps(drawing)}
    )
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=[output])])


def test_the_same_figure_says_the_same():
    assert drawn() == drawn()
    assert differences(recorded(drawn()), recorded(drawn())) == []
    nearly = drawn(heights=[1, 2, 3.001])
    assert nearly != drawn() and differences(recorded(drawn()), recorded(nearly)) == []


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_told(change):
    (told, *_) = differences(recorded(drawn()), recorded(drawn(**CHANGES[change])))
    assert told.startswith("cell 0: the figure") and " became " in told


def test_a_figure_without_content_is_told():
    for pair in ((drawn(), None), (None, drawn())):
        assert differences(*map(recorded, pair)) != []


def test_long_curves_are_thinned():
    (x, y) = drawn()[0]["lines"][0][-2:]
    assert len(x) == len(y) == MOST and (x[0], x[-1], y[-1]) == (0, 1, 1)


@pytest.mark.parametrize("text", notebooks.texts(), ids=lambda text: text.stem)
def test_every_picture_of_a_notebook_has_its_content(text):
    """Those of the panels at rest apart: they are pixels,
    and drawn by parts with tests of theirs."""
    notebook = nbformat.read(text.with_suffix(".ipynb"), as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}) and "slider" not in cell.metadata.get(
                "tags", []
            ):
                assert json.loads(output.metadata["drawn"]), cell.source[:80]
