"""Solvers of sparse coding, written once for every operator, penalty, batch, device and dtype.

The problem, for each sample y of a batch::

    min_z  ½‖y − Wz‖² + λR(z)          (R(z) = ‖z‖₁ unless another penalty is given)

Both solvers repeat the lecture's two half-steps: a gradient step of length 1/L on the first term,
then the proximal operator (shrinkage by λ/L) for the second. FISTA takes them from a point ahead of
the last code, along the last move.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from .energies import Certificate, certify
from .operators import Operator, undisturbed
from .penalties import Penalty
from .problem import Problem
from .progress import track
from .validate import check_count, check_flag, check_fraction


class ConvergenceWarning(UserWarning):
    """The cap on iterations was reached before every sample was certified."""


@dataclass(frozen=True)
class History:
    """What happened at each iteration; row 0 is the start. Float64 and int64 tensors of shape
    (iterations + 1, N).
    """

    energy: Tensor
    gap: Tensor
    nonzeros: Tensor

    def map(self, change: Callable[[Tensor], Tensor]) -> "History":
        """Each of the three tensors, changed: the column of one sample, say."""
        return History(change(self.energy), change(self.gap), change(self.nonzeros))


@dataclass(frozen=True)
class Solution:
    """Codes and what is certified about them, one entry per sample.

    z: the codes, in the dtype of y. certificate: the :class:`Certificate` of these codes.
    iterations: how many each sample took. converged: whether ``tol`` was certified (all False when
    no tolerance was asked for). made_by: the part of the package that computed each code, such as
    "solvers.fista" or "fast/codes.c"; a list, or one name for a single sample. history: a
    :class:`History` if asked for. interrupted: whether somebody stopped the call, so that the last
    samples may be missing (with ``sparse=True`` alone).
    """

    z: Tensor
    certificate: Certificate
    iterations: Tensor
    converged: Tensor
    made_by: list[str] | str
    history: History | None = None
    interrupted: bool = False

    @property
    def energy(self) -> Tensor:
        """E(y, z), float64."""
        return self.certificate.energy

    @property
    def gap(self) -> Tensor:
        """A bound on E(y, z) − min E, float64."""
        return self.certificate.gap

    @property
    def relative_gap(self) -> Tensor:
        """A bound on that excess as a share of min E, float64."""
        return self.certificate.relative_gap

    def pick(self, row: int | slice | Tensor) -> "Solution":
        """One row of a batch, as the solution of a single sample."""
        return Solution(
            self.z[row],
            self.certificate.map(lambda x: x[row]),
            self.iterations[row],
            self.converged[row],
            self.made_by[row],
            self.history and self.history.map(lambda x: x[:, row]),
        )


@dataclass(frozen=True)
class Options:
    """When to stop and what to tell (see :func:`ista`); checked, and numbers made Python's."""

    tol: float | None = 1e-4
    max_iter: int = 10_000
    history: bool = False
    progress: bool = False

    def __post_init__(self):
        set_field = partial(object.__setattr__, self)  # frozen for all others
        set_field("max_iter", check_count("max_iter", self.max_iter))
        if self.tol is not None:
            set_field("tol", check_fraction("tol", self.tol, 0, 1))
        check_flag("history", self.history)
        check_flag("progress", self.progress)


def ista(
    dictionary: Operator, y: Tensor, lam: float | Tensor, *, z0: Tensor | None = None,
    penalty: Penalty | None = None, nonnegative: bool = False, tol: float | None = 1e-4,
    max_iter: int = 10_000, history: bool = False, progress: bool = False,
) -> Solution:  # fmt: skip
    """The iterative shrinkage-thresholding algorithm: z ← shrink_{λ/L}(z − (1/L)·Wᵀ(Wz − y)).

    The energy falls at every step, and after k steps it is at most L‖z₀ − z*‖²/(2k) above its
    minimum.

    dictionary: an operator such as :class:`Dictionary`. y: one sample or a batch (rows). lam: λ ≥
    0, or one per sample. z0: where to start (zero if not given); it is not changed. penalty: R, the
    L1 norm unless another :class:`Penalty` is given. nonnegative: demand z ≥ 0, short for
    ``penalty=L1(nonnegative=True)``. tol: stop a sample once its *certified* relative duality gap
    is at most this (or its gap is below the rounding error of ½‖y‖²); None runs exactly
    ``max_iter`` iterations. history: record energy, gap and non-zeros at every iteration (costs a
    certificate each). progress: show a bar.

    Returns a :class:`Solution`. Warns with :class:`ConvergenceWarning` when ``max_iter`` was not
    enough. Raises TypeError or ValueError, naming the argument, on bad input. Source: I.
    Daubechies, M. Defrise, C. De Mol (2004); the rate: A. Beck and M. Teboulle (2009), theorem 3.1.

    >>> dictionary = Dictionary(torch.eye(2))
    >>> y = torch.tensor([3.0, 1.0])
    >>> [round(entry, 3) for entry in ista(dictionary, y, 1.5).z.tolist()]
    [1.5, 0.0]
    """
    problem = Problem.of(dictionary, y, lam, penalty, nonnegative)
    options = Options(tol, max_iter, history, progress)
    return solve(problem, z0, options, _Iteration, made_by="solvers.ista", momentum=False)


def fista(
    dictionary: Operator, y: Tensor, lam: float | Tensor, *, z0: Tensor | None = None,
    penalty: Penalty | None = None, nonnegative: bool = False, tol: float | None = 1e-4,
    max_iter: int = 10_000, restart: bool = True, history: bool = False, progress: bool = False,
) -> Solution:  # fmt: skip
    """*Fast* ISTA: the same step, taken from v = z + ((t − 1)/t′)·(z − z_last) with t′ = (1 + √(1 +
    4t²))/2.

    After k steps the energy is at most 2L‖z₀ − z*‖²/(k + 1)² above its minimum (without restart).
    With ``restart``, a sample whose step turns against its momentum drops it and begins again from
    t = 1: no ripples, and in practice a linear rate near the solution. Arguments, result and errors
    as for :func:`ista`.

    Source: A. Beck and M. Teboulle (2009), theorem 4.4; restart: B. O'Donoghue and E. Candès
    (2015), the gradient scheme.

    >>> dictionary = Dictionary(torch.eye(2))
    >>> y = torch.tensor([3.0, 1.0])
    >>> [round(entry, 3) for entry in fista(dictionary, y, 1.5).z.tolist()]
    [1.5, 0.0]
    """
    problem = Problem.of(dictionary, y, lam, penalty, nonnegative)
    options = Options(tol, max_iter, history, progress)
    check_flag("restart", restart)
    return solve(problem, z0, options, _Iteration, made_by="solvers.fista", restart=restart)


def solve(problem: Problem, z0, options: Options, method: type, **settings) -> Solution:
    """Run a method on a problem (see :func:`run`), from z0 or zero; undo the batching, and warn of
    samples that came to no end.
    """
    with undisturbed():
        solution = run(problem, problem.start(z0), options, method, **settings)
    warn_of_late(solution, options, stacklevel=4)
    return solution.pick(0) if problem.single else solution


def run(problem: Problem, z: Tensor, options: Options, method: type, **settings) -> Solution:
    """``method(problem, z, options, **settings)``, its ``iterate()``, then its ``solution()``, for
    the whole batch. z (N, …) is the method's own: it may be overwritten.
    """
    run = method(problem, z, options, **settings)
    run.iterate()
    return run.solution()


def run_fista(problem: Problem, z: Tensor, options: Options) -> Solution:
    """:func:`fista` on a problem that is checked already; the solution of the batch."""
    solution = run(problem, z, options, _Iteration, made_by="solvers.fista")
    warn_of_late(solution, options, stacklevel=5)
    return solution


def warn_of_late(solution: Solution, options: Options, stacklevel: int) -> None:
    """Say how many samples reached the cap without a certificate, if any."""
    late = ~solution.converged
    if options.tol is None or not late.any():
        return
    message = (
        f"{int(late.sum())} of {len(late)} samples did not reach tol={options.tol:g} in "
        f"max_iter={options.max_iter} iterations; largest certified relative gap "
        f"{float(solution.relative_gap[late].max()):.2g}"
    )
    warnings.warn(message, ConvergenceWarning, stacklevel=stacklevel)


class ProximalGradient:
    """The iteration itself: z the last codes, v where the next step starts, t FISTA's sequence.

    z: where to start, (N, …). step: 1/L. momentum: FISTA, else ISTA. restart: drop the momentum of
    a row whose step turns against it.
    """

    def __init__(self, z: Tensor, step: float, *, momentum: bool = True, restart: bool = True):
        self.z = self.v = z
        self.t = z.new_ones(len(z))
        self.step, self.momentum, self.restart = step, momentum, restart

    def advance(self, gradient: Callable, prox: Callable) -> None:
        """One step of ISTA from v, then (for FISTA) the extrapolation."""
        z = prox(self.v - self.step * gradient(self.v))
        self.v = self.extrapolate(z) if self.momentum else z
        self.z = z

    def extrapolate(self, z: Tensor) -> Tensor:
        """v = z + ((t − 1)/t′)(z − z_last), row by row; a row whose step turned back starts again
        without momentum.
        """
        move = z - self.z
        t_next = (1 + torch.sqrt(1 + 4 * self.t**2)) / 2
        share = (self.t - 1) / t_next
        if self.restart:
            turned = ((self.v - z) * move).flatten(1).sum(1) > 0
            share = torch.where(turned, 0, share)
            t_next = torch.where(turned, 1, t_next)
        self.t = t_next
        return z + share.reshape(-1, *(1,) * (z.ndim - 1)) * move

    def keep(self, rows) -> None:
        """Go on with these rows only."""
        self.z, self.v, self.t = self.z[rows], self.v[rows], self.t[rows]


class Ledger:
    """What is known of every sample of a batch, and which of them still run.

    problem: the samples that still run; rows: their places in the batch. A sample that is good
    enough leaves, and costs no more.
    """

    def __init__(self, problem: Problem, z: Tensor, made_by: str):
        self.problem, self.whole = problem, problem
        self.rows = torch.arange(len(z), device=z.device)
        self.z = z
        self.energy = torch.zeros(len(z), dtype=torch.float64, device=z.device)
        self.dual = torch.full_like(self.energy, -torch.inf)
        self.iterations = torch.zeros_like(self.rows)
        self.converged = torch.zeros_like(self.rows, dtype=torch.bool)
        self.made_by = [made_by] * len(z)

    def write(self, z: Tensor, certificate: Certificate) -> None:
        """Codes and certificate of the samples that run."""
        self.z[self.rows] = z
        self.energy[self.rows] = certificate.energy
        self.dual[self.rows] = certificate.dual

    def retire(self, certificate: Certificate, tol: float) -> Tensor | None:
        """Let the samples go that are good enough. Returns which rows stay, or None when all do.

        How many stay is all that the host asks a device for, once.
        """
        done = certificate.done(tol)
        stay = torch.nonzero(~done).flatten()
        if len(stay) == len(done):
            return None
        self.converged[self.rows] = done
        self.rows, self.problem = self.rows[stay], self.problem.pick(stay)
        return stay

    def replace(self, rows: Tensor, better: Solution) -> None:
        """Other codes for some samples of the batch; their iterations add up."""
        places = torch.nonzero(rows).flatten() if rows.dtype == torch.bool else rows
        self.z[places] = better.z
        self.energy[places] = better.certificate.energy
        self.dual[places] = better.certificate.dual
        self.iterations[places] += better.iterations
        self.converged[places] = better.converged
        for place, name in zip(places.tolist(), better.made_by, strict=True):
            self.made_by[place] = name

    @property
    def certificate(self) -> Certificate:
        """Of all samples, as far as it was written."""
        return Certificate(self.energy, self.dual, self.whole.rounding)

    def solution(self, history: History | None = None) -> Solution:
        """All that is known, as the caller gets it."""
        return Solution(
            self.z, self.certificate, self.iterations, self.converged, self.made_by, history
        )


class _Iteration:
    """ISTA or FISTA on the rows that are not certified yet."""

    def __init__(self, problem: Problem, z: Tensor, options: Options, *, made_by: str, **kind):
        self.options = options
        self.steps = ProximalGradient(z, 1 / problem.operator.lipschitz(), **kind)
        self.ledger = Ledger(problem, z.clone(), made_by)
        self.records: list[History] = []
        self.prepare()

    def prepare(self) -> None:
        """What the rows that run need at each step."""
        problem = self.ledger.problem
        self.gradient = problem.gradient()
        self.threshold = problem.column((problem.lam * self.steps.step).to(problem.y.dtype))

    def iterate(self) -> None:
        options, next_check = self.options, 10
        if options.history:
            self.certify()
            self.record()
        for k in track(range(1, options.max_iter + 1), "sparse coding", show=options.progress):
            self.steps.advance(self.gradient, self.prox)
            self.ledger.iterations[self.ledger.rows] = k
            last, due = k == options.max_iter, options.tol is not None and k >= next_check
            if due or options.history or last:
                self.look(retire=due or last)
            if due:
                next_check = max(k + 10, k * 5 // 4)
            if len(self.ledger.rows) == 0:
                break

    def prox(self, v: Tensor) -> Tensor:
        return self.ledger.problem.penalty.prox(v, self.threshold)

    def look(self, retire: bool) -> None:
        """See how far the rows are; let those go that are good enough."""
        certificate = self.certify()
        if self.options.history:
            self.record()
        if retire and self.options.tol is not None:
            stay = self.ledger.retire(certificate, self.options.tol)
            if stay is not None:
                self.steps.keep(stay)
                self.prepare()

    def certify(self) -> Certificate:
        """The certificate of the rows at hand, in float64; written down with the codes."""
        certificate = certify(self.ledger.problem, self.steps.z)
        self.ledger.write(self.steps.z, certificate)
        return certificate

    def record(self) -> None:
        known = self.ledger
        nonzeros = (known.z != 0).flatten(1).sum(1)
        self.records.append(History(known.energy.clone(), known.certificate.gap, nonzeros))

    def solution(self) -> Solution:
        if not self.records:
            return self.ledger.solution()
        columns = ("energy", "gap", "nonzeros")
        stacked = (torch.stack([getattr(r, name) for r in self.records]) for name in columns)
        return self.ledger.solution(History(*stacked))
