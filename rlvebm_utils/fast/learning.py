"""The fast way to a dictionary: the problem of :func:`rlvebm_utils.learn_dictionary`, several times
sooner.

Three things make the difference. Codes stay *rough*: a sample's last code is the start of its next
one, and a few sweeps over the atoms improve it, so that no work goes into exact codes for atoms
that are about to change. The statistics *forget* much at first, when the codes in them belong to
atoms long gone, and less and less later, which averages the batches' noise away. And the two inner
loops are written in C (see :mod:`.compiled`), where there is a compiler.
"""

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor
from torch.nn.functional import softshrink

from ..learning import (
    Batches,
    LearnedDictionary,
    check_learning,
    first_atoms,
    reseed,
    say_if_empty,
    stacked,
)
from ..operators import Dictionary
from ..progress import track
from ..validate import check_count, check_fraction, check_snapshots, describe, plain_numbers
from .compiled import call, use_c


@plain_numbers
def learn_dictionary_fast(
    y: Tensor, n_atoms: int, lam: float, *, nonnegative: bool = False, passes: int = 30,
    batch_size: int = 500, sweeps: int = 5, memory: float = 0.025, backend: str = "auto",
    seed: int = 0, snapshots: tuple[int, ...] = (), progress: bool = False,
) -> LearnedDictionary:  # fmt: skip
    """Learn n_atoms unit-norm atoms from samples y (N, d) in ``passes`` passes over them.

    Step t codes a batch, roughly, from the samples' last codes; adds its A = Σzzᵀ and B = Σyzᵀ to
    the running ones, times (1 − 1/t)^(1/memory) beforehand; and makes one pass of exact updates
    over the atoms. So the statistics stand for the last ``memory`` · t steps: a window that grows.
    The first atoms are samples. An atom that no sample uses is replaced by what the batch
    reconstructs worst. The codes of all samples are kept: N × n_atoms numbers.

    nonnegative: codes *and* atoms ≥ 0. sweeps: how rough the codes are. backend: "c" is coordinate
    descent (CPU, float32 or float64; needs a C compiler); "torch", for every device, goes over the
    atoms block by block. "auto" is "c" where it can be had. seed: the order of the samples and the
    first atoms. snapshots: steps after which W is kept (0 is the start). progress: show a bar. An
    interrupt (Ctrl-C, or the notebook's stop button) ends the learning early and keeps what was
    learned.

    Result as for :func:`learn_dictionary`; ``energy`` is in the precision of y. Raises TypeError,
    ValueError or ImportError, naming the argument, on bad input; y is never changed.

    Sources: J. Mairal, F. Bach, J. Ponce, G. Sapiro, *Online learning for matrix factorization and
    sparse coding* (JMLR 2010), section 3.4 for the forgetting and the warm starts.

    >>> y = torch.randn(500, 16, generator=torch.Generator().manual_seed(0))
    >>> found = learn_dictionary_fast(y, 32, 0.5)
    >>> found.dictionary.W.shape, bool(found.energy[-1] < found.energy[0])
    (torch.Size([16, 32]), True)
    """
    for name, value in (("passes", passes), ("batch_size", batch_size), ("sweeps", sweeps)):
        check_count(name, value)
    if check_fraction("memory", memory, 0, 1) == 0:
        raise ValueError("memory: expected a number > 0, got 0")
    check_learning(y, n_atoms, lam, passes, seed, (), nonnegative, progress)
    steps = passes * max(1, len(y) // batch_size)
    check_snapshots(snapshots, steps)
    work = _backend(backend, y)(float(lam), nonnegative, sweeps)

    y = y.detach()
    generator = torch.Generator().manual_seed(seed)
    W = _samples_as_atoms(y, n_atoms, nonnegative, generator)  # n × d: an atom lies in one piece
    A, B = y.new_zeros(n_atoms, n_atoms), torch.zeros_like(W)
    codes = y.new_zeros(len(y), n_atoms)
    kept = {0: W.T.clone()} if 0 in snapshots else {}
    energies, reseeded, interrupted = [], 0, False
    batches = Batches(len(y), batch_size, steps, generator)
    try:
        for t, rows in enumerate(track(batches, "learning the dictionary", show=progress), start=1):
            batch, z = y[rows], codes[rows]
            energies.append(work.improve(z, W, batch).mean().double())
            codes[rows] = z
            fade = (1 - 1 / t) ** (1 / memory)
            A.mul_(fade).addmm_(z.T, z)
            B.mul_(fade).addmm_(z.T, batch)
            work.update(W, A, B)
            reseeded += reseed(W.T, A, B.T, batch, z, nonnegative)
            if t in snapshots:
                kept[t] = W.T.clone()
    except KeyboardInterrupt:
        interrupted = True
    dictionary = Dictionary(W.T)
    say_if_empty(A, dictionary, y, lam, nonnegative)
    return LearnedDictionary(dictionary, stacked(energies), reseeded, kept, interrupted)


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
        blocks = []
        for rows in torch.arange(len(W), device=W.device).split(8):
            rows = slice(int(rows[0]), int(rows[-1]) + 1)
            largest = torch.linalg.eigvalsh(G[rows, rows].cpu())[-1]
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
                norm = float(torch.linalg.vector_norm(new))
                if norm > 0:
                    move = new.div_(norm) - atom
                    lacking.addr_(A[rows, start + j], move, alpha=-1)
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
