"""The atoms of notebook 04, learned until they settle, and what they are learned from.

They were computed once, ``python -m tools.atoms``, and lie in ``atoms.npz`` beside this file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..operators import Dictionary
from .data import extract_patches, load_digits, load_photographs, whiten
from .gabor import fit_gabors
from .settled import kept

FILE = Path(__file__).with_name("atoms.npz")
PASSES, ICA_STEPS = 20, 200  # three times as many at the lowest λ
NONZEROS = 9.0  # of a held-out code, where dictionaries are compared
FOLDS = range(3)  # another pair of photographs is held out in each
PRICES = (0.03, 0.06, 0.12, 0.2, 0.32, 0.48)  # λ as a share of a sample's length ‖y‖ (median)
PHASES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # from photograph to scrambled twin
CUTOFFS = (0.0, 0.2, 0.3, 0.4)  # of the filter; 0: no filter
COUNTS = (72, 144, 288, 576)  # atoms for the 143 dimensions of a patch without its mean
TEXTURES = ("brick", "grass", "gravel")
EARLY = (10, 39, 78, 195)  # steps after which two trainings are looked at; a pass has 39
EARLY_PRICES = (0.06, 0.32)
LOCAL = 37  # pixels: half way between a Gabor function (24) and white noise (49), see `edges`
FIGURES = ("lam", "nonzeros", "explained", "share", "frequency", "covered", "kurtosis")


@dataclass(frozen=True)
class Training:
    """Which dictionary: what it was learned from, λ as a share of ‖y‖ (0: the λ at which held-out
    codes have ``NONZEROS`` entries), number of atoms, how far the phases were scrambled, the
    filter's cutoff, which pair of photographs was held out. "ica": independent components. "even":
    all patches made equally long. "lent": each made as long as a patch of a photograph is. Or one
    of ``TEXTURES``.
    """

    data: str = "photographs"
    price: float = 0.0
    atoms: int = 144
    phases: float = 0.0
    cutoff: float = 0.4
    fold: int = 0

    @property
    def length(self) -> int:
        """Passes over the samples (of "ica": steps)."""
        if self.data == "ica":
            return ICA_STEPS
        return 3 * PASSES if self.price == PRICES[0] else PASSES

    @property
    def key(self) -> str:
        """Its name in the file."""
        rest = f"{self.price:g}-{self.atoms}-{self.phases:g}-{self.cutoff:g}-{self.fold}"
        return f"{self.data}-{rest}"


# ---- what is learned from ----


def mixed(image: Tensor, share: float, seed: int = 0) -> Tensor:
    """An image (H, W) with the same amplitudes, and phases that have gone this share of the way,
    the shorter way round, to those of noise.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(image.shape, generator=generator, dtype=torch.float64)
    spectrum = torch.fft.rfft2(image)
    goal = torch.fft.rfft2(noise.to(image)).angle()
    way = torch.remainder(goal - spectrum.angle() + torch.pi, 2 * torch.pi) - torch.pi
    way[0, 0] = 0
    phase = spectrum.angle() + share * way
    return torch.fft.irfft2(torch.polar(spectrum.abs(), phase), s=image.shape)


@cache
def _images(phases: float, cutoff: float) -> dict[str, Tensor]:
    photographs = load_photographs(dtype=torch.float64)
    filtered = {n: whiten(one, cutoff) if cutoff else one for n, one in photographs.items()}
    if not phases:
        return filtered
    return {n: mixed(one, phases, seed) for seed, (n, one) in enumerate(filtered.items())}


def images(phases: float = 0.0, cutoff: float = 0.4) -> dict[str, Tensor]:
    """The six photographs, filtered (a cutoff of 0: as they are), with their phases scrambled."""
    return dict(_images(phases, cutoff))


def cut(pictures: Iterable[Tensor], count: int, seed: int = 0) -> Tensor:
    """Patches of 12 × 12 pixels (rows): each without its mean, the flattest fifth left out, the
    variance of all of them 1.
    """
    patches = extract_patches([one / one.std() for one in pictures], 12, count * 5 // 4, seed=seed)
    patches = patches - patches.mean(1, keepdim=True)
    contrast = patches.std(1)
    patches = patches[contrast > contrast.quantile(0.2)][:count]
    return patches / patches.std()


@cache
def _split(phases: float, cutoff: float, fold: int) -> tuple[Tensor, Tensor]:
    every = images(phases, cutoff)
    held_out = [every.pop(name) for name in list(every)[2 * fold :][:2]]
    return cut(every.values(), 10_000, fold), cut(held_out, 1000, fold)


def patches(phases: float = 0.0, cutoff: float = 0.4, fold: int = 0) -> tuple[Tensor, Tensor]:
    """10 000 patches of four photographs to learn from, and 1000 of the two others: another pair is
    held out in each fold, 0 to 2.
    """
    return tuple(one.clone() for one in _split(phases, cutoff, fold))


def digits() -> tuple[Tensor, Tensor]:
    """The middle 20 × 20 pixels of 4000 digits to learn from and of 1000 held out."""
    y = load_digits(dtype=torch.float64).images[:, 4:24, 4:24].flatten(1)
    return y[:4000], y[4000:]


def with_lengths(y: Tensor, lengths: Tensor | float) -> Tensor:
    """Samples (rows) made as long as ``lengths`` says: all alike, or one for each."""
    return y * (lengths / y.norm(dim=1)).unsqueeze(1)


def texture(name: str, phases: float = 0.0) -> tuple[Tensor, Tensor]:
    """Patches of the left two thirds of a filtered texture to learn from, of the rest held out."""
    whole = whiten(load_photographs(textures=True, dtype=torch.float64)[name])
    whole = mixed(whole, phases) if phases else whole
    left, rest = whole.tensor_split([2 * whole.shape[1] // 3], dim=1)
    return cut([left], 10_000), cut([rest], 1000)


def samples(one: Training) -> tuple[Tensor, Tensor]:
    """What a training learns from, and what is held out."""
    if one.data == "digits":
        return digits()
    if one.data in TEXTURES:
        return texture(one.data, one.phases)
    both = patches(one.phases, one.cutoff, one.fold)
    if one.data == "even":
        return tuple(with_lengths(y, y.shape[1] ** 0.5) for y in both)
    if one.data == "lent":
        lenders = patches(0.0, one.cutoff, one.fold)
        return tuple(with_lengths(y, a.norm(dim=1)) for y, a in zip(both, lenders, strict=True))
    return both


# ---- independent components ----


def whitened(Y: Tensor) -> tuple[Tensor, Tensor]:
    """Samples as rows X with covariance I, in the directions of the 143 principal components, and
    the map back: Y = X @ back, for samples without mean.
    """
    values, vectors = torch.linalg.eigh(Y.T @ Y / len(Y))
    values, vectors = values[1:], vectors[:, 1:]  # a patch without its mean has 143 dimensions
    root = values.sqrt()
    return Y @ (vectors / root), (vectors * root).T


def orthonormal(B: Tensor) -> Tensor:
    """The rows made orthonormal, all of them alike: (BBᵀ)^(−1/2) B."""
    U, _, Vh = torch.linalg.svd(B, full_matrices=False)
    return U @ Vh


def first_directions(n: int, seed: int = 0) -> Tensor:
    """Orthonormal rows (n, n), drawn by lot."""
    noise = torch.randn(n, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return orthonormal(noise)


# ---- what looks like an edge ----


def covered(W: Tensor) -> Tensor:
    """How many pixels an atom covers, (Σw²)² / Σw⁴: k for k equal pixels, and smooth in between."""
    return W.square().sum(0).square() / W.pow(4).sum(0)


def edges(W: Tensor) -> tuple[float, float]:
    """The share of atoms of which a Gabor function explains more than 70 %, and the share of those
    that are local as well: that cover fewer than ``LOCAL`` pixels.
    """
    side = round(W.shape[0] ** 0.5)
    gabors = fit_gabors(W.T.unflatten(1, (side, side))).r2 > 0.7
    return tuple(float(one.double().mean()) for one in (gabors, gabors & (covered(W) < LOCAL)))


# ---- what is kept ----


@cache
def _archive() -> dict[str, np.ndarray]:
    with np.load(kept(FILE)) as archive:
        return dict(archive)


def about() -> dict:
    """What made the file."""
    return json.loads(str(_archive()["about"]))


def _found(one: Training, part: str) -> np.ndarray:
    key = f"{one.key}/{part}"
    if key not in _archive():
        raise ValueError(f"one, part: expected what is kept, got {one}, {part!r}")
    return _archive()[key]


def packed(W: Tensor) -> np.ndarray:
    """Atoms (columns) as whole numbers up to 127, a row each."""
    rows = W.T / W.T.abs().amax(1, keepdim=True)
    return (127 * rows).round().to(torch.int8).numpy()


def unpacked(rows: np.ndarray) -> Tensor:
    """Atoms of length 1 (columns) from `packed` ones, float64."""
    rows = torch.as_tensor(rows, dtype=torch.float64)
    return (rows / rows.norm(dim=1, keepdim=True)).T


def atoms(one: Training) -> Dictionary:
    """The settled atoms, of length 1, float64. Raises ValueError for what the file doesn't hold."""
    return Dictionary(unpacked(_found(one, "atoms")))


def figures(one: Training, *, half: bool = False) -> dict[str, float]:
    """What was measured of a training on held-out samples, by name (``FIGURES``): λ, non-zeros of a
    code, explained share, share of atoms with a Gabor fit of R² > 0.7, their median frequency,
    pixels that an atom covers and excess kurtosis along one (medians). And "local", the share of
    atoms with such a fit that are local as well (NaN where it is not kept). half: after half of it.
    """
    values = _found(one, "half" if half else "figures").tolist()
    local = _archive().get(f"{one.key}/local", [math.nan] * 2)[0 if half else 1]
    return dict(zip(FIGURES, values, strict=True)) | {"local": float(local)}


def early(one: Training) -> dict[int, float]:
    """Steps → the share of atoms with a Gabor fit of R² > 0.7 after so many (``EARLY``). Kept for
    photographs, fold 0, at ``EARLY_PRICES``.
    """
    return dict(zip(EARLY, _found(one, "early").tolist(), strict=True))


SHAPES = {
    "lam": "{:.2f}",
    "nonzeros": "{:.1f}",
    "explained": "{:.0%}",
    "share": "{:.0%}",
    "local": "{:.0%}",
    "frequency": "{:.2f}",
    "covered": "{:.0f}",
    "kurtosis": "{:.1f}",
}


def ranges(one: Training, labels: Mapping[str, str]) -> dict[str, str]:
    """Label → the figure of that name over the folds, from the least to the largest.

    labels: label → name (``FIGURES``).
    """
    folds = [figures(replace(one, fold=fold)) for fold in FOLDS]
    told = {}
    for label, name in labels.items():
        values = [fold[name] for fold in folds]
        low, high = (SHAPES[name].format(end) for end in (min(values), max(values)))
        low, high = (text.replace("-0.0", "0.0") for text in (low, high))
        told[label] = low if low == high else f"{low} to {high}"
    return told
