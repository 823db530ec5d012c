"""FISTA for batches, written for speed with torch alone: the same steps as
:func:`rlvebm_utils.fista`.

A step of length s = 1/L from v is shrink(v(I − sG) + s·b), with G = WᵀW and b = Wᵀy: one matrix
product, and the rest a few passes over memory. Convergence is only estimated on the way, in the
working precision; the float64 certificate comes once, at the end.
"""

import torch
from torch import Tensor
from torch.nn.functional import softshrink

from .energies import Certificate, _certificate

ROWS = 512  # of a batch on the CPU: its few working arrays stay in the cache
CHECK_EVERY = 8


def solve_batch(dictionary, y: Tensor, lam: Tensor, *, z0, nonnegative: bool, tol: float):
    """Codes, their certificate and iterations for samples y (N, d); lam: float64 (N,)."""
    rows = ROWS if y.device.type == "cpu" else len(y)
    parts = [
        _iterate(dictionary, *part, nonnegative, tol)
        for part in zip(
            y.split(rows),
            lam.split(rows),
            z0.split(rows) if z0 is not None else [None] * -(-len(y) // rows),
            strict=True,
        )
    ]
    z, iterations = (torch.cat(part) for part in zip(*parts, strict=True))
    bounds = _certificate(dictionary, y.double(), z.double(), lam, nonnegative)
    return z, Certificate(*bounds), iterations


def _iterate(dictionary, y: Tensor, lam: Tensor, z0, nonnegative: bool, tol: float, most=2000):
    """FISTA with a restart per row; rows that look finished leave the batch."""
    step = 1 / dictionary.lipschitz()
    contraction = torch.eye(dictionary.n_atoms).to(dictionary.gram) - step * dictionary.gram
    # In units of λ, so that one threshold serves all rows (a row with λ = 0 is left to others)
    unit = torch.where(lam > 0, lam, 1).to(y.dtype)[:, None]
    y = y / unit
    b, squared = dictionary.adjoint(y), y.square().sum(1)
    start = step * b
    z = torch.zeros_like(b) if z0 is None else z0 / unit
    v, t = z.clone(), torch.ones_like(squared)
    rows, result = torch.arange(len(y), device=y.device), torch.zeros_like(b)
    iterations = torch.zeros_like(rows)
    for k in range(1, most + 1):
        new = torch.addmm(start, v, contraction)
        new = new.sub_(step).relu_() if nonnegative else softshrink(new, step)
        move = new - z
        turned = v.sub_(new).mul_(move).sum(1) > 0  # v − z⁺ against the move: restart
        t_next = (1 + torch.sqrt(1 + 4 * t * t)) / 2
        momentum = torch.where(turned, 0, (t - 1) / t_next)
        t = torch.where(turned, 1, t_next)
        v, z = move.mul_(momentum[:, None]).add_(new), new
        if k % CHECK_EVERY and k < most:
            continue
        done = _finished(dictionary.gram, b, z, squared, nonnegative, tol)
        if k == most:
            done = torch.ones_like(done)
        if done.any():
            result[rows[done]], iterations[rows[done]] = z[done], k
            keep = ~done
            rows, b, start, z, v = rows[keep], b[keep], start[keep], z[keep], v[keep]
            squared, t = squared[keep], t[keep]
        if len(rows) == 0:
            break
    return result * unit, iterations


def _finished(G, b, z, squared, nonnegative: bool, tol: float) -> Tensor:
    """Whether the relative gap is below 0.9·tol, from b, z and c = b − Gz in the working
    precision, with λ = 1.
    """
    c = torch.addmm(b, z, G, alpha=-1)
    zb, zc = (z * b).sum(1), (z * c).sum(1)
    seen = (c if nonnegative else c.abs()).amax(1)
    residual, along = squared - zb - zc, squared - zb  # ‖y − Wz‖², ⟨y, y − Wz⟩
    scale = torch.minimum(along / residual, 1 / seen.clamp(min=0)).nan_to_num(1)
    dual = scale * along - 0.5 * scale.square() * residual
    gap = 0.5 * residual + z.abs().sum(1) - dual
    return (gap <= 0.9 * tol * dual) | (gap <= 0.5 * torch.finfo(z.dtype).eps * squared)
