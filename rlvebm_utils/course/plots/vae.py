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


def paint_balls(ax, balls, labels: Tensor, *, radii: float = 1.0, alpha=0.25, reach=None) -> float:
    """One ellipse for each ball, ``radii`` standard deviations large, coloured by class; the class
    number at each class's median. The view goes from −reach to reach; returned.
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
    for c in labels.unique().tolist():
        place = balls.mean[labels == c].median(0).values.tolist()
        halo = [withStroke(linewidth=3, foreground="white")]
        ax.text(*place, str(c), size=13, weight="bold", ha="center", va="center", path_effects=halo)
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="z₁", ylabel="z₂")
    return reach


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
    right.set_title("Pictures decoded from it")
    style.show(
        figure,
        f"Left: {len(labels)} discs of one size in the plane of the code, coloured by the class of "
        f"the digit; 200 black dots scatter around the middle of one. Right: rows of pictures, "
        f"{', '.join(pictures)}; the further from the middle, the less they look alike.",
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
        f"Until the spring is cut at step {cut} it settles near {norm[:, at].mean():.1f}; "
        f"then it grows to {norm[:, -1].mean():.1f} and keeps growing. "
        f"Right: the mean overlap of two balls falls from {shared[:, at].mean():.2f} "
        f"to {shared[:, -1].mean():.2f}.",
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
    axes[0].legend(fontsize=9, loc="upper right")
    axes[2].legend(fontsize=9, loc="upper left")
    for ax, name in zip(axes, ("Balls draw together", "… overlap", "… and cost"), strict=True):
        ax.set_title(name)
    style.show(
        figure,
        f"Three curves against the strength of the spring, from {kappa[0]:.3f} to {kappa[-1]:g}, "
        f"on {len(spread)} starts. The distance of the balls from the origin falls from "
        f"{spread[:, 0].mean():.1f} to zero, near the linear theory's curve, which reaches zero at "
        f"k* = {k_star:.2f}; the overlap rises from {shared[:, 0].mean():.2f} to "
        f"{shared[:, -1].mean():.2f}; the energy rises from {(fit + spring)[0]:.1f} to "
        f"{(fit + spring)[-1]:.1f}.",
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
def overlap_by_distance(distance: Tensor, shared: Tensor, same: Tensor) -> None:
    """Overlap of pairs against the distance of their pixels: mean in twelve equally full bins."""
    figure, (left, right) = style.new_figure(1, 2, height=3.6, width_ratios=(2, 1))
    order = distance.argsort()
    bins = order.chunk(12)
    centre = torch.stack([distance[b].mean() for b in bins])
    quart = torch.stack([shared[b].quantile(torch.tensor([0.25, 0.75]).to(shared)) for b in bins])
    mean = torch.stack([shared[b].mean() for b in bins])
    left.fill_between(centre, *quart.T, color=style.SKY, alpha=0.35, lw=0, label="middle half")
    left.plot(centre, mean, "o-", color=style.BLUE, label="mean")
    left.set(xlabel="distance of the two digits, ‖y − y′‖", ylabel="overlap of their balls")
    left.set(ylim=(0, 1))
    left.set_title("The more alike two digits, the more their balls overlap")
    left.legend()
    bars = [float(shared[same].mean()), float(shared[~same].mean())]
    drawn = right.bar(
        ["same\nclass", "other\nclass"], bars, color=(style.BLUE, style.GREY), width=0.6
    )
    right.bar_label(drawn, fmt="%.2f")
    right.set(ylabel="mean overlap", ylim=(0, 1))
    style.show(
        figure,
        f"Left: mean overlap against pixel distance, falling from {mean[0]:.2f} for the nearest "
        f"twelfth of the pairs to {mean[-1]:.2f} for the farthest. Right: mean overlap "
        f"{bars[0]:.2f} for pairs of one class, {bars[1]:.2f} for pairs of two classes.",
    )


@style.styled
def size_curve(v: Tensor, parts: Mapping[str, Tensor], lowest: float) -> None:
    """v − log v − 1 and its parts, with the place of its minimum."""
    figure, ax = style.new_figure(height=3.8)
    looks = ((style.SKY, "--"), (style.ORANGE, "-."), (style.BLUE, "-"))
    for (name, values), (colour, look) in zip(parts.items(), looks, strict=True):
        ax.plot(v, values, look, color=colour, label=name)
    ax.plot(
        lowest, 0, "o", color=style.VERMILION, ms=9, zorder=3, label=f"lowest at v = {lowest:.2f}"
    )
    ax.axhline(0, color=style.GREY, lw=0.8)
    ax.set(xlabel="variance v of a ball", ylabel="price", ylim=(-1.6, 4))
    ax.set_title("Too small costs without limit, too large costs in proportion")
    ax.legend(fontsize=9, ncols=2)
    style.show(
        figure,
        f"Curves over the variance v from {v[0]:g} to {v[-1]:g}: a rising straight line v − 1, the "
        "falling curve −log v, and their sum, a valley that is steep towards zero and gentle "
        f"towards large v, with its lowest point, 0, at v = {lowest:.2f}.",
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
    ax.set(xscale="log", xlabel="variance v of a ball, one direction", ylabel="digits")
    ax.set_title(title)
    ax.legend(loc="upper left")
    ends = "; ".join(f"{name}: median {float(v.median()):.3f}" for name, v in sets.items())
    style.show(figure, f"Histograms of the variances of the balls on a logarithmic axis. {ends}.")


@style.styled
def posteriors(grid: Tensor, densities: Tensor, balls, pictures: Tensor) -> None:
    """Maps of the true posterior of a few digits (n, G, G) with their ball (1 and 2 σ)."""
    count = len(densities)
    figure, axes = style.new_figure(2, count, height=3.9, height_ratios=(1, 2.6))
    angle = np.linspace(0, 2 * np.pi, 100)
    side = (float(grid[0]), float(grid[-1]))
    for i, (top, ax) in enumerate(zip(*axes, strict=True)):
        top.imshow(pictures[i].reshape(SIDE, SIDE), vmin=0, vmax=1)
        top.set_axis_off()
        ax.imshow(densities[i], origin="lower", extent=(*side, *side), cmap="Greys")
        mean, sigma = balls.mean[i].numpy(), balls.variance[i].sqrt().numpy()
        for radius in (1, 2):
            x, y = mean[:, None] + radius * sigma[:, None] * np.stack(
                [np.cos(angle), np.sin(angle)]
            )
            ax.plot(x, y, color=style.VERMILION, lw=1.6)
        reach = 5 * float(sigma.max())
        ax.set(xlim=(mean[0] - reach, mean[0] + reach), ylim=(mean[1] - reach, mean[1] + reach))
        ax.set(xlabel="z₁")
        ax.tick_params(labelsize=8)
    axes[1, 0].set_ylabel("z₂")
    _title(figure, "Grey: where z may be, given y. Red: the ball that stands in for it")
    style.show(
        figure,
        f"{count} digits, and under each a map of the density of its code given the digit, a grey "
        "patch, with two red ellipses: one and two standard deviations of the digit's ball. The "
        "ellipses cover most of the patch, not its bends.",
    )


@style.styled
def costs_and_densities(x: Tensor, curves: Mapping[float, tuple[Tensor, Tensor]]) -> None:
    """Left: the costs kx². Right: what e^(−cost), normalised, looks like. k → (cost, density)."""
    figure, (left, right) = style.new_figure(1, 2, height=3.3)
    for (k, (cost, density)), colour in zip(
        curves.items(), (style.SKY, style.BLUE, style.VERMILION), strict=True
    ):
        left.plot(x, cost, color=colour, label=f"k = {k:g}")
        right.plot(x, density, color=colour, label=f"variance 1/(2k) = {1 / (2 * k):g}")
    left.set(xlabel="z − z̄", ylabel="cost k(z − z̄)²", ylim=(0, 6))
    left.set_title("A stiff spring …")
    right.set(xlabel="z − z̄", ylabel="density", ylim=(0, None))
    right.set_title("… is a narrow ball")
    for ax in (left, right):
        ax.legend(fontsize=9)
    style.show(
        figure,
        "Left: three parabolas, the costs of springs of stiffness "
        f"{', '.join(f'{k:g}' for k in curves)}. Right: the bells that e to the minus cost gives; "
        "the steeper the parabola, the narrower the bell.",
    )


@style.styled
def sheet(pictures: Tensor, columns: int, title: str, alt: str) -> None:
    """Decoded pictures (n, 400) as one sheet, row by row."""
    rows = -(-len(pictures) // columns)
    figure, ax = style.new_figure(height=8.6 * rows / columns + 0.4, width=8.6)
    style.image_grid(ax, pictures.reshape(-1, SIDE, SIDE).numpy(), rows, columns, vmin=0, vmax=1)
    ax.set_title(title)
    style.show(figure, alt)


def _title(figure, text: str) -> None:
    style.headline(figure, text)


def nearest(values: Sequence[float], wanted: float) -> int:
    """The place of the value that is nearest to ``wanted`` on a logarithmic scale."""
    return int(np.abs(np.log(np.asarray(values) / wanted)).argmin())
