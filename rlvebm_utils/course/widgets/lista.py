"""The panels of notebook 03: longer steps, what is learned, rounds, another λ, promises."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...energies import energy
from ...fast.codes import encode
from ...lista import LISTA
from ...operators import Dictionary
from ...penalties import soft_threshold
from ..plots.style import BLUE, GREEN, GREY, VERMILION
from .panel import Scene, SliderPanel, check_box, linear_slider, log_slider, picker, stops
from .parts import EDGE, GRID, TEXT, Picture, Stems, colours, img, number, tile
from .sparse_coding import one_thread

MOST = 10  # atoms on the map of who silences whom
MIDDLE = 'text-anchor="middle"'
CELL = '<td style="background:#{:02x}{:02x}{:02x}"></td>'
PALE = "#c8ccd0"
ATOMS = "atoms 1 to "
COLOURS = {GREY: "grey", BLUE: "blue", GREEN: "green"}
NARROW = 'rlv-stems" style="flex:1 1 260px;max-width:290px"'


def percent(share: float) -> str:
    """A share as a reader wants it: ``2.6 %``; what is out of all proportion by its size alone."""
    if share < 1:
        return f"{100 * share:.1f} %"
    return "over 100 %" if share < 10 else "over 1000 %"


# ---- parts of the pictures ----


@dataclass(frozen=True)
class Falling:
    """Values above zero against a count, the values on a logarithmic scale.

    lines: name → (values, colour); the first value belongs to ``first``. at: the count with a dot.
    """

    lines: Mapping[str, tuple[Sequence[float], str]]
    at: int
    title: str
    xlabel: str
    limits: tuple[float, float]
    first: int = 0
    still: bool = True

    height = 0.8

    def html(self) -> str:
        """What the panel shows."""
        last = self.first + max(len(values) for values, _ in self.lines.values()) - 1
        low, high = map(math.log10, self.limits)

        def place(count: int, value: float) -> tuple[float, float]:
            level = (high - math.log10(min(max(value, 10**low), 10**high))) / (high - low)
            return 360 * (count - self.first) / max(last - self.first, 1), 130 * level

        parts, texts = [], []
        for power in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1):
            _, y = place(0, 10.0**power)
            parts.append(f'<path stroke="{GRID}" d="M0 {y:.1f}H360"/>')
            texts.append(f'<text x="-6" y="{y + 4:.1f}" text-anchor="end">{_share(power)}</text>')
        for row, (name, (values, colour)) in enumerate(self.lines.items()):
            points = [place(self.first + k, value) for k, value in enumerate(values)]
            path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
            parts.append(f'<path stroke="{colour}" stroke-width="2.5" d="M{path}"/>')
            if self.at - self.first < len(points):
                x, y = points[self.at - self.first]
                parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>')
            words = f'<tspan fill="{colour}">●</tspan> {html.escape(name)}'
            texts.append(f'<text x="376" y="{14 + 18 * row}">{words}</text>')
        for count in (self.first, last):
            x, _ = place(count, 1.0)
            texts.append(f'<text x="{x:.0f}" y="147" text-anchor="middle">{count}</text>')
        texts.append(
            f'<text x="180" y="160" text-anchor="middle">{html.escape(self.xlabel)}</text>'
        )
        body = (
            f'<svg viewBox="-56 -8 598 176"><g fill="none">{"".join(parts)}</g>'
            f'<g fill="{TEXT}">{"".join(texts)}</g></svg>'
        )
        return tile(self.title, body, "rlv-stems")

    def plot(self, axes) -> None:
        """The same with matplotlib."""
        for values, colour in self.lines.values():
            counts = np.arange(len(values)) + self.first
            axes.semilogy(counts, np.maximum(values, self.limits[0]), color=colour, linewidth=1.5)
            if self.at - self.first < len(values):
                axes.plot(
                    self.at,
                    max(values[self.at - self.first], self.limits[0]),
                    "o",
                    ms=5,
                    color=colour,
                )
        named = self.lines.items()
        key = "\n".join(f"{COLOURS[colour]}: {name}" for name, (_, colour) in named)
        axes.set(xlabel=f"{self.xlabel}\n{key}", ylim=self.limits)
        low, high = (math.log10(limit) for limit in self.limits)
        powers = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
        axes.set_yticks(
            [10.0**power for power in powers], [f"{10.0 ** (power + 2):g}" for power in powers]
        )
        axes.minorticks_off()
        axes.tick_params(labelsize=8)
        axes.xaxis.label.set_size(8)


def _share(power: int) -> str:
    return f"{100 * 10.0**power:g} %"


@dataclass(frozen=True)
class Silencing:
    """Who silences whom: in row i, column j what the code's entry j adds to atom i's input.

    atoms: images (k, height, width), in the order of rows and columns. pushes: (k, k), positive
    where j supports i and negative where it silences it; the diagonal is not shown.
    """

    atoms: Tensor
    pushes: Tensor
    title: str
    limit: float
    still: bool = True

    height = 1.0

    def _colours(self) -> np.ndarray:
        share = (self.pushes / (2 * self.limit) + 0.5).clamp(0, 1).numpy()
        table = colours("RdBu_r")[np.rint(255 * share).astype(int)]
        table[np.arange(len(table)), np.arange(len(table))] = 238  # no one silences itself
        return table

    def html(self) -> str:
        """What the panel shows."""
        top = self.atoms.abs().amax((1, 2), keepdim=True)
        shades = colours("RdBu_r")[np.rint(127.5 * (1 + (self.atoms / top).numpy())).astype(int)]
        heads = [f'<td style="width:9%;padding:1px">{img(one)}</td>' for one in shades]
        rows = [f'<tr><td style="width:9%"></td>{"".join(heads)}</tr>']
        for head, line in zip(heads, self._colours(), strict=True):
            cells = "".join(CELL.format(*one) for one in line.tolist())
            rows.append(f"<tr>{head}{cells}</tr>")
        body = (
            '<table style="border-collapse:collapse;table-layout:fixed;width:100%;margin:0">'
            f"{''.join(rows)}</table>"
        )
        return tile(self.title, body, "rlv-silencing", width=360)

    def plot(self, axes) -> None:
        """The same with matplotlib, without the atoms."""
        axes.imshow(self._colours())
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set(visible=True, color=EDGE)


@dataclass(frozen=True)
class Bars:
    """Named shares as horizontal bars; ``chosen`` in colour."""

    values: Mapping[str, float]
    chosen: str
    title: str
    still: bool = True

    height = 0.55

    def html(self) -> str:
        """What the panel shows."""
        longest = max(self.values.values())
        parts, texts = [], []
        for row, (name, value) in enumerate(self.values.items()):
            y, width = 20 * row, 300 * value / longest
            colour = VERMILION if name == self.chosen else PALE
            parts.append(
                f'<rect x="90" y="{y + 3}" width="{width:.1f}" height="14" fill="{colour}"/>'
            )
            weight = ' font-weight="bold"' if name == self.chosen else ""
            texts.append(f'<text x="84" y="{y + 14}" text-anchor="end"{weight}>{name}</text>')
            texts.append(f'<text x="{94 + width:.1f}" y="{y + 14}"{weight}>{percent(value)}</text>')
        body = (
            f'<svg viewBox="0 0 450 {20 * len(self.values)}">{"".join(parts)}'
            f'<g fill="{TEXT}">{"".join(texts)}</g></svg>'
        )
        return tile(self.title, body, "rlv-stems")

    def plot(self, axes) -> None:
        """The same with matplotlib."""
        shades = [VERMILION if name == self.chosen else PALE for name in self.values]
        axes.barh(list(self.values), [100 * v for v in self.values.values()], color=shades)
        for row, value in enumerate(self.values.values()):
            axes.text(100 * value + 0.5, row, percent(value), va="center", fontsize=8)
        axes.set_xlim(0, 120 * max(self.values.values()))
        axes.invert_yaxis()
        axes.set(xlabel="%")
        axes.tick_params(labelsize=8)


class Narrow(Stems):
    """Stems of which three stand side by side, so that atoms can be compared across codes."""

    height = 0.4

    def html(self) -> str:
        """What the panel shows."""
        return (
            super()
            .html()
            .replace('rlv-stems"', 'rlv-stems" style="flex:1 1 260px;max-width:290px"', 1)
        )


# ---- plain ISTA with another step ----


def longer_step_panel(
    dictionary: Dictionary, Y: Tensor, lam: float, rounds: int = 12
) -> SliderPanel:
    """Plain ISTA with steps of c/L, and thresholds to match: mean energy above the least of Y."""
    return _LongerStep(dictionary, Y, lam, rounds).panel(
        {"c": linear_slider(0.5, 2.5, 1.0, label="c", step=0.05)},
        title="How far do three rounds get without learning anything?",
        headline="after 3 rounds, above the least",
        stills=("c", [1.0, 1.5, 1.9, 2.2]),
    )


class _LongerStep(Scene):
    """Rounds of ISTA on a few samples, with one length of step."""

    def __init__(self, dictionary: Dictionary, Y: Tensor, lam: float, rounds: int):
        self.W, self.L, self.Y, self.lam, self.rounds = (
            dictionary.W,
            dictionary.lipschitz(),
            Y,
            lam,
            rounds,
        )
        self.dictionary = dictionary
        self.least = encode(dictionary, Y, lam).energy.mean()
        self.plain = self.excess(1.0)

    def excess(self, c: float) -> list[float]:
        """After 0, 1, 2, … rounds."""
        t, z, found = c / self.L, self.Y.new_zeros(len(self.Y), self.W.shape[1]), []
        for k in range(self.rounds + 1):
            if k:
                z = soft_threshold(z + t * (self.Y - z @ self.W.T) @ self.W, t * self.lam)
            r = self.Y - z @ self.W.T
            E = 0.5 * r.square().sum(1) + self.lam * z.abs().sum(1)
            found.append(float(E.mean() / self.least - 1))
        return found

    @one_thread()
    def compute(self, c):
        return {"excess": self.excess(c)}

    def draw(self, a):
        lines = {"c = 1": (self.plain, GREY), f"c = {a['c']:.2f}": (a["excess"], BLUE)}
        look = {"xlabel": "rounds of plain ISTA", "limits": (0.01, 10)}
        return [Falling(lines, 3, "excess in %; dots: after 3 rounds", **look)]

    def readouts(self, a):
        return {
            "after 3 rounds, above the least": percent(a["excess"][3]),
            f"after {self.rounds}": percent(a["excess"][-1]),
        }

    def alt(self, a):
        told = ", ".join(f"{label}: {value}" for label, value in self.readouts(a).items())
        plain = f"with steps of 1/L {percent(self.plain[3])} after 3"
        return f"Plain ISTA with steps of {a['c']:.2f}/L. {told}; {plain}."


# ---- what is learned ----

LABELS = {"W_e": "W_e", "S": "S", "theta": "θ"}


def learned_panel(
    dictionary: Dictionary, Y: Tensor, lam: float, runs: Mapping[str, Mapping], untrained: Mapping
) -> SliderPanel:
    """Three boxes, one for each of W_e, S and θ: which of them were learned.

    runs: "W_e+S/0" → errors of that choice with that seed, and in those of seed 0 the codes of Y
    (P, d). untrained: the same of three rounds of ISTA.
    """
    scene = _Learned(dictionary, Y, lam, runs, untrained)
    boxes = {name: check_box(f"learn {label}", True) for name, label in LABELS.items()}
    return scene.panel(
        {"patch": stops(range(1, len(Y) + 1), 1, label="patch"), **boxes},
        title="What is learned? Switch W_e, S and θ on and off",
        headline="all held-out patches, above the least",
        stills=("S", [True, False]),
    )


class _Learned(Scene):
    """Eight choices of what is learned; their mean errors, and the code of one patch."""

    def __init__(self, dictionary, Y, lam, runs, untrained):
        self.dictionary, self.Y, self.lam = dictionary, Y, lam
        self.best = encode(dictionary, Y, lam)
        self.codes, self.seeds = {"nothing": untrained["codes"]}, {"nothing": [untrained["energy"]]}
        for name, run in runs.items():
            choice, _, seed = name.rpartition("/")
            said = " + ".join(LABELS[one] for one in choice.split("+"))
            self.seeds.setdefault(said, []).append(run["energy"])
            if "codes" in run:
                self.codes[said] = torch.tensor(run["codes"], dtype=Y.dtype)
        self.means = {said: sum(found) / len(found) for said, found in self.seeds.items()}

    def compute(self, patch, W_e, S, theta):
        on = zip(LABELS.values(), (W_e, S, theta), strict=True)
        choice = " + ".join(label for label, box in on if box) or "nothing"
        z, best = self.codes[choice][patch - 1], self.best.z[patch - 1]
        E = float(energy(self.dictionary, self.Y[patch - 1], z, self.lam))
        return {
            "choice": choice,
            "z": z,
            "best": best,
            "above": E / float(self.best.energy[patch - 1]) - 1,
        }

    def draw(self, a):
        top = float(math.ceil(self.best.z.abs().max()))
        wrong = ((a["z"] != 0) & (a["best"] == 0)).nonzero()[:, 0].tolist()
        return [
            Bars(self.means, a["choice"], "learned: excess, mean of 3 seeds"),
            Narrow(
                a["z"], "the code; red: not in the best", f"{ATOMS}{len(a['z'])}", top, marked=wrong
            ),
            Narrow(a["best"], "the best code", f"{ATOMS}{len(a['z'])}", top),
        ]

    def readouts(self, a):
        found = self.seeds[a["choice"]]
        return {
            "all held-out patches, above the least": percent(self.means[a["choice"]]),
            "spread of the seeds": percent(max(found) - min(found)),
            "this patch": percent(a["above"]),
            "non-zeros ‖z‖₀": int((a["z"] != 0).sum()),
            "of the best code": int((a["best"] != 0).sum()),
        }

    def alt(self, a):
        told = ", ".join(f"{label} {number_or(value)}" for label, value in self.readouts(a).items())
        return f"Learned: {a['choice']}. Patch {a['patch']}: {told}."


def number_or(value) -> str:
    """A read-out as text."""
    return value if isinstance(value, str) else number(value)


# ---- one patch, round by round ----


def rounds_panel(
    dictionary: Dictionary, Y: Tensor, lam: float, start: Mapping, learned: Mapping, rounds: int = 8
) -> SliderPanel:
    """One patch through the rounds z ← shrink(W_eᵀy + Sz, θ), as ISTA and as trained for three.

    Y: patches to pick from (P, d). start, learned: {"W_e": (d, n), "S": (n, n), "theta": (n,)}.
    """
    names = [f"no. {i + 1}" for i in range(len(Y))]
    return _Rounds(dictionary, Y, lam, (start, learned), rounds).panel(
        {
            "round": stops(range(1, rounds + 1), 2, label="round"),
            "trained": check_box("trained for 3 rounds", True),
            "patch": picker(names, label="patch"),
        },
        title="Round by round: who silences whom",
        headline="energy above the least",
        stills=("round", [1, 2, 3, rounds]),
    )


class _Rounds(Scene):
    """The codes of all rounds, and what their entries do to each other in one of them."""

    def __init__(self, dictionary, Y, lam, networks, rounds):
        self.dictionary, self.Y, self.lam, self.networks = dictionary, Y, lam, networks
        self.best = encode(dictionary, Y, lam)
        self.codes = [self.run(p, rounds) for p in networks]
        self.above = [
            [energy(dictionary, Y, z, lam) / self.best.energy - 1 for z in codes]
            for codes in self.codes
        ]

    def run(self, p, rounds) -> list[Tensor]:
        """z(0), z(1), …, z(rounds), each (P, n)."""
        codes = [self.Y.new_zeros(len(self.Y), len(p["theta"]))]
        for _ in range(rounds):
            codes.append(soft_threshold(self.Y @ p["W_e"] + codes[-1] @ p["S"].T, p["theta"]))
        return codes

    def compute(self, round, trained, patch):
        p, before = self.networks[trained], self.codes[trained][round - 1][patch]
        evidence = self.Y[patch] @ self.networks[0]["W_e"]
        chosen = evidence.abs().argsort(descending=True)[:MOST]
        pushes = (p["S"] * before)[chosen][:, chosen] * evidence[chosen].sign()[:, None]
        return {
            "z": self.codes[trained][round][patch],
            "best": self.best.z[patch],
            "chosen": chosen,
            "pushes": pushes,
            "above": float(self.above[trained][round][patch]),
        }

    def draw(self, a):
        side = round(self.Y.shape[1] ** 0.5)
        y, z = self.Y[a["patch"]], a["z"]
        look = {"signed": True, "limits": (0, float(y.abs().max()))}
        atoms = self.dictionary.W.T[a["chosen"]].reshape(-1, side, side)
        lines = {
            name: ([float(one[a["patch"]]) for one in above], colour)
            for name, above, colour in zip(
                ("ISTA", "trained"), self.above, (GREY, BLUE), strict=True
            )
        }
        wrong = ((z != 0) & (a["best"] == 0)).nonzero()[:, 0].tolist()
        top = float(math.ceil(a["best"].abs().max()))
        return [
            Silencing(atoms, a["pushes"], "who (column) silences whom (row)", 1.0),
            Picture(y.reshape(side, side), "patch y", still=False, **look),
            Picture(self.dictionary.decode(z).reshape(side, side), "Wz", **look),
            Falling(lines, a["round"], "excess in %", "round", (0.003, 30)),
            Stems(z, "code z; red: not in the best", f"{ATOMS}{len(z)}", top, marked=wrong),
        ]

    def readouts(self, a):
        return {
            "energy above the least": percent(a["above"]),
            "non-zeros ‖z‖₀": int((a["z"] != 0).sum()),
            "of the best code": int((a["best"] != 0).sum()),
            "strongest": self.strongest(a),
        }

    def strongest(self, a) -> str:
        """The pair of atoms of which one silences the other the most."""
        pushes = a["pushes"] - torch.diag(a["pushes"].diag())
        if not (pushes < 0).any():
            return "nobody yet"
        i, j = divmod(int(pushes.argmin()), len(pushes))
        by, whom = int(a["chosen"][j]) + 1, int(a["chosen"][i]) + 1
        return f"atom {by} takes {-float(pushes[i, j]):.2f} from atom {whom}"

    def alt(self, a):
        who = "The trained network" if a["trained"] else "ISTA"
        told = ", ".join(f"{label} {number_or(value)}" for label, value in self.readouts(a).items())
        return f"{who} on patch {a['patch'] + 1} after round {a['round']}: {told}."


# ---- another λ ----


def lambda_panel(network: LISTA, y: Tensor) -> SliderPanel:
    """One sample's codes where λ is not the network's own: the best, as trained, and scaled."""
    lam = float(network.lam)
    return _OtherLambda(network, y).panel(
        {"lam": log_slider(lam / 8, lam * 8, lam)},
        title="A network for one λ",
        headline="above the least (as trained, scaled)",
        stills=("lam", [lam / 4, lam / 2, lam, 2 * lam, 4 * lam]),
    )


class _OtherLambda(Scene):
    """The best code, the network's, and the network's with thresholds in proportion to λ."""

    NAMES = ("as trained", "thresholds scaled")

    def __init__(self, network: LISTA, y: Tensor):
        self.network, self.y = network, y

    @torch.no_grad()
    @one_thread()
    def compute(self, lam):
        best = encode(self.network.dictionary, self.y, lam)
        codes = [self.network(self.y), self.network(self.y, lam=lam)]
        E = [
            float(energy(self.network.dictionary, self.y, z, lam) / best.energy) - 1 for z in codes
        ]
        return {"best": best.z, "codes": codes, "above": E}

    def draw(self, a):
        named = zip(("best code", *self.NAMES), (a["best"], *a["codes"]), strict=True)
        return [Narrow(z, name, f"{ATOMS}{len(z)}", 5) for name, z in named]

    def readouts(self, a):
        counts = [int((z != 0).sum()) for z in (a["best"], *a["codes"])]
        return {
            "above the least (as trained, scaled)": ", ".join(map(percent, a["above"])),
            "entries ≠ 0 (best, as trained, scaled)": ", ".join(map(str, counts)),
        }

    def alt(self, a):
        told = ", ".join(f"{label} {value}" for label, value in self.readouts(a).items())
        return f"At λ = {number(a['lam'], 3)}: {told}."


# ---- promises ----

PROMISES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


def promise_panel(gaps: Mapping[str, Mapping[str, Tensor]]) -> SliderPanel:
    """How many iterations of FISTA it takes until a promise is proved, from zero and from a code.

    gaps: data → {"zero": (iterations + 1, N), "network": …}, the relative gap of each sample before
    the first iteration, after it, and so on.
    """
    return _Promise(gaps).panel(
        {
            "promise": stops(PROMISES, 0.05, label="promise"),
            "data": picker(list(gaps), label="data"),
        },
        title="Promise a share above the least energy, and keep it",
        headline="iterations (from LISTA-3, from zero)",
        stills=("promise", [0.2, 0.05, 0.01]),
    )


class _Promise(Scene):
    """Proved excess against iterations, for one kind of data."""

    def __init__(self, gaps):
        self.names = list(gaps)
        self.gaps = {
            name: {start: gap.cummin(0).values for start, gap in both.items()}
            for name, both in gaps.items()
        }

    def compute(self, promise, data):
        both = self.gaps[self.names[data]]
        needed = {start: (gap > promise).sum(0).double() for start, gap in both.items()}
        return {"needed": needed, "at_once": float((needed["network"] == 0).double().mean())}

    def draw(self, a):
        both = self.gaps[self.names[a["data"]]]
        lines = {
            f"from {said}": (both[start].median(1).values.tolist(), colour)
            for start, said, colour in (("zero", "zero", GREY), ("network", "LISTA-3", BLUE))
        }
        lines["the promise"] = ([a["promise"]] * len(both["zero"]), GREEN)
        at = round(float(a["needed"]["network"].median()))
        title = "proved excess in %, median sample"
        return [Falling(lines, at, title, "iterations of FISTA", (0.003, 10))]

    def readouts(self, a):
        return {
            "proved at once": f"{a['at_once']:.0%}",
            "iterations (from LISTA-3, from zero)": ", ".join(
                f"{float(a['needed'][start].mean()):.1f}" for start in ("network", "zero")
            ),
        }

    def alt(self, a):
        told = ", ".join(f"{label} {value}" for label, value in self.readouts(a).items())
        return f"{self.names[a['data']]}, within {a['promise']:.0%} of the least energy: {told}."
