"""Samples that need not be in memory: batches from whatever yields them.

An array (a memory map above all) is read by rows; a DataLoader, a list of files that were loaded
or a generator by the batches that it yields, as they come. Of a pair, such as samples with labels,
the first one counts.
"""

import mmap
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeAlias, TypeVar

import numpy as np
import torch
from torch import Tensor

from ..learning import Batches
from ..validate import LARGEST, check_tensor, describe

Item = TypeVar("Item")
Samples: TypeAlias = Tensor | np.ndarray | Iterable[Tensor | np.ndarray | Sequence]


class ByRows:
    """Batches of a tensor or an array (N, d), its rows in a new order at each pass.

    Iterating gives row numbers, which cost nothing; ``read`` fetches the rows. share: (rank, size)
    of the processes that share each batch, part after part.
    """

    def __init__(self, y: Tensor | np.ndarray, size: int, passes: int, generator, share=(0, 1)):
        self.y, self.share, self.generator = y, share, generator
        self.steps = passes * max(1, len(y) // size)
        self.rows = Batches(len(y), size, self.steps, generator)

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Tensor]:
        rank, size = self.share
        return (rows.tensor_split(size)[rank] for rows in self.rows)

    def read(self, rows: Tensor) -> Tensor:
        """The samples of some rows."""
        return read_rows(self.y, rows)

    def first(self, count: int) -> Tensor:
        """As many different samples as that, or all that there are."""
        rows = torch.randperm(len(self.y), generator=self.generator)[:count]
        return self.read(rows.sort().values)


class ByBatches:
    """Batches as they are yielded, pass after pass; one pass where nothing more comes (a
    generator).
    """

    def __init__(self, y: Iterable, passes: int):
        self.y, self.passes, self.known = y, passes, hasattr(y, "__len__")
        self.iterator, self.head, self.like = iter(y), [], None
        self.steps = passes * len(y) if self.known else LARGEST

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator:
        yield from chain(self.head, self.iterator)
        if self.iterator is not self.y:
            for _ in range(1, self.passes):
                yield from self.y

    def read(self, item) -> Tensor:
        """The samples of a batch (N, d), checked; all are like the first one."""
        batch = as_samples(item, self.like)
        self.like = batch if self.like is None else self.like
        return batch

    def first(self, count: int) -> Tensor:
        """The samples of the first batches, at least ``count`` where there are as many."""
        found: list[Tensor] = []
        for item in self.iterator:
            self.head.append(item)
            found.append(self.read(item))
            if sum(map(len, found)) >= count:
                break
        if not found:
            raise ValueError(f"y: expected at least one batch, got an empty {describe(self.y)}")
        return torch.cat(found)


def check_source(y) -> None:
    """Something with rows (N, d), or something that can be iterated over."""
    if isinstance(y, Tensor):
        check_tensor("y", y)
    elif isinstance(y, np.ndarray):
        check_array(y)
    elif isinstance(y, str | bytes | dict | set) or not isinstance(y, Iterable):
        raise TypeError(f"y: expected samples or what yields batches of them, got {describe(y)}")
    if isinstance(y, Tensor | np.ndarray) and y.ndim != 2:
        raise ValueError(f"y: expected a batch of samples (N, d), got shape {tuple(y.shape)}")


def check_array(y: np.ndarray) -> None:
    """An array of numbers that torch computes with, with at least one."""
    if y.dtype not in (np.float32, np.float64):
        raise TypeError(f"y: expected an array of float32 or float64, got {y.dtype}")
    if y.size == 0:
        raise ValueError(f"y: expected at least one sample, got an array of shape {y.shape}")


def in_turn(y: Samples, size: int, place=(0, 1)) -> Iterator[tuple[int, Tensor | None]]:
    """All samples in their order, (number, batch): ``size`` at a time, or as they are yielded.

    place: (rank, size) of processes that share them in turn. For the batches of others there is
    None, and of an array they are not even read.
    """
    rank, workers = place
    if isinstance(y, Tensor | np.ndarray):
        for number, first in enumerate(range(0, len(y), size)):
            mine = number % workers == rank
            yield number, read_rows(y, slice(first, first + size)) if mine else None
        return
    like = None
    for number, item in enumerate(y):
        if number % workers != rank:
            yield number, None
            continue
        batch = as_samples(item, like)
        like = batch if like is None else like
        yield number, batch


def as_samples(item, like: Tensor | None = None) -> Tensor:
    """One batch that was yielded, as a tensor (N, d); of the dtype, device and length of
    ``like``.
    """
    if isinstance(item, list | tuple) and item:
        item = item[0]
    if isinstance(item, np.ndarray):
        check_array(item)
        item = torch.from_numpy(np.array(item, order="C"))
    check_tensor("y", item)
    if item.ndim != 2:
        raise ValueError(f"y: expected batches of samples (N, d), got {describe(item)}")
    if like is not None:
        same = (item.dtype, item.device, item.shape[1]) == (like.dtype, like.device, like.shape[1])
        if not same:
            raise ValueError(f"y: expected batches like the first, got {describe(item)} after it")
    return item.detach()


def read_rows(y: Tensor | np.ndarray, rows: Tensor | slice) -> Tensor:
    """Some samples, in memory and checked. No page of a memory map stays behind them."""
    if isinstance(y, Tensor):
        return y.detach()[rows if isinstance(rows, slice) else rows.to(y.device)]
    part = y[rows] if isinstance(rows, slice) else y[rows.numpy()]
    batch = torch.from_numpy(np.array(part, order="C", subok=False))
    release(y)
    return check_tensor("y", batch) if len(batch) else batch


def release(y: np.ndarray) -> None:
    """Let the system take back what it read of a mapped file: it is there to be read again. (Not
    where writes go to memory alone, mode "c": they would be lost.)
    """
    if not isinstance(y, np.memmap) or y.mode not in ("r", "r+"):
        return
    base = y
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
