"""Nothing untrue is certified: problems of every awkward kind, judged by arithmetic of our own.

Hypothesis draws a problem; the judge recomputes residual, energy and bounds in long double from the
inputs and the returned code alone, without the package. What is told may differ from what is true
by the rounding of float64 sums, and by nothing else. The run in CI is the same every time;
``make fuzz`` draws afresh for an hour and says how many problems it tried.
"""

import os
import sys
import time
import warnings
from contextlib import contextmanager
from functools import partial

import numpy as np
import problems  # noqa: F401 - one thread
import torch
from hypothesis import HealthCheck, Phase, assume, event, given, settings
from hypothesis import strategies as st
from judge import EPS, LONG, Case, dual_norm, judge, polished

from rlvebm_utils import (
    L1,
    ConvDictionary,
    ConvergenceWarning,
    Dictionary,
    GroupL1,
    admm,
    encode,
    encode_images,
    fista,
    ista,
)
from rlvebm_utils.fast import codes, compiled
from rlvebm_utils.solvers import Options

BACKENDS = ["torch"] + ["c"] * bool(compiled._system_compiler())
FIXED = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", 600)),
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


# ---- problems ----


SIZES = [(1, 1), (1, 7), (9, 1), (3, 5), (8, 20), (17, 19), (5, 40), (30, 6), (12, 12), (16, 70)]
KINDS = ["random", "correlated", "twins", "zeros", "scales", "scaled", "low rank", "whole numbers"]
SAMPLES = ["noise", "atoms", "zero", "scaled", "scales", "one entry"]
# As a share of each sample's λ_max; at 1e-14 it is a λ, not a share
AT = [1 - 1e-7, 1 - EPS, 1.0, 1 + EPS, 1 + 1e-7]
SHARES = [0.0, 1e-14, 1e-14, 1e-12, 1e-9, 1e-6, 1e-4, 0.02, 0.3, 0.9, *AT, 3.0]
STARTS = [None, "good", 1.0, 40.0, 1e4, 1e10]


def atoms(rng, kind: str, shape) -> np.ndarray:
    W = rng.standard_normal(shape)
    if kind == "correlated":
        W = rng.standard_normal((shape[0], 1)) + 10.0 ** rng.uniform(-7, 0) * W
    elif kind == "twins":
        W = W[:, rng.integers(shape[1], size=shape[1])] * rng.choice([-1.0, 1.0, 2.0], shape[1])
    elif kind == "zeros":
        W = W * (rng.random(shape[1]) < 0.6)
    elif kind == "scales":
        W = W * 10.0 ** rng.uniform(-8, 8, shape[1])
    elif kind == "scaled":
        W = W * 10.0 ** rng.uniform(-8, 8)
    elif kind == "low rank":
        W = rng.standard_normal((shape[0], 1)) @ rng.standard_normal((1, shape[1]))
    elif kind == "whole numbers":
        W = rng.integers(-2, 3, shape).astype(float)
    return W


def samples(rng, kind: str, W: np.ndarray, rows: int) -> np.ndarray:
    y = rng.standard_normal((rows, W.shape[0]))
    if kind == "atoms":
        y = (rng.standard_normal((rows, W.shape[1])) * (rng.random(W.shape[1]) < 0.3)) @ W.T
        y = y + 10.0 ** rng.uniform(-12, 0) * rng.standard_normal(y.shape)
    elif kind == "zero":
        y[0] = 0
    elif kind == "scaled":
        y = y * 10.0 ** rng.uniform(-12, 12)
    elif kind == "scales":
        y = y * 10.0 ** rng.uniform(-8, 8, (rows, 1))
    elif kind == "one entry":
        y = y * (np.arange(y.shape[1]) == 0)
    return y


def laid_out(x: torch.Tensor, layout: str) -> torch.Tensor:
    """The same numbers, otherwise in memory."""
    if layout == "columns first":
        return x.mT.contiguous().mT if x.ndim > 1 else x
    if layout == "strided":
        return x.repeat_interleave(2, -1)[..., ::2]
    return x


def shares(draw, rows: int) -> np.ndarray:
    if draw(st.booleans()):
        return np.full(rows, draw(st.sampled_from(SHARES)))
    return np.resize([draw(st.sampled_from(SHARES)) for _ in range(min(rows, 4))], rows)


def lambdas(W, y, share, nonnegative, weights, groups) -> np.ndarray:
    lam = share * dual_norm(y.astype(LONG) @ W.astype(LONG), nonnegative, weights, groups)
    return np.where(share == 1e-14, 1e-14, lam).astype(float)


def start(rng, kind, case_of, scale: float) -> np.ndarray | None:
    W, y, lam, nonnegative, weights = case_of
    if kind is None:
        return None
    if kind == "good":
        z = polished(W, y, lam, nonnegative, weights, sweeps=5).astype(float)
    else:
        z = kind * scale * rng.standard_normal((len(y), W.shape[1]))
    return np.abs(z) if nonnegative else z


@st.composite
def dense(draw) -> Case:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    W = atoms(rng, draw(st.sampled_from(KINDS)), draw(st.sampled_from(SIZES)))
    rows = draw(st.sampled_from([1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 70]))
    layout = draw(st.sampled_from(["", "columns first", "strided"]))
    y = samples(rng, draw(st.sampled_from(SAMPLES)), W, rows)
    W, y = (torch.from_numpy(x).to(dtype) for x in (W, y))
    try:
        dictionary = Dictionary(laid_out(W, layout))
    except ValueError:
        assume(False)
    assume(torch.isfinite(y).all())
    y = laid_out(y[:1].expand(rows, -1) if draw(st.booleans()) else y, layout)
    solver = draw(st.sampled_from(["encode", "encode", "encode", "fista", "ista"]))
    nonnegative, weights, groups = draw(st.booleans()), None, None
    if solver != "encode":
        other = draw(st.sampled_from(["", "weights", "groups"]))
        if other == "weights":
            weights = 10.0 ** rng.uniform(-2, 2, W.shape[1])
        elif other == "groups":
            groups, nonnegative = rng.integers(0, 4, W.shape[1]), False
    exact_W, exact_y = W.double().numpy(), y.double().numpy()
    lam = lambdas(exact_W, exact_y, shares(draw, rows), nonnegative, weights, groups)
    assume(np.isfinite(lam).all())
    number = len(set(lam)) == 1 and draw(st.booleans())
    given_lam = float(lam[0]) if number else torch.from_numpy(lam)
    problem = (exact_W, exact_y, lam, nonnegative, weights)
    kind = draw(st.sampled_from(STARTS))
    z0 = start(rng, kind, problem, draw(st.sampled_from([1.0, np.abs(exact_y).max()])))
    if z0 is not None:
        z0 = laid_out(torch.from_numpy(z0).to(dtype), layout)
        assume(torch.isfinite(z0).all())
    tol = draw(st.sampled_from([1e-2, 1e-4, 1e-6, 1e-10]))
    options = {"z0": z0, "tol": tol}
    if solver == "encode":
        options |= {
            "backend": draw(st.sampled_from(BACKENDS)),
            "chunk": draw(st.sampled_from([1, 3, 66, 4096])),
        }
        options |= {"nonnegative": nonnegative}
    elif groups is not None:
        options |= {"penalty": GroupL1(torch.from_numpy(groups)), "max_iter": 300}
    else:
        w = None if weights is None else torch.from_numpy(weights)
        options |= {"penalty": L1(nonnegative=nonnegative, weights=w), "max_iter": 300}
    call = partial({"encode": encode, "fista": fista, "ista": ista}[solver], dictionary, y)
    inputs = [x for x in (W, y, given_lam, z0) if isinstance(x, torch.Tensor)]
    name = f"{solver} {options.get('backend', '')} start {kind}"
    return Case(
        *problem[:4], weights, groups, tol, name, partial(call, given_lam, **options), inputs
    )


@st.composite
def images(draw) -> Case:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    n, size, borders = draw(st.integers(1, 3)), (6, 5), draw(st.sampled_from(["valid", "circular"]))
    kinds = [k for k in KINDS if k != "low rank"]
    K = atoms(rng, draw(st.sampled_from(kinds)), (6, n)).T.reshape(n, 3, 2)
    K = torch.from_numpy(np.ascontiguousarray(K)).to(dtype)
    try:
        dictionary = ConvDictionary(K, draw(st.sampled_from(["fourier", "spatial"])), borders)
    except ValueError:
        assume(False)
    W = matrix(K.double().numpy(), size, borders)
    rows, layout = draw(st.integers(1, 3)), draw(st.sampled_from(["", "columns first", "strided"]))
    y = torch.from_numpy(samples(rng, draw(st.sampled_from(SAMPLES)), W, rows)).to(dtype)
    assume(torch.isfinite(y).all())
    nonnegative = draw(st.booleans())
    exact_y = y.double().numpy()
    lam = lambdas(W, exact_y, shares(draw, rows), nonnegative, None, None)
    assume(np.isfinite(lam).all())
    kind, places = draw(st.sampled_from(STARTS)), (n, *code_size(size, borders))
    z0 = start(rng, kind, (W, exact_y, lam, nonnegative, None), 1.0)
    z0 = None if z0 is None else torch.from_numpy(z0).to(dtype).reshape(rows, *places)
    assume(z0 is None or torch.isfinite(z0).all())
    y, given_lam = laid_out(y.reshape(rows, *size), layout), torch.from_numpy(lam)
    tol = draw(st.sampled_from([1e-2, 1e-4, 1e-6]))
    options = {"z0": z0, "tol": tol, "nonnegative": nonnegative, "max_iter": 200}
    solver, backend = draw(st.sampled_from([admm, encode_images])), ""
    if solver is encode_images:
        backend = options["backend"] = draw(st.sampled_from([*BACKENDS, "auto"]))
    inputs = [x for x in (K, y, given_lam, z0) if x is not None]
    call = partial(solver, dictionary, y, given_lam, **options)
    name = f"{solver.__name__} {backend} start {kind}"
    return Case(W, exact_y, lam, nonnegative, None, None, tol, name, call, inputs)


def code_size(size, borders: str) -> tuple[int, int]:
    return size if borders == "circular" else (size[0] - 2, size[1] - 1)


def matrix(K: np.ndarray, size, borders: str) -> np.ndarray:
    """One column for each kernel (of 3 × 2) and place."""
    columns = []
    for kernel in K:
        for p, q in np.ndindex(*code_size(size, borders)):
            image = np.zeros(size)
            for a, b in np.ndindex(*kernel.shape):
                image[(p + a) % size[0], (q + b) % size[1]] += kernel[a, b]
            columns.append(image.ravel())
    return np.array(columns).T


# ---- tests ----


def check(case: Case) -> None:
    before = [x.clone() for x in case.inputs]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        solution = case.call()
    assert all(issubclass(w.category, ConvergenceWarning) for w in said), [str(w) for w in said]
    assert all(torch.equal(*pair) for pair in zip(before, case.inputs, strict=True)), "changed"
    event(f"{case.name}: {'all' if solution.converged.all() else 'not all'} converged")
    judge(case, solution)


@contextmanager
def few_steps():
    """What no number of steps brings to a certificate need not take 10 000 of them here."""
    before, codes.Options = codes.Options, partial(Options, max_iter=300)
    try:
        yield
    finally:
        codes.Options = before


@FIXED
@given(st.one_of(dense(), dense(), dense(), images()))
def test_nothing_untrue_is_certified(case):
    with few_steps():
        check(case)


# ---- make fuzz ----


def for_long(seconds: float) -> int:
    """Fresh problems until the time is up. Returns how many kinds of failures there were."""
    end, tried, failures = time.monotonic() + seconds, 0, {}

    @settings(FIXED, derandomize=False, phases=[Phase.generate], max_examples=200)
    @given(st.one_of(dense(), dense(), dense(), images()))
    def some(case):
        nonlocal tried
        tried += 1
        try:
            with few_steps():
                check(case)
        except Exception as error:
            kind = f"{case.name}: {type(error).__name__} {str(error)[:20]}"
            failures.setdefault(kind, [0, str(error), case])[0] += 1

    while time.monotonic() < end:
        some()
        print(f"{tried} problems, {sum(f[0] for f in failures.values())} failures", flush=True)
    for kind, (count, message, case) in failures.items():
        print(f"\n{count} × {kind}\n{message}\n{case}")
    return len(failures)


if __name__ == "__main__":
    sys.exit(min(1, for_long(float(sys.argv[1]) if len(sys.argv) > 1 else 3600)))
