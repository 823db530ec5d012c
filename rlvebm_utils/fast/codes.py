"""The fast way to sparse codes: one call that picks the solver for the machine and certifies every
sample.

:func:`rlvebm_utils.fista` is the readable reference for the same problem, and what this falls back
on.
"""

import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..conv import ConvDictionary
from ..energies import certificate
from ..operators import Dictionary
from ..solvers import ConvergenceWarning, Solution, fista
from ..validate import check_count, check_fraction, check_lam, describe
from .compiled import prepared, use_c
from .images import encode_images
from .steps import solve_batch

PIECE = 64  # samples that a thread takes at a time


def encode(
    dictionary,
    y: Tensor,
    lam: float | Tensor,
    *,
    z0: Tensor | None = None,
    nonnegative: bool = False,
    tol: float = 1e-4,
    backend: str = "auto",
    chunk: int = 4096,
) -> Solution:
    """Codes with min_z ½‖y − Wz‖² + λ‖z‖₁ (and z ≥ 0 if asked for) for any number of samples.

    Arguments, result and errors as for :func:`rlvebm_utils.fista`; ``tol`` is the certified
    relative duality gap of the worst sample. Chunks of ``chunk`` samples are solved one after the
    other, so beyond y and the result memory grows with the chunk only.

    backend: "c" is coordinate descent and conjugate gradients on the atoms in use (CPU and a
    :class:`Dictionary`; needs a C compiler, see :func:`compile_loops`); "torch" is FISTA on blocks
    of samples. "auto" takes "c" where it can be had, because most of a batched product with WᵀW is
    spent on the zeros of the codes.
    """
    dictionary.check_samples(y)
    if z0 is not None:
        dictionary.check_codes(z0, y, name="z0")
        if nonnegative and (z0 < 0).any():
            raise ValueError(f"z0: expected non-negative codes, got a minimum of {float(z0.min())}")
    check_fraction("tol", tol, 0, 1)
    check_count("chunk", chunk)
    if isinstance(dictionary, ConvDictionary):
        solve = partial(encode_images, backend=backend)
    else:
        solve = _by_coordinates if _use_c(backend, dictionary, y) else _by_steps
    if not isinstance(lam, Tensor) and lam == 0:
        # Least squares: no atom is left out, and the short certificate below says nothing
        solve = fista
    elif isinstance(dictionary, Dictionary) and _too_exact(tol, y.dtype):
        solve = partial(_in_float64, solve)

    single = y.ndim == dictionary.sample_ndim
    y = y.detach()[None] if single else y.detach()
    z0 = z0[None] if single and z0 is not None else z0
    lam = check_lam(lam, len(y), y.device)
    fields = None
    for start in range(0, len(y), chunk):
        rows = slice(start, start + chunk)
        z = None if z0 is None else z0[rows].detach()
        s = solve(dictionary, y[rows], lam[rows], z0=z, nonnegative=nonnegative, tol=tol)
        part = (s.z, s.energy, s.gap, s.relative_gap, s.iterations, s.converged)
        if fields is None:  # the result exists once only, and is filled in as chunks are done
            fields = [field.new_empty(len(y), *field.shape[1:]) for field in part]
        for whole, field in zip(fields, part, strict=True):
            whole[rows] = field
    return Solution(*(field[0] for field in fields)) if single else Solution(*fields)


def encode_path(dictionary, y: Tensor, lams, *, z0: Tensor | None = None, **options):
    """:func:`encode` for each of several λ; a list of solutions, in the order of ``lams``.

    They are solved from the largest λ down, each from the codes of the one before, which are nearly
    right: with small steps of λ a path costs less than its codes one by one. lams: a sequence of λ,
    each one number for all samples or one per sample. z0: where the first one starts. options: as
    for :func:`encode`.
    """
    dictionary.check_samples(y)
    rows = len(y) if y.ndim > dictionary.sample_ndim else 1
    if not isinstance(lams, list | tuple | Tensor) or (isinstance(lams, Tensor) and not lams.ndim):
        raise TypeError(f"lams: expected a sequence of λ, got {describe(lams)}")
    sizes = [float(check_lam(lam, rows, y.device).mean()) for lam in lams]
    solutions = [None] * len(lams)
    for place in sorted(range(len(lams)), key=sizes.__getitem__, reverse=True):
        solutions[place] = encode(dictionary, y, lams[place], z0=z0, **options)
        z0 = solutions[place].z
    return solutions


def _too_exact(tol: float, dtype: torch.dtype) -> bool:
    """Whether rounding would keep iterations in this dtype, but not in float64, from ``tol``."""
    return dtype != torch.float64 and tol < 100 * torch.finfo(dtype).eps


def _use_c(backend: str, dictionary, y: Tensor) -> bool:
    possible = isinstance(dictionary, Dictionary) and y.device.type == "cpu"
    possible = possible and y.dtype in (torch.float32, torch.float64)
    needs = f"a Dictionary and samples on the CPU, got {describe(y)}"
    return use_c(backend, possible, needs, "codes", y.dtype)


def _by_steps(dictionary, y, lam, *, z0, nonnegative, tol) -> Solution:
    """One chunk by fast FISTA; by the readable one where the Gram matrix would not pay, or the
    tolerance is near the rounding of the dtype.
    """
    eps = torch.finfo(y.dtype).eps
    if not isinstance(dictionary, Dictionary) or tol < 100 * eps or dictionary.n_atoms > 4096:
        return fista(dictionary, y, lam, z0=z0, nonnegative=nonnegative, tol=tol)
    z, bounds, iterations = solve_batch(dictionary, y, lam, z0=z0, nonnegative=nonnegative, tol=tol)
    squared = y.double().square().sum(1)
    converged = (bounds.relative_gap <= tol) | (bounds.gap <= 0.5 * eps * squared)
    solution = Solution(z, bounds.energy, bounds.gap, bounds.relative_gap, iterations, converged)
    return _finish(solution, _by_steps, dictionary, y, lam, nonnegative, tol)


@dataclass(frozen=True)
class _InCodes:
    """What the C loops ask of a dictionary: see ``codes.c``."""

    G: Tensor  # WᵀW in the working dtype, its rows filled up with zeros to a multiple of 16
    G64: Tensor
    inverse: Tensor  # of G's diagonal; 0 for a zero atom, which never moves
    rounding: float  # of G's entries, at most
    largest: float

    @classmethod
    def of(cls, dictionary: Dictionary) -> "_InCodes":
        if dictionary not in _IN_CODES:
            _IN_CODES[dictionary] = cls.make(dictionary)
        return _IN_CODES[dictionary]

    @classmethod
    def make(cls, dictionary: Dictionary) -> "_InCodes":
        G64, more = dictionary.in_float64.gram, (0, -dictionary.n_atoms % 16)
        G, size = G64.to(dictionary.W.dtype), G64.diagonal()
        inverse = torch.where(size > 0, 1 / size, 0).to(G.dtype)
        rounding, largest = float((G - G64).abs().max()), float(size.max())
        return cls(pad(G, more).contiguous(), G64, pad(inverse, more), rounding, largest)


_IN_CODES = WeakKeyDictionary()  # once for all chunks and calls


def _by_coordinates(dictionary, y, lam, *, z0, nonnegative, tol) -> Solution:
    """One chunk: Wᵀy in float64 by a matrix product, then the samples one by one, shared among the
    threads.
    """
    of = _InCodes.of(dictionary)
    eps = torch.finfo(y.dtype).eps
    y64 = y.double()
    b = y64 @ dictionary.in_float64.W
    z = torch.zeros_like(b, dtype=y.dtype) if z0 is None else z0.clone()
    squared, lam = y64.square().sum(1), lam.contiguous()
    energy, dual = torch.zeros_like(squared), torch.zeros_like(squared)
    steps = torch.zeros(len(y), dtype=torch.int64)

    run = prepared(
        "codes", y.dtype, "solve_rows", *of.G.shape, of.G, of.G64, of.inverse, b, squared, lam, z,
        0.0 if nonnegative else 1.0, float(tol), 0.5 * eps * squared, of.rounding, of.largest,
        energy, dual, steps,
    )  # fmt: skip

    pieces = iter(range(0, len(y), PIECE))

    def solve(_) -> None:
        for first in pieces:  # whichever thread is free takes the next one
            if run(first, min(first + PIECE, len(y))):
                raise MemoryError("encode: not enough memory for the atoms of one sample")

    threads = torch.get_num_threads()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(solve, range(threads)))

    gap = (energy - dual).clamp(min=0)
    relative = torch.where(gap > 0, gap / dual.clamp(min=0), 0.0)
    converged = (relative <= tol) | (gap <= 0.5 * eps * squared)
    solution = Solution(z, energy, gap, relative, steps, converged)
    return _finish(solution, _by_coordinates, dictionary, y, lam, nonnegative, tol)


def _finish(solution: Solution, solve, dictionary, y, lam, nonnegative, tol) -> Solution:
    """Hand the samples without a certificate (λ near 0, say) to the same solver in float64, or to
    FISTA where it was in float64; from where they are.
    """
    late = ~solution.converged
    if not late.any():
        return solution
    solve = fista if y.dtype == torch.float64 else partial(_in_float64, solve)
    start = solution.z[late].nan_to_num(0, 0, 0)  # should numbers have become too large for float32
    rest = solve(dictionary, y[late], lam[late], z0=start, nonnegative=nonnegative, tol=tol)
    solution.iterations[late] += rest.iterations
    for name in ("z", "energy", "gap", "relative_gap", "converged"):
        getattr(solution, name)[late] = getattr(rest, name)
    return solution


def _in_float64(solve, dictionary, y, lam, *, z0, nonnegative, tol) -> Solution:
    """Solve in float64 and round. Near the rounding of float32 its own iterations would run on
    without end, and this is as good as a code in float32 gets.
    """
    z0 = None if z0 is None else z0.double()
    # Half of the tolerance is left for the rounding
    exact = solve(
        dictionary.in_float64, y.double(), lam, z0=z0, nonnegative=nonnegative, tol=0.5 * tol
    )
    z = exact.z.to(y.dtype)
    bounds = certificate(dictionary, y, z, lam, nonnegative)
    rounding = 0.5 * torch.finfo(y.dtype).eps * y.double().square().sum(1)
    converged = (bounds.relative_gap <= tol) | (bounds.gap <= rounding)
    if exact.converged.all() and not converged.all():
        warnings.warn(
            f"rounded to {y.dtype}, {int((~converged).sum())} of {len(y)} codes did not reach "
            f"tol={tol:g}; largest certified relative gap {float(bounds.relative_gap.max()):.1e}; "
            "samples in float64 can do better",
            ConvergenceWarning,
            stacklevel=2,
        )
    return Solution(z, bounds.energy, bounds.gap, bounds.relative_gap, exact.iterations, converged)
