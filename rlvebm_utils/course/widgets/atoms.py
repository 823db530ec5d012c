"""Two sliders over learned atoms: one through the steps of learning, one over λ."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from ...learning import LearnedDictionary
from ...solvers import fista
from ..plots.atoms import sheet
from .panel import Scene, SliderPanel, stops
from .parts import Picture, number

COLUMNS, SHOWN = 8, 64  # of the sheets


def covered(W: torch.Tensor) -> torch.Tensor:
    """How many pixels an atom covers, (Σw²)² / Σw⁴: k for k equal pixels, and smooth in between."""
    return W.square().sum(0).square() / W.pow(4).sum(0)


def _sheet(W: torch.Tensor, title: str) -> Picture:
    """A picture of many tiles, and therefore a large one."""
    return Picture(sheet(W, COLUMNS, SHOWN), title, signed=bool((W < 0).any()), width=400)


def training_panel(
    runs: Mapping[str, LearnedDictionary], *, title: str = "Drag the step: atoms appear"
) -> SliderPanel:
    """A slider through the steps of learning, over the snapshots that the runs have kept.

    runs: what was learned from → the run; all with snapshots at the same steps, from 1 on, where
    the slider stops.
    """
    if not runs:
        raise ValueError("runs: expected at least one, got none")
    steps = sorted(next(iter(runs.values())).snapshots)
    for name, run in runs.items():
        if sorted(run.snapshots) != steps:
            raise ValueError(f"runs[{name!r}]: expected the snapshots of the first run, got others")
    if len(steps) < 2 or steps[0] < 1:
        raise ValueError(f"runs: expected at least two snapshots from step 1 on, got {steps}")
    return _Training(runs).panel(
        {"step": stops(steps, steps[0], label="step")},
        title=title,
        headline=f"{list(runs)[-1]}: pixels an atom covers",
        stills=("step", _spread(steps, 5)),
    )


class _Training(Scene):
    """Atoms after a step."""

    def __init__(self, runs: Mapping[str, LearnedDictionary]):
        self.runs = runs

    def compute(self, step):
        return {"atoms": {name: run.snapshots[step] for name, run in self.runs.items()}}

    def draw(self, a):
        return [_sheet(W, name) for name, W in a["atoms"].items()]

    def readouts(self, a):
        return {
            f"{name}: pixels an atom covers": f"{float(covered(W).median()):.0f}"
            for name, W in a["atoms"].items()
        }

    def alt(self, a):
        covers = ", ".join(
            f"{name} {float(covered(W).median()):.0f}" for name, W in a["atoms"].items()
        )
        return f"after step {a['step']} an atom covers, in pixels: {covers}."


def _spread(steps: list[int], count: int) -> list[int]:
    """About evenly spread in the logarithm, first and last included."""
    wanted = np.geomspace(steps[0], steps[-1], count)
    return [min(steps, key=lambda s: abs(np.log(s / w))) for w in wanted]


def dictionary_panel(
    learned: Mapping[str, Mapping[float, object]],
    samples: Mapping[str, tuple[torch.Tensor, bool]],
    notes: Mapping[str, Mapping[float, str]],
    *,
    lam: float,
    title: str = "Drag λ: other prices, other atoms",
) -> SliderPanel:
    """A λ slider over dictionaries that were learned at a few λ.

    learned: name → {λ: dictionary}, the same λ for all names. samples: name → (samples (N, d) that
    nothing was learned from, whether codes are ≥ 0), coded here with all the dictionaries, so that
    the slider, which stops at these λ, only looks the outcome up. notes: read-out → {λ: text}.
    """
    grid = sorted(next(iter(learned.values())))
    for name, dictionaries in learned.items():
        if sorted(dictionaries) != grid:
            raise ValueError(f"learned[{name!r}]: expected λ {grid}, got {sorted(dictionaries)}")
        if name not in samples:
            raise ValueError(f"samples: expected some for {name!r}, got none")
    slider = stops(grid, lam, label="λ")
    return _Prices(learned, samples, notes).panel(
        {"lam": slider},
        title=title,
        headline=next(iter(notes)),
        stills=("lam", grid),
    )


class _Prices(Scene):
    """Atoms learned at a λ, and samples coded with them."""

    def __init__(self, learned, samples, notes):
        self.learned, self.notes = learned, notes
        self.coded = {
            name: {lam: _coded(one, lam, *samples[name]) for lam, one in dictionaries.items()}
            for name, dictionaries in learned.items()
        }

    def compute(self, lam):
        use, explained = zip(*(coded[lam] for coded in self.coded.values()), strict=True)
        return {
            "use": dict(zip(self.learned, use, strict=True)),
            "explained": dict(zip(self.learned, explained, strict=True)),
        }

    def draw(self, a):
        learned = self.learned.items()
        return [_sheet(dictionaries[a["lam"]].W, name) for name, dictionaries in learned]

    def readouts(self, a):
        names, explained = list(self.learned), a["explained"]
        shown = {f"{name}: atoms in use": f"{a['use'][name]:.0f}" for name in names}
        shown |= {f"{name}: explained": f"{100 * explained[name]:.0f} %" for name in names}
        return shown | {label: texts[a["lam"]] for label, texts in self.notes.items()}

    def alt(self, a):
        each = "; ".join(
            f"{name}: {a['use'][name]:.0f} atoms in use, {100 * a['explained'][name]:.0f} % "
            "explained"
            for name in self.learned
        )
        more = "".join(f"; {label} {texts[a['lam']]}" for label, texts in self.notes.items())
        return f"at λ = {number(a['lam'], 2)} {each}{more}."


def _coded(dictionary, lam: float, Y: torch.Tensor, nonnegative: bool) -> tuple[float, float]:
    """Of samples Y: how many atoms a code uses, and the share of Y that they explain."""
    z = fista(dictionary, Y, lam, nonnegative=nonnegative, tol=1e-3).z
    error = (Y - dictionary.decode(z)).square().sum() / Y.square().sum()
    return float((z != 0).double().sum(1).mean()), 1 - float(error)


__all__ = ["covered", "dictionary_panel", "training_panel"]
