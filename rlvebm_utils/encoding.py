"""The fast way to sparse codes: one call that picks the solver for the machine and certifies every
sample.

:func:`rlvebm_utils.fista` is the readable reference for the same problem, and what this falls back
on.
"""

import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch
from torch import Tensor

from ._backends import is_compiled, use_numba
from ._gram import solve_batch
from ._validate import check_count, check_fraction, check_lam, describe
from .conv import ConvDictionary
from .conv_encoding import encode_images
from .energies import certificate
from .operators import Dictionary
from .solvers import ConvergenceWarning, Solution, fista


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

    backend: "numba" is coordinate descent and conjugate gradients on the atoms in use (CPU and a
    :class:`Dictionary`; needs the extra ``fast``); "torch" is FISTA on blocks of
    samples. "auto" takes "numba" where :func:`compile_encoder`
    has been called once on this machine: most of a batched product with WᵀW is spent on the zeros
    of the codes. Asked for by name, "numba" compiles at its first use (some seconds).
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
        solve = _by_coordinates if _use_numba(backend, dictionary, y) else _by_steps
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


def _too_exact(tol: float, dtype: torch.dtype) -> bool:
    """Whether rounding would keep iterations in this dtype, but not in float64, from ``tol``."""
    return dtype != torch.float64 and tol < 100 * torch.finfo(dtype).eps


def _use_numba(backend: str, dictionary, y: Tensor) -> bool:
    possible = isinstance(dictionary, Dictionary) and y.device.type == "cpu"
    possible = possible and y.dtype in (torch.float32, torch.float64)
    needs = f"a Dictionary and samples on the CPU, got {describe(y)}"
    return use_numba(backend, possible, needs, _is_compiled)


def compile_encoder() -> None:
    """Compile the "numba" backend of :func:`encode` for float32 and float64; once on a machine, the
    result is kept on disk.
    """
    for dtype in (torch.float32, torch.float64):
        one = torch.ones(1, 1, dtype=dtype)
        encode(Dictionary(one), one, 0.5, backend="numba")


def _is_compiled() -> bool:
    from ._compiled import solve_rows

    return is_compiled(solve_rows)


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
    return solution if converged.all() else _finish(solution, dictionary, y, lam, nonnegative, tol)


def _by_coordinates(dictionary, y, lam, *, z0, nonnegative, tol) -> Solution:
    """One chunk: Wᵀy in float64 by a matrix product, then the samples one by one, shared among the
    threads.
    """
    from ._compiled import solve_rows  # here: importing numba takes a third of a second

    W = dictionary.in_float64.W
    G64 = dictionary.in_float64.gram  # computed once for all chunks
    G = G64.to(y.dtype)
    rounding = float((G - G64).abs().max())
    size = G64.diagonal()
    inverse = torch.where(size > 0, 1 / size, 0).to(y.dtype)  # a zero atom never moves
    eps = torch.finfo(y.dtype).eps
    y64 = y.double()
    b, squared, lam = y64 @ W, y64.square().sum(1), lam.contiguous()
    z = torch.zeros_like(b, dtype=y.dtype) if z0 is None else z0.clone()
    energy, dual = torch.zeros_like(squared), torch.zeros_like(squared)
    work = torch.zeros(len(y), dtype=torch.int64)

    def solve(rows: slice) -> None:
        per_row = (b[rows], squared[rows], lam[rows], z[rows])
        results = (energy[rows], dual[rows], work[rows])
        solve_rows(
            G.numpy(), G64.numpy(), inverse.numpy(), *(x.numpy() for x in per_row),
            0.0 if nonnegative else 1.0, tol, eps, rounding, *(x.numpy() for x in results),
        )  # fmt: skip

    pieces = torch.arange(len(y)).chunk(8 * torch.get_num_threads())
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(solve, (slice(int(p[0]), int(p[-1]) + 1) for p in pieces)))

    gap = (energy - dual).clamp(min=0)
    relative = torch.where(gap > 0, gap / dual.clamp(min=0), 0.0)
    converged = (relative <= tol) | (gap <= 0.5 * eps * squared)
    solution = Solution(z, energy, gap, relative, work, converged)
    return solution if converged.all() else _finish(solution, dictionary, y, lam, nonnegative, tol)


def _finish(solution: Solution, dictionary, y, lam, nonnegative, tol) -> Solution:
    """Hand the samples without a certificate (λ near 0, say) to FISTA, from where they are."""
    late = ~solution.converged
    solve = fista if y.dtype == torch.float64 else partial(_in_float64, _by_steps)
    rest = solve(
        dictionary, y[late], lam[late], z0=solution.z[late], nonnegative=nonnegative, tol=tol
    )
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
