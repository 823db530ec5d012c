"""Several processes that share one piece of work, by torch.distributed: start them with torchrun.

Each has its share of the samples; what they have to agree on is summed. A process that is lost is
an error of all others, which names it: each one counts in the group's store, once a second, and
where a sum fails, those whose count stands still are the lost ones. (The sum's own error tells the
neighbour that is gone, or one that has given up because of another.)
"""

import math
import os
import socket
import threading
import time
from typing import Any
from uuid import uuid4

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import distributed_c10d

from .checkpoint import Run
from .validate import describe

BEAT, PATIENCE = 1.0, 5.0  # seconds: between two counts, and with one that stands still


class Workers:
    """The processes of a group, as one of them sees them; this one alone where there is no group.

    group: a process group of torch.distributed (``dist.group.WORLD`` after
    ``dist.init_process_group``), or None.
    """

    def __init__(self, group: Any = None):
        self.group, self.rank, self.size = group, 0, 1
        if group is not None:
            check_group(group)
            self.rank, self.size = place(group)
        self.tag, self.store, self.over = "", None, threading.Event()
        self.beat: threading.Thread | None = None
        me = f"rank {self.rank} (process {os.getpid()} on {socket.gethostname()})"
        self.names = [me] * self.size
        if self.size > 1:
            self._try(dist.all_gather_object, self.names, me)

    def total(self, *parts: Tensor) -> list[Tensor]:
        """The sums, over all processes, of some tensors of one dtype: one message for all."""
        if self.size == 1:
            return list(parts)
        packed = torch.cat([part.reshape(-1) for part in parts])
        self._try(dist.all_reduce, packed)
        sums = packed.split([part.numel() for part in parts])
        return [one.reshape(part.shape) for one, part in zip(sums, parts, strict=True)]

    def share(self, rows: Tensor) -> Tensor:
        """The part of a batch that is this one's work: none, where there are more processes."""
        return rows.tensor_split(self.size)[self.rank]

    def gathered(self, rows: Tensor) -> Tensor:
        """The rows of all processes, in their order. What is mostly zeros travels without them."""
        if self.size == 1:
            return rows
        found: list[Any] = [None] * self.size
        self._try(dist.all_gather_object, found, packed(rows))
        return torch.cat([unpacked(*one) for one in found]).to(rows.device)

    def agree(self, called_with: dict[str, Any]) -> None:
        """Raise ValueError, in all of them, unless each was called with the same."""
        first = self.from_first(called_with)
        names = [name for name, value in called_with.items() if first[name] != value]
        if self.any(bool(names)):
            told = f"other {', '.join(names)}" if names else "another process with others"
            raise ValueError(
                f"group: expected the arguments of its first process in all, got {told}"
            )

    def run(self, state: dict[str, Tensor], atoms, *, checkpoint=None, **options: Any) -> Run:
        """A :class:`Run` that all make together: the file is the first one's, and so is the course
        so far.
        """
        run = Run(state, atoms, checkpoint=checkpoint if self.rank == 0 else None, **options)
        if self.size > 1:
            run.restore(self.from_first(run.course()))
        return run

    def from_first(self, value: Any) -> Any:
        """What the first process has, whatever it is."""
        if self.size == 1:
            return value
        box = [value]
        self._try(dist.broadcast_object_list, box, dist.get_global_rank(self.group, 0))
        return box[0]

    def any(self, flag: bool) -> bool:
        """Whether one of them says so."""
        if self.size == 1:
            return flag
        (count,) = self.total(torch.tensor([float(flag)], device=self._device()))
        return bool(count)

    def _device(self) -> str:
        return "cuda" if dist.get_backend(self.group) == "nccl" else "cpu"

    def _try(self, collective, *arguments) -> None:
        """A collective call; RuntimeError with the names of those that do not answer."""
        try:
            collective(*arguments, group=self.group)
        except RuntimeError as error:
            raise RuntimeError(f"group: lost {self._lost()}: {str(error)[:200]}") from error

    # ---- who is still there ----

    def __enter__(self) -> "Workers":
        if self.size > 1:
            self.tag = self.from_first(uuid4().hex)
            self.store = distributed_c10d._get_default_store()
            self.beat = threading.Thread(target=self._beat, daemon=True)
            self.beat.start()
        return self

    def __exit__(self, *_) -> None:
        self.over.set()
        if self.beat:  # a thread that still talks to the store when Python ends would abort it
            self.beat.join(PATIENCE)

    def _beat(self) -> None:
        """Count, once a second, until the work is over or the store is gone."""
        try:
            while not self.over.is_set():
                self.store.add(f"{self.tag}/{self.rank}", 1)
                self.over.wait(BEAT)
        except RuntimeError:
            pass

    def _counts(self) -> list[int]:
        return [self.store.add(f"{self.tag}/{rank}", 0) for rank in range(self.size)]

    def _lost(self) -> str:
        """The names of those whose count stands still."""
        if self.store is None:
            return "a process"
        try:
            before = self._counts()
            time.sleep(PATIENCE)
            after = self._counts()
        except RuntimeError:
            return f"the process with the group's store, most likely {self.names[0]}"
        still = [self.names[r] for r in range(self.size) if before[r] == after[r]]
        return ", ".join(still) or "no process for good, but a message"


def packed(rows: Tensor) -> tuple[Tensor, Tensor | None, tuple[int, ...]]:
    """(entries, places, shape): those that are not zero and where; or all of them, and None."""
    flat = rows.cpu().reshape(-1)
    places = flat.nonzero().flatten()
    if 2 * len(places) > len(flat):
        return flat.clone(), None, tuple(rows.shape)
    return flat[places], places.int() if len(flat) < 2**31 else places, tuple(rows.shape)


def unpacked(entries: Tensor, places: Tensor | None, shape: tuple[int, ...]) -> Tensor:
    """What :func:`packed` was given."""
    if places is None:
        return entries.reshape(shape)
    flat = entries.new_zeros(math.prod(shape))
    flat[places.long()] = entries
    return flat.reshape(shape)


def check_group(group: Any) -> None:
    """A process group that this process belongs to, or None."""
    if group is None:
        return
    if not dist.is_available() or not isinstance(group, dist.ProcessGroup):
        raise TypeError(f"group: expected a process group or None, got {describe(group)}")
    if dist.get_rank(group) < 0:
        raise ValueError("group: expected one with this process in it, got another one")


def place(group: Any) -> tuple[int, int]:
    """(rank, size): which of how many processes this one is."""
    return (0, 1) if group is None else (dist.get_rank(group), dist.get_world_size(group))
