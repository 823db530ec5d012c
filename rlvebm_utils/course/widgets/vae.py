"""Sliders over fuzzy balls: training steps, springs and sizes, one size, temperature."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..plots.style import GREEN, SKY, VERMILION
from ..plots.vae import MUTED, nearest, number_places, paint_balls
from ..vae import Balls, overlap, size_term
from .chart import Chart, Line
from .panel import Scene, SliderPanel, log_slider, stops
from .parts import GRID, Strip, as_array, number, tile

SIDE = 20


@dataclass(frozen=True)
class BallMap:
    """Balls in the plane of the code, coloured by class, from −reach to reach."""

    balls: Balls
    labels: Tensor
    reach: float
    title: str
    still: bool = True

    height = 1.0

    def html(self) -> str:
        """What the panel shows."""
        r = self.reach
        mean = as_array("balls.mean", self.balls.mean, 2)
        sigma = as_array("balls.variance", self.balls.variance, 2) ** 0.5
        groups, inside = [], (abs(mean) - sigma < r).all(1)  # the others would not be seen
        for c, colour in enumerate(MUTED):
            chosen = (self.labels == c).numpy() & inside
            shapes = "".join(
                f'<ellipse cx="{x:.2f}" cy="{-y:.2f}" rx="{a:.2f}" ry="{b:.2f}"/>'
                for (x, y), (a, b) in zip(
                    mean[chosen].tolist(), sigma[chosen].tolist(), strict=True
                )
            )
            groups.append(f'<g fill="{colour}" fill-opacity=".25">{shapes}</g>')
        for c, (x, y) in number_places(self.balls.mean, self.labels, 0.12 * r).items():
            groups.append(
                f'<text x="{x:.2f}" y="{-y + 0.026 * r:.2f}" font-size="{0.085 * r:.3g}"'
                f' text-anchor="middle" font-weight="bold" fill="#000" stroke="#fff"'
                f' stroke-width="{0.02 * r:.3g}" paint-order="stroke">{c}</text>'
            )
        groups.append(
            f'<path d="M{-r} 0H{r}M0 {-r}V{r}" stroke="{GRID}" stroke-width="{0.004 * r:.3g}"/>'
        )
        body = (
            f'<svg viewBox="{-r} {-r} {2 * r} {2 * r}" style="display:block;width:100%;'
            f'border:1px solid #ddd">{"".join(groups)}</svg>'
        )
        return tile(self.title, body, "rlv-map", width=360)

    def plot(self, axes) -> None:
        """The same with matplotlib."""
        paint_balls(axes, self.balls, self.labels, reach=self.reach, size=8)
        axes.set(xticks=[], yticks=[], xlabel="", ylabel="")


def mean_overlap(balls: Balls) -> float:
    """Mean overlap of two different balls."""
    shared = overlap(balls)
    n = len(shared)
    return float((shared.sum() - shared.diagonal().sum()) / (n * (n - 1)))


def centred_norm(balls: Balls) -> float:
    """Mean distance of the centres from their common centre."""
    return float((balls.mean - balls.mean.mean(0)).norm(dim=1).mean())


def flight_panel(
    snapshots: Mapping[int, Balls], labels: Tensor, *, shown: int = 400, title: str
) -> SliderPanel:
    """A slider over the steps of a training whose spring was cut at step 0.

    snapshots: step → balls, evenly spaced steps from 0; the first ``shown`` balls are drawn.
    """
    steps = sorted(snapshots)
    gaps = {b - a for a, b in zip(steps, steps[1:], strict=False)}
    if len(gaps) != 1 or steps[0] != 0:
        raise ValueError(f"snapshots: expected evenly spaced steps from 0, got {steps}")
    reach = 1.05 * max(float(b.mean[:shown].abs().max()) for b in snapshots.values())

    def compute(step):
        balls = snapshots[step]
        few = Balls(balls.mean[:shown], balls.variance[:shown])
        return {"balls": few, "norm": centred_norm(few), "overlap": mean_overlap(few)}

    return SliderPanel(
        compute,
        lambda a: [BallMap(a["balls"], labels[:shown], reach, "balls in the plane of the code")],
        {"step": stops(steps, 0, label="step")},
        readouts=lambda a: {
            "distance from the centre": f"{a['norm']:.2f} σ",
            "mean overlap": f"{a['overlap']:.3f}",
        },
        alt=lambda a: (
            f"{a['step']} steps after the spring was cut: balls are {a['norm']:.2f} σ from "
            f"their centre on average, the mean overlap of two is {a['overlap']:.3f}."
        ),
        title=title,
        headline="mean overlap",
        stills=("step", [steps[round(s * (len(steps) - 1))] for s in (0, 0.1, 0.3, 0.6, 1)]),
    )


class Stage(NamedTuple):
    """What training with one spring (σ = 1) led to."""

    balls: Balls
    fit: float  # ⟨½‖y − ŷ‖²⟩
    pictures: Tensor  # a few reconstructions (n, 400)


def spring_panel(
    stages: Mapping[float, Stage], labels: Tensor, *, shown: int = 400, title: str
) -> SliderPanel:
    """Sliders for the spring k and the ball size σ over trainings with σ = 1.

    stages: spring → Stage, springs that double from one to the next. Only kσ² counts (codes, like
    the balls, scale with σ), so σ takes the values ½, 0.71, 1, 1.41, 2, and k the springs for
    which kσ² is among the stages.
    """
    kappas = sorted(stages)
    if any(abs(b / a - 2) > 1e-9 for a, b in zip(kappas, kappas[1:], strict=False)):
        raise ValueError(f"stages: expected springs that double, got {kappas}")
    if len(kappas) < 6:
        raise ValueError(f"stages: expected at least six springs, got {len(kappas)}")
    scene = _Springs(stages, labels, shown)
    springs = scene.springs
    size = stops(scene.sizes, 1.0, label="ball size σ")
    return scene.panel(
        {"k": stops(springs, springs[0], label="spring k"), "sigma": size},
        title=title,
        headline="mean overlap",
        stills=("k", [springs[i] for i in (0, 2, 4, 5, 6)] if len(springs) > 6 else springs[:5]),
    )


class _Springs(Scene):
    """Balls held by a spring k, of size σ: trainings with σ = 1, scaled."""

    def __init__(self, stages: Mapping[float, Stage], labels: Tensor, shown: int):
        self.stages, self.labels, self.shown = stages, labels[:shown], shown
        self.kappas = sorted(stages)
        self.sizes = [2.0 ** (i / 2) for i in range(-2, 3)]
        self.springs = self.kappas[2:-2]
        self.reach = 1.05 * max(
            sigma * float(self._stage(k, sigma).balls.mean[:shown].abs().quantile(0.99))
            for k in self.springs
            for sigma in self.sizes
        )

    def _stage(self, k, sigma) -> Stage:
        return self.stages[self.kappas[nearest(self.kappas, k * sigma**2)]]

    def compute(self, k, sigma):
        stage = self._stage(k, sigma)
        mean, variance = stage.balls.mean, stage.balls.variance
        balls = Balls(mean[: self.shown] * sigma, variance[: self.shown] * sigma**2)
        return {
            "balls": balls,
            "norm": float(mean.square().sum(1).mean().sqrt()) * sigma,
            "overlap": mean_overlap(balls),
            "fit": stage.fit,
            "pull": k * float((sigma * mean).square().sum(1).mean()),
            "pictures": stage.pictures.reshape(-1, SIDE, SIDE).clamp(0, 1).numpy(),
        }

    def draw(self, a):
        pictures, captions = a["pictures"], [""] * len(a["pictures"])
        return [
            BallMap(a["balls"], self.labels, self.reach, "balls in the plane of the code"),
            Strip(pictures, captions, "decoded from the middles", slots=10),
        ]

    def readouts(self, a):
        return {
            "distance from the origin": f"{a['norm']:.2f}",
            "mean overlap": f"{a['overlap']:.3f}",
            "fit": f"{a['fit']:.1f}",
            "energy": f"{a['fit'] + a['pull']:.1f}",
        }

    def alt(self, a):
        return (
            f"Spring k = {number(a['k'])}, ball size σ = {number(a['sigma'])}: balls are "
            f"{a['norm']:.2f} from the origin, the mean overlap of two is {a['overlap']:.3f}, the "
            f"energy is {a['fit'] + a['pull']:.1f}."
        )


# ---- the size of one ball, and the temperature of all ----


def valley_panel(best: Callable[[float, float], float]) -> SliderPanel:
    """What one direction of a ball costs against its variance v: the fit c·v, and the size term at
    the temperature T. best(c, T): where the sum is lowest.
    """
    return _Valley(best).panel(
        {
            "c": stops([0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0], 2.0, label="fit c"),
            "T": stops([0.3, 1.0, 3.0, 10.0], 1.0, label="temperature T"),
            "v": log_slider(0.01, 10.0, start=1.0, label="variance v"),
        },
        title="Drag v: where does the ball cost least?",
        headline="cost",
        stills=("c", [0.0, 0.5, 2.0, 8.0]),
    )


class _Valley(Scene):
    """A line that rises, a valley, and their sum, over log v."""

    def __init__(self, best: Callable[[float, float], float]):
        self.best, self.v = best, torch.logspace(-2, 1, 121, dtype=torch.float64)

    def compute(self, c, T, v):
        at = torch.tensor([float(v), float(self.best(c, T))], dtype=torch.float64)
        cost, least = (c * at + T / 2 * size_term(at)).tolist()
        return {"cost": cost, "least": least, "best": float(at[1])}

    def draw(self, a):
        fit, size = a["c"] * self.v, a["T"] / 2 * size_term(self.v)
        x = self.v.log10()
        here = Line(math.log10(a["v"]), a["cost"], "#000", dots=5)
        lowest = Line(math.log10(a["best"]), a["least"], GREEN, dots=5)
        lines = [Line(x, fit, SKY), Line(x, size, VERMILION), Line(x, fit + size, "#000")]
        ticks = [(k, f"{10.0**k:g}") for k in (-2, -1, 0, 1)]
        said = "blue: fit c·v; red: size; black: sum"
        return [
            Chart([*lines, lowest, here], said, "variance v", (-2.0, 1.0), (0.0, 8.0), xticks=ticks)
        ]

    def readouts(self, a):
        return {
            "cost": f"{a['cost']:.2f}",
            "least": f"{a['least']:.2f}",
            "at v": number(a["best"]),
        }

    def alt(self, a):
        return (
            f"Fit {number(a['c'])}·v and size at T = {number(a['T'])}: at v = {number(a['v'])} "
            f"they cost {a['cost']:.2f}; least is {a['least']:.2f}, at v = {number(a['best'])}."
        )


class Heated(NamedTuple):
    """What training at one temperature led to."""

    balls: Balls
    fit: float
    kl: float
    pictures: Tensor  # a few reconstructions (n, 400)


def heat_panel(stages: Mapping[float, Heated], labels: Tensor, *, start: float) -> SliderPanel:
    """A slider for the temperature T over trainings; stages: T → Heated."""
    heats = sorted(stages)
    return _Heats(stages, labels).panel(
        {"T": stops(heats, start, label="T")},
        title="Drag T: dots, balls, collapse",
        headline="median v",
        stills=("T", [heats[round(s * (len(heats) - 1))] for s in (0, 0.25, 0.45, 0.7, 1)]),
    )


class _Heats(Scene):
    """Balls at one temperature, and what is decoded from their middles."""

    def __init__(self, stages: Mapping[float, Heated], labels: Tensor):
        self.stages, self.labels = stages, labels

    def compute(self, T):
        one = self.stages[T]
        pictures = one.pictures.reshape(-1, SIDE, SIDE).clamp(0, 1).numpy()
        return {"balls": one.balls, "fit": one.fit, "kl": one.kl, "pictures": pictures}

    def draw(self, a):
        captions = [""] * len(a["pictures"])
        return [
            BallMap(a["balls"], self.labels[: len(a["balls"].mean)], 3.6, "balls"),
            Strip(a["pictures"], captions, "decoded from the middles", slots=10),
        ]

    def readouts(self, a):
        return {
            "median v": number(float(a["balls"].variance.median()), 2),
            "fit": f"{a['fit']:.1f}",
            "KL in nats": f"{a['kl']:.2f}",
            "fit + T · KL": f"{a['fit'] + a['T'] * a['kl']:.1f}",
        }

    def alt(self, a):
        told = "; ".join(f"{name} {value}" for name, value in self.readouts(a).items())
        return f"Balls of {len(a['balls'].mean)} digits at T = {number(a['T'])}: {told}."
