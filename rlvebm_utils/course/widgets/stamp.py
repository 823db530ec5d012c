"""Stamp kernels on an empty map, move an image and see its codes follow: computed in the page."""

from __future__ import annotations

import torch
import traitlets
from torch import Tensor

from ...conv import ConvDictionary
from ...operators import Dictionary
from ...solvers import fista
from ...validate import check_positive
from ..live import module, style
from ..live.stamp import FRAME, MAP, TITLE, page_data, write_stamp_page
from ..plots.conv import moved_codes
from .live import LivePage

MOVED = (4, 5)  # in the figure at rest


def stamp_page(dictionary: ConvDictionary, photo: Tensor, *, lam: float) -> StampPage:
    """An empty map on which kernels are stamped by a click or by keys, and the image that they add
    up to. Under it that image, or ``photo``, on empty ground: it is moved, and its convolutional
    code is found again at each place, beside the codes of the patches that the ground is cut into.

    dictionary: 1 to 8 square kernels. photo: as large as what 16 × 16 places decode to. lam: λ at
    first. What was stamped is then in ``.Z``, the image in ``.Y``.
    """
    return StampPage(data=page_data(dictionary, photo), lam=check_positive("lam", lam))


class StampPage(LivePage):
    """The widget: everything is computed in the page, and the stamps come to the kernel when it
    rests. See :func:`stamp_page`.
    """

    title = TITLE
    can = "stamp and to drag"
    _esm = module("stamp.js")
    _css = style("stamp.css")
    data = traitlets.Dict().tag(sync=True)
    stamps = traitlets.List().tag(sync=True)  # of [kernel, row, column, weight]
    lam = traitlets.Float().tag(sync=True)
    words = traitlets.Dict().tag(sync=True)  # in place of those in live/stamp_words.js

    @property
    def dictionary(self) -> ConvDictionary:
        """The kernels, float64."""
        K = torch.tensor(self.data["kernels"], dtype=torch.float64)
        return ConvDictionary(K.unflatten(1, (self.data["side"], self.data["side"])))

    @property
    def Z(self) -> Tensor:
        """What was stamped: a map for each kernel, (n, 16, 16)."""
        maps = torch.zeros(len(self.data["kernels"]), MAP, MAP, dtype=torch.float64)
        for kernel, row, column, weight in self.stamps:
            maps[kernel, row, column] = weight
        return maps

    @property
    def Y(self) -> Tensor:
        """The image that the stamps add up to."""
        return self.dictionary.decode(self.Z)

    @property
    def photo(self) -> Tensor:
        """The piece of a photograph."""
        side = MAP + self.data["side"] - 1
        return torch.tensor(self.data["photo"], dtype=torch.float64).reshape(side, side)

    def export_html(self, path):
        """Write the page, with these kernels and stamps, as one file that needs no kernel."""
        given = {"lam": self.lam, "stamps": self.stamps}
        return write_stamp_page(path, self.dictionary, self.photo, **given)

    def show_at_rest(self) -> None:
        """The figure: the photograph at two places, and both its codes."""
        moved_codes(*codes_of(self.dictionary, self.photo, self.lam, MOVED), MOVED)


def codes_of(
    dictionary: ConvDictionary, photo: Tensor, lam: float, shift: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """The photograph in the middle of the ground and moved by ``shift``, their convolutional codes,
    and the codes of their patches (2, n, rows, columns).
    """
    side, home = dictionary.K.shape[-1], round((FRAME - len(photo)) / 2)
    ground = photo.new_zeros(2, FRAME, FRAME)
    for one, (down, right) in zip(ground, ((0, 0), shift), strict=True):
        rows, columns = (slice(home + by, home + by + len(photo)) for by in (down, right))
        one[rows, columns] = photo
    maps = fista(dictionary, ground, lam, tol=1e-9).z
    atoms, across = Dictionary(dictionary.K.flatten(1).T), FRAME // side
    patches = ground.unfold(1, side, side).unfold(2, side, side).reshape(-1, side**2)
    codes = fista(atoms, patches, lam, tol=1e-9).z.reshape(2, across, across, -1)
    return ground, maps, codes.movedim(-1, 1)
