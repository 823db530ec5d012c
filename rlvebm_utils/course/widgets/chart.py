"""A part of a panel: curves and points over two axes that stand still while the sliders move."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .parts import CUT, EDGE, GRID, TEXT, number, tile

SIZE = (440, 190)  # the plotting area, in the units of the drawing (pixels at full size)
MARGIN = (44, 10, 14, 38)  # left, top, right, bottom


@dataclass(frozen=True)
class Line:
    """A curve through the points (x, y), or the points alone (`dots`, of that radius).

    mark: "●", "■" or "▲" at each point of a curve. label: its name in the chart's legend.
    """

    x: object
    y: object
    colour: str
    width: float = 2.0
    dashed: bool = False
    dots: float = 0.0
    mark: str = ""
    label: str = ""

    def points(self) -> np.ndarray:
        """Its points (k, 2) as float64."""
        return np.stack(
            [np.atleast_1d(np.asarray(one, dtype=float)) for one in (self.x, self.y)], 1
        )


@dataclass(frozen=True)
class Chart:
    """Lines within `xlim` and `ylim`; what lies outside is cut off at the frame.

    The title says which colour is which, or a legend, of the lines with a label. `xticks` and
    `yticks` are (value, text); both ends and the middle, if left out.
    """

    lines: Sequence[Line]
    title: str
    xlabel: str
    xlim: tuple[float, float]
    ylim: tuple[float, float]
    xticks: Sequence[tuple[float, str]] = ()
    yticks: Sequence[tuple[float, str]] = ()
    still: bool = True

    height = 0.8

    def ticks(self) -> tuple[list[tuple[float, str]], list[tuple[float, str]]]:
        """Those of x and of y."""
        return _ticks(self.xticks, self.xlim), _ticks(self.yticks, self.ylim)

    def _place(self, points: np.ndarray) -> np.ndarray:
        """In the units of the drawing, kept within a frame around the frame."""
        low, high = np.array([self.xlim, self.ylim]).T
        share = np.clip((points - low) / (high - low), -0.2, 1.2)
        share[:, 1] = 1 - share[:, 1]
        return share * SIZE

    def html(self) -> str:
        """What the panel shows."""
        moving = CUT.join(_drawn(one, self._place(one.points())) for one in self.lines)
        clip = f'<svg width="{SIZE[0]}" height="{SIZE[1]}">{moving}</svg>'
        left, above, right, below = MARGIN
        box = f"{-left} {-above} {left + SIZE[0] + right} {above + SIZE[1] + below}"
        axes = self._axes()
        svg = f'<svg viewBox="{box}">{axes}{CUT}{clip}{CUT}</svg>'
        return tile(self.title, self._legend() + svg, "rlv-stems")

    def _legend(self) -> str:
        """Above the picture, where no curve can run through it."""
        named = "".join(
            f'<span style="margin-right:16px"><span style="color:{one.colour}">{one.mark or "━"}'
            f"</span> {html.escape(one.label)}</span>"
            for one in self.lines
            if one.label
        )
        return f"<p>{named}</p>" if named else ""

    def _axes(self) -> str:
        """Grid, frame, ticks and label."""
        (width, height), (across, up) = SIZE, self.ticks()
        corners = [self._place(np.array([[x, self.ylim[0]]]))[0, 0] for x, _ in across]
        levels = [self._place(np.array([[self.xlim[0], y]]))[0, 1] for y, _ in up]
        grid = "".join(f'<path stroke="{GRID}" d="M0 {y:.1f}H{width}"/>' for y in levels)
        texts = [
            f'<text x="{x:.1f}" y="{height + 16}" text-anchor="middle">{html.escape(text)}</text>'
            for x, (_, text) in zip(corners, across, strict=True)
        ]
        texts += [
            f'<text x="-6" y="{y + 4:.1f}" text-anchor="end">{html.escape(text)}</text>'
            for y, (_, text) in zip(levels, up, strict=True)
        ]
        label = f'<text x="{width / 2}" y="{height + 34}" text-anchor="middle">'
        texts.append(f"{label}{html.escape(self.xlabel)}</text>")
        frame = f'<path stroke="{EDGE}" fill="none" d="M0 0H{width}V{height}H0Z"/>'
        return f'{grid}{frame}<g fill="{TEXT}">{"".join(texts)}</g>'

    def plot(self, axes) -> None:
        """The same with matplotlib, for the figure at rest."""
        for one in self.lines:
            x, y = one.points().T
            style = {"marker": "o", "ms": 1.2 * one.dots, "ls": ""} if one.dots else {}
            if one.mark:
                style = {"marker": _MARKS[one.mark][0], "ms": 3}
            if one.dashed:
                style["ls"] = "--"
            name = one.label or "_"  # Matplotlib's legend leaves out what begins like that
            axes.plot(x, y, color=one.colour, lw=0.6 * one.width, label=name, **style)
        across, up = self.ticks()
        axes.set(xlim=self.xlim, ylim=self.ylim)
        axes.set_xticks(*zip(*across, strict=True), fontsize=8)
        axes.set_yticks(*zip(*up, strict=True), fontsize=8)
        axes.set_xlabel(self.xlabel, fontsize=8)
        if any(one.label for one in self.lines):
            tight = {"handlelength": 1, "columnspacing": 0.6, "handletextpad": 0.2, "borderpad": 0}
            place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1), "frameon": False}
            axes.legend(fontsize=7, ncols=3, **place, **tight)


def _ticks(given, limits: tuple[float, float]) -> list[tuple[float, str]]:
    low, high = limits
    return list(given) or [(v, f"{v:g}") for v in (low, float(number((low + high) / 2)), high)]


def _drawn(line: Line, points: np.ndarray) -> str:
    if line.dots:
        circles = (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{line.dots:g}"/>' for x, y in points)
        return f'<g fill="{line.colour}">{"".join(circles)}</g>'
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dash = ' stroke-dasharray="6 4"' if line.dashed else ""
    width = f'stroke-width="{line.width:g}"'
    curve = f'<path fill="none" stroke="{line.colour}" {width}{dash} d="M{path}"/>'
    if not line.mark:
        return curve
    outline = _MARKS[line.mark][1]
    marks = "".join(f"M{x:.1f} {y:.1f}{outline}" for x, y in points)
    return f'{curve}<path fill="{line.colour}" d="{marks}"/>'


# Matplotlib's name of a mark, and its outline about a point
_MARKS = {
    "●": ("o", "m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z"),
    "■": ("s", "m-4 -4h8v8h-8z"),
    "▲": ("^", "m0 -5.5l5 9.5h-10z"),
}
