"""The figures of notebook 01: halves of digits, fans, energy maps, histograms, unit balls, bits."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from . import style

SIDE = 20  # pixels along one side of a cropped digit


@style.styled
def table_of_digits(rows: Mapping[str, Tensor], title: str, alt: str) -> None:
    """Digits (N, 400), a row for each name; a line marks where the lower half begins."""
    names, count, gap = list(rows), len(next(iter(rows.values()))), 2
    tiles = torch.cat(list(rows.values())).reshape(-1, SIDE, SIDE).numpy()
    figure, ax = style.new_figure(height=7.6 * len(names) / max(count, 8) + 0.4)
    style.image_grid(ax, tiles, len(names), count, gap=gap, vmin=0, vmax=1)
    for row, name in enumerate(names):
        top = row * (SIDE + gap)
        ax.axhline(top + SIDE / 2 - 0.5, color=style.VERMILION, lw=0.8)
        ax.text(-gap, top + SIDE / 2 - 0.5, name, ha="right", va="center", size=10)
    style.headline(figure, title)
    style.show(figure, f"{alt} {count} columns; the rows are: {', '.join(names)}.")


@style.styled
def coverage(k: Sequence[int], curves: Mapping[str, Tensor], one_answer: Tensor) -> None:
    """Best-of-k squared error, one curve (seeds, len(k)) per kind of guess, beside one answer's."""
    figure, ax = style.new_figure(height=3.8)
    for (name, errors), color in zip(
        curves.items(), (style.BLUE, style.ORANGE, style.GREY), strict=True
    ):
        ax.plot(k, errors.mean(0), "o-", color=color, label=name)
        ax.fill_between(k, errors.amin(0), errors.amax(0), color=color, alpha=0.25)
    mean = float(one_answer.mean())
    ax.axhline(mean, color=style.VERMILION, ls="--", label="Pred(x), the one answer")
    ax.set_xscale("log", base=2)
    ax.set(xlabel="guesses k", ylabel="‖y − ȳ‖², best of k", ylim=(0, None))
    ax.set_xticks(list(k), [str(n) for n in k])
    ax.set_title("A few guesses cover the truth better than the one mean")
    ax.legend(fontsize=9, ncols=2)
    ends = "; ".join(
        f"{name}: {e.mean(0)[0]:.0f} with one guess, {e.mean(0)[-1]:.0f} with {k[-1]}"
        for name, e in curves.items()
    )
    style.show(
        figure,
        f"Squared error of the best of k guesses against k. {ends}. "
        f"The dashed line is the one answer Pred(x) at {mean:.0f}.",
    )


def map_extent(side: Tensor) -> tuple[float, float, float, float]:
    """Where imshow has to put a map whose grid lines are at ``side`` in both directions."""
    half = float(side[1] - side[0]) / 2
    low, high = float(side[0]) - half, float(side[-1]) + half
    return low, high, low, high


@style.styled
def energy_maps(
    maps: Mapping[str, Tensor],
    side: Tensor,
    points: Tensor,
    title: str,
    *,
    level: float,
    top: float,
    atoms: Tensor | None = None,
) -> None:
    """Maps F over the plane, (n, n) on the grid ``side`` × ``side``; the line is F = ``level``.

    points (N, 2): the data. atoms (2, n): drawn as arrows from the origin. Colours end at ``top``.
    """
    columns = min(len(maps), 3)
    rows = -(-len(maps) // columns)
    figure, axes = style.new_figure(rows, columns, height=0.7 + rows * 8.4 / (columns + 0.2))
    for ax, (name, F) in zip(axes.flat, maps.items(), strict=True):
        drawn = ax.imshow(
            F, origin="lower", extent=map_extent(side), cmap=style.SEQUENTIAL, vmin=0, vmax=top
        )
        if F.min() < level < F.max():
            ax.contour(side, side, F, levels=[level], colors="white", linewidths=1.5)
        ax.scatter(*points.T, s=3, color=style.ORANGE, linewidths=0)
        for atom in [] if atoms is None else atoms.T:
            ax.annotate("", atom, (0, 0), arrowprops={"arrowstyle": "->", "color": "w", "lw": 2})
        ax.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1])
        ax.set_title(name, fontsize=10, fontweight="normal")
    for ax in np.atleast_2d(axes)[-1]:
        ax.set_xlabel("y₁")
    for ax in np.atleast_2d(axes)[:, 0]:
        ax.set_ylabel("y₂")
    figure.colorbar(drawn, ax=axes.ravel().tolist(), label="F(y)", shrink=0.75, extend="max")
    style.headline(figure, title)
    shares = "; ".join(
        f"{name}: F is below {level:g} on {float((F < level).double().mean()):.0%} of the map"
        for name, F in maps.items()
    )
    style.show(figure, f"Maps of F over the plane with the data as dots. {shares}.")


@style.styled
def point_and_code(
    F: Tensor,
    side: Tensor,
    points: Tensor,
    W: Tensor,
    y: Tensor,
    z: Tensor,
    title: str,
    *,
    top: float,
) -> None:
    """A map F (n, n) on ``side`` × ``side`` with one y, and the way along z_j w_j to Wz."""
    figure, ax = style.new_figure(height=5.2)
    drawn = ax.imshow(
        F, origin="lower", extent=map_extent(side), cmap=style.SEQUENTIAL, vmin=0, vmax=top
    )
    ax.scatter(*points.T, s=4, color=style.ORANGE, linewidths=0, label="data")
    for j, atom in enumerate(W.T):
        ax.annotate("", atom, (0, 0), arrowprops={"arrowstyle": "->", "color": "w", "lw": 1.5})
        ax.text(*(1.14 * atom), f"w{'₁₂₃₄₅₆₇₈₉'[j]}", color="w", ha="center", va="center")
    steps = torch.cat([torch.zeros(1, 2, dtype=W.dtype), (W * z).T[z > 0]]).cumsum(0)
    ax.plot(*steps.T, "o-", color=style.VERMILION, lw=4, ms=5, label="Wz, atom by atom")
    ends = torch.stack([steps[-1], y])
    ax.plot(*ends.T, "--", color=style.SKY, label="what is missing: y − Wz")
    ax.plot(*y, "o", color="w", mec="k", ms=10, label="y")
    ax.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1], xlabel="y₁", ylabel="y₂")
    figure.colorbar(drawn, ax=ax, label="F(y)", extend="max")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    style.headline(figure, title)
    used = ", ".join(f"z{j + 1} = {float(v):.2f}" for j, v in enumerate(z))
    place = f"({float(y[0]):.2f}, {float(y[1]):.2f})"
    style.show(figure, f"A map of F over the plane with the point y = {place}. {title}. {used}.")


@style.styled
def area_and_ranking(
    lams: Tensor, area: Tensor, rankings: Mapping[str, Tensor], level: float
) -> None:
    """Against λ: the share of the map with F < ``level``, and how well F ranks directions."""
    figure, (left, right) = style.new_figure(1, 2, height=3.6)
    left.plot(lams, 100 * area, "o-", color=style.BLUE)
    left.set(xlabel="λ", ylabel=f"share of the map with F < {level:g}, %", ylim=(0, 105))
    left.set_title("Low energy becomes scarce …")
    looks = (style.VERMILION, "o-"), (style.GREY, "s--"), (style.SKY, "^--")
    for (name, auc), (color, look) in zip(rankings.items(), looks, strict=True):
        right.plot(lams, auc, look, color=color, label=name, ms=5)
    right.axhline(0.5, color=style.BLACK, lw=0.8, ls=":")
    right.set(xlabel="λ, in units of ‖y‖", ylabel="data below other directions", ylim=(0, 1.02))
    right.set_title("… and F knows the data for λ < ‖y‖")
    right.legend(fontsize=9, loc="center", bbox_to_anchor=(0.45, 0.27))
    for ax in (left, right):
        ax.set_xscale("symlog", linthresh=0.01, linscale=0.5)
        ax.set_xticks([0, 0.01, 0.1, 1], ["0", "0.01", "0.1", "1"])
        ax.set_xlim(-0.002, 2.4)
    words = "; ".join(
        f"{name}: {auc[0]:.2f} at 0, {auc[len(auc) // 2]:.2f} between, {auc[-1]:.2f} at the end"
        for name, auc in rankings.items()
    )
    style.show(
        figure,
        f"Left: the low-energy share of the map falls from {area[0]:.0%} at λ = 0 to "
        f"{area[-1]:.1%} at λ = {lams[-1]:g}. Right: how often a point of the data has less energy "
        f"than a random direction of the same length. {words}.",
    )


@style.styled
def histograms(panels: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Histograms of F, a panel for each λ, one colour for each kind of y."""
    figure, axes = style.new_figure(1, len(panels), height=3.6, sharex=True)
    top = max(float(F.max()) for sets in panels.values() for F in sets.values())
    bins = np.linspace(0, top, 60)
    for ax, (title, sets) in zip(axes, panels.items(), strict=True):
        for (name, F), color in zip(
            sets.items(), (style.BLUE, style.ORANGE, style.GREEN, style.PURPLE), strict=True
        ):
            ax.hist(F, bins=bins, histtype="stepfilled", color=color, alpha=0.35)
            ax.hist(F, bins=bins, histtype="step", color=color, lw=1.6, label=name)
        ax.set(xlabel="F(x, y)")
        ax.set_title(title)
    axes[0].set_ylabel("lower halves")
    axes[-1].legend(fontsize=9, handlelength=1)
    words = "; ".join(
        f"{title}: " + ", ".join(f"{name} {float(F.mean()):.1f}" for name, F in sets.items())
        for title, sets in panels.items()
    )
    style.show(figure, f"Histograms of the energy F of four kinds of lower halves. Means: {words}.")


@style.styled
def dimensions(lams: Tensor, nonzeros: Tensor, rank: Tensor, ridge: int) -> None:
    """Mean ‖z‖₀ and mean dimension of the span of the active atoms, against λ."""
    figure, ax = style.new_figure(height=3.6)
    ax.semilogx(
        lams, nonzeros, "o-", color=style.BLUE, ms=9, label="λ‖z‖₁: mean number of non-zeros"
    )
    ax.semilogx(lams, rank, "x--", color=style.ORANGE, label="λ‖z‖₁: mean dimension of their span")
    ax.axhline(ridge, color=style.GREY, ls=":", label="½λ‖z‖²: non-zeros, whatever λ")
    ax.set(xlabel="λ", ylabel="atoms, dimensions", ylim=(0, None))
    ax.set_title("With L1, λ sets how many dimensions a code uses; with L2 it does not")
    ax.legend(loc="center right", bbox_to_anchor=(1, 0.7))
    style.show(
        figure,
        f"Mean number of non-zeros of the L1 code against λ: it falls from {nonzeros[0]:.0f} at λ "
        f"= {lams[0]:g} to {nonzeros[-1]:.1f} at λ = {lams[-1]:g}; the dimension of the span of "
        f"the active atoms is the same. With the squared L2 norm it stays at {ridge}.",
    )


@style.styled
def balls(W: Tensor, y: Tensor) -> None:
    """The sets ‖z‖ ≤ 1 for L0, L1 and L2 in the plane, and where on each ½‖y − Wz‖² is least."""
    figure, axes = style.new_figure(1, 3, height=3.6)
    angle = torch.linspace(0, 2 * torch.pi, 3601, dtype=W.dtype)
    circle = torch.stack([angle.cos(), angle.sin()], 1)
    line = torch.linspace(-1.8, 1.8, 3601, dtype=W.dtype)
    axis1, axis2 = torch.stack([line, 0 * line], 1), torch.stack([0 * line, line], 1)
    boundary = {
        "L0: at most one non-zero": torch.cat([axis1, axis2]),
        "L1: |z₁| + |z₂| ≤ 1": circle / circle.abs().sum(1, keepdim=True),
        "L2: z₁² + z₂² ≤ 1": circle,
    }
    z1, z2 = torch.meshgrid(line[::30], line[::30], indexing="xy")

    def fit(z):
        return 0.5 * (y - z @ W.T).square().sum(-1)

    ends = []
    for ax, (name, edge) in zip(axes, boundary.items(), strict=True):
        best = edge[fit(edge).argmin()]
        heights = fit(torch.stack([z1, z2], -1))
        levels = float(fit(best)) * torch.tensor([0.15, 0.4, 1.0, 1.8, 3.0])
        ax.contour(z1, z2, heights, levels=levels, colors=style.SKY, linewidths=1)
        if name.startswith("L0"):
            for one in (axis1, axis2):
                ax.plot(*one.T, color=style.BLUE, lw=3)
        else:
            ax.fill(*edge.T, facecolor=style.BLUE, alpha=0.15)
            ax.plot(*edge.T, color=style.BLUE)
        ax.plot(*best, "*", color=style.VERMILION, ms=14, mec="w", mew=0.8)
        ax.set(aspect="equal", xlim=(-1.8, 1.8), ylim=(-1.8, 1.8), xlabel="z₁")
        ax.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1])
        ax.set_title(name, fontsize=10, fontweight="normal")
        ends.append(f"{name}, best point ({best[0]:.2f}, {best[1]:.2f})")
    axes[0].set_ylabel("z₂")
    style.headline(
        figure, "The best point (star) has an exact zero in the L0 and L1 balls, not in the L2 ball"
    )
    style.show(
        figure,
        "Three unit balls in the plane of z₁ and z₂ with contours of the squared error: a cross of "
        f"the two axes, a diamond and a disc. {'; '.join(ends)}.",
    )


@style.styled
def proxes(v: Tensor, curves: Mapping[str, Tensor], t: float) -> None:
    """Proximal operators x(v), one panel each."""
    figure, axes = style.new_figure(1, len(curves), height=3.2, sharey=True)
    for ax, (name, x) in zip(axes, curves.items(), strict=True):
        ax.plot(v, v, "--", color=style.GREY, lw=1.2)
        jumps = np.flatnonzero(np.abs(np.diff(x)) > 0.1) + 1  # a gap there, not a steep line
        ax.plot(np.insert(v, jumps, np.nan), np.insert(x, jumps, np.nan), color=style.VERMILION)
        ax.set(xlabel="v")
        ax.set_title(name, fontsize=10, fontweight="normal")
    axes[0].set_ylabel("argmin ½(x − v)² + t·R(x)")
    style.headline(figure, "L0 keeps or kills, L1 shrinks and kills, L2 only shrinks")
    style.show(
        figure,
        f"Three curves x against v at t = {t:g}. L0: zero in the middle, then a jump onto the line "
        "x = v. L1: zero in the middle, then parallel to that line, without a jump. L2: a straight "
        "line through zero, flatter than x = v, zero only at v = 0.",
    )


@style.styled
def bits(sigma: Sequence[float], curves: Mapping[str, Tensor], ceiling: float) -> None:
    """Bits through a noisy code against its noise σ; ceiling: log₂ of the number of digits."""
    figure, ax = style.new_figure(height=3.8)
    looks = ((style.VERMILION, "s--"), (style.ORANGE, "^-"), (style.BLUE, "o-"))
    for (name, values), (color, look) in zip(curves.items(), looks, strict=True):
        ax.plot(sigma, values, look, color=color, label=name)
    ax.axhline(ceiling, color=style.GREY, ls=":", label=f"all there is to tell: {ceiling:.1f} bits")
    ax.set_xscale("log")
    ax.set_xticks(list(sigma), [f"{s:g}" for s in sigma])
    ax.xaxis.minorticks_off()
    ax.set(xlabel="noise σ on each entry of the code", ylabel="bits per digit", ylim=(0, 28))
    ax.set_title("Noise on a code of limited norm limits its information")
    ax.legend()
    ends = "; ".join(f"{name}: {v[0]:.1f} to {v[-1]:.1f}" for name, v in curves.items())
    style.show(
        figure,
        f"Bits per digit against the noise, from σ = {sigma[0]:g} to {sigma[-1]:g}. {ends}. The "
        "three curves fall together; the measured one never passes the dotted line.",
    )
