"""The auto-encoders of notebook 06, trained longer than a notebook can wait.

They were computed once, ``python -m tools.autoencoders``, and lie in ``autoencoders.npz`` beside
this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..conv import ConvDictionary
from .csae import NONLINEARITIES, ConvEncoder
from .data import extract_patches, load_photographs, local_contrast
from .settled import kept

FILE = Path(__file__).with_name("autoencoders.npz")
LAM, N_KERNELS, STEPS = 1.5, 8, 800


@dataclass(frozen=True)
class Training:
    """Which auto-encoder: φ, α, whether its encoder stays noise, seed and length of training,
    whether its codes start from the guess or from 0.
    """

    nonlinearity: str = NONLINEARITIES[1]
    alpha: float = 1.0
    frozen: bool = False
    seed: int = 0
    steps: int = STEPS
    from_guess: bool = True

    @property
    def key(self) -> str:
        """Its name in the file."""
        encoder = "frozen" if self.frozen else "trained"
        start = "guess" if self.from_guess else "zero"
        return f"{self.nonlinearity}-{self.alpha:g}-{start}-{encoder}-{self.seed}-{self.steps}"


def pieces(seed: int) -> tuple[Tensor, Tensor]:
    """The images of a start: 400 pieces (40 × 40, float64) of four photographs to train on, and 20
    of the two others, which are held out: another pair for each of three seeds.
    """
    photos = load_photographs(dtype=torch.float64)
    contrast = {name: local_contrast(image) for name, image in photos.items()}
    pair = list(contrast)[2 * (seed % 3) :][:2]
    held_out = {name: contrast.pop(name) for name in pair}
    train = extract_patches(contrast, size=40, count=400, seed=seed).reshape(-1, 40, 40)
    return train, extract_patches(held_out, size=40, count=20, seed=seed).reshape(-1, 40, 40)


@cache
def _archive() -> dict[str, np.ndarray]:
    with np.load(kept(FILE)) as archive:
        return dict(archive)


def load(one: Training, step: int | None = None) -> tuple[ConvEncoder, ConvDictionary]:
    """The two halves of a training, float64, at its end or after a step that was kept.

    Raises ValueError for a training or a step that the file doesn't hold.
    """
    head = one.key if step is None else f"{one.key}@{step}"
    found = {
        name.partition("/")[2]: a for name, a in _archive().items() if name.startswith(head + "/")
    }
    if not found:
        raise ValueError(f"one, step: expected a training that is kept, got {one}, {step}")
    parts = {name: torch.as_tensor(value, dtype=torch.float64) for name, value in found.items()}
    dictionary = ConvDictionary(parts.pop("K"))
    encoder = ConvEncoder(N_KERNELS, nonlinearity=one.nonlinearity)
    encoder.load_state_dict(parts)
    return encoder.eval(), dictionary
