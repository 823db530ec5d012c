"""FISTA for batches, written for speed with torch alone: the problem of
:func:`rlvebm_utils.fista`, with a step size for each sample.

A step of length 1/L from v is shrink(v + c/L), where c = b − Gv, G = WᵀW and b = Wᵀy. The L that is
safe everywhere, the largest eigenvalue of G, is far too careful for most samples. What counts is
the curvature dᵀGd/dᵀd along the sample's own last step d, so L follows that, and it falls a little
with each step in case the way ahead is flatter. This is a rule of thumb, without FISTA's guarantee:
the float64 certificate at the end says whether it worked, and the samples where it did not go to
the reference.

A sample's code does not depend on the others in its batch: it is the one of the check at which the
sample was done, though it may leave later; and a batch is filled up to whole tiles of a matrix
product, which rounds a row of a part of a tile otherwise (torch on x86: 1, 2, 3 or 6 rows).

c is linear, so it takes part in the momentum: one matrix product a step, and the rest a few passes
over memory. Whether a sample is done is estimated on the way in the working precision.

Sources: B. O'Donoghue, E. Candès, *Adaptive restart for accelerated gradient schemes* (2015); steps
that grow again, with a guarantee: K. Scheinberg, D. Goldfarb, X. Bai, *Fast first-order methods for
composite convex optimization with backtracking* (2014).
"""

import torch
from torch import Tensor
from torch.nn.functional import pad, softshrink

from ..energies import Certificate, certify
from ..problem import Problem
from ..solvers import Ledger

ROWS = 1024  # of a batch on the CPU: its arrays stay in the cache from one pass to the next
CHECK_EVERY = 6
TILE = 16  # rows
LEAVE = 0.1  # rows leave together, when they are this share of the batch


def solve_batch(problem: Problem, z: Tensor, tol: float) -> Ledger:
    """Codes of samples (N, d), from the codes z, with their certificates and iterations."""
    ledger = Ledger(problem, z, "fast/steps.py")
    size = ROWS if z.device.type == "cpu" else len(z)
    for first in range(0, len(z), size):
        rows = slice(first, first + size)
        found = _iterate(problem.pick(rows), z[rows], tol)
        z[rows], ledger.iterations[rows] = found
    found = certify(problem, z)
    ledger.energy, ledger.dual = found.energy, found.dual
    return ledger


def _iterate(problem: Problem, z0: Tensor, tol: float, most=2000) -> tuple[Tensor, Tensor]:
    """FISTA with steps and restarts per row; rows that look finished leave the batch."""
    dictionary, y, lam = problem.operator, problem.y, problem.lam
    nonnegative = problem.penalty.nonnegative
    G, safe = dictionary.gram, dictionary.lipschitz()
    count, more = len(y), (0, 0, 0, -len(y) % TILE)
    y, z0 = (pad(x, more) if more[3] else x for x in (y, z0))
    lam = pad(lam, more[2:])
    # In units of λ, so that one threshold serves all rows (a row with λ = 0 is left to others)
    unit = torch.where(lam > 0, lam, 1).to(y.dtype)[:, None]
    y = y / unit
    b, squared = dictionary.adjoint(y), y.square().sum(1)
    z = z0 / unit
    c = torch.addmm(b, z, G, alpha=-1)
    v, c_v = z.clone(), c.clone()  # the one memory of all their values
    t, L = torch.ones_like(squared), torch.full_like(squared, safe)
    rows, result = torch.arange(len(y), device=y.device), torch.zeros_like(b)
    when, iterations = torch.zeros_like(rows), torch.zeros_like(rows)
    done, best = rows < 0, z  # best: of what is done, the code that it was done with
    for k in range(1, most + 1):
        new = torch.addcmul(c_v, v, L[:, None])
        new = (new.sub_(1).relu_() if nonnegative else softshrink(new, 1)).mul_(1 / L[:, None])
        c_new = torch.addmm(b, new, G, alpha=-1)
        back, change = v.sub_(new), c_v.sub_(c_new)
        length = torch.linalg.vector_norm(back, dim=1)
        curvature = -change.mul_(back).sum(1) / length.square()
        # Without a move the curvature is NaN and L falls, but not to 0
        L = torch.fmax(0.9 * L, 1.2 * curvature).clamp(1e-4 * safe, safe)
        turned = (new - z).mul_(back).sum(1) > 0  # against the move: restart
        t_next = (1 + torch.sqrt(1 + 4 * t * t)) / 2
        along = torch.where(turned, 1, 1 + (t - 1) / t_next)[:, None]
        t = torch.where(turned, 1, t_next)
        torch.lerp(z, new, along, out=v)
        torch.lerp(c, c_new, along, out=c_v)
        z, c = new, c_new
        if k % CHECK_EVERY and k < most:
            continue
        best, when = torch.where(done[:, None], best, z), torch.where(done, when, k)
        done = done | _finished(b, z, c, squared, nonnegative, tol)
        # The one time that the host waits for a device
        late = int((~done).sum()) if k < most else 0
        some = -(-late // TILE) * TILE
        if len(rows) - some >= LEAVE * len(rows):
            result[rows], iterations[rows] = best, when  # of those that stay once more, later
            stay = done.to(torch.uint8).argsort(stable=True)[:some]
            rows, b, z, c, v, c_v, squared, t, L, best, when, done = (
                x[stay] for x in (rows, b, z, c, v, c_v, squared, t, L, best, when, done)
            )
        if late == 0:
            break
    return (result * unit)[:count], iterations[:count]


def _finished(b, z, c, squared, nonnegative: bool, tol: float) -> Tensor:
    """Whether the relative gap is below 0.9·tol, from b, z and c = b − Gz in the working
    precision, with λ = 1.
    """
    zb, zc = (z * b).sum(1), (z * c).sum(1)
    norm = torch.linalg.vector_norm
    seen = c.amax(1) if nonnegative else norm(c, torch.inf, dim=1)
    residual, along = squared - zb - zc, squared - zb  # ‖y − Wz‖², ⟨y, y − Wz⟩
    most = 1 / seen.clamp(min=0)
    least = torch.zeros_like(most) if nonnegative else -most
    scale = (along / residual).clamp(least, most).nan_to_num(1)
    dual = scale * along - 0.5 * scale.square() * residual
    energy, rounding = 0.5 * residual + norm(z, 1, dim=1), 0.5 * torch.finfo(z.dtype).eps * squared
    return Certificate(energy, dual, rounding).done(0.9 * tol)
