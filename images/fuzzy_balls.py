"""Draw fuzzy_balls.png: 1500 digits as the balls that a small variational auto-encoder makes.

    python images/fuzzy_balls.py

It trains for half a minute. The picture is for the eye: another machine may give other bytes, so
no test compares it.
"""

from pathlib import Path

import torch

from rlvebm_utils.course.data import load_digits
from rlvebm_utils.course.plots.style import new_figure, styled, to_png
from rlvebm_utils.course.plots.vae import paint_balls
from rlvebm_utils.course.vae import Balls, FuzzyBallAutoencoder, train_balls

HERE = Path(__file__).resolve().parent


@styled
def fuzzy_balls() -> None:
    """T = ½: spring and size term at half of the usual weight, so that the balls stay small."""
    digits = load_digits(dtype=torch.float64)
    y = digits.images[:, 4:24, 4:24].flatten(1)
    model = FuzzyBallAutoencoder(400, spring=0.25, size=0.25, sigma=None, hidden=(128, 64))
    train_balls(model, y, epochs=25, learning_rate=3e-3, progress=True)
    with torch.no_grad():
        balls = model.encode(y[:1500])
    figure, ax = new_figure(height=5.6, width=5.6)
    paint_balls(ax, Balls(*balls), digits.labels[:1500], radii=0.8, alpha=0.35)
    ax.set_axis_off()
    (HERE / "fuzzy_balls.png").write_bytes(to_png(figure))


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    fuzzy_balls()
