"""The page in which one draws a digit: what it is given, and the file that needs no kernel."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ...operators import Dictionary
from . import write_page
from .strokes import SIDE, as_bytes, pack, recorded

TITLE = "Draw a digit: which strokes build it?"
PIXELS = SIDE * SIDE


def page_data(dictionary: Dictionary | None = None, digits: Tensor | None = None) -> dict:
    """What ``draw_digit.js`` asks for as ``data``.

    dictionary: 784 × n, no entry below zero; the 256 strokes of the course if left out. Each atom
    is rounded to 256 shades and then scaled to length 1. digits: ten rows (10, 784) in [0, 1] to
    pick from, one of each class.
    """
    packed = {"side": SIDE, "atoms": recorded()["atoms"], "samples": recorded()["samples"]}
    if dictionary is not None:
        if dictionary.W.shape[0] != PIXELS:
            shape = tuple(dictionary.W.shape)
            raise ValueError(f"dictionary: expected atoms of {PIXELS} pixels, got W of {shape}")
        packed["atoms"] = pack(as_bytes(dictionary.W.detach().cpu()))
    if digits is not None:
        if digits.shape != (10, PIXELS):
            raise ValueError(f"digits: expected shape (10, {PIXELS}), got {tuple(digits.shape)}")
        packed["samples"] = pack((255 * digits.clamp(0, 1)).round().byte())
    return packed


def write_draw_page(
    path, dictionary: Dictionary | None = None, digits: Tensor | None = None, *, lam: float = 0.15
) -> Path:
    """Write the page as one HTML file that needs no kernel and no network; returns its path."""
    options = {"data": page_data(dictionary, digits), "start": {"lam": lam}, "level": 1}
    return write_page(path, "draw_digit", TITLE, options)
