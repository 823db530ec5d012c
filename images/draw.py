"""Draws the course's diagrams as SVG: ``make figures``, or ``python images/draw.py [FOLDER]``."""

import sys
from pathlib import Path

from rlvebm_utils.course.plots.diagrams import DIAGRAMS, svg

HERE = Path(__file__).resolve().parent


def main(folder: Path = HERE) -> None:
    """Draws every diagram into the folder."""
    for name in DIAGRAMS:
        path = folder / f"{name}.svg"
        path.write_text(svg(name), encoding="utf-8", newline="\n")
        print(path)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
