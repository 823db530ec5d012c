"""Draw a digit and see the strokes that build it: solved in the page while the pen moves."""

from __future__ import annotations

import torch
import traitlets
from torch import Tensor

from ...operators import Dictionary
from ...solvers import fista
from ...validate import check_positive
from ..live import module, style
from ..live.draw import TITLE, page_data, write_draw_page
from ..live.strokes import SIDE, as_dictionary, unpack
from ..plots.style import headline, new_figure, styled
from .live import LivePage
from .parts import Picture, number

START = 3  # the sample that stands there at first
SHOWN = 6  # strokes in the figure at rest


def draw_digit(
    dictionary: Dictionary | None = None, digits: Tensor | None = None, *, lam: float = 0.15
) -> DrawDigit:
    """A sheet to draw on, and all that follows: the strokes in use, both costs, the certified gap
    and a race of three solvers.

    The problem is min over z ≥ 0 of ½‖y − Wz‖² + λ‖z‖₁. dictionary: W, 784 × n, no entry below
    zero; the course's 256 strokes if left out. digits: ten rows (10, 784) to pick from. lam: λ at
    first. What is drawn is then in ``.y``, λ in ``.lam``, and W, as the page has it, in
    ``.dictionary``.
    """
    return DrawDigit(data=page_data(dictionary, digits), lam=check_positive("lam", lam))


class DrawDigit(LivePage):
    """The widget: everything is computed in the page, and what is drawn comes to the kernel when
    the pen rests. See :func:`draw_digit`.
    """

    title, can = TITLE, "draw"
    _esm = module("draw_digit.js")
    _css = style("draw_digit.css")
    data = traitlets.Dict().tag(sync=True)
    pixels = traitlets.List(traitlets.Int()).tag(sync=True)  # 0 to 255, row by row
    lam = traitlets.Float().tag(sync=True)
    off = traitlets.List(traitlets.Int()).tag(sync=True)  # the strokes that are left out
    words = traitlets.Dict().tag(sync=True)  # in place of those in live/words.js

    def __init__(self, **values):
        super().__init__(**values)
        if not self.pixels:
            self.pixels = unpack(self.data["samples"])[START].tolist()

    @property
    def y(self) -> Tensor:
        """What is drawn: 784 pixels in [0, 1], float64."""
        return torch.tensor(self.pixels, dtype=torch.float64) / 255

    @property
    def dictionary(self) -> Dictionary:
        """W as the page has it, those strokes included that are left out now; float64."""
        return as_dictionary(unpack(self.data["atoms"]))

    def export_html(self, path):
        """Write the page, with these strokes and λ, as one file that needs no kernel."""
        digits = unpack(self.data["samples"]).double() / 255
        return write_draw_page(path, self.dictionary, digits, lam=self.lam)

    @styled
    def still_figure(self):
        """(figure, its words): the digit, what its strokes make of it, and the largest strokes."""
        code = fista(self.dictionary, self.y, self.lam, nonnegative=True)
        z, W = code.z, self.dictionary.W
        rebuilt = W @ z
        largest = z.argsort(descending=True)[:SHOWN].tolist()
        parts = [
            Picture(self.y.reshape(SIDE, SIDE), "digit y"),
            Picture(rebuilt.reshape(SIDE, SIDE), "rebuilt Wz"),
            Picture((self.y - rebuilt).reshape(SIDE, SIDE), "y − Wz", signed=True),
            *(_stroke(W[:, j], float(z[j])) for j in largest),
        ]
        figure, axes = new_figure(1, len(parts), height=1.55)
        for ax, part in zip(axes, parts, strict=True):
            part.plot(ax)
            ax.set_title(part.title, fontsize=9, fontweight="normal", loc="center")
        count, energy = int((z > 0).sum()), number(float(code.energy))
        told = f"{count} of {len(z)} strokes at λ = {self.lam:g}, E = {energy}"
        headline(figure, f"At rest: {told}; the largest and their weights")
        weights = ", ".join(number(float(z[j])) for j in largest)
        words = f"A digit, what is rebuilt of it, and what is left over. {told}. Weights: {weights}"
        return figure, f"{words}."


def _stroke(atom: Tensor, weight: float) -> Picture:
    most = float(atom.max().clamp(min=1e-9))
    return Picture(atom.reshape(SIDE, SIDE), number(weight), limits=(0, most))
