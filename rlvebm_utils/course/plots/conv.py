"""The figures of notebook 05: sums of convolutions, shifted codes, kernels and what they became."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.lines import Line2D
from torch import Tensor

from ..kernels import EVERY_KIND, KernelLabel, label_kernels
from . import style

KIND_COLOURS = {
    "centre-surround": style.ORANGE,
    "blob": style.PURPLE,
    "edge": style.BLUE,
    "bar": style.SKY,
    "grating": style.VERMILION,
    "other": style.GREY,
}

# Of the kernels of a code, in their order: those of live/stamp.js
TINTS = [style.BLUE, style.ORANGE, style.GREEN, style.VERMILION, style.PURPLE, style.SKY]
TINTS += ["#7A5C00", "#6B6B6B"]


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
        ax.set_title(short(label), fontsize=size, fontweight="normal", loc="center", pad=3)


def _key(figure) -> None:
    """What the colours of the frames mean, under the figure."""
    lines = [Line2D([], [], color=colour, lw=4, label=k) for k, colour in KIND_COLOURS.items()]
    figure.legend(handles=lines, ncols=len(lines), loc="outside lower center", fontsize=9)


def short(label: KernelLabel) -> str:
    """A label in a word and its angle."""
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
    figure, axes = style.new_figure(3, n + 1, height=4.4, width=10.5)
    limit = float(terms.abs().max())
    for i in range(n):
        _kernel(axes[0, i], K[i])
        axes[0, i].set_title(f"K{i + 1}", loc="center", fontsize=10)
        _dots(axes[1, i], Z[i])
        used = float((Z[i] != 0).double().mean())
        axes[1, i].set_title(f"Z{i + 1}: {used:.1%}", loc="center", fontsize=9)
        _signed(axes[2, i], terms[i], limit)
        axes[2, i].set_title(f"K{i + 1} * Z{i + 1}", loc="center", fontsize=9)
    axes[0, n].axis("off")
    for row, (image, title) in enumerate(((Y, "the image Y"), (terms.sum(0), "the sum")), 1):
        _signed(axes[row, n], image, 3)
        axes[row, n].set_title(title, loc="center", fontsize=10)
    left = float((Y - terms.sum(0)).square().sum() / Y.square().sum())
    style.headline(
        figure, f"{n} kernels, {n} sparse maps: the sum leaves {left:.0%} of the squared norm of Y"
    )
    used = int((Z != 0).sum())
    style.show(
        figure,
        f"Top: {n} kernels of 9 by 9. Middle: their feature maps, a dot for each entry that is not "
        f"zero ({used} of {Z.numel()} entries), red above zero and blue below. Bottom: each map "
        f"convolved with its kernel. Right: the image and the sum of the bottom row, which leaves "
        f"{left:.0%} of the squared norm of the image unexplained.",
    )


def _dots(ax, Z: Tensor) -> None:
    """A map: each non-zero as a dot that can be seen, red above zero and blue below."""
    rows, columns = Z.nonzero().T.tolist()
    weights = Z[Z != 0].numpy()
    colours = [style.VERMILION if w > 0 else style.BLUE for w in weights]
    ax.scatter(columns, rows, s=2 + 6 * np.abs(weights) / max(float(Z.abs().max()), 1e-12),
               c=colours or None, linewidths=0)  # fmt: skip
    ax.set(xlim=(-1, Z.shape[1]), ylim=(Z.shape[0], -1), xticks=[], yticks=[], aspect="equal")
    for spine in ax.spines.values():
        spine.set(visible=True, color=style.GREY, linewidth=0.6)


@style.styled
def toeplitz(W: Tensor, K: Tensor) -> None:
    """The matrix of a small convolutional dictionary; one block of columns for each kernel."""
    n = len(K)
    figure, ax = style.new_figure(height=4.2)
    limit = float(W.abs().max())
    ax.imshow(W, cmap=style.DIVERGING, vmin=-limit, vmax=limit, aspect="auto")
    for i in range(1, n):
        ax.axvline(i * W.shape[1] / n - 0.5, color=style.GREY, lw=1)
    ax.set(xlabel=f"entries of the code: {n} maps, one after the other", ylabel="pixels")
    ax.set_title(f"{W.shape[0]} × {W.shape[1]} entries, made of only {K.numel()} numbers")
    style.show(
        figure,
        f"The matrix W of {n} kernels, {W.shape[0]} rows by {W.shape[1]} columns. Diagonal "
        "stripes in blocks, and the blocks lie along diagonals too. Vertical lines stand between "
        "the kernels. Nearly all entries are zero.",
    )


@style.styled
def moved_codes(images: Tensor, maps: Tensor, codes: Tensor, shift: tuple[int, int]) -> None:
    """An image at two places (2, h, w), its convolutional codes (2, n, p, q) and the codes of its
    patches (2, n, rows, columns); a colour for each kernel.
    """
    figure, axes = style.new_figure(2, 3, height=6.2, width=8.6)
    pair = zip(axes, images, maps, codes, ("here", f"moved by {shift}"), strict=True)
    for (left, middle, right), image, Z, boxes, where in pair:
        left.imshow(image, cmap="gray", vmin=-3, vmax=3)
        left.set_title(f"the image {where}", fontsize=10)
        for i, one in enumerate(Z):
            rows, columns = one.nonzero().T.tolist()
            middle.scatter(columns, rows, s=9, c=TINTS[i], linewidths=0)
        middle.set(xlim=(-1, Z.shape[2]), ylim=(Z.shape[1], -1), aspect="equal")
        middle.set_title(f"convolutional: {int((Z != 0).sum())} non-zeros", fontsize=10)
        _boxes(right, boxes)
        right.set_title(f"patches: {int((boxes != 0).sum())} non-zeros", fontsize=10)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
        for spine in ax.spines.values():
            spine.set(visible=True, color=style.GREY, linewidth=0.6)
    kernels = [
        Line2D([], [], color=TINTS[i], marker="o", ls="", label=f"K{i + 1}")
        for i in range(maps.shape[1])
    ]
    figure.legend(handles=kernels, ncols=len(kernels), loc="outside lower center", fontsize=9)
    off, patches_off = followed(maps, codes, shift)
    finding = f"Distance from the old code, moved: {off:.0%}; patches, at best: {patches_off:.0%}"
    style.headline(figure, finding)
    style.show(
        figure,
        "Rows: a piece of a photograph in the middle of empty ground, and moved. Columns: the "
        "image; its convolutional code, a dot for each non-zero in the colour of its kernel; the "
        f"codes of its patches, a box for each. {finding}.",
    )


def _boxes(ax, codes: Tensor) -> None:
    """Codes of patches (n, rows, columns): a box a patch, a square in it for each non-zero."""
    n, rows, columns = codes.shape
    for i, r, c in codes.nonzero().tolist():
        ax.scatter(c + (i % 3 + 0.75) / 3.5, r + (i // 3 + 0.75) / 3.5, s=22, marker="s",
                   c=TINTS[i], linewidths=0)  # fmt: skip
    for k in range(columns + 1):
        ax.axvline(k, color=style.GREY, lw=0.6)
    for k in range(rows + 1):
        ax.axhline(k, color=style.GREY, lw=0.6)
    ax.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal")


def followed(maps: Tensor, codes: Tensor, shift: tuple[int, int], side: int = 9):
    """How far the second code is from the first one, moved, relative to the first; likewise of the
    patches, moved by whole patches, at best.
    """
    off = (maps[1] - maps[0].roll(shift, (1, 2))).norm() / maps[0].norm()
    ways = [(d, r) for d in _whole(shift[0], side) for r in _whole(shift[1], side)]
    each = [(codes[1] - codes[0].roll(way, (1, 2))).norm() / codes[0].norm() for way in ways]
    return float(off), float(min(each))


def _whole(steps: int, side: int) -> tuple[int, int]:
    return steps // side, -(-steps // side)


@style.styled
def confusion(table: Tensor) -> None:
    """How often each kind (rows) is called what (columns)."""
    figure, ax = style.new_figure(height=3.6, width=7.5)
    share = table / table.sum(1, keepdim=True)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1.3, aspect="auto")
    for r, row in enumerate(table.tolist()):
        for c, count in enumerate(row):
            if count:
                ax.text(c, r, str(count), ha="center", va="center")
    ax.set(xticks=range(len(EVERY_KIND)), yticks=range(len(EVERY_KIND)))
    ax.set_xticklabels(EVERY_KIND, fontsize=9)
    ax.set_yticklabels(EVERY_KIND, fontsize=9)
    ax.set(xlabel="what the rule calls it", ylabel="what was drawn")
    wrong = 1 - float(table.diagonal().sum() / table.sum())
    ax.set_title(f"{table[0].sum()} drawn kernels a kind: {wrong:.1%} get another name")
    words = "; ".join(
        f"{kind}: " + ", ".join(f"{c} {k}" for k, c in zip(EVERY_KIND, row, strict=True) if c)
        for kind, row in zip(EVERY_KIND, table.tolist(), strict=True)
    )
    style.show(figure, f"What drawn kernels are called. {words}.")


@style.styled
def learned(K: Tensor, energy: Sequence[float]) -> None:
    """Kernels that were learned in few rounds, and the energy after each."""
    figure, axes = style.new_figure(
        1, len(K) + 1, height=2.2, width=9.0, width_ratios=[1] * len(K) + [2.2]
    )
    for ax, one in zip(axes, K, strict=False):
        _kernel(ax, one)
    axes[-1].plot(range(1, len(energy) + 1), energy, "o-", color=style.BLUE, ms=4)
    axes[-1].set(xlabel="round", ylabel="energy", ylim=(0, 1.1 * max(energy)))
    axes[-1].set_xticks(range(2, len(energy) + 1, 2))
    style.headline(figure, f"Your own rounds: the energy falls to {energy[-1] / energy[0]:.0%}")
    style.show(
        figure,
        f"{len(K)} kernels after {len(energy)} rounds, light for positive and dark for negative, "
        f"and the mean energy after each round, from {energy[0]:.0f} to {energy[-1]:.0f}.",
    )


@style.styled
def rows_of_starts(rows: Mapping[str, Sequence[Tensor]], title: str) -> None:
    """A row for each name: the kernels of several starts (n, a, a), with a gap between starts."""
    most = max(sum(len(K) for K in runs) + len(runs) - 1 for runs in rows.values())
    figure, axes = style.new_figure(len(rows), most, height=0.95 * len(rows) + 0.7, width=10.5)
    words = []
    for row, (name, runs) in zip(axes, rows.items(), strict=True):
        for ax in row:
            ax.set_axis_off()
        place = 0
        for K in runs:
            labels = label_kernels(K)
            for one, label in zip(K, labels, strict=True):
                row[place].set_axis_on()
                _kernel(row[place], one, label, 7)
                place += 1
            place += 1
            words.append(f"{name}: {', '.join(short(label) for label in labels)}")
        row[0].set_ylabel(name, fontsize=9, rotation=0, ha="right", va="center")
    _key(figure)
    style.headline(figure, title)
    style.show(figure, f"{title}. " + "; ".join(words) + ".")


@style.styled
def kinds(labels: Mapping[str, Sequence[Sequence[str]]]) -> None:
    """What share of the kernels has which label, by the number of kernels, mean over starts; one
    picture for each sign of the codes: name → number of kernels → kinds of each start.
    """
    figure, axes = style.new_figure(1, len(labels), height=3.2, sharey=True)
    told = []
    for ax, (name, family) in zip(axes, labels.items(), strict=True):
        left = np.zeros(len(family))
        for kind, colour in KIND_COLOURS.items():
            share = np.array([np.mean([one == kind for run in runs for one in run])
                              for runs in family.values()])  # fmt: skip
            ax.barh(range(len(family)), share, left=left, color=colour, label=kind)
            left += share
            told.append(f"{name}, {kind}: {', '.join(f'{x:.0%}' for x in share)}")
        ax.set(yticks=range(len(family)), xlabel="share, mean of the starts", xlim=(0, 1))
        ax.set_yticklabels(list(family))
        ax.set_title(name, loc="center", fontsize=11)
    axes[0].invert_yaxis()
    axes[0].set_ylabel("kernels")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, ncols=6, loc="outside lower center", fontsize=9)
    style.headline(figure, "What the kernels become, by their number")
    style.show(figure, "Shares by the number of kernels, from the fewest on. " + "; ".join(told))


@style.styled
def ranges(groups: Mapping[str, Sequence[float]], xlabel: str, title: str) -> None:
    """One bar a name: the mean of several values, and a dot for each."""
    figure, ax = style.new_figure(height=0.42 * len(groups) + 1.2)
    for place, values in enumerate(groups.values()):
        ax.barh(place, np.mean(values), color=style.SKY, height=0.6)
        ax.scatter(values, [place] * len(values), color=style.BLACK, s=14, zorder=3)
    ax.set(yticks=range(len(groups)), xlabel=xlabel, xlim=(0, None))
    ax.set_yticklabels(list(groups))
    ax.invert_yaxis()
    ax.set_title(title)
    told = "; ".join(
        f"{name}: {', '.join(f'{v:.2g}' for v in values)}" for name, values in groups.items()
    )
    style.show(figure, f"{xlabel}; bars are means, dots the single values. {told}.")


@style.styled
def colour(K: Tensor, maps: Tensor, image: Tensor, rebuilt: Tensor) -> None:
    """Figure 7 of the lecture: feature maps of a colour image, and the colour kernels."""
    n, side = len(K), int(np.ceil(len(K) ** 0.5))
    share = float((maps != 0).double().mean())
    figure = style.new_figure(1, 1, height=4.3, width=10.5)[0]
    figure.clear()
    left, middle, right = figure.subfigures(1, 3, width_ratios=[1.15, 1.05, 0.6])
    for ax, one in zip(left.subplots(side, side).flat, maps, strict=True):
        _dots(ax, one)
    for ax, one in zip(middle.subplots(side, side).flat, K, strict=True):
        _kernel(ax, one)
    for ax, one in zip(right.subplots(2, 1), (image, rebuilt), strict=True):
        ax.imshow((0.5 + one.permute(1, 2, 0) / 6).clamp(0, 1).numpy())
        ax.set_axis_off()
    left.suptitle(f"{n} code maps: {share:.1%} non-zero", fontsize=11)
    middle.suptitle(f"{n} kernels of 9 × 9", fontsize=11)
    right.suptitle("image; rebuilt", fontsize=11)
    style.show(
        figure,
        f"Left {n} code maps, a dot for each non-zero: {share:.1%} of the entries. Middle the "
        "kernels in their colours. Right the image's local contrast and below it what the code "
        "rebuilds.",
    )
