"""The dual point, to be dragged in the plane: the floor it proves under every code's energy."""

from __future__ import annotations

import torch
import traitlets
from torch import Tensor

from ...operators import Dictionary
from ...solvers import fista
from ...validate import check_positive
from ..live import module, style, write_page
from ..plots.style import BLACK, GREEN, GREY, VERMILION, headline, new_figure, styled
from .live import LivePage
from .parts import number

TITLE = "Drag u: how high can you raise the floor?"
REACH = 2.4  # the plane goes from −REACH to REACH


def dual_point(W: Tensor, y: Tensor, *, lam: float) -> DualPoint:
    """A plane with a sample y, which can be dragged, and a vector u, which can be dragged as well.

    W: 2 × n, atoms of length 1; y: 2. Green is where |w_jᵀu| ≤ λ for all atoms. Shown are the floor
    ⟨y, u⟩ − ½‖u‖², the least energy, and which atoms' promises are broken. Where the points are
    can be read in ``.y`` and ``.u``. Raises ValueError for shapes other than these.
    """
    if W.ndim != 2 or W.shape[0] != 2 or y.shape != (2,):
        shapes = f"{tuple(W.shape)} and {tuple(y.shape)}"
        raise ValueError(f"W, y: expected shapes (2, n) and (2,), got {shapes}")
    if not torch.allclose(W.norm(dim=0), torch.ones_like(W[0])):
        raise ValueError("W: expected atoms of length 1")
    data = {"atoms": W.T.tolist(), "reach": REACH}
    start = (0.2 * y).tolist()
    return DualPoint(data=data, y=y.tolist(), u=start, lam=check_positive("lam", lam))


class DualPoint(LivePage):
    """The widget: everything is computed in the page. See :func:`dual_point`."""

    title = TITLE
    _esm = module("dual.js")
    _css = style("dual.css")
    data = traitlets.Dict().tag(sync=True)
    y = traitlets.List(traitlets.Float()).tag(sync=True)
    u = traitlets.List(traitlets.Float()).tag(sync=True)
    lam = traitlets.Float().tag(sync=True)
    words = traitlets.Dict().tag(sync=True)  # in place of those in live/words.js

    def export_html(self, path):
        """Write the page as one file that needs no kernel; returns its path."""
        data = self.data | {"y": self.y, "u": self.u, "lam": self.lam}
        return write_page(path, "dual", TITLE, {"data": data})

    @styled
    def still_figure(self):
        """(figure, its words): u where it starts, at the best place, and beyond."""
        W, y = (torch.tensor(one, dtype=torch.float64) for one in (self.data["atoms"], self.y))
        best = fista(Dictionary(W.T.contiguous()), y, self.lam, tol=1e-12)
        u = y - W.T @ best.z
        points = (torch.tensor(self.u, dtype=torch.float64), u, 0.5 * (u + y))
        figure, axes = new_figure(1, 3, height=3.3)
        told = [_draw(ax, W, y, one, self.lam) for ax, one in zip(axes, points, strict=True)]
        headline(figure, f"At rest: three u; the least energy is {number(float(best.energy))}")
        return figure, f"A plane with the set of feasible u, and three u. {'; '.join(told)}."


def _draw(ax, W: Tensor, y: Tensor, u: Tensor, lam: float) -> str:
    """One plane; returns what it shows, in words."""
    side = torch.linspace(-REACH, REACH, 240, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(side, side, indexing="xy"), -1)
    kept = ((grid @ W.T).abs() <= lam).all(-1).double()
    holds = bool(((W @ u).abs() <= lam * (1 + 1e-6)).all())
    ax.contourf(side, side, kept, levels=[0.5, 1.5], colors=[GREEN], alpha=0.15)
    ax.contour(side, side, kept, levels=[0.5], colors=[GREY], linewidths=0.8)
    ax.plot(*torch.stack([y, u]).T, color=GREY, lw=1)
    ax.plot(*y, "o", color=BLACK)
    ax.plot(*u, "o", color=GREEN if holds else VERMILION)
    for name, point in (("y", y), ("u", u)):
        ax.annotate(name, point, (6, 4), textcoords="offset points")
    ax.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal", xticks=[], yticks=[])
    floor = number(float(y @ u - 0.5 * u @ u))
    said = f"floor {floor}, proved" if holds else f"{floor}: proves nothing"
    ax.set_title(said, fontsize=10, fontweight="normal", loc="center")
    return said
