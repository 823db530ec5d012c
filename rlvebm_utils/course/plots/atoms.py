"""The figures of notebook 04: spectra, sheets of atoms, Gabor fits, PCA, phase twins."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import torch
from torch import Tensor

from ..claims import as_range
from . import style

COLOURS = (
    style.VERMILION,
    style.BLUE,
    style.ORANGE,
    style.GREEN,
    style.PURPLE,
    style.SKY,
    style.GREY,
)
KEY = "red\u00a0+, blue\u00a0−"
LINE = 0.2  # grey between tiles in ink


def squares(W: Tensor) -> Tensor:
    """Columns of W (side² × n) as n pictures (n, side, side), each with a largest size of 1."""
    side = round(W.shape[0] ** 0.5)
    images = W.T.reshape(-1, side, side)
    return images / images.abs().amax((1, 2), keepdim=True).clamp(min=1e-12)


def sheet(W: Tensor, columns: int, count: int | None = None, line: float = 0.0) -> Tensor:
    """The first ``count`` columns of W as tiles of one picture, ``line`` between them."""
    images = squares(W[:, :count])
    n, side, _ = images.shape
    step = side + 1
    rows = -(-n // columns)
    picture = images.new_full((rows * step - 1, columns * step - 1), line)
    for k, image in enumerate(images):
        top, left = k // columns * step, k % columns * step
        picture[top : top + side, left : left + side] = image
    return picture


def _sheet(ax, W: Tensor, columns: int, title: str) -> None:
    """Signed atoms in red and blue about white, atoms that are ≥ 0 in ink with lines between."""
    images = squares(W).numpy()
    rows = -(-len(images) // columns)
    signed = bool((W < 0).any())
    low, name = (-1, style.DIVERGING) if signed else (0, style.INK)
    colours = matplotlib.colormaps[name]
    colours = colours if signed else colours.with_extremes(bad=colours(LINE))
    style.image_grid(ax, images, rows, columns, vmin=low, vmax=1, cmap=colours)
    _subtitle(ax, title)


def _subtitle(ax, title: str) -> None:
    ax.set_title(title, fontsize=10.5, fontweight="normal")


@style.styled
def preprocessing(photo: Tensor, filtered: Tensor, f: Tensor, spectra: Mapping) -> None:
    """A photograph, the same after the filter, and amplitude spectra: name → (images, rings)."""
    figure, (left, middle, right) = style.new_figure(1, 3, height=3.4, width_ratios=(1, 1, 1.35))
    left.imshow(photo, cmap="gray")
    _subtitle(left, "a photograph")
    size = 3 * float(filtered.std())
    middle.imshow(filtered, cmap="gray", vmin=-size, vmax=size)
    _subtitle(middle, "after the filter")
    for ax in (left, middle):
        ax.set_axis_off()
    flat = {}
    for (name, rings), colour in zip(spectra.items(), (style.GREY, style.VERMILION), strict=True):
        for one in rings:
            right.loglog(f, one, color=colour, lw=0.7, alpha=0.5)
        mean = rings.log().mean(0).exp()
        right.loglog(f, mean, color=colour, lw=2.5, label=name)
        inside = mean[(f > 0.03) & (f < 0.3)]
        flat[name] = float(inside.max() / inside.min())
    right.set(xlabel="f, cycles per pixel", ylabel="mean amplitude", ylim=(3e-3, None))
    right.set_xticks([0.02, 0.1, 0.5], ["0.02", "0.1", "0.5"])
    right.minorticks_off()
    right.legend(loc="lower left", fontsize=9)
    before, after = flat.values()
    style.headline(
        figure,
        f"From f = 0.03 to 0.3 the amplitude varies {before:.0f}-fold before the filter, "
        f"{after:.1f}-fold after",
    )
    style.show(
        figure,
        "Left: a photograph. Middle: the same photograph after the filter, grey with bright and "
        "dark outlines at its edges. Right: amplitude against frequency on logarithmic axes for "
        f"six photographs; before the filter it falls {before:.0f}-fold between f = 0.03 and 0.3, "
        f"after it varies {after:.1f}-fold there, falls beyond, and is as low as before the filter "
        "at the highest frequencies.",
    )


@style.styled
def side_by_side(strokes: Tensor, gabors: Tensor) -> None:
    """The first 64 atoms from digits (left) and from photographs (right)."""
    sheets = (
        (strokes[:, :64], 8, "learned from digits"),
        (gabors[:, :64], 8, f"learned from photographs: {KEY}"),
    )
    title = "The same algorithm finds pen strokes in digits, and edges in photographs"
    words = (
        "Two sheets of 64 atoms. Left, from digits at a low price: short bent or straight pen "
        "strokes and a few whole digits, dark on white. Right, from photographs: short parallel "
        "red and blue stripes, at all angles, most of them in one part of their tile."
    )
    _two_sheets(sheets, title, words, height=4.9)


def _two_sheets(sheets, title: str, words: str, height: float) -> None:
    """Atoms side by side; sheets: (W, columns, title) for each."""
    figure, axes = style.new_figure(1, len(sheets), height=height)
    for ax, one in zip(axes, sheets, strict=True):
        _sheet(ax, *one)
    style.headline(figure, title)
    style.show(figure, words)


@style.styled
def fits(W: Tensor, fit, chosen: Sequence[int]) -> None:
    """Some atoms (columns of W), the Gabor function that fits each best, and what is left."""
    figure, axes = style.new_figure(3, len(chosen), height=2.7)
    side = round(W.shape[0] ** 0.5)
    for column, j in zip(axes.T, chosen, strict=True):
        atom, function = W[:, j].reshape(side, side), fit.patches[j]
        size = float(atom.abs().max())
        for ax, image in zip(column, (atom, function, atom - function), strict=True):
            ax.imshow(image, cmap=style.DIVERGING, vmin=-size, vmax=size)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(visible=True, color="#cccccc")
        column[0].set_title(f"{fit.r2[j]:.2f}", loc="center", fontsize=10, fontweight="normal")
    for ax, name in zip(axes[:, 0], ("atom", "Gabor", "what is left"), strict=True):
        ax.set_ylabel(name, rotation=0, ha="right", va="center")
    style.headline(figure, f"From the best fit to the worst (R² above each column; {KEY})")
    values = ", ".join(f"{fit.r2[j]:.2f}" for j in chosen)
    style.show(
        figure,
        f"{len(chosen)} atoms, below each the Gabor function fitted to it, and the difference. R² "
        f"from left to right: {values}. Where it is high the two look the same.",
    )


@style.styled
def r2_curves(groups: Mapping[str, Tensor], threshold: float) -> None:
    """For each group the share of its members with an R² above x, as a curve."""
    figure, ax = style.new_figure(height=3.9)
    styles = zip(COLOURS, ("-", "-", "--", "-.", ":", "--", ":"), strict=True)
    for (name, r2), (colour, line) in zip(groups.items(), styles, strict=False):
        x = np.append(0, r2.clamp(min=0).sort().values)
        above = 1 - np.arange(len(x)) / len(r2)
        ax.step(x, 100 * above, line, where="post", color=colour, label=name)
    ax.axvline(threshold, color=style.BLACK, lw=1)
    ax.set(
        xlabel="R² of the best Gabor fit", ylabel="share above it, %", xlim=(0, 1), ylim=(0, 102)
    )
    shares = {name: 100 * float((r2 > threshold).double().mean()) for name, r2 in groups.items()}
    first, *rest = shares
    worst = max(rest, key=shares.get)
    ax.set_title(
        f"R² > {threshold:g}: {shares[first]:.0f}% of the {first}, at most {shares[worst]:.0f}% "
        "of anything else"
    )
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9)
    told = ", ".join(f"{name} {share:.0f}%" for name, share in shares.items())
    style.show(
        figure, f"Share of patches whose best Gabor fit has an R² above {threshold:g}: {told}."
    )


@style.styled
def orientation_frequency(theta: Tensor, f: Tensor, passed: tuple[Tensor, Tensor]) -> None:
    """Of fitted atoms the directions θ (radians) in eighths of the half circle, and frequencies;
    passed: (frequency, what the filter multiplies with there).
    """
    figure, (left, right) = style.new_figure(1, 2, height=3.5)
    eighths = torch.bincount((theta / torch.pi * 8).long().clamp(max=7), minlength=8)
    shares = 100 * eighths / len(theta)
    left.bar(22.5 * np.arange(8) + 11.25, shares, width=20, color=style.VERMILION)
    left.axhline(12.5, color=style.BLACK, lw=1, ls="--")
    left.set(xlabel="direction θ of the wave, degrees", ylabel="share of the atoms, %")
    left.set_xticks(range(0, 181, 45))
    _subtitle(left, "dashed: an even spread, 12.5%")
    width = 0.02
    right.hist(f, bins=np.arange(0, 0.51, width), color=style.SKY, weights=[100 / len(f)] * len(f))
    at, factor = passed
    top = right.get_ylim()[1]
    right.plot(at, 0.95 * top * factor / factor.max(), color=style.BLACK, lw=1.5)
    right.set(xlabel="frequency f, cycles per pixel", ylabel="share of the atoms, %", xlim=(0, 0.5))
    _subtitle(right, "black: the filter m(f), in any unit")
    low, high = f.quantile(0.1), f.quantile(0.9)
    style.headline(
        figure,
        f"Each eighth of the directions: {shares.min():.0f}% to {shares.max():.0f}%; most "
        f"frequencies: {low:.2f} to {high:.2f}",
    )
    style.show(
        figure,
        f"Left: bars for eight equal ranges of directions from 0° to 180°, "
        f"{', '.join(f'{share:.0f}%' for share in shares)} of {len(theta)} atoms. Right: a "
        f"histogram of their frequencies, 80% between {low:.2f} and {high:.2f} cycles per pixel, "
        "under the curve of the filter.",
    )


@style.styled
def locality(counts: Mapping[str, float], kinds: Mapping[str, float]) -> None:
    """Pixels that one covers: of what is known beforehand (grey), and of atoms, as bars."""
    figure, ax = style.new_figure(height=3.6)
    both = counts | kinds
    names = sorted(both, key=both.get)
    colours = [style.VERMILION if name in kinds else style.GREY for name in names]
    ax.barh(names, [both[name] for name in names], color=colours)
    for row, name in enumerate(names):
        ax.text(both[name] + 1, row, f"{both[name]:.0f}", va="center", fontsize=9)
    ax.invert_yaxis()
    ax.set(xlabel="pixels covered, of 144 (median)", xlim=(0, 150))
    ax.set_title("Learned dictionaries (orange) among things that we know (grey)")
    told = ", ".join(f"{name} {both[name]:.0f}" for name in names)
    style.show(figure, f"Bars: pixels covered, of 144: {told}.")


@style.styled
def three_dictionaries(kinds: Mapping[str, Tensor]) -> None:
    """The first 25 columns of each."""
    sheets = [(W[:, :25], 5, name) for name, W in kinds.items()]
    title = f"Waves over most of the patch, and two kinds of edges ({KEY})"
    words = (
        f"Three sheets of 25: {', '.join(kinds)}. The principal components are waves and "
        "checkerboards over most of the patch, ever finer; the others are short edges in one place."
    )
    _two_sheets(sheets, title, words, height=3.5)


@style.styled
def ring_waves(vectors: Tensor, values: Tensor) -> None:
    """Some eigenvectors (columns) of a covariance on a ring, and all its eigenvalues."""
    figure, (left, right) = style.new_figure(1, 2, height=3.0, width_ratios=(1.6, 1))
    colours = (style.VERMILION, style.BLUE, style.GREEN)
    for j, colour in enumerate(colours):
        left.plot(vectors[:, j] - 0.7 * j, "o-", color=colour, ms=3, lw=1.2)
        left.axhline(-0.7 * j, color=style.GREY, lw=0.6)
    left.set(xlabel="place on the ring", yticks=[])
    _subtitle(left, "three of its eigenvectors, one under the other")
    right.plot(values, "o", color=style.BLACK, ms=3)
    right.set(xlabel="eigenvector, by size", ylabel="eigenvalue")
    _subtitle(right, "in pairs: a sine and a cosine")
    style.headline(
        figure, "A covariance that depends on the shift alone has waves for eigenvectors"
    )
    style.show(
        figure,
        "Left: three eigenvectors of a covariance on a ring, sine waves with one, two and three "
        "periods. Right: its eigenvalues, which come in equal pairs after the first.",
    )


@style.styled
def equal_budget(folds: Sequence[Mapping[str, tuple[Tensor, Tensor]]], at: float) -> None:
    """Explained variance against the numbers kept per patch, of the first fold; ``at``: where the
    key reads it off, over the folds. folds: name → (numbers, share); some names in the first alone.
    """
    figure, ax = style.new_figure(height=3.8)
    told = {}
    styles = zip(
        (style.VERMILION, style.ORANGE, style.GREEN, style.BLUE, style.BLUE, style.BLUE),
        ("o-", "s-", "^-", "-", "-.", "--"),
        strict=True,
    )
    for (name, (k, share)), (colour, line) in zip(folds[0].items(), styles, strict=True):
        read = [100 * float(np.interp(at, *one[name])) for one in folds if name in one]
        told[name] = f"{as_range(read)}%"
        label = f"{name}: {told[name]}" + " (fold 0)" * (len(read) == 1)
        ax.plot(k, 100 * share, line, color=colour, label=label, ms=4)
    ax.axvline(at, color=style.GREY, lw=1)
    ax.set(xlabel="numbers kept per patch", ylabel="explained variance, %")
    ax.set(xlim=(0, 40), ylim=(0, 100))
    key = {"title": f"with {at:g} numbers, over the folds", "alignment": "left"}
    ax.legend(
        loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9.5, title_fontsize=9.5, **key
    )
    most, *_, least = (f"{told[name]} ({name})" for name in folds[-1])
    ax.set_title(f"{at:g} numbers a patch explain from {least} to {most}")
    style.show(
        figure,
        "Explained variance of patches that were kept aside, against the numbers kept per patch. "
        f"With {at:g} numbers, over the folds: {', '.join(map(' '.join, told.items()))}.",
    )


@style.styled
def twins(photo: Tensor, twin: Tensor, W: Tensor, W_twin: Tensor, shares: Sequence[float]) -> None:
    """A photograph and its twin with random phases; below, 24 atoms learned from each."""
    figure, axes = style.new_figure(2, 2, height=5.6, height_ratios=(1.9, 1))
    names = ("a photograph, filtered (a part of it)", "the same amplitudes, random phases")
    for ax, image, name in zip(axes[0], (photo, twin), names, strict=True):
        size = 3 * float(photo.std())
        ax.imshow(image, cmap="gray", vmin=-size, vmax=size)
        ax.set_axis_off()
        _subtitle(ax, name)
    for ax, atoms in zip(axes[1], (W, W_twin), strict=True):
        _sheet(ax, atoms[:, :24], 8, f"learned from such, 24 of 144: {KEY}")
    style.headline(
        figure,
        f"Same spectrum, same algorithm: {shares[0]:.0%} local edges with the phases, "
        f"{shares[1]:.0%} without",
    )
    style.show(
        figure,
        "Top left, a filtered photograph with clear outlines; top right, an image with the same "
        "amplitudes and random phases, which looks like cloudy noise. Below, atoms learned from "
        f"patches of each: edges on the left ({shares[0]:.0%} are local and have a Gabor fit with "
        f"R² > 0.7), blotches and waves on the right ({shares[1]:.0%}).",
    )
