"""Train what takes longer than a notebook should: python -m tools.trainings

Runs the cells of notebooks/03_lista.py that are tagged "recipe", so the code is the notebook's own,
calls their functions for every seed and held-out pair of photographs, at full length and at half of
it, and writes what came out, rounded, into rlvebm_utils/course/trainings.json. That takes about a
quarter of an hour of one core. A test trains one of them again.

``RLVEBM_TRAINING=4 python -m tools.trainings --to FILE`` trains four times as long.
"""

import argparse
import hashlib
import json
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import jupytext
import torch

from rlvebm_utils.course.settled import length
from rlvebm_utils.course.trainings import FILE
from tools.notebooks import FOLDER
from tools.panels import tags

SEEDS = range(3)
STEPS = {"psd": 1280, "learned": 1600, "relatives": 1600}
NAMES = ("W_e", "S", "theta")
SUBSETS = [choice for size in (1, 2, 3) for choice in combinations(NAMES, size)]
PATCHES = 6  # whose codes are kept
SHOWN = 7  # the patch whose code the encoder's guess is shown beside


def recipe(path: Path = FOLDER / "03_lista.py") -> dict:
    """The functions and data of the notebook's own cells, without the rest of it."""
    found = {"__name__": "recipe"}
    for number, cell in enumerate(c for c in jupytext.read(path).cells if c.cell_type == "code"):
        imports = cell.source.startswith("import ") and "get_ipython" not in cell.source
        if number == 1 or "recipe" in tags(cell):
            assert number != 1 or imports, "the second code cell imports"
            exec(compile(cell.source, f"{path.stem}, code cell {number}", "exec"), found)
    return found


def rounded(value, digits: int = 5):
    """Numbers to a few significant digits, wherever they stand."""
    if isinstance(value, dict):
        return {str(key): rounded(one, digits) for key, one in value.items()}
    if isinstance(value, torch.Tensor):
        return rounded(value.tolist(), digits)
    if isinstance(value, list | tuple):
        return [rounded(one, digits) for one in value]
    return float(f"{value:.{digits}g}")


def together(cells: dict, seed: int, share: float = 1) -> dict:
    """Encoder and dictionary trained together: the record, and the codes of one patch."""
    steps = int(share * length(STEPS["psd"]))
    record, W, W_e, theta = cells["train_together"](seed, steps)
    if (seed, share) != (0, 1):
        return {"record": record}
    y = cells["Y_test"][SHOWN]
    best = cells["encode"](cells["Dictionary"](W), y, cells["lam"]).z
    return {"record": record, "best": best, "guess": cells["guess_of"](y, W_e, theta)}


def learned(cells: dict, choice: tuple[str, ...], seed: int, share: float = 1) -> dict:
    """Three rounds where these of W_e, S and θ learn: errors, and codes of some unseen patches."""
    steps = int(share * length(STEPS["learned"]))
    p = cells["train"](cells["unrolled"], cells["as_ista"], choice, steps, seed)
    y, best = cells["Y_test"], cells["best"]
    z = cells["unrolled"](y, **p)
    errors = cells["errors_of"](cells["dictionary"], y, best, cells["lam"], z)
    kept = {"codes": rounded(z[:PATCHES], 4)} if (seed, share) == (0, 1) else {}
    return errors | kept


def relatives(cells: dict, seed: int, share: float = 1) -> dict:
    """The networks that are told apart, by name."""
    return cells["relatives"](seed, int(share * length(STEPS["relatives"])))


def counted(cells: dict, data: tuple, seed: int, share: float = 1) -> dict:
    """FISTA's errors after each iteration, and those of the networks of each depth."""
    curve, point, _ = cells["compare"](*data, seed=seed, share=share)
    return {"fista": curve, **point}


def jobs(cells: dict) -> Iterator[tuple[str, Callable[[float], dict]]]:
    """A name for each training, and what does it for a share of its length."""
    for seed in SEEDS:
        yield f"psd/{seed}", lambda share, s=seed: together(cells, s, share)
    for choice in SUBSETS:
        for seed in SEEDS:
            name = f"learned/{'+'.join(choice)}/{seed}"
            yield name, lambda share, c=choice, s=seed: learned(cells, c, s, share)
    for seed in SEEDS:
        yield f"relatives/{seed}", lambda share, s=seed: relatives(cells, s, share)
    for fold in cells["folds"]:
        for seed in SEEDS:
            yield (
                f"patches/{'+'.join(fold)}/{seed}",
                lambda share, f=fold, s=seed: counted(cells, cells["photographs"](f, s), s, share),
            )
    for seed in SEEDS:
        yield (
            f"digits/{seed}",
            lambda share, s=seed: counted(cells, cells["small_digits"](s), s, share),
        )


def keep(to: Path, jobs: Iterator[tuple[str, Callable[[float], object]]], told: dict) -> None:
    """Do each job, for its length and half of it, and write down what came out beside what is told.

    What is in the file ``to`` + ".part" already is not done again.
    """
    part = to.with_suffix(".part")
    done = json.loads(part.read_text("utf-8")) if part.exists() else {}
    for name, work in jobs:
        if name not in done:
            done[name] = {"full": rounded(work(1)), "half": rounded(work(0.5))}
            part.write_text(json.dumps(done), "utf-8")
            print(name, flush=True)
    digest = hashlib.sha256(json.dumps(done).encode()).hexdigest()
    told |= {"torch": torch.__version__, "sha256": digest, "results": done}
    to.write_text(json.dumps(told, separators=(",", ":")) + "\n", "utf-8")
    part.unlink()
    print(f"{to.name}: {to.stat().st_size} bytes")


def main(to: Path = FILE) -> None:
    """Train everything."""
    cells = recipe()
    told = {
        "made_by": "python -m tools.trainings",
        "seeds": list(SEEDS),
        "steps": {**STEPS, "depths": cells["depths"]},
    }
    keep(to, jobs(cells), told)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=FILE)
    main(parser.parse_args().to)
