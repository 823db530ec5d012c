"""The energy of sparse coding, and what certifies that a code is close to the best.

One convention in the whole course::

    E(y, z) = ½‖y − Wz‖² + λR(z),  with R(z) = ‖z‖₁ unless another penalty is given

(The lecture writes ‖y − Wz‖² without the ½, but iterates for the form above; notebook 02 shows the
factor.)

Every function takes one sample or a batch and returns one float64 number per sample: with float32
data too, since a difference of energies is small beside the energies. Only samples, codes and the
dictionary must agree in dtype and device. ``nonnegative=True`` is short for
``penalty=L1(nonnegative=True)``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .operators import Operator, undisturbed
from .penalties import Penalty
from .problem import Problem


@dataclass(frozen=True)
class Certificate:
    """What is known of a code z: E(y, z) ≥ min E ≥ ``dual``. Float64, one entry per sample.

    rounding: how well an energy can be known at all, ½ε‖y‖² in the dtype of the samples.
    """

    energy: Tensor
    dual: Tensor
    rounding: Tensor

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

    def done(self, tol: float | None) -> Tensor:
        """The one rule for "good enough": the relative gap is at most tol, or rounding hides what
        is left. Nobody is done without a tolerance, nor with a NaN.
        """
        if tol is None:
            return torch.zeros_like(self.gap, dtype=torch.bool)
        gap = self.gap
        return (gap <= tol * self.dual.clamp(min=0)) | (gap <= self.rounding)

    def map(self, change: Callable[[Tensor], Tensor]) -> "Certificate":
        """Each of the three tensors, changed: some rows of them, say."""
        return Certificate(change(self.energy), change(self.dual), change(self.rounding))


def energy(
    dictionary: Operator, y: Tensor, z: Tensor, lam: float | Tensor, *,
    penalty: Penalty | None = None,
) -> Tensor:  # fmt: skip
    """E(y, z) = ½‖y − Wz‖² + λR(z) of each sample.

    y: (d,) or (N, d); z: (n,) or (N, n); lam: a number ≥ 0 or one per sample; penalty: the L1 norm
    unless given. Returns float64, shape () or (N,). Raises TypeError or ValueError, naming the
    argument, on bad input.
    """
    problem = Problem.of(dictionary, y, lam, penalty)
    z = problem.codes(z).double()
    with undisturbed():
        return problem.unbatch(_energy(residual(problem, z), problem.penalty.value(z), problem.lam))


def lambda_max(
    dictionary: Operator, y: Tensor, nonnegative: bool = False, *, penalty: Penalty | None = None
) -> Tensor:
    """The smallest λ at which z = 0 is the best code: the dual norm of Wᵀy.

    That is ‖Wᵀy‖_∞, or the largest entry of max(Wᵀy, 0) for non-negative codes. y: (d,) or (N, d).
    Returns float64, shape () or (N,). The natural unit of λ: at half of it the code is sparse, at
    all of it empty.

    >>> dictionary = Dictionary(torch.eye(2))
    >>> y = torch.tensor([3.0, 1.0])
    >>> lambda_max(dictionary, y)
    tensor(3., dtype=torch.float64)
    """
    problem = Problem.of(dictionary, y, 0.0, penalty, nonnegative)
    exact = problem.in_float64
    with undisturbed():
        return problem.unbatch(problem.penalty.dual_norm(exact.operator.adjoint(exact.y)))


def duality_gap(
    dictionary: Operator, y: Tensor, z: Tensor, lam: float | Tensor, nonnegative: bool = False, *,
    penalty: Penalty | None = None,
) -> Tensor:  # fmt: skip
    """How far E(y, z) can be above min_z E(y, z), at most. Float64, ≥ 0, shape () or (N,).

    See :func:`certificate`, which also returns the two values whose difference this is.
    """
    return certificate(dictionary, y, z, lam, nonnegative, penalty=penalty).gap


def certificate(
    dictionary: Operator, y: Tensor, z: Tensor, lam: float | Tensor, nonnegative: bool = False, *,
    penalty: Penalty | None = None,
) -> Certificate:  # fmt: skip
    """The energy of a code and a lower bound on the energy of every code.

    The dual problem: max_u ⟨y, u⟩ − ½‖u‖² subject to R*(Wᵀu) ≤ λ, where R* is the penalty's dual
    norm (L1: ‖Wᵀu‖_∞ ≤ λ; for non-negative codes: Wᵀu ≤ λ). Any feasible u gives a lower bound. At
    the best code u is the residual r = y − Wz; elsewhere r is scaled until it is feasible, as far
    as the constraint allows and no further than is best. At λ = 0 the part of r that no code can
    reach is feasible as it is and stays whole, so that the bound is tight there too (for
    non-negative codes only where no constraint z ≥ 0 is active).

    Source: L. El Ghaoui, V. Viallon, T. Rabbani, *Safe feature elimination* (2012), section 2; λ =
    0 is ours. Raises ValueError when ``nonnegative`` is asked for and z has a negative entry.
    """
    problem = Problem.of(dictionary, y, lam, penalty, nonnegative)
    with undisturbed():
        return certify(problem, problem.codes(z)).map(problem.unbatch)


def kkt_residual(
    dictionary: Operator, y: Tensor, z: Tensor, lam: float | Tensor, nonnegative: bool = False, *,
    penalty: Penalty | None = None,
) -> Tensor:  # fmt: skip
    """How far z is from satisfying the optimality (KKT) conditions, in the units of λ. Float64,
    shape () or (N,).

    z is the best code exactly when c = Wᵀ(y − Wz) lies in λ∂R(z). For the L1 norm: c_j =
    λ·sign(z_j) where z_j ≠ 0, and |c_j| ≤ λ where z_j = 0 (for non-negative codes c_j ≤ λ there).
    Returned is the largest violation over the entries, or over the groups.
    """
    problem = Problem.of(dictionary, y, lam, penalty, nonnegative)
    z = problem.codes(z).double()
    with undisturbed():
        c = problem.operator.in_float64.adjoint(residual(problem, z))
        return problem.unbatch(problem.penalty.distance(c, z, problem.lam))


# ---- the same on a problem that is checked and batched; the solvers call these ----


def residual(problem: Problem, z: Tensor) -> Tensor:
    """r = y − Wz in float64, for codes in float64."""
    exact = problem.in_float64
    return exact.y - exact.operator.decode(z)


def certify(problem: Problem, z: Tensor) -> Certificate:
    """The certificate of codes (N, …), all of it computed from them in float64."""
    z = z.double()
    r = residual(problem, z)
    seen = problem.penalty.dual_norm(problem.operator.in_float64.adjoint(r))
    return bounds(problem, r, seen, problem.penalty.value(z))


def bounds(problem: Problem, r: Tensor, seen: Tensor, value: Tensor) -> Certificate:
    """The certificate from what it needs of the codes, in float64: the residuals r = y − Wz, the
    dual norm of Wᵀr and R(z).
    """
    scaled = _best_feasible_scale(problem, r, seen)
    u = problem.column_of_samples(scaled) * r
    if problem.free:  # at λ = 0 feasible means out of every atom's reach
        whole = problem.operator.in_float64.unreachable(r)
        u = torch.where(problem.column_of_samples((problem.lam == 0) & (seen > 0)), whole, u)
    dual = _dots(problem.in_float64.y, u) - 0.5 * _dots(u, u)
    return Certificate(_energy(r, value, problem.lam), dual, problem.rounding)


def _best_feasible_scale(problem: Problem, r: Tensor, seen: Tensor) -> Tensor:
    """The best multiple of r is ⟨y, r⟩/‖r‖²; feasible multiples end at λ over the dual norm."""
    squared = _dots(r, r)
    best = torch.where(squared > 0, _dots(problem.in_float64.y, r) / squared, 1.0)
    most = torch.where(seen > 0, problem.lam / seen, torch.inf)
    least = -most if problem.penalty.symmetric else torch.zeros_like(most)
    return torch.clamp(best, least, most)


def _energy(r: Tensor, value: Tensor, lam: Tensor) -> Tensor:
    return 0.5 * _dots(r, r) + lam * value


def _dots(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).flatten(1).sum(1)
