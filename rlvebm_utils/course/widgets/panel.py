"""One slider panel for the whole course: controls, a function of their values, a moving picture."""

from __future__ import annotations

import html
import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import ClassVar
from weakref import WeakValueDictionary

import ipywidgets
import numpy as np

from .page import STYLE, PageControl, frame_html, write_page
from .parts import number

# A panel's cell alone, in a fresh kernel, is a NameError, and Jupyter has cleared what stood under
# it by then: nothing of ours runs before. So the panel at rest says what comes first.
RUN = "run all cells above, then this one"


def log_slider(
    low: float, high: float, start: float, *, label: str = "λ", step: float = 0.025
) -> ipywidgets.FloatLogSlider:
    """A slider that is even in log λ: one `step` is a factor of 10^step (0.025: 6 %), or nearly,
    so that `start` is one of its stops.
    """
    if not 0 < low <= start <= high or low == high:
        raise ValueError(
            f"low, start, high: expected 0 < low ≤ start ≤ high, got {low}, {start}, {high}"
        )
    below = np.log10(start / low)
    return ipywidgets.FloatLogSlider(
        value=start,
        base=10,
        min=np.log10(low),
        max=np.log10(high),
        step=below / max(round(below / step), 1) or step,
        description=label,
        readout_format=".3g",
        style={"description_width": "initial"},
        layout={"flex": "1 1 300px", "width": "auto"},
    )


def linear_slider(
    low: float, high: float, start: float, *, label: str, step: float, digits: int = 2
) -> ipywidgets.FloatSlider:
    """A slider that is even in its value. digits: how many the read-out has after the point."""
    if not low <= start <= high or low == high or not step > 0:
        raise ValueError(
            f"low, start, high, step: expected low ≤ start ≤ high and step > 0, "
            f"got {low}, {start}, {high}, {step}"
        )
    return ipywidgets.FloatSlider(
        value=start,
        min=low,
        max=high,
        step=step,
        description=label,
        readout_format=f".{digits}f",
        style={"description_width": "initial"},
        layout={"flex": "1 1 300px", "width": "auto"},
    )


def stops(values: Sequence[float], start: float, *, label: str) -> ipywidgets.SelectionSlider:
    """A slider that stands at these values and nowhere between, at equal distances: for what was
    computed beforehand.
    """
    if start not in values:
        raise ValueError(f"start: expected one of {list(values)}, got {start!r}")
    return ipywidgets.SelectionSlider(
        options=[(number(value), value) for value in values],
        value=start,
        description=label,
        style={"description_width": "initial"},
        layout={"flex": "1 1 200px", "width": "auto"},
    )


def check_box(label: str, value: bool = False) -> ipywidgets.Checkbox:
    """A box to tick; its value is True or False."""
    return ipywidgets.Checkbox(value=value, description=label, indent=False)


def picker(names: Sequence[str], *, label: str = "example") -> ipywidgets.Dropdown:
    """A list to pick an example from; its value is the position in `names`, from 0."""
    if not names:
        raise ValueError("names: expected at least one example to pick, got none")
    return ipywidgets.Dropdown(
        options=[(str(name), place) for place, name in enumerate(names)],
        description=label,
        style={"description_width": "initial"},
        layout={"width": "auto", "min_width": "150px"},
    )


class SliderPanel:
    """Drag a slider, see what follows.

    - ``compute(**values) -> dict``: arrays (and numbers) from the values of the controls, by name.
    - ``draw(arrays)``: list of parts (`Picture`, `Stems`, `Strip`); it also finds the values there.
    - ``controls``: name -> an ipywidgets control, from `log_slider`, `picker` or ipywidgets itself.
    - ``readouts(arrays)``: label -> number or text, shown above the picture.
    - ``alt(arrays)``: the picture in words, for screen readers; the values of the controls and the
      read-outs if left out.
    - ``title``: what there is to see.
    - ``headline``: the label of the read-out that matters most; a screen reader says it at the
      slider.

    For a figure that reads well without a kernel, `stills` names the values that it shows, as
    (name of the control, list of values): one column each, under the panel.

    The panel is drawn anew whenever a control changes. While it draws, only the newest values
    count: ipywidgets sends the next ones when the kernel is done with the last, and what changes
    during a drawing leads to one more, with the values it finds then. An exception in `compute`,
    `draw`, `readouts` or `alt` is shown in place of the picture, and kept in `.error`; so is the
    interrupt of the notebook's stop button.

    `SliderPanel.displayed` holds the panels that this kernel has shown, in their order.
    """

    displayed: ClassVar[Mapping[str, SliderPanel]] = WeakValueDictionary()

    def __init__(
        self,
        compute: Callable[..., Mapping],
        draw: Callable[[Mapping], Sequence],
        controls: Mapping[str, ipywidgets.ValueWidget],
        *,
        readouts: Callable[[Mapping], Mapping] | None = None,
        alt: Callable[[Mapping], str] | None = None,
        title: str = "Slider panel",
        headline: str | None = None,
        stills: tuple[str, Sequence[float]] | None = None,
    ):
        for name, function in {"compute": compute, "draw": draw}.items():
            if not callable(function):
                raise TypeError(f"{name}: expected a function, got {type(function).__name__}")
        for name, control in dict(controls).items():
            if not hasattr(control, "observe") or not hasattr(control, "value"):
                kind = type(control).__name__
                raise TypeError(f"controls[{name!r}]: expected an ipywidgets control, got {kind}")
        if not controls:
            raise ValueError("controls: expected at least one slider, got none")
        if stills is not None and stills[0] not in controls:
            raise ValueError(f"stills: expected one of {list(controls)}, got {stills[0]!r}")
        self.compute, self.draw, self.controls = compute, draw, dict(controls)
        self.readouts, self.alt, self.title = readouts, alt, title
        self.headline, self.stills = headline, stills
        self.error: BaseException | None = None
        self._start = self.values
        self._drawing = self._due = self._resetting = False
        self._guard = Lock()
        self._build()
        self.redraw()

    # ------------------------------------------------------------------------- the widget

    def _build(self) -> None:
        reset = ipywidgets.Button(description="Reset", layout={"width": "80px"})
        reset.on_click(lambda _: self.reset())
        row = ipywidgets.HBox(
            [*self.controls.values(), reset],
            layout={"flex_flow": "row wrap", "align_items": "center", "width": "100%"},
        )
        row.add_class("rlv-controls")  # stays in sight while the picture under it is scrolled
        heading = ipywidgets.HTML(
            f'{STYLE}<h4 class="rlv-title">{html.escape(self.title)}</h4>',
            layout={"margin": "0"},
        )
        self._picture = ipywidgets.HTML(layout={"width": "100%", "margin": "0"})
        self.reset_button = reset
        self.widget = ipywidgets.VBox(
            [heading, row, self._picture], layout={"width": "100%", "max_width": "940px"}
        )
        self.widget.add_class("rlv-panel")
        for control in self.controls.values():
            control.observe(self._on_change, names="value")

    def _on_change(self, _change) -> None:
        self.redraw()

    @property
    def values(self) -> dict:
        """What the controls say now, by name."""
        return {name: control.value for name, control in self.controls.items()}

    @property
    def html(self) -> str:
        """What the panel shows now."""
        return self._picture.value

    def reset(self) -> None:
        """Put every control back to where it started; one drawing for all of them."""
        self.set(**self._start)

    def set(self, **values) -> None:
        """Put controls to these values; one drawing for all of them."""
        self._resetting = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self._resetting = False
        self.redraw()

    # ------------------------------------------------------------------------- the drawing

    def redraw(self) -> None:
        """Compute and draw what the controls say now; the picture changes in one assignment."""
        with self._guard:
            self._due = True
            if self._drawing or self._resetting:
                return  # the drawing that is under way sees to it, or the one after the reset
            self._drawing = True
        try:
            while self._is_due():
                self._picture.value = self._compose()
        except BaseException:
            self._drawing = False
            raise

    def _is_due(self) -> bool:
        """Whether to draw once more. JupyterLab may move two controls in two threads at once:
        asking and saying that the drawing is over are one step, or a change between is lost.
        """
        with self._guard:
            self._drawing, self._due = self._due, False
            return self._drawing

    def _compose(self) -> str:
        values = self.values
        try:
            frame = self._frame(values)
        except (Exception, KeyboardInterrupt) as error:  # the reader sees it, never a stale picture
            self.error = error
            return self._error_html(error, values)
        self.error = None
        return frame

    def _frame(self, values: Mapping) -> str:
        arrays = self.state(**values)
        tiles = [part.html() for part in self.draw(arrays)]
        shown = self.shown(arrays)
        return frame_html(shown, tiles, self.alt_text(arrays), self._spoken(values, shown))

    def state(self, **values) -> dict:
        """The arrays that `compute` returns for these values, and the values themselves."""
        return {**values, **self.compute(**values)}

    def alt_text(self, arrays: Mapping) -> str:
        """The picture in words."""
        if self.alt is not None:
            return self.alt(arrays)
        values = (self._said(name, arrays[name]) for name in self.controls)
        shown = (f"{label} {text}" for label, text in self.shown(arrays).items())
        return f"{self.title}, {', '.join(values)}: {', '.join(shown)}"

    def shown(self, arrays: Mapping) -> dict[str, str]:
        """The read-outs as text, by label."""
        if self.readouts is None:
            return {}
        named = self.readouts(arrays)
        return {label: v if isinstance(v, str) else number(v) for label, v in named.items()}

    def _spoken(self, values: Mapping, shown: Mapping[str, str]) -> dict[str, str]:
        """What a screen reader says at each slider: its value, then the read-out that matters."""
        more = f"; {self.headline}: {shown[self.headline]}" if self.headline else ""
        return {
            self.controls[name].description: self._plain(name, value) + more
            for name, value in values.items()
        }

    def _said(self, name: str, value) -> str:
        return f"{self.controls[name].description or name} = {self._plain(name, value)}"

    def _plain(self, name: str, value) -> str:
        """A control's value for a reader: a number in three digits, a choice by name."""
        for option in getattr(self.controls[name], "options", ()):
            if isinstance(option, tuple) and option[1] == value:
                return str(option[0])
        return number(value) if isinstance(value, (int, float)) else str(value)

    def _error_html(self, error: BaseException, values: Mapping) -> str:
        where = ", ".join(self._said(name, value) for name, value in values.items())
        text = html.escape(f"{type(error).__name__}: {error}")
        return (
            f'<div class="rlv-error" role="alert"><strong>No picture for {html.escape(where)}'
            f"</strong><pre>{text}</pre></div>"
        )

    # ------------------------------------------------------------- in a notebook, on a page

    def _ipython_display_(self) -> None:
        """Show the panel and, under it, a figure that says the same without a kernel."""
        from IPython.display import display

        self.displayed[self.widget.model_id] = self
        # The text is ours: the widgets' own differs between ipywidgets 7 and 8.
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        text = f"Slider panel “{self.title}”: to move it, {RUN}."
        display({"text/plain": text, "application/vnd.jupyter.widget-view+json": view}, raw=True)
        if self.stills is not None and not in_voila():
            from ..plots.style import show

            show(*self.still_figure())

    def still_figure(self):
        """(figure, its words): one column for each value of `stills`, one row for each part."""
        from .stills import still_figure

        return still_figure(self)

    def export_html(self, path, *, over: Sequence[str] = (), frames: int = 30) -> Path:
        """Write the panel as one HTML file that needs no kernel and no network.

        Its controls are those named in `over` (the first slider alone, if left out); the others
        stay as they are. A slider has at most `frames` places, evenly spread, and there is a
        picture, made beforehand, for every choice of places. Returns the path.
        """
        sliders = [name for name, one in self.controls.items() if _is_slider(one)]
        over = list(over) or sliders[:1]
        if not over or not set(over) <= self.controls.keys():
            raise ValueError(f"over: expected some of {list(self.controls)}, got {over}")
        if frames < 2:
            raise ValueError(f"frames: expected at least 2, got {frames}")
        values = [places(self.controls[name], frames) for name in over]
        controls = []
        for name, (at, start) in zip(over, values, strict=True):
            said = [self._plain(name, value) for value in at]
            label = self.controls[name].description
            controls.append(PageControl(label, said, start, name in sliders))
        choices = itertools.product(*(at for at, _ in values))
        pictures = (self._page_frame(dict(zip(over, one, strict=True))) for one in choices)
        return write_page(Path(path), self.title, controls, pictures)

    def _page_frame(self, values: Mapping) -> tuple[dict[str, str], list[str], str]:
        arrays = self.state(**self.values | values)
        return self.shown(arrays), [p.html() for p in self.draw(arrays)], self.alt_text(arrays)


class Scene:
    """A panel's picture as one object: what it needs is in its attributes, and four methods say
    what :class:`SliderPanel` asks for. A class in place of four functions, where they share much.
    """

    def compute(self, **values) -> Mapping:
        """The arrays for these values of the controls."""
        raise NotImplementedError("compute")

    def draw(self, a: Mapping) -> Sequence:
        """The parts of the picture."""
        raise NotImplementedError("draw")

    def readouts(self, a: Mapping) -> Mapping:
        """Label → number or text."""
        raise NotImplementedError("readouts")

    def alt(self, a: Mapping) -> str:
        """The picture in words."""
        raise NotImplementedError("alt")

    def panel(self, controls: Mapping, **options) -> SliderPanel:
        """The panel; options: title, headline and stills, as for :class:`SliderPanel`."""
        ours = {"readouts": self.readouts, "alt": self.alt}
        return SliderPanel(self.compute, self.draw, controls, **ours, **options)


def _is_slider(control) -> bool:
    return hasattr(control, "min") or isinstance(control, ipywidgets.SelectionSlider)


def places(control, frames: int) -> tuple[list, int]:
    """Values evenly along a slider, or all that can be chosen; and which is nearest to its own."""
    if isinstance(control.value, bool):
        return [False, True], int(control.value)
    if not hasattr(control, "min"):
        values = [one[1] if isinstance(one, tuple) else one for one in control.options]
        count = min(frames, len(values)) if _is_slider(control) else len(values)
        chosen = np.unique(np.rint(np.linspace(0, len(values) - 1, count)).astype(int))
        start = int(np.abs(chosen - values.index(control.value)).argmin())
        return [values[place] for place in chosen], start
    grid = np.linspace(control.min, control.max, frames)
    if hasattr(control, "base"):
        grid = control.base**grid
    if isinstance(control.value, int):
        grid = np.unique(np.rint(grid).astype(int))
    return grid.tolist(), int(np.abs(grid - control.value).argmin())


def in_voila() -> bool:
    """Whether the page is Voila's, which always has a kernel and shows no code."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila/")
