"""ISTA, FISTA and LISTA on one sample, each stopped after the same number of steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ipywidgets
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ...energies import energy
from ...fast.codes import encode
from ...learning import LearnedDictionary
from ...lista import LISTA, train_lista
from ...progress import track
from ...solvers import fista, ista
from ..plots.style import BLUE, GREEN, GREY, VERMILION, WIDTH, headline, styled
from .chart import Chart, Line
from .keep import Keep, settings_of
from .own_picture import OwnPicture
from .panel import Scene, SliderPanel, log_slider, picker, stops
from .parts import CUT, GRID, Picture, number, tile
from .sparse_coding import one_thread

# Colour and mark of each solver
SOLVERS = {"ISTA": (BLUE, "●"), "FISTA": (VERMILION, "■"), "LISTA": (GREEN, "▲")}
DEPTHS = (1, 2, 3, 4, 6, 8)
OWN, SAMPLES = "your own", 10
# Of the chart, in per cent of the least energy: below, its certificate says nothing any more
LEAST, MOST = 0.01, 1e4
BAND = 60  # height of a code in the panel
TICKS = [(-2, "≤ 0.01"), (0, "1"), (2, "100"), (4, "10⁴")]


@dataclass(frozen=True)
class Problem:
    """Samples to code with a dictionary, and LISTA networks of so many steps each."""

    dictionary: object
    samples: Tensor
    networks: Mapping[int, LISTA]

    @property
    def side(self) -> int:
        """Pixels of a sample's width and height."""
        return round(self.samples.shape[1] ** 0.5)

    @property
    def signed(self) -> bool:
        """Whether the samples lie about zero, as patches do, and not above it, as ink does."""
        return bool((self.samples < 0).any())

    def take(self, ink: Tensor) -> Tensor:
        """A picture of ink (h, w) as a sample: as small as the others and of their mean length."""
        y = adaptive_avg_pool2d(ink[None].to(self.samples), self.side).flatten()
        if self.signed:
            y = y.mean() - y  # paper is bright
        return y * self.samples.norm(dim=1).mean() / y.norm().clamp(min=1e-9)


def prepare(dictionary, samples: Tensor, lam: float, *, depths=DEPTHS, steps=100) -> Problem:
    """Train a LISTA network of each depth on all but the first ten samples (N, d)."""
    if isinstance(dictionary, LearnedDictionary):
        dictionary = dictionary.dictionary
    networks = {depth: LISTA(dictionary, lam, depth) for depth in depths}
    for network in track(list(networks.values()), "training LISTA, one network a depth"):
        train_lista(network, samples[SAMPLES:], steps=steps, batch_size=100)
    return Problem(dictionary, samples[:SAMPLES], networks)


def solver_panel(problems: Mapping[str, Problem], *, lam: float) -> SliderPanel:
    """λ, the number of steps, data and dictionary, and a sample or a picture of one's own.

    LISTA's networks follow λ by scaling their thresholds (see :meth:`LISTA.forward`). What is set
    can be kept as a line of text, and the figure as a file (see :class:`Keep`).
    """
    scene = _Race(problems, lam / 10)
    samples = [*(f"no. {i + 1}" for i in range(SAMPLES)), OWN]
    panel = scene.panel(
        {
            "lam": log_slider(lam / 10, lam * 10, lam),
            "steps": stops(scene.depths, scene.depths[len(scene.depths) // 2], label="steps"),
            "data": picker(scene.names, label="data, dictionary"),
            "sample": picker(samples, label="sample"),
        },
        title="The same number of steps for ISTA, FISTA and LISTA",
        headline=scene.headline,
        stills=("steps", [depth for depth in scene.depths if depth.bit_count() == 1]),
    )
    panel.controls["steps"].layout.flex = "1 1 300px"  # room to aim
    _add_tools(panel, scene)
    return panel


def _add_tools(panel: SliderPanel, scene: _Race) -> None:
    """Under the picture: a sheet for the reader's own one, the settings, the figure as a file."""
    sample = panel.controls["sample"]
    own_place = len(sample.options) - 1

    def drawn(change) -> None:
        if sample.value != own_place:
            sample.value = own_place
        elif change["name"] == "pixels":
            panel.redraw()

    scene.own.observe(drawn, names=["pixels", "changes"])
    panel.keep = Keep(
        panel,
        lambda: scene.figure(panel),
        name="playground",
        own=scene.own,
        with_own=lambda: sample.value == own_place,
    )
    panel.own = scene.own
    scene.own.layout = {"flex": "1 1 300px", "min_width": "0"}
    tools = ipywidgets.HBox(
        [scene.own, panel.keep.widget],
        layout={"flex_flow": "row wrap", "width": "100%", "margin": "14px 0 0"},
    )
    panel.widget.children = (*panel.widget.children, tools)


class _Race(Scene):
    """Three solvers on one sample."""

    headline = f"E above the least: {', '.join(SOLVERS)}"

    def __init__(self, problems: Mapping[str, Problem], low: float):
        self.problems, self.names, self.own = problems, list(problems), OwnPicture()
        self.low = low  # the least λ
        self.depths = list(next(iter(problems.values())).networks)
        self._scales: dict[tuple[int, bytes], float] = {}

    def sample(self, data: int, sample: int) -> Tensor:
        """A sample, or what the reader has drawn."""
        case = self.problems[self.names[data]]
        return case.samples[sample] if sample < len(case.samples) else case.take(self.own.ink)

    @torch.no_grad()
    @one_thread()
    def compute(self, lam, steps, data, sample):
        case, y = self.problems[self.names[data]], self.sample(data, sample)
        W = case.dictionary
        learned = {depth: network(y, lam=lam) for depth, network in case.networks.items()}
        exact = {"tol": None, "max_iter": steps}
        codes = [ista(W, y, lam, **exact).z, fista(W, y, lam, **exact).z, learned[steps]]
        least = float(encode(W, y, lam, tol=1e-4).energy)
        lines = self.lines(W, y, lam, learned)
        return {
            "y": y,
            "codes": dict(zip(SOLVERS, codes, strict=True)),
            "decoded": {n: W.decode(z) for n, z in zip(SOLVERS, codes, strict=True)},
            "best": least,
            # Of an empty sample the empty code is the best one, and all find it.
            "above": {
                name: (at, [max(E / least - 1, 0) if least else 0 for E in energies])
                for name, (at, energies) in lines.items()
            },
            "limit": self.limit(data, y),
        }

    def limit(self, data: int, y: Tensor) -> float:
        """The scale of all codes of a sample, whatever λ and the number of steps: at the least λ,
        where they are largest, and a little more.
        """
        key = data, y.numpy().tobytes()
        if key not in self._scales:
            if len(self._scales) > 100:  # each drawing has its own
                self._scales.clear()
            case = self.problems[self.names[data]]
            W, most = case.dictionary, {"tol": None, "max_iter": self.depths[-1]}
            codes = [network(y, lam=self.low) for network in case.networks.values()]
            codes += [solver(W, y, self.low, **most).z for solver in (ista, fista)]
            self._scales[key] = ceiling(1.1 * max(float(z.abs().max()) for z in codes))
        return self._scales[key]

    def lines(self, W, y: Tensor, lam: float, learned) -> dict:
        """Energies against steps, of each solver."""
        most = self.depths[-1]
        options = {"tol": None, "max_iter": most, "history": True}
        runs = {"ISTA": ista(W, y, lam, **options), "FISTA": fista(W, y, lam, **options)}
        lines = {
            name: (range(most + 1), run.history.energy.reshape(-1).tolist())
            for name, run in runs.items()
        }
        start = float(0.5 * y.square().sum())
        energies = [float(energy(W, y, z, lam)) for z in learned.values()]
        return lines | {"LISTA": ([0, *learned], [start, *energies])}

    def draw(self, a):
        y, case = a["y"], self.problems[self.names[a["data"]]]
        look = {"signed": case.signed, "limits": (0, float(y.abs().max()) or 1.0)}
        square = (case.side, case.side)
        made = [(f"Wz by {name}", Wz) for name, Wz in a["decoded"].items()]
        pictures = [
            Picture(one.reshape(square), title, width=124, **look)
            for title, one in (("sample y", y), *made)
        ]
        return [
            Group(pictures, "sample y and Wz, on one scale"),
            self.chart(a),
            Codes(a["codes"], a["limit"], "codes z, on one scale"),
        ]

    def chart(self, a: Mapping) -> Chart:
        """How far above the least energy each solver is, on axes that never move."""
        low, high = math.log10(LEAST), math.log10(MOST)
        lines = [Line([a["steps"]] * 2, [low, high], GREY, width=1)]
        for name, (steps, above) in a["above"].items():
            shown = [math.log10(max(100 * one, LEAST)) for one in above]
            colour, mark = SOLVERS[name]
            lines.append(Line(steps, shown, colour, mark=mark, label=name))
        last = self.depths[-1]
        ticks = [(depth, str(depth)) for depth in (0, *self.depths)]
        ends = (-0.02 * last, 1.02 * last)
        title = "E above the least (%)"
        return Chart(lines, title, "steps", ends, (low, high), ticks, TICKS)

    def excess(self, a: Mapping) -> dict[str, str]:
        """Of each solver, after the steps of the slider."""
        found = {n: above[list(at).index(a["steps"])] for n, (at, above) in a["above"].items()}
        return {name: number(100 * one) for name, one in found.items()}

    def readouts(self, a):
        return {self.headline: f"{', '.join(self.excess(a).values())} %", "least E": a["best"]}

    def alt(self, a):
        each = (
            f"{name} {excess} % with {_used(a['codes'][name])} atoms"
            for name, excess in self.excess(a).items()
        )
        sample = f"sample {a['sample'] + 1}" if a["sample"] < SAMPLES else "your own picture"
        return (
            f"{self.names[a['data']]}, {sample}, λ = {number(a['lam'], 3)}, "
            f"steps: {a['steps']}. Above the least energy: {', '.join(each)}."
        )

    @styled
    def figure(self, panel: SliderPanel) -> Figure:
        """What the panel shows now, as a Matplotlib figure with its settings as title."""
        a = panel.state(**panel.values)
        figure = Figure(figsize=(WIDTH, 6.2))
        axes = figure.subplot_mosaic("00111;22222", height_ratios=[1.3, 1])
        for place, part in enumerate(self.draw(a)):
            part.plot(axes[str(place)])
            pad = 18 if isinstance(part, Chart) else 6  # over its legend
            axes[str(place)].set_title(part.title, fontsize=10, fontweight="normal", pad=pad)
        each = ", ".join(f"{name} {excess} %" for name, excess in self.excess(a).items())
        said = settings_of(panel)
        where = f"{said['data']}, {said['sample']}, λ = {said['lam']}, steps: {said['steps']}"
        headline(figure, f"{where}\nE above the least: {each}")
        return figure


@dataclass(frozen=True)
class Group:
    """Four pictures as one part, two by two."""

    pictures: Sequence[Picture]
    title: str
    still: bool = True

    height = 1.15

    def html(self) -> str:
        """What the panel shows."""
        inner = "".join(one.html() for one in self.pictures)
        grid = f'<div style="display:flex;flex-wrap:wrap;gap:8px 20px">{inner}</div>'
        return tile(self.title, grid, "rlv-group", 268)

    def plot(self, axes) -> None:
        """The same with matplotlib."""
        axes.set_axis_off()
        for place, one in enumerate(self.pictures):
            left, bottom = 0.52 * (place % 2), 0.54 * (1 - place // 2)
            inner = axes.inset_axes((left, bottom, 0.48, 0.42))
            one.plot(inner)
            inner.set_title(one.title, fontsize=7, fontweight="normal", loc="center", pad=2)


@dataclass(frozen=True)
class Codes:
    """The code of each solver in a band of its own, atom under atom, up to ± `limit`."""

    codes: Mapping[str, Tensor]
    limit: float
    title: str
    still: bool = False

    height = 0.9

    def html(self) -> str:
        """What the panel shows: words as words, so that they are as large on a narrow page."""
        bands = "".join(self._band(name, z) for name, z in self.codes.items())
        return tile(self.title, bands, "rlv-codes", 880)

    def _band(self, name: str, z: Tensor) -> str:
        """Name, scale and stems of one code, on one row where there is room."""
        colour, mark = SOLVERS[name]
        x = [720 * (j + 0.5) / len(z) for j in range(len(z))]
        y = (BAND / 2 * (1 - (z / self.limit).clamp(-1, 1))).tolist()
        stems = (f"M{a:.1f} {BAND / 2}V{b:.1f}" for a, b, one in zip(x, y, z, strict=True) if one)
        words = (
            f'<div style="flex:0 0 180px"><span style="color:{colour}">{mark}</span> {name}: '
            f"{CUT}{_used(z)}{CUT} of {len(z)} atoms<br>"
            f"<i>from −{self.limit:g} to {self.limit:g}</i></div>"
        )
        grid = f'<path stroke="{GRID}" d="M0 .5H720M0 {BAND / 2}H720M0 {BAND - 0.5}H720"/>'
        width = min(6, 0.5 * 720 / len(z))
        moving = f'<path stroke="{colour}" stroke-width="{width:.1f}" d="{"".join(stems)}"/>'
        look = f'style="display:block;width:100%;height:{BAND}px" preserveAspectRatio="none"'
        svg = f'<svg viewBox="0 0 720 {BAND}" {look}>{grid}{CUT}{moving}{CUT}</svg>'
        row = "display:flex;flex-wrap:wrap;align-items:center;margin-bottom:8px"
        return (
            f'<div style="{row}">{words}<div style="flex:1 1 220px;min-width:0">{svg}</div></div>'
        )

    def plot(self, axes) -> None:
        """The same with matplotlib."""
        for place, (name, z) in enumerate(self.codes.items()):
            (at,), zero = np.nonzero(z.numpy()), -2.4 * self.limit * place
            colour, _ = SOLVERS[name]
            axes.vlines(at + 1, zero, zero + z.numpy()[at], colors=colour, linewidth=2)
            axes.axhline(zero, color=GREY, linewidth=0.8)
        zeros = [-2.4 * self.limit * place for place in range(len(self.codes))]
        names = [f"{name}\n{_used(z)} of {len(z)} atoms" for name, z in self.codes.items()]
        axes.set_yticks(zeros, names, fontsize=8)
        axes.set(xlim=(0.5, len(z) + 0.5), ylim=(zeros[-1] - 1.2 * self.limit, 1.2 * self.limit))
        axes.tick_params(labelsize=8)
        axes.set_xlabel(f"atom; a band reaches from −{self.limit:g} to {self.limit:g}", fontsize=8)


def ceiling(value: float) -> float:
    """The smallest number of one digit that is not below `value`; 1 for nothing."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return math.ceil(value / power) * power or 1.0


def _used(z: Tensor) -> int:
    return int((z != 0).sum())
