"""ISTA, FISTA and LISTA on one sample, each stopped after the same number of steps."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from ...energies import energy
from ...fast.codes import encode
from ...learning import LearnedDictionary
from ...lista import LISTA, train_lista
from ...progress import track
from ...solvers import fista, ista
from ..plots.style import BLUE, GREEN, GREY, VERMILION
from .panel import Scene, SliderPanel, log_slider, picker, stops
from .parts import Picture, Stems, number, tile
from .sparse_coding import one_thread

SOLVERS = {"ISTA": BLUE, "FISTA": VERMILION, "LISTA": GREEN}


@dataclass(frozen=True)
class Curves:
    """Values against steps: name → (steps, values); `level` dashed, `at` the step shown."""

    lines: Mapping[str, tuple[Sequence[int], Sequence[float]]]
    level: float
    at: int
    title: str
    still: bool = True

    height = 0.75

    def _limits(self) -> tuple[int, float]:
        last = max(steps[-1] for steps, _ in self.lines.values())
        return last, max(max(values) for _, values in self.lines.values())

    def html(self) -> str:
        """What the panel shows."""
        last, top = self._limits()
        base = 0.9 * self.level

        def place(step: float, value: float) -> str:
            return f"{400 * step / last:.1f} {120 * (top - value) / (top - base or 1):.1f}"

        parts = [f'<path stroke="{GREY}" d="M{place(self.at, base)}L{place(self.at, top)}"/>']
        level = f"M{place(0, self.level)}L{place(last, self.level)}"
        parts.append(f'<path stroke="#222" stroke-dasharray="5 4" d="{level}"/>')
        texts = [f'<text x="{400 * k / last:.0f}" y="138">{k}</text>' for k in (0, self.at, last)]
        for row, (name, (steps, values)) in enumerate(self.lines.items()):
            path = "L".join(map(place, steps, values))
            parts.append(f'<path stroke="{SOLVERS[name]}" stroke-width="2.5" d="M{path}"/>')
            dots = "".join(f"M{place(k, v)}h0" for k, v in zip(steps, values, strict=True))
            round_ = 'stroke-width="7" stroke-linecap="round"'
            parts.append(f'<path stroke="{SOLVERS[name]}" {round_} d="{dots}"/>')
            words = f'<tspan fill="{SOLVERS[name]}">●</tspan> {html.escape(name)}'
            texts.append(f'<text x="330" y="{14 + 17 * row}" text-anchor="start">{words}</text>')
        return tile(
            self.title,
            f'<svg viewBox="-16 -6 432 150"><g fill="none">{"".join(parts)}</g>'
            f'<g fill="#222" text-anchor="middle">{"".join(texts)}</g></svg>',
            "rlv-stems",
        )

    def plot(self, axes) -> None:
        """The same with matplotlib."""
        for name, (steps, values) in self.lines.items():
            axes.plot(steps, values, color=SOLVERS[name], marker="o", markersize=3, linewidth=1)
        axes.axhline(self.level, color="#222", linestyle="--", linewidth=0.8)
        axes.axvline(self.at, color=GREY, linewidth=0.8)
        axes.set(xlabel="steps", yticks=[])


@dataclass(frozen=True)
class Problem:
    """Samples to code with a dictionary, and LISTA networks of 1, 2, 4, … steps."""

    dictionary: object
    samples: torch.Tensor
    networks: Mapping[int, LISTA]


def prepare(
    dictionary, samples: torch.Tensor, lam: float, *, depths=(1, 2, 4, 8), steps=100
) -> Problem:
    """Train a LISTA network of each depth on all but the first ten samples (N, d)."""
    if isinstance(dictionary, LearnedDictionary):
        dictionary = dictionary.dictionary
    networks = {depth: LISTA(dictionary, lam, depth) for depth in depths}
    for network in track(list(networks.values()), "training LISTA, one network a depth"):
        train_lista(network, samples[10:], steps=steps, batch_size=100)
    return Problem(dictionary, samples[:10], networks)


def solver_panel(problems: Mapping[str, Problem], *, lam: float) -> SliderPanel:
    """λ, the number of steps, data and dictionary, a sample, and whose code is shown.

    LISTA's networks follow λ by scaling their thresholds (see :meth:`LISTA.forward`).
    """
    scene = _Race(problems)
    return scene.panel(
        {
            "lam": log_slider(lam / 10, lam * 10, lam),
            "steps": stops(scene.depths, scene.depths[2], label="steps"),
            "problem": picker(scene.names, label="data, dictionary"),
            "sample": picker([f"no. {i + 1}" for i in range(10)], label="sample"),
            "solver": picker(list(SOLVERS), label="show"),
        },
        title="The same number of steps for ISTA, FISTA and LISTA",
        headline="LISTA: E above the least",
        stills=("steps", scene.depths),
    )


class _Race(Scene):
    """Three solvers on one sample."""

    def __init__(self, problems: Mapping[str, Problem]):
        self.problems, self.names, self.solvers = problems, list(problems), list(SOLVERS)
        self.depths = list(next(iter(problems.values())).networks)

    @torch.no_grad()
    @one_thread()
    def compute(self, lam, steps, problem, sample, solver):
        case = self.problems[self.names[problem]]
        W, y = case.dictionary, case.samples[sample]
        learned = {depth: network(y, lam=lam) for depth, network in case.networks.items()}
        exact = {"tol": None, "max_iter": steps}
        codes = [ista(W, y, lam, **exact).z, fista(W, y, lam, **exact).z, learned[steps]]
        least = float(encode(W, y, lam, tol=1e-4).energy)
        at = [float(energy(W, y, z, lam)) for z in codes]
        return {
            "y": y,
            "z": codes[solver],
            "decoded": W.decode(codes[solver]),
            "lines": self.lines(W, y, lam, learned),
            "best": least,
            # Of an empty sample the empty code is the best one, and all find it.
            "above": {
                n: E / least - 1 if least else 0 for n, E in zip(self.solvers, at, strict=True)
            },
            "nonzeros": int((codes[solver] != 0).sum()),
        }

    def lines(self, W, y: torch.Tensor, lam: float, learned) -> dict:
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
        side, who = round(len(a["y"]) ** 0.5), self.solvers[a["solver"]]
        top = float(a["y"].abs().max())
        look = {"signed": bool((a["y"] < 0).any()), "limits": (0, top)}
        return [
            Picture(a["y"].reshape(side, side), "sample y", still=False, **look),
            Picture(a["decoded"].reshape(side, side), f"Wz by {who}", **look),
            Stems(a["z"], f"code z by {who} after {a['steps']} steps", f"{len(a['z'])} atoms"),
            Curves(a["lines"], a["best"], a["steps"], "energy against steps; dashed: the least"),
        ]

    def readouts(self, a):
        excess = {f"{n}: E above the least": f"{100 * v:.1f} %" for n, v in a["above"].items()}
        return {**excess, "least energy": a["best"], "non-zeros ‖z‖₀": a["nonzeros"]}

    def alt(self, a):
        excess = ", ".join(f"{n} {100 * v:.1f} %" for n, v in a["above"].items())
        return (
            f"{self.names[a['problem']]}, sample {a['sample'] + 1}, λ = {number(a['lam'], 3)}: "
            f"after {a['steps']} steps above the least energy: {excess}. "
            f"{self.solvers[a['solver']]} uses {a['nonzeros']} of {len(a['z'])} atoms."
        )
