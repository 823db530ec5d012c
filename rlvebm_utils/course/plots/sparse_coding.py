"""The figures of notebook 02: shrinkage, half-steps, convergence, codes, strokes, normalisation."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from . import style

SIDE = 28  # pixels along one side of a digit


@style.styled
def digits(images: Tensor, title: str) -> None:
    """A row of digits (N, 784)."""
    figure, ax = style.new_figure(height=1.5)
    style.image_grid(ax, images.reshape(-1, SIDE, SIDE).numpy(), 1, len(images), vmin=0, vmax=1)
    ax.set_title(title)
    style.show(figure, f"{title}: {len(images)} handwritten digits, dark ink on white.")


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
    figure, ax = style.new_figure(height=5.0, width=7.2)
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
    ax.legend(loc="upper right", frameon=True, framealpha=1, edgecolor="none")
    style.show(
        figure,
        f"Contours of the energy in the plane of z₁ and z₂ with a path of {len(path) // 2} "
        "iterations. Each is a blue arrow downhill on the fit, "
        "then a red arrow towards the axes. The path reaches the axis z₂ = 0 and ends at the "
        f"star, z = ({best[0]:.2f}, {best[1]:.2f}).",
    )


@style.styled
def step_sizes(curves: Mapping[str, Tensor]) -> None:
    """Energy against iteration, one curve for each step size."""
    figure, ax = style.new_figure()
    for (name, energies), color in zip(
        curves.items(), (style.SKY, style.BLUE, style.GREEN, style.VERMILION), strict=False
    ):
        ax.semilogy(energies, label=name, color=color)
    start = max(float(energies[0]) for energies in curves.values())
    least = min(float(energies.min()) for energies in curves.values())
    ax.set(xlabel="iteration", ylabel="energy E(y, z)", ylim=(0.9 * least, 5 * start))
    ax.set_title("Below 2/L the energy settles; at 3/L it explodes")
    ax.legend(title="step", ncols=2)
    ends = ", ".join(f"{name} ends at {energies[-1]:.2g}" for name, energies in curves.items())
    style.show(figure, f"Energy against iteration, one curve for each step size: {ends}.")


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
    ax.legend()
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
    ax.legend(loc="lower left")
    ends = ", ".join(f"{name} {max(float(e[100]), 1e-12):.0e}" for name, e in excess.items())
    style.show(
        figure,
        "Excess energy against iteration on logarithmic axes; each curve stays below its dashed "
        "bound. "
        f"After 100 iterations: {ends}.",
    )


@style.styled
def code_along_line(s: Tensor, z: Tensor, kinks: Tensor) -> None:
    """The entries of z(y) while y moves along a line (s from 0 to 1); kinks: where the active set
    changes.
    """
    figure, ax = style.new_figure(height=4.0)
    for place in kinks:
        ax.axvline(place, color="#cccccc", lw=0.8, zorder=0)
    used = z.abs().amax(0) > 0
    order = z[:, used].abs().amax(0).argsort(descending=True)
    colors = (style.BLUE, style.VERMILION, style.GREEN, style.ORANGE, style.PURPLE, style.SKY)
    for rank, j in enumerate(order.tolist()):
        ax.plot(
            s,
            z[:, used][:, j],
            lw=2.2 if rank < 6 else 0.9,
            color=colors[rank] if rank < 6 else style.GREY,
        )
    ax.set(xlabel="s, from one digit (0) to another (1)", ylabel="entries of the code z")
    ax.set_title(f"The code moves in straight pieces between {len(kinks)} kinks (grey lines)")
    style.show(
        figure,
        f"The {int(used.sum())} entries of the code that are used, against the position on the "
        "line from one digit to another. "
        f"Each is a chain of straight pieces; {len(kinks)} grey lines mark the places where an "
        "atom enters or leaves.",
    )


@style.styled
def atoms(W: Tensor, columns: int = 32) -> None:
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
def snapshots(sheets: Mapping[int, Tensor], count: int = 12) -> None:
    """The same few atoms (columns of W) at several steps of learning, a row for each step."""
    figure, axes = style.new_figure(len(sheets), 1, height=1.05 * len(sheets) + 0.4)
    for (step, W), ax in zip(sheets.items(), axes, strict=True):
        images = W[:, :count].T.reshape(-1, SIDE, SIDE).numpy()
        style.image_grid(
            ax, images / images.max(axis=(1, 2), keepdims=True), 1, count, vmin=0, vmax=1
        )
        ax.text(-0.01, 0.5, f"step {step}", transform=ax.transAxes, ha="right", va="center")
    style.headline(figure, "Noise turns into strokes")
    steps = ", ".join(map(str, sheets))
    style.show(
        figure,
        f"The first {count} atoms after steps {steps}: noise at first, then blurred digits, at "
        "last clear strokes.",
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
    figure, axes = style.new_figure(1, 3, height=3.6)
    labels = {
        "atom norm": "mean norm of an atom",
        "code size": "mean ‖z‖₁ of a code",
        "non-zeros": "mean ‖z‖₀",
    }
    for ax, (key, label) in zip(axes, labels.items(), strict=True):
        for (rule, run), color in zip(
            runs.items(), (style.VERMILION, style.ORANGE, style.BLUE), strict=True
        ):
            ax.plot(
                range(1, len(run[key]) + 1), run[key], color=color, label=rule, marker="o", ms=3
            )
        ax.set(xlabel="round")
        ax.set_title(label, fontweight="normal")
    axes[0].set_yscale("log")
    axes[1].set_yscale("symlog", linthresh=1)
    axes[0].legend(fontsize=9)
    style.headline(figure, "Not normalised, the atoms grow without end and sparsity is lost")
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
