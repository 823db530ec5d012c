"""The parts of a moving picture: arrays in, a few lines of HTML out.

A part has two faces. `html()` is what the slider panel shows and replaces at every move: short, so
that it travels and draws in a few milliseconds. `plot(axes)` draws the same arrays with matplotlib,
for the figure that stands under the panel and needs no kernel.
"""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import matplotlib
import numpy as np
from matplotlib.patches import Rectangle

from ..plots.style import BLUE, DIVERGING, GREY, INK, VERMILION

TEXT, GRID, EDGE = "#222222", "#e4e4e4", "#cccccc"
CUT = "<!---->"  # between what moves and what does not: an exported page keeps each piece once


def number(value: float, digits: int = 3) -> str:
    """A number as a reader wants it: `32`, `0.152`, `7.25`; integers whole, others to 3 digits."""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    value = float(f"{value:.{digits - 1}e}")  # rounded first: 0.9999 has as many places as 1
    if not math.isfinite(value):
        return str(value)
    if value != 0 and not 1e-3 <= abs(value) < 1e4:
        return f"{value:.{digits - 1}e}"
    places = digits - 1 - math.floor(math.log10(abs(value))) if value else digits - 1
    return f"{value:.{max(places, 0)}f}"


def as_array(name: str, values, ndim: int) -> np.ndarray:
    """A float64 numpy array of `ndim` dimensions from a tensor or array; finite, never empty."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != ndim or array.size == 0:
        raise ValueError(f"{name}: expected {ndim} dimensions, not empty, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinite ones")
    return array


# --------------------------------------------------------------------------------- pictures


@lru_cache
def colours(name: str) -> np.ndarray:
    """A matplotlib colour map as a table (256, 3) of bytes."""
    return matplotlib.colormaps[name](np.arange(256), bytes=True)[:, :3]


def _pixels(name: str, image, ndim: int, limits: tuple[float, float], signed: bool) -> np.ndarray:
    """Values to colours (…, 3): ink on paper between `limits`, or signed from −limits[1] up."""
    image = as_array(name, image, ndim)
    low, high = (-limits[1], limits[1]) if signed else limits
    share = np.clip((image - low) / (high - low), 0, 1)
    return colours(DIVERGING if signed else INK)[np.rint(255 * share).astype(np.uint8)]


@lru_cache(maxsize=2048)
def _png(pixels: bytes, shape: tuple[int, ...]) -> str:
    """Pixels as a data address; kept, because atoms and digits come back again and again."""
    from PIL import Image  # comes with matplotlib

    file = io.BytesIO()
    image = Image.fromarray(np.frombuffer(pixels, np.uint8).reshape(shape))
    image.save(file, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def img(pixels: np.ndarray) -> str:
    """Pixels (height, width, 3) as an HTML image."""
    # decoding=sync: the picture is there when the page is painted, never a frame later.
    source = _png(pixels.tobytes(), pixels.shape)
    return f'{CUT}<img decoding="sync" alt="" src="{source}">{CUT}'


@dataclass(frozen=True)
class Picture:
    """An image (height, width) with its title. `signed`: colours around zero in place of ink.

    `limits` are the values of white and black; with `signed`, the second one is the full colour.
    """

    image: object
    title: str
    signed: bool = False
    limits: tuple[float, float] = (0.0, 1.0)
    still: bool = True  # whether the figure under the panel has a row for it
    width: int | None = None  # in pixels, where the panel has them; a part of the row if left out

    height = 1.0  # of its row in that figure, as a share of the column's width

    def _pixels(self) -> np.ndarray:
        return _pixels(f"image {self.title!r}", self.image, 2, self.limits, self.signed)

    def html(self) -> str:
        """What the panel shows."""
        return tile(self.title, img(self._pixels()), "rlv-picture", self.width)

    def plot(self, axes) -> None:
        """The same with matplotlib, for the figure at rest."""
        axes.imshow(self._pixels())
        _frame_only(axes)


@dataclass(frozen=True)
class Strip:
    """Small images (k, height, width) in a row, each with a caption: the atoms in use, say.

    `slots`: how many places the row has; empty ones stay white, so that nothing jumps.
    """

    images: object
    captions: Sequence[str]
    title: str
    slots: int = 12
    signed: bool = False
    limits: tuple[float, float] = (0.0, 1.0)
    still: bool = True

    height = 0.67

    def _pixels(self) -> Sequence[np.ndarray]:
        if len(self.images) == 0:
            return []
        name = f"images {self.title!r}"
        return _pixels(name, self.images, 3, self.limits, self.signed)[: self.slots]

    def html(self) -> str:
        """What the panel shows."""
        cells = [
            f"<li>{img(pixels)}<span>{html.escape(caption)}</span></li>"
            for pixels, caption in zip(self._pixels(), self.captions, strict=False)
        ]
        cells += ["<li><i></i><span>&nbsp;</span></li>"] * (self.slots - len(cells))
        return tile(self.title, f"<ol>{''.join(cells)}</ol>", "rlv-strip")

    def plot(self, axes) -> None:
        """The same with matplotlib, for the figure at rest: up to ten, else the first six."""
        columns = math.ceil(self.slots / 2) if self.slots <= 10 else 3
        for place, one in enumerate(self._pixels()[: 2 * columns]):
            y, x = divmod(place, columns)
            axes.imshow(one, extent=(x + 0.04, x + 0.96, y + 0.96, y + 0.04))
            axes.add_patch(Rectangle((x + 0.04, y + 0.04), 0.92, 0.92, fill=False, ec=EDGE))
        axes.set(xlim=(0, columns), ylim=(2, 0), aspect="equal")
        axes.axis("off")


# ------------------------------------------------------------------------------------ curves


def nice_ceiling(value: float) -> float:
    """The smallest of 1, 2, 5 × a power of ten that is not below `value`."""
    if not value > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9))


@dataclass(frozen=True)
class Stems:
    """A vector as stems from zero: a code. `limit` holds the scale still while the slider moves."""

    values: object
    title: str
    xlabel: str
    limit: float | None = None
    marked: Sequence[int] = ()  # positions of stems in a second colour
    still: bool = True

    height = 0.6

    def _scale(self, values: np.ndarray) -> tuple[float, float]:
        top = self.limit or nice_ceiling(float(np.abs(values).max()))
        return (-top if (values < 0).any() else 0.0), top

    def html(self) -> str:
        """What the panel shows."""
        values = as_array(f"values {self.title!r}", self.values, 1)
        low, top = self._scale(values)
        width, height = _STEMS
        x = (np.arange(values.size) + 0.5) * width / values.size
        y = height * (1 - (np.clip(values, low, top) - low) / (top - low))
        zero = height * top / (top - low)
        chosen = np.zeros(values.size, dtype=bool)
        chosen[list(self.marked)] = True
        paths = "".join(
            f'<path stroke="{colour}" d="{_stems_path(x[some], y[some], zero)}"/>'
            for colour, some in (
                (BLUE, (values != 0) & ~chosen),
                (VERMILION, (values != 0) & chosen),
            )
        )
        stroke = max(1.6, 0.45 * width / values.size)
        moving = f'<g stroke-width="{stroke:.3g}">{paths}</g>'
        still = _stems_axes(values.size, low, top, self.xlabel)
        return tile(self.title, still.replace(CUT, f"{CUT}{moving}{CUT}"), "rlv-stems")

    def plot(self, axes) -> None:
        """The same with matplotlib, for the figure at rest."""
        values = as_array(f"values {self.title!r}", self.values, 1)
        (where,) = np.nonzero(values)
        chosen = np.isin(where, list(self.marked))
        axes.vlines(where, 0, values[where], colors=np.where(chosen, VERMILION, BLUE), linewidth=1)
        axes.axhline(0, color=GREY, linewidth=0.8)
        low, top = self._scale(values)
        axes.set(xlim=(-0.5, values.size - 0.5), ylim=(low, top), xlabel=self.xlabel)
        axes.set(xticks=[], yticks=[low, 0, top] if low < 0 else [0, top])
        axes.tick_params(labelsize=8)
        axes.xaxis.label.set_size(9)


_STEMS = (440, 112)  # the plotting area, in the units of the drawing (pixels at full size)
_MARGIN = (34, 6, 8, 32)  # left, top, right, bottom


def _stems_path(x: np.ndarray, y: np.ndarray, zero: float) -> str:
    return "".join(
        f"M{a:.1f} {zero:.1f}V{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True)
    )


@lru_cache(maxsize=64)
def _stems_axes(count: int, low: float, top: float, xlabel: str) -> str:
    """Axes, ticks and label: drawn once, then only the stems change (at the cut)."""
    (width, height), (left, above, right, below) = _STEMS, _MARGIN
    lines, texts = [], []
    for value in (top, (top + low) / 2, low):
        y = height * (top - value) / (top - low)
        colour = GREY if value == 0 else GRID
        lines.append(f'<path stroke="{colour}" d="M0 {y:.1f}H{width}"/>')
        texts.append(f'<text x="-6" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    for place, anchor in ((1, "start"), (count // 2, "middle"), (count, "end")):
        x = width * (place - 0.5) / count if anchor == "middle" else width * (anchor == "end")
        label = f'<text x="{x:.1f}" y="{height + 15}" text-anchor="{anchor}">{place}</text>'
        texts.append(label)
    texts.append(
        f'<text x="{width / 2}" y="{height + 29}" text-anchor="middle">{html.escape(xlabel)}</text>'
    )
    box = f"{-left} {-above} {left + width + right} {above + height + below}"
    return (
        f'<svg viewBox="{box}"><g fill="none">{"".join(lines)}{CUT}</g>'
        f'<g fill="{TEXT}">{"".join(texts)}</g></svg>'
    )


# ----------------------------------------------------------------------------------- helpers


def tile(title: str, body: str, kind: str, width: int | None = None) -> str:
    """A title over some HTML, as one tile of a panel's row. width: how many pixels wide, on a
    screen that has them; a part of the row if left out. kind: its CSS class.
    """
    style = f' style="flex:0 1 {width}px;max-width:100%"' if width else ""
    return f'<div class="rlv-tile {kind}"{style}><p>{html.escape(title)}</p>{body}</div>'


def _frame_only(axes) -> None:
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color=EDGE)
