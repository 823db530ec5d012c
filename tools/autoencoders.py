"""Train the auto-encoders of notebook 06, ``python -m tools.autoencoders``, and keep them.

Settled trainings of two encoders, three prices α, with and without learning in the encoder, from
three starts, take half an hour. They are computed once, by the package's own ``train_autoencoder``,
and shipped in ``rlvebm_utils/course/autoencoders.npz`` with what made them; a test trains
one of them again.

``RLVEBM_TRAINING=4 python -m tools.autoencoders --to FILE`` trains four times as long; what a step
is called stays as it is, so that the notebook finds it.
"""

import argparse
import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from rlvebm_utils.course import csae
from rlvebm_utils.course.autoencoders import FILE, LAM, N_KERNELS, STEPS, Training, pieces
from rlvebm_utils.course.settled import length

COMMAND = "python -m tools.autoencoders"
SNAPSHOTS = (0, 5, 20, 80, 200, 400, STEPS)


def trainings() -> list[Training]:
    """Both encoders, learning and not, and where they learn a twin of half the length; then what
    ties the halves, taken away: α, the start from the guess, and both.
    """
    seeds = range(3)
    kept = [
        Training(phi, frozen=frozen, seed=seed, steps=steps)
        for phi, frozen, seed in itertools.product(csae.NONLINEARITIES, (False, True), seeds)
        for steps in ((STEPS,) if frozen else (STEPS // 2, STEPS))
    ]
    untied = itertools.product(((0.0, True), (1.0, False), (0.0, False)), (False, True), seeds)
    return kept + [
        Training(alpha=alpha, frozen=frozen, seed=seed, from_guess=from_guess)
        for (alpha, from_guess), frozen, seed in untied
    ]


def train(one: Training) -> csae.AutoEncoder:
    """One training, with its snapshots where the notebook shows them."""
    images, _ = pieces(one.seed)
    shown = one.seed == 0 and one.alpha == 1 and one.steps == STEPS and one.from_guess
    snapshots = {length(step) if step else 0: step for step in SNAPSHOTS if shown}
    trained = csae.train_autoencoder(
        images,
        N_KERNELS,
        LAM,
        alpha=one.alpha,
        lr=0.0 if one.frozen else 3e-2,
        nonlinearity=one.nonlinearity,
        seed=one.seed,
        steps=length(one.steps),
        from_guess=one.from_guess,
        snapshots=tuple(snapshots),
    )
    halves = {snapshots[step]: pair for step, pair in trained.snapshots.items()}
    return dataclasses.replace(trained, snapshots=halves)


def arrays(one: Training, run: csae.AutoEncoder) -> dict[str, np.ndarray]:
    """What is kept of a training: both halves in single precision, by ``training/part``."""
    halves = {f"@{step}": pair for step, pair in run.snapshots.items()}
    halves[""] = run.encoder, run.dictionary
    kept = {}
    for when, (encoder, dictionary) in halves.items():
        parts = dict(encoder.named_parameters()) | {"K": dictionary.K}
        for part, value in parts.items():
            kept[f"{one.key}{when}/{part}"] = value.detach().float().numpy()
    return kept


def main(target: Path = FILE) -> None:
    about = {"command": COMMAND, "torch": torch.__version__, "lam": LAM, "steps": STEPS}
    kept = {}
    for one in tqdm(trainings(), desc="training", unit="auto-encoder"):
        kept |= arrays(one, train(one))
        np.savez_compressed(target, about=json.dumps(about), **kept)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=FILE)
    main(parser.parse_args().to)
