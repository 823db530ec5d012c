"""encode(): every sample checked by the separate float64 certificate; FISTA as the reference."""

import subprocess
import sys
import warnings

import pytest
import torch
from problems import needs_c, normal, random_dictionary

from rlvebm_utils import (
    ConvDictionary,
    ConvergenceWarning,
    Dictionary,
    certificate,
    encode,
    encode_images,
    encode_path,
    fista,
    lambda_max,
)
from rlvebm_utils.fast import codes
from rlvebm_utils.problem import Problem

BACKENDS = ["torch", pytest.param("c", marks=needs_c)]

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
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_sample_is_certified(backend, shape, nonnegative, dtype, lam):
    dictionary, y = problem(shape, dtype)
    solution = encode(dictionary, y, lam, nonnegative=nonnegative, backend=backend, chunk=17)
    assert solution.converged.all() and solution.z.dtype == dtype
    bounds = certificate(dictionary, y, solution.z, lam, nonnegative)
    rounding = torch.finfo(dtype).eps * 0.5 * y.double().square().sum(1)
    assert ((bounds.relative_gap <= 1.0001e-4) | (bounds.gap <= rounding)).all()
    # The compiled way sums with WᵀW rounded to the dtype, and says by how much at most it is off
    rounded = 1e-6 if dtype == torch.float32 else 1e-9
    assert torch.allclose(solution.energy, bounds.energy, rtol=rounded, atol=1e-12)


def coherent(d, n, seed):
    """Atoms that are nearly alike (cosines about 0.9), and more of them than dimensions."""
    generator = torch.Generator().manual_seed(seed)
    W = 0.3 * torch.randn(d, n, generator=generator, dtype=torch.float64)
    W += torch.randn(d, 1, generator=generator, dtype=torch.float64)
    return W / W.norm(dim=0), torch.randn(40, d, generator=generator, dtype=torch.float64)


@needs_c
@pytest.mark.parametrize("tol", [0.5, 0.1, 1e-2, 1e-4])
def test_the_certificate_does_not_lie_on_the_way(tol):
    """Codes far from the best, whose residuals may even point away from their samples."""
    for seed in range(3):
        W, y = coherent(20, 200, seed)
        dictionary = Dictionary(W)
        lam = 0.001 * lambda_max(dictionary, y)
        found = encode(dictionary, y, lam, tol=tol, backend="c")
        bounds = certificate(dictionary, y, found.z, lam)
        assert found.converged.all()
        assert (bounds.relative_gap <= 1.001 * found.relative_gap + 1e-9).all()


@needs_c
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("nonnegative", [False, True])
def test_usual_problems_need_no_second_solver(nonnegative, dtype, monkeypatch):
    """What FISTA puts right would hide what is wrong with the faster way."""
    late = []
    finish = codes._finish

    def watched(ledger, solve, tol):
        late.append(int((~ledger.certificate.done(tol)).sum()))
        return finish(ledger, solve, tol)

    monkeypatch.setattr(codes, "_finish", watched)
    for shape in SHAPES:
        dictionary, y = problem(shape, dtype)
        lam = (0.2 * lambda_max(dictionary, y, nonnegative)).clamp(min=0.1)
        encode(dictionary, y, lam, nonnegative=nonnegative, backend="c")
    assert late == [0] * len(SHAPES)


@needs_c
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_hard_problems_are_solved_without_fista(dtype, monkeypatch):
    """Float32 is at its end on some of them, and goes on in float64; there C does it all."""

    def refuse(*_, **__):
        raise AssertionError("FISTA was called")

    monkeypatch.setattr(codes, "run_fista", refuse)
    for seed in range(3):
        W, y = coherent(30, 200, seed)
        W[:, 150:] = W[:, :50]  # twice the same atom
        W *= torch.logspace(-1, 1, 200, dtype=torch.float64)  # short ones and long ones
        dictionary = Dictionary(W.to(dtype))
        lam = 0.05 * lambda_max(dictionary, y.to(dtype))
        found = encode(dictionary, y.to(dtype), lam, backend="c")
        assert found.converged.all() and found.iterations.max() < 50_000


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_codes_are_those_of_fista(backend):
    dictionary, y = problem((20, 30), torch.float64)
    lam = torch.linspace(0.1, 2, len(y), dtype=torch.float64)
    ours = encode(dictionary, y, lam, tol=1e-12, backend=backend)
    reference = fista(dictionary, y, lam, tol=1e-12, max_iter=100_000)
    assert torch.allclose(ours.z, reference.z, atol=1e-5)
    assert ours.relative_gap.max() <= 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_by_torch_a_code_does_not_depend_on_the_others_of_its_batch(dtype):
    """One by one, in another order, all at once: the same check ends each."""
    dictionary, y = (
        Dictionary(random_dictionary(24, 60).to(dtype)),
        normal(70, 24, seed=1).to(dtype),
    )
    found = encode(dictionary, y, 0.3, backend="torch")
    assert len(found.iterations.unique()) > 2
    order = torch.randperm(70, generator=torch.Generator().manual_seed(0))
    again = encode(dictionary, y[order], 0.3, backend="torch")
    near = {"rtol": 1e-7, "atol": 1e-7} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(again.z, found.z[order], **near)
    assert torch.equal(again.iterations, found.iterations[order])
    for i in range(0, 70, 7):
        one = encode(dictionary, y[i], 0.3, backend="torch")
        torch.testing.assert_close(one.z, found.z[i], **near)
        assert one.iterations == found.iterations[i]


def test_steps_follow_the_curvature_of_each_sample():
    """Atoms with a common mean: WᵀW has one eigenvalue far above the rest, where few codes go."""
    generator = torch.Generator().manual_seed(0)
    W = torch.rand(60, 90, generator=generator, dtype=torch.float64)
    W = W / W.norm(dim=0)
    y = torch.rand(30, 60, generator=generator, dtype=torch.float64)
    ours = encode(Dictionary(W), y, 0.3, backend="torch")
    reference = fista(Dictionary(W), y, 0.3, tol=1e-4)
    assert ours.converged.all()
    assert ours.iterations.double().mean() < 0.7 * reference.iterations.double().mean()


def test_a_sample_that_does_not_move_waits_for_slow_ones():
    """Its steps may not grow past all bounds meanwhile (they were infinite where tiny numbers are
    rounded to zero, as on a GPU).
    """
    generator = torch.Generator().manual_seed(0)
    W = torch.rand(30, 60, generator=generator)
    y = torch.rand(40, 30, generator=generator)
    y[3] = 0
    torch.set_flush_denormal(True)
    try:
        solution = encode(Dictionary(W / W.norm(dim=0)), y, 0.005, backend="torch")
    finally:
        torch.set_flush_denormal(False)
    assert solution.iterations[3] == 6  # done, but it waits: of three tiles of 16 rows one goes
    assert solution.iterations.sort().values[7] > 1000  # on when at most 32 are not done
    assert solution.z.isfinite().all() and (solution.z[3] == 0).all()


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("backend", BACKENDS)
def test_float32_does_not_stall_where_it_ends(backend, nonnegative):
    """A tolerance that iterations in float32 do not reach: solved in float64, then rounded."""
    dictionary, y = problem((64, 128), torch.float32)
    asked = {"tol": 1e-6, "nonnegative": nonnegative}
    one = encode(dictionary, y, 3.0, backend=backend, **asked)
    assert one.converged.all() and one.z.dtype == torch.float32
    assert one.iterations.max() < 10_000  # the most that fista takes
    assert certificate(dictionary, y, one.z, 3.0, nonnegative).relative_gap.max() <= 1e-6
    with pytest.warns(ConvergenceWarning, match="samples in float64 can do better"):
        one = encode(dictionary, y, 0.3, backend=backend, **asked | {"tol": 1e-9})
    assert not one.converged.all() and one.iterations.max() < 10_000
    # No float32 code is much better: the rounded one of the best float64 code
    best = encode(dictionary.in_float64, y.double(), 0.3, backend=backend, **asked | {"tol": 1e-9})
    rounded = certificate(dictionary, y, best.z.float(), 0.3, nonnegative)
    assert (one.gap <= 3 * rounded.gap.max()).all()


@needs_c
def test_a_good_start_costs_one_round():
    dictionary, y = problem((20, 30), torch.float64)
    cold = encode(dictionary, y, 0.5, backend="c")
    start = cold.z.clone()
    warm = encode(dictionary, y, 0.5, z0=start, backend="c")
    assert torch.equal(start, cold.z)  # not changed
    assert warm.iterations.sum() < 0.5 * cold.iterations.sum()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2]])
def test_a_path_is_its_codes_one_by_one(backend, order):
    """In the order asked for, whatever the order they are solved in."""
    dictionary, y = problem((20, 30), torch.float64)
    lams = [torch.linspace(s, 2 * s, 40, dtype=torch.float64) for s in (2, 1, 0.5, 0.2)]
    path = encode_path(dictionary, y, [lams[i] for i in order], tol=1e-9, backend=backend)
    alone = [encode(dictionary, y, lams[i], tol=1e-9, backend=backend) for i in order]
    for one, other in zip(path, alone, strict=True):
        assert one.converged.all()
        assert torch.allclose(one.energy, other.energy, rtol=1e-8, atol=1e-12)
    steps = [sum(int(one.iterations.sum()) for one in each) for each in (path, alone)]
    assert steps[0] < steps[1]
    single = encode_path(dictionary, y[0], torch.tensor([0.5, 1.0]), backend=backend)
    assert [one.z.shape for one in single] == [(30,), (30,)]
    assert encode_path(dictionary, y, []) == []
    for bad in (0.5, torch.tensor(0.5), "0.5", [0.5, -1], [torch.ones(3)]):
        with pytest.raises((TypeError, ValueError), match=r"^lams(\[\d\])?: expected .*, got "):
            encode_path(dictionary, y, bad, backend=backend)


@needs_c
@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_start_full_of_entries_ends_where_a_cold_one_does(dtype, nonnegative):
    """What the solver sets to zero is zero in the code that comes back; hardly any is left to FISTA
    to mend.
    """
    dictionary, y = problem((30, 80), dtype)
    lam, tol = 0.3 * lambda_max(dictionary, y, nonnegative), 1e-4
    options = {"nonnegative": nonnegative, "tol": tol, "backend": "c"}
    cold = encode(dictionary, y, lam, **options)
    z0 = 0.1 * normal(len(y), 80, seed=5, dtype=dtype).abs()
    warm = encode(dictionary, y, lam, z0=z0, **options)
    assert warm.made_by.count("fast/codes.c") > 0.9 * len(y)
    assert (warm.z == 0).sum() > 0.8 * (cold.z == 0).sum() > 0
    assert torch.allclose(warm.energy, cold.energy, rtol=2 * tol)


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_sample_and_no_lambda(backend):
    dictionary, y = problem((30, 20), torch.float64)
    one = encode(dictionary, y[0], 0.5, backend=backend)
    assert one.z.shape == (20,) and one.energy.shape == ()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert encode(dictionary, y, 0, backend=backend).converged.all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_more_samples_than_a_piece_and_a_chunk(backend):
    """Each solved with its own λ, by the solver for it: least squares (λ = 0) is FISTA's."""
    generator = torch.Generator().manual_seed(0)
    dictionary = problem((30, 20), torch.float64)[0]
    y = torch.randn(350, 30, generator=generator, dtype=torch.float64)
    lam = torch.linspace(0.1, 3, 350, dtype=torch.float64)
    lam[3::7] = 0
    found = encode(dictionary, y, lam, backend=backend, chunk=150)
    fast = {"c": "fast/codes.c", "torch": "fast/steps.py"}[backend]
    assert found.made_by == ["solvers.fista" if one == 0 else fast for one in lam.tolist()]
    exact = certificate(dictionary, y, found.z, lam)
    assert found.converged.all() and exact.done(1.0001e-4).all()
    assert torch.allclose(found.energy, exact.energy, rtol=1e-9)
    assert torch.allclose(found.certificate.dual, exact.dual, rtol=1e-9)


@needs_c
def test_where_c_cannot_the_residual_certifies():
    """So near the best that the rounding of C's sums is all that its gap would show."""
    W, y = coherent(20, 30, 0)
    dictionary = Dictionary(W)
    found = encode(dictionary, y, 0.01, tol=1e-11, backend="c")
    assert set(found.made_by) == {"fast/codes.c"}
    exact = certificate(dictionary, y, found.z, 0.01)
    assert torch.allclose(
        found.energy - found.certificate.dual, exact.energy - exact.dual, 0, 1e-16
    )


def test_a_start_that_is_worse_than_none_is_left():
    dictionary, y = problem((20, 30), torch.float64)
    asked = Problem.of(dictionary, y, 0.5)
    start = torch.full((40, 30), 0.01, dtype=torch.float64)
    start[7:9] *= 1e9
    sensible = codes._sensible(asked, start)
    assert (sensible[7:9] == 0).all() and start[7].max() > 1e6  # what came is not changed
    start[7:9] = 0
    start[5] = 0  # the sample that is zero: any start is too long
    sensible[5] = 0
    assert torch.equal(sensible, start)


def test_backends_by_name():
    dictionary, y = problem((20, 30), torch.float64)
    torch_alone = encode(dictionary, y, 0.5, tol=1e-8, backend="torch")
    assert torch.allclose(torch_alone.z, fista(dictionary, y, 0.5, tol=1e-12).z, atol=1e-5)
    with pytest.raises(ValueError, match="backend: expected one of .* got 'cuda'"):
        encode(dictionary, y, 0.5, backend="cuda")


@pytest.mark.parametrize("backend", BACKENDS)
def test_images_are_certified_too(backend):
    generator = torch.Generator().manual_seed(0)
    K = torch.randn(4, 3, 3, generator=generator)
    y = torch.randn(5, 9, 11, generator=generator)
    dictionary, lam = ConvDictionary(K), torch.linspace(1, 3, 5)
    whole = encode(dictionary, y, lam, backend=backend, chunk=2)
    bounds = certificate(dictionary, y, whole.z, lam)
    assert whole.converged.all() and (bounds.relative_gap <= 1.0001e-4).all()
    one = encode(dictionary, y[2], lam[2], backend=backend)
    assert one.z.shape == (4, 7, 9) and torch.allclose(one.energy, whole.energy[2], rtol=1e-4)
    # It is the fast one: coordinate descent or ADMM, which take other numbers of steps than FISTA
    fast = encode_images(dictionary, y, lam, backend=backend)
    assert torch.equal(whole.iterations, fast.iterations)
    assert not torch.equal(whole.iterations, fista(dictionary, y, lam, tol=1e-4).iterations)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps no such count")
@pytest.mark.parametrize("backend", BACKENDS)
def test_memory_grows_with_the_chunk_only(backend):
    """Peak of a call beyond its result, in a process of its own: the same for 4 times the
    samples.
    """
    code = f"""
import resource, sys, torch
from rlvebm_utils import Dictionary, encode
torch.set_num_threads(1)
count = int(sys.argv[1])
W = torch.randn(64, 128)
y = torch.randn(count, 64)
encode(Dictionary(W), y[:2000], 20.0, backend="{backend}", chunk=1000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result = encode(Dictionary(W), y, 20.0, backend="{backend}", chunk=1000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    few, many = (
        int(subprocess.run([sys.executable, "-c", code, count], check=True, capture_output=True,
                           text=True).stdout)
        for count in ("10000", "40000")
    )  # fmt: skip
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, else KiB
    result = 30_000 * 128 * 4 / unit  # what the larger call returns more
    assert many - few < 1.6 * result
