"""The fast way to a dictionary: the problem of :func:`rlvebm_utils.learn_dictionary`, several times
sooner.

Three things make the difference. Codes stay *rough*: a sample's last code is the start of its next
one, and a few sweeps over the atoms improve it, so that no work goes into exact codes for atoms
that are about to change. The statistics *forget* much at first, when the codes in them belong to
atoms long gone, and less and less later, which averages the batches' noise away. And the two inner
loops are written in C (see :mod:`.compiled`), where there is a compiler.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softshrink

from ..checkpoint import Run, check_checkpoint
from ..learning import (
    LearnedDictionary,
    check_learning,
    check_settings,
    first_atoms,
    reseed,
    run_settings,
    say_if_empty,
    unused,
)
from ..operators import Dictionary
from ..progress import track
from ..validate import (
    LARGEST,
    check_count,
    check_fraction,
    check_snapshots,
    describe,
    plain_numbers,
)
from ..workers import Workers, check_group, place
from .compiled import call, use_c
from .streams import ByBatches, ByRows, Samples, check_source


@plain_numbers
def learn_dictionary_fast(
    y: Samples, n_atoms: int, lam: float, *, nonnegative: bool = False, passes: int = 30,
    batch_size: int = 500, sweeps: int | None = None, memory: float = 0.025, backend: str = "auto",
    seed: int = 0, snapshots: tuple[int, ...] = (), progress: bool = False,
    checkpoint: str | os.PathLike[str] | None = None, group: Any = None,
) -> LearnedDictionary:  # fmt: skip
    """Learn n_atoms unit-norm atoms from samples y (N, d) in ``passes`` passes over them.

    Step t codes a batch, roughly, from the samples' last codes; adds its A = Σzzᵀ and B = Σyzᵀ to
    the running ones, times (1 − 1/t)^(1/memory) beforehand; and makes one pass of exact updates
    over the atoms. So the statistics stand for the last ``memory`` · t steps: a window that grows.
    The first atoms are samples. An atom that no sample uses is replaced by what the batch
    reconstructs worst.

    y: a tensor (N, d), with the codes of all samples kept: N × n_atoms numbers. Or samples that are
    not in memory, whose codes begin at zero each time: an array (N, d), such as a memory map, or
    anything that yields batches (N, d) of its own size, such as a DataLoader or a generator (which
    makes one pass).

    nonnegative: codes *and* atoms ≥ 0. sweeps: how rough the codes are; 5 if not given, 20 for
    codes that begin at zero. backend: "c" is coordinate descent (CPU, float32 or float64; needs a C
    compiler); "torch", for every device, goes over the atoms block by block. "auto" is "c" where it
    can be had. seed: the order of the samples and the first atoms. snapshots: steps after which W
    is kept (0 is the start). progress: show a bar. An interrupt (Ctrl-C, or the notebook's stop
    button) ends the learning after the step at hand and keeps what was learned.

    checkpoint: a file in which the state is written twice a minute and at the end; a call that
    finds it, of a run that was stopped or killed, goes on from there, to the same numbers. y then
    has to yield the same batches again.

    group: a process group of torch.distributed, for processes that learn one dictionary together;
    each calls this function. They share each batch of a tensor or an array, of which each process
    reads its own rows; of what yields batches, each has its own. A and B are summed over all, so
    that every process ends with the same atoms: those of one process, up to rounding.

    Result as for :func:`learn_dictionary`; ``energy`` is in the precision of y. Raises TypeError,
    ValueError or ImportError, naming the argument, on bad input, and RuntimeError, naming the
    process, where one of the group is lost; y is never changed.

    Sources: J. Mairal, F. Bach, J. Ponce, G. Sapiro, *Online learning for matrix factorization and
    sparse coding* (JMLR 2010), section 3.4 for the forgetting and the warm starts.

    >>> y = torch.randn(500, 16, generator=torch.Generator().manual_seed(0))
    >>> found = learn_dictionary_fast(y, 32, 0.5)
    >>> found.dictionary.W.shape, bool(found.energy[-1] < found.energy[0])
    (torch.Size([16, 32]), True)
    """
    learner, run, first = learn(
        y, n_atoms, lam, nonnegative=nonnegative, passes=passes, batch_size=batch_size,
        sweeps=sweeps, memory=memory, backend=backend, seed=seed, snapshots=snapshots,
        progress=progress, checkpoint=checkpoint, group=group,
    )  # fmt: skip
    dictionary = Dictionary(learner.W.T)
    say_if_empty(learner.A, dictionary, first, lam, nonnegative)
    return LearnedDictionary.of(dictionary, run)


def learn(
    y, n_atoms, lam, *, nonnegative=False, passes=30, batch_size=500, sweeps=None, memory=0.025,
    backend="auto", seed=0, snapshots=(), progress=False, checkpoint=None, group=None,
) -> "tuple[OnlineLearner, Run, Tensor]":  # fmt: skip
    """The learning itself, arguments as for :func:`learn_dictionary_fast`: the learner at its end,
    the run, and the samples that it began with.
    """
    for name, value in (("passes", passes), ("batch_size", batch_size)):
        check_count(name, value)
    if sweeps is not None:
        check_count("sweeps", sweeps)
    if check_fraction("memory", memory, 0, 1) == 0:
        raise ValueError("memory: expected a number > 0, got 0")
    check_checkpoint(checkpoint)
    check_group(group)
    keeps = isinstance(y, Tensor) and group is None
    if keeps:
        check_learning(y, n_atoms, lam, passes, seed, (), nonnegative, progress)
    else:
        check_source(y)
        check_settings(n_atoms, lam, passes, seed, (), nonnegative, progress)
    workers, generator = Workers(group), torch.Generator().manual_seed(seed)
    stream = _stream(y, batch_size, passes, generator, place(group))
    check_snapshots(snapshots, stream.steps)
    first = y.detach() if keeps else _some(stream, n_atoms)
    options = {"nonnegative": nonnegative, "sweeps": sweeps or (5 if keeps else 20)}
    options |= {"memory": float(memory)}
    learner = new_learner(
        first, n_atoms, float(lam), **options, backend=backend, generator=generator,
        workers=workers,
    )  # fmt: skip
    codes = first.new_zeros(len(y), n_atoms) if keeps else None
    settings = {"lam": float(lam), "seed": seed, **options}
    run = workers.run(
        learner.state() | ({"codes": codes} if keeps else {}), lambda: learner.W.T.clone(),
        snapshots=snapshots, checkpoint=checkpoint,
        settings=run_settings(checkpoint, first, n_atoms, batch_size, settings),
    )  # fmt: skip
    with workers, run:
        _steps(learner, run, stream, codes, progress and workers.rank == 0)
    return learner, run, first


def _steps(learner: "OnlineLearner", run: Run, stream, codes: Tensor | None, show: bool) -> None:
    """All steps; codes: those of all samples, where they are kept."""
    steps = track(stream, "learning the dictionary", show=show and stream.steps < LARGEST)
    for item in run.over(steps):
        batch = stream.read(item)
        z = batch.new_zeros(len(batch), len(learner.W)) if codes is None else codes[item]
        run.energies.append(learner.code(batch, z))
        if codes is not None:
            codes[item] = z
        run.reseeded += learner.update(batch, z, run.steps + 1)
        run.stop.pressed = learner.workers.any(run.stop.pressed)


def _stream(y: Samples, size: int, passes: int, generator, place) -> ByRows | ByBatches:
    if isinstance(y, Tensor | np.ndarray):
        return ByRows(y, size, passes, generator, place)
    return ByBatches(y, passes)


def _some(stream: ByRows | ByBatches, count: int) -> Tensor:
    """Samples that the first atoms are made from."""
    first = stream.first(count)
    if not first.any():
        raise ValueError(f"y: expected non-zero samples at its start, got {describe(first)}")
    return first


def new_learner(
    first: Tensor, n_atoms: int, lam: float, *, nonnegative: bool, sweeps: int, memory: float,
    backend: str, generator, workers: Workers | None = None,
) -> "OnlineLearner":  # fmt: skip
    """A learner whose atoms are some of the first samples (N, d), the same in every process."""
    workers = workers or Workers()
    work = _backend(backend, first)(lam, nonnegative, sweeps)
    W = workers.from_first(_samples_as_atoms(first, n_atoms, nonnegative, generator))
    return OnlineLearner(W, work, memory, nonnegative, workers)


class OnlineLearner:
    """Atoms with the statistics of the codes so far, and the two halves of a step.

    W (n, d): the atoms as rows. A (n, n), B (n, d): Σzzᵀ and Σzyᵀ, faded. work: the inner loops.
    All of it is changed in place.
    """

    def __init__(self, W: Tensor, work, memory: float, nonnegative: bool, workers: Workers):
        self.W, self.work, self.memory, self.nonnegative = W, work, memory, nonnegative
        self.A, self.B = W.new_zeros(len(W), len(W)), torch.zeros_like(W)
        self.workers = workers

    def state(self) -> dict[str, Tensor]:
        """What a step changes."""
        return {"W": self.W, "A": self.A, "B": self.B}

    def code(self, batch: Tensor, z: Tensor) -> Tensor:
        """Better codes for a batch, in place; returns their mean energy."""
        energy = self.work.improve(z, self.W, batch)
        if self.workers.size == 1:
            return energy.mean().double()
        sum_, count = self.workers.total(energy.sum().double(), energy.new_tensor(len(z)).double())
        return sum_ / count

    def update(self, batch: Tensor, z: Tensor, t: int) -> int:
        """Add a batch to the statistics, as the t-th one, and better the atoms; returns how many
        were replaced.
        """
        fade = (1 - 1 / t) ** (1 / self.memory)
        if self.workers.size == 1:
            self.A.mul_(fade).addmm_(z.T, z)
            self.B.mul_(fade).addmm_(z.T, batch)
        else:
            A, B = self.workers.total(z.T @ z, z.T @ batch)
            self.A.mul_(fade).add_(A)
            self.B.mul_(fade).add_(B)
        self.work.update(self.W, self.A, self.B)
        if self.workers.size > 1 and unused(self.A).any():
            batch, z = self.workers.gathered(batch), self.workers.gathered(z)
        return reseed(self.W.T, self.A, self.B.T, batch, z, self.nonnegative)


class _Compiled:
    """The inner loops in C."""

    def __init__(self, lam: float, nonnegative: bool, sweeps: int):
        self.lam, self.nonnegative, self.sweeps = lam, nonnegative, sweeps
        self.pool = ThreadPoolExecutor(torch.get_num_threads())

    def improve(self, z: Tensor, W: Tensor, batch: Tensor) -> Tensor:
        """Better codes for a batch, in place; returns their energies (N,)."""
        G, b, squared = W @ W.T, batch @ W.T, batch.square().sum(1)
        energy = torch.zeros_like(squared)

        def run(rows: slice) -> None:
            self.call(
                "sweep_rows", *b[rows].shape, G, b[rows], squared[rows], self.lam, z[rows],
                float(not self.nonnegative), self.sweeps, 1e-3 * self.lam, energy[rows],
            )  # fmt: skip

        list(self.pool.map(run, (slice(i, i + 64) for i in range(0, len(z), 64))))
        return energy

    def update(self, W: Tensor, A: Tensor, B: Tensor) -> None:
        """Better atoms, in place."""
        least = float(1e-10 * A.diagonal().max().clamp(min=1e-20))
        self.call("update_atoms", *W.shape, W, A, B, least, int(self.nonnegative))

    def call(self, function: str, *arguments) -> None:
        tensor = next(one for one in arguments if isinstance(one, Tensor))
        if call("learning", tensor.dtype, function, *arguments):
            raise MemoryError("learn_dictionary_fast: not enough memory for one more sample")


class _Batched:
    """The inner loops by torch. What C does atom by atom goes in blocks here, so that most of
    the work is matrix products.
    """

    def __init__(self, lam: float, nonnegative: bool, sweeps: int):
        self.lam, self.nonnegative, self.sweeps = lam, nonnegative, sweeps

    def improve(self, z: Tensor, W: Tensor, batch: Tensor) -> Tensor:
        """Better codes for a batch, in place; returns their energies (N,).

        A gradient step on the codes of a few atoms at a time: these have a Lipschitz constant far
        below that of all atoms together.
        """
        G, b, code = W @ W.T, W @ batch.T, z.T.contiguous()  # atoms × samples
        on_cpu, blocks = G.cpu(), []
        for first in range(0, len(W), 8):
            rows = slice(first, first + 8)
            largest = torch.linalg.eigvalsh(on_cpu[rows, rows])[-1]
            blocks.append((code[rows], b[rows], G[rows], 1 / float(largest)))
        for _ in range(self.sweeps):
            for part, b_part, G_part, step in blocks:
                new = torch.addmm(b_part, G_part, code, alpha=-1).mul_(step).add_(part)
                shrink = step * self.lam
                part.copy_(
                    new.sub_(shrink).relu_() if self.nonnegative else softshrink(new, shrink)
                )
        z.copy_(code.T)
        fit = 0.5 * (batch - z @ W).square().sum(1)
        return fit + self.lam * z.abs().sum(1)

    def update(self, W: Tensor, A: Tensor, B: Tensor) -> None:
        """Better atoms, in place."""
        usage = A.diagonal().tolist()
        least = 1e-10 * max(usage)
        for start in range(0, len(W), 32):
            atoms = W[start : start + 32]
            rows = slice(start, start + len(atoms))
            lacking = torch.addmm(B[rows], A[rows], W, alpha=-1)
            for j, atom in enumerate(atoms):
                if usage[start + j] <= least:
                    continue
                new = torch.add(atom, lacking[j], alpha=1 / usage[start + j])
                new = new.relu_() if self.nonnegative else new
                norm = torch.linalg.vector_norm(new)
                new = torch.where(norm > 0, new.div_(norm), atom)
                lacking.addr_(A[rows, start + j], new - atom, alpha=-1)
                atom.copy_(new)


def _backend(name: str, y: Tensor) -> type:
    possible = y.device.type == "cpu" and y.dtype in (torch.float32, torch.float64)
    needs = f"samples on the CPU, got {describe(y)}"
    return _Compiled if use_c(name, possible, needs, "learning", y.dtype) else _Batched


def _samples_as_atoms(y: Tensor, n_atoms: int, nonnegative: bool, generator) -> Tensor:
    """Different samples of unit length, as rows; noise for the atoms that are left, if any."""
    W = first_atoms(y, n_atoms, nonnegative, generator).T.contiguous()
    rows = torch.randperm(len(y), generator=generator)[:n_atoms].to(y.device)
    first = y[rows].clamp(min=0) if nonnegative else y[rows]
    size = torch.linalg.vector_norm(first, dim=1)
    first, size = first[size > 0], size[size > 0]
    W[: len(first)] = first / size[:, None]
    return W
