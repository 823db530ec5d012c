"""Two sliders over learned atoms: one through the steps of learning, one over λ."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from ...learning import LearnedDictionary
from ...solvers import fista
from ..plots.atoms import sheet
from .panel import Scene, SliderPanel, log_slider
from .parts import Picture, number
from .sparse_coding import one_thread

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

    runs: what was learned from → the run; all with snapshots at the same steps, from 1 on. The
    slider is even in the logarithm of the step and shows the snapshot nearest to it.
    """
    if not runs:
        raise ValueError("runs: expected at least one, got none")
    steps = sorted(next(iter(runs.values())).snapshots)
    for name, run in runs.items():
        if sorted(run.snapshots) != steps:
            raise ValueError(f"runs[{name!r}]: expected the snapshots of the first run, got others")
    if len(steps) < 2 or steps[0] < 1:
        raise ValueError(f"runs: expected at least two snapshots from step 1 on, got {steps}")
    slider = log_slider(1, steps[-1], 1, label="step", step=np.log10(steps[-1]) / 50)
    slider.readout_format = ".0f"
    return _Training(runs, steps).panel(
        {"step": slider},
        title=title,
        headline=f"{list(runs)[-1]}: pixels an atom covers",
        stills=("step", [float(s) for s in _spread(steps, 5)]),
    )


class _Training(Scene):
    """Atoms at the snapshot nearest to a step."""

    def __init__(self, runs: Mapping[str, LearnedDictionary], steps: list[int]):
        self.runs, self.steps = runs, steps

    def compute(self, step):
        nearest = min(self.steps, key=lambda s: abs(np.log(s / step)))
        atoms = {name: run.snapshots[nearest] for name, run in self.runs.items()}
        return {"nearest": nearest, "atoms": atoms}

    def draw(self, a):
        return [_sheet(W, name) for name, W in a["atoms"].items()]

    def readouts(self, a):
        pixels = {
            f"{name}: pixels an atom covers": f"{float(covered(W).median()):.0f}"
            for name, W in a["atoms"].items()
        }
        return {"after step": a["nearest"], **pixels}

    def alt(self, a):
        covers = ", ".join(
            f"{name} {float(covered(W).median()):.0f}" for name, W in a["atoms"].items()
        )
        return f"after step {a['nearest']} an atom covers, in pixels: {covers}."


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
    nothing was learned from, whether codes are ≥ 0). notes: read-out → {λ: text}. Shown are the
    atoms that were learned at the λ nearest to the slider's; the samples are coded with them anew,
    at the slider's own λ.
    """
    grid = sorted(next(iter(learned.values())))
    for name, dictionaries in learned.items():
        if sorted(dictionaries) != grid:
            raise ValueError(f"learned[{name!r}]: expected λ {grid}, got {sorted(dictionaries)}")
        if name not in samples:
            raise ValueError(f"samples: expected some for {name!r}, got none")
    return _Prices(learned, samples, notes, grid).panel(
        {"lam": log_slider(grid[0], grid[-1], lam)},
        title=title,
        headline=next(iter(notes)),
        stills=("lam", grid),
    )


class _Prices(Scene):
    """Atoms learned at the λ nearest to the slider's, and samples coded with them."""

    def __init__(self, learned, samples, notes, grid: list[float]):
        self.learned, self.samples, self.notes, self.grid = learned, samples, notes, grid

    def compute(self, lam):
        nearest = min(self.grid, key=lambda one: abs(np.log(one / lam)))
        state = {"nearest": nearest, "use": {}, "explained": {}}
        for name, dictionaries in self.learned.items():
            Y, nonnegative = self.samples[name]
            with one_thread():
                z = fista(dictionaries[nearest], Y, lam, nonnegative=nonnegative, tol=1e-3).z
            error = (Y - dictionaries[nearest].decode(z)).square().sum() / Y.square().sum()
            state["use"][name] = float((z != 0).double().sum(1).mean())
            state["explained"][name] = 1 - float(error)
        return state

    def draw(self, a):
        learned = self.learned.items()
        return [_sheet(dictionaries[a["nearest"]].W, name) for name, dictionaries in learned]

    def readouts(self, a):
        names, explained = list(self.learned), a["explained"]
        shown = {"atoms learned at λ": f"{a['nearest']:g}"}
        shown |= {f"{name}: atoms in use": f"{a['use'][name]:.0f}" for name in names}
        shown |= {f"{name}: explained": f"{100 * explained[name]:.0f} %" for name in names}
        return shown | {label: texts[a["nearest"]] for label, texts in self.notes.items()}

    def alt(self, a):
        each = "; ".join(
            f"{name}: {a['use'][name]:.0f} atoms in use, {100 * a['explained'][name]:.0f} % "
            "explained"
            for name in self.learned
        )
        more = "".join(f"; {label} {texts[a['nearest']]}" for label, texts in self.notes.items())
        return f"at λ = {number(a['lam'], 2)} {each}{more}."


__all__ = ["covered", "dictionary_panel", "training_panel"]
