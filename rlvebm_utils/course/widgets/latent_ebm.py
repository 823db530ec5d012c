"""A λ slider over the energy of a plane: F(y) = min_z E(y, z), solved for all stops beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from ...fast.codes import encode
from ..plots.style import ORANGE, SEQUENTIAL
from .panel import Scene, SliderPanel, picker, stops
from .parts import as_array, colours, img, number, tile


@dataclass(frozen=True)
class EnergyMap:
    """F on a square grid (n, n), the set {F < level} outlined, the data as dots.

    reach: the map goes from −reach to reach in both directions, row 0 at the bottom. Colours run
    from F = 0 to ``top``. points: (N, 2).
    """

    F: object
    title: str
    points: object
    reach: float
    level: float
    top: float
    still: bool = True

    height = 1.0

    def _pixels(self) -> np.ndarray:
        F = as_array(f"map {self.title!r}", self.F, 2)
        share = np.clip(F / self.top, 0, 1)
        pixels = colours(SEQUENTIAL)[np.rint(255 * share).astype(np.uint8)]
        pixels[outline(F < self.level)] = 255
        return np.ascontiguousarray(pixels[::-1])

    def html(self) -> str:
        """What the panel shows."""
        points, reach = as_array("points", self.points, 2), self.reach
        dots = "".join(f'<circle cx="{a:.2f}" cy="{-b:.2f}" r=".02"/>' for a, b in points)
        body = (
            f'<div style="position:relative">{img(self._pixels())}'
            f'<svg viewBox="{-reach} {-reach} {2 * reach} {2 * reach}" fill="{ORANGE}"'
            f' style="position:absolute;inset:0;width:100%;height:100%">{dots}</svg></div>'
        )
        return tile(self.title, body, "rlv-map", width=300)

    def plot(self, axes) -> None:
        """The same with matplotlib."""
        r = self.reach
        axes.imshow(self._pixels(), extent=(-r, r, -r, r))
        axes.scatter(*as_array("points", self.points, 2).T, s=2, color=ORANGE, linewidths=0)
        axes.set(xticks=[], yticks=[])


def outline(inside: np.ndarray) -> np.ndarray:
    """The cells of a mask that have a neighbour outside it; the edge of the map is no outside."""
    padded = np.pad(inside, 1, mode="edge")
    neighbours = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inside & ~neighbours


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
            "area": float((on_grid < self.level).double().mean()),
            "relief": float(on_circle.max() - on_circle.min()),
            "data": float(on_data.mean()),
            "highest": float(on_grid.max()),
        }

    def draw(self, a):
        title = f"F(y), outlined: F < {self.level:g}"
        return [EnergyMap(a["F"], title, self.points, self.reach, self.level, top=0.5)]

    def readouts(self, a):
        return {
            f"share with F < {self.level:g}": f"{100 * a['area']:.1f} %",
            "relief on the unit circle": f"{a['relief']:.3f}",
            "mean F of the data": f"{a['data']:.3f}",
            "highest F on the map": f"{a['highest']:.3f}",
        }

    def alt(self, a):
        return (
            f"{self.names[a['model']]}, λ = {number(a['lam'], 2)}: F is below {self.level:g} on "
            f"{100 * a['area']:.1f} % of the map and differs by {a['relief']:.3f} along the unit "
            "circle."
        )
