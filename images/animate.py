"""Draw the pictures made from real data: drag_lambda.gif (README), stroke_by_stroke.png and
atoms_appear.gif (notebooks 02 and 04).

    python images/animate.py

It learns the dictionaries first (some twenty seconds). The pictures are for the eye: another
machine may give other bytes, so no test compares them.
"""

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from rlvebm_utils import fista, learn_dictionary
from rlvebm_utils.course.data import extract_patches, load_digits, load_photographs, whiten
from rlvebm_utils.course.plots.atoms import sheet
from rlvebm_utils.course.plots.sparse_coding import SIDE
from rlvebm_utils.course.plots.style import (
    BLUE,
    DIVERGING,
    GREY,
    VERMILION,
    new_figure,
    styled,
    to_png,
)

HERE = Path(__file__).resolve().parent
EXAMPLE = 3  # of the digits kept aside: a 2
FRAMES = 36


def strokes_and_digit():
    digits = load_digits(dtype=torch.float64).images.flatten(1)
    learned = learn_dictionary(digits[:4000], 256, 0.15, nonnegative=True, progress=True)
    return learned.dictionary, digits[4000 + EXAMPLE]


def code(dictionary, y, lam):
    return fista(dictionary, y, lam, nonnegative=True, tol=1e-4).z


def picture(ax, values, title="", **options) -> None:
    ax.imshow(values.reshape(SIDE, SIDE), vmin=0, **options)
    ax.set_axis_off()
    ax.set_title(title, loc="center", fontsize=11, fontweight="normal")


@styled
def frame(dictionary, y, lam: float, lowest: float, highest: float) -> Image.Image:
    """One moment of the sweep: the digit, its reconstruction, the code, and where λ stands."""
    z = code(dictionary, y, lam)
    figure, axes = new_figure(
        1, 3, height=2.7, width=7.6, gridspec_kw={"width_ratios": (1, 1, 2.2)}
    )
    picture(axes[0], y, "digit y", vmax=1)
    picture(axes[1], dictionary.decode(z), f"Wz from {int((z > 0).sum())} strokes", vmax=1)
    used = torch.nonzero(z).flatten()
    axes[2].vlines(used, 0, z[used], color=BLUE, lw=1.6)
    axes[2].set(xlim=(0, len(z)), ylim=(0, 2.5), xlabel="atom", ylabel="code z", yticks=(0, 1, 2))
    place = np.log(lam / lowest) / np.log(highest / lowest)
    track = axes[2].inset_axes((0.02, 1.06, 0.96, 0.1))
    track.plot((0, 1), (0, 0), color=GREY, lw=3, solid_capstyle="round")
    track.plot(place, 0, "o", color=VERMILION, ms=11)
    track.set(xlim=(-0.03, 1.03), ylim=(-1, 1))
    track.set_axis_off()
    track.text(0.5, 1.1, f"λ = {lam:.2f}", ha="center", va="bottom", fontsize=12, color=VERMILION)
    return Image.open(io.BytesIO(to_png(figure))).convert("P", palette=Image.ADAPTIVE, colors=48)


def drag_lambda(dictionary, y) -> None:
    """λ from a small part of λ_max up to all of it and back; three times, then it rests."""
    highest = float((y @ dictionary.W).max())
    lams = np.geomspace(highest / 100, highest, FRAMES)
    frames = [frame(dictionary, y, float(lam), lams[0], lams[-1]) for lam in lams]
    there_and_back = frames + frames[-2:0:-1]
    there_and_back[0].save(
        HERE / "drag_lambda.gif",
        save_all=True,
        append_images=there_and_back[1:],
        duration=110,
        loop=2,
        optimize=True,
    )


@styled
def stroke_by_stroke(dictionary, y) -> None:
    """The reconstruction from the largest 1, 2, 3, … coefficients."""
    z = code(dictionary, y, 0.3)
    order = z.argsort(descending=True)
    counts = (1, 2, 3, 4, 6, 8, int((z > 0).sum()))
    figure, axes = new_figure(1, len(counts) + 1, height=1.5)
    for m, ax in zip(counts, axes, strict=False):
        title = f"{m} stroke{'s' * (m > 1)}"
        picture(ax, dictionary.W[:, order[:m]] @ z[order[:m]], title, vmax=1)
    picture(axes[-1], y, "the digit", vmax=1)
    (HERE / "stroke_by_stroke.png").write_bytes(to_png(figure))


def runs_with_snapshots(steps):
    """Atoms of digits and of filtered photographs, as notebook 04 learns them."""
    digits = load_digits(dtype=torch.float64).images[:4000, 4:24, 4:24].flatten(1)
    images = [whiten(image) for image in load_photographs(dtype=torch.float64).values()]
    patches = extract_patches([image / image.std() for image in images], 12, 15_000, seed=0)
    patches = patches - patches.mean(1, keepdim=True)
    options = {"steps": steps[-1], "snapshots": steps, "progress": True}
    strokes = learn_dictionary(digits, 60, 0.2, nonnegative=True, **options)
    return strokes.snapshots, learn_dictionary(
        patches / patches.std(), 60, 1.5, **options
    ).snapshots


@styled
def moment(W_strokes, W_edges, step: int) -> Image.Image:
    figure, axes = new_figure(1, 2, height=2.2)
    for ax, W, low, colours in (
        (axes[0], W_strokes, 0, "gray_r"),
        (axes[1], W_edges, -1, DIVERGING),
    ):
        ax.imshow(sheet(W, 10, 40), vmin=low, vmax=1, cmap=colours)
        ax.set_axis_off()
    for ax, data in zip(axes, ("digits", "photographs"), strict=True):
        ax.set_title(f"learned from {data}, step {step}", fontsize=11, fontweight="normal")
    return Image.open(io.BytesIO(to_png(figure))).convert("P", palette=Image.ADAPTIVE, colors=20)


def atoms_appear() -> None:
    """Noise turns into strokes and edges; twice, then it rests."""
    steps = (0, 1, 3, 7, 15, 35, 100)
    strokes, edges = runs_with_snapshots(steps)
    frames = [moment(strokes[step], edges[step], step) for step in steps]
    frames[0].save(
        HERE / "atoms_appear.gif",
        save_all=True,
        append_images=frames[1:],
        duration=[600] * (len(frames) - 1) + [2500],
        loop=1,
        optimize=True,
    )


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    atoms_appear()
    dictionary, y = strokes_and_digit()
    drag_lambda(dictionary, y)
    stroke_by_stroke(dictionary, y)
