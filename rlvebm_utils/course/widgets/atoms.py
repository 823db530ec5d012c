"""Sliders over learned atoms, and a Gabor function to fit by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...learning import LearnedDictionary
from ..atoms import covered
from ..gabor import gabor
from ..plots.atoms import KEY, LINE, sheet, squares
from .panel import Scene, SliderPanel, linear_slider, picker, stops
from .parts import Picture, number

COLUMNS, SHOWN = 8, 64  # of the sheets
STILL_COLUMNS = 3  # at rest


@dataclass(frozen=True)
class AtomSheet:
    """Atoms (columns of W) as a picture of many tiles; nine of them in the figure at rest, where
    more would be too small to be seen.
    """

    W: Tensor
    name: str
    still: bool = True

    height = 1.1

    @property
    def signed(self) -> bool:
        """Whether it is drawn in two colours."""
        return bool((self.W < 0).any())

    @property
    def title(self) -> str:
        """What they are learned from, with the key of the colours."""
        return f"{self.name}: {KEY}" if self.signed else self.name

    def _picture(self, columns: int, count: int) -> Picture:
        tiles = sheet(self.W, columns, count, 0.0 if self.signed else LINE)
        return Picture(tiles, self.title, signed=self.signed, width=400)

    def html(self) -> str:
        """What the panel shows."""
        return self._picture(COLUMNS, SHOWN).html()

    def plot(self, axes) -> None:
        """The same with matplotlib, for the figure at rest."""
        self._picture(STILL_COLUMNS, STILL_COLUMNS**2).plot(axes)
        axes.set_xlabel(f"an atom: {float(covered(self.W).median()):.0f} pixels", fontsize=9)


def training_panel(
    runs: Mapping[str, LearnedDictionary],
    notes: Mapping[str, Mapping[int, str]] | None = None,
    *,
    title: str = "Drag the step: atoms appear",
) -> SliderPanel:
    """A slider through the steps of learning, over the snapshots that the runs have kept.

    runs: what was learned from → the run; all with snapshots at the same steps, from 1 on, where
    the slider stops. notes: read-out → {step: text}.
    """
    if not runs:
        raise ValueError("runs: expected at least one, got none")
    steps = sorted(next(iter(runs.values())).snapshots)
    for name, run in runs.items():
        if sorted(run.snapshots) != steps:
            raise ValueError(f"runs[{name!r}]: expected the snapshots of the first run, got others")
    if len(steps) < 2 or steps[0] < 1:
        raise ValueError(f"runs: expected at least two snapshots from step 1 on, got {steps}")
    return _Training(runs, notes or {}).panel(
        {"step": stops(steps, steps[0], label="step")},
        title=title,
        headline=f"{list(runs)[-1]}: pixels an atom covers",
        stills=("step", _spread(steps, 4)),
    )


class _Training(Scene):
    """Atoms after a step."""

    def __init__(self, runs: Mapping[str, LearnedDictionary], notes):
        self.runs, self.notes = runs, notes

    def compute(self, step):
        return {"atoms": {name: run.snapshots[step] for name, run in self.runs.items()}}

    def draw(self, a):
        return [AtomSheet(W, name) for name, W in a["atoms"].items()]

    def readouts(self, a):
        shown = {
            f"{name}: pixels an atom covers": f"{float(covered(W).median()):.0f}"
            for name, W in a["atoms"].items()
        }
        return shown | {label: texts[a["step"]] for label, texts in self.notes.items()}

    def alt(self, a):
        covers = ", ".join(
            f"{name} {float(covered(W).median()):.0f}" for name, W in a["atoms"].items()
        )
        more = "".join(f"; {label} {texts[a['step']]}" for label, texts in self.notes.items())
        return f"after step {a['step']} an atom covers, in pixels: {covers}{more}."


def _spread(steps: list[int], count: int) -> list[int]:
    """About evenly spread in the logarithm, first and last included."""
    wanted = np.geomspace(steps[0], steps[-1], count)
    return [min(steps, key=lambda s: abs(np.log(s / w))) for w in wanted]


def dictionary_panel(
    atoms: Mapping[float, Mapping[str, Tensor]],
    told: Mapping[float, Mapping[str, str]],
    *,
    label: str,
    title: str,
    images: Mapping[float, tuple[str, Tensor]] | None = None,
) -> SliderPanel:
    """A slider over dictionaries that were learned beforehand; it begins at the first of them.

    atoms: value → {name: atoms (d, n)}, with the same names for all values. told: value →
    {read-out: text}, the first of which is said at the slider. images: value → (title, an image
    about zero), shown before the atoms.
    """
    values = list(atoms)
    if len(values) < 2 or values != sorted(values):
        raise ValueError(f"atoms: expected at least two values, rising, got {values}")
    for name, given in (("told", told), ("images", atoms if images is None else images)):
        if list(given) != values:
            raise ValueError(f"{name}: expected the values {values}, got {list(given)}")
    if any(list(atoms[v]) != list(atoms[values[0]]) for v in values):
        raise ValueError("atoms: expected the same names for all values, got others")
    return _Kept(atoms, told, images or {}, label).panel(
        {"value": stops(values, values[0], label=label)},
        title=title,
        headline=next(iter(told[values[0]])),
        stills=("value", [values[i] for i in _four(len(values))]),
    )


def _four(count: int) -> list[int]:
    """At most four places, evenly spread, first and last included."""
    return np.linspace(0, count - 1, min(count, 4)).round().astype(int).tolist()


class _Kept(Scene):
    """Atoms at a value of the slider, and what was measured of them."""

    def __init__(self, atoms, told, images, label):
        self.atoms, self.told, self.images, self.label = atoms, told, images, label

    def compute(self, value):
        return {"atoms": self.atoms[value]}

    def draw(self, a):
        sheets = [AtomSheet(W, name) for name, W in a["atoms"].items()]
        if a["value"] not in self.images:
            return sheets
        title, image = self.images[a["value"]]
        size = 3 * float(image.std())
        few = (image / size).clamp(-1, 1).mul(12).round() / 12  # as many greys as can be told apart
        return [Picture(-few, title, limits=(-1, 1), width=400), *sheets]

    def readouts(self, a):
        return self.told[a["value"]]

    def alt(self, a):
        told = "; ".join(f"{label} {text}" for label, text in self.readouts(a).items())
        return f"{self.label} = {number(a['value'])}: {told}."


def gabor_panel(
    atoms: Tensor, *, title: str = "Drag a wave and its bell over an atom"
) -> SliderPanel:
    """Sliders for a Gabor function on a chosen atom: centre, direction, frequency, two widths.

    atoms: columns (side², n), of which one is picked. The two amplitudes are the best ones. The
    function begins at the middle of the first atom.
    """
    if atoms.ndim != 2 or math.isqrt(len(atoms)) ** 2 != len(atoms):
        raise ValueError(f"atoms: expected columns of side² pixels, got {tuple(atoms.shape)}")
    side = math.isqrt(len(atoms))
    place = squares(atoms[:, :1].double())[0].square()
    x, y = (float(place.sum(axis) @ torch.arange(side).double()) for axis in (0, 1))
    x, y = (round(2 * v / float(place.sum())) / 2 for v in (x, y))  # to half a pixel
    return _ByHand(squares(atoms)).panel(
        {
            "atom": picker([f"atom {j + 1}" for j in range(atoms.shape[1])], label="which"),
            "theta": linear_slider(0, 179, 0, label="direction θ (°)", step=1, digits=0),
            "f": linear_slider(0, 0.5, 0.12, label="frequency f", step=0.02),
            # As far as `fit_gabors` may go, and nearly as fine.
            "x": linear_slider(-1, side, x, label="centre, column", step=0.25),
            "y": linear_slider(-1, side, y, label="centre, row", step=0.25),
            "across": linear_slider(0.5, side, 2, label="width across σu", step=0.25),
            "along": linear_slider(0.5, side, 2, label="width along σv", step=0.25),
        },
        title=title,
        headline="R²",
        stills=("theta", [0, 45, 90, 135]),
    )


class _ByHand(Scene):
    """An atom, a Gabor function with the best amplitudes, and what it leaves."""

    def __init__(self, tiles: Tensor):
        self.tiles, self.side = tiles.double(), tiles.shape[-1]

    def compute(self, atom, theta, f, x, y, across, along):
        target = self.tiles[atom]
        place = [x, y, math.radians(theta), f, math.log(across), math.log(along)]
        table = torch.tensor([[*place, 1.0, 0.0], [*place, 0.0, 1.0]], dtype=torch.float64)
        basis = gabor(table, self.side).flatten(1)
        # f = 0 has no sine: a small ridge in place of a system that cannot be solved.
        gram = basis @ basis.T + 1e-9 * torch.eye(2, dtype=torch.float64)
        fitted = torch.linalg.solve(gram, basis @ target.flatten()) @ basis
        left = target - fitted.view_as(target)
        share = 1 - left.square().sum() / (target - target.mean()).square().sum()
        size = (
            fitted.abs().max().clamp(min=1e-12)
        )  # shown at full contrast, however little it helps
        shown = {"target": target, "fitted": (target - left) / size, "left": left}
        return {**shown, "r2": float(share)}

    def draw(self, a):
        named = {
            f"the atom: {KEY}": "target",
            "your Gabor function": "fitted",
            "what it leaves": "left",
        }
        return [Picture(a[key], name, signed=True, width=240) for name, key in named.items()]

    def readouts(self, a):
        return {"R²": f"{a['r2']:.2f}"}

    def alt(self, a):
        return (
            f"Atom {a['atom'] + 1} and a Gabor function with θ = {a['theta']:.0f}°, "
            f"f = {a['f']:.2f}, centre at column {a['x']:.1f} and row {a['y']:.1f}, widths "
            f"{a['across']:.2f} and {a['along']:.2f}: R² = {a['r2']:.2f}."
        )
