"""How a frame of the panel is put together, and the page that shows frames without a kernel."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .parts import CUT

# White paper and dark ink in every theme, so that the contrast of the palette is what we chose.
STYLE = """<style>
.rlv-panel { background: #fff; color: #222; color-scheme: light; padding: 10px 14px 14px;
  box-sizing: border-box; border: 1px solid #e2e2e2; border-radius: 6px; overflow: visible;
  margin-bottom: 14px; }
.rlv-controls { position: sticky; top: 0; z-index: 2; background: #fff; overflow: visible; }
/* Nothing stays in sight within an element that cuts off what is too wide, as JupyterLab has it. */
:is(.jp-OutputArea, .jp-OutputArea-child, .jp-OutputArea-output):has(.rlv-panel) {
  overflow: visible; min-width: 0; }
.rlv-panel .widget-label, .rlv-panel .widget-readout { color: #222; }
.rlv-panel .widget-readout { font-variant-numeric: tabular-nums; min-width: 4.5em; }
.rlv-panel .widget-slider .widget-label { margin-right: 12px; }
.rlv-panel .widget-slider, .rlv-panel .widget-dropdown { margin-right: 14px; }
.rlv-panel .widget-dropdown { max-width: calc(100% - 14px); }
.rlv-panel select, .rlv-panel option, .rlv-panel button.jupyter-button { color: #222;
  background-color: #fff; border: 1px solid #767676; }
.rlv-panel [role=slider]:focus, .rlv-panel .ui-slider-handle:focus, .rlv-panel input:focus {
  outline: 3px solid #0072B2; outline-offset: 2px; }
.rlv-panel input[type=text] { color: #222; background-color: #fff; border: 1px solid #767676;
  font-family: monospace; font-size: 12px; }
.rlv-panel .rlv-told { margin: 0; font-size: 13px; line-height: 1.35; color: #595959;
  white-space: normal; overflow-wrap: anywhere; }
.rlv-panel .rlv-told a { color: #0072B2; text-decoration: underline; }
.rlv-title { margin: 0 0 2px; font-size: 15px; line-height: 1.4; font-weight: 600; color: #222; }
.rlv-frame { font-size: 13px; line-height: 1.35; color: #222; }
.rlv-frame p, .rlv-frame ol { margin: 0; padding: 0; }
.rlv-numbers { display: flex; flex-wrap: wrap; gap: 4px 30px; margin: 8px 0 14px; }
.rlv-numbers div { min-width: 84px; }
.rlv-numbers span { display: block; color: #595959; font-size: 12px; white-space: nowrap; }
.rlv-numbers sub { font-size: 0.8em; line-height: 0; }
.rlv-numbers b { display: block; font-size: 17px; font-weight: 400; line-height: 1.3;
  white-space: nowrap; font-variant-numeric: tabular-nums; }
.rlv-tiles { display: flex; flex-wrap: wrap; gap: 14px 20px; align-items: flex-start; }
.rlv-tile p { margin-bottom: 5px; white-space: nowrap; }
.rlv-tile img, .rlv-strip i { display: block; image-rendering: pixelated; width: 100%;
  aspect-ratio: 1; box-sizing: border-box; border: 1px solid #ddd; }
.rlv-picture { flex: 0 0 124px; }
.rlv-stems { flex: 1 1 320px; max-width: 560px; }
.rlv-stems svg { display: block; width: 100%; height: auto; font-size: 12px; }
.rlv-strip { flex: 1 1 100%; }
.rlv-strip ol { display: flex; flex-wrap: wrap; gap: 6px 10px; list-style: none; }
.rlv-strip li { width: 60px; margin: 0; text-align: center; font-size: 12px;
  font-variant-numeric: tabular-nums; }
.rlv-error { border: 2px solid #b00020; background: #fdf1f2; color: #222; padding: 8px 12px;
  margin-top: 8px; border-radius: 4px; font-size: 13px; line-height: 1.4; }
.rlv-error pre { margin: 4px 0 0; white-space: pre-wrap; background: none; color: #222; }
</style>"""

# The slider of ipywidgets has a role and values but no name, and says log λ for λ. A picture that
# cannot load is the one hook that an HTML widget has after each change; where it is not allowed to
# run, nothing else is lost. (ipywidgets 7 draws the handle with jQuery UI, without any role. In
# Notebook 7 the arrow keys fold headings, unless the element that has the focus says no.)
_NAME_THE_SLIDERS = """
const spoken = JSON.parse(this.dataset.spoken);
for (const slider of this.closest('.rlv-panel')?.querySelectorAll('.widget-slider') ?? []) {
  const name = slider.querySelector('.widget-label')?.textContent;
  const handle = slider.querySelector('[role=slider], .ui-slider-handle');
  if (!handle || !(name in spoken)) continue;
  handle.setAttribute('role', 'slider');
  handle.setAttribute('aria-label', name);
  handle.setAttribute('aria-valuetext', spoken[name]);
  handle.dataset.lmSuppressShortcuts = 'true';
}"""


def frame_html(
    readouts: Mapping[str, str], tiles: Sequence[str], alt: str, spoken: Mapping[str, str]
) -> str:
    """One whole picture: read-outs as text, then the parts as one image with words."""
    hook = (
        f'<img hidden alt="" src="data:," data-spoken="{html.escape(json.dumps(spoken))}"'
        f' onerror="{html.escape(_NAME_THE_SLIDERS)}">'
    )
    return (
        f'<div class="rlv-frame">{readouts_html(readouts)}'
        f'<div class="rlv-tiles" role="img" aria-label="{html.escape(alt)}">{"".join(tiles)}</div>'
        f"{hook if spoken else ''}</div>"
    )


def readouts_html(readouts: Mapping[str, str]) -> str:
    """Labelled numbers; in a label, _max and the like are subscripts."""
    items = (
        f"<div><span>{_label(label)}</span><b>{html.escape(text)}</b></div>"
        for label, text in readouts.items()
    )
    return f'<div class="rlv-numbers">{"".join(items)}</div>' if readouts else ""


def _label(text: str) -> str:
    return re.sub("_([a-z]+)", r"<sub>\1</sub>", html.escape(text))


HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
</head>
"""
_PAGE = (
    HEAD
    + """<body>
<main class="rlv-panel rlv-page" style="max-width: 940px">
{style}
<style>.rlv-page {{ font-family: system-ui, sans-serif; }}
.rlv-page label {{ display: flex; gap: 12px; align-items: center; font-size: 14px; }}
.rlv-page input {{ flex: 1 1 auto; min-width: 120px; }}
.rlv-page output {{ min-width: 4.5em; font-variant-numeric: tabular-nums; }}</style>
<h1 class="rlv-title">{title}</h1>
<div class="rlv-controls">
{controls}
</div>
<div class="rlv-frame"><div></div><div class="rlv-tiles" role="img"></div></div>
<noscript>This picture moves with JavaScript.</noscript>
<script>(() => {{
const {{ values, pieces, frames }} = {data};
const inputs = [...document.querySelectorAll("input, select")];
const [readouts, picture] = document.querySelector(".rlv-frame").children;
const show = () => {{
  let place = 0;
  for (const [number, input] of inputs.entries()) {{
    place = place * values[number].length + Number(input.value);
    const said = values[number][input.value];
    if (input.type == "range") input.nextElementSibling.textContent = said;
    input.setAttribute("aria-valuetext", said);
  }}
  const [numbers, parts, alt] = frames[place];
  readouts.innerHTML = numbers;
  picture.innerHTML = parts.map(part => pieces[part]).join("");
  picture.setAttribute("aria-label", alt);
}};
for (const input of inputs) input.addEventListener("input", show);
show();
// Within another page: how tall the frame around it has to be.
const tell = () => parent.postMessage({{ height: document.documentElement.offsetHeight }}, "*");
if (parent !== window) new ResizeObserver(tell).observe(document.body);
}})();</script>
</main>
</body>
</html>
"""
)


@dataclass(frozen=True)
class PageControl:
    """One of the controls of a page: what it says at each of its places, and where it starts."""

    label: str
    said: Sequence[str]
    start: int
    slides: bool  # or is a list to choose from

    def html(self) -> str:
        """Its label and its input."""
        label = html.escape(self.label)
        if self.slides:
            ends = f'min="0" max="{len(self.said) - 1}" step="1" value="{self.start}"'
            return f'<label>{label} <input type="range" {ends}><output></output></label>'
        options = "".join(
            f'<option value="{place}"{" selected" * (place == self.start)}>{html.escape(one)}'
            for place, one in enumerate(self.said)
        )
        return f"<label>{label} <select>{options}</select></label>"


_PNG = re.compile(r"(?<=data:image/png;base64,)[A-Za-z0-9+/=]+")


def _packed(found: re.Match) -> str:
    """The same PNG in fewer bytes: its colours, at most 256, in a palette, and compressed with
    patience. On the screen each frame is new, and there is no time for that.
    """
    from PIL import Image  # comes with matplotlib

    image = Image.open(io.BytesIO(base64.b64decode(found[0]))).convert("RGB")
    if image.getcolors(256):
        image = image.convert("P", palette=Image.Palette.ADAPTIVE, colors=256)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    packed = base64.b64encode(file.getvalue()).decode()
    return min(packed, found[0], key=len)


def write_page(
    path: Path,
    title: str,
    controls: Sequence[PageControl],
    frames: Iterable[tuple[Mapping[str, str], Sequence[str], str]],
) -> Path:
    """Write frames (read-outs, tiles, alt text) as one page of HTML; plain ASCII.

    frames: one for each choice of places, the last control's changing first. A piece that comes
    back (the digit itself, an atom, a code that is empty) is stored once.
    """
    place: dict[str, int] = {}
    rows = []
    for shown, tiles, alt in frames:
        pieces = [piece for tile in tiles for piece in tile.split(CUT) if piece]
        numbers = [place.setdefault(piece, len(place)) for piece in pieces]
        rows.append([readouts_html(shown), numbers, alt])
    data = {
        "values": [list(one.said) for one in controls],
        "pieces": [_PNG.sub(_packed, one) for one in place],
        "frames": rows,
    }
    page = _PAGE.format(
        style=STYLE,
        title=html.escape(title),
        controls="\n".join(one.html() for one in controls),
        # "</script>" inside the data would end the script.
        data=json.dumps(data, separators=(",", ":")).replace("</", "<\\/"),
    )
    path.write_bytes(page.encode("ascii", "xmlcharrefreplace"))
    return path
