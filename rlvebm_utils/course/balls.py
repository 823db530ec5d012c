"""The variational auto-encoders of notebook 07, trained longer than a notebook can wait.

They were computed once, ``python -m tools.balls``, and lie in ``balls.npz`` beside this file.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .data import load_digits
from .settled import kept
from .vae import Balls, FuzzyBallAutoencoder, normal_noise

FILE = Path(__file__).with_name("balls.npz")
EPOCHS, RATE, BATCH = 240, 0.01, 100
HEATS = (0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 10.0)  # temperatures of the heated one
DOUBLING = tuple(2.0**i for i in range(-6, 5))
SPRINGS = tuple(sorted([*DOUBLING, 2.3, 2.6, 2.9, 3.2]))  # more of them beside k*
PASSES = 6  # over 2000 digits with each spring; twelve times as many with the first
SHOWN = 400  # digits whose balls are kept of a heated one


@dataclass(frozen=True)
class Training:
    """Which auto-encoder: temperature T (0: no price at all), entries of the code, seed, length of
    the training, and the share of it in which T rises from a fifth to its full height.
    """

    T: float = 1.0
    code: int = 2
    seed: int = 0
    epochs: int = EPOCHS
    warm: float = 0.0

    @property
    def key(self) -> str:
        """Its name in the file."""
        return f"{self.T:g}-{self.code}-{self.seed}-{self.epochs}-{self.warm:g}"


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The middle 20 × 20 pixels of 4000 digits to learn from and of 1000 held out, float64, and
    their classes: (y, labels, y held out, labels held out).
    """
    every = load_digits(dtype=torch.float64)
    y = every.images[:, 4:24, 4:24].flatten(1)
    return y[:4000], every.labels[:4000], y[4000:], every.labels[4000:]


def new_model(one: Training) -> FuzzyBallAutoencoder:
    """The machine before its training, float64: both prices are T/2."""
    price = one.T / 2
    model = FuzzyBallAutoencoder(400, one.code, spring=price, size=price, sigma=None, seed=one.seed)
    return model.double()


def heat(share: float, warm: float) -> float:
    """What T is multiplied with when this share of the training is done."""
    return 1.0 if share >= warm else 0.2 + 0.8 * share / warm


def fall(share: float) -> float:
    """What the step is multiplied with: down to 0 along half a cosine."""
    return 0.5 * (1 + math.cos(math.pi * share))


def train(one: Training, model: FuzzyBallAutoencoder, y: Tensor) -> None:
    """Train in place by Adam, as ``train_balls`` does, with steps that fall to 0."""
    generator = torch.Generator().manual_seed(one.seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    total, step = one.epochs * math.ceil(len(y) / BATCH), 0
    for _ in range(one.epochs):
        for rows in torch.randperm(len(y), generator=generator).split(BATCH):
            share = step / total
            optimiser.param_groups[0]["lr"] = RATE * fall(share) * min(1, (step + 1) / 100)
            model.spring = model.size = one.T / 2 * heat(share, one.warm)
            noise = normal_noise((len(rows), one.code), generator, like=y)
            optimiser.zero_grad()
            model.terms(y[rows], noise).total.mean().backward()
            optimiser.step()
            step += 1
    model.spring = model.size = one.T / 2


@torch.no_grad()
def losses(model: FuzzyBallAutoencoder, y: Tensor) -> tuple[float, float]:
    """Mean fit, over eight noises, and mean KL divergence."""
    generator, code = torch.Generator().manual_seed(0), model.code
    noises = [normal_noise((len(y), code), generator, like=y) for _ in range(8)]
    fit = torch.stack([model.terms(y, noise).fit.mean() for noise in noises]).mean()
    balls = model.encode(y)
    kl = 0.5 * (balls.mean.square() + balls.variance - balls.variance.log() - 1).sum(1)
    return float(fit), float(kl.mean())


@cache
def _archive() -> dict[str, np.ndarray]:
    with np.load(kept(FILE)) as archive:
        return dict(archive)


def about() -> dict:
    """What made the file."""
    return json.loads(str(_archive()["about"]))


def load(one: Training, part: str) -> Tensor:
    """What is kept of a training, float64: ``"balls"``, ``"losses"`` and others of the tool.

    Raises ValueError for what the file doesn't hold.
    """
    key = f"{one.key}/{part}"
    if key not in _archive():
        raise ValueError(f"one, part: expected what is kept, got {one}, {part!r}")
    return torch.as_tensor(_archive()[key], dtype=torch.float64)


def held_out_balls(one: Training) -> Balls:
    """The balls of the held-out digits (or of the first of them)."""
    mean, log_variance = load(one, "balls")
    return Balls(mean, log_variance.exp())


def trained(one: Training) -> FuzzyBallAutoencoder:
    """The machine with the trained decoder; its encoder is not kept (ask ``held_out_balls``)."""
    model = new_model(one)
    parts = {name: load(one, name) for name in model.decoder.state_dict()}
    model.decoder.load_state_dict(parts)
    return model.requires_grad_(False)


def heated(T: float) -> tuple[Balls, float, float, Tensor]:
    """What is kept of the machine that was heated step by step: balls of the first held-out digits,
    mean fit and KL divergence of all, and ten pictures decoded from the middles (10, 400).
    """
    found = _archive()
    mean, log_variance = torch.as_tensor(found[f"heated {T:g}/balls"], dtype=torch.float64)
    fit, divergence = (float(v) for v in found[f"heated {T:g}/losses"])
    pictures = torch.as_tensor(found[f"heated {T:g}/pictures"], dtype=torch.float64) / 255
    return Balls(mean, log_variance.exp()), fit, divergence, pictures


def tightened(seed: int, passes: int = PASSES) -> dict[str, Tensor]:
    """Balls of radius 1 on ever tighter springs: of the held-out digits at each of ``SPRINGS`` the
    root mean square of ‖z̄‖ (``spread``), its maximum (``far``), the mean ``fit`` and the mean
    ``overlap`` of two balls.
    """
    rows = torch.as_tensor(_archive()[f"tight {seed} {passes}/figures"], dtype=torch.float64)
    return dict(zip(("spread", "far", "fit", "overlap"), rows, strict=True))


def at_an_eighth(seed: int, passes: int = PASSES) -> Balls:
    """The balls of the held-out digits on the spring 1/8."""
    mean = torch.as_tensor(_archive()[f"tight {seed} {passes}/eighth"], dtype=torch.float64)
    return Balls(mean, torch.ones_like(mean))


def stages() -> dict[float, tuple[Balls, float, Tensor]]:
    """Of the first start, at springs that double: balls of the first held-out digits, mean fit, and
    ten pictures decoded from the middles (10, 400).
    """
    means = torch.as_tensor(_archive()["stages/means"], dtype=torch.float64)
    pictures = torch.as_tensor(_archive()["stages/pictures"], dtype=torch.float64) / 255
    fit = dict(zip(SPRINGS, tightened(0)["fit"].tolist(), strict=True))
    return {
        k: (Balls(mean, torch.ones_like(mean)), fit[k], drawn)
        for k, mean, drawn in zip(DOUBLING, means, pictures, strict=True)
    }


def gauss_points(count: int) -> tuple[Tensor, Tensor]:
    """Points of the plane (count², 2) and weights (count²,) whose weighted sums are means over a
    standard normal distribution: exactly, for polynomials of a degree below 2·count.
    """
    x, w = (torch.as_tensor(one) for one in np.polynomial.hermite_e.hermegauss(count))
    weights = torch.cartesian_prod(w, w).prod(1) / (2 * math.pi)
    return torch.cartesian_prod(x, x), weights


def one_of_each(labels: Tensor) -> list[int]:
    """The place of the first digit of each class."""
    return [int((labels == c).nonzero()[0]) for c in labels.unique()]
