"""The energy of sparse coding, and what certifies that a code is close to the best.

One convention in the whole course::

    E(y, z) = ½‖y − Wz‖² + λ‖z‖₁
 (The lecture writes ‖y − Wz‖² without the ½, but iterates for the form above; notebook 02 shows the
factor.)
 Every function takes one sample or a batch and returns one float64 number per sample: with float32
data too, since a difference of energies is small beside the energies. Only samples, codes and the
dictionary must agree in dtype and device.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from .validate import check_dictionary, check_lam


class Certificate(NamedTuple):
    """What is known of a code z: E(y, z) ≥ min E ≥ ``dual``. Float64, one entry per sample."""

    energy: Tensor
    dual: Tensor

    @property
    def gap(self) -> Tensor:
        """energy − dual: at least as large as the distance to the smallest energy."""
        return (self.energy - self.dual).clamp(min=0)

    @property
    def relative_gap(self) -> Tensor:
        """gap / dual, an upper bound on the excess (E − min E)/min E. Infinite while the dual value
        is not positive.
        """
        relative = self.gap / self.dual.clamp(min=0)
        return torch.where(self.gap == 0, 0.0, relative)  # NaN (overflow) stays NaN


def energy(dictionary, y: Tensor, z: Tensor, lam: float | Tensor) -> Tensor:
    """E(y, z) = ½‖y − Wz‖² + λ‖z‖₁ of each sample.

    y: (d,) or (N, d); z: (n,) or (N, n); lam: a number ≥ 0 or one per sample. Returns float64,
    shape () or (N,).
    """
    y, z, lam, unbatch = _prepare(dictionary, y, z, lam)
    return unbatch(_energy(y - dictionary.in_float64.decode(z), z, lam))


def lambda_max(dictionary, y: Tensor, nonnegative: bool = False) -> Tensor:
    """The smallest λ at which z = 0 is the best code: ‖Wᵀy‖_∞, or max(Wᵀy, 0) for non-negative
    codes.

    y: (d,) or (N, d). Returns float64, shape () or (N,). The natural unit of λ: at half of it the
    code is sparse, at all of it empty.
    """
    check_dictionary(dictionary)
    dictionary.check_samples(y)
    correlation = _over_code(dictionary.in_float64.adjoint(y.detach().double()), dictionary)
    return correlation.amax(-1).clamp(min=0) if nonnegative else correlation.abs().amax(-1)


def duality_gap(
    dictionary, y: Tensor, z: Tensor, lam: float | Tensor, nonnegative: bool = False
) -> Tensor:
    """How far E(y, z) can be above min_z E(y, z), at most. Float64, ≥ 0, shape () or (N,).

    See :func:`certificate`, which also returns the two values whose difference this is.
    """
    return certificate(dictionary, y, z, lam, nonnegative).gap


def certificate(
    dictionary, y: Tensor, z: Tensor, lam: float | Tensor, nonnegative: bool = False
) -> Certificate:
    """The energy of a code and a lower bound on the energy of every code.

    The dual problem: max_u ⟨y, u⟩ − ½‖u‖² subject to ‖Wᵀu‖_∞ ≤ λ (for non-negative codes: Wᵀu ≤ λ).
    Any feasible u gives a lower bound. At the best code u is the residual r = y − Wz; elsewhere r
    is scaled until it is feasible, as far as the constraint allows and no further than is best. At
    λ = 0 the part of r that no code can reach is feasible as it is and stays whole, so that the
    bound is tight there too (for non-negative codes only where no constraint z ≥ 0 is active).

    Source: L. El Ghaoui, V. Viallon, T. Rabbani, *Safe feature elimination* (2012), section 2; λ =
    0 is ours. Raises ValueError when ``nonnegative`` is asked for and z has a negative entry.
    """
    y, z, lam, unbatch = _prepare(dictionary, y, z, lam, nonnegative)
    return Certificate(*map(unbatch, _certificate(dictionary, y, z, lam, nonnegative)))


def kkt_residual(
    dictionary, y: Tensor, z: Tensor, lam: float | Tensor, nonnegative: bool = False
) -> Tensor:
    """How far z is from satisfying the optimality (KKT) conditions, in the units of λ. Float64,
    shape () or (N,).

    z is the best code exactly when, with c = Wᵀ(y − Wz): c_j = λ·sign(z_j) where z_j ≠ 0, and |c_j|
    ≤ λ where z_j = 0 (for non-negative codes c_j ≤ λ there). Returned is the largest violation over
    the entries.
    """
    y, z, lam, unbatch = _prepare(dictionary, y, z, lam, nonnegative)
    operator = dictionary.in_float64
    c = _over_code(operator.adjoint(y - operator.decode(z)), dictionary)
    z, lam = _over_code(z, dictionary), lam[:, None]
    off_support = (c if nonnegative else c.abs()) - lam
    violation = torch.where(z == 0, off_support.clamp(min=0), (c - lam * z.sign()).abs())
    return unbatch(violation.amax(-1))


# ---- the same in float64 on a checked batch; the solvers call these ----


def _certificate(dictionary, y: Tensor, z: Tensor, lam: Tensor, nonnegative: bool) -> Certificate:
    operator = dictionary.in_float64
    r = y - operator.decode(z)
    c = _over_code(operator.adjoint(r), dictionary)
    seen = c.amax(-1) if nonnegative else c.abs().amax(-1)
    return _bounds(operator, y, z, r, seen, lam, nonnegative)


def _bounds(operator, y: Tensor, z: Tensor, r: Tensor, seen: Tensor, lam: Tensor, nonnegative):
    """The certificate from the residuals r = y − Wz and, of each, the largest of Wᵀr."""
    r, y = r.flatten(1), y.flatten(1)
    # The best multiple of r is ⟨y, r⟩/‖r‖²; feasible multiples end at λ / max Wᵀr.
    squared = r.square().sum(-1)
    best = torch.where(squared > 0, (y * r).sum(-1) / squared, 1.0)
    most = torch.where(seen > 0, lam / seen, torch.inf)
    least = torch.zeros_like(most) if nonnegative else -most
    u = torch.clamp(best, least, most)[:, None] * r

    # At λ = 0 feasible means out of every atom's reach (for non-negative codes: against all).
    bound = lam == 0 if not nonnegative else (lam == 0) & (seen > 0)
    if bound.any():
        whole = operator.unreachable(r) if operator.unreachable else torch.zeros_like(r)
        u = torch.where(bound[:, None], whole, u)
    dual = (y * u).sum(-1) - 0.5 * u.square().sum(-1)
    return Certificate(_energy(r, z, lam), dual)


def _energy(r: Tensor, z: Tensor, lam: Tensor) -> Tensor:
    fit = 0.5 * r.flatten(1).square().sum(1)
    return fit + lam * z.flatten(1).abs().sum(1)


def _prepare(dictionary, y: Tensor, z: Tensor, lam, nonnegative: bool = False):
    """Check everything; return float64 batches and the function that undoes the batching."""
    check_dictionary(dictionary)
    dictionary.check_samples(y)
    dictionary.check_codes(z, y)
    if nonnegative and (z < 0).any():
        raise ValueError(f"z: expected non-negative codes, got a minimum of {float(z.min())}")
    single = y.ndim == dictionary.sample_ndim
    if single:
        y, z = y[None], z[None]
    lam = check_lam(lam, len(y), y.device)
    y, z = y.detach().double(), z.detach().double()
    return y, z, lam, (lambda x: x[0]) if single else (lambda x: x)


def _over_code(x: Tensor, dictionary) -> Tensor:
    return x.flatten(-dictionary.code_ndim) if dictionary.code_ndim > 1 else x
