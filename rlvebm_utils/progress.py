"""A progress bar for what takes long: a widget in a notebook, tqdm in a terminal."""

import sys
import time
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import TypeVar

Step = TypeVar("Step")
# Seconds between two messages to the page. Jupyter drops messages when thousands wait to be read,
# and with them what the cell has to say.
BETWEEN = 0.1
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def track(steps: Iterable[Step], label: str, show: bool = True) -> Iterator[Step]:
    """Iterate over ``steps`` (of known length) and show how far it is.

    In a notebook a bar moves under the cell while it runs, and leaves nothing behind: not on the
    page, and not in the file. A bar inside a bar takes its place until it is done. Elsewhere, and
    without ipywidgets, tqdm draws its bar on stderr when the run takes more than two seconds.
    """
    if not show:
        return iter(steps)
    if _in_notebook() and find_spec("ipywidgets"):
        return _notebook_bar(steps, label)
    from tqdm import tqdm

    return iter(tqdm(steps, desc=label, delay=2))


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")  # never imported for this
    return hasattr(ipython and ipython.get_ipython(), "kernel")


def _notebook_bar(steps, label: str) -> Iterator:
    from ipywidgets import HTML, HBox, IntProgress

    bar, count = IntProgress(max=len(steps)), HTML()
    place, row = _Place.of_this_cell(), HBox([HTML(label), bar, count])
    place.show(row)
    due = 0.0
    try:
        for done, step in enumerate(steps, start=1):
            yield step
            if time.monotonic() >= due or done == len(steps):
                bar.value, count.value = done, f"{done} of {len(steps)}"
                due = time.monotonic() + BETWEEN
    finally:
        place.remove(row)


class _Place:
    """Where the bars of one cell stand: one output, which shows the last one that is not done."""

    last = None

    @classmethod
    def of_this_cell(cls) -> "_Place":
        from IPython import get_ipython

        cell = get_ipython().execution_count
        if cls.last is None or cls.last.cell != cell:
            cls.last = cls(cell)
        return cls.last

    def __init__(self, cell: int):
        from IPython.display import DisplayHandle

        self.cell, self.rows, self.output, self.shown = cell, [], DisplayHandle(), False

    def show(self, row) -> None:
        self.rows.append(row)
        self._show_last()

    def remove(self, row) -> None:
        self.rows.remove(row)
        self._show_last()
        for widget in (*row.children, row):
            widget.close()

    def _show_last(self) -> None:
        """No text beside the view: nothing but the view is there to be recorded, and it goes."""
        data = {}
        if self.rows:
            view = {"version_major": 2, "version_minor": 0, "model_id": self.rows[-1].model_id}
            data = {WIDGET_VIEW: view}
        (self.output.update if self.shown else self.output.display)(data, raw=True)
        self.shown = True
