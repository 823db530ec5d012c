"""Dictionaries learned from data: sparse codes for the atoms at hand, then better atoms for those
codes, in turn.

The problem::

    min over W with unit-norm columns  of  mean over samples of  min_z ½‖y − Wz‖² + λ‖z‖₁
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .operators import Dictionary
from .progress import track
from .solvers import fista
from .validate import check_count, check_fraction, check_lam, check_tensor, describe


@dataclass(frozen=True)
class LearnedDictionary:
    """What learning returns.

    dictionary: the atoms, unit-norm columns. energy: mean energy of each batch *before* its update,
    float64, shape (steps,). reseeded: how many atoms were replaced because no sample used them.
    snapshots: step → W (d × n) at that step. interrupted: whether learning ended early.
    """

    dictionary: Dictionary
    energy: Tensor
    reseeded: int
    snapshots: dict[int, Tensor] = field(default_factory=dict)
    interrupted: bool = False


def learn_dictionary(
    y: Tensor,
    n_atoms: int,
    lam: float,
    *,
    nonnegative: bool = False,
    steps: int = 160,
    batch_size: int = 250,
    iterations: int = 20,
    forgetting: float = 0.9,
    seed: int = 0,
    snapshots: tuple[int, ...] = (),
    progress: bool = False,
) -> LearnedDictionary:
    """Learn n_atoms unit-norm atoms from samples y (N, d), one batch at a time.

    Each step codes a batch with ``iterations`` steps of FISTA, started from the samples' last
    codes; adds the statistics A = Σzzᵀ and B = Σyzᵀ to the running ones, which fade by
    ``forgetting`` a step; and makes one pass of exact updates over the atoms. An atom that no
    sample uses is replaced by what the batch reconstructs worst.

    nonnegative: codes *and* atoms ≥ 0 (parts that only add up: strokes). seed: the order of the
    batches and the first atoms. snapshots: steps after which W is kept (0 is the start). progress:
    show a bar.

    Raises TypeError or ValueError, naming the argument, on bad input; y is never changed. Source:
    J. Mairal, F. Bach, J. Ponce, G. Sapiro, *Online dictionary learning for sparse coding* (ICML
    2009).
    """
    _check(y, n_atoms, lam, steps, batch_size, iterations, forgetting, seed, snapshots)
    generator = torch.Generator().manual_seed(seed)
    W = _first_atoms(y, n_atoms, nonnegative, generator)
    A, B = y.new_zeros(n_atoms, n_atoms), torch.zeros_like(W)
    codes = y.new_zeros(len(y), n_atoms)
    kept = {0: W.clone()} if 0 in snapshots else {}
    energies, reseeded = [], 0
    batches = _batches(len(y), min(batch_size, len(y)), steps, generator)
    for step, rows in enumerate(track(batches, "learning the dictionary", show=progress), start=1):
        batch = y[rows]
        solution = fista(
            Dictionary(W),
            batch,
            lam,
            z0=codes[rows],
            nonnegative=nonnegative,
            tol=None,
            max_iter=iterations,
        )
        z = codes[rows] = solution.z
        energies.append(solution.energy.mean())
        A.mul_(forgetting).addmm_(z.T, z)
        B.mul_(forgetting).addmm_(batch.T, z)
        update_atoms(W, A, B, nonnegative=nonnegative)
        reseeded += _reseed(W, A, B, batch, z, nonnegative)
        if step in snapshots:
            kept[step] = W.clone()
    return LearnedDictionary(Dictionary(W), torch.stack(energies), reseeded, kept)


def update_atoms(W: Tensor, A: Tensor, B: Tensor, *, nonnegative: bool = False) -> None:
    """One pass over the atoms, each set to its best value with the others fixed; W is changed in
    place.

    Minimises ½tr(WᵀW A) − tr(WᵀB) column by column over unit-norm columns (and ≥ 0 if asked for).
    Atoms without use (A_jj = 0) are left alone.
    """
    usage = A.diagonal()
    for j in torch.nonzero(usage > 1e-10 * usage.max().clamp(min=1e-300)).flatten().tolist():
        atom = W[:, j] + (B[:, j] - W @ A[:, j]) / A[j, j]
        if nonnegative:
            atom = atom.clamp(min=0)
        norm = torch.linalg.vector_norm(atom)
        if norm > 0:
            W[:, j] = atom / norm


def _reseed(W, A, B, batch, z, nonnegative) -> int:
    """Replace atoms whose share of the codes is negligible by the worst-reconstructed residuals;
    return how many.
    """
    usage = A.diagonal()
    dead = torch.nonzero(usage < 1e-4 * usage.mean()).flatten()
    if len(dead) == 0:
        return 0
    residual = batch - z @ W.T
    if nonnegative:
        residual = residual.clamp(min=0)
    size = torch.linalg.vector_norm(residual, dim=1)
    worst = size.argsort(descending=True)[: min(len(dead), int((size > 0).sum()))]
    dead = dead[: len(worst)]
    W[:, dead] = _unit_norm(residual[worst].T)
    A[dead], A[:, dead], B[:, dead] = 0, 0, 0
    return len(dead)


def _first_atoms(y: Tensor, n_atoms: int, nonnegative: bool, generator) -> Tensor:
    """Noise that has the size of the data, dimension by dimension; unit norm."""
    noise = torch.rand(y.shape[1], n_atoms, generator=generator, dtype=torch.float64)
    if not nonnegative:
        noise = noise - 0.5
    size = y.square().mean(0).sqrt()
    return _unit_norm(noise.to(y) * size[:, None])


def _unit_norm(W: Tensor) -> Tensor:
    return W / torch.linalg.vector_norm(W, dim=0).clamp(min=torch.finfo(W.dtype).tiny)


def _batches(n_samples: int, size: int, steps: int, generator) -> list[Tensor]:
    """Row numbers of each step's batch: every sample once per pass, in a new order each time."""
    passes = -(-steps * size // (n_samples // size * size)) if n_samples >= size else steps
    orders = (torch.randperm(n_samples, generator=generator) for _ in range(passes))
    batches = [rows for order in orders for rows in order[: n_samples // size * size].split(size)]
    return batches[:steps]


def _check(y, n_atoms, lam, steps, batch_size, iterations, forgetting, seed, snapshots) -> None:
    check_tensor("y", y)
    if y.ndim != 2:
        raise ValueError(f"y: expected a batch of samples (N, d), got {describe(y)}")
    if not y.any():
        raise ValueError(f"y: expected at least one non-zero sample, got an all-zero {describe(y)}")
    for name, value in (
        ("n_atoms", n_atoms),
        ("steps", steps),
        ("batch_size", batch_size),
        ("iterations", iterations),
    ):
        check_count(name, value)
    if isinstance(lam, Tensor) and lam.ndim > 0:
        raise ValueError(f"lam: expected one number for all samples, got {describe(lam)}")
    check_lam(lam, 1, y.device)
    check_fraction("forgetting", forgetting, 0, 1)
    check_count("seed", seed, minimum=0)
    if not isinstance(snapshots, Collection):
        raise TypeError(f"snapshots: expected a tuple of steps, got {describe(snapshots)}")
    for step in snapshots:
        if check_count("snapshots", step, minimum=0) > steps:
            raise ValueError(f"snapshots: expected steps from 0 to {steps}, got {step}")
