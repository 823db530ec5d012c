"""Codes of more samples than fit into memory: made batch by batch, and kept on a disk.

A folder of codes holds ``settings.json``, a file ``part-000000.npz`` for each batch (NumPy's, with
the codes in CSR) and, when all are there, ``complete.json``. A part is written whole or not at
all, so a run that is killed loses no more than the batches at hand; run again, it makes the parts
that are missing, and the folder holds the very bytes of a run that was never disturbed. That is
so as well for processes that share the work: part k is made by the one with the number k modulo
their count.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..checkpoint import check_same, fingerprint, shortened, write_whole
from ..energies import Certificate
from ..operators import Operator
from ..solvers import Solution
from ..validate import (
    check_choice,
    check_count,
    check_dictionary,
    check_flag,
    check_fraction,
    check_one_lam,
    check_path,
)
from ..workers import check_group, place
from .codes import encode, of_flat_codes
from .csr import FIELDS, compressed, csr, facts, joined
from .streams import Samples, check_source, in_turn

SETTINGS, COMPLETE = "settings.json", "complete.json"


def encode_batches(
    dictionary: Operator, y: Samples, lam: float | Tensor, *,
    folder: str | os.PathLike[str] | None = None, nonnegative: bool = False, tol: float = 1e-4,
    backend: str = "auto", chunk: int = 4096, group: Any = None,
) -> Iterator[Solution]:  # fmt: skip
    """:func:`encode` for one batch after the other: an iterator of solutions, codes in CSR.

    Each has the codes (N, n) of one batch, as for ``encode(..., sparse=True)``, and only one is in
    memory at a time. y: a tensor or an array (N, d), such as a memory map, taken ``chunk`` rows at
    a time; or anything that yields batches (N, d), such as a DataLoader or a generator. lam: λ,
    one number. nonnegative, tol, backend: as for :func:`encode`.

    folder: where to write the codes as they are made; the folder is made if it is not there.
    A batch that is there already is read instead of solved, so that a run which was interrupted,
    or killed, goes on where it ended, to the same bytes: y has to yield the same batches again
    (they are compared) and the settings have to be the same. :func:`load_codes` reads it.

    group: a process group of torch.distributed, for processes that share the batches: each has its
    own ones only. They may write to the same folder.

    Raises TypeError or ValueError, naming the argument, on bad input.

    >>> dictionary = Dictionary(torch.eye(2))
    >>> batches = (torch.tensor([[size, 1.0]]) for size in (3.0, 4.0))
    >>> for solution in encode_batches(dictionary, batches, 1.5, tol=1e-6):
    ...     print([round(x, 3) for x in solution.z.to_dense()[0].tolist()])
    [1.5, 0.0]
    [2.5, 0.0]
    """
    check_dictionary(dictionary)
    of_flat_codes(dictionary)
    check_source(y)
    options = {
        "nonnegative": check_flag("nonnegative", nonnegative),
        "tol": check_fraction("tol", tol, 0, 1),
        "backend": check_choice("backend", backend, ("auto", "c", "torch")),
        "chunk": check_count("chunk", chunk),
    }
    lam = check_one_lam(lam, dictionary.atoms.device)
    check_group(group)
    store = None
    if folder is not None:
        given = {"lam": lam, "dtype": str(dictionary.atoms.dtype), **options}
        store = Folder(folder, {"atoms": fingerprint(dictionary.atoms), **given})
    return _solutions(dictionary, y, lam, options, store, place(group))


def _solutions(dictionary, y, lam, options, store, place) -> Iterator[Solution]:
    number = -1
    for number, batch in in_turn(y, options["chunk"], place):
        if batch is None:  # another process's
            continue
        solution = store.read(number, batch) if store else None
        if solution is None:
            solution = encode(dictionary, batch, lam, sparse=True, **options)
            if store:
                store.write(number, batch, solution)
        yield solution
    if number < 0:
        raise ValueError("y: expected at least one batch, got none")
    if store:
        store.complete(number + 1)


def load_codes(folder: str | os.PathLike[str]) -> Solution:
    """What :func:`encode_batches` wrote, as one solution with its codes in CSR, on the CPU.

    ``interrupted`` says whether batches are still to come. Raises TypeError or ValueError where
    there are no codes, or where the part of another process is missing.
    """
    path = check_path("folder", folder)
    if not (path / SETTINGS).is_file():
        raise ValueError(f"folder: expected one with codes, got {shortened(path)}")
    files = sorted(path.glob("part-*.npz"))
    done = path / COMPLETE
    count = json.loads(done.read_text("utf-8"))["parts"] if done.exists() else len(files)
    missing = [k for k in range(count) if not _part(path, k).is_file()]
    if missing or not files:
        gap = missing[0] if missing else 0
        raise ValueError(f"folder: expected parts without a gap, got none with the number {gap}")
    whole = joined(read_part(file)[0] for file in files)
    return whole if done.exists() else _unfinished(whole)


def _unfinished(whole: Solution) -> Solution:
    return Solution(
        whole.z, whole.certificate, whole.iterations, whole.converged, whole.made_by,
        interrupted=True,
    )  # fmt: skip


class Folder:
    """A folder of codes that were, and are to be, made with the same settings."""

    def __init__(self, folder: str | os.PathLike[str], settings: dict[str, Any]):
        self.path = check_path("folder", folder)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError:
            raise ValueError(f"folder: expected one, got {shortened(self.path)}") from None
        file = self.path / SETTINGS
        if file.exists():
            check_same("folder", json.loads(file.read_text("utf-8")), settings)
        self.note(SETTINGS, settings)

    def note(self, name: str, content: dict[str, Any]) -> None:
        """A small file for people, too; every process writes the same."""
        text = json.dumps(content, indent=1).encode()
        if not (self.path / name).exists():
            write_whole(self.path / name, lambda file: file.write(text), mark=f"{os.getpid()}")

    def write(self, number: int, batch: Tensor, solution: Solution) -> None:
        """The codes of one batch."""
        names = sorted(set(solution.made_by))
        values, columns, counts = compressed(solution.z)
        content = {name: x.cpu().numpy() for name, x in facts(solution).items()} | {
            "values": values.cpu().numpy(), "columns": columns.cpu().numpy(),
            "counts": counts.cpu().numpy(), "n_atoms": np.int64(solution.z.shape[1]),
            "names": np.array(names), "samples": np.uint32(fingerprint(batch)),
            "made_by": np.array([names.index(name) for name in solution.made_by], np.uint8),
        }  # fmt: skip
        write_whole(_part(self.path, number), lambda file: np.savez(file, **content))

    def read(self, number: int, batch: Tensor) -> Solution | None:
        """What is there for one batch, on its device; None if there is nothing yet."""
        file = _part(self.path, number)
        if not file.exists():
            return None
        solution, samples = read_part(file)
        if samples != fingerprint(batch):
            raise ValueError(f"y: expected the samples of {file.name} again, got others")
        return on_device(solution, batch.device)

    def complete(self, parts: int) -> None:
        """So many parts are all that there will be."""
        if all(_part(self.path, k).exists() for k in range(parts)):
            self.note(COMPLETE, {"parts": parts})


def _part(folder: Path, number: int) -> Path:
    return folder / f"part-{number:06d}.npz"


def read_part(file: Path) -> tuple[Solution, int]:
    """The codes of one batch, and the fingerprint of its samples."""
    with np.load(file, allow_pickle=False) as content:
        found = {name: torch.from_numpy(content[name]) for name in FIELDS}
        values, columns, counts = (
            torch.from_numpy(content[name]) for name in ("values", "columns", "counts")
        )
        made_by = content["names"][content["made_by"]].tolist()
        shape, samples = (len(counts), int(content["n_atoms"])), int(content["samples"])
    certificate = Certificate(found["energy"], found["dual"], found["rounding"])
    z = csr(values, columns, counts, shape)
    return Solution(z, certificate, found["iterations"], found["converged"], made_by), samples


def on_device(solution: Solution, device: torch.device) -> Solution:
    """The same solution elsewhere."""
    if device.type == "cpu":
        return solution
    return Solution(
        solution.z.to(device), solution.certificate.map(lambda x: x.to(device)),
        solution.iterations.to(device), solution.converged.to(device), solution.made_by,
    )  # fmt: skip
