"""Gabor functions, and the one that fits a patch best.

A Gabor function is a wave under a bell::

    g(x, y) = exp(−u²/2σ_u² − v²/2σ_v²) (a₁ cos 2πfu + a₂ sin 2πfu)

where (u, v) are coordinates about a centre (x₀, y₀), turned by the angle θ: the wave runs along u,
its stripes along v. Places are in pixels (column x, row y, from 0), f in cycles per pixel.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..validate import check_count, check_tensor, describe

# The columns of a parameter table (N, 8). Logarithms keep the two widths positive.
X0, Y0, THETA, F, LOG_U, LOG_V, A1, A2 = range(8)


@dataclass(frozen=True)
class GaborFit:
    """The best Gabor function for each of N patches.

    r2: the share of the patch's variance that it explains, 1 for a perfect fit. frequency: where
    the function's spectrum is strongest, cycles per pixel, from 0 to ½. That is f, unless the bell
    is too narrow to hold a wave: for a single edge, f may be anything small. orientation: θ in
    [0, π), the direction in which the wave runs (0: along a row, so its stripes stand upright).
    centre: (N, 2), column and row. width: (N, 2), σ_u across the stripes and σ_v along them.
    patches: (N, side, side), the function itself.
    """

    r2: Tensor
    frequency: Tensor
    orientation: Tensor
    centre: Tensor
    width: Tensor
    patches: Tensor


def gabor(parameters: Tensor, side: int) -> Tensor:
    """The functions of a table (N, 8) of x₀, y₀, θ, f, log σ_u, log σ_v, a₁, a₂ on side × side
    pixels: (N, side, side).
    """
    check_tensor("parameters", parameters)
    if parameters.ndim != 2 or parameters.shape[1] != 8:
        raise ValueError(f"parameters: expected shape (N, 8), got {describe(parameters)}")
    check_count("side", side)
    return _values(parameters, _pixels(side, parameters))[0].unflatten(1, (side, side))


def fit_gabors(patches: Tensor, *, iterations: int = 40) -> GaborFit:
    """Fit a Gabor function to each of the patches (N, side, side) by least squares.

    The fit starts from the best three of a few thousand Gabor functions (one for each width of the
    bell) and improves them by ``iterations`` steps of the Levenberg–Marquardt method, all patches
    at once; the best of the three is returned. Frequencies stay in [0, ½], widths between half a
    pixel and the patch's side, centres within a pixel of the patch. Computed in float64.

    Raises TypeError or ValueError, naming the argument, on bad input; a patch without variance has
    no fit and is bad input.
    """
    _check(patches, iterations)
    side = patches.shape[-1]
    y = patches.detach().to(torch.float64).flatten(1)
    size = y.norm(dim=1)
    y = y / size[:, None]
    pixels = _pixels(side, y)
    starts = _best_of_a_grid(y, pixels, side)  # (3, N, 8)
    fitted, error = _improve(starts.flatten(0, 1), y.repeat(3, 1), pixels, side, iterations)
    best = error.unflatten(0, (3, -1)).argmin(0)
    p = fitted.unflatten(0, (3, -1))[best, torch.arange(len(y), device=y.device)]
    fit = _values(p, pixels)[0]
    variance = (y - y.mean(1, keepdim=True)).square().sum(1)
    return GaborFit(
        r2=1 - (y - fit).square().sum(1) / variance,
        frequency=_strongest(p),
        orientation=p[:, THETA] % math.pi,
        centre=p[:, [X0, Y0]],
        width=p[:, [LOG_U, LOG_V]].exp(),
        patches=(fit * size[:, None]).unflatten(1, (side, side)),
    )


def _pixels(side: int, like: Tensor) -> Tensor:
    """Column and row of each pixel, row by row: (2, side²)."""
    row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return torch.stack([column.flatten(), row.flatten()]).to(like)


def _values(p: Tensor, pixels: Tensor):
    """g for each row of p, (N, side²), and what its derivatives are made of."""
    x, y = pixels[0] - p[:, X0, None], pixels[1] - p[:, Y0, None]
    cos, sin = p[:, THETA, None].cos(), p[:, THETA, None].sin()
    u, v = cos * x + sin * y, cos * y - sin * x
    su, sv = u / p[:, LOG_U, None].exp(), v / p[:, LOG_V, None].exp()
    bell = torch.exp(-0.5 * (su**2 + sv**2))
    phase = 2 * math.pi * p[:, F, None] * u
    even, odd = bell * phase.cos(), bell * phase.sin()
    g = p[:, A1, None] * even + p[:, A2, None] * odd
    return g, (u, v, su, sv, cos, sin, even, odd)


def _derivatives(p: Tensor, g: Tensor, parts) -> Tensor:
    """∂g/∂p for each pixel: (N, side², 8)."""
    u, v, su, sv, cos, sin, even, odd = parts
    slope = 2 * math.pi * (p[:, A2, None] * even - p[:, A1, None] * odd)  # of the wave alone
    g_u = slope * p[:, F, None] - g * su / p[:, LOG_U, None].exp()
    g_v = -g * sv / p[:, LOG_V, None].exp()
    return torch.stack(
        [
            sin * g_v - cos * g_u,  # the centre moves: u and v move the other way
            -sin * g_u - cos * g_v,
            v * g_u - u * g_v,  # a turn
            slope * u,
            g * su**2,
            g * sv**2,
            even,
            odd,
        ],
        dim=2,
    )


def _best_of_a_grid(y: Tensor, pixels: Tensor, side: int) -> Tensor:
    """For each of three widths the Gabor function of a grid that explains the most: (3, N, 8)."""
    places = torch.arange(1, side - 0.5, 2).to(y)
    angles = torch.arange(12).to(y) * math.pi / 12
    waves = torch.tensor([0.04, 0.08, 0.14, 0.2, 0.27, 0.35, 0.43], dtype=y.dtype, device=y.device)
    best = []
    for share in (0.1, 0.17, 0.3):
        grid = torch.cartesian_prod(places, places, angles, waves)
        width = torch.full_like(grid[:, :2], math.log(share * side))
        grid = torch.cat([grid, width, torch.zeros_like(width)], 1)
        even, odd = _values(grid, pixels)[1][-2:]
        # The best a₁ and a₂ for each pair of functions: a system of two equations.
        ee, oo, eo = even.square().sum(1), odd.square().sum(1), (even * odd).sum(1)
        det = (ee * oo - eo**2).clamp(min=1e-12)
        ye, yo = y @ even.T, y @ odd.T
        a1, a2 = (oo * ye - eo * yo) / det, (ee * yo - eo * ye) / det
        chosen = (a1 * ye + a2 * yo).argmax(1, keepdim=True)
        start = grid[chosen[:, 0]]
        start[:, [A1]], start[:, [A2]] = a1.gather(1, chosen), a2.gather(1, chosen)
        best.append(start)
    return torch.stack(best)


def _improve(p: Tensor, y: Tensor, pixels: Tensor, side: int, iterations: int):
    """Levenberg and Marquardt's method, every row by itself; the parameters and squared errors."""
    damping = torch.full_like(p[:, 0], 1e-2)
    g, parts = _values(p, pixels)
    error = (y - g).square().sum(1)
    for _ in range(iterations):
        J = _derivatives(p, g, parts)
        H = J.mT @ J
        scale = H.diagonal(dim1=1, dim2=2) + 1e-9
        step = torch.linalg.solve(
            H + torch.diag_embed(damping[:, None] * scale), J.mT @ (y - g)[..., None]
        )
        trial = _within_bounds(p + step[..., 0], side)
        trial_g, trial_parts = _values(trial, pixels)
        trial_error = (y - trial_g).square().sum(1)
        better = trial_error < error  # take it and trust the model more; or stay, and less
        p = torch.where(better[:, None], trial, p)
        g = torch.where(better[:, None], trial_g, g)
        parts = [
            torch.where(better[:, None], a, b) for a, b in zip(trial_parts, parts, strict=True)
        ]
        error = torch.where(better, trial_error, error)
        damping = torch.where(better, damping / 3, damping * 4).clamp(1e-9, 1e9)
    return p, error


def _strongest(p: Tensor) -> Tensor:
    """The frequency along u at which the spectrum of each function is strongest, to 1/2000.

    The bell's spectrum is a bell of width 1/2πσ_u; the wave moves it to f and to −f, where the two
    add up (cosine) or cancel (sine).
    """
    k, f, a1, a2 = torch.arange(1001).to(p) / 2000, p[:, F, None], p[:, A1, None], p[:, A2, None]
    near, far = (
        torch.exp(-0.5 * (2 * math.pi * p[:, LOG_U, None].exp() * d) ** 2) for d in (k - f, k + f)
    )
    power = (a1**2 + a2**2) * (near**2 + far**2) + 2 * (a1**2 - a2**2) * near * far
    return k[power.argmax(1)]


def _within_bounds(p: Tensor, side: int) -> Tensor:
    low = p.new_tensor([-1, -1, -torch.inf, 0, math.log(0.5), math.log(0.5), -10, -10])
    high = p.new_tensor([side, side, torch.inf, 0.5, math.log(side), math.log(side), 10, 10])
    return p.clamp(low, high)


def _check(patches, iterations) -> None:
    check_tensor("patches", patches)
    if patches.ndim != 3 or patches.shape[1] != patches.shape[2] or patches.shape[1] < 4:
        raise ValueError(
            f"patches: expected shape (N, side, side) with side ≥ 4, got {describe(patches)}"
        )
    rows = patches.detach().double().flatten(1)
    flat = (rows.std(dim=1) <= 1e-9 * rows.abs().amax(1)).nonzero()
    if len(flat):
        raise ValueError(
            f"patches: expected some variance in each, got a flat one, no. {flat[0, 0]}"
        )
    check_count("iterations", iterations)
