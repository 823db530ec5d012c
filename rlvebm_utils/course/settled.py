"""How long the notebooks train: the lengths as they stand there, or all of them longer.

``RLVEBM_TRAINING=4`` in the environment makes every training four times as long. A statement about
a model that is true of a settled training stays as it is; ``make settled`` tries that.

Trainings that take longer than a notebook can wait are shipped with the package. Where the variable
``RLVEBM_TRAINED`` is set, they are looked for in that folder: there the longer ones lie.
"""

import os
from pathlib import Path

VARIABLE, ELSEWHERE = "RLVEBM_TRAINING", "RLVEBM_TRAINED"


def length(steps: int) -> int:
    """How many steps (or passes, or rounds) to train where ``steps`` are written.

    Raises ValueError where ``steps`` is not a whole number above 0, or the environment's factor is
    not a number above 0.
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps: expected a whole number above 0, got {steps!r}")
    given = os.environ.get(VARIABLE, "1")
    try:
        factor = float(given)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise ValueError(f"{VARIABLE}: expected a number above 0, got {given!r}")
    return max(1, round(steps * factor))


def kept(shipped: Path) -> Path:
    """Where to read the trainings of the file ``shipped``: there, or elsewhere if told so."""
    folder = os.environ.get(ELSEWHERE)
    return Path(folder, shipped.name) if folder else shipped
