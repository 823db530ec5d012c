"""The figures of notebook 02: shrinkage, half-steps, convergence, codes, strokes, normalisation."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from . import style

SIDE = 28  # pixels along one side of a digit


@style.styled
def digits(images: Tensor, title: str) -> None:
    """A row of digits, or of what is rebuilt of them (N, 784)."""
    figure, ax = style.new_figure(height=1.5)
    style.image_grid(ax, images.reshape(-1, SIDE, SIDE).numpy(), 1, len(images), vmin=0, vmax=1)
    ax.set_title(title)
    style.show(figure, f"{title}: {len(images)} pictures in a row, dark ink on white.")


@style.styled
def shrinkage(t: float, v: Tensor, x: Tensor, example: float) -> None:
    """Left: the one-dimensional energy at v = ``example`` and its lowest point. Right: x =
    shrink(v).
    """
    figure, (left, right) = style.new_figure(1, 2)
    grid = np.linspace(-1, 3, 400)
    best = max(abs(example) - t, 0) * np.sign(example)
    left.plot(grid, 0.5 * (grid - example) ** 2, color=style.SKY, label="½(x − v)²")
    left.plot(grid, t * abs(grid), color=style.ORANGE, label="t|x|")
    total = 0.5 * (grid - example) ** 2 + t * abs(grid)
    left.plot(grid, total, color=style.BLACK, label="their sum")
    left.plot(best, 0.5 * (best - example) ** 2 + t * abs(best), "o", color=style.VERMILION, ms=9)
    left.set(xlabel="x", ylabel="energy", ylim=(0, 4))
    left.set_title(f"At v = {example:g} the sum is lowest at x = {best:g}")
    left.legend()
    right.plot(v, v, "--", color=style.GREY, lw=1.5, label="no shrinkage: x = v")
    right.plot(v, x, color=style.VERMILION, label=f"shrink(v, t), t = {t:g}")
    right.set(xlabel="v", ylabel="x")
    right.set_title(f"Zero for every |v| ≤ {t:g}")
    right.legend()
    style.show(
        figure,
        f"Left: a parabola around v = {example:g} plus the vee t|x|; the sum is lowest at x = "
        f"{best:g}, nearer to zero than v. "
        f"Right: the soft threshold; flat at zero between −{t:g} and {t:g}, and parallel to the "
        f"line x = v outside, {t:g} closer to zero.",
    )


@style.styled
def half_steps(energy_at, path: Tensor, best: Tensor) -> None:
    """ISTA in the plane. path: (2K + 1, 2) points z, after gradient, after shrinkage, …; energy_at:
    grid (M, 2) → (M,).
    """
    figure, ax = style.new_figure(height=4.6)
    low, high = path.min(0).values - 0.25, path.max(0).values + 0.25
    z1, z2 = np.meshgrid(np.linspace(low[0], high[0], 200), np.linspace(low[1], high[1], 200))
    heights = energy_at(torch.from_numpy(np.stack([z1.ravel(), z2.ravel()], 1)))
    ax.contour(z1, z2, heights.reshape(z1.shape), levels=18, cmap="cividis", linewidths=0.9)
    ax.axhline(0, color=style.GREY, lw=1)
    ax.axvline(0, color=style.GREY, lw=1)
    for k in range(0, len(path) - 2, 2):
        gradient, shrink = (path[k], path[k + 1]), (path[k + 1], path[k + 2])
        for (a, b), color in ((gradient, style.BLUE), (shrink, style.VERMILION)):
            ax.annotate("", b, a, arrowprops={"arrowstyle": "->", "color": color, "lw": 2})
    ax.plot([], [], color=style.BLUE, label="gradient step on ½‖y − Wz‖²")
    ax.plot([], [], color=style.VERMILION, label="shrinkage, for λ‖z‖₁")
    ax.plot(*path[0], "o", color=style.BLACK, ms=7, label="start")
    ax.plot(*best, "*", color=style.GREEN, ms=16, label="lowest energy")
    ax.set(xlabel="z₁", ylabel="z₂")
    ax.set_title("Two half-steps in turn walk onto the axis: z₂ becomes exactly zero")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    style.show(
        figure,
        f"Contours of the energy in the plane of z₁ and z₂ with a path of {len(path) // 2} "
        "iterations. Each is a blue arrow downhill on the fit, "
        "then a red arrow towards the axes. The path reaches the axis z₂ = 0 and ends at the "
        f"star, z = ({best[0]:.2f}, {best[1]:.2f}).",
    )


@style.styled
def race(yours: Mapping[str, Tensor], package: Mapping[str, Tensor], title: str) -> None:
    """Excess energy against iteration: yours thick, the package's as dots over it."""
    figure, ax = style.new_figure(height=3.6)
    for (name, excess), color in zip(yours.items(), (style.SKY, style.ORANGE), strict=False):
        ax.semilogy(excess, color=color, lw=5, alpha=0.7, label=f"{name}, yours")
    for (name, excess), color in zip(package.items(), (style.BLUE, style.VERMILION), strict=False):
        k = range(0, len(excess), max(1, len(excess) // 30))
        ax.semilogy(k, excess[k.start : k.stop : k.step], ".", color=color, label=f"{name}, ours")
    ax.set(xlabel="iteration", ylabel="energy above the least")
    ax.set_title(title)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    ends = ", ".join(f"{name} ends {float(e[-1]):.1g} above it" for name, e in yours.items())
    style.show(
        figure,
        f"Energy above the least against iteration, on a logarithmic axis: {ends}. "
        "The package's dots lie on the reader's curves.",
    )


@style.styled
def energy_and_bound(energy: Tensor, dual: Tensor) -> None:
    """The energy falls on the smallest energy from above, the dual value rises to it from below."""
    figure, ax = style.new_figure(height=3.2)
    k = np.arange(len(energy))
    ax.plot(k, energy, color=style.BLUE, label="energy of the code at hand")
    ax.plot(k, dual, color=style.VERMILION, label="lower bound on every code's energy")
    ax.fill_between(k, dual, energy, color=style.SKY, alpha=0.25, label="duality gap")
    ax.set(
        xlabel="iteration", ylabel="energy", ylim=(min(0, float(dual[0])), 1.1 * float(energy[0]))
    )
    ax.set_title("Energy and lower bound close on the best energy from both sides")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    style.show(
        figure,
        f"Energy and lower bound against iteration. The energy falls from {energy[0]:.0f} to "
        f"{energy[-1]:.1f}, "
        f"the bound rises from {dual[0]:.0f} to {dual[-1]:.1f}; the gap between them is shaded and "
        "closes.",
    )


@style.styled
def convergence(excess: Mapping[str, Tensor], bounds: Mapping[str, Tensor]) -> None:
    """Excess energy E − E* against iteration on logarithmic axes, with the theory's bounds
    dashed.
    """
    figure, ax = style.new_figure(height=4.2)
    colors = (style.BLUE, style.ORANGE, style.GREEN)
    for (name, values), color in zip(excess.items(), colors, strict=False):
        k = np.arange(1, len(values))
        ax.loglog(k, values[1:].clamp(min=1e-13), color=color, label=name)
    for (name, values), color in zip(bounds.items(), colors, strict=False):
        ax.loglog(np.arange(1, len(values) + 1), values, "--", color=color, lw=1.4, label=name)
    ax.set(xlabel="iteration k", ylabel="excess energy E − E*", ylim=(1e-12, None))
    ax.set_title("Momentum is faster, restart removes the ripples, both bounds hold")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    ends = ", ".join(f"{name} {max(float(e[100]), 1e-12):.0e}" for name, e in excess.items())
    style.show(
        figure,
        "Excess energy against iteration on logarithmic axes; each curve stays below its dashed "
        "bound. "
        f"After 100 iterations: {ends}.",
    )


@style.styled
def code_along_line(s: Tensor, z: Tensor, kinks: Tensor, names: Sequence[str]) -> None:
    """The entries of z(y) while y moves along a line (s from 0 to 1). kinks (K, 2): s and the atom
    that enters or leaves there; names: what each atom is called.
    """
    figure, ax = style.new_figure(height=4.6)
    colors = (style.BLUE, style.VERMILION, style.GREEN, style.ORANGE, style.PURPLE, style.SKY)
    order = z.abs().amax(0).argsort(descending=True)
    for rank, j in enumerate(order[: int((z.abs().amax(0) > 0).sum())].tolist()):
        loud = rank < len(colors)
        color = colors[rank] if loud else "#a0a0a0"
        ax.plot(s, z[:, j], lw=2.2 if loud else 1, color=color, label=names[j] * loud or None)
    ax.plot(
        kinks[:, 0],
        0 * kinks[:, 0],
        "o",
        mfc="white",
        color=style.BLACK,
        ms=5,
        label="an atom enters\nor leaves",
    )
    for place in kinks[:, 0]:
        ax.axvline(place, color="#dddddd", lw=0.8, zorder=0)
    ax.set(xlabel="s, from one digit (0) to another (1)", ylabel="entries of the code z")
    ax.set_title(f"Straight pieces between {len(kinks)} kinks: all lines bend where one reaches 0")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    style.show(
        figure,
        f"The entries of the code that are used, against the position on the line from one digit "
        f"to another. Each is a chain of straight pieces; {len(kinks)} circles on the zero line "
        "mark the places where an atom enters or leaves.",
    )


@style.styled
def screened(shares: Mapping[str, Tensor], idle: Mapping[str, float], k: Sequence[int]) -> None:
    """The share of atoms proved to be zero after k iterations; dashed: those that are zero."""
    figure, ax = style.new_figure(height=3.2)
    for (name, share), color in zip(shares.items(), (style.BLUE, style.VERMILION), strict=True):
        ax.plot(k, share, "o-", color=color, label=f"{name}: proved", ms=4)
        ax.axhline(idle[name], color=color, ls="--", lw=1.2, label=f"{name}: zero in the best code")
    ax.set(xlabel="iterations of FISTA", ylabel="share of the atoms", ylim=(0, 1))
    ax.set_title("The gap proves atoms idle, but only once it is small")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    ends = "; ".join(f"{n}: {float(s[-1]):.0%} of {idle[n]:.0%}" for n, s in shares.items())
    style.show(
        figure,
        "The share of atoms that are proved to be zero, against iterations: nothing "
        f"at first, at the end {ends} that are zero.",
    )


@style.styled
def atoms(W: Tensor, columns: int = 16) -> None:
    """Non-negative atoms (784 × n) as tiles of a sheet, each scaled to its own darkest pixel."""
    images = W.T.reshape(-1, SIDE, SIDE).numpy()
    images = images / images.max(axis=(1, 2), keepdims=True)
    rows = -(-len(images) // columns)
    figure, ax = style.new_figure(height=9.0 * rows / columns + 0.4)
    style.image_grid(ax, images, rows, columns, vmin=0, vmax=1)
    ax.set_title(f"{len(images)} learned atoms: pen strokes")
    style.show(
        figure,
        f"A sheet of {len(images)} small pictures, most of them one short bent or straight line: "
        "pieces of digits.",
    )


@style.styled
def snapshots(sheets: Mapping[str, Tensor], count: int = 10) -> None:
    """The same few atoms (columns of W) at several stages of learning, a row for each."""
    figure, axes = style.new_figure(len(sheets), 1, height=0.84 * len(sheets) + 0.4)
    for (stage, W), ax in zip(sheets.items(), axes, strict=True):
        images = W[:, :count].T.reshape(-1, SIDE, SIDE).numpy()
        style.image_grid(
            ax, images / images.max(axis=(1, 2), keepdims=True), 1, count, vmin=0, vmax=1
        )
        ax.set_axis_on()
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        ax.set_ylabel(stage, rotation=0, ha="right", va="center")
    style.headline(figure, "Whole digits fall apart into strokes")
    style.show(
        figure,
        f"The first {count} atoms at {len(sheets)} stages of learning, a row for each: whole "
        "digits at first, at last short strokes.",
    )


@style.styled
def nonzeros_histogram(counts: Tensor, n_atoms: int) -> None:
    """How many atoms each digit uses."""
    figure, ax = style.new_figure(height=3.2)
    mean = float(counts.double().mean())
    ax.hist(counts, bins=np.arange(0, n_atoms + 1, 2), color=style.BLUE)
    ax.axvline(mean, color=style.VERMILION, lw=2)
    ax.annotate(
        f"mean {mean:.0f}",
        (mean, ax.get_ylim()[1] * 0.93),
        (6, 0),
        textcoords="offset points",
        color=style.VERMILION,
    )
    ax.set(xlabel=f"non-zeros in the code, ‖z‖₀, of {n_atoms} possible", ylabel="digits")
    ax.set_title("Every digit uses a small part of the dictionary")
    style.show(
        figure,
        f"Histogram of the non-zeros in the codes of {len(counts)} digits: from "
        f"{int(counts.min())} to {int(counts.max())} "
        f"of {n_atoms}, on average {mean:.0f}.",
    )


@style.styled
def stroke_by_stroke(y: Tensor, W: Tensor, z: Tensor, stages: Sequence[int]) -> None:
    """A digit built from its atoms, the largest coefficient first. Above: the sum so far; below:
    the atom just added.
    """
    order = z.argsort(descending=True)
    figure, axes = style.new_figure(2, len(stages) + 1, height=3.0)
    for column, m in enumerate(stages):
        chosen = order[:m]
        top, bottom = axes[0, column], axes[1, column]
        top.imshow((W[:, chosen] @ z[chosen]).reshape(SIDE, SIDE), vmin=0, vmax=1)
        top.set_title(f"{m} atom{'s' * (m > 1)}", loc="center", fontsize=10, fontweight="normal")
        bottom.imshow(W[:, chosen[-1]].reshape(SIDE, SIDE), vmin=0, cmap=style.INK)
        bottom.set_title(f"z = {z[chosen[-1]]:.2f}", loc="center", fontsize=10, fontweight="normal")
    axes[0, -1].imshow(y.reshape(SIDE, SIDE), vmin=0, vmax=1)
    axes[0, -1].set_title("the digit", loc="center", fontsize=10, fontweight="normal")
    for ax in axes.flat:
        ax.set_axis_off()
    style.headline(figure, "A digit, built stroke by stroke")
    words = (
        f"A digit as the sum of its largest {', '.join(map(str, stages))} atoms: the first give "
    )
    words += "the main lines, the last the detail. Below, the atom added last."
    style.show(figure, words)


@style.styled
def normalisation(runs: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Size of the atoms, of the codes, and the number of non-zeros, over rounds of learning; one
    line per rule.
    """
    figure, axes = style.new_figure(1, 3, height=3.8)
    labels = {
        "atom norm": "mean length of an atom",
        "code size": "mean ‖z‖₁ of a code",
        "non-zeros": "mean ‖z‖₀, of 64",
    }
    colors = (style.VERMILION, style.BLUE, style.GREEN, style.ORANGE)
    for ax, (key, label) in zip(axes, labels.items(), strict=True):
        for (rule, run), color in zip(runs.items(), colors, strict=True):
            k = range(1, len(run[key]) + 1)
            ax.plot(k, run[key], color=color, label=rule, marker="o", ms=2.5, lw=1.5)
        ax.set(xlabel="round")
        ax.set_title(label, fontweight="normal")
    axes[0].set_yscale("log")
    axes[1].set_yscale("symlog", linthresh=1)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    style.headline(figure, "Without a rule the atoms grow, the codes shrink, the zeros go")
    ends = "; ".join(
        f"{rule}: atoms of length {run['atom norm'][-1]:.2g}, ‖z‖₁ {run['code size'][-1]:.2g}, "
        f"{run['non-zeros'][-1]:.0f} non-zeros"
        for rule, run in runs.items()
    )
    style.show(
        figure,
        "Size of the atoms, size of the codes and non-zeros over rounds of learning. At the end, "
        f"{ends}.",
    )


@style.styled
def left_over(shares: Mapping[str, Tensor]) -> None:
    """What a digit's best approximation in a subspace leaves of ‖y‖², a row of dots a subspace."""
    figure, ax = style.new_figure(height=2.6)
    colors = (style.BLUE, style.VERMILION, style.GREY)
    for row, (share, color) in enumerate(zip(shares.values(), colors, strict=False)):
        jitter = torch.linspace(-0.25, 0.25, len(share))
        ax.plot(share, row + jitter, ".", color=color, ms=3)
        ax.plot([share.median()] * 2, [row - 0.4, row + 0.4], color=style.BLACK, lw=2)
    ax.set(yticks=range(len(shares)), yticklabels=list(shares), xlim=(0, None))
    ax.invert_yaxis()
    ax.set(xlabel="share of ‖y‖² that is left over, a dot a digit; black: the median")
    ax.set_title("A digit lies near the subspace of its own few atoms")
    middle = "; ".join(f"{name} {float(share.median()):.0%}" for name, share in shares.items())
    style.show(figure, f"Dots for what is left over of each digit; medians: {middle}.")
