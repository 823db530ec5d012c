"""What the reader of a panel can keep: its settings as a line of text, its figure as a file."""

from __future__ import annotations

import base64
import html
import io
import os
import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlencode

import ipywidgets

from ..plots.style import styled, to_png
from .panel import SliderPanel, in_voila

PASTE = "To open them again: paste the line here and press Enter."
_MEDIA = {"png": "image/png", "svg": "image/svg+xml"}
# A picture that cannot load is the hook: the link above it is followed at once. Where this is not
# allowed to run, the link is still there.
_CLICK = (
    '<img hidden alt="" src="data:," onerror="this.parentElement.querySelector(\'a\').click()">'
)


# -------------------------------------------------------------------------- the settings as text


def settings_of(panel: SliderPanel) -> dict[str, str]:
    """What each control says, as text by its name."""
    return {name: _written(control) for name, control in panel.controls.items()}


def _written(control) -> str:
    chosen = (str(said) for said, value in _options(control) if value == control.value)
    return next(chosen, f"{control.value:.6g}" if _is_number(control.value) else str(control.value))


def _options(control) -> list[tuple[str, object]]:
    options = getattr(control, "options", ())
    return [one if isinstance(one, tuple) else (str(one), one) for one in options]


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def values_of(panel: SliderPanel, settings: Mapping[str, str]) -> dict:
    """The values of the controls that these texts stand for; a ValueError says what is wrong."""
    for name in settings:
        if name not in panel.controls:
            known = ", ".join(panel.controls)
            raise ValueError(f"settings: expected names among {known}; got “{name}”")
    return {name: _read(name, panel.controls[name], text) for name, text in settings.items()}


def _read(name: str, control, text: str):
    if known := {str(said): value for said, value in _options(control)}:
        if text not in known:
            raise ValueError(f"{name}: expected one of {', '.join(known)}; got “{text}”")
        return known[text]
    if isinstance(control.value, bool):
        return text == "True"
    power = getattr(control, "base", None)
    low, high = (power**end if power else end for end in (control.min, control.max))
    try:
        value = type(control.value)(text)
    except ValueError:
        value = float("nan")
    if not low * (1 - 1e-6) <= value <= high * (1 + 1e-6):
        raise ValueError(f"{name}: expected a number from {low:.4g} to {high:.4g}, got “{text}”")
    return value


# ------------------------------------------------------------------------------------ the figure


@styled
def as_file(figure, kind: str, words: str) -> bytes:
    """A figure as PNG, fine enough to be printed, or SVG with what it shows in words."""
    if kind == "png":
        return to_png(figure, scale=2)
    file = io.BytesIO()
    figure.savefig(file, format=kind, metadata={"Date": None, "Title": words})
    return file.getvalue()


def file_name(title: str, settings: Mapping[str, str], kind: str) -> str:
    """`title_lam-0.05_steps-4.png`: letters that every system allows."""
    parts = [title, *(f"{name} {text}" for name, text in settings.items())]
    plain = (re.sub(r"[^\w.]+", "-", part).strip("-.") for part in parts)
    return f"{'_'.join(plain)}.{kind}"


# --------------------------------------------------------------------------------- the two of them


class Keep:
    """A line with a panel's settings, to be copied and pasted back, and two buttons for its figure.

    figure(): the Matplotlib figure of what the panel shows. name: with which the file's name
    begins. own: the sheet of a picture that goes with the settings while `with_own()` says so. In
    Voila the settings are a link, too, and those of the page's own address count at first.
    """

    def __init__(
        self,
        panel: SliderPanel,
        figure: Callable[[], object],
        *,
        name: str,
        own=None,
        with_own: Callable[[], bool] = lambda: False,
    ):
        self.panel, self.figure, self.name = panel, figure, name
        self.own, self.with_own = own, with_own
        self._build()
        self._told = ""
        self.refresh()
        for control in panel.controls.values():
            control.observe(self.refresh, names="value")
        if own is not None:
            own.observe(self.refresh, names="pixels")
        if in_voila():
            self._open_address(os.environ.get("QUERY_STRING", ""))

    def _build(self) -> None:
        wide = {"width": "100%"}
        self.line = ipywidgets.Text(
            description="settings",
            continuous_update=False,
            style={"description_width": "initial"},
            layout={"width": "auto"},
        )
        self.line.observe(self._pasted, names="value")
        self.hint, self.saved = ipywidgets.HTML(layout=wide), ipywidgets.HTML(layout=wide)
        self.buttons = {}
        for kind in _MEDIA:
            button = ipywidgets.Button(description=f"Save figure as {kind.upper()}")
            button.layout.width = "auto"
            button.on_click(lambda _, kind=kind: self.save(kind))
            self.buttons[kind] = button
        row = ipywidgets.HBox(list(self.buttons.values()), layout={"flex_flow": "row wrap"})
        self.widget = ipywidgets.VBox(
            [self.line, self.hint, row, self.saved], layout={"flex": "1 1 300px", "min_width": "0"}
        )

    # ---- settings ----

    @property
    def text(self) -> str:
        """The settings as a line, as in the address of a page."""
        own = {"picture": self.own.text} if self.with_own() else {}
        return urlencode(settings_of(self.panel) | own)

    def refresh(self, _change=None) -> None:
        """Show the settings that hold now."""
        self._told = self.text  # first: what the line then says is no news
        self.line.value = self._told
        link = f'<a href="?{html.escape(self.text)}">link to these settings</a>. '
        self._say(PASTE, link if in_voila() else "")
        self.saved.value = ""

    def open(self, text: str) -> None:
        """Set what a line of settings says, all at once; a ValueError changes nothing."""
        given = dict(parse_qsl(text.strip().rpartition("?")[2]))
        picture = given.pop("picture", None) if self.own is not None else None
        values = values_of(self.panel, given)
        if not values:
            raise ValueError(f"settings: expected a line such as {self.text[:60]}, got “{text}”")
        if picture:
            self.own.text = picture
        self.panel.set(**values)

    def _open_address(self, query: str) -> None:
        """What of a page's address is ours: there may be more in it."""
        ours = {*self.panel.controls, "picture"}
        given = [(name, text) for name, text in parse_qsl(query) if name in ours]
        if given:
            self._try(urlencode(given))

    def _pasted(self, change) -> None:
        if change["new"] != self._told:
            self._try(change["new"])

    def _try(self, text: str) -> None:
        try:
            self.open(text)
        except ValueError as error:
            self.refresh()
            self._say(f"{error}. Nothing was changed.", wrong=True)
        else:
            self.refresh()

    def _say(self, text: str, link: str = "", wrong: bool = False) -> None:
        colour = ' style="color:#b00020"' if wrong else ""
        self.hint.value = f'<p class="rlv-told" role="status"{colour}>{link}{html.escape(text)}</p>'

    # ---- figure ----

    def save(self, kind: str) -> None:
        """Offer the figure as a file: the page saves it, and shows a link to it."""
        words = self.panel.alt_text(self.panel.state(**self.panel.values))
        data = base64.b64encode(as_file(self.figure(), kind, words)).decode()
        name = html.escape(file_name(self.name, settings_of(self.panel), kind))
        link = f'<a download="{name}" href="data:{_MEDIA[kind]};base64,{data}">{name}</a>'
        self.saved.value = f'<p class="rlv-told" role="status">Saved as {link}{_CLICK}</p>'
