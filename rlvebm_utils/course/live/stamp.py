"""The page in which kernels are stamped: what it is given, and the file that needs no kernel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from ...conv import ConvDictionary
from . import write_page

TITLE = "Stamp an image, then move it and watch its code follow"
MAP, FRAME = 16, 54  # places a side of the map to stamp on; pixels a side of the ground


def page_data(dictionary: ConvDictionary, photo: Tensor) -> dict:
    """What ``stamp.js`` asks for as ``data``.

    dictionary: 1 to 8 grey, square kernels, of at most 18 pixels a side. photo: a grey piece, as
    large as what a map of 16 × 16 places decodes to.
    """
    K = dictionary.K
    if K.ndim != 3 or len(K) > 8 or K.shape[1] != K.shape[2] or K.shape[1] > FRAME // 3:
        raise ValueError(f"dictionary: expected 1 to 8 square kernels, got {tuple(K.shape)}")
    side = K.shape[1]
    if photo.shape != (MAP + side - 1, MAP + side - 1):
        expected = (MAP + side - 1, MAP + side - 1)
        raise ValueError(f"photo: expected shape {expected}, got {tuple(photo.shape)}")
    return {
        "kernels": [[round(v, 5) for v in one.flatten().tolist()] for one in K],
        "side": side,
        "map": MAP,
        "frame": FRAME,
        "photo": [round(v, 4) for v in photo.flatten().tolist()],
    }


def write_stamp_page(
    path, dictionary: ConvDictionary, photo: Tensor, *, lam: float, stamps: Sequence = ()
) -> Path:
    """Write the page as one HTML file that needs no kernel and no network; returns its path."""
    start = {"lam": lam, "stamps": [list(one) for one in stamps]}
    options = {"data": page_data(dictionary, photo), "start": start, "level": 1}
    return write_page(path, "stamp", TITLE, options)
