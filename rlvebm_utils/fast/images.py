"""The fast way to convolutional codes: one call that picks the solver for the machine and certifies
every image.

:func:`rlvebm_utils.fista` is the readable reference for the same problem.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..conv import ConvDictionary
from ..energies import Certificate, bounds
from ..operators import undisturbed
from ..penalties import Penalty
from ..problem import Problem
from ..solvers import Ledger, Options, Solution, run, warn_of_late
from .admm import images_problem, run_admm
from .compiled import call, use_c

SWEEPS = 20  # between two certificates
# An iteration of ADMM takes the time in which a sweep reads and writes this many kernel entries for
# each entry of the code (1.9 to 4.2 in four problems); a hundred of them are waited for
PATIENCE = 100 * 2


def encode_images(
    dictionary: ConvDictionary, y: Tensor, lam: float | Tensor, *, z0: Tensor | None = None,
    penalty: Penalty | None = None, nonnegative: bool = False, tol: float | None = 1e-4,
    max_iter: int = 10_000, backend: str = "auto",
) -> Solution:  # fmt: skip
    """Codes with min_z ½‖y − Σᵢ Kᵢ * Zᵢ‖² + λ‖z‖₁ (and z ≥ 0 if asked for) of one image or a batch.

    Arguments, result and errors as for :func:`rlvebm_utils.fista`; ``tol`` is the certified
    relative duality gap of every image.

    backend: "c" is coordinate descent on the places in use (CPU; needs a C compiler; images are
    shared among the threads; an iteration is one sweep over these places), "torch" is
    :func:`rlvebm_utils.admm`. "auto" begins with "c" where it can be had: the code of a photograph
    at a usual λ is nearly all zeros, and only coordinate descent does no work for them. But its
    sweeps cost as much as there are non-zeros, and a weak λ asks for many: images that have cost as
    much as about 100 iterations of ADMM go on with those, from where they are.

    >>> dictionary = ConvDictionary(torch.full((1, 2, 2), 0.5))  # one kernel, of length 1
    >>> image = dictionary.decode(torch.tensor([[[0.0, 3.0, 0.0]]]))  # used once, with weight 3
    >>> [round(entry, 3) for entry in encode_images(dictionary, image, 0.5).z.flatten().tolist()]
    [0.0, 2.5, 0.0]
    """
    problem = images_problem(dictionary, y, lam, penalty, nonnegative, "encode_images")
    options = Options(tol, max_iter)
    with undisturbed():
        solution = run_images(problem, problem.start(z0), options, backend)
    warn_of_late(solution, options, stacklevel=3)
    return solution.pick(0) if problem.single else solution


def run_images(problem: Problem, z: Tensor, options: Options, backend: str) -> Solution:
    """:func:`encode_images` on a problem that is checked already; the solution of the batch."""
    if not _use_c(backend, problem.operator):
        return run_admm(problem, z, options)
    return run(problem, z, options, _Descent if backend == "c" else _DescentThenADMM)


def _use_c(backend: str, dictionary: ConvDictionary) -> bool:
    possible = dictionary.K.device.type == "cpu"
    possible = possible and dictionary.K.dtype in (torch.float32, torch.float64)
    needs = f"float32 or float64 kernels on the CPU, got {dictionary}"
    return use_c(backend, possible, needs, "images", dictionary.K.dtype)


class _Descent:
    """All images of a batch, each by itself, shared among the threads."""

    patience = math.inf

    def __init__(self, problem: Problem, z: Tensor, options: Options):
        self.options, self.ledger = options, Ledger(problem, z, "fast/images.c")

    def iterate(self) -> None:
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            list(pool.map(self.solve, range(len(self.ledger.z))))

    def solve(self, row: int) -> None:
        """Descend on one image; written to the ledger, whose rows are disjoint."""
        ledger, options = self.ledger, self.options
        with undisturbed():  # a thread has modes of its own
            image = _Image(ledger.problem.pick(slice(row, row + 1)), ledger.z[row])
            sweeps, certificate = self.descend(image)
        ledger.iterations[row] = sweeps
        ledger.energy[row], ledger.dual[row] = certificate.energy[0], certificate.dual[0]
        ledger.converged[row] = certificate.done(options.tol)[0]

    def descend(self, image: "_Image") -> tuple[int, Certificate]:
        """Sweeps until the image is done or has taken too long."""
        sweeps, most, tol = 0, self.options.max_iter, self.options.tol
        for level in image.levels():  # of λ, falling to the one asked for: few places at a time
            if sweeps >= most:
                break
            sweeps += image.descend(level, min(8, most - sweeps))
        while True:
            certificate = image.certificate(tol)
            tired = image.work > self.patience * image.z.numel()
            if certificate.done(tol)[0] or sweeps >= most or tired:
                return sweeps, certificate
            sweeps += image.descend(image.lam, min(SWEEPS, most - sweeps))

    def solution(self) -> Solution:
        return self.ledger.solution()


class _DescentThenADMM(_Descent):
    """The images that try the patience are handed on."""

    patience = PATIENCE

    def iterate(self) -> None:
        super().iterate()
        ledger, options = self.ledger, self.options
        late = ~ledger.converged & (ledger.iterations < options.max_iter)
        if options.tol is None or not late.any():
            return
        options = replace(options, max_iter=options.max_iter - int(ledger.iterations[late].max()))
        ledger.replace(late, run_admm(ledger.problem.pick(late), ledger.z[late], options))


class _Image:
    """One image y, its code z (updated in place) and the residual r = y − Wz."""

    def __init__(self, problem: Problem, z: Tensor):
        self.problem, self.dictionary, self.z = problem, problem.operator, z
        self.lam = float(problem.lam)
        self.sign = float(problem.penalty.symmetric)  # 0 keeps codes ≥ 0
        self.work = 0  # kernel entries read and written so far
        K = self.dictionary.channels
        y = problem.y
        self.y = y.reshape(K.shape[1], *y.shape[-2:]).contiguous()
        squared = K.flatten(1).square().sum(1)
        self.inverse = torch.where(squared > 0, 1 / squared, 0)  # a zero kernel never moves
        extra = (0, -K.shape[-1] % 8)
        self.K = F.pad(K, extra).contiguous()
        self.K64 = F.pad(self.dictionary.in_float64.channels, extra).contiguous()
        # See images.c: images have as many columns of zeros more as a padded kernel is wide
        self.room = (0, self.K.shape[-1])
        self.shape = (*self.K.shape[1:], K.shape[-1], *self.y.shape[-2:], *z.shape[-2:])
        self.refresh()

    def refresh(self) -> None:
        """The residual afresh, and what each kernel sees of it: no rounding error adds up."""
        self.r64 = F.pad(self.y.double(), self.room)
        norm = self.call("subtract_decoded", len(self.K), *self.shape, self.K64, self.r64, self.z)
        self.norm = torch.tensor([norm], dtype=torch.float64)
        self.r = self.r64.to(self.y.dtype, copy=True)
        self.c = self.correlate(self.r, self.dictionary)

    def call(self, function: str, *arguments):
        """One of the functions of images.c."""
        return call("images", self.y.dtype, function, *arguments)

    def correlate(self, r: Tensor, dictionary) -> Tensor:
        """What each kernel sees of the residual at each place, (1, n, p, q)."""
        images = r[None, ..., : self.y.shape[-1]]
        return F.conv2d(dictionary.continued(images), dictionary.channels)

    def levels(self) -> list[float]:
        """λ·2ᵏ, …, 2λ, λ, from half of what the kernels see at the start."""
        seen = float(self.problem.penalty.dual_norm(self.c))
        ratio = seen / self.lam if self.lam > 0 else 2**10
        count = min(10, max(0, math.ceil(math.log2(ratio)) - 1)) if ratio > 1 else 0
        lowest = self.lam if self.lam > 0 else seen / 2**11
        return [lowest * 2**k for k in range(count, 0, -1)] + [self.lam]

    def descend(self, lam: float, sweeps: int) -> int:
        """Sweeps over the places in use at this λ; returns how many."""
        about = (self.z.numel(), self.c.contiguous(), self.z, lam, self.sign)
        count = self.call("places_at_work", *about, None)
        places = torch.empty(count, dtype=torch.int64)
        self.call("places_at_work", *about, places)
        self.call(
            "descend", *self.shape, self.K, self.inverse, self.r, self.z, lam, self.sign,
            places, count, sweeps - 1,
        )  # fmt: skip
        self.work += sweeps * count * self.K[0].numel()
        self.refresh()
        return sweeps

    def certificate(self, tol: float | None) -> Certificate:
        """The bounds; where they may be good enough, or are final, the last word is float64's."""
        rough = self.bounds(self.c)
        if self.y.dtype == torch.float64 or not (tol is None or rough.done(tol)[0]):
            return rough
        return self.bounds(self.correlate(self.r64, self.dictionary.in_float64))

    def bounds(self, c: Tensor) -> Certificate:
        """The certificate, from what each kernel sees."""
        r = self.r64[..., : self.y.shape[-1]].reshape(self.problem.y.shape)
        return bounds(self.problem, r, self.problem.penalty.dual_norm(c).double(), self.norm)
