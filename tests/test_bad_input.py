"""Bad input: one clear error each, which names the argument; nothing of the caller's is changed.

The meta device stands for "another device", so that these tests need no GPU.
"""

import re

import numpy as np
import pytest
import torch
from problems import normal, random_dictionary

from rlvebm_utils import (
    Dictionary,
    certificate,
    duality_gap,
    encode,
    energy,
    fista,
    ista,
    kkt_residual,
    lambda_max,
    learn_dictionary,
    nonnegative_soft_threshold,
    soft_threshold,
)

NAN, INF = float("nan"), float("inf")
W, D = random_dictionary(), Dictionary(random_dictionary())
Y, Z = normal(5, 12, seed=1), normal(5, 20, seed=2)


def spoilt(x, value):
    x = x.clone()
    x.view(-1)[7] = value
    return x


def check(call, error, name, words=""):
    """The error's kind, the argument it begins with, and what it says; inputs as they were."""
    before = [x.clone() for x in (W, D.W, Y, Z)]
    with pytest.raises(error, match=rf"^{name}: expected .*{words}") as raised:
        call()
    assert ", got " in str(raised.value)
    assert len(str(raised.value)) < 200
    assert raised.value.__cause__ is None
    for x, was in zip((W, D.W, Y, Z), before, strict=True):
        assert torch.equal(x, was)


BAD_TENSORS = {
    "list": ([[1.0]], TypeError, "got list"),
    "array": (np.ones((5, 12)), TypeError, "got ndarray"),
    "None": (None, TypeError, "got NoneType"),
    "integers": (torch.ones(5, 12, dtype=torch.int64), TypeError, "got int64 tensor"),
    "Booleans": (torch.ones(5, 12, dtype=torch.bool), TypeError, "got bool tensor"),
    "complex": (torch.ones(5, 12, dtype=torch.complex128), TypeError, "got complex128 tensor"),
    "NaN": (spoilt(Y, NAN), ValueError, "got 1 NaN or infinite"),
    "infinite": (spoilt(Y, -INF), ValueError, "got 1 NaN or infinite"),
    "empty": (torch.ones(0, 12).double(), ValueError, r"empty .*shape \(0, 12\)"),
}
BAD_SAMPLES = BAD_TENSORS | {
    "float32": (Y.float(), TypeError, "float64 like the dictionary, got float32"),
    "float16": (Y.half(), TypeError, "float64 like the dictionary, got float16"),
    "device": (Y.to("meta"), ValueError, "device cpu like the dictionary, got .* on meta"),
    "wrong length": (Y[:, :11], ValueError, r"shape \(12,\) or \(N, 12\), got .*\(5, 11\)"),
    "transposed": (Y.T, ValueError, r"got .*\(12, 5\)"),
    "three dimensions": (Y[None], ValueError, r"got .*\(1, 5, 12\)"),
    "a number": (torch.tensor(1.0).double(), ValueError, r"got .*\(\)"),
}
BAD_CODES = {
    "list": ([0.0] * 20, TypeError, "got list"),
    "float32": (Z.float(), TypeError, "float64 like the dictionary, got float32"),
    "device": (Z.to("meta"), ValueError, "device cpu like the dictionary, got .* on meta"),
    "NaN": (spoilt(Z, NAN), ValueError, "got 1 NaN"),
    "wrong number": (Z[:4], ValueError, r"shape \(5, 20\) for this y, got .*\(4, 20\)"),
    "one": (Z[0], ValueError, r"shape \(5, 20\) for this y, got .*\(20,\)"),
    "wrong length": (Z[:, :19], ValueError, r"got .*\(5, 19\)"),
}
BAD_LAM = {
    "negative": (-0.1, ValueError, "got a minimum of -0.1"),
    "NaN": (NAN, ValueError, "finite"),
    "infinite": (INF, ValueError, "finite"),
    "one negative": (torch.tensor([1, 1, 1, -1e-9, 1]), ValueError, "got a minimum of -9.99"),
    "one NaN": (torch.tensor([1, 1, 1, NAN, 1]), ValueError, "finite"),
    "too few": (torch.ones(4), ValueError, r"one number or 5 of them, got .*\(4,\)"),
    "a column": (torch.ones(5, 1), ValueError, r"one number or 5 of them, got .*\(5, 1\)"),
    "none": (torch.ones(0), ValueError, r"5 of them, got .*\(0,\)"),
    "Boolean": (True, TypeError, "got bool"),
    "Booleans": (torch.ones(5, dtype=torch.bool), TypeError, "got bool tensor"),
    "complex": (1j, TypeError, "got complex"),
    "string": ("0.1", TypeError, "got str"),
    "list": ([0.1] * 5, TypeError, "got list"),
    "None": (None, TypeError, "got NoneType"),
    "device": (torch.ones(5, device="meta"), ValueError, "device cpu .* on meta"),
}


def every(cases):
    return pytest.mark.parametrize("bad", cases.values(), ids=cases.keys())


TAKES_CODES = pytest.mark.parametrize(
    "measure", [energy, duality_gap, certificate, kkt_residual], ids=lambda f: f.__name__
)
SOLVER = pytest.mark.parametrize("solver", [ista, fista], ids=lambda f: f.__name__)


# ---- The dictionary ----

BAD_W = {
    **BAD_TENSORS,
    "vector": (torch.ones(12), ValueError, r"a matrix \(dimension, atoms\), got .*\(12,\)"),
    "three dimensions": (torch.ones(2, 3, 4), ValueError, r"got .*\(2, 3, 4\)"),
    "no atoms": (torch.ones(12, 0), ValueError, r"empty .*\(12, 0\)"),
    "all zero": (torch.zeros(3, 4), ValueError, r"non-zero atom, got an all-zero .*\(3, 4\)"),
    "underflow": (torch.full((3, 4), 1e-30), ValueError, "torch.float32 .* up to 1.0e-30"),
    "overflow": (
        torch.ones(3, 4).double() * 1e200,
        ValueError,
        "torch.float64 .* up to 1.0e\\+200",
    ),
    "overflow of float32": (torch.full((3, 4), 1e25), ValueError, "up to 1.0e\\+25"),
}


@every(BAD_W)
def test_dictionary(bad):
    value, error, words = bad
    check(lambda: Dictionary(value), error, "W", words)


def test_dictionary_to_integers():
    check(lambda: D.to(dtype=torch.int64), TypeError, "W", "got int64")


@pytest.mark.parametrize("value", [W, None, "W"], ids=["matrix", "None", "string"])
def test_not_a_dictionary(value):
    """The matrix itself is the likeliest slip."""
    for call in (
        lambda: fista(value, Y, 0.1),
        lambda: ista(value, Y, 0.1),
        lambda: energy(value, Y, Z, 0.1),
        lambda: kkt_residual(value, Y, Z, 0.1),
        lambda: duality_gap(value, Y, Z, 0.1),
        lambda: lambda_max(value, Y),
    ):
        check(call, TypeError, "dictionary", re.escape("Dictionary(W)"))


# ---- Samples, codes and λ, wherever they go in ----


@every(BAD_SAMPLES)
def test_samples(bad):
    value, error, words = bad
    for call in (
        lambda: fista(D, value, 0.1),
        lambda: ista(D, value, 0.1),
        lambda: lambda_max(D, value),
        lambda: energy(D, value, Z, 0.1),
        lambda: duality_gap(D, value, Z, 0.1),
        lambda: kkt_residual(D, value, Z, 0.1),
    ):
        check(call, error, "y", words)


@every(BAD_CODES)
def test_codes(bad):
    value, error, words = bad
    for measure in (energy, duality_gap, certificate, kkt_residual):
        check(lambda measure=measure: measure(D, Y, value, 0.1), error, "z", words)
    for solver in (ista, fista):
        check(lambda solver=solver: solver(D, Y, 0.1, z0=value), error, "z0", words)


def test_a_single_sample_takes_a_single_code():
    check(lambda: fista(D, Y[0], 0.1, z0=Z), ValueError, "z0", r"shape \(20,\)")
    check(lambda: energy(D, Y[0], Z[:1], 0.1), ValueError, "z", r"shape \(20,\)")


@every(BAD_LAM)
def test_lam(bad):
    value, error, words = bad
    for call in (
        lambda: fista(D, Y, value),
        lambda: ista(D, Y, value),
        lambda: energy(D, Y, Z, value),
        lambda: duality_gap(D, Y, Z, value),
        lambda: kkt_residual(D, Y, Z, value),
    ):
        check(call, error, "lam", words)


def test_one_lam_for_a_single_sample():
    check(lambda: fista(D, Y[0], torch.ones(5)), ValueError, "lam", "one number or 1 of them")


def energy_gap(z):
    return duality_gap(D, Y, z, 0.1, nonnegative=True)


def test_codes_that_should_not_be_negative():
    for measure in (duality_gap, certificate, kkt_residual):
        check(lambda f=measure: f(D, Y, Z, 0.1, nonnegative=True), ValueError, "z", "minimum of -")
    check(lambda: fista(D, Y, 0.1, z0=Z, nonnegative=True), ValueError, "z0", "minimum of -")
    for row in range(len(Z)):  # in whichever of them it is
        z = Z.abs()
        z[row, -1] = -1e-30
        check(lambda z=z: energy_gap(z), ValueError, "z", "minimum of -1e-30")
        check(lambda z=z: encode(D, Y, 0.1, z0=z, nonnegative=True), ValueError, "z0", "minimum")


# ---- Numbers ----


@SOLVER
@pytest.mark.parametrize(
    "value", [0, -1, 1.5, 10.0, True, "10", None, NAN, torch.tensor(3)], ids=repr
)
def test_max_iter(solver, value):
    check(lambda: solver(D, Y, 0.1, max_iter=value), ValueError, "max_iter", "an integer ≥ 1")


@SOLVER
@pytest.mark.parametrize("value", [-1e-9, 1.5, NAN, INF, True, "1e-4", torch.tensor(0.1)], ids=repr)
def test_tol(solver, value):
    check(lambda: solver(D, Y, 0.1, tol=value), ValueError, "tol", r"a number in \[0, 1\]")


def test_numbers_of_numpy_are_numbers():
    expected = fista(D, Y, 0.5, tol=0.125, max_iter=50).z
    z = fista(D, Y, np.float32(0.5), tol=np.float32(0.125), max_iter=np.int64(50)).z
    assert torch.equal(z, expected)


# ---- Dictionary learning ----


@every(BAD_TENSORS)
def test_learning_samples(bad):
    value, error, words = bad
    check(lambda: learn_dictionary(value, 4, 0.1, steps=2), error, "y", words)


def test_learning_from_no_batch_or_nothing():
    check(lambda: learn_dictionary(Y[0], 4, 0.1), ValueError, "y", r"\(N, d\), got .*\(12,\)")
    check(lambda: learn_dictionary(Y[None], 4, 0.1), ValueError, "y", r"\(N, d\)")
    check(lambda: learn_dictionary(0 * Y, 4, 0.1), ValueError, "y", "got an all-zero")


@every(
    {
        k: v
        for k, v in BAD_LAM.items()
        if k not in ("too few", "a column", "none", "device", "Booleans")
    }
)
def test_learning_lam(bad):
    value, error, _ = bad
    check(lambda: learn_dictionary(Y, 4, value), error, "lam")


def test_learning_takes_one_lam():
    """One per sample would meet the samples in another order."""
    check(lambda: learn_dictionary(Y, 4, torch.ones(5)), ValueError, "lam", "for all samples")


@pytest.mark.parametrize("name", ["steps", "batch_size", "iterations", "n_atoms"])
@pytest.mark.parametrize("value", [0, -1, 2.0, True, None])
def test_learning_counts(name, value):
    options = {"n_atoms": 4, name: value}
    check(lambda: learn_dictionary(Y, lam=0.1, **options), ValueError, name, "an integer ≥ 1")


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"forgetting": 1.1}, ValueError, r"a number in \[0, 1\]"),
        ({"forgetting": NAN}, ValueError, r"a number in \[0, 1\]"),
        ({"seed": -1}, ValueError, "an integer ≥ 0"),
        ({"seed": None}, ValueError, "an integer ≥ 0"),
        ({"snapshots": 3}, TypeError, "a tuple of steps"),
        ({"snapshots": (1, -1)}, ValueError, "an integer ≥ 0"),
        ({"snapshots": (0, 3), "steps": 2}, ValueError, "steps from 0 to 2, got 3"),
    ],
    ids=repr,
)
def test_learning_options(options, error, words):
    check(lambda: learn_dictionary(Y, 4, 0.1, **options), error, next(iter(options)), words)


# ---- Thresholds ----


@pytest.mark.parametrize("prox", [soft_threshold, nonnegative_soft_threshold])
def test_thresholds(prox):
    check(lambda: prox([1.0], 0.1), TypeError, "v", "got list")
    check(lambda: prox(torch.arange(3), 0.5), TypeError, "v", "got int64")
    check(lambda: prox(Y, "0.1"), TypeError, "threshold", "got '0.1'")
    check(lambda: prox(Y, True), TypeError, "threshold", "got True")
    check(lambda: prox(Y, -0.1), ValueError, "threshold", "a number ≥ 0")
    check(lambda: prox(Y, NAN), ValueError, "threshold", "a number ≥ 0")
