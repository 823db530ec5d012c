"""Drag a point of the plane and see its best code: computed in the page while it moves."""

from __future__ import annotations

import torch
import traitlets
from torch import Tensor

from ...operators import Dictionary
from ...solvers import fista
from ...validate import check_positive
from ..live import module, style
from ..live.point import REACH, START, TITLE, TOP, page_data, write_point_page
from ..plots.latent_ebm import point_and_code
from .live import LivePage
from .parts import number

CELLS = 90  # of the map at rest, along a side


def drag_point(dictionary: Dictionary, points: Tensor, *, lam: float) -> DragPoint:
    """A map of F(y) = min over z ≥ 0 of ½‖y − Wz‖² + λ‖z‖₁ with a point y on it that is dragged,
    by pointer or by arrow keys: its best code, Wz, both costs and F follow.

    dictionary: 1 to 9 atoms of two numbers. points (N, 2): the data, drawn as dots. lam: λ at
    first. Where y lies is then in ``.y``, λ in ``.lam``.
    """
    return DragPoint(data=page_data(dictionary, points), lam=check_positive("lam", lam))


class DragPoint(LivePage):
    """The widget: everything is computed in the page, and y comes to the kernel when it rests. See
    :func:`drag_point`.
    """

    title = TITLE
    _esm = module("energy_point.js")
    _css = style("energy_point.css")
    data = traitlets.Dict().tag(sync=True)
    point = traitlets.List(traitlets.Float(), default_value=list(START)).tag(sync=True)
    lam = traitlets.Float().tag(sync=True)
    words = traitlets.Dict().tag(sync=True)  # in place of those in live/point_words.js

    @property
    def y(self) -> Tensor:
        """Where the point lies: two numbers, float64."""
        return torch.tensor(self.point, dtype=torch.float64)

    @property
    def dictionary(self) -> Dictionary:
        """W, float64."""
        return Dictionary(torch.tensor(self.data["atoms"], dtype=torch.float64).T.contiguous())

    def export_html(self, path):
        """Write the page, with these atoms and λ, as one file that needs no kernel."""
        points = torch.tensor(self.data["points"], dtype=torch.float64)
        return write_point_page(path, self.dictionary, points, lam=self.lam)

    def show_at_rest(self) -> None:
        """The figure: the map, the point, and the way from the origin to Wz."""
        side = torch.linspace(-REACH, REACH, CELLS, dtype=torch.float64)
        plane = torch.cartesian_prod(side, side).flip(1)
        options = {"nonnegative": True, "tol": 1e-6}
        F = fista(self.dictionary, plane, self.lam, **options).energy.reshape(CELLS, CELLS)
        best = fista(self.dictionary, self.y, self.lam, **options)
        points = torch.tensor(self.data["points"], dtype=torch.float64)
        price = self.lam * float(best.z.sum())
        told = (
            f"misfit {number(float(best.energy) - price)} + price {number(price)}"
            f" = F(y) = {number(float(best.energy))}"
        )
        title = f"At rest, λ = {self.lam:g}: {told}"
        point_and_code(F, side, points, self.dictionary.W, self.y, best.z, title, top=TOP)
