"""The strokes of the page: 256 atoms of 28 × 28 pixels, learned from digits, as bytes in a file.

``tools/strokes.py`` makes ``strokes.json`` and writes into it how. An atom is 784 bytes; it is
scaled to length 1 where it is used, here and in the page alike, so both solve the same problem.
"""

from __future__ import annotations

import base64
import json
import zlib
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from ...operators import Dictionary

SIDE = 28
FILE = Path(__file__).parent / "strokes.json"


@cache
def recorded() -> dict:
    """What the file holds: side, atoms and sample digits (packed), and how they were made."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def pack(values: Tensor) -> str:
    """Bytes (any shape, uint8) as short text: what zlib makes of them, in base64."""
    return base64.b64encode(zlib.compress(values.numpy().tobytes(), 9)).decode()


def unpack(text: str, width: int = SIDE * SIDE) -> Tensor:
    """What :func:`pack` was given, as rows (N, width) of uint8."""
    data = bytearray(zlib.decompress(base64.b64decode(text)))
    return torch.frombuffer(data, dtype=torch.uint8).reshape(-1, width)


def as_bytes(W: Tensor) -> Tensor:
    """Atoms (d, n), none below zero, as rows (n, d) of bytes: 255 is the most ink that each has."""
    if not (W >= 0).all():
        raise ValueError("W: expected atoms without negative entries, got some below 0")
    most = W.amax(0).clamp(min=torch.finfo(W.dtype).tiny)
    return (255 * W / most).round().to(torch.uint8).T.contiguous()


def as_dictionary(atoms: Tensor) -> Dictionary:
    """Atoms as bytes (n, d) to a dictionary (d × n) of float64, each of length 1."""
    W = atoms.double().T
    return Dictionary(W / W.norm(dim=0).clamp(min=1))


def load_strokes() -> Dictionary:
    """The dictionary of the page: 256 strokes, 784 × 256, float64."""
    return as_dictionary(unpack(recorded()["atoms"]))
