"""A long run that can be stopped and taken up again: its steps are whole, its state is a file.

A learner that is stopped (Ctrl-C, the notebook's stop button) finishes its step first. A learner
that is killed goes on, at its next call, from the state that was written last, and ends with the
very numbers of a run that was never disturbed: batches come from the seed, so those of the steps
that are made already are drawn again and passed over.
"""

import os
import signal
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import torch
from torch import Tensor

from .validate import check_path

Batch = TypeVar("Batch")
EVERY = 30.0  # seconds, at least, from one writing of the state to the next


class Run:
    """The course of a learning: what it tells at its end, and how it stops and goes on.

    state: the tensors that a step changes, all of them in place. atoms: W now, a copy. snapshots:
    the steps after which it is kept. checkpoint: the file of the state, which need not be there
    yet; None for none. settings: numbers and words that the course depends on; a file with others
    is refused.

    As a context it takes an interrupt as the end of the learning::

        with Run(state, atoms) as run:
            for batch in run.over(batches):
                run.energies.append(step(batch))
    """

    def __init__(
        self, state: dict[str, Tensor], atoms: Callable[[], Tensor], *,
        snapshots: Iterable[int] = (), checkpoint: str | os.PathLike | None = None,
        settings: dict[str, Any] | None = None,
    ):  # fmt: skip
        self.state, self.atoms, self.wanted = state, atoms, set(snapshots)
        self.path = None if checkpoint is None else Path(checkpoint)
        self.settings = settings or {}
        self.steps, self.reseeded, self.interrupted = 0, 0, False
        self.energies: list[Tensor] = []
        self.kept = {0: atoms()} if 0 in self.wanted else {}
        self.stop, self.written = Stop(), time.monotonic()
        if self.path and self.path.exists():
            self.restore(read_checkpoint(self.path, self.settings))

    def __enter__(self) -> "Run":
        self.stop.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:  # fmt: skip
        self.stop.__exit__(kind, error, trace)
        if kind is None:
            self.write()
        elif issubclass(kind, KeyboardInterrupt):  # in the middle of a step: nothing is written
            self.interrupted = True
        return self.interrupted

    def over(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches of the steps that are still to be made; after each one, what belongs to its
        end.
        """
        for number, batch in enumerate(batches, start=1):
            if number <= self.steps:
                continue
            yield batch
            self.steps = number
            if number in self.wanted:
                self.kept[number] = self.atoms()
            if self.stop.pressed:
                self.interrupted = True
                break
            if time.monotonic() - self.written >= EVERY:
                self.write()

    def write(self) -> None:
        """The state as it is now, into the file, if there is to be one."""
        if self.path:
            write_whole(self.path, lambda file: torch.save(self.course(), file))
        self.written = time.monotonic()

    def course(self) -> dict[str, Any]:
        """All that another run needs to go on from here."""
        course = {"steps": self.steps, "reseeded": self.reseeded, "kept": self.kept}
        course |= {"settings": self.settings, "energies": stacked(self.energies[: self.steps])}
        return course | {"state": self.state}

    def restore(self, course: dict[str, Any]) -> None:
        """The state of another run, as it was written."""
        for name, tensor in self.state.items():
            tensor.copy_(course["state"][name])
        self.steps, self.reseeded, self.kept = course["steps"], course["reseeded"], course["kept"]
        self.energies = list(course["energies"])


class Stop:
    """Notes an interrupt instead of raising it, so that what runs comes to its end first; the
    second one is raised. Only in the main thread, and where Python's own handler is at work.
    """

    pressed = False

    def __enter__(self) -> "Stop":
        main = threading.current_thread() is threading.main_thread()
        self.ours = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self.ours:
            signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number, frame) -> None:
        if self.pressed:
            signal.default_int_handler(number, frame)
        self.pressed = True

    def __exit__(self, *_) -> None:
        if self.ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def stacked(energies: list[Tensor]) -> Tensor:
    """One number a step; an empty float64 tensor when no step was made."""
    return torch.stack(energies) if energies else torch.zeros(0, dtype=torch.float64)


def read_checkpoint(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """What a run with these settings wrote. Raises ValueError where another one did."""
    try:
        course = torch.load(path, map_location="cpu", weights_only=True)
        before = course["settings"]
    except Exception:
        raise ValueError(
            f"checkpoint: expected a file that a learner wrote, got {shortened(path)}"
        ) from None
    check_same("checkpoint", before, settings)
    return course


def check_same(name: str, before: dict[str, Any], settings: dict[str, Any]) -> None:
    """Raise ValueError unless a run is taken up with the settings that it was begun with."""
    for key, value in settings.items():
        if before.get(key) != value:
            raise ValueError(f"{name}: expected {key} {before.get(key)}, as before, got {value}")


def write_whole(path: Path, write: Callable, mark: str = "new") -> None:
    """Write a file so that nobody ever finds half of it, whenever this process ends.

    write: what is called with the open file. mark: what the file's name ends with until it is
    whole, which differs between processes that write the same one.
    """
    new = path.with_name(f"{path.name}.{mark}")
    with new.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def fingerprint(x: Tensor) -> int:
    """A number that other samples hardly share: the CRC-32 of shape and entries."""
    entries = x.detach().cpu().resolve_neg().contiguous()
    return zlib.crc32(entries.numpy().reshape(-1).data, zlib.crc32(str(tuple(x.shape)).encode()))


def shortened(path: Path) -> str:
    """A path, or its end, where a message has room for no more."""
    text = str(path)
    return text if len(text) < 60 else f"…{text[-60:]}"


def check_checkpoint(checkpoint: str | os.PathLike | None) -> None:
    """A path in a folder that is there, or None."""
    if checkpoint is None:
        return
    path = check_path("checkpoint", checkpoint)
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(
            f"checkpoint: expected a file in a folder that is there, got {shortened(path)}"
        )
