"""The problems that every solver is timed on, with their certified smallest energies.

A: 5000 digits (784 pixels in [0, 1], not centred), 256 atoms, λ = 0.35. The pixels' common mean
   gives WᵀW one eigenvalue far above the rest: hard for gradient methods.
B: 20000 whitened 16×16 patches of photographs, 512 atoms (twice the dimension), λ = 0.05.

Built once from data that ship inside packages, then kept in ``benchmarks/cache``, which git
ignores.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from rlvebm_utils import Dictionary, certificate, fista, learn_dictionary
from rlvebm_utils.course.data import extract_patches, load_digits, load_photographs

CACHE = Path(__file__).parent / "cache"
CERTIFIED = 1e-10  # relative gap, worst sample


@dataclass(frozen=True)
class Workload:
    """Samples Y (N, d) and W (d, n) in float32, λ, and for each sample the smallest energy
    (float64).
    """

    name: str
    Y: Tensor
    W: Tensor
    lam: float
    smallest: Tensor

    def first(self, count: int) -> "Workload":
        """The first samples only."""
        return Workload(self.name, self.Y[:count], self.W, self.lam, self.smallest[:count])

    def excess(self, z: Tensor) -> tuple[float, float]:
        """How far codes z (any dtype) are above the smallest energy: (ΣE − ΣE*)/ΣE*, worst (E −
        E*)/E*.
        """
        above, chunk = [], 2500
        operator = Dictionary(self.W.double())
        for y, z_part, low in zip(
            *(x.split(chunk) for x in (self.Y, z, self.smallest)), strict=True
        ):
            energy = certificate(operator, y.double(), z_part.double(), self.lam).energy
            above.append(energy - low)
        above = torch.cat(above)
        return float(above.sum() / self.smallest.sum()), float((above / self.smallest).max())


def load(name: str) -> Workload:
    """Workload "A" or "B", from the cache if it is there."""
    path = CACHE / f"{name}.pt"
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        Y, W, lam = {"A": _digits, "B": _patches}[name]()
        torch.save({"Y": Y, "W": W, "lam": lam, "smallest": _smallest_energies(Y, W, lam)}, path)
    return Workload(name, **torch.load(path))


def _digits() -> tuple[Tensor, Tensor, float]:
    Y, lam = load_digits().images.flatten(1), 0.35
    return Y, learn_dictionary(Y, 256, lam, steps=400, seed=0).dictionary.W, lam


def _patches() -> tuple[Tensor, Tensor, float]:
    patches = extract_patches(load_photographs(dtype=torch.float64), 16, 40_000, seed=0)
    patches = patches - patches.mean(1, keepdim=True)
    contrast = patches.std(1)
    patches = patches[contrast > contrast.quantile(0.2)]  # without the flat ones
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    floor = 1e-3 * values.max()
    white = patches @ (vectors / (values + floor).sqrt()) @ vectors.T  # ZCA
    white = white / torch.linalg.vector_norm(white, dim=1, keepdim=True)
    Y, lam = white[:20_000].float(), 0.05
    return Y, learn_dictionary(Y, 512, lam, steps=400, batch_size=500, seed=0).dictionary.W, lam


def _smallest_energies(Y: Tensor, W: Tensor, lam: float) -> Tensor:
    """E* of each sample, from float64 codes with a relative duality gap of at most 1e-10."""
    operator = Dictionary(W.double())
    parts = []
    for y in Y.double().split(1000):
        solution = fista(operator, y, lam, tol=CERTIFIED, max_iter=200_000)
        assert solution.converged.all()
        parts.append(solution.energy - 0.5 * solution.gap)
    return torch.cat(parts)
