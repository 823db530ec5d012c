"""Solvers of sparse coding, written once for every operator, batch, device and dtype.

The problem, for each sample y of a batch::

    min_z  ½‖y − Wz‖² + λ‖z‖₁          (and z ≥ 0 if asked for)
 Both solvers repeat the lecture's two half-steps: a gradient step of length 1/L on the first term,
then the proximal operator (shrinkage by λ/L) for the second. FISTA takes them from a point ahead of
the last code, along the last move.
"""

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from .energies import Certificate, _certificate
from .penalties import nonnegative_soft_threshold, soft_threshold
from .progress import track
from .validate import check_count, check_dictionary, check_fraction, check_lam


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


@dataclass(frozen=True)
class Solution:
    """Codes and what is certified about them, one entry per sample.

    z: the codes, in the dtype of y. energy: E(y, z), float64. gap: a bound on E(y, z) − min E.
    relative_gap: a bound on that excess as a share of min E. iterations: how many each sample took.
    converged: whether ``tol`` was certified (all False when no tolerance was asked for). history: a
    :class:`History` if asked for.
    """

    z: Tensor
    energy: Tensor
    gap: Tensor
    relative_gap: Tensor
    iterations: Tensor
    converged: Tensor
    history: History | None = None


def ista(
    dictionary,
    y: Tensor,
    lam: float | Tensor,
    *,
    z0: Tensor | None = None,
    nonnegative: bool = False,
    tol: float | None = 1e-4,
    max_iter: int = 10_000,
    history: bool = False,
    progress: bool = False,
) -> Solution:
    """The iterative shrinkage-thresholding algorithm: z ← shrink_{λ/L}(z − (1/L)·Wᵀ(Wz − y)).

    The energy falls at every step, and after k steps it is at most L‖z₀ − z*‖²/(2k) above its
    minimum.

    dictionary: an operator such as :class:`Dictionary`. y: one sample or a batch (rows). lam: λ ≥
    0, or one per sample. z0: where to start (zero if not given); it is not changed. nonnegative:
    demand z ≥ 0. tol: stop a sample once its *certified* relative duality gap is at most this (or
    its gap is below the rounding error of ½‖y‖²); None runs exactly ``max_iter`` iterations.
    history: record energy, gap and non-zeros at every iteration (costs a certificate each).
    progress: show a bar.

    Returns a :class:`Solution`. Warns with :class:`ConvergenceWarning` when ``max_iter`` was not
    enough. Raises TypeError or ValueError, naming the argument, on bad input. Source: I.
    Daubechies, M. Defrise, C. De Mol (2004); the rate: A. Beck and M. Teboulle (2009), theorem 3.1.
    """
    options = _Options(nonnegative, tol, max_iter, history, progress, momentum=False, restart=False)
    return _solve(dictionary, y, lam, z0, options)


def fista(
    dictionary,
    y: Tensor,
    lam: float | Tensor,
    *,
    z0: Tensor | None = None,
    nonnegative: bool = False,
    tol: float | None = 1e-4,
    max_iter: int = 10_000,
    restart: bool = True,
    history: bool = False,
    progress: bool = False,
) -> Solution:
    """*Fast* ISTA: the same step, taken from v = z + ((t − 1)/t′)·(z − z_last) with t′ = (1 + √(1 +
    4t²))/2.

    After k steps the energy is at most 2L‖z₀ − z*‖²/(k + 1)² above its minimum (without restart).
    With ``restart``, a sample whose step turns against its momentum drops it and begins again from
    t = 1: no ripples, and in practice a linear rate near the solution. Arguments, result and errors
    as for :func:`ista`.

    Source: A. Beck and M. Teboulle (2009), theorem 4.4; restart: B. O'Donoghue and E. Candès
    (2015), the gradient scheme.
    """
    options = _Options(
        nonnegative, tol, max_iter, history, progress, momentum=True, restart=restart
    )
    return _solve(dictionary, y, lam, z0, options)


@dataclass(frozen=True)
class _Options:
    nonnegative: bool
    tol: float | None
    max_iter: int
    history: bool
    progress: bool
    momentum: bool
    restart: bool


def _solve(dictionary, y, lam, z0, options: _Options, method=None) -> Solution:
    """Check and batch the arguments, run (as :class:`_Run` if no other method), undo the
    batching.
    """
    check_dictionary(dictionary)
    dictionary.check_samples(y)
    if z0 is not None:
        dictionary.check_codes(z0, y, name="z0")
        if options.nonnegative and (z0 < 0).any():
            raise ValueError(f"z0: expected non-negative codes, got a minimum of {float(z0.min())}")
    check_count("max_iter", options.max_iter)
    if options.tol is not None:
        check_fraction("tol", options.tol, 0, 1)

    single = y.ndim == dictionary.sample_ndim
    y = y.detach()[None] if single else y.detach()
    lam = check_lam(lam, len(y), y.device)
    if z0 is None:
        z = torch.zeros_like(dictionary.adjoint(y))
    else:
        z = z0.detach()[None].clone() if single else z0.detach().clone()

    run = (method or _Run)(dictionary, y, lam, z, options)
    run.iterate()
    solution = run.solution()
    if options.tol is not None and not solution.converged.all():
        late = ~solution.converged
        message = (
            f"{int(late.sum())} of {len(y)} samples did not reach tol={options.tol:g} in "
            f"max_iter={options.max_iter} iterations; largest certified relative gap "
            f"{float(solution.relative_gap[late].max()):.2g}"
        )
        warnings.warn(message, ConvergenceWarning, stacklevel=3)
    return _first(solution) if single else solution


class _Run:
    """The iteration on the rows that are not certified yet; a row that is moves to the results and
    costs no more.
    """

    def __init__(self, dictionary, y: Tensor, lam: Tensor, z: Tensor, options: _Options):
        self.dictionary, self.options = dictionary, options
        self.shape = (-1,) + (
            1,
        ) * dictionary.code_ndim  # one number per row, ready to multiply codes
        self.step = 1 / dictionary.lipschitz()
        self.result = z.clone()
        self.iterations = torch.zeros(len(y), dtype=torch.int64, device=y.device)
        self.converged = torch.zeros(len(y), dtype=torch.bool, device=y.device)
        self.energy = torch.zeros(len(y), dtype=torch.float64, device=y.device)
        self.dual = torch.zeros_like(self.energy)
        self.records: list[tuple[Tensor, Tensor, Tensor]] = []
        self.rows = torch.arange(len(y), device=y.device)
        self.keep_rows(
            slice(None), y, lam, z, z, torch.ones(len(y), dtype=y.dtype, device=y.device)
        )

    def keep_rows(self, keep, y, lam, z, v, t) -> None:
        """Go on with these rows only. z: the last codes, v: where the next step starts, t: FISTA's
        sequence.
        """
        self.rows = self.rows[keep]
        self.y, self.lam, self.z, self.v, self.t = y[keep], lam[keep], z[keep], v[keep], t[keep]
        self.gradient = self.dictionary.gradient(self.y)
        self.threshold = (self.lam * self.step).to(y.dtype).reshape(self.shape)

    def iterate(self) -> None:
        options = self.options
        if options.history:
            self.certify()
            self.record()
        next_check = 10
        for k in track(range(1, options.max_iter + 1), "sparse coding", show=options.progress):
            self.advance()
            self.iterations[self.rows] = k
            due = options.tol is not None and k >= next_check
            if due or options.history or k == options.max_iter:
                certificate = self.certify()
                if options.history:
                    self.record()
                if options.tol is not None and (due or k == options.max_iter):
                    self.retire(certificate)
                    next_check = max(k + 10, k * 5 // 4)
            if len(self.rows) == 0:
                break

    def advance(self) -> None:
        """One step of ISTA from v, then (for FISTA) the extrapolation."""
        shrink = nonnegative_soft_threshold if self.options.nonnegative else soft_threshold
        z = shrink(self.v - self.step * self.gradient(self.v), self.threshold)
        self.v = self.extrapolate(z) if self.options.momentum else z
        self.z = z

    def extrapolate(self, z: Tensor) -> Tensor:
        """v = z + ((t − 1)/t′)(z − z_last), row by row; a row whose step turned back starts again
        without momentum.
        """
        move = z - self.z
        t_next = (1 + torch.sqrt(1 + 4 * self.t**2)) / 2
        momentum = (self.t - 1) / t_next
        if self.options.restart:
            turned = ((self.v - z) * move).flatten(1).sum(1) > 0
            momentum = torch.where(turned, 0, momentum)
            t_next = torch.where(turned, 1, t_next)
        self.t = t_next
        return z + momentum.reshape(self.shape) * move

    def certify(self) -> Certificate:
        """The certificate of the rows at hand, in float64; written to the results with the
        codes.
        """
        y, z = self.y.double(), self.z.double()
        certificate = Certificate(
            *_certificate(self.dictionary, y, z, self.lam, self.options.nonnegative)
        )
        self.result[self.rows] = self.z
        self.energy[self.rows] = certificate.energy
        self.dual[self.rows] = certificate.dual
        return certificate

    def retire(self, certificate: Certificate) -> None:
        """Take the rows that are good enough out of the iteration."""
        rounding = torch.finfo(self.y.dtype).eps * 0.5 * self.y.double().flatten(1).square().sum(1)
        done = (certificate.relative_gap <= self.options.tol) | (certificate.gap <= rounding)
        if done.any():
            self.converged[self.rows[done]] = True
            self.keep_rows(~done, self.y, self.lam, self.z, self.v, self.t)

    def record(self) -> None:
        nonzeros = (self.result != 0).flatten(1).sum(1)
        gap = Certificate(self.energy, self.dual).gap
        self.records.append((self.energy.clone(), gap, nonzeros))

    def solution(self) -> Solution:
        history = (
            History(*map(torch.stack, zip(*self.records, strict=True))) if self.records else None
        )
        bounds = Certificate(self.energy, self.dual)
        return Solution(
            self.result,
            self.energy,
            bounds.gap,
            bounds.relative_gap,
            self.iterations,
            self.converged,
            history,
        )


def _first(s: Solution) -> Solution:
    """The record of a batch of one, as the record of a single sample."""
    history = s.history and History(
        s.history.energy[:, 0], s.history.gap[:, 0], s.history.nonzeros[:, 0]
    )
    return Solution(
        s.z[0], s.energy[0], s.gap[0], s.relative_gap[0], s.iterations[0], s.converged[0], history
    )
