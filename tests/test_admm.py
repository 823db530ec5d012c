"""Fast convolutional codes: ADMM and coordinate descent against spatial FISTA over the same
operator, the optimality conditions and the certificate.
"""

import pytest
import torch
from problems import needs_c, normal

from rlvebm_utils import (
    ConvDictionary,
    ConvergenceWarning,
    Dictionary,
    admm,
    duality_gap,
    encode_images,
    energy,
    fista,
    kkt_residual,
    lambda_max,
)
from rlvebm_utils.fast import images

SOLVERS = pytest.mark.parametrize("backend", ["torch", pytest.param("c", marks=needs_c)])
BORDERS = pytest.mark.parametrize("borders", ["valid", "circular"])

# Kernels (n, a, b) or (n, C, a, b), and images: oblong, prime sides, wider than a vector register,
# as small as the kernel.
CASES = {
    "grey": ((4, 3, 3), (9, 11)),
    "colour": ((5, 3, 3, 3), (8, 10)),
    "two channels, oblong": ((4, 2, 4, 2), (7, 13)),
    "wide": ((3, 2, 9), (5, 23)),
    "as small as the kernel": ((3, 4, 5), (4, 5)),
    "one pixel": ((3, 1, 1), (4, 5)),
}
EVERY = pytest.mark.parametrize("case", CASES)


def problem(case, borders, dtype=torch.float64, count=3):
    """A dictionary, a batch of images (one of them zero), and a λ for each."""
    shape, size = CASES[case]
    K = normal(*shape, seed=0)
    y = normal(count, *shape[1:-2], *size, seed=1)
    y[1] = 0
    dictionary = ConvDictionary(K, "spatial", borders)
    lam = (0.2 * lambda_max(dictionary, y)).clamp(min=0.1)
    return dictionary.to(dtype=dtype), y.to(dtype), lam


def solve(backend, dictionary, y, lam, **options):
    return encode_images(dictionary, y, lam, backend=backend, **options)


@SOLVERS
@BORDERS
@EVERY
@pytest.mark.parametrize("nonnegative", [False, True])
def test_finds_what_fista_finds(backend, borders, case, nonnegative):
    dictionary, y, lam = problem(case, borders)
    found = solve(backend, dictionary, y, lam, tol=1e-9, nonnegative=nonnegative)
    best = fista(dictionary, y, lam, tol=1e-9, nonnegative=nonnegative)
    assert found.converged.all() and found.z.shape == best.z.shape
    torch.testing.assert_close(found.energy, best.energy, rtol=1e-8, atol=1e-12)
    torch.testing.assert_close(
        dictionary.decode(found.z), dictionary.decode(best.z), rtol=0, atol=1e-3
    )
    assert (kkt_residual(dictionary, y, found.z, lam, nonnegative) <= 1e-3 * lam).all()
    assert not nonnegative or (found.z >= 0).all()


@SOLVERS
@BORDERS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("tol", [1e-2, 1e-4])
def test_the_certificate_is_the_codes_own_and_bounds_the_excess(backend, borders, dtype, tol):
    dictionary, y, lam = problem("grey", borders, dtype)
    found = solve(backend, dictionary, y, lam, tol=tol)
    exact = dictionary.to(dtype=torch.float64)
    z = found.z.double()
    torch.testing.assert_close(found.energy, energy(exact, y.double(), z, lam))
    torch.testing.assert_close(
        found.gap, duality_gap(exact, y.double(), z, lam), rtol=1e-6, atol=1e-9
    )
    least = fista(exact, y.double(), lam, tol=1e-9).energy
    assert (found.energy - least <= found.gap + 1e-9).all()
    assert (found.energy <= (1 + tol) * least + 1e-9).all()
    assert found.z.dtype == dtype and found.converged.all()


@SOLVERS
def test_a_batch_is_its_images_one_by_one(backend):
    dictionary, y, lam = problem("colour", "valid")
    together = solve(backend, dictionary, y, lam, tol=1e-10)
    for row in range(len(y)):
        alone = solve(backend, dictionary, y[row], lam[row : row + 1], tol=1e-10)
        torch.testing.assert_close(alone.energy, together.energy[row], rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(alone.z, together.z[row], rtol=0, atol=1e-4)
        assert alone.energy.shape == alone.iterations.shape == ()


@SOLVERS
@BORDERS
def test_from_lambda_max_on_the_code_is_empty(backend, borders):
    dictionary, y, _ = problem("grey", borders)
    lam = 1.0001 * lambda_max(dictionary, y).clamp(min=0.1)
    found = solve(backend, dictionary, y, lam)
    assert not found.z.any() and found.converged.all()
    below = solve(backend, dictionary, y, 0.99 * lambda_max(dictionary, y).clamp(min=0.1), tol=1e-6)
    assert below.z[0].any() and below.z[2].any()


@SOLVERS
def test_a_warm_start_saves_iterations_and_nothing_given_is_changed(backend):
    dictionary, y, lam = problem("grey", "valid")
    first = solve(backend, dictionary, y, lam, tol=1e-9)
    z0, y0, K = first.z.clone(), y.clone(), dictionary.K.clone()
    again = solve(backend, dictionary, y, lam, z0=first.z, tol=1e-8)
    assert (again.iterations <= 20).all() and again.converged.all()
    assert torch.equal(first.z, z0) and torch.equal(y, y0) and torch.equal(dictionary.K, K)


@SOLVERS
def test_scaling_image_and_lambda_scales_the_code_and_no_more(backend):
    dictionary, y, lam = problem("grey", "circular")
    small = solve(backend, dictionary, y, lam, tol=1e-6)
    large = solve(backend, dictionary, 1024 * y, 1024 * lam, tol=1e-6)
    torch.testing.assert_close(large.z, 1024 * small.z)
    assert torch.equal(small.iterations, large.iterations)


@SOLVERS
def test_few_iterations_suffice_where_one_frequency_dominates(backend):
    """Kernels with a common mean, as many as photographs ask for: what slows FISTA down."""
    K = normal(8, 5, 5, seed=3) + 2
    dictionary, y = ConvDictionary(K, borders="circular"), normal(16, 16, seed=4)
    lam = float(0.3 * lambda_max(dictionary, y))
    fast, slow = solve(backend, dictionary, y, lam, tol=1e-3), fista(dictionary, y, lam, tol=1e-3)
    assert fast.converged and 3 * fast.iterations < slow.iterations


@SOLVERS
def test_exactly_max_iter_steps_without_a_tolerance_and_a_warning_with_one(backend):
    dictionary, y, lam = problem("grey", "valid")
    found = solve(backend, dictionary, y, lam, tol=None, max_iter=7)
    assert (found.iterations == 7).all() and not found.converged.any()
    torch.testing.assert_close(found.energy, energy(dictionary, y, found.z, lam))
    with pytest.warns(ConvergenceWarning, match="max_iter=3"):
        solve(backend, dictionary, y, lam, tol=1e-12, max_iter=3)


@SOLVERS
def test_a_zero_kernel_stays_unused(backend):
    dictionary, y, lam = problem("grey", "valid")
    K = torch.cat([dictionary.K, torch.zeros_like(dictionary.K[:1])])
    found = solve(backend, ConvDictionary(K), y, lam)
    assert found.converged.all() and not found.z[:, -1].any()


@pytest.mark.parametrize("solver", [admm, encode_images])
def test_bad_input_is_named(solver):
    dictionary, y, lam = problem("grey", "valid")
    with pytest.raises(TypeError, match="dictionary: expected a ConvDictionary"):
        solver(Dictionary(normal(4, 6, seed=0)), y, lam)
    with pytest.raises(TypeError, match="y: expected torch.float64"):
        solver(dictionary, y.float(), lam)
    with pytest.raises(ValueError, match="z0: expected shape"):
        solver(dictionary, y, lam, z0=y)
    with pytest.raises(ValueError, match="lam: "):
        solver(dictionary, y, -1.0)
    with pytest.raises(ValueError, match="tol: "):
        solver(dictionary, y, lam, tol=2)
    with pytest.raises(ValueError, match="max_iter: "):
        solver(dictionary, y, lam, max_iter=0)
    with pytest.raises(
        ValueError, match="borders: expected one of 'valid', 'circular', got 'reflect'"
    ):
        ConvDictionary(dictionary.K, borders="reflect")


def test_admm_comes_to_an_end_on_a_problem_that_takes_long():
    """A weak λ; with ρ adapted for ever it was 2.7 % off after 10 000 iterations."""
    dictionary, y, lam = problem("colour", "circular")
    found = admm(dictionary, y[0], 0.02 * lam[0], tol=1e-6)
    assert found.converged and found.iterations > 500


@needs_c
@BORDERS
@pytest.mark.parametrize("nonnegative", [False, True])
def test_descent_that_takes_long_is_handed_on(borders, nonnegative, monkeypatch):
    """To ADMM, from where it is and with its own λ; the images that are done stay as they are."""
    dictionary, y, lam = problem("colour", borders)
    lam = lam * torch.tensor([3, 1, 0.02], dtype=lam.dtype)[: len(lam)]
    options = {"tol": 1e-6, "nonnegative": nonnegative}
    alone = encode_images(dictionary, y, lam, backend="c", **options)
    monkeypatch.setattr(images._DescentThenADMM, "patience", 100)
    handed = []

    run_admm = images.run_admm

    def watched(problem, z, options):
        handed.append((len(problem), bool(z.any()), options.max_iter))
        return run_admm(problem, z, options)

    monkeypatch.setattr(images, "run_admm", watched)
    both = encode_images(dictionary, y, lam, **options)
    ((count, warm, left),) = handed
    assert 0 < count < len(y) and warm and left < 10_000
    assert (
        both.converged.all()
        and (duality_gap(dictionary, y, both.z, lam, nonnegative) <= both.gap + 1e-9).all()
    )
    torch.testing.assert_close(both.energy, alone.energy, rtol=1e-5, atol=1e-9)
    same = (both.z == alone.z).flatten(1).all(1)
    assert (~same).sum() == count
    with pytest.warns(ConvergenceWarning, match="max_iter=60"):
        capped = encode_images(dictionary, y, lam, max_iter=60, tol=1e-12)
    assert (capped.iterations <= 60).all()


def test_an_unknown_backend_is_named():
    dictionary, y, lam = problem("grey", "valid")
    with pytest.raises(ValueError, match="backend: expected one of 'auto', 'c', 'torch'"):
        encode_images(dictionary, y, lam, backend="cuda")


@BORDERS
@pytest.mark.parametrize("method", ["spatial", "fourier"])
@EVERY
def test_on_a_torus_decode_and_adjoint_shift_with_the_image(borders, method, case):
    dictionary, y, _ = problem(case, borders)
    dictionary = ConvDictionary(dictionary.K, method, borders)
    c = dictionary.adjoint(y)
    z = normal(*c.shape, seed=5)
    torch.testing.assert_close((dictionary.decode(z) * y).sum(), (z * c).sum())
    if borders == "circular":
        moved = dictionary.decode(z.roll((2, 3), (-2, -1)))
        torch.testing.assert_close(moved, dictionary.decode(z).roll((2, 3), (-2, -1)))
        assert c.shape[-2:] == y.shape[-2:]
