"""The figures of notebook 03: what codes cost, encoders, the unrolled network, what it replaces."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from . import style


@style.styled
def patches(images: Tensor, title: str, columns: int = 16) -> None:
    """A sheet of square patches (N, side²), dark to light."""
    side = round(images.shape[1] ** 0.5)
    rows = -(-len(images) // columns)
    figure, ax = style.new_figure(height=9.0 * rows / columns + 0.5)
    style.image_grid(ax, images.reshape(-1, side, side).numpy(), rows, columns, cmap="gray")
    ax.set_title(title)
    style.show(
        figure, f"{title}: {len(images)} small squares, most with one edge or a little texture."
    )


Price = tuple[float, float]  # iterations, multiply–adds


@style.styled
def cost(
    by_atoms: Mapping[int, Price], learned: Mapping[int, Price], by_size: Mapping[int, Price]
) -> None:
    """Multiply–adds of one code against the number of atoms, and against the number of pixels; at
    each point the iterations, and dotted what growth in proportion would be.
    """
    figure, (left, right) = style.new_figure(1, 2, height=3.9)
    _line(left, by_atoms, style.BLUE, "other patches as atoms", (-7, 6))
    _line(left, learned, style.GREEN, "learned atoms", (6, -12))
    _line(right, by_size, style.VERMILION, "other patches as atoms", (-7, 6))
    left.set(xlabel="atoms n, at d = 100 pixels", ylabel="multiply–adds of one code")
    right.set(xlabel="pixels d, at n = 2d atoms")
    left.axvline(200, color=style.GREY, lw=0.8, ls="--")
    left.text(205, 1.2 * left.get_ylim()[0], "n = 2d: from here\n2dn is cheaper", fontsize=8)
    for ax, sizes in ((left, by_atoms), (right, by_size)):
        ax.set_xticks(list(sizes), list(sizes))
        ax.minorticks_off()
        ax.legend(fontsize=9, loc="upper left", title="at the points: iterations")
    left.set_title("8 × the atoms, > 100 × the work")
    right.set_title("10 × the pixels, > 250 × the work")
    told = [
        ", ".join(f"{k}: {i} iterations" for k, (i, _) in m.items())
        for m in (by_atoms, learned, by_size)
    ]
    style.show(
        figure,
        "Multiply–adds for the code of one sample, both axes logarithmic, all lines much steeper "
        f"than growth in proportion, the dotted lines. Left, by number of atoms: other patches "
        f"{told[0]}; learned atoms need less than half of them. Right, by number of pixels: "
        f"{told[2]}. At n = 2d the left line bends: from there 2dn is cheaper than n².",
    )


def _line(ax, prices: Mapping[int, Price], color: str, label: str, shift: tuple) -> None:
    """Work against size, with the iterations at each point, and growth in proportion, dotted."""
    sizes, work = list(prices), [v for _, v in prices.values()]
    ax.loglog(sizes, work, "o-", color=color, label=label)
    ax.loglog(sizes, [work[0] * k / sizes[0] for k in sizes], ":", color=color, lw=1.2)
    look = {"textcoords": "offset points", "fontsize": 9, "color": color}
    look["ha"] = "right" if shift[0] < 0 else "left"
    for k, (iterations, v) in prices.items():
        ax.annotate(str(iterations), (k, v), shift, **look)
    told = {"fontsize": 8, "ha": "right", "va": "bottom", "color": color}
    ax.text(sizes[-1], work[0] * sizes[-1] / sizes[0], "in proportion ", **told)
    ax.margins(0.14, 0.12)


@style.styled
def encoder(
    record: Sequence[Sequence[float]], steps: int, best: Sequence[float], guess: Sequence[float]
) -> None:
    """Left: D while encoder and decoder learn, beside D of the guess 0. Right: one patch's codes.

    record: rows of D, D of the guess 0, …, evenly spaced over the training.
    """
    figure, (left, right) = style.new_figure(1, 2, height=3.8)
    D, of_zero = (np.array([row[i] for row in record]) for i in (0, 1))
    at = np.linspace(0, steps, len(record))
    left.plot(at, of_zero, "o--", ms=4, color=style.GREY)
    left.plot(at, D, "o-", ms=4, color=style.VERMILION)
    left.text(at[-1], of_zero[-1] * 1.03, "guess 0", color=style.GREY, ha="right", va="bottom")
    left.text(at[-1], D[-1] * 1.12, "the encoder", color=style.VERMILION, ha="right", va="bottom")
    left.set(xlabel="training step", ylabel="D, mean over held-out patches")
    left.set(ylim=(0, 1.25 * float(of_zero.max())))
    left.set_title("D falls, and stays above zero")
    best, guess = np.asarray(best), np.asarray(guess)
    order = np.argsort(-np.abs(best) - 1e-3 * np.abs(guess), kind="stable")
    place = np.arange(max((best != 0).sum(), (guess != 0).sum()))
    shown = order[: len(place)]
    right.vlines(place, 0, best[shown], color=style.BLUE, lw=3, label="best code")
    right.plot(place, guess[shown], "o", color=style.ORANGE, ms=5, label="encoder's guess")
    right.axhline(0, color=style.GREY, lw=0.8)
    right.set(xlabel="atom, largest coefficient first", ylabel="coefficient")
    right.set_title("One patch: best code and guess")
    right.legend(fontsize=9, loc="upper right")
    style.show(
        figure,
        f"Left: D on held-out patches falls from {D[0]:.1f} to {D[-1]:.1f} while training; the "
        f"guess 0 ends at {of_zero[-1]:.1f}. Right: the coefficients of one patch, as stems the "
        "best code, as dots the encoder's guess: close for the largest, off or missing for others.",
    )


@style.styled
def signs(excess: Mapping[str, Sequence[float]], at_zero: float) -> None:
    """Mean excess of the recurrence with both signs."""
    figure, ax = style.new_figure(height=3.2)
    for (name, values), color in zip(excess.items(), (style.BLUE, style.VERMILION), strict=True):
        ax.semilogy(np.arange(1, len(values) + 1), values, color=color, label=name)
    ax.axhline(at_zero, color=style.GREY, ls="--", lw=1.4, label="the empty code z = 0")
    ax.set(xlabel="iteration", ylabel="excess", ylim=(None, 4))
    ax.set_yticks([1e-4, 1e-3, 1e-2, 1e-1, 1], ["0.01 %", "0.1 %", "1 %", "10 %", "100 %"])
    ax.set_title("With + it reaches the best code; with − it settles somewhere else")
    ax.legend(loc="center right", bbox_to_anchor=(1, 0.4))
    ends = "; ".join(f"{name} ends at {100 * v[-1]:.2g} %" for name, v in excess.items())
    style.show(
        figure, f"Excess against iteration: {ends}; the empty code is at {100 * at_zero:.0f} %."
    )


LABELS = {"W_e": "$W_e$", "S": "$S$", "theta": "θ"}
KEY = "bar: mean of 3 seeds; |: each seed; ○: mean at half of the training"


@style.styled
def what_is_learned(
    full: Mapping[str, Sequence[float]], half: Mapping[str, Sequence[float]], rivals: Mapping
) -> None:
    """Excess on held-out samples for each choice of what is learned, beside what no training gives.

    full, half: "W_e+S" → one excess a seed, of the whole training and of half of it.
    """
    figure, ax = style.new_figure(height=3.9)
    for row, value in enumerate(rivals.values()):
        ax.barh(row, 100 * value, color="#c8ccd0", height=0.62)
        _percent(ax, row, value)
    for row, (name, values) in enumerate(full.items(), start=len(rivals)):
        color = (style.ORANGE, style.SKY, style.BLUE)[name.count("+")]
        ax.barh(row, 100 * np.mean(values), color=color, height=0.62)
        ax.plot(100 * np.array(values), [row] * len(values), "|", color=style.BLACK, ms=13)
        ax.plot(100 * np.mean(half[name]), row, "o", mfc="none", color=style.BLACK, ms=6)
        _percent(ax, row, max(np.mean(values), np.mean(half[name])), told=np.mean(values))
    names = ["learned: " + " and ".join(LABELS[one] for one in n.split("+")) for n in full]
    ax.set_yticks(range(len(rivals) + len(full)), [*rivals, *names])
    ax.invert_yaxis()
    ax.set(xlabel=f"excess in %, held-out patches ({KEY})", xlim=(0, 30))
    ax.xaxis.label.set_size(9)
    ax.set_title("Three rounds: what a part is worth depends on what else is learned")
    told = "; ".join(
        f"{name}: {100 * np.mean(v):.1f} %, at half of it {100 * np.mean(half[name]):.1f} %"
        for name, v in full.items()
    )
    plain = "; ".join(f"{name}: {100 * v:.1f} %" for name, v in rivals.items())
    style.show(
        figure, f"Bars of the excess on held-out patches. Not trained: {plain}. Learned: {told}."
    )


def _percent(ax, row: int, at: float, told: float | None = None) -> None:
    """A percentage to the right of a bar."""
    ax.annotate(
        f"{100 * (at if told is None else told):.1f} %",
        (100 * at, row),
        (8, 0),
        textcoords="offset points",
        va="center",
        fontsize=10,
    )


NETWORKS = {
    "published": "published: $W_e$, $S$, θ; loss z*",
    "section 4": "the same; loss: energy",
    "steps": "learned steps",
    "coupled": "coupled, $B_k = W$",
    "product": "product form",
}


@style.styled
def relatives(full: Sequence[Mapping], half: Sequence[Mapping]) -> None:
    """Networks of three rounds: excess and distance; runs of name → {"energy", "distance"}."""
    figure, axes = style.new_figure(1, 2, height=3.1, sharey=True)
    names, told = [name for name in NETWORKS if name in full[0]], []
    for ax, key, scale, label in (
        (axes[0], "energy", 100, "excess in %"),
        (axes[1], "distance", 1, "mean ‖z − z*‖²"),
    ):
        for row, name in enumerate(names):
            values = scale * np.array([run[name][key] for run in full])
            at_half = scale * np.mean([run[name][key] for run in half])
            ax.barh(
                row, values.mean(), color=style.BLUE if name == "product" else style.SKY, height=0.6
            )
            ax.plot(values, [row] * len(values), "|", color=style.BLACK, ms=12)
            ax.plot(at_half, row, "o", mfc="none", color=style.BLACK, ms=6)
            ax.annotate(
                f"{values.mean():.1f}",
                (max(values.max(), at_half), row),
                (8, 0),
                textcoords="offset points",
                va="center",
            )
            told.append(f"{name}: {label} {values.mean():.1f}, at half {at_half:.1f}")
        ax.set(xlabel=label)
        ax.margins(0.15, 0.05)
        ax.set_xlim(left=0)
    axes[0].set_yticks(range(len(names)), [NETWORKS[name] for name in names])
    axes[0].invert_yaxis()
    axes[0].set_title("By energy")
    axes[1].set_title("By distance")
    figure.supxlabel(f"three rounds, held-out patches; {KEY}", fontsize=9)
    style.show(figure, f"Bars for networks of three rounds on held-out patches. {'; '.join(told)}.")


@style.styled
def replaced(runs: Sequence[Mapping], counts: Mapping, what: str) -> None:
    """FISTA's curves and where the trained networks stand, by distance and by energy.

    runs: {"fista": {key: errors after each iteration}, "3": {key: the network's error}, …}; counts:
    (key, K) → iterations that the network equals, run by run.
    """
    figure, axes = style.new_figure(1, 2, height=4.1)
    colors = {1: style.ORANGE, 3: style.GREEN, 7: style.PURPLE}
    labels = {"distance": "mean ‖z − z*‖²", "energy": "excess"}
    for ax, (key, label) in zip(axes, labels.items(), strict=True):
        for run in runs:
            curve = run["fista"][key]
            ax.semilogy(np.arange(1, len(curve) + 1), curve, color=style.BLUE, lw=0.9)
        for (K, color), marker in zip(colors.items(), "osD", strict=True):
            for run, first in zip(runs, counts[key, K], strict=True):
                value = run[str(K)][key]
                ax.plot([K, first], [value, value], color=color, lw=0.8, ls=":")
                ax.plot(K, value, marker, color=color, ms=6)
                ax.plot(first, value, "|", color=color, ms=10, mew=1.5)
            value = max(run[str(K)][key] for run in runs)
            told = f"LISTA-{K} = {span(counts[key, K])}"
            ax.text(max(counts[key, K]) + 1.5, value, told, color=color, va="bottom", fontsize=10)
        low = min(run["7"][key] for run in runs)
        ax.set(xlabel="iterations of FISTA, or rounds K", ylabel=label)
        ax.set(xlim=(0, 42), ylim=(low / 3, None))
        ax.set_title(f"By {key}, 3 rounds = {span(counts[key, 3])} iterations", fontsize=11)
    axes[1].set_yticks([0.01, 0.1, 1], ["1 %", "10 %", "100 %"])
    figure.suptitle(f"{what}: blue, FISTA in {len(runs)} runs", x=0.01, ha="left", fontsize=11)
    told = [f"LISTA-{K} equals {span(c)} iterations ({key})" for (key, K), c in counts.items()]
    style.show(
        figure,
        f"{what}: squared distance to the best code (left) and excess (right). "
        "FISTA's curves fall with its iterations; dotted lines lead from each network to where "
        f"FISTA's curve is as low: {'; '.join(told)}.",
    )


def span(values: Sequence[int]) -> str:
    """``17–18``, or ``17`` if all are the same."""
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low}–{high}"


@style.styled
def other_lambda(ratios: Sequence[float], full: Tensor, half: Tensor) -> None:
    """Excess where λ at test is not the λ of training. Rows of full and half: as trained,
    thresholds scaled, three iterations of FISTA; half: networks of half the training, thin.
    """
    figure, ax = style.new_figure(height=3.7)
    names = ("as trained", "thresholds scaled", "3 iterations of FISTA")
    for name, values, twin, color in zip(
        names, full, half, (style.VERMILION, style.BLUE, style.GREY), strict=True
    ):
        ax.loglog(ratios, values, "o-", ms=4, color=color, label=name)
        ax.loglog(ratios, twin, "--", lw=1, color=color)
    ax.set(xlabel="λ at test / λ in training", ylabel="excess", xlim=(0.23, 8))
    ax.axvline(1, color=style.GREY, lw=0.8, ls=":")
    ax.set_xticks([0.25, 0.5, 1, 2, 4], ["¼", "½", "1", "2", "4"])
    ax.set_yticks([0.01, 0.1, 1, 10], ["1 %", "10 %", "100 %", "1000 %"])
    ax.minorticks_off()
    ax.legend(fontsize=9, loc="upper right", title="dashed: half of the training")
    ax.set_title("Scaled thresholds help where λ is larger, and do harm where it is smaller")
    told = "; ".join(
        f"{name} " + ", ".join(f"{say(values[i])} at {at}" for at, i in PLACES.items())
        for name, values, say in zip(names, full, (rough, rough, whole), strict=True)
    )
    style.show(figure, f"Excess against the ratio of test λ and training λ: {told}.")


PLACES = {"½": 2, "1": 4, "2": 6}


def whole(share: float) -> str:
    """A share that no training changes: in whole percent."""
    return f"{100 * float(share):.0f} %"


def rough(share: float) -> str:
    """A share whose second digit depends on how long was trained: in one digit."""
    power = 10.0 ** np.floor(np.log10(100 * float(share)))
    return f"{power * round(100 * float(share) / power):g} %"


@style.styled
def atoms(W: Tensor, title: str, columns: int = 16) -> None:
    """Atoms (d × n) as tiles, each with its own scale around zero."""
    side = round(W.shape[0] ** 0.5)
    images = (W / W.abs().amax(0)).T.reshape(-1, side, side).numpy()
    rows = -(-len(images) // columns)
    figure, ax = style.new_figure(height=9.0 * rows / columns + 0.5)
    style.image_grid(ax, images, rows, columns, cmap=style.DIVERGING, vmin=-1, vmax=1)
    ax.set_title(title)
    style.show(figure, f"{title}: {len(images)} small squares, most with a light and a dark side.")
