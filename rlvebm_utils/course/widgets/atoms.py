"""Two sliders over learned atoms: one through the steps of learning, one over λ."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from ...learning import LearnedDictionary
from ...solvers import fista
from ..plots.atoms import sheet
from .panel import SliderPanel, log_slider
from .parts import Picture, number
from .sparse_coding import _one_thread

COLUMNS, SHOWN = 8, 64  # of the sheets


def covered(W: torch.Tensor) -> torch.Tensor:
    """How many pixels an atom covers, (Σw²)² / Σw⁴: k for k equal pixels, and smooth in between."""
    return W.square().sum(0).square() / W.pow(4).sum(0)


class Sheet(Picture):
    """A picture of many tiles, and therefore a large one."""

    def html(self) -> str:
        return super().html().replace("<div ", '<div style="flex:0 0 min(100%,400px)" ', 1)


def _sheet(W: torch.Tensor, title: str) -> Sheet:
    return Sheet(sheet(W, COLUMNS, SHOWN), title, signed=bool((W < 0).any()))


def training_panel(
    runs: Mapping[str, LearnedDictionary], *, title: str = "Drag the step: atoms appear"
) -> SliderPanel:
    """A slider through the steps of learning, over the snapshots that the runs have kept.

    runs: what was learned from → the run; all with snapshots at the same steps, from 1 on. The
    slider is even in the logarithm of the step and shows the snapshot nearest to it.
    """
    if not runs:
        raise ValueError("runs is empty; expected at least one")
    steps = sorted(next(iter(runs.values())).snapshots)
    for name, run in runs.items():
        if sorted(run.snapshots) != steps:
            raise ValueError(f"runs[{name!r}] has other snapshots than the first run")
    if len(steps) < 2 or steps[0] < 1:
        raise ValueError(f"runs have snapshots at {steps}; expected at least two, from step 1 on")

    def compute(step):
        nearest = min(steps, key=lambda s: abs(np.log(s / step)))
        return {"nearest": nearest, "atoms": {n: run.snapshots[nearest] for n, run in runs.items()}}

    def draw(a):
        return [_sheet(W, name) for name, W in a["atoms"].items()]

    def readouts(a):
        pixels = {
            f"{name}: pixels an atom covers": f"{float(covered(W).median()):.0f}"
            for name, W in a["atoms"].items()
        }
        return {"after step": a["nearest"], **pixels}

    def alt(a):
        covers = ", ".join(
            f"{name} {float(covered(W).median()):.0f}" for name, W in a["atoms"].items()
        )
        return f"after step {a['nearest']} an atom covers, in pixels: {covers}."

    slider = log_slider(1, steps[-1], 1, label="step", step=np.log10(steps[-1]) / 50)
    slider.readout_format = ".0f"
    return SliderPanel(
        compute,
        draw,
        {"step": slider},
        readouts=readouts,
        alt=alt,
        title=title,
        headline=f"{list(runs)[-1]}: pixels an atom covers",
        stills=("step", [float(s) for s in _spread(steps, 5)]),
    )


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
            raise ValueError(f"learned[{name!r}] has λ {sorted(dictionaries)}; expected {grid}")
        if name not in samples:
            raise ValueError(f"samples has nothing for {name!r}")

    def compute(lam):
        nearest = min(grid, key=lambda one: abs(np.log(one / lam)))
        state = {"nearest": nearest, "use": {}, "explained": {}}
        for name, dictionaries in learned.items():
            Y, nonnegative = samples[name]
            with _one_thread():
                z = fista(dictionaries[nearest], Y, lam, nonnegative=nonnegative, tol=1e-3).z
            error = (Y - dictionaries[nearest].decode(z)).square().sum() / Y.square().sum()
            state["use"][name] = float((z != 0).double().sum(1).mean())
            state["explained"][name] = 1 - float(error)
        return state

    def draw(a):
        return [
            _sheet(dictionaries[a["nearest"]].W, name) for name, dictionaries in learned.items()
        ]

    def readouts(a):
        shown = {"atoms learned at λ": f"{a['nearest']:g}"}
        shown |= {f"{name}: atoms in use": f"{a['use'][name]:.0f}" for name in learned}
        shown |= {f"{name}: explained": f"{100 * a['explained'][name]:.0f} %" for name in learned}
        return shown | {label: texts[a["nearest"]] for label, texts in notes.items()}

    def alt(a):
        each = "; ".join(
            f"{name}: {a['use'][name]:.0f} atoms in use, {100 * a['explained'][name]:.0f} % "
            "explained"
            for name in learned
        )
        more = "".join(f"; {label} {texts[a['nearest']]}" for label, texts in notes.items())
        return f"at λ = {number(a['lam'], 2)} {each}{more}."

    return SliderPanel(
        compute,
        draw,
        {"lam": log_slider(grid[0], grid[-1], lam)},
        readouts=readouts,
        alt=alt,
        title=title,
        headline=next(iter(notes)),
        stills=("lam", grid),
    )


__all__ = ["covered", "dictionary_panel", "training_panel"]
