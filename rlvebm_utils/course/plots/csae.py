"""The figures of notebook 06: two halves of an auto-encoder, codes, and accuracy by labels."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from . import style


def _row_of_kernels(ax, K: Tensor, name: str) -> None:
    """Kernels side by side, each in greys about zero."""
    K = (K / K.abs().amax((1, 2), keepdim=True)).numpy()
    style.image_grid(ax, K, 1, len(K), gap=1, cmap="gray", vmin=-1, vmax=1)
    ax.text(-1.5, K.shape[1] / 2, name, ha="right", va="center", size=10)


@style.styled
def rows_of_kernels(rows: Mapping[str, Tensor], title: str, alt: str) -> None:
    """Kernels (n, a, a), a row for each name."""
    figure, axes = style.new_figure(len(rows), 1, height=0.5 + 0.95 * len(rows), squeeze=False)
    for ax, (name, K) in zip(axes[:, 0], rows.items(), strict=True):
        _row_of_kernels(ax, K, name)
    figure.get_layout_engine().set(rect=(0.1, 0, 0.9, 1))
    style.headline(figure, title)
    style.show(figure, f"{alt} Rows: {', '.join(rows)}; {len(K)} kernels each.")


@style.styled
def against_chance(cosines: Tensor, permutations: int = 9999) -> None:
    """The cosines of one start (n, n), and the mean of its pairs among random pairings."""
    n, generator = len(cosines), torch.Generator().manual_seed(0)
    orders = torch.rand(permutations, n, generator=generator, dtype=torch.float64).argsort(1)
    chance = cosines[torch.arange(n), orders].mean(1)
    matched = float(cosines.diagonal().mean())
    figure, (left, right) = style.new_figure(1, 2, height=3.6, width_ratios=(1, 1.5))
    picture = left.imshow(cosines, cmap=style.SEQUENTIAL, vmin=0, vmax=1)
    figure.colorbar(picture, ax=left, label="cosine")
    left.set(xlabel="decoder kernel", ylabel="encoder kernel", title="every pair")
    left.set(xticks=range(n), xticklabels=range(1, n + 1))
    left.set(yticks=range(n), yticklabels=range(1, n + 1))
    right.hist(
        chance.numpy(), bins=np.linspace(0, 1, 61), color=style.GREY, label="random pairings"
    )
    right.axvline(matched, color=style.VERMILION, label=f"the true pairs: {matched:.2f}")
    right.set(xlabel="mean cosine of the pairs", ylabel="random pairings", xlim=(0, 1))
    as_good = int((chance >= matched - 1e-12).sum())
    right.set_title(f"{as_good} of {permutations} random pairings do as well")
    right.legend(fontsize=9)
    own = int((cosines.argmax(1) == torch.arange(n)).sum())
    style.show(
        figure,
        f"Left: the cosine of each of {n} encoder kernels with each of {n} decoder kernels; in "
        f"{own} of {n} rows the brightest entry is that on the diagonal. Right: the mean cosine of "
        f"{permutations} random pairings, around {chance.mean():.2f}, and that of the true pairs, "
        f"{matched:.2f}.",
    )


@style.styled
def codes(image: Tensor, maps: Mapping[str, Tensor], rebuilt: Mapping[str, Tensor]) -> None:
    """One image; for each way to its code three feature maps and what the code decodes to. Maps of
    one row share a colour scale, and each row has its own.
    """
    figure, axes = style.new_figure(len(maps), 5, height=1.85 * len(maps) + 0.4)
    limit = float(image.abs().max()) * 0.4
    strongest = list(maps.values())[-1].abs().sum((1, 2)).argsort(descending=True)[:3].tolist()
    for row, (name, z) in zip(axes, maps.items(), strict=True):
        row[0].imshow(image, cmap=style.DIVERGING, vmin=-limit, vmax=limit)
        row[0].set_ylabel(name, fontsize=10)
        for ax, i in zip(row[1:4], strongest, strict=True):
            top = float(z.abs().max()) * 0.6
            ax.imshow(z[i], cmap=style.DIVERGING, vmin=-top, vmax=top)
        row[4].imshow(rebuilt[name], cmap=style.DIVERGING, vmin=-limit, vmax=limit)
        for ax in row:
            ax.set(xticks=[], yticks=[])
    heads = ["the image", *(f"map {i + 1}" for i in strongest), "decoded"]
    for ax, head in zip(axes[0], heads, strict=True):
        ax.set_title(head, fontsize=10, loc="center")
    shares = [f"{name} {float((z.abs() > 1e-6).double().mean()):.0%}" for name, z in maps.items()]
    style.headline(figure, f"Entries that are not zero: {', '.join(shares)}")
    style.show(
        figure,
        "A piece of a photograph, three of its feature maps and the image decoded from the code, "
        f"for three ways to the code, one a row: {', '.join(maps)}. The maps of each row have a "
        f"colour scale of their own. Share of entries that are not zero: {', '.join(shares)}.",
    )


def by_kernels(name: str) -> str:
    """The colour of a net, by the kernels that it begins with; of a comparison, by the other's."""
    return style.GREY if "random" in name else style.VERMILION if "spectrum" in name else style.BLUE


def _line(name: str) -> dict[str, str]:
    """The look of a net, or of what it gains over another: colour by kernels, dashes if frozen."""
    return {"color": by_kernels(name), "ls": "--" if "frozen" in name else "-"}


@style.styled
def few_labels(labels: Sequence[int], curves: Mapping[str, Tensor], gains: Mapping[str, Tensor]):
    """Accuracy (seeds, len(labels)) of each net, and differences of nets within a seed."""
    figure, (left, right) = style.new_figure(1, 2, height=4.4)
    for name, values in curves.items():
        left.errorbar(labels, 100 * values.mean(0), 100 * values.std(0), marker="o", ms=4,
                      capsize=3, label=name, **_line(name))  # fmt: skip
    left.set_ylabel("test accuracy, %")
    left.set_title(f"means of {len(values)} seeds, ± 1 standard deviation", fontsize=11)
    left.legend(fontsize=8, handlelength=4)
    for k, (name, values) in enumerate(gains.items()):
        mean, error = 100 * values.mean(0), 200 * values.std(0) / len(values) ** 0.5
        beside = [count * 1.09**k for count in labels]  # so that no bar hides another
        right.errorbar(beside, mean, error, marker="o", ms=4, capsize=3, label=name,
                       **_line(name))  # fmt: skip
    right.axhline(0, color=style.GREY, lw=1)
    bottom, top = right.get_ylim()
    right.set_ylim(bottom, top + 0.3 * (top - bottom))  # room for the legend
    right.set_ylabel("gain, points of accuracy")
    right.set_title("within a seed, ± 2 standard errors", fontsize=11)
    right.legend(fontsize=8, handlelength=4)
    for ax in (left, right):
        ax.set_xscale("log")
        ax.set_xlabel("labelled digits")
        ax.set_xticks(list(labels), [str(n) for n in labels])
        ax.minorticks_off()
    first, last = (float(100 * next(iter(gains.values())).mean(0)[k]) for k in (0, -1))
    style.headline(
        figure,
        f"Learned kernels against training from scratch: {first:+.1f} points with "
        f"{labels[0]} labels, {last:+.1f} with {labels[-1]}",
    )
    ends = {name: 100 * v.mean(0)[[0, -1]] for name, v in (curves | gains).items()}
    told = "; ".join(f"{name} {ends[name][0]:.0f} % and {ends[name][1]:.0f} %" for name in curves)
    gained = "; ".join(f"{name} {ends[name][0]:+.1f} and {ends[name][1]:+.1f}" for name in gains)
    style.show(
        figure,
        f"Left: mean test accuracy with {labels[0]} and with {labels[-1]} labels: {told}. Right: "
        f"mean gains in points with as many labels: {gained}.",
    )
