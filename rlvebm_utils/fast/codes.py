"""The fast way to sparse codes: one call that picks the solver for the machine and certifies every
sample.

:func:`rlvebm_utils.fista` is the readable reference for the same problem, and what this falls back
on.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ..conv import ConvDictionary
from ..energies import Certificate, certify
from ..operators import Dictionary, Operator, undisturbed
from ..penalties import Penalty
from ..problem import Problem
from ..solvers import ConvergenceWarning, Ledger, Options, Solution, run_fista
from ..validate import (
    check_count,
    check_dictionary,
    check_flag,
    check_fraction,
    check_lam,
    check_one_lam,
    describe,
    is_plain,
)
from .admm import check_plain
from .compiled import prepared, use_c
from .csr import joined
from .images import run_images
from .steps import solve_batch
from .streams import Samples, check_source, in_turn

PIECE = 64  # samples that a thread takes at a time
MOST_ATOMS = {"c": 8192, "torch": 4096}  # beyond these an n × n Gram matrix does not pay
FAR = 100  # a start this many times too long may be worse than none


def encode(
    dictionary: Operator, y: Samples, lam: float | Tensor, *, z0: Tensor | None = None,
    penalty: Penalty | None = None, nonnegative: bool = False, tol: float = 1e-4,
    backend: str = "auto", chunk: int = 4096, sparse: bool = False,
) -> Solution:  # fmt: skip
    """Codes with min_z ½‖y − Wz‖² + λ‖z‖₁ (and z ≥ 0 if asked for) for any number of samples.

    dictionary: a :class:`Dictionary`; a :class:`ConvDictionary`, which
    :func:`rlvebm_utils.encode_images` solves; or any other operator, for which there is FISTA.
    Other arguments, result and errors as for :func:`rlvebm_utils.fista`; ``tol`` is the certified
    relative duality gap of the worst sample. penalty: the L1 norm without weights, signed or not;
    for others there is :func:`rlvebm_utils.fista`. Chunks of ``chunk`` samples are solved one after
    the other, so beyond y and the result memory grows with the chunk only (and with the square of
    the number of atoms, up to 8192 of them).

    backend: "c" is coordinate descent and conjugate gradients on the atoms in use (CPU and a
    :class:`Dictionary`; needs a C compiler, see :func:`compile_loops`); "torch" is FISTA on blocks
    of samples. "auto" takes "c" where it can be had, because most of a batched product with WᵀW is
    spent on the zeros of the codes.

    sparse: codes in CSR, ``torch.sparse_csr`` with columns of 32 bits: most entries of a code are
    zero. Then y, if not a tensor, may be an array (N, d), such as a memory map, or anything that
    yields batches (N, d), such as a DataLoader or a generator, for one λ and without z0; and an
    interrupt (Ctrl-C, or the notebook's stop button) ends the call after the chunk or batch at hand
    and keeps its codes and those before. To write them as they come: :func:`encode_batches`.

    >>> dictionary = Dictionary(torch.eye(2))
    >>> y = torch.tensor([3.0, 1.0])
    >>> [round(entry, 3) for entry in encode(dictionary, y, 1.5).z.tolist()]
    [1.5, 0.0]
    """
    if check_flag("sparse", sparse) and not isinstance(y, Tensor):
        options = {"penalty": penalty, "nonnegative": nonnegative, "tol": tol, "backend": backend}
        return _of_batches(dictionary, y, lam, z0, chunk, options)
    problem = Problem.of(dictionary, y, lam, penalty, nonnegative)
    check_plain(problem.penalty, "encode")
    check_fraction("tol", tol, 0, 1)
    chunk = check_count("chunk", chunk)
    solve = _solver(problem, backend, tol)
    z0 = None if z0 is None else problem.codes(z0, "z0")
    if sparse:
        of_flat_codes(dictionary)
        if problem.single:
            raise ValueError(f"y: expected a batch (N, d) for sparse codes, got {describe(y)}")
    with undisturbed():
        parts = _in_chunks(solve, problem, z0, tol, chunk)
        solution = joined(parts) if sparse else _filled(parts, len(problem))
    return solution.pick(0) if problem.single else solution


def of_flat_codes(dictionary: Operator) -> None:
    """Raise ValueError unless a code is one row of numbers, as CSR has them."""
    if dictionary.code_ndim != 1:
        kind = type(dictionary).__name__
        raise ValueError(f"dictionary: expected codes of one dimension for CSR, got {kind}")


def _of_batches(dictionary: Operator, y: Samples, lam, z0, chunk: int, options: dict) -> Solution:
    """:func:`encode` with codes in CSR, of samples that come in batches."""
    check_dictionary(dictionary)
    check_source(y)
    lam = check_one_lam(lam, dictionary.atoms.device)
    if z0 is not None:
        raise ValueError(f"z0: expected None for samples in batches, got {describe(z0)}")
    chunk = check_count("chunk", chunk)
    return joined(
        encode(dictionary, batch, lam, chunk=chunk, sparse=True, **options)
        for _, batch in in_turn(y, chunk)
    )


def encode_path(
    dictionary: Operator, y: Tensor, lams: Sequence[float | Tensor] | Tensor | np.ndarray, *,
    z0: Tensor | None = None, **options: Any,
) -> list[Solution]:  # fmt: skip
    """:func:`encode` for each of several λ; a list of solutions, in the order of ``lams``.

    They are solved from the largest λ down, each from the codes of the one before, which are nearly
    right: with small steps of λ a path costs less than its codes one by one. lams: a sequence of λ,
    each one number for all samples or one per sample. z0: where the first one starts. options: as
    for :func:`encode`. Raises TypeError or ValueError, naming the argument, on bad input.

    >>> dictionary = Dictionary(torch.eye(2))
    >>> path = encode_path(dictionary, torch.tensor([3.0, 1.0]), [4.0, 2.0, 0.5])
    >>> [int((solution.z != 0).sum()) for solution in path]
    [0, 1, 2]
    """
    if isinstance(lams, Tensor | np.ndarray):
        _check_row_of_lams(lams)
    elif not isinstance(lams, list | tuple):
        raise TypeError(f"lams: expected a sequence of λ, got {describe(lams)}")
    rows = len(Problem.of(dictionary, y, 0.0))
    sizes = [
        float(check_lam(lam, rows, y.device, f"lams[{i}]").mean()) for i, lam in enumerate(lams)
    ]
    solutions: dict[int, Solution] = {}
    for place in sorted(range(len(lams)), key=sizes.__getitem__, reverse=True):
        solutions[place] = encode(dictionary, y, lams[place], z0=z0, **options)
        z0 = solutions[place].z
    return [solutions[place] for place in range(len(lams))]


def _check_row_of_lams(lams: Tensor | np.ndarray) -> None:
    whole = isinstance(lams, np.ndarray) or is_plain(lams)
    if not (whole and lams.ndim):
        raise TypeError(f"lams: expected a sequence of λ, got {describe(lams)}")


# A solver here is a function of a problem, codes to start from (its own, to be overwritten) and
# tol; it returns the solution of the batch.
Solver = Callable[[Problem, Tensor, float], Solution]


def _solver(problem: Problem, backend: str, tol: float) -> Solver:
    """The solver for this operator, machine and tolerance."""
    if isinstance(problem.operator, ConvDictionary):
        return partial(_by_images, backend)
    solve = _by_coordinates if _use_c(backend, problem) else _by_steps
    if isinstance(problem.operator, Dictionary) and _too_exact(tol, problem.y.dtype):
        return partial(_in_float64, solve)
    return solve


def _in_chunks(solve: Solver, problem: Problem, z0, tol: float, chunk: int) -> Iterator[Solution]:
    """The solution of one chunk after the other."""
    for first in range(0, len(problem), chunk):
        rows = slice(first, first + chunk)
        yield _one_chunk(solve, problem.pick(rows), None if z0 is None else z0[rows], tol)


def _filled(parts: Iterator[Solution], count: int) -> Solution:
    """The solution of all ``count`` samples. It exists once only, and is filled in."""
    fields, made_by = None, []
    for part in parts:
        c = part.certificate
        found = (part.z, c.energy, c.dual, c.rounding, part.iterations, part.converged)
        if fields is None:
            fields = [one.new_empty(count, *one.shape[1:]) for one in found]
        rows = slice(len(made_by), len(made_by) + len(part.made_by))
        for whole, one in zip(fields, found, strict=True):
            whole[rows] = one
        made_by += part.made_by
    z, energy, dual, rounding, iterations, converged = fields
    return Solution(z, Certificate(energy, dual, rounding), iterations, converged, made_by)


def _one_chunk(solve: Solver, problem: Problem, z0, tol: float) -> Solution:
    """One chunk; least squares (λ = 0), where no atom is left out, is FISTA's."""
    z = problem.zeros() if z0 is None else _sensible(problem, z0)
    if not problem.free:
        return solve(problem, z, tol)
    free, other = (torch.nonzero(rows).flatten() for rows in (problem.lam == 0, problem.lam > 0))
    if len(other) == 0:
        return run_fista(problem, z, Options(tol))
    ledger = Ledger(problem, z, "")
    for rows, one in ((free, _by_fista), (other, solve)):
        if len(rows):
            part = replace(problem.pick(rows), free=rows is free)
            ledger.replace(rows, one(part, z[rows], tol))
    return ledger.solution()


def _sensible(problem: Problem, z0: Tensor) -> Tensor:
    """A copy of the start, without the codes that are worse than none. (Only one that is far too
    long is looked at: a good one, as on a path, costs nothing.)
    """
    z = z0.clone(memory_format=torch.contiguous_format)
    size = problem.penalty.value(z).double() * problem.operator.lipschitz() ** 0.5
    far = torch.nonzero(~(size <= FAR * problem.squared.sqrt())).flatten()
    if len(far):
        some = problem.pick(far)
        worse = ~(certify(some, z[far]).energy < certify(some, some.zeros()).energy)
        z[far] = torch.where(problem.column(worse), 0, z[far])
    return z


def _by_fista(problem: Problem, z: Tensor, tol: float) -> Solution:
    return run_fista(problem, z, Options(tol))


def _by_images(backend: str, problem: Problem, z: Tensor, tol: float) -> Solution:
    return run_images(problem, z, Options(tol), backend)


def _too_exact(tol: float, dtype: torch.dtype) -> bool:
    """Whether rounding would keep iterations in this dtype, but not in float64, from ``tol``."""
    return dtype != torch.float64 and tol < 100 * torch.finfo(dtype).eps


def _use_c(backend: str, problem: Problem) -> bool:
    y, operator = problem.y, problem.operator
    possible = isinstance(operator, Dictionary) and y.device.type == "cpu"
    possible = possible and y.dtype in (torch.float32, torch.float64)
    if backend == "auto" and possible and operator.n_atoms > MOST_ATOMS["c"]:
        return False
    needs = f"a Dictionary and samples on the CPU, got {describe(y)}"
    return use_c(backend, possible, needs, "codes", y.dtype)


def _by_steps(problem: Problem, z: Tensor, tol: float) -> Solution:
    """One chunk by fast FISTA; by the readable one where the Gram matrix would not pay, or the
    tolerance is near the rounding of the dtype.
    """
    dense = isinstance(problem.operator, Dictionary)
    eps = torch.finfo(problem.y.dtype).eps
    if not dense or tol < 100 * eps or problem.operator.n_atoms > MOST_ATOMS["torch"]:
        return _by_fista(problem, z, tol)
    return _finish(solve_batch(problem, z, tol), _by_steps, tol)


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
        """Made once for a dictionary, by :meth:`Operator.recall`."""
        G64, more = dictionary.in_float64.gram, (0, -dictionary.n_atoms % 16)
        G, size = G64.to(dictionary.W.dtype), G64.diagonal()
        inverse = torch.where(size > 0, 1 / size, 0).to(G.dtype)
        rounding, largest = float((G - G64).abs().max()), float(size.max())
        return cls(pad(G, more).contiguous(), G64, pad(inverse, more), rounding, largest)


def _by_coordinates(problem: Problem, z: Tensor, tol: float) -> Solution:
    """One chunk: Wᵀy in float64 by a matrix product, then the samples one by one, shared among the
    threads.
    """
    of = problem.operator.recall(_InCodes.of)
    b = problem.in_float64.operator.adjoint(problem.in_float64.y)
    ledger = Ledger(problem, z, "fast/codes.c")
    run = prepared(
        "codes", z.dtype, "solve_rows", *of.G.shape, of.G, of.G64, of.inverse, b, problem.squared,
        problem.lam.contiguous(), z, float(problem.penalty.symmetric), float(tol),
        problem.rounding, of.rounding, of.largest, ledger.energy, ledger.dual, ledger.iterations,
    )  # fmt: skip

    pieces = iter(range(0, len(z), PIECE))

    def solve(_) -> None:
        for first in pieces:  # whichever thread is free takes the next one
            if run(first, min(first + PIECE, len(z))):
                raise MemoryError("encode: not enough memory for the atoms of one sample")

    threads = torch.get_num_threads()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(solve, range(threads)))
    _certify_where_c_cannot(ledger, of.largest, tol)
    return _finish(ledger, _by_coordinates, tol)


def _certify_where_c_cannot(ledger: Ledger, largest: float, tol: float) -> None:
    """C has energies from ‖y‖² − ⟨z, b⟩ − ⟨z, c⟩. Where the rounding of these sums is not small
    beside what ``tol`` asks for, the certificate comes from the residual itself.
    """
    squared, known = ledger.problem.squared, ledger.certificate
    l1 = torch.linalg.vector_norm(ledger.z, 1, dim=1).double()
    reach = largest**0.5 * l1  # ‖Wz‖ is at most this, |⟨z, b⟩| at most ‖y‖ times it
    sums = squared + 2 * squared.sqrt() * reach + reach.square()
    enough = torch.maximum(tol * known.dual, known.rounding)
    doubtful = ~(32 * torch.finfo(torch.float64).eps * sums <= 0.1 * enough)
    if doubtful.any():
        exact = certify(ledger.problem.pick(doubtful), ledger.z[doubtful])
        ledger.energy[doubtful], ledger.dual[doubtful] = exact.energy, exact.dual


def _finish(ledger: Ledger, solve: Solver, tol: float) -> Solution:
    """Hand the samples without a certificate (λ near 0, say) to the same solver in float64, or to
    FISTA where it was in float64; from where they are.
    """
    problem = ledger.whole
    ledger.converged = ledger.certificate.done(tol)
    late = torch.nonzero(~ledger.converged).flatten()
    if len(late):
        solve = _by_fista if problem.y.dtype == torch.float64 else partial(_in_float64, solve)
        # Should numbers have become too large for float32
        start = _sensible(problem.pick(late), ledger.z[late].nan_to_num(0, 0, 0))
        ledger.replace(late, solve(problem.pick(late), start, tol))
    return ledger.solution()


def _in_float64(solve: Solver, problem: Problem, z: Tensor, tol: float) -> Solution:
    """Solve in float64 and round. Near the rounding of float32 its own iterations would run on
    without end, and this is as good as a code in float32 gets.
    """
    # Half of the tolerance is left for the rounding
    exact = solve(problem.in_float64, z.double(), 0.5 * tol)
    rounded = exact.z.to(z.dtype)
    bounds = certify(problem, rounded)
    converged = bounds.done(tol)
    if exact.converged.all() and not converged.all():
        warnings.warn(
            f"rounded to {z.dtype}, {int((~converged).sum())} of {len(z)} codes did not reach "
            f"tol={tol:g}; largest certified relative gap {float(bounds.relative_gap.max()):.1e}; "
            "samples in float64 can do better",
            ConvergenceWarning,
            stacklevel=2,
        )
    return Solution(rounded, bounds, exact.iterations, converged, exact.made_by)
