"""How good the small nets of notebook 06 are, trained longer than a notebook can wait.

They were trained once, ``python -m tools.few_labels``, by the notebook's own code; the accuracies
lie in ``few_labels.json`` beside this file.
"""

import json
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from .settled import kept

FILE = Path(__file__).with_suffix(".json")
STEPS = 2400


@cache
def recorded() -> dict:
    """The whole file: the results, and how they were made."""
    return json.loads(kept(FILE).read_text(encoding="utf-8"))


def scores(at: str = "full") -> dict[str, Tensor]:
    """The accuracies of each net by its name: (seeds, numbers of labels), float64.

    at: "full", or "half" of the training's length.
    """
    told = recorded()
    names = dict.fromkeys(key.split("/")[0] for key in told["results"])

    def one(name: str) -> list[list[float]]:
        return [
            [told["results"][f"{name}/{count}/{seed}"][at] for count in told["labels"]]
            for seed in told["seeds"]
        ]

    return {name: torch.tensor(one(name), dtype=torch.float64) for name in names}
