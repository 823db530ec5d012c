"""Sliders over an energy in the plane: price, temperature, noise in training; and two balls."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from contourpy import contour_generator
from torch import Tensor

from ...fast.codes import encode
from ..plots.style import BLUE, GREY, ORANGE, SEQUENTIAL, VERMILION
from .panel import Scene, SliderPanel, picker, stops
from .parts import CUT, GRID, TEXT, as_array, colours, img, number, tile

# ---- parts ----


@dataclass(frozen=True)
class EnergyMap:
    """F on a square grid (n, n), the line F = level, the data as dots, atoms as arrows.

    reach: the map goes from −reach to reach in both directions, row 0 at the bottom. Colours run
    from F = 0 to ``top``. points: (N, 2). atoms: (2, n), or None.
    """

    F: object
    title: str
    points: object
    reach: float
    level: float
    top: float
    atoms: object = None
    still: bool = True

    height = 1.0

    def _pixels(self) -> np.ndarray:
        F = as_array(f"map {self.title!r}", self.F, 2)
        share = np.clip(F / self.top, 0, 1)
        pixels = colours(SEQUENTIAL)[np.rint(255 * share).astype(np.uint8)]
        return np.ascontiguousarray(pixels[::-1])

    def _border(self) -> list[np.ndarray]:
        """The line F = level as chains of points (k, 2)."""
        F = as_array("F", self.F, 2)
        side = np.linspace(-self.reach, self.reach, len(F))
        return contour_generator(side, side, F).lines(self.level)

    def html(self) -> str:
        """What the panel shows."""
        reach = self.reach
        border = "".join(_path(chain * [1, -1]) for chain in self._border())
        moving = f'<path d="{border}" fill="none" stroke="#fff" stroke-width=".02"/>'
        body = (
            f'<div style="position:relative;margin:0 74px 34px 26px">{img(self._pixels())}'
            f'<svg viewBox="{-reach} {-reach} {2 * reach} {2 * reach}"'
            ' style="position:absolute;inset:0;width:100%;height:100%;overflow:visible">'
            f"{self._resting()}{CUT}{moving}{CUT}</svg></div>"
        )
        return tile(self.title, body, "rlv-map", width=396)

    def _resting(self) -> str:
        """Dots, arrows, axes and the key of the colours: what no slider moves."""
        points = as_array("points", self.points, 2)
        dots = "".join(f'<circle cx="{a:.2f}" cy="{-b:.2f}" r=".02"/>' for a, b in points)
        arrows = "" if self.atoms is None else "".join(map(_arrow, as_array("W", self.atoms, 2).T))
        return (
            f'<g fill="{ORANGE}">{dots}</g><g fill="none" stroke="#fff" stroke-width=".03">'
            f"{arrows}</g>{_axes_of_map(self.reach)}{_key(self.reach, self.top)}"
        )

    def plot(self, axes) -> None:
        """The same with matplotlib."""
        r = self.reach
        axes.imshow(self._pixels(), extent=(-r, r, -r, r))
        axes.scatter(*as_array("points", self.points, 2).T, s=2, color=ORANGE, linewidths=0)
        for chain in self._border():
            axes.plot(*chain.T, color="white", linewidth=1)
        axes.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1], xlim=(-r, r), ylim=(-r, r))
        axes.tick_params(labelsize=7)


def _path(points: np.ndarray) -> str:
    return "M" + "L".join(f"{a:.2f} {b:.2f}" for a, b in points.tolist())


def _arrow(atom: np.ndarray) -> str:
    a, b = float(atom[0]), -float(atom[1])
    turn = math.degrees(math.atan2(b, a))
    place = f"translate({a:.3f} {b:.3f}) rotate({turn:.1f})"
    head = f'<path d="M-.1 -.06L0 0L-.1 .06" transform="{place}"/>'
    return f'<path d="M0 0L{a:.3f} {b:.3f}"/>{head}'


def _axes_of_map(reach: float) -> str:
    """Ticks and names, outside of the map."""
    below, left = reach + 0.16, -reach - 0.05
    ticks = "".join(
        f'<text x="{v}" y="{below:.2f}" text-anchor="middle">{v}</text>'
        f'<text x="{left:.2f}" y="{0.05 - v:.2f}" text-anchor="end">{v}</text>'
        for v in (-1, 0, 1)
    )
    names = (
        f'<text x="0" y="{below + 0.15:.2f}" text-anchor="middle">y₁</text>'
        f'<text x="{left:.2f}" y="-.45" text-anchor="end">y₂</text>'
    )
    return f'<g font-size=".13" fill="{TEXT}">{ticks}{names}</g>'.replace("-1<", "−1<")


def _key(reach: float, top: float) -> str:
    """The colours from 0 to ``top``, as a bar to the right of the map."""
    steps, x, height = colours(SEQUENTIAL)[4::8], reach + 0.1, 2 * reach / 32
    bar = "".join(
        f'<rect x="{x:.2f}" y="{reach - (k + 1) * height:.3f}" width=".1"'
        f' height="{height + 0.005:.3f}" fill="rgb({",".join(map(str, one))})"/>'
        for k, one in enumerate(steps.tolist())
    )
    words = (
        f'<text x="{x + 0.13:.2f}" y="{reach:.2f}">0</text>'
        f'<text x="{x + 0.13:.2f}" y="{0.1 - reach:.2f}">≥ {top:g}</text>'
    )
    return f'{bar}<g font-size=".13" fill="{TEXT}">{words}</g>'


@dataclass(frozen=True)
class Curves:
    """Lines over one pair of axes: (label, colour, x, y) each; the axes stand still.

    A line whose label is empty has no entry in the key. dots: (x, y) of marked places.
    """

    lines: Sequence[tuple]
    title: str
    xlim: tuple[float, float]
    ylim: tuple[float, float]
    xlabel: str
    ylabel: str
    dots: object = None
    square: bool = False
    still: bool = True

    @property
    def height(self) -> float:
        """Of its row in the figure at rest, as a share of the column's width."""
        return 1.0 if self.square else 0.75

    def html(self) -> str:
        """What the panel shows."""
        wide, high = (300, 300) if self.square else (380, 230)
        at = _Scales(self.xlim, self.ylim, wide, high)
        paths = "".join(
            f'<path stroke="{colour}" d="{_pixel_path(at(x, y))}"/>'
            for _, colour, x, y in self.lines
        )
        marks = "" if self.dots is None else "".join(
            f'<circle cx="{a:.1f}" cy="{b:.1f}" r="4"/>' for a, b in at(*self.dots)
        )  # fmt: skip
        moving = f'<g fill="none" stroke-width="2">{paths}</g><g fill="{VERMILION}">{marks}</g>'
        frame = _frame(at, self.xlabel, self.ylabel)
        body = (
            f'<svg viewBox="-48 -8 {wide + 60} {high + 46}" style="display:block;width:100%;'
            f'font-size:12px">{frame}{CUT}{moving}{CUT}</svg>{self._legend()}'
        )
        return tile(self.title, body, "rlv-curves", width=wide + 60)

    def _legend(self) -> str:
        entries = (
            f'<span style="margin-right:14px;white-space:nowrap"><i style="display:inline-block;'
            f'width:16px;height:3px;margin:0 5px 3px 0;background:{colour}"></i>'
            f"{html.escape(label)}</span>"
            for label, colour, *_ in self.lines
            if label
        )
        return f'<p style="white-space:normal">{"".join(entries)}</p>'

    def plot(self, axes) -> None:
        """The same with matplotlib."""
        for label, colour, x, y in self.lines:
            axes.plot(np.asarray(x), np.asarray(y), color=colour, linewidth=1.2, label=label)
        if self.dots is not None:
            axes.plot(*map(np.asarray, self.dots), "o", color=VERMILION, markersize=4)
        axes.set(xlim=self.xlim, ylim=self.ylim, aspect="equal" if self.square else "auto")
        axes.set_xlabel(self.xlabel, fontsize=8)
        axes.tick_params(labelsize=7)


@dataclass(frozen=True)
class _Scales:
    """From values to the units of a drawing of ``wide`` × ``high``; what is beyond stays inside."""

    xlim: tuple[float, float]
    ylim: tuple[float, float]
    wide: float
    high: float

    def __call__(self, x, y) -> np.ndarray:
        """Points (k, 2)."""
        (left, right), (low, top) = self.xlim, self.ylim
        across = np.clip((np.asarray(x, float) - left) / (right - left), 0, 1) * self.wide
        up = np.clip((np.asarray(y, float) - low) / (top - low), -0.01, 1.01)
        return np.stack([across, (1 - up) * self.high], 1)


def _pixel_path(points: np.ndarray) -> str:
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points.tolist())


def _tick(value: float) -> str:
    """A number in two digits: 0.25, 360."""
    return f"{float(f'{value:.2g}'):g}"


def _frame(at: _Scales, xlabel: str, ylabel: str) -> str:
    """Three ticks on each axis, thin lines, and what stands at the axes."""
    lines, words = [], []
    for share in (0, 0.5, 1):
        x, y = share * at.wide, (1 - share) * at.high
        lines.append(f'<path stroke="{GRID}" d="M0 {y}H{at.wide}M{x} 0V{at.high}"/>')
        value = at.ylim[0] + share * (at.ylim[1] - at.ylim[0])
        words.append(f'<text x="-6" y="{y + 4}" text-anchor="end">{_tick(value)}</text>')
        value = at.xlim[0] + share * (at.xlim[1] - at.xlim[0])
        words.append(f'<text x="{x}" y="{at.high + 15}" text-anchor="middle">{_tick(value)}</text>')
    below, middle = at.high + 32, at.high / 2
    words.append(
        f'<text x="{at.wide / 2}" y="{below}" text-anchor="middle">{html.escape(xlabel)}</text>'
        f'<text transform="translate(-38 {middle}) rotate(-90)" text-anchor="middle">'
        f"{html.escape(ylabel)}</text>"
    )
    texts = "".join(words).replace(">-", ">−")
    return f'<g fill="none">{"".join(lines)}</g><g fill="{TEXT}">{texts}</g>'


# ---- a price on the code ----


def energy_map_panel(
    models: Mapping[str, tuple[object, bool]],
    points: torch.Tensor,
    *,
    lam: float,
    highest: float = 1.2,
    level: float = 0.05,
    reach: float = 1.5,
    cells: int = 120,
    title: str = "Drag λ: cheap places on the map",
) -> SliderPanel:
    """A λ slider over the map of F(y) = min_z ½‖y − Wz‖² + λ‖z‖₁ in the plane.

    models: name → (dictionary of dimension 2, whether codes must be ≥ 0). points (N, 2): the data,
    of the dictionaries' dtype. The slider stops at 0 (no price on the code), then ever further
    apart, up to ``highest``: most of what there is to see lies at small λ.
    """
    for name, (dictionary, _) in models.items():
        if dictionary.dim != 2:
            raise ValueError(f"models[{name!r}]: expected dimension 2, got {dictionary.dim}")
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points: expected shape (N, 2), got {tuple(points.shape)}")
    lams = price_stops(lam, highest)
    return _Plane(models, points, lams, level, reach, cells).panel(
        {"lam": stops(lams, lam, label="λ"), "model": picker(list(models), label="model")},
        title=title,
        headline=f"share with F < {level:g}",
        stills=("lam", [0.0, 0.03, 0.1, 0.3, 1.0]),
    )


def price_stops(lam: float, highest: float, fine: int = 32) -> list[float]:
    """0, then λ in equal ratios up to ``highest``, rounded to two digits; ``lam`` is among them."""
    grid = np.geomspace(lam / 30, highest, fine)
    return sorted({0.0, lam, *(float(f"{one:.1e}") for one in grid)})


class _Plane(Scene):
    """F on a grid, around the unit circle and at the data."""

    def __init__(self, models, points, lams, level: float, reach: float, cells: int):
        self.lams = lams
        self.models, self.names, self.points = models, list(models), points
        self.level, self.reach, self.cells = level, reach, cells
        side = torch.linspace(-reach, reach, cells, dtype=points.dtype)
        grid = torch.cartesian_prod(side, side).flip(1)  # row by row: y₂ outside, y₁ inside
        angle = torch.arange(0, 360, dtype=points.dtype).deg2rad()
        circle = torch.stack([angle.cos(), angle.sin()], 1)
        self.everything = torch.cat([grid, circle, points])
        self.sizes = [len(grid), len(circle), len(points)]
        self.known: dict[int, dict[float, torch.Tensor]] = {}  # per model and λ: all energies

    def solve(self, model: int, lams) -> dict[float, torch.Tensor]:
        """λ → all energies, from the largest λ down: the codes of one are a good start for the
        next, while a small λ alone takes a second.
        """
        dictionary, nonnegative = self.models[self.names[model]]
        options, energies = {"nonnegative": nonnegative, "tol": 1e-6, "z0": None}, {}
        for lam in sorted(lams, reverse=True):
            solution = encode(dictionary, self.everything, lam, **options)
            energies[lam], options["z0"] = solution.energy, solution.z
        return energies

    def compute(self, lam, model):
        if model not in self.known:
            self.known[model] = self.solve(model, self.lams)
        if lam not in self.known[model]:
            self.known[model] |= self.solve(model, [lam])
        on_grid, on_circle, on_data = self.known[model][lam].split(self.sizes)
        return {
            "F": on_grid.reshape(self.cells, self.cells).numpy(),
            "circle": on_circle.numpy(),
            "area": float((on_grid < self.level).double().mean()),
            "data": float(on_data.mean()),
            "highest": float(on_grid.max()),
        }

    def draw(self, a):
        title = f"F(y), outlined: F = {self.level:g}"
        dictionary, _ = self.models[self.names[a["model"]]]
        shape = {"reach": self.reach, "level": self.level, "top": 0.5, "atoms": dictionary.W}
        around = [("", BLUE, np.arange(360), a["circle"])]
        return [
            EnergyMap(a["F"], title, self.points, **shape),
            Curves(around, "F on the unit circle", (0, 360), (0, 0.6), "angle, degrees", "F(y)"),
        ]

    def readouts(self, a):
        lowest, highest = a["circle"].min(), a["circle"].max()
        ratio = f"{highest / lowest:.2f}" if lowest > 1e-9 else "no relief: F = 0"
        return {
            f"share with F < {self.level:g}": f"{100 * a['area']:.1f} %",
            "highest / lowest F on the unit circle": ratio,
            "mean F of the data": f"{a['data']:.3f}",
            "highest F on the map": f"{a['highest']:.3f}",
        }

    def alt(self, a):
        return (
            f"{self.names[a['model']]}, λ = {number(a['lam'], 2)}: F is below {self.level:g} on "
            f"{100 * a['area']:.1f} % of the map; along the unit circle it goes from "
            f"{a['circle'].min():.3f} to {a['circle'].max():.3f}."
        )


# ---- a temperature ----


def temperature_panel(
    models: Mapping[str, Tensor],
    points: Tensor,
    *,
    betas: Sequence[float],
    beta: float,
    reach: float = 1.5,
    cells: int = 60,
) -> SliderPanel:
    """A β slider over Fᵦ(y) = −(1/β) log of the mean of exp(−β·½‖y − Dec(z)‖²) over codes.

    models: name → Dec(z) for codes that count alike (K, 2). points (N, 2): the data. betas: the
    slider's stops, of which ``beta`` is the first one shown. The map starts at its least value.
    """
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points: expected shape (N, 2), got {tuple(points.shape)}")
    return _Temperature(models, points, reach, cells).panel(
        {"beta": stops(betas, beta, label="β"), "model": picker(list(models), label="model")},
        title="Drag β: from all codes to the best one",
        headline="largest Fᵦ − F on the map",
        stills=("beta", [betas[0], betas[len(betas) // 2], betas[-1]]),
    )


class _Temperature(Scene):
    """Fᵦ on a grid and along the line y₂ = 0, beside F = min_z E."""

    def __init__(self, models: Mapping[str, Tensor], points: Tensor, reach: float, cells: int):
        self.names, self.points, self.reach, self.cells = list(models), points, reach, cells
        side = torch.linspace(-reach, reach, cells, dtype=points.dtype)
        self.line = torch.linspace(-reach, reach, 121, dtype=points.dtype)
        cut = torch.stack([self.line, torch.zeros_like(self.line)], 1)
        places = torch.cat([torch.cartesian_prod(side, side).flip(1), cut])
        self.E = {
            name: 0.5 * torch.cdist(places, one.contiguous()).square()
            for name, one in models.items()
        }

    def compute(self, beta, model):
        E = self.E[self.names[model]]
        at_beta = (math.log(E.shape[1]) - torch.logsumexp(-beta * E, 1)) / beta
        least, n = E.amin(1), self.cells**2
        return {
            "F": (at_beta[:n] - at_beta[:n].min()).reshape(self.cells, self.cells).numpy(),
            "cut": at_beta[n:].numpy(),
            "least": least[n:].numpy(),
            "mean": E[n:].mean(1).numpy(),
            "gap": float((at_beta - least)[:n].max()),
            "lowest": float(at_beta[:n].min()),
        }

    def draw(self, a):
        shape = {"reach": self.reach, "level": 0.01, "top": 0.2}
        title = "Fᵦ less its least value; line: 0.01"
        lines = [
            ("mean of E over z (β → 0)", ORANGE, self.line, a["mean"]),
            ("F = min E over z (β → ∞)", GREY, self.line, a["least"]),
            ("Fᵦ", BLUE, self.line, a["cut"]),
        ]
        ends = (-self.reach, self.reach)
        return [
            EnergyMap(a["F"], title, self.points, **shape),
            Curves(lines, "along y₂ = 0", ends, (0, 0.8), "y₁", "energy"),
        ]

    def readouts(self, a):
        return {
            "largest Fᵦ − F on the map": f"{a['gap']:.4f}",
            "least Fᵦ on the map": f"{a['lowest']:.4f}",
        }

    def alt(self, a):
        return (
            f"{self.names[a['model']]}, β = {number(a['beta'])}: the energy at this temperature is "
            f"at most {a['gap']:.4f} above that of the best code; its least value is "
            f"{a['lowest']:.4f}."
        )


# ---- a noise in training ----


def noise_panel(
    sheets: Mapping[float, Tensor],
    points: Tensor,
    *,
    noise: float,
    level: float,
    reach: float = 1.5,
    cells: int = 90,
) -> SliderPanel:
    """A slider over decoders that were trained with noise on their codes: the map of
    F(y) = min over z of ½‖y − Dec(z)‖², and the sheet Dec(z).

    sheets: noise → Dec(z) for an evenly spaced grid of codes (n, n, 2). points (N, 2): held-out
    data. The slider stops at the noises that there are.
    """
    for one, sheet in sheets.items():
        if sheet.ndim != 3 or sheet.shape[0] != sheet.shape[1] or sheet.shape[2] != 2:
            raise ValueError(f"sheets[{one}]: expected shape (n, n, 2), got {tuple(sheet.shape)}")
    return _Noise(sheets, points, level, reach, cells).panel(
        {"noise": stops(sorted(sheets), noise, label="noise")},
        title="Drag the noise of the training: the sheet draws back to the data",
        headline=f"share with F < {level:g}",
        stills=("noise", _four(sorted(sheets))),
    )


def _four(values: Sequence[float]) -> list[float]:
    """Four of the values, or all if there are fewer, evenly from the first to the last."""
    places = np.linspace(0, len(values) - 1, 4).round().astype(int)
    return [values[k] for k in sorted(set(places.tolist()))]


class _Noise(Scene):
    """Maps of F, computed once for each noise."""

    def __init__(self, sheets, points, level: float, reach: float, cells: int):
        self.sheets, self.points, self.level, self.reach = sheets, points, level, reach
        side = torch.linspace(-reach, reach, cells, dtype=points.dtype)
        plane = torch.cartesian_prod(side, side).flip(1)
        places = torch.cat([plane, points])
        self.cells, self.F = cells, {}
        for noise, sheet in sheets.items():
            outputs = sheet.reshape(-1, 2).contiguous()
            nearest = [torch.cdist(part, outputs).amin(1) for part in places.split(1000)]
            self.F[noise] = 0.5 * torch.cat(nearest).square()

    def compute(self, noise):
        n = self.cells**2
        F = self.F[noise]
        return {
            "F": F[:n].reshape(self.cells, self.cells).numpy(),
            "area": float((F[:n] < self.level).double().mean()),
            "data": float(F[n:].mean()),
            "sheet": self.sheets[noise],
        }

    def draw(self, a):
        title = f"F(y), outlined: F = {self.level:g}"
        shape = {"reach": self.reach, "level": self.level, "top": 0.2}
        n = len(a["sheet"])
        steps, some = range(0, n, max(1, n // 10)), slice(None, None, max(1, n // 20))
        threads = [("", BLUE, *a["sheet"][k, some].T) for k in steps]
        threads += [("", VERMILION, *a["sheet"][some, k].T) for k in steps]
        ends = (-self.reach, self.reach)
        return [
            EnergyMap(a["F"], title, self.points, **shape),
            Curves(
                threads, "the sheet Dec(z): z₁ held, z₂ held", ends, ends, "y₁", "y₂", square=True
            ),
        ]

    def readouts(self, a):
        return {
            f"share with F < {self.level:g}": f"{100 * a['area']:.0f} %",
            "mean F of held-out data": f"{a['data']:.5f}",
        }

    def alt(self, a):
        return (
            f"Trained with noise {number(a['noise'], 2)}: F is below {self.level:g} on "
            f"{100 * a['area']:.0f} % of the map, and {a['data']:.5f} on average for the data."
        )


# ---- two balls ----


def two_balls_panel(*, sigma: float, sigmas: Sequence[float]) -> SliderPanel:
    """A σ slider over a code of two balls, centres at −1 and 1: how much z tells which ball it is.

    sigmas: the slider's stops.
    """
    return _TwoBalls(sigmas).panel(
        {"sigma": stops(sigmas, sigma, label="σ")},
        title="Drag σ: how many bits do two balls carry?",
        headline="bits that get through",
        stills=("sigma", [sigmas[0], sigmas[len(sigmas) // 2], sigmas[-1]]),
    )


def two_ball_bits(sigma: float) -> tuple[float, float]:
    """(bits, chance of guessing the ball right) for N(±1, σ²), by a fine sum over z."""
    z = np.linspace(1 - 12 * sigma, 1 + 12 * sigma, 20_001)
    density = np.exp(-((z - 1) ** 2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
    surprise = np.logaddexp(0, -2 * z / sigma**2) / math.log(2)
    step = z[1] - z[0]
    return 1 - float((density * surprise).sum() * step), float(density[z > 0].sum() * step)


class _TwoBalls(Scene):
    """Two bells over z, and the bits over σ."""

    def __init__(self, sigmas: Sequence[float]):
        self.z = np.linspace(-4, 4, 241)
        self.grid = np.geomspace(sigmas[0], sigmas[-1], 80)
        self.curve = [two_ball_bits(one)[0] for one in self.grid]

    def compute(self, sigma):
        bits, right = two_ball_bits(sigma)
        bells = [np.exp(-((self.z - c) ** 2) / (2 * sigma**2)) for c in (-1, 1)]
        return {"bits": bits, "right": right, "left": bells[0], "rightmost": bells[1]}

    def draw(self, a):
        bells = [
            ("ball at −1", BLUE, self.z, a["left"]),
            ("ball at 1", ORANGE, self.z, a["rightmost"]),
        ]
        place = ([math.log10(a["sigma"])], [a["bits"]])
        curve = [("", GREY, np.log10(self.grid), self.curve)]
        return [
            Curves(bells, "which ball is z from?", (-4, 4), (0, 1), "z", "density (highest = 1)"),
            Curves(curve, "bits that get through", (-1, 1), (0, 1), "log₁₀ σ", "bits", dots=place),
        ]

    def readouts(self, a):
        return {
            "bits that get through": f"{a['bits']:.3f}",
            "the nearer centre is the right one": f"{100 * a['right']:.1f} %",
        }

    def alt(self, a):
        return (
            f"Two balls at −1 and 1 with σ = {number(a['sigma'], 2)}: z tells {a['bits']:.3f} bits "
            f"of which one it is from; the nearer centre is right in {100 * a['right']:.1f} %."
        )
