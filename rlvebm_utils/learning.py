"""Dictionaries learned from data: sparse codes for the atoms at hand, then better atoms for those
codes, in turn.

The problem::

    min over W with unit-norm columns  of  mean over samples of  min_z ½‖y − Wz‖² + λ‖z‖₁
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .energies import lambda_max
from .operators import Dictionary
from .progress import track
from .solvers import fista
from .validate import (
    check_count,
    check_flag,
    check_fraction,
    check_one_lam,
    check_snapshots,
    check_tensor,
    describe,
    plain_numbers,
)


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


@plain_numbers
def learn_dictionary(
    y: Tensor, n_atoms: int, lam: float, *, nonnegative: bool = False, steps: int = 160,
    batch_size: int = 250, iterations: int = 20, forgetting: float = 0.9, seed: int = 0,
    snapshots: tuple[int, ...] = (), progress: bool = False,
) -> LearnedDictionary:  # fmt: skip
    """Learn n_atoms unit-norm atoms from samples y (N, d), one batch at a time.

    Each step codes a batch with ``iterations`` steps of FISTA, started from the samples' last
    codes; adds the statistics A = Σzzᵀ and B = Σyzᵀ to the running ones, which fade by
    ``forgetting`` a step; and makes one pass of exact updates over the atoms. An atom that no
    sample uses is replaced by what the batch reconstructs worst.

    nonnegative: codes *and* atoms ≥ 0 (parts that only add up: strokes). seed: the order of the
    batches and the first atoms. snapshots: steps after which W is kept (0 is the start). progress:
    show a bar. An interrupt (Ctrl-C, or the notebook's stop button) ends the learning early and
    keeps what was learned.

    Raises TypeError or ValueError, naming the argument, on bad input; y is never changed. Source:
    J. Mairal, F. Bach, J. Ponce, G. Sapiro, *Online dictionary learning for sparse coding* (ICML
    2009).

    >>> y = torch.eye(3).repeat(20, 1)  # samples along three axes
    >>> found = learn_dictionary(y, 3, 0.1, nonnegative=True, steps=30, batch_size=20)
    >>> sorted(found.dictionary.W.argmax(0).tolist())  # an atom for each
    [0, 1, 2]
    """
    check_learning(y, n_atoms, lam, steps, seed, snapshots, nonnegative, progress)
    for name, value in (("batch_size", batch_size), ("iterations", iterations)):
        check_count(name, value)
    check_fraction("forgetting", forgetting, 0, 1)
    generator = torch.Generator().manual_seed(seed)
    W = first_atoms(y, n_atoms, nonnegative, generator)
    A, B = y.new_zeros(n_atoms, n_atoms), torch.zeros_like(W)
    codes = y.new_zeros(len(y), n_atoms)
    kept = {0: W.clone()} if 0 in snapshots else {}
    energies, reseeded, interrupted = [], 0, False
    batches = Batches(len(y), batch_size, steps, generator)
    options = {"nonnegative": nonnegative, "tol": None, "max_iter": iterations}
    try:
        for step, rows in enumerate(track(batches, "learning the dictionary", progress), start=1):
            batch = y[rows]
            solution = fista(Dictionary(W), batch, lam, z0=codes[rows], **options)
            z = codes[rows] = solution.z
            energies.append(solution.energy.mean())
            A.mul_(forgetting).addmm_(z.T, z)
            B.mul_(forgetting).addmm_(batch.T, z)
            update_atoms(W, A, B, nonnegative=nonnegative)
            reseeded += reseed(W, A, B, batch, z, nonnegative)
            if step in snapshots:
                kept[step] = W.clone()
    except KeyboardInterrupt:
        interrupted = True
    dictionary = Dictionary(W)
    say_if_empty(A, dictionary, y, lam, nonnegative)
    return LearnedDictionary(dictionary, stacked(energies), reseeded, kept, interrupted)


def stacked(energies: list[Tensor]) -> Tensor:
    """One number a step; an empty float64 tensor when no step was made."""
    return torch.stack(energies) if energies else torch.zeros(0, dtype=torch.float64)


def say_if_empty(seen: Tensor, dictionary, y: Tensor, lam, nonnegative: bool) -> None:
    """Warn if no code was ever anything but zero: the caller's atoms are then what they began as.

    seen: the codes, or their statistics Σzzᵀ.
    """
    if not seen.any():
        largest = max(
            float(lambda_max(dictionary, part, nonnegative).max()) for part in y.split(500)
        )
        warnings.warn(
            f"lam: all codes were zero at λ = {float(lam):g}, so nothing was learned; with these "
            f"atoms a λ below {largest:.3g} leaves some of them",
            stacklevel=4,
        )


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


def reseed(W, A, B, batch, z, nonnegative) -> int:
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
    W[:, dead] = unit_norm(residual[worst].T)
    A[dead], A[:, dead], B[:, dead] = 0, 0, 0
    return len(dead)


def first_atoms(y: Tensor, n_atoms: int, nonnegative: bool, generator) -> Tensor:
    """Noise that has the size of the data, dimension by dimension; unit norm."""
    noise = torch.rand(y.shape[1], n_atoms, generator=generator, dtype=torch.float64)
    if not nonnegative:
        noise = noise - 0.5
    size = y.square().mean(0).sqrt()
    return unit_norm(noise.to(y) * size[:, None])


def unit_norm(x: Tensor, over=0) -> Tensor:
    """x scaled to Euclidean norm 1 over some dimensions: columns unless told; zeros stay zeros."""
    norm = torch.linalg.vector_norm(x, dim=over, keepdim=True)
    return x / norm.clamp(min=torch.finfo(x.dtype).tiny)


class Batches:
    """Row numbers of each step's batch: every sample once per pass, in a new order each time. An
    order is drawn when its pass begins, so that any number of steps can be asked for.
    """

    def __init__(self, n_samples: int, size: int, steps: int, generator):
        self.n_samples, self.size = n_samples, min(size, n_samples)
        self.steps, self.generator = steps, generator

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Tensor]:
        whole = self.n_samples // self.size * self.size  # a pass leaves out what fills no batch
        for step in range(self.steps):
            first = step * self.size % whole
            if first == 0:
                order = torch.randperm(self.n_samples, generator=self.generator)
            yield order[first : first + self.size]


def check_learning(y, n_atoms, lam, steps, seed, snapshots, nonnegative, progress) -> None:
    """What every learner of atoms asks of its arguments; raises TypeError or ValueError."""
    check_tensor("y", y)
    if y.ndim != 2:
        raise ValueError(f"y: expected a batch of samples (N, d), got {describe(y)}")
    if not y.any():
        raise ValueError(f"y: expected at least one non-zero sample, got an all-zero {describe(y)}")
    check_count("n_atoms", n_atoms)
    check_count("steps", steps)
    check_one_lam(lam, y.device)
    check_count("seed", seed, minimum=0)
    check_snapshots(snapshots, steps)
    check_flag("nonnegative", nonnegative)
    check_flag("progress", progress)
