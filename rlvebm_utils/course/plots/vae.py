"""The figures of notebook 07: balls in the plane of codes, springs, sizes, decoded points."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.collections import EllipseCollection
from matplotlib.patheffects import withStroke
from torch import Tensor

from . import style

# P. Tol, "muted": ten colours that stay apart with the common colour-vision deficiencies.
MUTED = ("#332288 #88CCEE #44AA99 #117733 #999933 #DDCC77 #CC6677 #882255 #AA4499 #555555").split()
SIDE = 20  # pixels along one side of a cropped digit


def paint_balls(
    ax, balls, labels: Tensor, *, radii: float = 1.0, alpha=0.25, reach=None, size: float = 13
) -> float:
    """One ellipse for each ball, ``radii`` standard deviations large, coloured by class; the class
    number, of this ``size``, near each class's median. The view goes from −reach to reach, which is
    returned.
    """
    mean, sigma = balls.mean.numpy(), balls.variance.sqrt().numpy()
    if reach is None:
        reach = float(np.quantile(np.abs(mean) + sigma, 0.995) * 1.08)
    colours = np.array(MUTED)[labels.numpy()]
    width, height = (2 * radii * sigma).T
    ax.add_collection(
        EllipseCollection(
            width,
            height,
            np.zeros(len(mean)),
            units="xy",
            offsets=mean,
            offset_transform=ax.transData,
            facecolors=colours,
            alpha=alpha,
        )
    )
    for c, place in number_places(balls.mean, labels, 0.12 * reach).items():
        halo = [withStroke(linewidth=size / 4, foreground="white")]
        ax.text(
            *place, str(c), size=size, weight="bold", ha="center", va="center", path_effects=halo
        )
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="z₁", ylabel="z₂")
    return reach


def number_places(mean: Tensor, labels: Tensor, apart: float) -> dict[int, tuple[float, float]]:
    """Where to write the number of each class: at the median of its balls, and those that would lie
    nearer than ``apart`` to each other pushed from each other. Nowhere, if all are in one place.
    """
    classes = labels.unique().tolist()
    places = torch.stack([mean[labels == c].median(0).values for c in classes]).double()
    if len(classes) > 1 and torch.pdist(places).max() < 2 * apart:
        return {}
    for _ in range(200):
        way = places[:, None] - places
        gap = way.norm(dim=2)
        missing = (apart - gap).clamp(min=0).fill_diagonal_(0)
        if not missing.any():
            break
        turn = torch.tensor([0.6, 0.8], dtype=places.dtype)  # a way for those at one place
        order = torch.arange(len(classes), dtype=places.dtype)
        way = torch.where(gap[..., None] > 1e-9, way, (order[:, None] - order)[..., None] * turn)
        unit = way / way.norm(dim=2, keepdim=True).clamp(min=1e-9)
        places = places + 0.55 * (missing[..., None] * unit).sum(1)
    return {c: tuple(place) for c, place in zip(classes, places.tolist(), strict=True)}


@style.styled
def ball_maps(maps: Mapping[str, tuple], title: str, alt: str, *, radii=1.0, reach=None) -> None:
    """Panels of balls: name → (balls, labels)."""
    figure, axes = style.new_figure(
        1, len(maps), height=9.0 / max(len(maps), 2) + 0.7, squeeze=False
    )
    for ax, (name, (balls, labels)) in zip(axes[0], maps.items(), strict=True):
        paint_balls(ax, balls, labels, radii=radii, reach=reach)
        ax.set_title(name, fontsize=10, fontweight="normal")
    _title(figure, title)
    style.show(figure, f"{alt} Colours and numbers are the classes of the digits.")


@style.styled
def one_ball(balls, labels: Tensor, points: Tensor, pictures: Mapping[str, Tensor]) -> None:
    """Left: all balls, and random points of one of them. Right: rows of decoded pictures."""
    figure, (left, right) = style.new_figure(1, 2, height=4.6, width_ratios=(1, 1.05))
    paint_balls(left, balls, labels)
    left.plot(*points.T, ".", color=style.BLACK, ms=2, alpha=0.6)
    left.set_title("Each digit is a ball; the dots: 200 points of one")
    rows = torch.cat(list(pictures.values())).reshape(-1, SIDE, SIDE).numpy()
    count = len(next(iter(pictures.values())))
    style.image_grid(right, rows, len(pictures), count, gap=2, vmin=0, vmax=1)
    for row, name in enumerate(pictures):
        right.text(-1, row * (SIDE + 2) + SIDE / 2, name, ha="right", va="center", size=9)
    right.set_title("Pictures decoded around its middle")
    style.show(
        figure,
        f"Left: {len(labels)} discs of one size in the plane of the code, coloured by the class of "
        f"the digit, with the number of each class; most of them overlap. {len(points)} black "
        f"dots scatter around the middle of one. Right: rows of {count} pictures decoded around "
        f"that middle, {', '.join(pictures)}; the further away, the more they differ.",
    )


@style.styled
def flight(steps: Tensor, norm: Tensor, shared: Tensor, cut: int) -> None:
    """Distance of the balls from their centre and mean overlap, (seeds, steps); cut: no spring from
    there on.
    """
    figure, (left, right) = style.new_figure(1, 2, height=3.6)
    for ax, curves, label in ((left, norm, "mean distance from the centre, in σ"),) + (
        (right, shared, "mean overlap of two balls"),
    ):
        for seed, curve in enumerate(curves):
            ax.plot(
                steps,
                curve,
                color=(style.BLUE, style.GREEN, style.ORANGE)[seed % 3],
                label=f"start {seed + 1}",
            )
        ax.axvline(cut, color=style.VERMILION, ls="--")
        ax.set(xlabel="training step", ylabel=label, ylim=(0, None))
        ax.text(cut, ax.get_ylim()[1], " spring cut", color=style.VERMILION, va="top")
    left.set_title("Without a spring the balls fly apart …")
    right.set_title("… and stop overlapping")
    left.legend(loc="upper left")
    at = int((steps <= cut).sum()) - 1
    style.show(
        figure,
        f"Left: mean distance from the centre against the training step, {len(norm)} starts. "
        f"With the spring it rises to {norm[:, at].mean():.1f} and stays there; from step {cut} "
        f"on, where the spring is cut, it grows to {norm[:, -1].mean():.1f}, and it is still "
        "growing at the last step. Right: the mean overlap of two balls falls from "
        f"{shared[:, 0].mean():.2f} to {shared[:, at].mean():.2f} with the spring, and to "
        f"{shared[:, -1].mean():.2f} without, fast at first, then ever more slowly.",
    )


@style.styled
def sweep(kappa: Tensor, spread: Tensor, theory: Tensor, shared: Tensor, terms, k_star) -> None:
    """Against the spring: distance of the centres (seeds, K) with the linear theory, overlap, and
    the two terms of the energy (each (seeds, K)).
    """
    figure, axes = style.new_figure(1, 3, height=3.7)
    for seed, curve in enumerate(spread):
        label = f"measured, {len(spread)} starts" if seed == 0 else None
        axes[0].plot(kappa, curve, "o-", ms=4, lw=1.3, color=style.BLUE, label=label)
    axes[0].plot(kappa, theory, "--", color=style.VERMILION, label="linear theory")
    axes[0].set_ylabel("r.m.s. distance from the origin, in σ")
    axes[1].plot(kappa, shared.T, "o-", ms=4, lw=1.3, color=style.BLUE)
    axes[1].set(ylabel="mean overlap of two balls", ylim=(0, 1.03))
    fit, spring = (term.mean(0) for term in terms)
    axes[2].plot(kappa, fit, color=style.SKY, label="fit ⟨½‖y − ŷ‖²⟩")
    axes[2].plot(kappa, fit + spring, color=style.BLACK, label="fit + spring")
    axes[2].set_ylabel("energy")
    for ax in axes:
        ax.set_xscale("log", base=2)
        ax.axvline(k_star, color=style.VERMILION, lw=1.2)
        ax.set_xlabel("spring k (σ = 1)")
    axes[1].text(k_star, 0.04, f"k* = {k_star:.2f} ", color=style.VERMILION, ha="right")
    figure.legend(loc="outside lower center", ncols=4, fontsize=9)
    for ax, name in zip(axes, ("Balls draw together", "… overlap", "… and cost"), strict=True):
        ax.set_title(name)
    cost, beyond = fit + spring, int((kappa > k_star).double().argmax())
    told = [
        f"{spread[:, i].mean():.1f} at k = {kappa[i]:.3g} (the linear theory says {theory[i]:.1f})"
        for i in (0, int((kappa - 1).abs().argmin()), beyond)
    ]
    style.show(
        figure,
        f"Three charts against the strength of the spring, from {kappa[0]:.3f} to {kappa[-1]:g}, "
        f"on {len(spread)} starts; a line in each marks k* = {k_star:.2f}. The distance of the "
        f"balls from the origin falls: {', '.join(told)}. The overlap rises from "
        f"{shared[:, 0].mean():.2f} to {shared[:, -1].mean():.2f}. Fit + spring rises from "
        f"{cost[0]:.1f} to {cost.max():.1f} at k = {kappa[cost.argmax()]:g} and ends at "
        f"{cost[-1]:.1f}; the fit alone rises from {fit[0]:.1f} to {fit[-1]:.1f}.",
    )


@style.styled
def picture_rows(rows: Mapping[str, Tensor], title: str, alt: str) -> None:
    """Pictures (n, 400), a row for each name."""
    count = len(next(iter(rows.values())))
    tiles = torch.cat(list(rows.values())).reshape(-1, SIDE, SIDE).numpy()
    figure, ax = style.new_figure(height=7.4 * len(rows) / max(count, 8) + 0.5)
    style.image_grid(ax, tiles, len(rows), count, gap=2, vmin=0, vmax=1)
    for row, name in enumerate(rows):
        ax.text(-2, row * (SIDE + 2) + SIDE / 2, name, ha="right", va="center", size=10)
    _title(figure, title)
    style.show(figure, f"{alt} The rows, from top to bottom: {', '.join(rows)}.")


@style.styled
def overlap_by_distance(distance: Tensor, shared: Mapping[str, Tensor], same: Tensor) -> None:
    """Overlap of pairs against the distance of their pixels: means in twelve equally full bins, and
    of pairs of one class and of two; for each kind of balls by name.
    """
    figure, (left, right) = style.new_figure(1, 2, height=3.6, width_ratios=(2, 1))
    bins = distance.argsort().chunk(12)
    centre = torch.stack([distance[b].mean() for b in bins])
    told = []
    for k, (name, values) in enumerate(shared.items()):
        colour = (style.BLUE, style.ORANGE)[k]
        mean = torch.stack([values[b].mean() for b in bins])
        look = ("o-", {}) if k == 0 else ("s--", {"mfc": "white"})  # both seen where they coincide
        left.plot(centre, mean, look[0], color=colour, label=name, **look[1])
        bars = [float(values[same].mean()), float(values[~same].mean())]
        places = [0.2 + 0.4 * k - 0.4, 1.2 + 0.4 * k - 0.4]
        drawn = right.bar(places, bars, color=colour, width=0.36)
        right.bar_label(drawn, fmt="%.2f")
        told.append(
            f"{name}: {mean[0]:.2f} for the nearest twelfth of the pairs, {mean[-1]:.2f} for "
            f"the farthest; one class {bars[0]:.2f}, two classes {bars[1]:.2f}"
        )
    left.set(xlabel="distance of the two digits, ‖y − y′‖", ylabel="overlap of their balls")
    left.set(ylim=(0, 1))
    left.legend()
    right.set(
        ylabel="mean overlap",
        ylim=(0, 1),
        xticks=(0, 1),
        xticklabels=("same\nclass", "other\nclass"),
    )
    _title(figure, "The more alike two digits, the more their balls overlap")
    style.show(
        figure,
        "Left: the mean overlap of two balls falls with the distance of their digits. Right: bars "
        f"for pairs of one class and of two. {'. '.join(told)}.",
    )


@style.styled
def variances(sets: Mapping[str, Tensor], title: str) -> None:
    """Histograms of learned variances on a logarithmic axis."""
    figure, ax = style.new_figure(height=3.4)
    low = min(float(v.min()) for v in sets.values())
    high = max(float(v.max()) for v in sets.values())
    bins = np.geomspace(low * 0.95, max(high, 1.3) * 1.05, 70)
    colours = (style.VERMILION, style.BLUE, style.GREEN)
    for (name, v), colour in zip(sets.items(), colours, strict=False):
        ax.hist(v.flatten(), bins=bins, color=colour, alpha=0.45, label=name)
        ax.axvline(float(v.median()), color=colour, lw=1.5, ls=":")
    ax.axvline(1, color=style.BLACK, lw=1.2)
    ax.text(1, ax.get_ylim()[1], " v = 1", va="top")
    ax.set(xscale="log", xlabel="variance v of a ball, one direction", ylabel="balls × directions")
    ax.set_title(title)
    ax.legend(loc="upper left")
    ends = "; ".join(
        f"{name}: from {float(v.min()):.1g} to {float(v.max()):.1g}, median {float(v.median()):.2g}"
        for name, v in sets.items()
    )
    style.show(
        figure,
        "Histograms of the variances of the balls on a logarithmic axis, with a dotted line at "
        f"each median and a line at v = 1. {ends}.",
    )


@style.styled
def posteriors(
    grid: Tensor, densities: Tensor, balls: Mapping[str, tuple], pictures: Tensor
) -> None:
    """Maps of the true posterior of a few digits (n, G, G) with balls by name (1 and 2 σ)."""
    count = len(densities)
    figure, axes = style.new_figure(2, count, height=4.3, height_ratios=(1, 2.6))
    angle = np.linspace(0, 2 * np.pi, 100)
    ring = np.stack([np.cos(angle), np.sin(angle)])
    side = (float(grid[0]), float(grid[-1]))
    looks = {"color": style.VERMILION, "ls": "--"}, {"color": style.BLUE, "ls": "-"}
    for i, (top, ax) in enumerate(zip(*axes, strict=True)):
        top.imshow(pictures[i].reshape(SIDE, SIDE), vmin=0, vmax=1)
        top.set_axis_off()
        ax.imshow(densities[i], origin="lower", extent=(*side, *side), cmap="Greys")
        middles, reaches = [], []
        for look, (name, (mean, variance)) in zip(looks, balls.items(), strict=True):
            m, sigma = mean[i].numpy(), variance[i].sqrt().numpy()
            for radius in (1, 2):
                x, y = m[:, None] + radius * sigma[:, None] * ring
                ax.plot(x, y, lw=1.6, label=name if radius == 1 else None, **look)
            middles.append(m)
            reaches.append(3.2 * float(sigma.max()))
        (x, y), far = np.mean(middles, 0), np.abs(middles[0] - middles[1]).max() / 2
        reach = max(reaches) + far
        ax.set(xlim=(x - reach, x + reach), ylim=(y - reach, y + reach), xlabel="z₁")
        ax.tick_params(labelsize=8)
    axes[1, 0].set_ylabel("z₂")
    middles = densities.flatten(1) @ torch.cartesian_prod(grid, grid).flip(1)
    apart = [f"{(mean - middles).norm(dim=1).mean():.2f}" for mean, _ in balls.values()]
    handles, names = axes[1, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize=9)
    _title(figure, "Grey: where z may be, given y. Two balls that stand in for it")
    style.show(
        figure,
        f"{count} digits, and under each a map of the density of its code given the digit, a grey "
        f"patch, with two pairs of ellipses (one and two standard deviations): {', '.join(balls)}. "
        f"On average their middles are {' and '.join(apart)} away from the middle of the patch.",
    )


@style.styled
def costs_and_densities(x: Tensor, curves: Mapping[float, tuple[Tensor, Tensor]]) -> None:
    """Left: the costs kx². Right: what e^(−cost), normalised, looks like. k → (cost, density)."""
    figure, (left, right) = style.new_figure(1, 2, height=3.3)
    for (k, (cost, density)), colour in zip(
        curves.items(), (style.SKY, style.BLUE, style.VERMILION), strict=True
    ):
        left.plot(x, cost, color=colour, label=f"k = {k:g}, variance 1/(2k) = {1 / (2 * k):g}")
        right.plot(x, density, color=colour)
    left.set(xlabel="z − z̄", ylabel="cost k(z − z̄)²", ylim=(0, 6))
    left.set_title("A stiff spring …")
    right.set(xlabel="z − z̄", ylabel="density", ylim=(0, None))
    right.set_title("… is a narrow ball")
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)
    style.show(
        figure,
        "Left: three parabolas, the costs of springs of stiffness "
        f"{', '.join(f'{k:g}' for k in curves)}. Right: the bells that e to the minus cost gives; "
        "the steeper the parabola, the narrower the bell.",
    )


@style.styled
def sheet(pictures: Tensor, columns: int, title: str, alt: str, *, axes: bool = False) -> None:
    """Decoded pictures (n, 400) as one sheet, row by row. axes: whether z₁ runs to the right and z₂
    upwards.
    """
    rows = -(-len(pictures) // columns)
    figure, ax = style.new_figure(height=8.6 * rows / columns + 0.4, width=8.6)
    style.image_grid(ax, pictures.reshape(-1, SIDE, SIDE).numpy(), rows, columns, vmin=0, vmax=1)
    if axes:
        ax.set_axis_on()
        ax.set(xticks=[], yticks=[], xlabel="z₁, from left to right", ylabel="z₂, upwards")
    ax.set_title(title)
    style.show(figure, alt)


def _title(figure, text: str) -> None:
    style.headline(figure, text)


def nearest(values: Sequence[float], wanted: float) -> int:
    """The place of the value that is nearest to ``wanted`` on a logarithmic scale."""
    return int(np.abs(np.log(np.asarray(values) / wanted)).argmin())


@style.styled
def ball_at_rest(balls, labels: Tensor, mine, curves: Mapping[str, Tensor], pictures, title: str):
    """The map with one ball (mean, variance), the valley of its size, and pictures by name.

    curves: "v" and the costs over it by name.
    """
    figure, (left, middle, right) = style.new_figure(1, 3, height=3.4, width_ratios=(1, 1.2, 0.5))
    paint_balls(left, balls, labels)
    (x, y), radius = mine.mean[0].tolist(), float(mine.variance[0, 0].sqrt())
    turn = np.linspace(0, 2 * np.pi, 100)
    left.plot(x + radius * np.cos(turn), y + radius * np.sin(turn), color=style.BLACK, lw=1.6)
    left.plot(x, y, "+", color=style.BLACK, ms=9)
    v = curves["v"]
    lines = {name: values for name, values in curves.items() if name != "v"}
    for (name, values), colour in zip(
        lines.items(), (style.SKY, style.VERMILION, style.BLACK), strict=True
    ):
        middle.plot(v, values, color=colour, label=name)
    middle.set(xscale="log", xlabel="variance v of the ball", ylabel="nats", ylim=(-0.3, 16))
    middle.legend(fontsize=9, loc="upper left")
    tiles = torch.stack(list(pictures.values())).reshape(-1, SIDE, SIDE).numpy()
    style.image_grid(right, tiles, len(pictures), 1, gap=2, vmin=0, vmax=1)
    for row, name in enumerate(pictures):
        right.text(-2, row * (SIDE + 2) + SIDE / 2, name, ha="right", va="center", size=10)
    style.headline(figure, title)
    told = "; ".join(f"{name}, {_course(v, values)}" for name, values in lines.items())
    style.show(
        figure,
        "A map of balls with one drawn black, a cross in its middle; three curves of its costs "
        f"over its variance v, from {float(v[0]):.2g} to {float(v[-1]):.2g}: {told}; the digit and "
        "what is decoded from the middle of the ball.",
    )


def _course(x: Tensor, y: Tensor) -> str:
    """How a curve goes, in words: where it falls, where it is lowest, where it rises."""
    k = int(y.argmin())
    if k == 0:
        return "rises all the way"
    if k == len(y) - 1:
        return "falls all the way"
    if not (y[1:] > y[:-1])[k:].all() or (y[1:] > y[:-1])[:k].any():
        return f"is lowest near v = {float(x[k]):.2g}"
    return f"falls until v = {float(x[k]):.2g}, then rises"
