"""encode(): every sample checked by the separate float64 certificate; FISTA as the reference."""

import warnings

import pytest
import torch

from rlvebm_utils import Dictionary, certificate, fista
from rlvebm_utils.encoding import encode

pytest.importorskip("numba", reason="the compiled backend is an optional extra: fast")

SHAPES = [
    (20, 30),
    (30, 20),
    (3, 130),
    (200, 65),
]  # around the padding to 32, over- and undercomplete


def problem(shape, dtype):
    generator = torch.Generator().manual_seed(0)
    W = torch.randn(*shape, generator=generator, dtype=torch.float64)
    y = torch.randn(40, shape[0], generator=generator, dtype=torch.float64)
    W[:, 3], y[5] = 0, 0  # an atom and a sample that are zero
    return Dictionary(W.to(dtype)), y.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("lam", [0.1, 1.0, 1000.0])
def test_every_sample_is_certified(shape, nonnegative, dtype, lam):
    dictionary, y = problem(shape, dtype)
    solution = encode(dictionary, y, lam, nonnegative=nonnegative, backend="numba", chunk=17)
    assert solution.converged.all() and solution.z.dtype == dtype
    bounds = certificate(dictionary, y, solution.z, lam, nonnegative)
    rounding = torch.finfo(dtype).eps * 0.5 * y.double().square().sum(1)
    assert ((bounds.relative_gap <= 1.0001e-4) | (bounds.gap <= rounding)).all()
    assert torch.allclose(solution.energy, bounds.energy, rtol=1e-9, atol=1e-12)


def test_the_codes_are_those_of_fista():
    dictionary, y = problem((20, 30), torch.float64)
    lam = torch.linspace(0.1, 2, len(y), dtype=torch.float64)
    ours = encode(dictionary, y, lam, tol=1e-12, backend="numba")
    reference = fista(dictionary, y, lam, tol=1e-12, max_iter=100_000)
    assert torch.allclose(ours.z, reference.z, atol=1e-5)
    assert ours.relative_gap.max() <= 1e-12


def test_a_good_start_costs_one_round():
    dictionary, y = problem((20, 30), torch.float64)
    cold = encode(dictionary, y, 0.5, backend="numba")
    start = cold.z.clone()
    warm = encode(dictionary, y, 0.5, z0=start, backend="numba")
    assert torch.equal(start, cold.z)  # not changed
    assert warm.iterations.sum() < 0.5 * cold.iterations.sum()


def test_one_sample_and_no_lambda():
    dictionary, y = problem((30, 20), torch.float64)
    one = encode(dictionary, y[0], 0.5, backend="numba")
    assert one.z.shape == (20,) and one.energy.shape == ()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert encode(dictionary, y, 0, backend="numba").converged.all()


def test_backends_by_name():
    dictionary, y = problem((20, 30), torch.float64)
    torch_alone = encode(dictionary, y, 0.5, backend="torch")
    assert torch.equal(torch_alone.z, fista(dictionary, y, 0.5).z)
    with pytest.raises(ValueError, match="backend: expected one of .* got 'cuda'"):
        encode(dictionary, y, 0.5, backend="cuda")
