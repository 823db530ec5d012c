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
from ..energies import Certificate, _bounds
from ..solvers import Solution, _Options, _Run, _solve
from ..validate import describe
from .admm import _ADMM, admm
from .compiled import call, use_c

SWEEPS = 20  # between two certificates
# An iteration of ADMM takes the time in which a sweep reads and writes this many kernel entries for
# each entry of the code (1.9 to 4.2 in four problems); a hundred of them are waited for
PATIENCE = 100 * 2


def encode_images(
    dictionary: ConvDictionary,
    y: Tensor,
    lam: float | Tensor,
    *,
    z0: Tensor | None = None,
    nonnegative: bool = False,
    tol: float | None = 1e-4,
    max_iter: int = 10_000,
    backend: str = "auto",
) -> Solution:
    """Codes with min_z ½‖y − Σᵢ Kᵢ * Zᵢ‖² + λ‖z‖₁ (and z ≥ 0 if asked for) of one image or a batch.

    Arguments, result and errors as for :func:`rlvebm_utils.fista`; ``tol`` is the certified
    relative duality gap of every image.

    backend: "c" is coordinate descent on the places in use (CPU; needs a C compiler; images are
    shared among the threads; an iteration is one sweep over these places), "torch" is
    :func:`rlvebm_utils.admm`. "auto" begins with "c" where it can be had: the code of a photograph
    at a usual λ is nearly all zeros, and only coordinate descent does no work for them. But its
    sweeps cost as much as there are non-zeros, and a weak λ asks for many: images that have cost as
    much as about 100 iterations of ADMM go on with those, from where they are.
    """
    if not isinstance(dictionary, ConvDictionary):
        raise TypeError(f"dictionary: expected a ConvDictionary, got {describe(dictionary)}")
    if not _use_c(backend, dictionary):
        return admm(dictionary, y, lam, z0=z0, nonnegative=nonnegative, tol=tol, max_iter=max_iter)
    options = _Options(nonnegative, tol, max_iter, False, False, momentum=False, restart=False)
    return _solve(dictionary, y, lam, z0, options, _Descent if backend == "c" else _DescentThenADMM)


def _use_c(backend: str, dictionary: ConvDictionary) -> bool:
    possible = dictionary.K.device.type == "cpu"
    possible = possible and dictionary.K.dtype in (torch.float32, torch.float64)
    needs = f"float32 or float64 kernels on the CPU, got {dictionary}"
    return use_c(backend, possible, needs, "images", dictionary.K.dtype)


class _Descent(_Run):
    """All images of a batch, each by itself, shared among the threads."""

    patience = math.inf

    def keep_rows(self, keep, y, lam, z, v, t) -> None:
        self.rows, self.y, self.lam = self.rows[keep], y[keep], lam[keep]

    def iterate(self) -> None:
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            list(pool.map(self.solve, range(len(self.y))))

    def solve(self, row: int) -> None:
        options = self.options
        image = _Image(
            self.dictionary, self.y[row], self.lam[row], self.result[row], options.nonnegative
        )
        sweeps = 0
        for level in image.levels():  # of λ, falling to the one asked for: few places at a time
            if sweeps >= options.max_iter:
                break
            sweeps += image.descend(level, min(8, options.max_iter - sweeps))
        while True:
            certificate, done = image.certificate(options.tol)
            if done or sweeps >= options.max_iter or image.work > self.patience * image.z.numel():
                break
            sweeps += image.descend(image.lam, min(SWEEPS, options.max_iter - sweeps))
        self.iterations[row], self.converged[row] = sweeps, done
        self.energy[row], self.dual[row] = certificate.energy[0], certificate.dual[0]


class _DescentThenADMM(_Descent):
    """The images that try the patience are handed on."""

    patience = PATIENCE

    def iterate(self) -> None:
        super().iterate()
        late = ~self.converged & (self.iterations < self.options.max_iter)
        if self.options.tol is None or not late.any():
            return
        left = self.options.max_iter - int(self.iterations[late].max())
        options = replace(self.options, max_iter=left)
        rest = _ADMM(self.dictionary, self.y[late], self.lam[late], self.result[late], options)
        rest.iterate()
        self.iterations[late] += rest.iterations
        for name in ("result", "converged", "energy", "dual"):
            getattr(self, name)[late] = getattr(rest, name)


class _Image:
    """One image y, its code z (updated in place) and the residual r = y − Wz."""

    def __init__(self, dictionary, y: Tensor, lam: Tensor, z: Tensor, nonnegative: bool):
        self.dictionary, self.nonnegative = dictionary, nonnegative
        self.lam = float(lam)
        self.work = 0  # kernel entries read and written so far
        self.y = y.reshape(dictionary._channels.shape[1], *y.shape[-2:]).contiguous()
        self.z = z
        K = dictionary._channels
        squared = K.flatten(1).square().sum(1)
        self.inverse = torch.where(squared > 0, 1 / squared, 0)  # a zero kernel never moves
        extra = (0, -K.shape[-1] % 8)
        self.K = F.pad(K, extra).contiguous()
        self.K64 = F.pad(dictionary.in_float64._channels, extra).contiguous()
        # See images.c: images have as many columns of zeros more as a padded kernel is wide
        self.room = (0, self.K.shape[-1])
        self.shape = (*self.K.shape[1:], K.shape[-1], *self.y.shape[-2:], *z.shape[-2:])
        self.refresh()

    def refresh(self) -> None:
        """The residual afresh, and what each kernel sees of it: no rounding error adds up."""
        self.r64 = F.pad(self.y.double(), self.room)
        norm = self.call(
            "subtract_decoded", len(self.K), *self.shape, self.K64, self.r64, self.z,
        )  # fmt: skip
        self.norm = torch.tensor([[norm]], dtype=torch.float64)
        self.r = self.r64.to(self.y.dtype, copy=True)
        self.c = self.correlate(self.r, self.dictionary)

    def call(self, function: str, *arguments):
        return call("images", self.y.dtype, function, *arguments)

    def correlate(self, r: Tensor, dictionary) -> Tensor:
        images = r[None, ..., : self.y.shape[-1]]
        return F.conv2d(dictionary._continued(images), dictionary._channels)[0]

    def seen(self, c: Tensor) -> Tensor:
        return c.amax() if self.nonnegative else c.abs().amax()

    def levels(self) -> list[float]:
        """λ·2ᵏ, …, 2λ, λ, from half of what the kernels see at the start."""
        seen = float(self.seen(self.c))
        ratio = seen / self.lam if self.lam > 0 else 2**10
        count = min(10, max(0, math.ceil(math.log2(ratio)) - 1)) if ratio > 1 else 0
        lowest = self.lam if self.lam > 0 else seen / 2**11
        return [lowest * 2**k for k in range(count, 0, -1)] + [self.lam]

    def descend(self, lam: float, sweeps: int) -> int:
        about = (self.z.numel(), self.c.contiguous(), self.z, lam, float(not self.nonnegative))
        count = self.call("places_at_work", *about, None)
        places = torch.empty(count, dtype=torch.int64)
        self.call("places_at_work", *about, places)
        self.call(
            "descend", *self.shape, self.K, self.inverse, self.r, self.z, lam,
            float(not self.nonnegative), places, count, sweeps - 1,
        )  # fmt: skip
        self.work += sweeps * count * self.K[0].numel()
        self.refresh()
        return sweeps

    def certificate(self, tol: float | None) -> tuple[Certificate, bool]:
        """The bounds, and whether they are good enough: the last word is float64's."""
        bounds = self.bounds(self.seen(self.c).double())
        eps = torch.finfo(self.y.dtype).eps
        rounding = eps * 0.5 * self.y.double().square().sum()

        def enough(bounds, slack=0.0):
            return bool((bounds.relative_gap[0] <= tol * (1 + slack)) | (bounds.gap[0] <= rounding))

        if self.y.dtype == torch.float32 and (tol is None or enough(bounds)):
            bounds = self.bounds(self.seen(self.correlate(self.r64, self.dictionary.in_float64)))
        return bounds, tol is not None and enough(bounds)

    def bounds(self, seen: Tensor) -> Certificate:
        y, r = self.y.double()[None], self.r64[None, ..., : self.y.shape[-1]]
        lam, operator = torch.tensor([self.lam], dtype=torch.float64), self.dictionary.in_float64
        # Of a code, the bounds need its norm only
        return Certificate(*_bounds(operator, y, self.norm, r, seen[None], lam, self.nonnegative))
