"""Train the variational auto-encoders of notebook 07, ``python -m tools.balls``, and keep them.

Settled trainings from three starts, with their twins of half the length, take ten minutes. They are
computed once, and shipped in ``rlvebm_utils/course/balls.npz`` with what made them; a test
trains one of them again.

``RLVEBM_TRAINING=4 python -m tools.balls --to FILE`` trains four times as long; what a training is
called stays as it is, so that the notebook finds it.
"""

import argparse
import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from rlvebm_utils.course.balls import (
    DOUBLING,
    EPOCHS,
    FILE,
    HEATS,
    PASSES,
    SHOWN,
    SPRINGS,
    Training,
    digits,
    losses,
    new_model,
    train,
)
from rlvebm_utils.course.settled import length
from rlvebm_utils.course.vae import Balls, FuzzyBallAutoencoder, normal_noise, train_balls
from rlvebm_utils.course.widgets.vae import mean_overlap

COMMAND = "python -m tools.balls"
SEEDS = range(3)


def trainings() -> list[Training]:
    """At T = 1 and without a price, and their twins of half the length; one start for longer and
    shorter; eight directions with and without a rising T.
    """
    both = (EPOCHS // 2, EPOCHS)
    kept = [Training(seed=seed, epochs=epochs) for seed, epochs in itertools.product(SEEDS, both)]
    kept += [Training(epochs=EPOCHS // 4), Training(epochs=2 * EPOCHS)]
    kept += [Training(0.0, seed=s, epochs=e // 4) for s, e in itertools.product(SEEDS, both)]
    wide = itertools.product(SEEDS, both, (0.0, 0.6))
    return kept + [Training(code=8, seed=s, epochs=e // 2, warm=w) for s, e, w in wide]


def longer(one: Training) -> Training:
    """The training for as long as the environment asks."""
    return dataclasses.replace(one, epochs=length(one.epochs))


def arrays(one: Training, model, y, new) -> dict[str, np.ndarray]:
    """What is kept of a training: losses on both sets; balls in half precision; the decoder of the
    first start; of a wide code the median variance of each direction.
    """
    with torch.no_grad():
        balls = model.encode(new)
    kept = {"losses": np.array([losses(model, y[:1000]), losses(model, new)], np.float32)}
    if one.code > 2:
        kept["medians"] = balls.variance.median(0).values.float().numpy()
    elif one.epochs in (EPOCHS, EPOCHS // 2) or one.T == 0:
        few = slice(None) if one.T else slice(SHOWN)
        kept["balls"] = packed(balls, few)
    if one.T and one.code == 2 and one.seed == 0 and one.epochs in (EPOCHS, EPOCHS // 2):
        kept |= {name: value.half().numpy() for name, value in model.decoder.state_dict().items()}
    return {f"{one.key}/{part}": value for part, value in kept.items()}


def packed(balls, few: slice) -> np.ndarray:
    """Means and log-variances in half precision."""
    return torch.stack([balls.mean[few], balls.variance[few].log()]).half().numpy()


def heated(y, new) -> dict[str, np.ndarray]:
    """One machine at rising temperatures, each training going on where the last one ended."""
    model, kept = new_model(Training(HEATS[0])), {}
    for T in HEATS:
        one = Training(T, epochs=EPOCHS // 4)
        train(longer(one), model, y)
        with torch.no_grad():
            balls = model.encode(new)
            pictures = model.decode(balls.mean[:10])
        kept[f"heated {T:g}/balls"] = packed(balls, slice(SHOWN))
        kept[f"heated {T:g}/losses"] = np.array(losses(model, new), np.float32)
        kept[f"heated {T:g}/pictures"] = (255 * pictures).round().byte().numpy()
    return kept


def tighten(seed: int, passes: int, y, new) -> dict[str, np.ndarray]:
    """Balls of radius 1 on ever tighter springs, each going on where the last one ended."""
    model = FuzzyBallAutoencoder(400, spring=SPRINGS[0], seed=seed).double()
    train_balls(model, y, epochs=length(12 * passes), seed=seed, learning_rate=4e-3)
    generator = torch.Generator().manual_seed(seed)
    noises = [normal_noise((len(new), 2), generator, like=new) for _ in range(4)]
    figures, means, pictures = [], {}, {}
    for k in SPRINGS:
        model.spring = k
        train_balls(model, y, epochs=length(passes), seed=seed, learning_rate=4e-3)
        with torch.no_grad():
            balls = model.encode(new)
            fit = torch.stack([model.terms(new, noise).fit.mean() for noise in noises]).mean()
            pictures[k] = model.decode(balls.mean[:10])
        means[k] = balls.mean.half().numpy()
        away = balls.mean.norm(dim=1)
        shared = mean_overlap(Balls(balls.mean[:500], balls.variance[:500]))
        figures.append([away.square().mean().sqrt(), away.max(), fit, shared])
    kept = {"figures": np.array(figures, np.float32).T, "eighth": means[0.125]}
    found = {f"tight {seed} {passes}/{part}": value for part, value in kept.items()}
    if (seed, passes) == (0, PASSES):
        drawn = torch.stack([pictures[k] for k in DOUBLING])
        found["stages/means"] = np.stack([means[k][:SHOWN] for k in DOUBLING])
        found["stages/pictures"] = (255 * drawn).round().byte().numpy()
    return found


def main(target: Path = FILE) -> None:
    y, _, new, _ = digits()
    about = {"command": COMMAND, "torch": torch.__version__, "epochs": EPOCHS, "heats": HEATS}
    kept = heated(y, new)
    for seed, passes in itertools.product(SEEDS, (PASSES // 2, PASSES)):
        kept |= tighten(seed, passes, y[:2000], new)
    for one in tqdm(trainings(), desc="training", unit="auto-encoder"):
        model = new_model(one)
        train(longer(one), model, y)
        kept |= arrays(one, model, y, new)
    np.savez_compressed(target, about=json.dumps(about), **kept)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=FILE)
    main(parser.parse_args().to)
