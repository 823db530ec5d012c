"""Sparse coding problems for the tests: random ones of every shape, and the awkward ones.

All in float64 and drawn from a seed of their own, so a problem is the same whatever ran before it.
"""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from rlvebm_utils import Dictionary, lambda_max
from rlvebm_utils.fast import compiled

# Problems this small gain nothing from threads, and lose minutes to them on a busy machine.
torch.set_num_threads(1)

needs_c = pytest.mark.skipif(not compiled._system_compiler(), reason="no C compiler here")

# λ as a share of each sample's λ_max: none, weak, usual, strong, just below, at, and above it.
SHARES = (0.0, 1e-3, 0.02, 0.1, 0.3, 0.6, 0.95, 1 - 1e-9, 1.0, 1.5)


@dataclass(frozen=True)
class Problem:
    """A dictionary, a batch of samples (N, d) and one λ for each (N,)."""

    name: str
    W: Tensor
    y: Tensor
    lam: Tensor
    nonnegative: bool

    @property
    def dictionary(self) -> Dictionary:
        return Dictionary(self.W)

    def __repr__(self) -> str:  # pytest's name of the case
        return self.name + ("-nonnegative" if self.nonnegative else "")


def normal(*shape: int, seed: int, dtype=torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def unit(W: Tensor) -> Tensor:
    """The same atoms with length 1."""
    return W / torch.linalg.vector_norm(W, dim=0)


def random_dictionary(d: int = 12, n: int = 20, seed: int = 0) -> Tensor:
    return unit(normal(d, n, seed=seed))


def problem(name: str, W: Tensor, seed: int, nonnegative: bool = False, shares=SHARES) -> Problem:
    """One sample for each share of λ_max: few atoms with noise, or noise only; one is zero."""
    generator = torch.Generator().manual_seed(seed)
    N, (d, n) = len(shares), W.shape
    z = torch.randn(N, n, generator=generator, dtype=W.dtype)
    z *= torch.rand(N, n, generator=generator) < 4 / n
    y = z @ W.T + 0.1 * torch.randn(N, d, generator=generator, dtype=W.dtype)
    y[1::4] = torch.randn(len(y[1::4]), d, generator=generator, dtype=W.dtype)
    y[4] = 0
    lam = lambda_max(Dictionary(W), y, nonnegative) * torch.tensor(shares, dtype=W.dtype)
    lam[4] = 0.3  # λ_max of the zero sample is 0
    return Problem(name, W, y, lam, nonnegative)


def dictionaries(seed: int) -> dict[str, Tensor]:
    """Dictionaries of every kind, the degenerate ones that a solver must survive included."""
    wide, tall = random_dictionary(8, 30, seed), random_dictionary(30, 8, seed)
    with_zeros, scaled = wide.clone(), wide.clone()
    with_zeros[:, 3::7] = 0
    scaled *= torch.logspace(-1, 1, wide.shape[1], dtype=wide.dtype)
    twins = random_dictionary(15, 12, seed)
    flat = normal(20, 5, seed=seed) @ normal(5, 9, seed=seed + 1)
    return {
        "n >> d": wide,
        "d >> n": tall,
        "n > d": random_dictionary(12, 20, seed),
        "one atom": random_dictionary(6, 1, seed),
        "one dimension": normal(1, 5, seed=seed),
        "duplicate atoms": torch.cat([twins, twins[:, :6], -twins[:, 6:9]], dim=1),
        "zero atoms": with_zeros,
        "scaled atoms": scaled,
        "atoms of one quadrant": unit(normal(20, 25, seed=seed).abs()),  # large L, like strokes
        "rank 5 in 20 dimensions": unit(flat),
    }


def all_problems(seeds=range(2)) -> list[Problem]:
    """Every kind of dictionary, signed and non-negative codes; ten samples each."""
    return [
        problem(f"{name} #{seed}", W, seed, nonnegative)
        for seed in seeds
        for name, W in dictionaries(seed).items()
        for nonnegative in (False, True)
    ]
