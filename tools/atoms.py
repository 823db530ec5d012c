"""Learn the atoms of notebook 04, ``python -m tools.atoms``, and keep them.

Dictionaries that have settled, for many λ, filters and scrambled phases, with three pairs of
photographs held out in turn, controls, and a twin of half the length each, take a quarter of an
hour. They are computed once and shipped in ``rlvebm_utils/course/atoms.npz`` with what made them; a
test learns one again. ``--missing`` learns what the file does not hold yet and leaves the rest.

``RLVEBM_TRAINING=4 python -m tools.atoms --to FILE`` learns four times as long; what a training is
called stays as it is, so that the notebook finds it.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from rlvebm_utils import Dictionary, encode, learn_dictionary_fast
from rlvebm_utils.course.atoms import (
    COUNTS,
    CUTOFFS,
    EARLY,
    EARLY_PRICES,
    FILE,
    FOLDS,
    ICA_STEPS,
    NONZEROS,
    PASSES,
    PHASES,
    PRICES,
    TEXTURES,
    Training,
    covered,
    edges,
    first_directions,
    orthonormal,
    packed,
    samples,
    unpacked,
    whitened,
)
from rlvebm_utils.course.exercises.atoms import excess_kurtosis, ica_direction
from rlvebm_utils.course.gabor import fit_gabors
from rlvebm_utils.course.settled import length

COMMAND = "python -m tools.atoms"
SEARCH = 5  # passes of a training that only looks for λ


def trainings() -> list[Training]:
    """At each λ; then at equal non-zeros, every pair held out: the atoms of photographs, other
    phases, other filters, other numbers of atoms, independent components. And the controls of the
    phases: equal or lent contrast, independent components of twins, textures.
    """
    kept = [Training(data, price) for data in ("digits", "photographs") for price in PRICES]
    for fold in FOLDS:
        kept += [Training(phases=share, fold=fold) for share in PHASES]
        kept += [Training(cutoff=one, fold=fold) for one in CUTOFFS if one != 0.4]
        kept += [Training("ica", atoms=143, fold=fold)]
        kept += [Training(atoms=count, fold=fold) for count in COUNTS if count != 144]
    ends = (PHASES[0], PHASES[-1])
    for fold in FOLDS:
        kept += [Training("even", phases=share, fold=fold) for share in ends]
        kept += [Training("lent", phases=ends[1], fold=fold)]
        kept += [Training("ica", atoms=143, phases=ends[1], fold=fold)]
        kept += [Training("photographs", price, fold=fold) for price in PRICES if fold]
    return kept + [Training(name, phases=share) for name in TEXTURES for share in ends]


def shown(one: Training) -> bool:
    """Whether the atoms themselves are kept."""
    if one.data == "ica":
        return not one.phases
    main = one.data in ("digits", "photographs") and one.fold == 0
    return main or one == Training(fold=one.fold)


def parts(one: Training) -> list[str]:
    """What is kept of a training, see `arrays`."""
    compared = one.data != "digits" and one.atoms in (143, 144) and one.cutoff == 0.4
    soon = one in [Training("photographs", p) for p in EARLY_PRICES]
    more = {"local": compared and not one.price, "atoms": shown(one), "early": soon}
    return ["half", "figures", *(part for part, wanted in more.items() if wanted)]


def learn(one: Training, lam: float, passes: int, Y: Tensor) -> Dictionary:
    """Atoms at this λ after so many passes."""
    options = {"nonnegative": one.data == "digits", "batch_size": 256, "seed": one.fold}
    return learn_dictionary_fast(Y, one.atoms, lam, passes=passes, **options).dictionary


def components(one: Training, _lam: float, steps: int, Y: Tensor) -> Dictionary:
    """Independent components by FastICA, symmetric: the columns that the samples are mixed from."""
    X, back = whitened(Y)
    B = first_directions(X.shape[1], one.fold)
    for _ in range(steps):
        B = orthonormal(ica_direction(B, X))
    W = (B @ back).T
    return Dictionary(W / W.norm(dim=0))


def codes(one: Training, W: Dictionary, lam: float, new: Tensor) -> Tensor:
    """Of the first held-out samples."""
    return encode(W, new[:500], lam, nonnegative=one.data == "digits", tol=1e-3).z


def used(one: Training, W: Dictionary, lam: float, new: Tensor) -> float:
    """Non-zeros of a held-out code, on average."""
    return float((codes(one, W, lam, new) != 0).double().sum(1).mean())


def price(one: Training, Y: Tensor, new: Tensor) -> float:
    """λ: the share of ‖y‖ that is asked for, or what leaves ``NONZEROS`` (nearly)."""
    if one.price:
        return one.price * float(Y.norm(dim=1).median())
    if one.data == "ica":
        return _at_nonzeros(one, components(one, 0, ICA_STEPS // 2, Y), 1.5, new)
    lam = 1.5
    for _ in range(3):
        lam = _at_nonzeros(one, learn(one, lam, SEARCH, Y), lam, new)
    return lam


def _at_nonzeros(one: Training, W: Dictionary, lam: float, new: Tensor) -> float:
    """The λ at which these atoms leave ``NONZEROS``, by halving in log λ."""
    low, high = math.log(lam / 3), math.log(lam * 3)
    for _ in range(7):
        middle = (low + high) / 2
        few = used(one, W, math.exp(middle), new) < NONZEROS
        low, high = (low, middle) if few else (middle, high)
    return math.exp((low + high) / 2)


def measured(one: Training, W: Dictionary, lam: float, new: Tensor) -> np.ndarray:
    """The ``FIGURES`` of atoms."""
    z = codes(one, W, lam, new)
    error = (new[:500] - W.decode(z)).square().sum() / new[:500].square().sum()
    side = math.isqrt(len(W.W))
    share, frequency = math.nan, math.nan
    if one.data != "digits":
        fit = fit_gabors(W.W.T.unflatten(1, (side, side)))
        share, frequency = float((fit.r2 > 0.7).double().mean()), float(fit.frequency.median())
    nonzeros = float((z != 0).double().sum(1).mean())
    shape = float(covered(W.W).median()), float(excess_kurtosis(new, W.W).median())
    return np.array([lam, nonzeros, 1 - float(error), share, frequency, *shape], np.float32)


def early(one: Training, lam: float, Y: Tensor) -> np.ndarray:
    """The shares of edges after the first steps (``EARLY``)."""
    options = {"passes": 5, "batch_size": 256, "seed": one.fold, "snapshots": EARLY}
    found = learn_dictionary_fast(Y, one.atoms, lam, **options).snapshots
    return np.array([edges(found[step])[0] for step in EARLY], np.float32)


def arrays(one: Training) -> dict[str, np.ndarray]:
    """What is kept of a training, by its name in the file: figures, those at half of it, the share
    of local Gabor functions (at half of it and at its end), atoms where they are shown, and what
    share of them are edges after the first steps.
    """
    Y, new = samples(one)
    lam, found, local = price(one, Y, new), {}, []
    for part, share in (("half", 2), ("figures", 1)):
        made = components if one.data == "ica" else learn
        W = made(one, lam, length(one.length // share), Y)
        found[part] = measured(one, W, lam, new)
        if "local" in parts(one):
            local.append(edges(W.W)[1])
    found |= {"local": np.array(local, np.float32), "atoms": packed(W.W)}
    if "early" in parts(one):
        found["early"] = early(one, lam, Y)
    return {f"{one.key}/{part}": found[part] for part in parts(one)}


def main(target: Path = FILE, *, missing: bool = False) -> None:
    about = {"command": COMMAND, "torch": torch.__version__, "passes": PASSES}
    kept = {}
    if missing and target.exists():
        with np.load(target) as archive:
            kept = dict(archive)
    for one in tqdm(trainings(), desc="learning", unit="dictionary"):
        if all(f"{one.key}/{part}" in kept for part in parts(one)):
            continue
        kept = arrays(one) | {"about": json.dumps(about)} | kept
        if shown(one) and "local" in parts(one):  # of these very atoms, also if learned elsewhere
            kept[f"{one.key}/local"][1] = edges(unpacked(kept[f"{one.key}/atoms"]))[1]
        np.savez_compressed(target, **kept)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=FILE)
    parser.add_argument("--missing", action="store_true", help="learn what is not there yet")
    told = parser.parse_args()
    torch.set_default_dtype(torch.float64)
    main(told.to, missing=told.missing)
