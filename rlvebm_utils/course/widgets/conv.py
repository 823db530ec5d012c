"""A λ slider over the code maps of a photograph, solved beforehand along a path of λ."""

from __future__ import annotations

import numpy as np
import torch

from ...energies import lambda_max
from ...solvers import fista
from .panel import Scene, SliderPanel, stops
from .parts import Picture, Strip, number


def conv_codes_panel(
    dictionary,
    y: torch.Tensor,
    *,
    lowest: float = 0.02,
    positions: int = 16,
    tol: float = 1e-3,
    title: str = "Drag λ: the code maps empty out",
) -> SliderPanel:
    """A λ slider over the code of one grey image y (h, w) and its reconstruction.

    One image takes a second to solve well, so the codes for all ``positions`` of the slider, evenly
    spaced in log λ from ``lowest``·λ_max to just above λ_max, are computed first, from the sparsest
    down, each from its neighbour; the slider then only looks them up.
    """
    dictionary.check_samples(y)
    if y.ndim != 2:
        raise ValueError(f"y: expected one grey image (height, width), got {tuple(y.shape)}")
    scene = _Path(dictionary, y, lowest, positions, tol)
    grid = list(scene.path)
    shown = [positions * k // 4 for k in range(4)] + [positions - 1]
    return scene.panel(
        {"lam": stops(grid, grid[positions // 4], label="λ")},
        title=title,
        headline="non-zeros in the code",
        stills=("lam", [grid[k] for k in shown]),
    )


class _Path(Scene):
    """The codes of one image, for all positions of the slider."""

    def __init__(self, dictionary, y: torch.Tensor, lowest: float, positions: int, tol: float):
        self.dictionary, self.y = dictionary, y
        self.top = float(lambda_max(dictionary, y))
        grid = np.geomspace(lowest * self.top, 1.02 * self.top, positions).tolist()
        self.path, z = dict.fromkeys(grid), None
        for lam in reversed(grid):
            solution = fista(dictionary, y, lam, z0=z, tol=tol)
            z, self.path[lam] = solution.z, solution
        self.limit = float(self.path[grid[0]].z.abs().max()) / 3
        self.span = float(y.abs().max()) * 0.7

    def compute(self, lam: float) -> dict:
        z, y = self.path[lam].z, self.y
        decoded = self.dictionary.decode(z)
        return {
            "maps": z.numpy(),
            "reconstruction": decoded.numpy(),
            "energy": float(self.path[lam].energy),
            "share": lam / self.top,
            "nonzeros": float((z != 0).double().mean()),
            "error": float((y - decoded).square().sum() / y.square().sum()),
        }

    def draw(self, a: dict) -> list:
        counts = [f"{100 * (one != 0).mean():.1f} %" for one in a["maps"]]
        look = {"signed": True, "limits": (0, self.span)}
        maps = {"slots": len(counts), "signed": True, "limits": (0, self.limit)}
        return [
            Picture(self.y.numpy(), "image Y", still=False, **look),
            Picture(a["reconstruction"], "Σ K * Z", **look),
            Strip(a["maps"], counts, "code maps Z", **maps),
        ]

    def readouts(self, a: dict) -> dict:
        return {
            "λ / λ_max": number(a["share"], 2),
            "non-zeros in the code": f"{100 * a['nonzeros']:.2f} %",
            "squared error": f"{100 * a['error']:.0f} %",
            "energy E": a["energy"],
        }

    def alt(self, a: dict) -> str:
        return (
            f"λ = {number(a['lam'], 2)}, {number(a['share'], 2)} of λ_max: "
            f"{100 * a['nonzeros']:.2f} % of the entries of the {len(a['maps'])} code maps are not "
            f"zero, the squared error is {100 * a['error']:.0f} % of the image's."
        )
