"""The kernels of notebook 05, learned longer than a notebook can wait.

They were computed once, ``python -m tools.families``, and lie in ``families.npz`` beside this file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..conv import ConvDictionary
from .data import extract_patches, load_photographs, local_contrast
from .settled import kept

FILE = Path(__file__).with_name("families.npz")
LAM, STEPS = 1.0, 600
SIZES = (1, 2, 4, 8, 16, 32, 64)  # how many kernels are learned together
FEW = 8  # up to here there are six starts
CHANNELS = ("red, green, blue", "opponent", "equal variance")  # of colour images


@dataclass(frozen=True)
class Training:
    """Which kernels: how many, the price λ, codes of both signs or ≥ 0, start; for colour images
    in which channels, or "" for grey ones; every: from all photographs, with none held out.
    """

    n: int = 8
    lam: float = LAM
    nonnegative: bool = False
    seed: int = 0
    channels: str = ""
    every: bool = False

    @property
    def key(self) -> str:
        """Its name in the file."""
        sign = "positive" if self.nonnegative else "signed"
        images = "every" if self.every else self.channels.replace(" ", "_")
        return f"{self.n}-{self.lam:g}-{sign}-{self.seed}-{images}"


def starts(n: int) -> range:
    """The seeds of which n kernels are kept."""
    return range(6 if n <= FEW else 3)


def photographs(seed: int, *, colour: bool = False) -> tuple[dict, dict]:
    """Local contrast by name, float64: the photographs to learn from, and two that are held out:
    another pair for each of three seeds, or of two in colour, where there are four photographs.
    """
    photos = load_photographs(color=colour, dtype=torch.float64)
    contrast = {name: local_contrast(image) for name, image in photos.items()}
    pair = list(contrast)[2 * (seed % (len(contrast) // 2)) :][:2]
    return contrast, {name: contrast.pop(name) for name in pair}


def pieces(seed: int, *, every: bool = False) -> tuple[Tensor, Tensor]:
    """400 grey pieces (40 × 40) to learn from, and 20 of the two photographs that are held out.

    every: the 400 are of all photographs.
    """
    learned, held_out = photographs(seed)
    learned = learned | held_out if every else learned
    both = ((learned, 400), (held_out, 20))
    train, test = (extract_patches(p, size=40, count=c, seed=seed) for p, c in both)
    return train.reshape(-1, 40, 40), test.reshape(-1, 40, 40)


def colour_pieces(seed: int) -> tuple[Tensor, Tensor]:
    """300 pieces (3 × 36 × 36) to learn from, and 12 of the photographs that are held out."""
    learned, held_out = photographs(seed, colour=True)
    both = ((learned, 300), (held_out, 12))
    train, test = (extract_patches(p, size=36, count=c, seed=seed) for p, c in both)
    return train.reshape(-1, 3, 36, 36), test.reshape(-1, 3, 36, 36)


def mixing(pieces: Tensor, channels: str) -> Tensor:
    """The matrix (3, 3) from red, green, blue to ``channels``, for pieces (N, 3, h, w).

    "opponent": the principal axes of the three, light against dark first. "equal variance": these,
    each in units of its standard deviation, times one number, so that the sum of the variances
    stays as it was. Raises ValueError for another name.
    """
    if channels not in CHANNELS:
        raise ValueError(f"channels: expected one of {'; '.join(CHANNELS)}, got {channels!r}")
    if channels == CHANNELS[0]:
        return torch.eye(3, dtype=pieces.dtype)
    values, axes = torch.linalg.eigh(torch.cov(pieces.transpose(0, 1).flatten(1)))
    values, axes = values.flip(0), axes.flip(1)
    axes = axes * axes[axes.abs().argmax(0), torch.arange(3)].sign()
    if channels == CHANNELS[1]:
        return axes.T
    return (values.mean() / values).sqrt()[:, None] * axes.T


def mixed(matrix: Tensor, images: Tensor) -> Tensor:
    """Images or kernels (…, 3, h, w) with other channels: the matrix times each pixel."""
    return torch.einsum("dc,...chw->...dhw", matrix, images)


@cache
def _archive() -> dict[str, np.ndarray]:
    with np.load(kept(FILE)) as archive:
        return dict(archive)


def about() -> dict:
    """What made the file."""
    return json.loads(str(_archive()["about"]))


def load(one: Training, *, half: bool = False) -> ConvDictionary:
    """Unit-norm kernels, float64, at the end of a training, or after ``half`` of it.

    Raises ValueError for a training that the file doesn't hold.
    """
    key = f"{one.key}/{'half' if half else 'K'}"
    if key not in _archive():
        raise ValueError(f"one: expected a training that is kept, got {one}")
    K = torch.as_tensor(_archive()[key], dtype=torch.float64)
    norms = K.flatten(1).norm(dim=1)
    return ConvDictionary(K / norms.reshape(-1, *(1,) * (K.ndim - 1)))
