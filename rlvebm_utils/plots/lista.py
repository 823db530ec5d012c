"""The figures of notebook 03: what codes cost, encoders, the unrolled network, what it replaces."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

from .style import (
    BLACK,
    BLUE,
    DIVERGING,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    VERMILION,
    image_grid,
    new_figure,
    show,
    styled,
)

SIDE = 10  # pixels along one side of a patch


@styled
def patches(images: Tensor, title: str, columns: int = 24) -> None:
    """A sheet of square patches (N, side²), dark to light."""
    side = round(images.shape[1] ** 0.5)
    rows = -(-len(images) // columns)
    figure, ax = new_figure(height=9.0 * rows / columns + 0.5)
    image_grid(ax, images.reshape(-1, side, side).numpy(), rows, columns, cmap="gray")
    ax.set_title(title)
    show(figure, f"{title}: {len(images)} small squares, most with one edge or a little texture.")


@styled
def cost(by_atoms: Mapping[int, float], by_size: Mapping[int, float]) -> None:
    """Multiply–adds of one code against the number of atoms, and against the number of pixels."""
    figure, (left, right) = new_figure(1, 2)
    for ax, values, color, label in (
        (left, by_atoms, BLUE, "atoms n, at d = 100 pixels"),
        (right, by_size, VERMILION, "pixels d, at n = 2d atoms"),
    ):
        ax.loglog(list(values), list(values.values()), "o-", color=color)
        ax.set(xlabel=label, ylabel="multiply–adds of one code", xticks=list(values))
        ax.minorticks_off()
        ax.set_xticklabels(list(values))
    left.set_title("More atoms cost more than in proportion")
    right.set_title("So do larger samples")
    told = [", ".join(f"{k}: {v:.1e}" for k, v in m.items()) for m in (by_atoms, by_size)]
    show(
        figure,
        "Multiply–adds for the code of one sample, both axes logarithmic. Left, by number of "
        f"atoms: {told[0]}. Right, by number of pixels: {told[1]}.",
    )


@styled
def encoder(record: Mapping[str, Tensor], steps: Sequence[int], best: Tensor, guess: Tensor):
    """Left: mean D and energies while encoder and decoder learn. Right: one patch's two codes."""
    figure, (left, right) = new_figure(1, 2, height=3.6)
    colors = {"D": VERMILION, "energy of the best code": BLUE, "energy of the guess": ORANGE}
    for name, color in colors.items():
        left.plot(steps, record[name], "o-", ms=4, color=color, label=name)
    left.set(xlabel="training step", ylabel="mean over unseen patches", ylim=(0, None))
    left.set_title("D falls, and stays above zero")
    left.legend(fontsize=9)
    order = best.abs().argsort(descending=True)
    shown = order[: max(int((best != 0).sum()), int((guess != 0).sum()))]
    place = np.arange(len(shown))
    right.vlines(place, 0, best[shown], color=BLUE, lw=3, label="best code")
    right.plot(place, guess[shown], "o", color=ORANGE, ms=5, label="encoder's guess")
    right.axhline(0, color=GREY, lw=0.8)
    right.set(xlabel="atom, largest coefficient first", ylabel="coefficient")
    right.set_title("The guess has the large ones about right")
    right.legend(fontsize=9)
    ends = ", ".join(f"{n} from {record[n][0]:.1f} to {record[n][-1]:.1f}" for n in colors)
    show(
        figure,
        f"Left: means over unseen patches while training: {ends}. Right: the coefficients of one "
        "patch, as stems the best code, as dots the encoder's guess: close where they are large, "
        "too many small ones.",
    )


@styled
def signs(excess: Mapping[str, Tensor], at_zero: float) -> None:
    """Mean excess energy of the recurrence with both signs, as a share of the least energy."""
    figure, ax = new_figure(height=3.2)
    for (name, values), color in zip(excess.items(), (BLUE, VERMILION), strict=True):
        ax.semilogy(np.arange(1, len(values) + 1), values, color=color, label=name)
    ax.axhline(at_zero, color=GREY, ls="--", lw=1.4, label="the empty code z = 0")
    ax.set(xlabel="iteration", ylabel="energy above the least")
    ax.set_title("With + it reaches the best code; with − it settles somewhere else")
    ax.legend()
    ends = "; ".join(f"{name} ends at {values[-1]:.1g}" for name, values in excess.items())
    show(
        figure,
        f"Energy above the least, as a share of it, against iteration: {ends}; the empty code is "
        f"at {at_zero:.2g}.",
    )


@styled
def unrolled(steps: int = 3) -> None:
    """The recurrence as a feed-forward graph: one column for each step."""
    figure, ax = new_figure(height=2.6)
    ax.set(xlim=(-1.0, 3 * steps + 0.4), ylim=(-1.9, 1.0))
    ax.set_axis_off()

    def box(x, y, text, color):
        patch = FancyBboxPatch((x - 0.42, y - 0.3), 0.84, 0.6, boxstyle="round,pad=0.02")
        patch.set(facecolor="white", edgecolor=color, linewidth=2)
        ax.add_patch(patch)
        ax.text(x, y, text, ha="center", va="center", color=color)

    def arrow(start, end):
        ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": BLACK, "lw": 1.5})

    for k in range(steps):
        x = 3 * k + 1
        ax.plot([x - 0.0], [0], marker="o", ms=17, mfc="white", mec=BLACK, mew=1.5)
        ax.text(x, -0.01, "+", ha="center", va="center", fontsize=13)
        box(x + 1, 0, "shrink", VERMILION)
        box(x, -0.9, "$W_e^\\top$", BLUE)
        arrow((x, -0.57), (x, -0.17))
        arrow((x + 0.17, 0), (x + 0.56, 0))
        arrow((x, -1.6), (x, -1.23))
        ax.text(x + 1, 0.5, f"$z({k + 1})$", ha="center")
        if k:
            box(x - 1, 0, "$S$", GREEN)
            arrow((x - 0.56, 0), (x - 0.17, 0))
            arrow((x - 1.56, 0), (x - 1.44, 0))
    ax.plot([0.1, 3 * (steps - 1) + 1], [-1.6, -1.6], color=BLACK, lw=1.5)
    ax.text(-0.05, -1.6, "$y$", ha="right", va="center", fontsize=13)
    arrow((3 * steps - 0.56, 0), (3 * steps + 0.2, 0))
    ax.set_title("The same two matrices and shrinkage, step after step")
    show(
        figure,
        f"A graph of {steps} equal columns. The sample y enters each column through the matrix "
        "W_e transposed into a sum; shrinkage follows and gives z of 1, of 2, and so on; each goes "
        "through the matrix S into the next column's sum.",
    )


@styled
def what_is_learned(excess: Mapping[str, Tensor], untrained: float) -> None:
    """Excess energy on unseen samples for each set of learned parameters; a dot for each start."""
    figure, ax = new_figure(height=2.9)
    rows = list(excess)
    for row, (values, color) in enumerate(
        zip(excess.values(), (VERMILION, ORANGE, PURPLE, BLUE), strict=False)
    ):
        ax.barh(row, float(values.mean()), color=color, height=0.6)
        ax.plot(values, [row] * len(values), "|", color=BLACK, ms=14)
        ax.annotate(
            f"{100 * values.mean():.1f} %",
            (float(values.max()), row),
            (6, 0),
            textcoords="offset points",
            va="center",
        )
    ax.axvline(untrained, color=GREY, ls="--", lw=1.4)
    ax.text(untrained, -0.75, " untrained", color=GREY, va="center", fontsize=10)
    ax.set_yticks(range(len(rows)), rows)
    ax.invert_yaxis()
    ax.set(xlabel="energy above the least, unseen patches")
    ax.set_title("Learning the thresholds and S as well is worth more than W_e")
    told = "; ".join(f"{name}: {100 * v.mean():.1f} %" for name, v in excess.items())
    show(
        figure,
        f"Bars of the energy above the least on unseen patches, by what was learned: {told}; "
        f"untrained: {100 * untrained:.1f} %.",
    )


@styled
def replaced(curves: Sequence[Mapping], points: Sequence[Mapping], what: str) -> None:
    """FISTA's curves and where the trained networks stand, by distance and by energy.

    curves: for each fold {"distance", "energy"} (iterations,). points: for each fold
    {"distance", "energy"} of {K: value}.
    """
    figure, axes = new_figure(1, 2, height=3.9)
    labels = {"distance": "mean ‖z − z*‖²", "energy": "energy above the least"}
    colors = (ORANGE, GREEN, PURPLE)
    for ax, (key, label) in zip(axes, labels.items(), strict=True):
        for i, (curve, point) in enumerate(zip(curves, points, strict=True)):
            k = np.arange(1, len(curve[key]) + 1)
            ax.semilogy(k, curve[key], color=BLUE, lw=1.3, label="" if i else "FISTA")
            for (K, value), color in zip(point[key].items(), colors, strict=False):
                first = int((curve[key] > value).sum()) + 1
                ax.plot([K, first], [value, value], color=color, lw=0.9, ls=":")
                ax.plot(K, value, "o", color=color, ms=7, label="" if i else f"LISTA-{K}")
                ax.plot(first, value, "|", color=color, ms=11, mew=2)
        low = min(v for point in points for v in point[key].values())
        ax.set(xlabel="iterations, or steps K", ylabel=label, xlim=(0, 40), ylim=(low / 4, None))
    axes[0].set_title(f"Few learned steps, many iterations: {what}")
    axes[0].legend(fontsize=9)
    told = "; ".join(
        f"LISTA-{K} stands where FISTA is after "
        + " and ".join(
            f"{min(c)} to {max(c)} iterations ({key})"
            for key in labels
            for c in [
                [
                    int((curve[key] > p[key][K]).sum()) + 1
                    for curve, p in zip(curves, points, strict=True)
                ]
            ]
        )
        for K in points[0]["energy"]
    )
    show(
        figure,
        f"Squared distance to the best code (left) and energy above the least (right) on {what}. "
        f"FISTA's curves fall with its iterations; dotted lines lead from each network to "
        f"FISTA's curve: {told}.",
    )


@styled
def other_lambda(ratios: Sequence[float], excess: Mapping[str, Tensor], trusted: Mapping) -> None:
    """Left: energy above the least when λ at test is not the λ of training. Right: what is
    trusted.
    """
    figure, (left, right) = new_figure(1, 2, height=3.7)
    colors = (VERMILION, BLUE, GREY)
    for (name, values), color in zip(excess.items(), colors, strict=True):
        left.loglog(ratios, values, "o-", ms=4, color=color, label=name)
    left.set(xlabel="λ at test / λ in training", ylabel="energy above the least")
    left.set_title("The network is for one λ")
    left.legend(fontsize=9)
    for (name, values), color in zip(trusted.items(), colors, strict=False):
        right.semilogx(ratios, values, "o-", ms=4, color=color, label=name)
    right.set(xlabel="λ at test / λ in training", ylabel="share of codes trusted", ylim=(0, 1.05))
    right.set_title("Outside, it is not trusted")
    for ax in (left, right):
        ax.axvline(1, color=GREY, lw=0.8, ls=":")
        ax.set_xticks([0.25, 0.5, 1, 2, 4], ["¼", "½", "1", "2", "4"])
        ax.minorticks_off()
    told = "; ".join(
        f"{name} {values[0]:.2g} at ¼, {values[len(values) // 2]:.2g} at 1, {values[-1]:.2g} at 4"
        for name, values in excess.items()
    )
    share = "; ".join(
        f"{name} {100 * v[0]:.0f} % at ¼, {100 * v[len(v) // 2]:.0f} % at 1, {100 * v[-1]:.0f} % at 4"
        for name, v in trusted.items()
    )
    show(
        figure,
        f"Left, energy above the least against the ratio of test λ and training λ: {told}. "
        f"Right, share of codes trusted: {share}.",
    )


@styled
def atoms(W: Tensor, title: str, columns: int = 25) -> None:
    """Atoms (d × n) as tiles, each with its own scale around zero."""
    side = round(W.shape[0] ** 0.5)
    images = (W / W.abs().amax(0)).T.reshape(-1, side, side).numpy()
    rows = -(-len(images) // columns)
    figure, ax = new_figure(height=9.0 * rows / columns + 0.5)
    image_grid(ax, images, rows, columns, cmap=DIVERGING, vmin=-1, vmax=1)
    ax.set_title(title)
    show(figure, f"{title}: {len(images)} small squares, most with a light and a dark side.")
