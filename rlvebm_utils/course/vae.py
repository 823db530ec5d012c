"""Fuzzy balls: an auto-encoder whose code is noisy, held together by springs.

The encoder sends a sample y to a ball: a Gaussian with mean z̄ and variances v, one for each entry
of the code. The decoder sees a random point of it, z = z̄ + √v·ε. A ball costs::

    ⟨½‖y − Dec(z)‖²⟩  +  k‖z̄‖²  +  s Σ_i (v_i − log v_i − 1)
          fit            spring            size

k = 0: nothing holds the balls. s = 0 and v fixed: balls of one size on springs, and the sum is the
*average energy*. k = s = T/2 with learned v: the second and third term are T times the
Kullback–Leibler divergence from the standard normal distribution, and the sum is the *variational
free energy* at the temperature T (the negative ELBO; T is the β of the β-VAE, and 1/β of notebook
01).
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..progress import track
from ..validate import (
    check_count,
    check_flag,
    check_fraction,
    check_positive,
    check_snapshots,
    check_tensor,
    describe,
    plain_numbers,
)

LOG_VARIANCE = 20.0  # learned log-variances stay within ±20, where their exponential is safe


class Balls(NamedTuple):
    """Gaussians with independent entries, one a row."""

    mean: Tensor  # (N, c)
    variance: Tensor  # (N, c), > 0

    def point(self, noise: Tensor) -> Tensor:
        """z = z̄ + √v·ε, from standard normal noise ε of the same shape."""
        return self.mean + self.variance.sqrt() * noise


class Terms(NamedTuple):
    """The three terms, each (N,)."""

    fit: Tensor
    spring: Tensor
    size: Tensor

    @property
    def total(self) -> Tensor:
        """Their sum."""
        return self.fit + self.spring + self.size


class FuzzyBallAutoencoder(nn.Module):
    """Encoder and decoder: two small mirrored networks with tanh; pixels leave through a sigmoid.

    dim: entries of a sample. code: entries of a code. spring: k ≥ 0. sigma: the radius √v of every
    ball, or None to let the encoder choose v. size: s ≥ 0, the price of a ball's size (only with
    learned sizes). hidden: the widths between sample and code. seed: of the first weights; the
    global random state is left alone. ``spring`` and ``size`` may be changed at any time.

    Raises TypeError or ValueError, naming the argument, on bad input. Source: D. P. Kingma, M.
    Welling, *Auto-encoding variational Bayes* (ICLR 2014).
    """

    @plain_numbers
    def __init__(
        self,
        dim: int,
        code: int = 2,
        *,
        spring: float = 0.0,
        sigma: float | None = 1.0,
        size: float = 0.0,
        hidden: tuple[int, ...] = (64, 32),
        seed: int = 0,
    ):
        super().__init__()
        check_count("dim", dim)
        self.code = check_count("code", code)
        self.spring = check_fraction("spring", spring, 0, math.inf)
        self.size = check_fraction("size", size, 0, math.inf)
        if sigma is not None:
            check_positive("sigma", sigma, or_else=", or None to learn it")
        if sigma is not None and size > 0:
            raise ValueError(f"size: expected 0 where sigma is fixed, got {size!r}")
        if not isinstance(hidden, Collection) or isinstance(hidden, str):
            raise TypeError(f"hidden: expected a tuple of widths, got {describe(hidden)}")
        widths = [dim, *(check_count("hidden", width) for width in hidden)]
        check_count("seed", seed, minimum=0)
        self.sigma = sigma
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = _layers([*widths, code if sigma is not None else 2 * code])
            self.decoder = _layers([code, *reversed(widths)])

    def encode(self, y: Tensor) -> Balls:
        """The balls of samples y (N, dim)."""
        out = self.encoder(y)
        if self.sigma is not None:
            return Balls(out, torch.full_like(out, self.sigma**2))
        mean, log_variance = out.split(self.code, dim=1)
        return Balls(mean, log_variance.clamp(-LOG_VARIANCE, LOG_VARIANCE).exp())

    def decode(self, z: Tensor) -> Tensor:
        """Samples (N, dim), with entries between 0 and 1, from points z (N, c)."""
        return torch.sigmoid(self.decoder(z))

    def terms(self, y: Tensor, noise: Tensor) -> Terms:
        """The three terms for samples y (N, dim), the fit at one point of each ball.

        noise: standard normal, (N, c). The mean of ``fit`` over many noises is the ⟨…⟩ above.
        """
        balls = self.encode(y)
        return Terms(
            fit=0.5 * (y - self.decode(balls.point(noise))).square().sum(1),
            spring=self.spring * balls.mean.square().sum(1),
            size=self.size * size_term(balls.variance).sum(1),
        )

    def get_extra_state(self) -> dict:
        """What ``state_dict`` holds beside the weights."""
        return {"spring": self.spring, "sigma": self.sigma, "size": self.size}

    def set_extra_state(self, state: dict) -> None:
        """Take over what :meth:`get_extra_state` gave."""
        self.spring, self.sigma, self.size = state["spring"], state["sigma"], state["size"]

    def extra_repr(self) -> str:
        sigma = "learned" if self.sigma is None else f"{self.sigma:g}"
        return f"spring={self.spring:g}, sigma={sigma}, size={self.size:g}"


def _layers(widths) -> nn.Sequential:
    layers = []
    for a, b in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(a, b), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def size_term(variance: Tensor) -> Tensor:
    """v − log v − 1, entry by entry: 0 at v = 1, positive everywhere else."""
    return variance - variance.log() - 1


def normal_noise(shape, generator: torch.Generator, like: Tensor) -> Tensor:
    """Standard normal numbers, drawn in float64 on the CPU: the same on every machine."""
    drawn = torch.randn(shape, generator=generator, dtype=torch.float64)
    return drawn.to(like.device, like.dtype, non_blocking=True)


@dataclass
class Training:
    """What training leaves behind.

    energy: mean fit, spring and size term of each batch before its step, shape (steps, 3).
    interrupted: whether it was stopped; the steps done so far count.
    snapshots: step → balls of all samples after that step (0: before the first).
    """

    energy: Tensor
    interrupted: bool = False
    snapshots: dict[int, Balls] = field(default_factory=dict)


@plain_numbers
def train_balls(
    model: FuzzyBallAutoencoder,
    y: Tensor,
    *,
    epochs: int = 12,
    batch_size: int = 100,
    learning_rate: float = 2e-3,
    seed: int = 0,
    snapshots: Collection[int] = (),
    progress: bool = False,
) -> Training:
    """Minimise the mean cost over the weights of ``model``, which change in place (Adam).

    y: samples (N, dim). One epoch sees each sample once, in a new order. seed: of order and noise.
    snapshots: steps after which the balls of all samples are kept. The stop button
    (KeyboardInterrupt) ends the training early; what was reached is kept and returned.

    Raises TypeError or ValueError, naming the argument, on bad input; y is never changed.
    """
    _check_training(model, y, epochs, batch_size, learning_rate, seed, snapshots)
    check_flag("progress", progress)
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
    order = [torch.randperm(len(y), generator=generator).split(batch_size) for _ in range(epochs)]
    done = Training(torch.zeros(0, 3, dtype=torch.float64))
    energies = []
    try:
        if 0 in snapshots:
            done.snapshots[0] = _balls(model, y)
        steps = [rows for epoch in order for rows in epoch]
        for step, rows in enumerate(track(steps, "training", show=progress), start=1):
            noise = normal_noise((len(rows), model.code), generator, like=y)
            terms = model.terms(y[rows.to(y.device, non_blocking=True)], noise)
            optimiser.zero_grad()
            terms.total.mean().backward()
            optimiser.step()
            energies.append(torch.stack([term.detach().mean() for term in terms]))
            if step in snapshots:
                done.snapshots[step] = _balls(model, y)
    except KeyboardInterrupt:
        done.interrupted = True
    if energies:
        done.energy = torch.stack(energies).to("cpu", torch.float64)
    return done


@torch.no_grad()
def _balls(model, y: Tensor) -> Balls:
    return model.encode(y)


def overlap(a: Balls, b: Balls | None = None) -> Tensor:
    """How much balls overlap: the Bhattacharyya coefficient ∫√(p q) of each pair, (N, M) in [0, 1].

    1 for equal balls, near 0 for balls that are far apart; exp(−d²/8σ²) for two balls of radius σ
    at distance d. ``b`` left out: each ball of ``a`` with each other of ``a``.
    """
    b = a if b is None else b
    _check_balls("a", a)
    _check_balls("b", b)
    if a.mean.shape[1] != b.mean.shape[1]:
        raise ValueError(
            f"b: expected codes of {a.mean.shape[1]} entries like a, got {describe(b.mean)}"
        )
    log = a.mean.new_zeros(len(a.mean), len(b.mean))
    for (m, v), (n, w) in zip(_columns(a), _columns(b), strict=True):
        both = v[:, None] + w
        log -= 0.25 * (m[:, None] - n).square() / both
        log += 0.5 * (2 * (v[:, None] * w).sqrt() / both).log()
    return log.exp().clamp(max=1)


def _columns(balls: Balls):
    """Mean and variance of one entry of the code after the other, each (N,)."""
    return zip(balls.mean.T, balls.variance.T, strict=True)


def collapse_spring(y: Tensor, sigma: float = 1.0) -> float:
    """k* = λ₁/(2σ²), λ₁ the largest eigenvalue of the covariance of the samples y (N, d).

    With linear encoder and decoder, springs of k ≥ k* pull all balls of radius σ into the origin.
    """
    check_tensor("y", y)
    if y.ndim != 2 or len(y) < 2:
        raise ValueError(f"y: expected at least two samples (N, d), got {describe(y)}")
    check_positive("sigma", sigma)
    centred = y - y.mean(0)
    return float(torch.linalg.matrix_norm(centred.detach(), ord=2) ** 2 / len(y) / (2 * sigma**2))


def information(balls: Balls, noise: Tensor) -> float:
    """Bits that a random point of a ball tells about which of the N balls it came from.

    A Monte-Carlo estimate of the mutual information, at most log₂ N. noise: standard normal,
    (N, c).
    """
    _check_balls("balls", balls)
    check_tensor("noise", noise, like=balls.mean)
    if noise.shape != balls.mean.shape:
        raise ValueError(f"noise: expected shape {tuple(balls.mean.shape)}, got {describe(noise)}")
    log_p = balls.mean.new_zeros(len(noise), len(noise))  # of each point under each ball
    for x, (m, v) in zip(balls.point(noise).T, _columns(balls), strict=True):
        log_p -= 0.5 * ((x[:, None] - m).square() / v + v.log())
    nats = log_p.diagonal() - log_p.logsumexp(1) + math.log(len(noise))
    return float(nats.mean()) / math.log(2)


def _check_balls(name: str, balls) -> None:
    if not isinstance(balls, Balls):
        raise TypeError(f"{name}: expected Balls(mean, variance), got {describe(balls)}")
    check_tensor(f"{name}.mean", balls.mean)
    check_tensor(f"{name}.variance", balls.variance)
    if balls.mean.ndim != 2 or balls.mean.shape != balls.variance.shape:
        raise ValueError(
            f"{name}: expected mean and variance of one shape (N, c), got "
            f"{describe(balls.mean)} and {describe(balls.variance)}"
        )
    if not (balls.variance > 0).all():
        least = float(balls.variance.min())
        raise ValueError(f"{name}.variance: expected numbers > 0, got {least}")


def _check_training(model, y, epochs, batch_size, learning_rate, seed, snapshots) -> None:
    if not isinstance(model, FuzzyBallAutoencoder):
        raise TypeError(f"model: expected a FuzzyBallAutoencoder, got {describe(model)}")
    weight = next(model.parameters())
    check_tensor("y", y)
    if y.ndim != 2 or y.shape[1] != model.encoder[0].in_features:
        dim = model.encoder[0].in_features
        raise ValueError(f"y: expected samples (N, {dim}) like the model's, got {describe(y)}")
    if y.dtype != weight.dtype or y.device != weight.device:
        where = f"{weight.dtype} on {weight.device}"
        raise ValueError(f"y: expected {where} like the model, got {describe(y)}")
    check_count("epochs", epochs)
    check_count("batch_size", batch_size)
    check_count("seed", seed, minimum=0)
    check_positive("learning_rate", learning_rate)
    for name in ("spring", "size"):
        check_fraction(name, getattr(model, name), 0, math.inf)
    check_snapshots(snapshots, epochs * math.ceil(len(y) / batch_size))
