"""Dictionaries learned from data: sparse codes for the atoms at hand, then better atoms for those
codes, in turn.

The problem::

    min over W with unit-norm columns  of  mean over samples of  min_z ½‖y − Wz‖² + λ‖z‖₁
"""

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor

from .checkpoint import Run, check_checkpoint, fingerprint, stacked
from .energies import lambda_max
from .operators import Dictionary, Operator, undisturbed
from .penalties import L1
from .problem import Problem
from .progress import track
from .solvers import Options, Solution, run_fista
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

    @classmethod
    def of(cls, dictionary, run: Run) -> Self:
        """The atoms, and what the run that learned them tells."""
        return cls(dictionary, stacked(run.energies), run.reseeded, run.kept, run.interrupted)


@plain_numbers
def learn_dictionary(
    y: Tensor, n_atoms: int, lam: float, *, nonnegative: bool = False, steps: int = 160,
    batch_size: int = 250, iterations: int = 20, forgetting: float = 0.9, seed: int = 0,
    snapshots: tuple[int, ...] = (), progress: bool = False,
    checkpoint: str | os.PathLike | None = None,
) -> LearnedDictionary:  # fmt: skip
    """Learn n_atoms unit-norm atoms from samples y (N, d), one batch at a time.

    Each step codes a batch with ``iterations`` steps of FISTA, started from the samples' last
    codes; adds the statistics A = Σzzᵀ and B = Σyzᵀ to the running ones, which fade by
    ``forgetting`` a step; and makes one pass of exact updates over the atoms. An atom that no
    sample uses is replaced by what the batch reconstructs worst.

    nonnegative: codes *and* atoms ≥ 0 (parts that only add up: strokes). seed: the order of the
    batches and the first atoms. snapshots: steps after which W is kept (0 is the start). progress:
    show a bar. An interrupt (Ctrl-C, or the notebook's stop button) ends the learning after the
    step at hand and keeps what was learned. checkpoint: a file in which the state is written twice
    a minute and at the end; a call that finds it, of a run that was stopped or killed, goes on from
    there, to the same numbers.

    Raises TypeError or ValueError, naming the argument, on bad input; y is never changed. Source:
    J. Mairal, F. Bach, J. Ponce, G. Sapiro, *Online dictionary learning for sparse coding* (ICML
    2009).

    >>> y = torch.eye(3).repeat(20, 1)  # samples along three axes
    >>> found = learn_dictionary(y, 3, 0.1, nonnegative=True, steps=30, batch_size=20)
    >>> sorted(found.dictionary.W.argmax(0).tolist())  # an atom for each
    [0, 1, 2]
    """
    check_learning(y, n_atoms, lam, steps, seed, snapshots, nonnegative, progress)
    check_checkpoint(checkpoint)
    for name, value in (("batch_size", batch_size), ("iterations", iterations)):
        check_count(name, value)
    check_fraction("forgetting", forgetting, 0, 1)
    y, lam = y.detach(), float(lam)
    generator = torch.Generator().manual_seed(seed)
    W = first_atoms(y, n_atoms, nonnegative, generator)
    first, A, B = Dictionary(W), y.new_zeros(n_atoms, n_atoms), torch.zeros_like(W)
    codes = y.new_zeros(len(y), n_atoms)
    batches = Batches(len(y), batch_size, steps, generator, y.device)
    options = lam, nonnegative, iterations
    settings = {"lam": lam, "forgetting": float(forgetting), "seed": seed}
    settings |= {"nonnegative": nonnegative, "max_iter": iterations}
    run = Run(
        {"W": W, "A": A, "B": B, "codes": codes}, W.clone, snapshots=snapshots,
        checkpoint=checkpoint, settings=run_settings(checkpoint, y, n_atoms, batch_size, settings),
    )  # fmt: skip
    with run:
        for rows in run.over(track(batches, "learning the dictionary", progress)):
            batch = y[rows]
            solution = better_codes(first.with_atoms(W), batch, codes[rows], *options)
            z = codes[rows] = solution.z
            run.energies.append(solution.energy.mean())
            A.mul_(forgetting).addmm_(z.T, z)
            B.mul_(forgetting).addmm_(batch.T, z)
            update_atoms(W, A, B, nonnegative=nonnegative)
            run.reseeded += reseed(W, A, B, batch, z, nonnegative)
    dictionary = Dictionary(W)
    say_if_empty(A, dictionary, y, lam, nonnegative)
    return LearnedDictionary.of(dictionary, run)


def better_codes(
    dictionary: Operator, y: Tensor, z: Tensor, lam: float, nonnegative: bool, iterations: int
) -> Solution:
    """:func:`fista` for some steps from codes z, of a batch y. Learners call it often, and nothing
    is checked: each look at numbers on a GPU has to wait for it.
    """
    lams = torch.full((len(y),), lam, dtype=torch.float64, device=y.device)
    problem = Problem(dictionary, y, lams, L1(nonnegative=nonnegative), free=lam == 0)
    with undisturbed():
        return run_fista(problem, z, Options(tol=None, max_iter=iterations))


def run_settings(
    checkpoint, y: Tensor, n: int, batch_size: int, others: dict[str, Any]
) -> dict[str, Any]:
    """What a checkpoint of a run has to agree with; nothing where there is no checkpoint, since
    it takes a look at every sample.
    """
    if checkpoint is None:
        return {}
    return {"samples": fingerprint(y), "atoms": n, "batch_size": batch_size} | others


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
    for j in numbers_of(in_use(A)):
        atom = W[:, j] + (B[:, j] - W @ A[:, j]) / A[j, j]
        if nonnegative:
            atom = atom.clamp(min=0)
        norm = torch.linalg.vector_norm(atom)
        torch.where(norm > 0, atom / norm, W[:, j], out=W[:, j])


def in_use(A: Tensor) -> Tensor:
    """Which atoms any code has used, from A = Σzzᵀ."""
    usage = A.diagonal()
    return usage > 1e-10 * usage.max().clamp(min=1e-300)


def numbers_of(chosen: Tensor) -> list[int]:
    """Where a row of flags is True; a GPU is asked once."""
    return [number for number, flag in enumerate(chosen.tolist()) if flag]


def reseed(W, A, B, batch, z, nonnegative) -> int:
    """Replace atoms whose share of the codes is negligible by the worst-reconstructed residuals;
    return how many.
    """
    dead = torch.nonzero(unused(A)).flatten()
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


def unused(A: Tensor) -> Tensor:
    """Which atoms have a negligible share of the codes."""
    usage = A.diagonal()
    return usage < 1e-4 * usage.mean()


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
    order is drawn when its pass begins, so that any number of steps can be asked for; on the CPU,
    and then sent to ``device``.
    """

    def __init__(self, n_samples: int, size: int, steps: int, generator, device="cpu"):
        self.n_samples, self.size = n_samples, min(size, n_samples)
        self.steps, self.generator, self.device = steps, generator, device

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Tensor]:
        whole = self.n_samples // self.size * self.size  # a pass leaves out what fills no batch
        for step in range(self.steps):
            first = step * self.size % whole
            if first == 0:
                order = torch.randperm(self.n_samples, generator=self.generator)
                order = order.to(self.device, non_blocking=True)
            yield order[first : first + self.size]


def check_learning(y, n_atoms, lam, steps, seed, snapshots, nonnegative, progress) -> None:
    """What every learner of atoms asks of its arguments; raises TypeError or ValueError."""
    check_tensor("y", y)
    if y.ndim != 2:
        raise ValueError(f"y: expected a batch of samples (N, d), got {describe(y)}")
    if not y.any():
        raise ValueError(f"y: expected at least one non-zero sample, got an all-zero {describe(y)}")
    check_settings(n_atoms, lam, steps, seed, snapshots, nonnegative, progress, y.device)


def check_settings(n, lam, steps, seed, snapshots, nonnegative, progress, device=None) -> None:
    """What does not depend on the samples; raises TypeError or ValueError."""
    check_count("n_atoms", n)
    check_count("steps", steps)
    check_one_lam(lam, device)
    check_count("seed", seed, minimum=0)
    check_snapshots(snapshots, steps)
    check_flag("nonnegative", nonnegative)
    check_flag("progress", progress)
