"""What the course's diagrams are made of: boxes, circles, sums and wires, half an inch a unit.

Colours are names of :mod:`.style`: grey for what is given, blue and vermilion for two kinds of
what is computed. The insides are tints of them, so that black letters can be read on each.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Polygon

from .style import BLACK, BLUE, GREY, VERMILION

TINT = {GREY: "#f3f3f3", BLUE: "#e2eff7", VERMILION: "#fceadd"}  # the insides of boxes


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure whose unit of length is half an inch."""
    figure = Figure(figsize=(width / 2, height / 2), facecolor="white")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    ax.axis("off")
    return figure, ax


def box(ax, x, y, width, height, text, color, size=None):
    """A rounded box centred at (x, y), with its text."""
    corner = (x - width / 2, y - height / 2)
    shape = "round,pad=0,rounding_size=0.15"
    ax.add_patch(FancyBboxPatch(corner, width, height, shape, ec=color, fc=TINT[color], lw=1.5))
    ax.text(x, y, text, ha="center", va="center", color=BLACK, size=size)


def node(ax, x, y, text, color, radius=0.55, size=16):
    """A circle with a variable's name."""
    ax.add_patch(Circle((x, y), radius, ec=color, fc=TINT[color], lw=1.5))
    ax.text(x, y, text, ha="center", va="center", color=BLACK, size=size)


def cells(ax, x, y, side, values):
    """A square of grey cells from values between −1 (black) and 1 (white)."""
    edges = np.linspace(0, side, len(values) + 1)
    ax.pcolormesh(x + edges, y + side - edges, values, cmap="gray", vmin=-1, vmax=1, lw=0)


def plus(ax, x, y, color, sign="+"):
    """A sum; with the sign "−" what comes from above less what comes from the side."""
    ax.add_patch(Circle((x, y), 0.33, ec=color, fc="white", lw=1.5))
    arm = 0.16
    ax.plot((x - arm, x + arm), (y, y), color=color)
    if sign == "+":
        ax.plot((x, x), (y - arm, y + arm), color=color)


def wire(ax, *points, color, dashed=False):
    """A line through the points, with an arrow head at the last."""
    (x0, y0), (x1, y1) = points[-2:]
    length = np.hypot(x1 - x0, y1 - y0)
    along = np.array([x1 - x0, y1 - y0]) / length
    across = np.array([-along[1], along[0]])
    tip = np.array([x1, y1])
    back = tip - 0.22 * along
    x, y = zip(*points[:-1], back, strict=True)
    ax.plot(x, y, color=color, ls=(0, (3.2, 1.3)) if dashed else "-", solid_joinstyle="round")
    head = np.stack([tip, back + 0.12 * across, back - 0.12 * across])
    ax.add_patch(Polygon(head, color=color, lw=0, zorder=3))


def captions(ax, y, words):
    """Small words below or above the pieces, by the place across that they stand at."""
    for x, text in words.items():
        ax.text(x, y, text, ha="center", color=BLACK, size=11)


def bracket(ax, left, right, y, text, size=11):
    """Says what the pieces between ``left`` and ``right`` do together."""
    ax.plot((left, left, right, right), (y - 0.15, y, y, y - 0.15), color=GREY, lw=1)
    ax.text((left + right) / 2, y + 0.25, text, ha="center", color=BLACK, size=size)


def soft_threshold_curve(ax, x, y, width, height):
    """The graph of the soft threshold on its two axes, centred at (x, y)."""
    v = np.array([-1.0, -0.4, 0.4, 1.0])
    shrunk = np.sign(v) * np.maximum(np.abs(v) - 0.4, 0) / 0.6
    ax.plot((x - width / 2, x + width / 2), (y, y), color=GREY, lw=0.8)
    ax.plot((x, x), (y - height / 2, y + height / 2), color=GREY, lw=0.8)
    ax.plot(x + v * width / 2, y + shrunk * height / 2, color=BLUE, lw=2.4)
