"""What long trainings of notebook 03 gave, from a file that ``python -m tools.trainings`` wrote.

The code that trained is the notebook's own. Each training is there at full length and at half of
it, under a name such as "learned/W_e+S/0": what was done, on what, with which seed.
"""

import json
from functools import cache
from pathlib import Path

from .settled import kept

FILE = Path(__file__).with_suffix(".json")


@cache
def recorded() -> dict:
    """The whole file: the results, and how they were made."""
    return json.loads(kept(FILE).read_text(encoding="utf-8"))


def trained(prefix: str, at: str = "full") -> dict[str, dict]:
    """The results whose names begin with ``prefix + "/"``, by the rest of the name.

    at: "full", or "half" of the training's length. Raises ValueError for a prefix without results.
    """
    start = f"{prefix}/"
    found = {
        name.removeprefix(start): one[at]
        for name, one in recorded()["results"].items()
        if name.startswith(start)
    }
    if not found:
        raise ValueError(f"prefix: expected the beginning of a result's name, got {prefix!r}")
    return found
