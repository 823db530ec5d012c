"""Train the small nets of notebook 06, ``python -m tools.few_labels``, and keep how good they are.

Runs the cells of the notebook that are tagged "recipe", so the code is the notebook's own, and lets
their ``train_net`` train each net at full length and at half of it. A net's learning rate falls to
0 at its end, so half the length is a training of its own. All that takes some twenty minutes of one
core; the accuracies are shipped in ``rlvebm_utils/course/few_labels.json`` with what made them. A
run that was stopped goes on where it ended. A test trains two of them again.

``RLVEBM_TRAINING=4 python -m tools.few_labels --to FILE`` trains four times as long, with kernels
from the auto-encoders that are shipped, or from those in the folder ``RLVEBM_TRAINED``.
"""

import argparse
import hashlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

from rlvebm_utils.course import autoencoders
from rlvebm_utils.course.few_labels import FILE, STEPS
from rlvebm_utils.course.settled import kept, length
from tools.notebooks import FOLDER
from tools.trainings import keep, recipe

COMMAND = "python -m tools.few_labels"
NOTEBOOK = FOLDER / "06_convolutional_sparse_autoencoder.py"


def jobs(cells: dict) -> Iterator[tuple[str, Callable[[float], float]]]:
    """A name for each net, and what trains it for a share of the length."""
    for name, count, seed in itertools.product(cells["nets"], cells["labels"], cells["seeds"]):
        yield (
            f"{name}/{count}/{seed}",
            lambda share, one=(name, count, seed): cells["train_net"](
                *one, int(share * length(STEPS))
            ),
        )


def digest(file: Path) -> str:
    """Of what a file holds."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def main(to: Path = FILE) -> None:
    """Train everything."""
    cells = recipe(NOTEBOOK)
    told = {
        "made_by": COMMAND,
        "seeds": list(cells["seeds"]),
        "labels": list(cells["labels"]),
        "steps": STEPS,
        "kernels": digest(kept(autoencoders.FILE)),
    }
    keep(to, jobs(cells), told)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=FILE)
    main(parser.parse_args().to)
