"""Learn the kernels of notebook 05, ``python -m tools.families``, and keep them.

One to 64 kernels, codes of both signs and codes ≥ 0, three or six starts, other prices where there
is one kernel or four, these from all photographs too, colour in two kinds of channels: a quarter
of an hour, on one core. They are computed once, by the package's own ``learn_kernels`` in single
precision, and shipped in ``rlvebm_utils/course/families.npz`` (a byte a number) with what made them
and as they were after half of the training; a test learns some of them again.

``RLVEBM_TRAINING=4 python -m tools.families --to FILE`` learns four times as long.
"""

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from rlvebm_utils import LearnedKernels, learn_kernels
from rlvebm_utils.course import families
from rlvebm_utils.course.families import FILE, STEPS, Training
from rlvebm_utils.course.settled import length

COMMAND = "python -m tools.families"
EVERY = (1, 4)  # so many are learned from all photographs, too
PRICES = {1: (0.5, 2.0, 4.0), 4: (2.0,)}  # beside families.LAM, by the number of kernels


def trainings() -> list[Training]:
    """Every number of kernels with both signs; one kernel and four at other prices; colour."""
    signs = (False, True)
    kept = [
        Training(n, nonnegative=sign, seed=seed)
        for n in families.SIZES
        for sign, seed in itertools.product(signs, families.starts(n))
    ]
    kept += [
        Training(n, lam, sign, seed)
        for n, prices in PRICES.items()
        for lam, sign, seed in itertools.product(prices, signs, range(3))
    ]
    kept += [
        Training(n, nonnegative=sign, seed=seed, every=True)
        for n, sign, seed in itertools.product(EVERY, signs, range(3))
    ]
    return kept + [
        Training(16, seed=seed, channels=channels)
        for channels, seed in itertools.product(families.CHANNELS[::2], range(2))
    ]


def images(one: Training) -> torch.Tensor:
    """What a training learns from, in single precision."""
    if not one.channels:
        return families.pieces(one.seed, every=one.every)[0].float()
    pieces, _ = families.colour_pieces(one.seed)
    return families.mixed(families.mixing(pieces, one.channels), pieces).float()


def train(one: Training) -> LearnedKernels:
    """One training, and its kernels after half of it."""
    steps = length(STEPS)
    options = {"nonnegative": one.nonnegative, "steps": steps, "seed": one.seed}
    return learn_kernels(images(one), one.n, one.lam, snapshots=(steps // 2,), **options)


def small(K: torch.Tensor) -> np.ndarray:
    """Kernels in a byte a number: each has 127 where it is largest."""
    top = K.abs().flatten(1).amax(1).reshape(-1, *(1,) * (K.ndim - 1))
    return (127 * K / top).round().to(torch.int8).numpy()


def main(target: Path = FILE) -> None:
    about = {"command": COMMAND, "torch": torch.__version__, "steps": STEPS}
    kept = {}
    for one in tqdm(trainings(), desc="learning", unit="family"):
        run = train(one)
        (half,) = run.snapshots.values()
        kept |= {f"{one.key}/K": small(run.dictionary.K), f"{one.key}/half": small(half)}
        np.savez_compressed(target, about=json.dumps(about), **kept)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=FILE)
    main(parser.parse_args().to)
