"""Draws the course's diagrams as SVG: ``make figures``, or ``python images/draw.py [FOLDER]``.

The same matplotlib gives the same bytes on every run: no date, no random ids, and letters as
outlines, so that the pictures also look the same on machines with other fonts.
"""

import io
import sys
from pathlib import Path
from xml.sax.saxutils import escape

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Polygon

from rlvebm_utils.course.plots.style import BLACK, BLUE, GREY, VERMILION

HERE = Path(__file__).resolve().parent

TINT = {GREY: "#f3f3f3", BLUE: "#e2eff7", VERMILION: "#fceadd"}  # the insides of boxes

ROW, HIGH = 1.8, 4.8  # the heights of the rows, where a diagram has two

STYLE = {
    "svg.hashsalt": "rlvebm",  # ids that do not change from run to run
    "svg.fonttype": "path",  # letters as outlines
    "font.family": "DejaVu Sans",  # ships with matplotlib, as does the font of the formulas:
    "mathtext.fontset": "cm",
    "font.size": 11,
    "lines.linewidth": 1.6,
}


# --- the diagrams ---------------------------------------------------------------------------------


def fista_graph() -> Figure:
    """Figure 2 of the lecture with the course's symbols, and the branch that makes ISTA fast."""
    figure, ax = canvas(width=14, height=7.8)
    top, loop, branch = 5.55, 3.0, 1.15  # the heights of the three rows

    # One step, left to right.
    node(ax, 0.9, top, "$y$", GREY, radius=0.65, size=20)
    box(ax, 3.0, top, 1.6, 1.1, r"$\frac{1}{L}W^{\!\top}$", GREY, size=19)
    plus(ax, 5.3, top, BLUE)
    box(ax, 8.5, top, 3.0, 1.6, "", BLUE)
    soft_threshold_curve(ax, 8.5, top, 2.4, 1.1)
    node(ax, 12.45, top, "$z(t{+}1)$", BLUE, radius=1.0, size=16)
    wire(ax, (1.55, top), (2.2, top), color=GREY)
    wire(ax, (3.8, top), (4.97, top), color=GREY)
    wire(ax, (5.63, top), (7.0, top), color=BLUE)
    wire(ax, (10.0, top), (11.45, top), color=BLUE)
    bracket(ax, 2.2, 6.3, 6.75, "gradient step")
    bracket(ax, 7.0, 10.0, 6.75, r"$\mathrm{Shrinkage}_{\lambda/L}$", size=15)

    # The loop back: with this alone v(t) = z(t), which is ISTA.
    box(ax, 12.45, 3.8, 1.5, 0.7, "delay", BLUE)
    box(ax, 5.3, 4.2, 3.9, 0.95, r"$S = I - \frac{1}{L}W^{\!\top}\!W$", BLUE, size=16)
    wire(ax, (12.45, top - 1.0), (12.45, 4.15), color=BLUE)
    wire(ax, (12.45, 3.45), (12.45, loop), (7.63, loop), color=BLUE)
    wire(ax, (6.97, loop), (5.3, loop), (5.3, 3.725), color=BLUE)
    wire(ax, (5.3, 4.675), (5.3, top - 0.33), color=BLUE)
    ax.text(10.75, loop + 0.24, "$z(t)$", ha="center", color=BLUE, size=16)
    ax.text(6.2, loop + 0.24, "$v(t)$", ha="center", color=BLUE, size=16)

    # What FISTA adds: v(t) = z(t) + β (z(t) − z(t−1)).
    plus(ax, 7.3, loop, VERMILION)
    plus(ax, 9.5, branch, VERMILION, sign="−")
    box(ax, 8.2, branch, 0.9, 0.8, r"$\beta_t$", VERMILION, size=17)
    box(ax, 12.0, branch, 1.5, 0.7, "delay", VERMILION)
    for x in (9.5, 12.0):
        ax.add_patch(Circle((x, loop), 0.1, color=VERMILION, zorder=3))
    wire(ax, (12.0, loop), (12.0, branch + 0.35), color=VERMILION, dashed=True)
    wire(ax, (11.25, branch), (9.83, branch), color=VERMILION, dashed=True)
    wire(ax, (9.5, loop), (9.5, branch + 0.33), color=VERMILION, dashed=True)
    wire(ax, (9.17, branch), (8.65, branch), color=VERMILION)
    wire(ax, (7.75, branch), (7.3, branch), (7.3, loop - 0.33), color=VERMILION, dashed=True)
    ax.text(10.6, branch + 0.24, "$z(t{-}1)$", ha="center", color=VERMILION, size=14)
    ax.text(9.5, branch - 0.78, "momentum", ha="center", color=VERMILION, size=11)

    # In words.
    ax.text(0.25, 2.3, "ISTA", color=BLUE, weight="bold", size=12)
    ax.text(1.85, 2.3, "the solid loop alone:", color=BLACK, size=11)
    ax.text(0.25, 1.0, "FISTA", color=VERMILION, weight="bold", size=12)
    ax.text(1.85, 1.0, "adds the dashed branch:", color=BLACK, size=11)
    ax.text(1.85, 1.72, "$v(t) = z(t)$", color=BLACK, size=14)
    ax.text(1.85, 0.42, r"$v(t) = z(t) + \beta_t\,[z(t) - z(t{-}1)]$", color=BLACK, size=14)
    return figure


def latent_ebm() -> Figure:
    """Figure 1 of the lecture: an energy-based model with a latent variable."""
    figure, ax = canvas(width=15.2, height=6.4)
    row, high = ROW, HIGH

    # From what is seen to the prediction.
    node(ax, 1.1, row, "$x$", GREY, radius=0.65, size=20)
    for x, name in ((3.4, "Pred"), (6.6, "Dec")):
        box(ax, x, row, 1.7, 1.1, name, BLUE, size=14)
    node(ax, 8.9, row, r"$\bar{y}$", BLUE, radius=0.65, size=20)
    wire(ax, (1.75, row), (2.55, row), color=GREY)
    wire(ax, (4.25, row), (5.75, row), color=BLUE)
    wire(ax, (7.45, row), (8.25, row), color=BLUE)
    ax.text(5.0, row + 0.25, "$h$", ha="center", color=BLUE, size=16)

    # The latent variable: nobody gives it, the energy chooses it.
    node(ax, 6.6, high, "$z$", VERMILION, radius=0.65, size=20)
    box(ax, 9.4, high, 1.9, 1.1, r"$\lambda\, R(z)$", VERMILION, size=17)
    wire(ax, (6.6, high - 0.65), (6.6, row + 0.55), color=VERMILION)
    wire(ax, (7.25, high), (8.45, high), color=VERMILION, dashed=True)

    # The two costs, and their sum.
    box(ax, 11.4, row, 1.9, 1.1, r"$C(y, \bar{y})$", GREY, size=17)
    node(ax, 14.1, row, "$y$", GREY, radius=0.65, size=20)
    wire(ax, (9.55, row), (10.45, row), color=BLUE)
    wire(ax, (13.45, row), (12.35, row), color=GREY)
    plus(ax, 11.4, high, GREY)
    wire(ax, (11.4, row + 0.55), (11.4, high - 0.33), color=GREY)
    wire(ax, (10.35, high), (11.07, high), color=VERMILION, dashed=True)
    wire(ax, (11.73, high), (12.35, high), color=GREY)
    ax.text(12.45, high, "$E(x, y, z)$", va="center", color=BLACK, size=15)

    # In words.
    captions(ax, row - 1.05, {1.1: "observed", 8.9: "prediction", 14.1: "observed"})
    ax.text(5.75, high, "latent: found by\nminimising E", ha="right", va="center", size=11)
    return figure


def lista_graph() -> Figure:
    """Figure 4 of the lecture: the loop of ISTA, cut after three rounds and laid out in a row."""
    figure, ax = canvas(width=17.4, height=6.2)
    row, wire_height = 4.0, 0.7  # the codes, and the line on which y comes along

    node(ax, 0.9, wire_height, "$y$", GREY, radius=0.6, size=20)
    for k, x in enumerate((2.6, 7.9, 13.2)):  # where the sums are
        corner = (x, wire_height)
        wire(ax, (1.5, wire_height) if k == 0 else (x - 5.3, wire_height), corner, color=GREY)
        box(ax, x, 2.2, 1.4, 1.0, r"$W_{\!e}^{\!\top}$", VERMILION, size=18)
        wire(ax, corner, (x, 1.7), color=GREY)
        wire(ax, (x, 2.7), (x, row - 0.33), color=GREY)
        plus(ax, x, row, BLUE)
        box(ax, x + 1.65, row, 1.7, 1.2, "", BLUE)
        soft_threshold_curve(ax, x + 1.65, row, 1.3, 0.8)
        ax.text(x + 1.65, row - 0.95, r"$\theta$", ha="center", color=VERMILION, size=17)
        ax.text(x + 1.65, row + 0.8, f"$z({k + 1})$", ha="center", color=BLUE, size=16)
        wire(ax, (x + 0.33, row), (x + 0.8, row), color=BLUE)
        if k:
            box(ax, x - 1.45, row, 1.1, 1.0, "$S$", VERMILION, size=18)
            wire(ax, (x - 2.8, row), (x - 2.0, row), color=BLUE)
            wire(ax, (x - 0.9, row), (x - 0.33, row), color=BLUE)
    wire(ax, (15.7, row), (17.0, row), color=BLUE)
    bracket(ax, 2.3, 5.1, 5.35, "round 1")
    bracket(ax, 5.9, 10.4, 5.35, "round 2")
    bracket(ax, 11.2, 15.7, 5.35, "round 3")
    ax.text(15.35, 1.35, "red: learned", color=VERMILION, size=12)
    return figure


def conv_sum() -> Figure:
    """Kernels, maps with a few dots, and the image that is the sum of their convolutions."""
    x = np.arange(-4, 5)
    window = np.exp(-(x[:, None] ** 2 + x**2) / 9)
    kernels = [np.sin(0.9 * -x[:, None]) * window, np.sin(0.9 * x) * window]
    kernels.append(window**2 - 0.28 * window**0.5)
    dots = [
        [(3, 4, 1), (14, 2, -1), (9, 13, 1)],
        [(5, 14, 1), (12, 8, -1)],
        [(1, 9, 1), (15, 15, 1), (10, 3, -1)],
    ]
    figure, ax = canvas(width=15.4, height=7.2)
    image = np.zeros((26, 26))
    for i, (kernel, places) in enumerate(zip(kernels, dots, strict=True)):
        middle = 6.0 - 2.4 * i
        cells(ax, 0.9, middle - 0.8, 1.6, kernel / abs(kernel).max())
        ax.text(0.45, middle, f"$K_{i + 1}$", ha="center", va="center", color=BLACK, size=15)
        ax.text(3.1, middle, "$*$", ha="center", va="center", color=BLACK, size=20)
        corner, side = (3.7, middle - 1.0), 2.0
        ax.add_patch(FancyBboxPatch(corner, side, side, "square,pad=0", ec=GREY, fc="white", lw=1))
        for row, column, sign in places:
            spot = (corner[0] + (column + 0.5) / 18 * side, middle + 1.0 - (row + 0.5) / 18 * side)
            ax.add_patch(Circle(spot, 0.09, color=VERMILION if sign > 0 else BLUE, lw=0))
            image[row : row + 9, column : column + 9] += sign * kernel / abs(kernel).max()
        ax.text(6.1, middle, f"$Z_{i + 1}$", ha="center", va="center", color=BLACK, size=15)
        wire(ax, (6.6, middle), (8.0, 3.6 + 0.9 * (1 - i)), color=GREY)
    ax.text(8.45, 3.6, "$+$", ha="center", va="center", color=BLACK, size=24)
    wire(ax, (8.8, 3.6), (9.6, 3.6), color=GREY)
    cells(ax, 9.8, 1.0, 5.2, np.clip(image, -1, 1))
    ax.text(12.4, 0.5, r"$Y = \sum_i K_i * Z_i$", ha="center", va="center", color=BLACK, size=15)
    return figure


def vae_architecture() -> Figure:
    """Figure 8 of the lecture: an auto-encoder with noise on its code, and the spring on it."""
    row, high = ROW, HIGH
    figure, ax = canvas(width=16.4, height=6.4)

    # From the sample through the noisy code to the reconstruction.
    node(ax, 1.0, row, "$y$", GREY, radius=0.65, size=20)
    box(ax, 3.2, row, 1.7, 1.1, "Enc", BLUE, size=14)
    node(ax, 5.4, row, r"$\bar{z}$", BLUE, radius=0.65, size=20)
    plus(ax, 7.3, row, VERMILION)
    node(ax, 9.0, row, "$z$", VERMILION, radius=0.65, size=20)
    box(ax, 11.2, row, 1.7, 1.1, "Dec", BLUE, size=14)
    node(ax, 13.3, row, r"$\hat{y}$", BLUE, radius=0.65, size=20)
    wire(ax, (1.65, row), (2.35, row), color=GREY)
    wire(ax, (4.05, row), (4.75, row), color=BLUE)
    wire(ax, (6.05, row), (6.97, row), color=BLUE)
    wire(ax, (7.63, row), (8.35, row), color=VERMILION)
    wire(ax, (9.65, row), (10.35, row), color=VERMILION)
    wire(ax, (12.05, row), (12.65, row), color=BLUE)

    # The noise, the spring, the cost.
    node(ax, 7.3, high, r"$\sigma\varepsilon$", VERMILION, radius=0.65, size=17)
    wire(ax, (7.3, high - 0.65), (7.3, row + 0.33), color=VERMILION)
    box(ax, 4.2, high, 2.3, 1.1, r"$k\,\Vert\bar{z}\Vert^2$", BLUE, size=17)
    wire(ax, (5.2, row + 0.62), (4.6, high - 0.55), color=BLUE, dashed=True)
    box(ax, 11.9, high, 3.0, 1.1, r"$\frac{1}{2}\Vert y - \hat{y}\Vert^2$", GREY, size=17)
    wire(ax, (13.1, row + 0.62), (12.6, high - 0.55), color=BLUE)
    node(ax, 15.1, high, "$y$", GREY, radius=0.65, size=20)
    wire(ax, (14.45, high), (13.4, high), color=GREY)

    # In words.
    captions(ax, row - 1.05, {1.0: "observed", 5.4: "middle of the ball"})
    captions(ax, row - 1.05, {9.0: "a point of the ball", 13.3: "reconstruction"})
    captions(ax, high + 0.8, {4.2: "spring"})
    captions(ax, high + 0.9, {7.3: "noise"})
    captions(ax, high + 0.8, {11.9: "fit"})
    return figure


def autoencoder() -> Figure:
    """Encoder and decoder of the convolutional sparse auto-encoder, and the three costs."""
    figure, ax = canvas(width=16, height=7.4)
    row, high = 1.9, 5.4

    # The encoder: one pass to a guess.
    node(ax, 0.9, high, "$Y$", GREY, radius=0.65, size=20)
    box(ax, 3.1, high, 2.0, 1.1, r"$C_i \star Y + b_i$", BLUE, size=14)
    box(ax, 5.9, high, 1.9, 1.1, "", BLUE)
    soft_threshold_curve(ax, 5.9, high, 1.5, 0.8)
    box(ax, 8.3, high, 1.3, 1.1, r"$\times g_i$", BLUE, size=16)
    wire(ax, (1.55, high), (2.1, high), color=GREY)
    wire(ax, (4.1, high), (4.95, high), color=BLUE)
    wire(ax, (6.85, high), (7.65, high), color=BLUE)
    wire(ax, (8.95, high), (10.1, high), color=BLUE)
    bracket(ax, 2.1, 8.95, 6.3, "encoder: convolution, non-linearity, diagonal scale")

    # The guess and the code.
    box(ax, 11.4, high, 2.6, 1.1, r"$\frac{\alpha}{2}\|Z - \mathrm{Enc}(Y)\|^2$", GREY, size=13)
    node(ax, 11.4, row, "$Z$", VERMILION, radius=0.65, size=20)
    box(ax, 14.4, row, 1.9, 1.1, r"$\lambda\,\|Z\|_1$", VERMILION, size=16)
    wire(ax, (11.4, row + 0.65), (11.4, high - 0.55), color=VERMILION, dashed=True)
    wire(ax, (12.05, row), (13.45, row), color=VERMILION, dashed=True)

    # The decoder.
    box(ax, 8.3, row, 2.2, 1.1, r"$\sum_i K_i * Z_i$", BLUE, size=14)
    box(ax, 3.1, row, 3.4, 1.1, r"$\frac{1}{2}\|Y - \sum_i K_i * Z_i\|^2$", GREY, size=13)
    wire(ax, (10.75, row), (9.4, row), color=VERMILION)
    wire(ax, (7.2, row), (4.8, row), color=BLUE)
    wire(ax, (0.9, high - 0.65), (0.9, row), (1.4, row), color=GREY)
    ax.text(8.3, row - 1.05, "decoder: linear", ha="center", size=11)
    ax.text(11.4, row - 1.15, "found by FISTA", ha="center", size=11)
    return figure


DIAGRAMS = {
    "conv_sum": (
        conv_sum,
        "An image as a sum of convolutions",
        "Three rows. Each has a small kernel K, a sign for convolution, and a map Z that is empty "
        "but for two or three dots, vermilion for plus and blue for minus. Arrows lead from the "
        "rows to a plus sign and on to the image Y on the right: at the place of each dot it holds "
        "a copy of that row's kernel, with light and dark exchanged where the dot is blue.",
    ),
    "autoencoder": (
        autoencoder,
        "A convolutional sparse auto-encoder",
        "Top row, the encoder: the image Y is correlated with the kernels C_i, a bias is added, a "
        "non-linearity follows, and each map is multiplied by its own gain g_i. The result is a "
        "guess of the code. Bottom row, from right to left: the code Z, for which lambda times its "
        "L1 norm is paid, goes through the linear decoder, the sum of the kernels K_i convolved "
        "with the maps Z_i. Half the squared distance to Y is the second cost, and alpha over two "
        "times the squared distance of Z from the encoder's guess the third.",
    ),
    "fista_graph": (
        fista_graph,
        "The computation graph of ISTA and FISTA",
        "y goes through the matrix W transposed over L into a sum; the sum goes through shrinkage "
        "by lambda over L and comes out as the code z(t+1). One step later that code is z(t) and "
        "goes back, through S = I minus W transposed W over L, into the same sum: this loop, in "
        "blue, is ISTA. FISTA adds the branch in vermilion: the difference between z(t) and the "
        "code one step before, z(t-1), times beta_t, is added to z(t), and this sum v(t) "
        "takes the place of z(t) at the entrance of S.",
    ),
    "latent_ebm": (
        latent_ebm,
        "An energy-based model with a latent variable",
        "The observed x goes through the predictor Pred and becomes h. The decoder Dec takes h and "
        "the latent variable z, and gives the prediction y bar. The cost C compares y bar with the "
        "observed y. A second cost, lambda times R of z, is paid for the latent variable itself. "
        "The energy E of x, y and z is the sum of the two costs; z is found by minimising it.",
    ),
    "lista_graph": (
        lista_graph,
        "LISTA: three rounds of ISTA as a network",
        "The sample y goes through the matrix W_e transposed into a sum, once in each of three "
        "rounds. Each sum goes through shrinkage with thresholds theta and comes out as a code: "
        "z(1), z(2), z(3). Between the rounds a code goes through the matrix S into the next sum. "
        "W_e, S and theta, in red, are learned; they are the same in each round.",
    ),
    "vae_architecture": (
        vae_architecture,
        "An auto-encoder with a noisy code",
        "The observed y goes through the encoder Enc and becomes z bar, the middle of a ball. "
        "Noise sigma epsilon is added, which gives z, a point of the ball. The decoder Dec turns z "
        "into the reconstruction y hat. Two costs are added up: half the squared distance of y "
        "and y hat, called fit, and the spring, k times the squared norm of z bar.",
    ),
}


# --- the pieces -----------------------------------------------------------------------------------


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure whose unit of length is half an inch."""
    figure = Figure(figsize=(width / 2, height / 2), facecolor="white")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    ax.axis("off")
    return figure, ax


def box(ax, x, y, width, height, text, color, size=None):
    corner = (x - width / 2, y - height / 2)
    shape = "round,pad=0,rounding_size=0.15"
    ax.add_patch(FancyBboxPatch(corner, width, height, shape, ec=color, fc=TINT[color], lw=1.5))
    ax.text(x, y, text, ha="center", va="center", color=BLACK, size=size)


def node(ax, x, y, text, color, radius=0.55, size=16):
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


# --- SVG ------------------------------------------------------------------------------------------


def svg(name: str) -> str:
    """The SVG text of one diagram, with its title and description for those who cannot see it."""
    draw, title, description = DIAGRAMS[name]
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE}):
        out = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        draw().savefig(out, format="svg", metadata=nothing)
    head, opening, rest = out.getvalue().partition("<svg ")
    attributes, close, body = rest.partition(">")
    words = (
        f'<title id="title">{escape(title)}</title>\n <desc id="desc">{escape(description)}</desc>'
    )
    spoken = f'{opening}role="img" aria-labelledby="title desc" {attributes}{close}\n {words}'
    return head + spoken + body


def main(folder: Path = HERE) -> None:
    """Draws every diagram into the folder."""
    for name in DIAGRAMS:
        path = folder / f"{name}.svg"
        path.write_text(svg(name), encoding="utf-8", newline="\n")
        print(path)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
