"""The figures of notebook 05: sums of convolutions, shifted codes, kernels and what they became."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ..kernels import KernelLabel, label_kernels
from . import style

KIND_COLOURS = {
    "centre-surround": style.ORANGE,
    "edge": style.BLUE,
    "bar": style.SKY,
    "grating": style.VERMILION,
    "other": style.GREY,
}


def _signed(ax, image, limit=None):
    image = np.asarray(image)
    limit = limit or float(np.abs(image).max()) or 1.0
    ax.imshow(image, cmap=style.DIVERGING, vmin=-limit, vmax=limit)
    ax.set(xticks=[], yticks=[])


def _kernel(ax, K, label: KernelLabel | None = None, size=8):
    """One kernel in greys about zero, grey or in its colours; its label above."""
    K = np.asarray(K)
    share = K / np.abs(K).max()
    if K.ndim == 3:
        ax.imshow(np.clip(0.5 + 0.5 * share.transpose(1, 2, 0), 0, 1))
    else:
        ax.imshow(share, cmap="gray", vmin=-1, vmax=1)
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(visible=label is not None, color=label and KIND_COLOURS[label.kind], linewidth=2)
    if label is not None:
        ax.set_title(_short(label), fontsize=size, fontweight="normal", loc="center", pad=3)


def _short(label: KernelLabel) -> str:
    name = {"centre-surround": "centre"}.get(label.kind, label.kind)
    return name if label.angle != label.angle else f"{name} {round(label.angle) % 180}°"


def _counts(labels) -> str:
    kinds = [label.kind for label in labels]
    return ", ".join(f"{kinds.count(k)} {k}" for k in KIND_COLOURS if k in kinds)


@style.styled
def photograph(image: Tensor, contrast: Tensor) -> None:
    """A photograph and its local contrast."""
    figure, (left, right) = style.new_figure(1, 2, height=3.4, width=7.5)
    left.imshow(image, cmap="gray", vmin=0, vmax=1)
    left.set_title("a photograph")
    _signed(right, contrast, 3)
    right.set_title("its local contrast: what we code")
    left.set(xticks=[], yticks=[])
    style.show(
        figure,
        "Left a photograph; right its local contrast, red and blue where it is lighter or "
        "darker than what lies around, as strong in the shade as in the light.",
    )


@style.styled
def term_by_term(K: Tensor, Z: Tensor, terms: Tensor, Y: Tensor) -> None:
    """One row for each kernel: the kernel, its map, their convolution; at the end the sum."""
    n = len(K)
    figure, axes = style.new_figure(3, n + 1, height=4.4)
    limit = float(terms.abs().max())
    for i in range(n):
        _kernel(axes[0, i], K[i])
        axes[0, i].set_title(f"K{i + 1}", loc="center", fontsize=10)
        _signed(axes[1, i], Z[i], float(Z.abs().max()) / 2)
        used = float((Z[i] != 0).double().mean())
        axes[1, i].set_title(f"Z{i + 1}: {used:.1%}", loc="center", fontsize=9)
        _signed(axes[2, i], terms[i], limit)
        axes[2, i].set_title(f"K{i + 1} * Z{i + 1}", loc="center", fontsize=9)
    axes[0, n].axis("off")
    _signed(axes[1, n], Y, 3)
    axes[1, n].set_title("the image Y", loc="center", fontsize=10)
    _signed(axes[2, n], terms.sum(0), 3)
    axes[2, n].set_title("the sum", loc="center", fontsize=10)
    style.headline(
        figure, f"{n} kernels, {n} sparse maps: their convolutions add up to nearly the image"
    )
    used = int((Z != 0).sum())
    style.show(
        figure,
        f"Top: {n} kernels of 9 by 9. Middle: their feature maps, almost everywhere zero "
        f"({used} of {Z.numel()} entries are not). Bottom: each map convolved with its kernel. "
        "Right: the image and the sum of the bottom row, which resembles it.",
    )


@style.styled
def toeplitz(W: Tensor, n: int) -> None:
    """The matrix of a small convolutional dictionary; one block of columns for each kernel."""
    figure, ax = style.new_figure(height=4.2)
    limit = float(W.abs().max())
    ax.imshow(W, cmap=style.DIVERGING, vmin=-limit, vmax=limit, aspect="auto")
    for i in range(1, n):
        ax.axvline(i * W.shape[1] / n - 0.5, color=style.GREY, lw=1)
    ax.set(xlabel=f"entries of the code: {n} maps, one after the other", ylabel="pixels")
    free = len(W.unique()) - 1
    ax.set_title(f"{W.shape[0]} × {W.shape[1]} entries, but only {free} different numbers")
    style.show(
        figure,
        f"The matrix W of {n} kernels, {W.shape[0]} rows by {W.shape[1]} columns. Diagonal "
        "stripes: each column is the column before, one pixel further down. Blocks of columns "
        "belong to the kernels. Nearly all entries are zero.",
    )


@style.styled
def shifted_codes(images: Sequence[Tensor], maps: Sequence[Tensor], shift) -> None:
    """Two images, one the other shifted, and one feature map of each."""
    figure, axes = style.new_figure(1, 4, height=2.9)
    titles = ("image", f"moved by {shift}", "a map of its code", "the same map, moved")
    limit = float(maps[0].abs().max()) / 2
    pictures = (images[0], images[1], maps[0], maps[1])
    for ax, picture, title, top in zip(axes, pictures, titles, (3, 3, limit, limit), strict=True):
        _signed(ax, picture, top)
        ax.set_title(title, loc="center", fontsize=10, fontweight="normal")
    style.headline(figure, "Move the image, and its code moves along")
    style.show(figure, "A piece of a photograph on empty ground and the same moved down and to the "
         "right; then one feature map of each: the same spots, moved by as much.")  # fmt: skip


@style.styled
def kernels_by_number(dictionaries: Mapping[int, Tensor]) -> None:
    """Dictionaries of more and more kernels, drawn together (figure 6 of the lecture)."""
    names = list(dictionaries)
    ratios = [10 * _columns(n) - 1 for n in names]  # a tile is as large everywhere
    figure, axes = style.new_figure(1, len(names), height=1.9, width=10.5, width_ratios=ratios)
    for ax, n in zip(axes, names, strict=True):
        K = dictionaries[n]
        K = (K / K.abs().amax((1, 2), keepdim=True)).numpy()
        columns = _columns(n)
        style.image_grid(ax, K, -(-n // columns), columns, cmap="gray", vmin=-1, vmax=1)
        ax.set_title(f"{n}", loc="center")
    style.headline(figure, "Learned from photographs: 1 to 64 kernels of 9 × 9")
    words = "; ".join(f"{n}: {_counts(label_kernels(K))}" for n, K in dictionaries.items())
    style.show(
        figure, f"Learned kernels, light for positive, dark for negative. By number: {words}."
    )


def _columns(n: int) -> int:
    return max(1, n // 4) if n > 2 else 1


@style.styled
def one_kernel(runs: Mapping[float, Sequence[Tensor]]) -> None:
    """The one kernel that was learned; rows: λ, columns: starts."""
    starts = len(next(iter(runs.values())))
    figure, axes = style.new_figure(len(runs), starts, height=1.35 * len(runs) + 0.5, width=7.0)
    share = {}
    for row, (lam, kernels) in zip(axes, runs.items(), strict=True):
        labels = label_kernels(torch.stack(list(kernels)))
        share[lam] = sum(label.kind == "centre-surround" for label in labels)
        for ax, K, label in zip(row, kernels, labels, strict=True):
            _kernel(ax, K, label)
        row[0].set_ylabel(f"λ = {lam:g}", rotation=0, ha="right", va="center")
    words = ", ".join(f"{count} of {starts} at λ = {lam:g}" for lam, count in share.items())
    style.headline(figure, f"One kernel: a centre with a surround in {sum(share.values())} of "
              f"{starts * len(runs)} runs")  # fmt: skip
    style.show(
        figure,
        f"The single kernel of {starts} starts for each λ. Centre-surround: {words}. The "
        "larger λ, the more they turn into edges.",
    )


@style.styled
def polarity(signed: Sequence[Tensor], nonnegative: Sequence[Tensor]) -> None:
    """Four kernels, three starts: codes of both signs above, codes ≥ 0 below."""
    count = len(signed)
    figure, axes = style.new_figure(2, 4 * count, height=2.9, width=11)
    words = []
    for row, runs, name in ((0, signed, "signed codes"), (1, nonnegative, "codes ≥ 0")):
        for start, K in enumerate(runs):
            labels = label_kernels(K)
            order = sorted(range(4), key=lambda i: (labels[i].angle + 22.5) % 180)  # noqa: B023
            for place, i in enumerate(order):
                _kernel(axes[row, 4 * start + place], K[i], labels[i])
            words.append(f"{name}, start {start + 1}: " + ", ".join(_short(x) for x in labels))
        axes[row, 0].set_ylabel(name, fontsize=9)
    style.headline(
        figure, f"Four kernels, {count} starts: with codes ≥ 0 both polarities are learned"
    )
    style.show(figure, ". ".join(words) + ".")


@style.styled
def eight(runs: Sequence[Tensor]) -> None:
    """Eight kernels of several starts in the order of their angles."""
    figure, axes = style.new_figure(len(runs), 8, height=1.4 * len(runs) + 0.4)
    words = []
    for start, (row, K) in enumerate(zip(axes, runs, strict=True)):
        labels = label_kernels(K)
        order = sorted(range(8), key=lambda i: (labels[i].angle + 11.25) % 180)  # noqa: B023
        for ax, i in zip(row, order, strict=True):
            _kernel(ax, K[i], labels[i])
        row[0].set_ylabel(f"start {start + 1}", fontsize=9)
        words.append(", ".join(_short(labels[i]) for i in order))
    oriented = [sum(x.kind in ("edge", "bar") for x in label_kernels(K)) for K in runs]
    finding = f"edges and bars ({min(oriented)} or more of 8 on each start), in many directions"
    style.headline(figure, "Eight kernels: " + finding)
    style.show(figure, "Eight kernels a start, by angle: " + "; ".join(words) + ".")


@style.styled
def kinds(dictionaries: Mapping[int, Tensor]) -> None:
    """What share of each dictionary has which label."""
    figure, ax = style.new_figure(height=3.0)
    labels = {n: [x.kind for x in label_kernels(K)] for n, K in dictionaries.items()}
    left = np.zeros(len(labels))
    for kind, colour in KIND_COLOURS.items():
        share = np.array([kinds.count(kind) / n for n, kinds in labels.items()])
        ax.barh(range(len(labels)), share, left=left, color=colour, label=kind)
        left += share
    ax.set(yticks=range(len(labels)), yticklabels=labels, ylabel="kernels", xlabel="share")
    ax.invert_yaxis()
    ax.legend(ncols=5, loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=9)
    gratings = max(kinds.count("grating") / n for n, kinds in labels.items())
    ax.set_title(f"Edges dominate; gratings are at most {gratings:.0%} of any dictionary")
    words = "; ".join(f"{n}: {_counts(label_kernels(K))}" for n, K in dictionaries.items())
    style.show(figure, f"Labels by the number of kernels. {words}.")


@style.styled
def angles(dictionaries: Mapping[int, Sequence[int]]) -> None:
    """Kernels in each of eight orientation bins, for several dictionaries."""
    figure, ax = style.new_figure(height=2.8)
    places = np.arange(8)
    colours = (style.BLUE, style.VERMILION, style.GREEN, style.ORANGE, style.PURPLE)
    for shift, ((n, counts), colour) in enumerate(zip(dictionaries.items(), colours, strict=False)):
        ax.bar(places + 0.2 * shift, counts, width=0.2, color=colour, label=f"{n} kernels")
    ax.set_xticks(places + 0.2, [f"{22.5 * k:g}°" for k in places])
    ax.set(xlabel="direction of the lines (0° is horizontal)", ylabel="kernels")
    ax.legend()
    filled = ", ".join(f"{sum(c > 0 for c in counts)} of 8" for counts in dictionaries.values())
    ax.set_title(f"Orientation bins that are filled: {filled}")
    style.show(figure, "Oriented kernels in each of eight bins of direction, for "
         + "; ".join(f"{n} kernels: {list(c)}" for n, c in dictionaries.items()) + ".")  # fmt: skip


@style.styled
def colour(K: Tensor, maps: Tensor, image: Tensor, rebuilt: Tensor, share: float) -> None:
    """Figure 7 of the lecture: feature maps of a colour image, and the colour kernels."""
    figure, axes = style.new_figure(1, 3, height=4.0, width=10, width_ratios=[1.25, 1.25, 1])
    n = len(K)
    limit = float(maps.abs().max()) / 3
    side = int(np.ceil(n**0.5))
    style.image_grid(
        axes[0], maps.numpy(), -(-n // side), side, cmap="gray", vmin=-limit, vmax=limit, gap=3
    )
    axes[0].set_title(f"code maps: {share:.1%} non-zero")
    sheet = (0.5 + 0.5 * K / K.abs().amax((1, 2, 3), keepdim=True)).permute(0, 2, 3, 1)
    sheet = torch.nn.functional.pad(sheet, (0, 0, 0, 1, 0, 1), value=1.0)
    rows = [torch.cat(list(sheet[i : i + side]), 1) for i in range(0, n - n % side or n, side)]
    axes[1].imshow(torch.cat(rows, 0).clamp(0, 1).numpy())
    axes[1].set_title(f"{n} kernels of 9 × 9 in colour")
    both = torch.cat([image, rebuilt], 1).permute(1, 2, 0)
    axes[2].imshow((0.5 + both / 6).clamp(0, 1).numpy())
    axes[2].set_title("image, rebuilt")
    for ax in axes:
        ax.set_axis_off()
    style.show(
        figure,
        f"Left {n} code maps, grey where zero: {share:.1%} of the entries are not. Middle "
        "the kernels, most of them grey edges, some with colour. Right the image's detail and "
        "below it what the code rebuilds.",
    )
