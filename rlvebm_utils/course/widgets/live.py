"""What all live pages share: how a notebook shows one, and which ones it has shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar
from weakref import WeakValueDictionary

from ..extras import require
from ..plots.style import show
from .panel import RUN, in_voila

anywidget = require("anywidget", "what is moved in the page")


class LivePage(anywidget.AnyWidget):
    """A widget that computes everything in the page, with the kernel or without.

    A subclass has a ``title``, says what a reader ``can`` do with it ("drag", "draw"), gives a
    ``still_figure()`` with its words, for a page without a kernel, and writes itself as a file,
    ``export_html(path)``. ``LivePage.displayed`` holds those that this kernel has shown, in their
    order.
    """

    displayed: ClassVar[Mapping[str, LivePage]] = WeakValueDictionary()
    title: ClassVar[str] = ""
    can: ClassVar[str] = "drag"

    def _ipython_display_(self, **_) -> None:
        """Show the widget and, under it, the figure at rest."""
        from IPython.display import display

        self.displayed[self.model_id] = self
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        text = f"Live page “{self.title}”: to {self.can}, {RUN}."
        display({"text/plain": text, "application/vnd.jupyter.widget-view+json": view}, raw=True)
        if not in_voila():
            self.show_at_rest()

    def show_at_rest(self) -> None:
        """Show the figure under the widget."""
        show(*self.still_figure())
