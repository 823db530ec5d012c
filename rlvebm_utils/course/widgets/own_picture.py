"""A picture of the reader's own, drawn on a sheet or read from a file in the page."""

from __future__ import annotations

import base64
import zlib

import torch
import traitlets
from torch import Tensor

from ..extras import require
from ..live import module, style
from ..live.strokes import SIDE, recorded, unpack

anywidget = require("anywidget", "what is moved in the page")

START = 3  # the digit that stands on the sheet at first
PIXELS = SIDE * SIDE


class OwnPicture(anywidget.AnyWidget):
    """The sheet. What is on it stands in ``.pixels`` (bytes), ``.ink`` and, as text, ``.text``."""

    _esm = module("own_picture.js")
    _css = style("own_picture.css")
    side = traitlets.Int(SIDE).tag(sync=True)
    pixels = traitlets.List(traitlets.Int()).tag(sync=True)  # 0 to 255, row by row
    changes = traitlets.Int().tag(sync=True)  # by the reader, also to what was there before

    def __init__(self, **values):
        super().__init__(**values)
        if not self.pixels:
            self.pixels = unpack(recorded()["samples"])[START].tolist()

    @property
    def ink(self) -> Tensor:
        """The picture (28, 28): 0 paper, 1 ink; float64."""
        return torch.tensor(self.pixels, dtype=torch.float64).reshape(SIDE, SIDE) / 255

    @property
    def text(self) -> str:
        """The picture as letters that a link can hold."""
        packed = zlib.compress(bytes(self.pixels), 9)
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @text.setter
    def text(self, text: str) -> None:
        self.pixels = pixels_of(text)


def pixels_of(text: str) -> list[int]:
    """The bytes that :attr:`OwnPicture.text` was made of."""
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        pixels = zlib.decompressobj().decompress(packed, PIXELS + 1)
    except (ValueError, zlib.error):
        pixels = b""
    if len(pixels) != PIXELS:
        raise ValueError(f"picture: expected the letters of a whole one, got {len(text)} of them")
    return list(pixels)
