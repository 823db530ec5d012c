"""Solutions with codes in CSR (compressed sparse rows): a few bytes for each non-zero number.

CSR has, for all rows one after the other, the numbers and their columns, and where each row ends.
It is torch's own (``torch.sparse_csr``): products with matrices, ``to_dense()``, ``torch.save`` and
``to("cuda")`` are there, and ``scipy.sparse.csr_matrix((z.values(), z.col_indices(),
z.crow_indices()))`` shares its memory. Columns have 32 bits, which halves what torch takes by
itself, unless there are 2³¹ numbers or more.
"""

import warnings
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from ..checkpoint import Stop
from ..energies import Certificate
from ..solvers import Solution

MOST = 2**31  # numbers whose places 32 bits can hold
FIELDS = ("energy", "dual", "rounding", "iterations", "converged")


def joined(parts: Iterable[Solution]) -> Solution:
    """One solution of all samples, its codes in CSR; no more than one part is there twice.

    An interrupt ends it after the part at hand, and keeps what there is.
    """
    whole, interrupted, parts = Joined(), False, iter(parts)
    with Stop() as stop:
        while not interrupted:
            try:
                part = next(parts, None)
            except KeyboardInterrupt:
                if stop.pressed or not len(whole):
                    raise
                interrupted = True
                break
            if part is None:
                break
            whole.add(part)
            interrupted = stop.pressed
    if not len(whole):
        raise ValueError("y: expected at least one batch, got none")
    return whole.solution(interrupted)


class Joined:
    """Solutions of batches, each added behind the last."""

    def __init__(self):
        self.values, self.columns, self.counts = Growing(), Growing(), Growing()
        self.fields = {name: Growing() for name in FIELDS}
        self.made_by: list[str] = []
        self.n_atoms = 0

    def __len__(self) -> int:
        return len(self.made_by)

    def add(self, part: Solution) -> None:
        """A batch; its codes are dense or in CSR."""
        values, columns, counts = compressed(part.z)
        self.n_atoms = part.z.shape[1]
        self.values.add(values)
        self.columns.add(columns)
        self.counts.add(counts)
        for name, tensor in facts(part).items():
            self.fields[name].add(tensor)
        self.made_by += part.made_by

    def solution(self, interrupted: bool = False) -> Solution:
        """All that was added."""
        found = {name: field.tensor() for name, field in self.fields.items()}
        shape = (len(self.made_by), self.n_atoms)
        return Solution(
            csr(self.values.tensor(), self.columns.tensor(), self.counts.tensor(), shape),
            Certificate(found["energy"], found["dual"], found["rounding"]),
            found["iterations"], found["converged"], self.made_by, interrupted=interrupted,
        )  # fmt: skip


class Growing:
    """A tensor that grows at its end. In memory it is made longer where it lies, since a copy of
    all that there is would double what the result takes.
    """

    def __init__(self):
        self.array: np.ndarray | None = None
        self.parts: list[Tensor] = []

    def add(self, part: Tensor) -> None:
        """More numbers behind the others."""
        if part.device.type != "cpu":
            self.parts.append(part)
        elif self.array is None:
            self.array = part.numpy().copy()
        else:
            before = len(self.array)
            self.array.resize(before + len(part), refcheck=False)  # nobody else has seen it
            self.array[before:] = part.numpy()

    def tensor(self) -> Tensor:
        """All of them; nothing may be added any more."""
        return torch.cat(self.parts) if self.array is None else torch.from_numpy(self.array)


def facts(part: Solution) -> dict[str, Tensor]:
    """What is known of each sample beside its code."""
    known = part.certificate
    found = (known.energy, known.dual, known.rounding, part.iterations, part.converged)
    return dict(zip(FIELDS, found, strict=True))


def compressed(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The numbers that are not zero, their columns (int32), and how many each row has."""
    if z.layout == torch.sparse_csr:
        return z.values(), z.col_indices().int(), z.crow_indices().diff()
    used = z != 0
    return z[used], used.nonzero()[:, 1].int(), used.sum(1, dtype=torch.int32)


def csr(values: Tensor, columns: Tensor, counts: Tensor, shape: tuple[int, int]) -> Tensor:
    """What :func:`compressed` tells, as a tensor of torch's."""
    ends = torch.cat([counts.new_zeros(1, dtype=torch.int64), counts.cumsum(0)])
    if len(values) < MOST:
        ends = ends.int()
    else:
        columns = columns.long()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(ends, columns, values, shape, check_invariants=False)
