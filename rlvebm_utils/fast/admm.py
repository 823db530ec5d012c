"""Convolutional sparse coding by the alternating direction method of multipliers, in few Fourier
transforms.

The code gets a twin x: minimise ½‖y − Wx‖² + λ‖z‖₁ subject to x = z, with the multipliers ρu. In
turn, q = z − u being what x should be near to::

    x ← argmin ½‖y − Wx‖² + ½ρ‖x − q‖²  =  q + Wᵀ(ρI + WWᵀ)⁻¹(y − Wq)
    v ← u + αx + (1 − α)z,   z ← shrink_{λ/ρ}(v),   u ← v − z

A convolution on a torus turns into products of spectra, so WWᵀ is one number per frequency (for C
channels one C × C matrix), and its inverse costs nothing. FISTA's steps are as short as W's largest
eigenvalue demands; here every frequency gets its own step. Only q is taken to the Fourier domain,
all maps at once; what comes back is an image, and Wᵀ of an image is cheap without spectra.

On images that do not wrap around, the torus is the image with some room, and z is kept at zero
where a kernel would not lie inside the image: the same problem, exactly.

Source: B. Wohlberg, *Efficient algorithms for convolutional sparse representations* (2016), which
inverts with the Sherman-Morrison formula; ρ: S. Boyd et al. (2011), section 3.4.1, with residuals
relative to the size of what they compare (B. Wohlberg, *ADMM penalty parameter selection by
residual balancing*, 2017).
"""

from dataclasses import replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from ..conv import ConvDictionary, crop
from ..energies import Certificate, bounds
from ..penalties import Penalty
from ..problem import Problem
from ..progress import track
from ..solvers import Ledger, Options, Solution, run, solve
from ..validate import describe

RELAXATION = 1.8  # α: between 1.5 and 1.8 is the usual choice
SETTLED = 500  # iterations after which ρ stays: under one that moves for ever, ADMM may never end
BALANCE = 1.5  # the primal residual may be this many times the dual one
FARTHEST = 1e12  # ρ may grow and fall by: where both residuals vanish, their ratio says nothing


def admm(
    dictionary: ConvDictionary, y: Tensor, lam: float | Tensor, *, z0: Tensor | None = None,
    penalty: Penalty | None = None, nonnegative: bool = False, tol: float | None = 1e-4,
    max_iter: int = 10_000, progress: bool = False,
) -> Solution:  # fmt: skip
    """Convolutional codes: min_z ½‖y − Σᵢ Kᵢ * Zᵢ‖² + λ‖z‖₁ (and z ≥ 0 if asked for).

    dictionary: a :class:`ConvDictionary` of either kind of borders, grey or with channels. y: one
    image or a batch. Other arguments, result and errors as for :func:`rlvebm_utils.fista`: ``tol``
    is the certified relative duality gap of every image, and the code returned is the sparse z.

    Against FISTA: an iteration costs about the same, and far fewer are needed where a few
    frequencies dominate the kernels, as they do in kernels learned from photographs.
    """
    problem = images_problem(dictionary, y, lam, penalty, nonnegative, "admm")
    return solve(problem, z0, Options(tol, max_iter, progress=progress), _ADMM)


def images_problem(dictionary, y, lam, penalty, nonnegative, caller: str) -> Problem:
    """The problem of a solver of images, whose loops know the plain L1 norm alone."""
    if not isinstance(dictionary, ConvDictionary):
        raise TypeError(f"dictionary: expected a ConvDictionary, got {describe(dictionary)}")
    problem = Problem.of(dictionary, y, lam, penalty, nonnegative)
    check_plain(problem.penalty, caller)
    return problem


def check_plain(penalty: Penalty, caller: str) -> None:
    """Raise ValueError unless the penalty is the L1 norm without weights."""
    if not penalty.plain:
        raise ValueError(
            f"penalty: expected L1 without weights in {caller}, got {penalty}; fista takes any"
        )


def run_admm(problem: Problem, z: Tensor, options: Options) -> Solution:
    """:func:`admm` on a problem that is checked already; the solution of the batch."""
    return run(problem, z, options, _ADMM)


class _ADMM:
    """The iteration on the images that are not certified yet. On the torus: z the codes, u the
    scaled multipliers; rho: the penalty ρ of each image.
    """

    def __init__(self, problem: Problem, z: Tensor, options: Options):
        self.options, self.ledger = options, Ledger(problem, z, "fast/admm.py")
        self.torus = Torus(problem.operator, problem.y.shape[-2:])
        self.mean = float(problem.operator.K.square().sum())  # eigenvalue of WWᵀ
        self.rho = 0.1 * self.mean * torch.ones_like(problem.lam, dtype=z.dtype)
        self.z = self.torus.widen(z)
        self.prepare()
        self.u = self.multipliers(z) if z.any() else torch.zeros_like(self.z)

    def prepare(self) -> None:
        """What the rows that run need at each step."""
        self.spectrum = self.torus.spectrum(self.ledger.problem.y)
        if len(self.ledger.problem):
            self.rho_changed()

    def rho_changed(self) -> None:
        """ρ is new: so are the threshold and the inverse of ρI + WWᵀ."""
        problem = self.ledger.problem
        threshold = problem.column(problem.lam.to(self.rho) / self.rho)
        # Of one image, a number: the passes over the codes are then several times as fast
        one = len(threshold) == 1 and threshold.is_cpu
        self.threshold = float(threshold) if one else threshold
        self.inverse = self.torus.inverse(self.rho)

    def multipliers(self, z: Tensor) -> Tensor:
        """u of a warm start. The step to x makes ρu the gradient Wᵀ(y − Wx), and shrinking keeps
        that within ±λ, except where no kernel may stand.
        """
        problem = self.ledger.problem
        residual = problem.y - problem.operator.decode(z)
        gradient = self.torus.correlate(self.torus.place(residual))
        lam = problem.column(problem.lam.to(z))
        low = -lam if problem.penalty.symmetric else torch.full_like(lam, -torch.inf)
        p, q = self.torus.places
        gradient[..., :p, :q] = gradient[..., :p, :q].clamp(low, lam)
        return gradient / problem.column(self.rho)

    def iterate(self) -> None:
        options, next_check = self.options, 20
        for k in track(range(1, options.max_iter + 1), "sparse coding", show=options.progress):
            self.advance(balance=k <= 10 or (k % 10 == 0 and k <= SETTLED))
            self.ledger.iterations[self.ledger.rows] = k
            last = k == options.max_iter
            if last or (options.tol is not None and k >= next_check):
                if last or not self.z.is_cpu or self.may_be_done():
                    self.look()
                next_check = max(k + 10, k * 6 // 5)
            if len(self.ledger.rows) == 0:
                break

    def look(self) -> None:
        """Write down codes and certificates, and let the images go that are good enough."""
        certificate = self.certificate(torch.float64)
        self.ledger.write(self.torus.narrow(self.z), certificate)
        stay = self.ledger.retire(certificate, self.options.tol)
        if stay is not None:
            self.z, self.u, self.rho = self.z[stay], self.u[stay], self.rho[stay]
            self.prepare()

    def advance(self, balance: bool) -> None:
        """One iteration; with ``balance`` ρ follows the residuals (which costs a few passes)."""
        z, u = self.z, self.u
        x = self.torus.nearest(z - u, self.spectrum, self.inverse)
        size_x = _norm(x) if balance else None
        v = u.add_(x, alpha=RELAXATION).add_(z, alpha=1 - RELAXATION)
        self.z = self.shrink(v)
        self.u = v.sub_(self.z)
        if balance:
            primal = _norm(x.sub_(self.z)) / torch.maximum(size_x, _norm(self.z))
            dual = _norm(z.sub_(self.z)) / _norm(self.u)
            self.rebalance(primal, dual)

    def shrink(self, v: Tensor) -> Tensor:
        """v moved towards 0 by the threshold, and 0 where no kernel may stand."""
        if self.ledger.problem.penalty.symmetric:
            z = v - v.clamp(-self.threshold, self.threshold)
        else:
            z = (v - self.threshold).clamp_(min=0)
        return self.torus.mask_(z)

    def rebalance(self, primal: Tensor, dual: Tensor) -> None:
        """Large ρ presses x and z together, small ρ lets them move: the residuals tell which is
        behind. u is the multiplier divided by ρ, so it changes the other way.
        """
        ratio = (primal / (BALANCE * dual)).nan_to_num(1.0, 1.0, 1.0)
        factor = ratio.clamp(1e-6, 1e6).sqrt()
        factor = torch.where((ratio > 1.2) | (ratio < 1 / 1.2), factor, 1.0)
        if not factor.is_cpu or (factor != 1).any():  # a GPU does it sooner than it answers
            rho = (self.rho * factor).clamp(self.mean / FARTHEST, self.mean * FARTHEST)
            self.u.div_(self.ledger.problem.column(rho / self.rho))
            self.rho = rho
            self.rho_changed()

    def may_be_done(self) -> bool:
        """A certificate in the dtype at hand: as cheap as an iteration, and near the true one.
        (On a GPU it costs less to find the true one than to wait twice.)
        """
        rough = self.certificate(self.z.dtype)
        rough = replace(rough, rounding=20 * rough.rounding)
        return bool(rough.done(1.01 * self.options.tol).any())

    def certificate(self, dtype: torch.dtype) -> Certificate:
        """Of the codes at hand; sums in float64, W in the dtype given."""
        problem, torus = self.ledger.problem, self.torus.in_dtype(dtype)
        decoded = torch.fft.irfft2(torus.mix(torch.fft.rfft2(self.z.to(dtype))), s=torus.grid)
        images = problem.y.reshape(len(problem), -1, *torus.size).to(dtype)
        r = images - crop(decoded, torus.size)
        seen = problem.penalty.dual_norm(torus.narrow(torus.correlate(torus.place(r))))
        value = problem.penalty.value(self.torus.narrow(self.z).double())
        return bounds(problem, r.double().reshape(problem.y.shape), seen.double(), value)

    def solution(self) -> Solution:
        return self.ledger.solution()


class Torus:
    """Kernels on a grid without borders, on which images of one size and their codes are placed."""

    def __init__(self, dictionary: ConvDictionary, size):
        self.dictionary, self.size = dictionary, tuple(size)
        self.grid = dictionary.grid(size)
        self.places = dictionary.code_shape(size)[1:]
        self.K = torch.fft.rfft2(dictionary.channels, s=self.grid)  # (n, C, …)
        self.circular = ConvDictionary(dictionary.K, "fourier", "circular")

    @cached_property
    def gram(self) -> Tensor:
        """WWᵀ: for each frequency C × C."""
        K = self.K.movedim((0, 1), (-1, -2))
        return K @ K.mH

    def widen(self, z: Tensor) -> Tensor:
        """A copy of the codes with zeros for the grid's other places."""
        (h, w), (p, q) = self.grid, self.places
        return F.pad(z, (0, w - q, 0, h - p)).clone()

    def place(self, y: Tensor) -> Tensor:
        """Images as (N, C, …) on the grid, with zeros around."""
        (h, w), (height, width) = self.size, self.grid
        return F.pad(y.reshape(len(y), -1, h, w), (0, width - w, 0, height - h))

    def narrow(self, z: Tensor) -> Tensor:
        """The codes at the places where a kernel lies inside the image."""
        return crop(z, self.places)

    def mask_(self, z: Tensor) -> Tensor:
        """Zero, in place, where no kernel may stand."""
        z[..., self.places[0] :, :] = 0
        z[..., self.places[1] :] = 0
        return z

    def spectrum(self, y: Tensor) -> Tensor:
        """Of images (N, …), with zeros around: (N, C, …)."""
        return torch.fft.rfft2(y.reshape(len(y), -1, *self.size), s=self.grid) if len(y) else y

    def inverse(self, rho: Tensor) -> Tensor:
        """(ρI + WWᵀ)⁻¹ for each image and frequency."""
        eye = torch.eye(self.gram.shape[-1], dtype=self.gram.dtype, device=self.gram.device)
        system = self.gram + rho.reshape(-1, 1, 1, 1, 1) * eye
        # It is never singular, so that nobody has to wait for an answer to that
        return 1 / system if len(eye) == 1 else torch.linalg.inv_ex(system).inverse

    def nearest(self, q: Tensor, y: Tensor, inverse: Tensor) -> Tensor:
        """q + Wᵀ(ρI + WWᵀ)⁻¹(y − Wq), y given as spectrum."""
        missing = y - self.mix(torch.fft.rfft2(q))
        if inverse.shape[-1] == 1:
            missing = missing * inverse[..., 0, 0][:, None]
        else:
            missing = (inverse @ missing.movedim(1, -1)[..., None])[..., 0].movedim(-1, 1)
        image = torch.fft.irfft2(missing, s=self.grid)
        return self.correlate(image).add_(q)

    def mix(self, z: Tensor) -> Tensor:
        """Spectra of maps (N, n, …), which are overwritten if grey → spectra of images."""
        if self.K.shape[1] == 1:
            return z.mul_(self.K[:, 0]).sum(1, keepdim=True)
        return torch.stack([(z * one).sum(1) for one in self.K.unbind(1)], 1)

    def correlate(self, r: Tensor) -> Tensor:
        """Every kernel against every place of images (N, C, …)."""
        if not _has_fast_conv(r):
            return self.circular.adjoint(r if self.dictionary.K.ndim == 4 else r[:, 0])
        return F.conv2d(self.circular.continued(r), self.dictionary.channels)

    def in_dtype(self, dtype: torch.dtype) -> "Torus":
        """The same torus with kernels in this dtype: their own, or float64."""
        return self if dtype == self.dictionary.K.dtype else self._in_float64

    @cached_property
    def _in_float64(self) -> "Torus":
        return Torus(self.dictionary.in_float64, self.size)


def _has_fast_conv(r: Tensor) -> bool:
    """Direct convolution is written for float32 on a CPU; on a GPU it could round to TF32."""
    return r.dtype == torch.float32 and r.device.type == "cpu"


def _norm(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x.flatten(1), dim=1)
