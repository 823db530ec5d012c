"""The page in which one drags a point y: what it is given, and the file that needs no kernel."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import torch
from torch import Tensor

from ...operators import Dictionary
from ..plots.style import SEQUENTIAL
from . import write_page

TITLE = "Drag y: which code explains it, and at what cost?"
REACH, TOP = 1.5, 0.5  # the map goes from −REACH to REACH; F of the last colour
START = (0.6, 0.5)


def star_atoms() -> Dictionary:
    """Three atoms of length 1 at equal angles, the first one upwards."""
    angle = torch.pi / 2 + 2 * torch.pi / 3 * torch.arange(3, dtype=torch.float64)
    return Dictionary(torch.stack([angle.cos(), angle.sin()]))


def star_points() -> Tensor:
    """Sixty points along these atoms."""
    along = torch.linspace(0.2, 1, 20, dtype=torch.float64)
    return (along[:, None, None] * star_atoms().W.T).reshape(-1, 2)


def page_data(dictionary: Dictionary, points: Tensor) -> dict:
    """What ``energy_point.js`` asks for as ``data``.

    dictionary: atoms of two numbers, at most 9 and none of them zero; codes will be ≥ 0. points
    (N, 2): the data, drawn as dots.
    """
    if dictionary.dim != 2 or not 1 <= dictionary.n_atoms <= 9:
        shape = tuple(dictionary.W.shape)
        raise ValueError(f"dictionary: expected 1 to 9 atoms of 2 numbers, got W of {shape}")
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points: expected shape (N, 2), got {tuple(points.shape)}")
    return {
        "atoms": dictionary.W.detach().T.tolist(),
        "points": [[round(v, 3) for v in row] for row in points.tolist()],
        "reach": REACH,
        "top": TOP,
        "colours": matplotlib.colormaps[SEQUENTIAL](range(0, 256, 15), bytes=True)[:, :3].tolist(),
    }


def write_point_page(path, dictionary: Dictionary, points: Tensor, *, lam: float) -> Path:
    """Write the page as one HTML file that needs no kernel and no network; returns its path."""
    data, start = page_data(dictionary, points), {"y": list(START), "lam": lam}
    return write_page(path, "energy_point", TITLE, {"data": data, "start": start, "level": 1})
