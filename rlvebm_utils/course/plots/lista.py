"""The figures of notebook 03: what codes cost, encoders, the unrolled network, what it replaces."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from . import style


@style.styled
def patches(images: Tensor, title: str, columns: int = 24) -> None:
    """A sheet of square patches (N, side²), dark to light."""
    side = round(images.shape[1] ** 0.5)
    rows = -(-len(images) // columns)
    figure, ax = style.new_figure(height=9.0 * rows / columns + 0.5)
    style.image_grid(ax, images.reshape(-1, side, side).numpy(), rows, columns, cmap="gray")
    ax.set_title(title)
    style.show(
        figure, f"{title}: {len(images)} small squares, most with one edge or a little texture."
    )


@style.styled
def cost(by_atoms: Mapping[int, float], by_size: Mapping[int, float]) -> None:
    """Multiply–adds of one code against the number of atoms, and against the number of pixels."""
    figure, (left, right) = style.new_figure(1, 2)
    for ax, values, color, label in (
        (left, by_atoms, style.BLUE, "atoms n, at d = 100 pixels"),
        (right, by_size, style.VERMILION, "pixels d, at n = 2d atoms"),
    ):
        ax.loglog(list(values), list(values.values()), "o-", color=color)
        ax.set(xlabel=label, ylabel="multiply–adds of one code", xticks=list(values))
        ax.minorticks_off()
        ax.set_xticklabels(list(values))
    left.set_title("More atoms cost more than in proportion")
    right.set_title("So do larger samples")
    told = [", ".join(f"{k}: {v:.1e}" for k, v in m.items()) for m in (by_atoms, by_size)]
    style.show(
        figure,
        "Multiply–adds for the code of one sample, both axes logarithmic. Left, by number of "
        f"atoms: {told[0]}. Right, by number of pixels: {told[1]}.",
    )


@style.styled
def encoder(record: Mapping[str, Tensor], steps: Sequence[int], best: Tensor, guess: Tensor):
    """Left: mean D and energies while encoder and decoder learn. Right: one patch's two codes."""
    figure, (left, right) = style.new_figure(1, 2, height=3.6)
    colors = {
        "D": style.VERMILION,
        "energy of the best code": style.BLUE,
        "energy of the guess": style.ORANGE,
    }
    for name, color in colors.items():
        left.plot(steps, record[name], "o-", ms=4, color=color, label=name)
    left.set(xlabel="training step", ylabel="mean over unseen patches", ylim=(0, None))
    left.set_title("D falls, and stays above zero")
    left.legend(fontsize=9)
    order = best.abs().argsort(descending=True)
    shown = order[: max(int((best != 0).sum()), int((guess != 0).sum()))]
    place = np.arange(len(shown))
    right.vlines(place, 0, best[shown], color=style.BLUE, lw=3, label="best code")
    right.plot(place, guess[shown], "o", color=style.ORANGE, ms=5, label="encoder's guess")
    right.axhline(0, color=style.GREY, lw=0.8)
    right.set(xlabel="atom, largest coefficient first", ylabel="coefficient")
    right.set_title("One patch: best code and guess")
    right.legend(fontsize=9)
    ends = ", ".join(f"{n} from {record[n][0]:.1f} to {record[n][-1]:.1f}" for n in colors)
    style.show(
        figure,
        f"Left: means over unseen patches while training: {ends}. Right: the coefficients of one "
        "patch, as stems the best code, as dots the encoder's guess: close where they are large, "
        "too many small ones.",
    )


@style.styled
def signs(excess: Mapping[str, Tensor], at_zero: float) -> None:
    """Mean excess energy of the recurrence with both signs, as a share of the least energy."""
    figure, ax = style.new_figure(height=3.2)
    for (name, values), color in zip(excess.items(), (style.BLUE, style.VERMILION), strict=True):
        ax.semilogy(np.arange(1, len(values) + 1), values, color=color, label=name)
    ax.axhline(at_zero, color=style.GREY, ls="--", lw=1.4, label="the empty code z = 0")
    ax.set(xlabel="iteration", ylabel="energy above the least")
    ax.set_title("With + it reaches the best code; with − it settles somewhere else")
    ax.legend()
    ends = "; ".join(f"{name} ends at {values[-1]:.1g}" for name, values in excess.items())
    style.show(
        figure,
        f"Energy above the least, as a share of it, against iteration: {ends}; the empty code is "
        f"at {at_zero:.2g}.",
    )


@style.styled
def what_is_learned(excess: Mapping[str, Tensor], untrained: float) -> None:
    """Excess energy on unseen samples for each set of learned parameters; a dot for each start."""
    figure, ax = style.new_figure(height=2.9)
    rows = list(excess)
    for row, (values, color) in enumerate(
        zip(
            excess.values(), (style.VERMILION, style.ORANGE, style.PURPLE, style.BLUE), strict=False
        )
    ):
        ax.barh(row, float(values.mean()), color=color, height=0.6)
        ax.plot(values, [row] * len(values), "|", color=style.BLACK, ms=14)
        ax.annotate(
            f"{100 * values.mean():.1f} %",
            (float(values.max()), row),
            (6, 0),
            textcoords="offset points",
            va="center",
        )
    ax.axvline(untrained, color=style.GREY, ls="--", lw=1.4)
    ax.text(untrained, -0.75, " untrained", color=style.GREY, va="center", fontsize=10)
    ax.set_yticks(range(len(rows)), rows)
    ax.invert_yaxis()
    ax.set(xlabel="energy above the least, unseen patches")
    only, everything = (100 * float(list(excess.values())[i].mean()) for i in (0, -1))
    ax.set_title(
        f"Learned alone, W_e leaves {only:.0f} %; together with S and θ, {everything:.0f} %"
    )
    told = "; ".join(f"{name}: {100 * v.mean():.1f} %" for name, v in excess.items())
    style.show(
        figure,
        f"Bars of the energy above the least on unseen patches, by what was learned: {told}; "
        f"untrained: {100 * untrained:.1f} %.",
    )


def catches_up(curve: Tensor, value: float) -> int:
    """The first iteration at which FISTA's falling error is no larger than ``value``."""
    return int((curve > value).sum()) + 1


@style.styled
def replaced(curves: Sequence[Mapping], points: Sequence[Mapping], what: str) -> None:
    """FISTA's curves and where the trained networks stand, by distance and by energy.

    curves: for each run {"distance", "energy"} (iterations,). points: for each run
    {"distance", "energy"} of {K: value}.
    """
    figure, axes = style.new_figure(1, 2, height=4.1)
    labels = {"distance": "mean ‖z − z*‖²", "energy": "energy above the least"}
    told = []
    for ax, (key, label) in zip(axes, labels.items(), strict=True):
        for i, (curve, point) in enumerate(zip(curves, points, strict=True)):
            k = np.arange(1, len(curve[key]) + 1)
            ax.semilogy(k, curve[key], color=style.BLUE, lw=1.3, label="" if i else "FISTA")
            marks = zip(
                point[key].items(), (style.ORANGE, style.GREEN, style.PURPLE), "osD", strict=False
            )
            for (K, value), color, marker in marks:
                first = catches_up(curve[key], value)
                ax.plot([K, first], [value, value], color=color, lw=1, ls=":")
                ax.plot(K, value, marker, color=color, ms=7, label="" if i else f"LISTA-{K}")
                ax.plot(first, value, "|", color=color, ms=11, mew=2)
        counts = {
            K: [catches_up(c[key], p[key][K]) for c, p in zip(curves, points, strict=True)]
            for K in points[0][key]
        }
        told += [f"LISTA-{K} equals {span(c)} iterations ({key})" for K, c in counts.items()]
        low = min(v for point in points for v in point[key].values())
        ax.set(xlabel="iterations, or rounds K", ylabel=label, xlim=(0, 40), ylim=(low / 4, None))
        ax.set_title(f"By {key}, 3 rounds = {span(counts[3])} iterations", fontsize=11)
    figure.suptitle(what, x=0.01, ha="left", fontsize=11)
    axes[0].legend(fontsize=9)
    style.show(
        figure,
        f"{what}: squared distance to the best code (left) and energy above the least (right). "
        "FISTA's curves fall with its iterations; dotted lines lead from each network to where "
        f"FISTA's curve is as low: {'; '.join(told)}.",
    )


def span(values: Sequence[int]) -> str:
    """``17–18``, or ``17`` if all are the same."""
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low}–{high}"


@style.styled
def other_lambda(ratios: Sequence[float], excess: Mapping[str, Tensor], trusted: Mapping) -> None:
    """Left: energy above the least when λ at test is not the λ of training. Right: what is
    trusted.
    """
    figure, (left, right) = style.new_figure(1, 2, height=3.7)
    colors = (style.VERMILION, style.BLUE, style.GREY)
    for (name, values), color in zip(excess.items(), colors, strict=True):
        left.loglog(ratios, values, "o-", ms=4, color=color, label=name)
    left.set(xlabel="λ at test / λ in training", ylabel="energy above the least")
    left.set_title("A trained network is for one λ")
    top = max(float(max(values)) for values in excess.values())
    left.set_ylim(top=4 * top)
    left.legend(fontsize=9)
    for (name, values), color in zip(trusted.items(), colors, strict=False):
        right.semilogx(ratios, values, "o-", ms=4, color=color, label=name)
    right.set(xlabel="λ at test / λ in training", ylabel="share of codes trusted", ylim=(0, 1.05))
    right.set_title("Which codes the certificate lets pass")
    for ax in (left, right):
        ax.axvline(1, color=style.GREY, lw=0.8, ls=":")
        ax.set_xticks([0.25, 0.5, 1, 2, 4], ["¼", "½", "1", "2", "4"])
        ax.minorticks_off()
    told = "; ".join(
        f"{name} {values[0]:.2g} at ¼, {values[len(values) // 2]:.2g} at 1, {values[-1]:.2g} at 4"
        for name, values in excess.items()
    )
    share = "; ".join(
        f"{name} "
        + ", ".join(
            f"{100 * v[i]:.0f} % at {at}" for i, at in ((0, "¼"), (len(v) // 2, "1"), (-1, "4"))
        )
        for name, v in trusted.items()
    )
    style.show(
        figure,
        f"Left, energy above the least against the ratio of test λ and training λ: {told}. "
        f"Right, share of codes trusted: {share}.",
    )


@style.styled
def atoms(W: Tensor, title: str, columns: int = 25) -> None:
    """Atoms (d × n) as tiles, each with its own scale around zero."""
    side = round(W.shape[0] ** 0.5)
    images = (W / W.abs().amax(0)).T.reshape(-1, side, side).numpy()
    rows = -(-len(images) // columns)
    figure, ax = style.new_figure(height=9.0 * rows / columns + 0.5)
    style.image_grid(ax, images, rows, columns, cmap=style.DIVERGING, vmin=-1, vmax=1)
    ax.set_title(title)
    style.show(figure, f"{title}: {len(images)} small squares, most with a light and a dark side.")
