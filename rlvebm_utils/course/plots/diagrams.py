"""The course's diagrams, drawn by :mod:`.shapes`: :func:`show_diagram` in a notebook, :func:`svg`
for a file.

The same matplotlib gives the same bytes on every run: no date, no random ids, letters that ship
with it, and (as SVG) in outlines, so that a diagram looks the same on machines with other fonts.
"""

import io
from xml.sax.saxutils import escape

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch

from .shapes import (
    box,
    bracket,
    canvas,
    captions,
    cells,
    node,
    plus,
    soft_threshold_curve,
    wire,
)
from .style import BLACK, BLUE, GREY, VERMILION, show

ROW, HIGH = 1.8, 4.8  # the heights of the rows, where a diagram has two

STYLE = {
    "svg.hashsalt": "rlvebm",  # ids that do not change from run to run
    "svg.fonttype": "path",  # letters as outlines
    "font.family": "DejaVu Sans",  # ships with matplotlib, as does the font of the formulas:
    "mathtext.fontset": "cm",
    "font.size": 11,
    "lines.linewidth": 1.6,
}


# --- FISTA ----------------------------------------------------------------------------------------

STEP, LOOP, BRANCH = 5.55, 3.0, 1.15  # the heights of its three rows


def fista_graph() -> Figure:
    """Figure 2 of the lecture with the course's symbols, and the branch that makes ISTA fast."""
    figure, ax = canvas(width=14, height=7.8)
    _one_step(ax)
    _loop_back(ax)
    _momentum(ax)
    _ista_and_fista_in_words(ax)
    return figure


def _one_step(ax: Axes) -> None:
    """From y and the last code to the new one, left to right."""
    node(ax, 0.9, STEP, "$y$", GREY, radius=0.65, size=20)
    box(ax, 3.0, STEP, 1.6, 1.1, r"$\frac{1}{L}W^{\!\top}$", GREY, size=19)
    plus(ax, 5.3, STEP, BLUE)
    box(ax, 8.5, STEP, 3.0, 1.6, "", BLUE)
    soft_threshold_curve(ax, 8.5, STEP, 2.4, 1.1)
    node(ax, 12.45, STEP, "$z(t{+}1)$", BLUE, radius=1.0, size=16)
    wire(ax, (1.55, STEP), (2.2, STEP), color=GREY)
    wire(ax, (3.8, STEP), (4.97, STEP), color=GREY)
    wire(ax, (5.63, STEP), (7.0, STEP), color=BLUE)
    wire(ax, (10.0, STEP), (11.45, STEP), color=BLUE)
    bracket(ax, 2.2, 6.3, 6.75, "gradient step")
    bracket(ax, 7.0, 10.0, 6.75, r"$\mathrm{Shrinkage}_{\lambda/L}$", size=15)


def _loop_back(ax: Axes) -> None:
    """With this alone v(t) = z(t), which is ISTA."""
    box(ax, 12.45, 3.8, 1.5, 0.7, "delay", BLUE)
    box(ax, 5.3, 4.2, 3.9, 0.95, r"$S = I - \frac{1}{L}W^{\!\top}\!W$", BLUE, size=16)
    wire(ax, (12.45, STEP - 1.0), (12.45, 4.15), color=BLUE)
    wire(ax, (12.45, 3.45), (12.45, LOOP), (7.63, LOOP), color=BLUE)
    wire(ax, (6.97, LOOP), (5.3, LOOP), (5.3, 3.725), color=BLUE)
    wire(ax, (5.3, 4.675), (5.3, STEP - 0.33), color=BLUE)
    ax.text(10.75, LOOP + 0.24, "$z(t)$", ha="center", color=BLUE, size=16)
    ax.text(6.2, LOOP + 0.24, "$v(t)$", ha="center", color=BLUE, size=16)


def _momentum(ax: Axes) -> None:
    """What FISTA adds: v(t) = z(t) + β (z(t) − z(t−1))."""
    plus(ax, 7.3, LOOP, VERMILION)
    plus(ax, 9.5, BRANCH, VERMILION, sign="−")
    box(ax, 8.2, BRANCH, 0.9, 0.8, r"$\beta_t$", VERMILION, size=17)
    box(ax, 12.0, BRANCH, 1.5, 0.7, "delay", VERMILION)
    for x in (9.5, 12.0):
        ax.add_patch(Circle((x, LOOP), 0.1, color=VERMILION, zorder=3))
    wire(ax, (12.0, LOOP), (12.0, BRANCH + 0.35), color=VERMILION, dashed=True)
    wire(ax, (11.25, BRANCH), (9.83, BRANCH), color=VERMILION, dashed=True)
    wire(ax, (9.5, LOOP), (9.5, BRANCH + 0.33), color=VERMILION, dashed=True)
    wire(ax, (9.17, BRANCH), (8.65, BRANCH), color=VERMILION)
    wire(ax, (7.75, BRANCH), (7.3, BRANCH), (7.3, LOOP - 0.33), color=VERMILION, dashed=True)
    ax.text(10.6, BRANCH + 0.24, "$z(t{-}1)$", ha="center", color=VERMILION, size=14)
    ax.text(9.5, BRANCH - 0.78, "momentum", ha="center", color=VERMILION, size=11)


def _ista_and_fista_in_words(ax: Axes) -> None:
    ax.text(0.25, 2.3, "ISTA", color=BLUE, weight="bold", size=12)
    ax.text(1.85, 2.3, "the solid loop alone:", color=BLACK, size=11)
    ax.text(0.25, 1.0, "FISTA", color=VERMILION, weight="bold", size=12)
    ax.text(1.85, 1.0, "adds the dashed branch:", color=BLACK, size=11)
    ax.text(1.85, 1.72, "$v(t) = z(t)$", color=BLACK, size=14)
    ax.text(1.85, 0.42, r"$v(t) = z(t) + \beta_t\,[z(t) - z(t{-}1)]$", color=BLACK, size=14)


# --- the energy-based model -----------------------------------------------------------------------


def latent_ebm() -> Figure:
    """Figure 1 of the lecture: an energy-based model with a latent variable."""
    figure, ax = canvas(width=15.2, height=6.4)
    _prediction(ax)
    _latent_variable(ax)
    _two_costs(ax)
    captions(ax, ROW - 1.05, {1.1: "observed", 8.9: "prediction", 14.1: "observed"})
    ax.text(5.75, HIGH, "latent: found by\nminimising E", ha="right", va="center", size=11)
    return figure


def _prediction(ax: Axes) -> None:
    """From what is seen to the prediction."""
    node(ax, 1.1, ROW, "$x$", GREY, radius=0.65, size=20)
    for x, name in ((3.4, "Pred"), (6.6, "Dec")):
        box(ax, x, ROW, 1.7, 1.1, name, BLUE, size=14)
    node(ax, 8.9, ROW, r"$\bar{y}$", BLUE, radius=0.65, size=20)
    wire(ax, (1.75, ROW), (2.55, ROW), color=GREY)
    wire(ax, (4.25, ROW), (5.75, ROW), color=BLUE)
    wire(ax, (7.45, ROW), (8.25, ROW), color=BLUE)
    ax.text(5.0, ROW + 0.25, "$h$", ha="center", color=BLUE, size=16)


def _latent_variable(ax: Axes) -> None:
    """Nobody gives it, the energy chooses it."""
    node(ax, 6.6, HIGH, "$z$", VERMILION, radius=0.65, size=20)
    box(ax, 9.4, HIGH, 1.9, 1.1, r"$\lambda\, R(z)$", VERMILION, size=17)
    wire(ax, (6.6, HIGH - 0.65), (6.6, ROW + 0.55), color=VERMILION)
    wire(ax, (7.25, HIGH), (8.45, HIGH), color=VERMILION, dashed=True)


def _two_costs(ax: Axes) -> None:
    """And their sum."""
    box(ax, 11.4, ROW, 1.9, 1.1, r"$C(y, \bar{y})$", GREY, size=17)
    node(ax, 14.1, ROW, "$y$", GREY, radius=0.65, size=20)
    wire(ax, (9.55, ROW), (10.45, ROW), color=BLUE)
    wire(ax, (13.45, ROW), (12.35, ROW), color=GREY)
    plus(ax, 11.4, HIGH, GREY)
    wire(ax, (11.4, ROW + 0.55), (11.4, HIGH - 0.33), color=GREY)
    wire(ax, (10.35, HIGH), (11.07, HIGH), color=VERMILION, dashed=True)
    wire(ax, (11.73, HIGH), (12.35, HIGH), color=GREY)
    ax.text(12.45, HIGH, "$E(x, y, z)$", va="center", color=BLACK, size=15)


# --- LISTA ----------------------------------------------------------------------------------------

CODES, SAMPLE = 4.0, 0.7  # the heights of the codes, and of the line on which y comes along


def lista_graph() -> Figure:
    """Figure 4 of the lecture: the loop of ISTA, cut after three rounds and laid out in a row."""
    figure, ax = canvas(width=17.4, height=6.2)
    node(ax, 0.9, SAMPLE, "$y$", GREY, radius=0.6, size=20)
    for k, x in enumerate((2.6, 7.9, 13.2)):
        _round(ax, k, x)
    wire(ax, (15.7, CODES), (17.0, CODES), color=BLUE)
    bracket(ax, 2.3, 5.1, 5.35, "round 1")
    bracket(ax, 5.9, 10.4, 5.35, "round 2")
    bracket(ax, 11.2, 15.7, 5.35, "round 3")
    ax.text(17.1, 1.35, "red: learned", ha="right", color=VERMILION, size=12)
    return figure


def _round(ax: Axes, k: int, x: float) -> None:
    """One round, whose sum stands at ``x``."""
    start, corner = (1.5 if k == 0 else x - 5.3, SAMPLE), (x, SAMPLE)
    wire(ax, start, corner, color=GREY)
    box(ax, x, 2.2, 1.4, 1.0, r"$W_{\!e}^{\!\top}$", VERMILION, size=18)
    wire(ax, corner, (x, 1.7), color=GREY)
    wire(ax, (x, 2.7), (x, CODES - 0.33), color=GREY)
    plus(ax, x, CODES, BLUE)
    box(ax, x + 1.65, CODES, 1.7, 1.2, "", BLUE)
    soft_threshold_curve(ax, x + 1.65, CODES, 1.3, 0.8)
    ax.text(x + 1.65, CODES - 0.95, r"$\theta$", ha="center", color=VERMILION, size=17)
    ax.text(x + 1.65, CODES + 0.8, f"$z({k + 1})$", ha="center", color=BLUE, size=16)
    wire(ax, (x + 0.33, CODES), (x + 0.8, CODES), color=BLUE)
    if k:
        box(ax, x - 1.45, CODES, 1.1, 1.0, "$S$", VERMILION, size=18)
        wire(ax, (x - 2.8, CODES), (x - 2.0, CODES), color=BLUE)
        wire(ax, (x - 0.9, CODES), (x - 0.33, CODES), color=BLUE)


# --- convolutions ---------------------------------------------------------------------------------

DOTS = (  # row and column in each map of 18 × 18, and the sign
    ((3, 4, 1), (14, 2, -1), (9, 13, 1)),
    ((5, 14, 1), (12, 8, -1)),
    ((1, 9, 1), (15, 15, 1), (10, 3, -1)),
)


def conv_sum() -> Figure:
    """Kernels, maps with a few dots, and the image that is the sum of their convolutions."""
    figure, ax = canvas(width=15.4, height=7.2)
    image = np.zeros((26, 26))
    for i, (kernel, dots) in enumerate(zip(_three_kernels(), DOTS, strict=True)):
        _kernel_and_map(ax, i, kernel, dots)
        for row, column, sign in dots:
            image[row : row + 9, column : column + 9] += sign * kernel
    ax.text(8.45, 3.6, "$+$", ha="center", va="center", color=BLACK, size=24)
    wire(ax, (8.8, 3.6), (9.6, 3.6), color=GREY)
    cells(ax, 9.8, 1.0, 5.2, np.clip(image, -1, 1))
    ax.text(12.4, 0.5, r"$Y = \sum_i K_i * Z_i$", ha="center", va="center", color=BLACK, size=15)
    return figure


def _three_kernels() -> list[np.ndarray]:
    """Two edges and a spot (9, 9), the largest entry 1 or −1."""
    x = np.arange(-4, 5)
    window = np.exp(-(x[:, None] ** 2 + x**2) / 9)
    kernels = [np.sin(0.9 * -x[:, None]) * window, np.sin(0.9 * x) * window]
    kernels.append(window**2 - 0.28 * window**0.5)
    return [kernel / abs(kernel).max() for kernel in kernels]


def _kernel_and_map(ax: Axes, i: int, kernel: np.ndarray, dots) -> None:
    """One row: kernel, convolution sign, map, and the wire to the sum."""
    middle = 6.0 - 2.4 * i
    cells(ax, 0.9, middle - 0.8, 1.6, kernel)
    ax.text(0.45, middle, f"$K_{i + 1}$", ha="center", va="center", color=BLACK, size=15)
    ax.text(3.1, middle, "$*$", ha="center", va="center", color=BLACK, size=20)
    left, bottom, side = 3.7, middle - 1.0, 2.0
    frame = FancyBboxPatch((left, bottom), side, side, "square,pad=0", ec=GREY, fc="white", lw=1)
    ax.add_patch(frame)
    for row, column, sign in dots:
        spot = (left + (column + 0.5) / 18 * side, middle + 1.0 - (row + 0.5) / 18 * side)
        ax.add_patch(Circle(spot, 0.09, color=VERMILION if sign > 0 else BLUE, lw=0))
    ax.text(6.1, middle, f"$Z_{i + 1}$", ha="center", va="center", color=BLACK, size=15)
    wire(ax, (6.6, middle), (8.0, 3.6 + 0.9 * (1 - i)), color=GREY)


# --- the variational auto-encoder -----------------------------------------------------------------


def vae_architecture() -> Figure:
    """Figure 8 of the lecture: an auto-encoder with noise on its code, and the spring on it."""
    figure, ax = canvas(width=16.4, height=6.4)
    _through_the_noisy_code(ax)
    _noise_spring_and_fit(ax)
    captions(ax, ROW - 1.05, {1.0: "observed", 5.4: "middle of the ball"})
    captions(ax, ROW - 1.05, {9.0: "a point of the ball", 13.3: "reconstruction"})
    captions(ax, HIGH + 0.8, {4.2: "spring"})
    captions(ax, HIGH + 0.9, {7.3: "noise"})
    captions(ax, HIGH + 0.8, {11.9: "fit"})
    return figure


def _through_the_noisy_code(ax: Axes) -> None:
    """From the sample to the reconstruction."""
    node(ax, 1.0, ROW, "$y$", GREY, radius=0.65, size=20)
    box(ax, 3.2, ROW, 1.7, 1.1, "Enc", BLUE, size=14)
    node(ax, 5.4, ROW, r"$\bar{z}$", BLUE, radius=0.65, size=20)
    plus(ax, 7.3, ROW, VERMILION)
    node(ax, 9.0, ROW, "$z$", VERMILION, radius=0.65, size=20)
    box(ax, 11.2, ROW, 1.7, 1.1, "Dec", BLUE, size=14)
    node(ax, 13.3, ROW, r"$\hat{y}$", BLUE, radius=0.65, size=20)
    wire(ax, (1.65, ROW), (2.35, ROW), color=GREY)
    wire(ax, (4.05, ROW), (4.75, ROW), color=BLUE)
    wire(ax, (6.05, ROW), (6.97, ROW), color=BLUE)
    wire(ax, (7.63, ROW), (8.35, ROW), color=VERMILION)
    wire(ax, (9.65, ROW), (10.35, ROW), color=VERMILION)
    wire(ax, (12.05, ROW), (12.65, ROW), color=BLUE)


def _noise_spring_and_fit(ax: Axes) -> None:
    node(ax, 7.3, HIGH, r"$\sigma\varepsilon$", VERMILION, radius=0.65, size=17)
    wire(ax, (7.3, HIGH - 0.65), (7.3, ROW + 0.33), color=VERMILION)
    box(ax, 4.2, HIGH, 2.3, 1.1, r"$k\,\Vert\bar{z}\Vert^2$", BLUE, size=17)
    wire(ax, (5.2, ROW + 0.62), (4.6, HIGH - 0.55), color=BLUE, dashed=True)
    box(ax, 11.9, HIGH, 3.0, 1.1, r"$\frac{1}{2}\Vert y - \hat{y}\Vert^2$", GREY, size=17)
    wire(ax, (13.1, ROW + 0.62), (12.6, HIGH - 0.55), color=BLUE)
    node(ax, 15.1, HIGH, "$y$", GREY, radius=0.65, size=20)
    wire(ax, (14.45, HIGH), (13.4, HIGH), color=GREY)


# --- the convolutional auto-encoder ---------------------------------------------------------------

GUESS, CODE = 5.4, 1.9  # the heights of the encoder's row, and of the decoder's


def autoencoder() -> Figure:
    """Encoder and decoder of the convolutional sparse auto-encoder, and the three costs."""
    figure, ax = canvas(width=16, height=7.4)
    _encoder(ax)
    _guess_and_code(ax)
    _decoder(ax)
    return figure


def _encoder(ax: Axes) -> None:
    """One pass to a guess."""
    node(ax, 0.9, GUESS, "$Y$", GREY, radius=0.65, size=20)
    box(ax, 3.1, GUESS, 2.0, 1.1, r"$C_i \star Y + b_i$", BLUE, size=14)
    box(ax, 5.9, GUESS, 1.9, 1.1, "", BLUE)
    soft_threshold_curve(ax, 5.9, GUESS, 1.5, 0.8)
    box(ax, 8.3, GUESS, 1.3, 1.1, r"$\times g_i$", BLUE, size=16)
    wire(ax, (1.55, GUESS), (2.1, GUESS), color=GREY)
    wire(ax, (4.1, GUESS), (4.95, GUESS), color=BLUE)
    wire(ax, (6.85, GUESS), (7.65, GUESS), color=BLUE)
    wire(ax, (8.95, GUESS), (9.9, GUESS), color=BLUE)
    bracket(ax, 2.1, 8.95, 6.3, "encoder: convolution, non-linearity, diagonal scale")


def _guess_and_code(ax: Axes) -> None:
    distance = r"$\frac{\alpha}{2}\|Z - \mathrm{Enc}(Y)\|^2$"
    box(ax, 11.4, GUESS, 3.0, 1.1, distance, GREY, size=13)
    node(ax, 11.4, CODE, "$Z$", VERMILION, radius=0.65, size=20)
    box(ax, 14.4, CODE, 1.9, 1.1, r"$\lambda\,\|Z\|_1$", VERMILION, size=16)
    wire(ax, (11.4, CODE + 0.65), (11.4, GUESS - 0.55), color=VERMILION, dashed=True)
    wire(ax, (12.05, CODE), (13.45, CODE), color=VERMILION, dashed=True)


def _decoder(ax: Axes) -> None:
    """From the code back to the image."""
    box(ax, 8.3, CODE, 2.2, 1.1, r"$\sum_i K_i * Z_i$", BLUE, size=14)
    box(ax, 3.1, CODE, 3.4, 1.1, r"$\frac{1}{2}\|Y - \sum_i K_i * Z_i\|^2$", GREY, size=13)
    wire(ax, (10.75, CODE), (9.4, CODE), color=VERMILION)
    wire(ax, (7.2, CODE), (4.8, CODE), color=BLUE)
    wire(ax, (0.9, GUESS - 0.65), (0.9, CODE), (1.4, CODE), color=GREY)
    ax.text(8.3, CODE - 1.05, "decoder: linear", ha="center", size=11)
    ax.text(11.4, CODE - 1.15, "found by FISTA", ha="center", size=11)


# --- all of them, in words too --------------------------------------------------------------------

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


def drawn(name: str) -> Figure:
    """One diagram; whatever the caller's settings, in its own style."""
    if name not in DIAGRAMS:
        raise ValueError(f"name: expected one of {', '.join(DIAGRAMS)}, got {name!r}")
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE}):
        return DIAGRAMS[name][0]()


def show_diagram(name: str) -> None:
    """Show a diagram as a cell's output, with its words: it is part of the notebook's file then,
    and stays where the notebook is copied without the folders beside it. ValueError: no such name.
    """
    _, title, description = DIAGRAMS.get(name, ("", "", ""))
    show(drawn(name), f"{title}. {description}", scale=2)


def svg(name: str) -> str:
    """The SVG text of one diagram, with its title and description for those who cannot see it."""
    figure = drawn(name)
    _, title, description = DIAGRAMS[name]
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE}):
        out = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(out, format="svg", metadata=nothing)
    head, opening, rest = out.getvalue().partition("<svg ")
    attributes, close, body = rest.partition(">")
    words = (
        f'<title id="title">{escape(title)}</title>\n <desc id="desc">{escape(description)}</desc>'
    )
    spoken = f'{opening}role="img" aria-labelledby="title desc" {attributes}{close}\n {words}'
    return head + spoken + body
