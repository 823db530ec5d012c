"""A λ slider over the code maps of a photograph, solved beforehand along a path of λ."""

from __future__ import annotations

import numpy as np
import torch

from ...energies import lambda_max
from ...solvers import fista
from .panel import SliderPanel, log_slider
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
    top = float(lambda_max(dictionary, y))
    grid = np.geomspace(lowest * top, 1.02 * top, positions)
    path, z = {}, None
    for k in range(positions - 1, -1, -1):
        solution = fista(dictionary, y, float(grid[k]), z0=z, tol=tol)
        z, path[k] = solution.z, solution
    limit = float(path[0].z.abs().max()) / 3
    n = dictionary.n_atoms
    span = float(y.abs().max()) * 0.7

    def compute(lam: float) -> dict:
        k = int(np.abs(np.log(grid) - np.log(lam)).argmin())
        z = path[k].z
        return {
            "maps": z.numpy(),
            "reconstruction": dictionary.decode(z).numpy(),
            "energy": float(path[k].energy),
            "share": lam / top,
            "nonzeros": float((z != 0).double().mean()),
            "error": float((y - dictionary.decode(z)).square().sum() / y.square().sum()),
        }

    def draw(a: dict) -> list:
        counts = [f"{100 * (one != 0).mean():.1f} %" for one in a["maps"]]
        return [
            Picture(y.numpy(), "image Y", signed=True, limits=(0, span), still=False),
            Picture(a["reconstruction"], "Σ K * Z", signed=True, limits=(0, span)),
            Strip(a["maps"], counts, "code maps Z", slots=n, signed=True, limits=(0, limit)),
        ]

    def readouts(a: dict) -> dict:
        return {
            "λ / λ_max": number(a["share"], 2),
            "non-zeros in the code": f"{100 * a['nonzeros']:.2f} %",
            "squared error": f"{100 * a['error']:.0f} %",
            "energy E": a["energy"],
        }

    def alt(a: dict) -> str:
        return (
            f"λ = {number(a['lam'], 2)}, {number(a['share'], 2)} of λ_max: "
            f"{100 * a['nonzeros']:.2f} % of the entries of the {n} code maps are not zero, the "
            f"squared error is {100 * a['error']:.0f} % of the image's."
        )

    step = np.log10(grid[1] / grid[0])
    shown = [positions * k // 4 for k in range(4)] + [positions - 1]
    slider = log_slider(
        float(grid[0]), float(grid[-1]), float(grid[positions // 4]), step=float(step)
    )
    return SliderPanel(
        compute,
        draw,
        {"lam": slider},
        readouts=readouts,
        alt=alt,
        title=title,
        headline="non-zeros in the code",
        stills=("lam", [float(grid[k]) for k in shown]),
    )
