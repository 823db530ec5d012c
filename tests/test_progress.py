"""The progress bar in a notebook: one place in each cell, and nothing left when it is done."""

import sys

import ipywidgets
import nbformat
import pytest
import traitlets
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from rlvebm_utils import progress, track
from tools import notebooks


@pytest.fixture
def shell(monkeypatch):
    """An IPython that displays, as in a notebook."""
    monkeypatch.setattr(progress, "_in_notebook", lambda: True)
    monkeypatch.setattr(progress._Place, "last", None)
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def shown(run) -> list[tuple[bool, bool]]:
    """Of each message to the page: whether it changes an output that is there, and shows a bar."""
    with capture_output() as captured:
        run()
    assert captured.stdout == captured.stderr == ""
    messages = captured._outputs
    assert len({one["transient"]["display_id"] for one in messages}) == 1, "one place"
    assert all(one["data"].keys() <= {progress.WIDGET_VIEW} for one in messages)
    return [(one["update"], bool(one["data"])) for one in messages]


def test_a_bar_comes_and_goes(shell):
    seen = []
    assert shown(lambda: seen.extend(track(range(3), "steps"))) == [(False, True), (True, False)]
    assert seen == [0, 1, 2]


def test_a_bar_fills(shell, monkeypatch):
    """The widget itself, before it is closed."""
    told = []
    close = progress._Place.remove

    def remove(place, row):
        label, bar, count = row.children
        told.append((label.value, bar.value, bar.max, count.value))
        close(place, row)

    monkeypatch.setattr(progress._Place, "remove", remove)
    shown(lambda: list(track(range(3), "steps")))
    assert told == [("steps", 3, 3, "3 of 3")]


def test_many_quick_steps_are_few_messages(shell, monkeypatch):
    """Where thousands of messages wait, Jupyter drops some: a cell's output among them."""
    now, sent = [0.0], []

    class Bar(ipywidgets.IntProgress):
        @traitlets.observe("value")
        def _note_value(self, _):
            sent.append("value")

    monkeypatch.setattr(ipywidgets, "IntProgress", Bar)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])

    def run():
        for _ in track(range(5000), "steps"):
            now[0] += 0.001
            sent.append("step")

    shown(run)
    assert 50 <= sent.count("value") <= 52, "ten a second"
    assert sent[-2:] == ["step", "value"], "the last step is told"


def test_bars_one_after_the_other_share_a_place(shell):
    def run():
        for _ in range(3):
            list(track(range(2), "steps"))

    assert shown(run) == [(False, True), (True, False), *2 * [(True, True), (True, False)]]


def test_a_bar_within_a_bar_takes_its_place(shell):
    def run():
        for _ in track(range(1), "outside"):
            list(track(range(2), "inside"))

    assert shown(run) == [(False, True), (True, True), (True, True), (True, False)]


def test_the_next_cell_has_a_place_of_its_own(shell):
    first = progress._Place.of_this_cell()
    assert progress._Place.of_this_cell() is first
    shell.execution_count += 1
    assert progress._Place.of_this_cell() is not first


def test_a_loop_that_is_left_takes_its_bar_along(shell):
    def run():
        for _ in track(range(3), "steps"):
            break

    assert shown(run)[-1] == (True, False)


def test_nothing_is_recorded(tmp_path):
    source = "from rlvebm_utils import track\nprint(sum(track(range(4), 'adding')))"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    notebooks.execute(notebook, tmp_path)
    notebooks.strip(notebook)
    (printed,) = notebook.cells[0].outputs
    assert printed.text == "6\n"


def test_elsewhere_it_is_a_bar_of_text(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", None)
    assert list(track(range(3), "steps")) == [0, 1, 2]
    assert list(track(range(3), "steps", show=False)) == [0, 1, 2]
    assert capsys.readouterr() == ("", ""), "a moment's work draws nothing"


def test_without_widgets_there_is_text(shell, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with capture_output(stderr=False) as captured:
        steps = track(range(3), "steps")
        assert list(steps) == [0, 1, 2]
    assert not captured._outputs
