"""ISTA and FISTA against scikit-learn, celer and eight lines of NumPy; bounds, batches, records."""

import warnings
from functools import cache

import numpy as np
import pytest
import scipy.optimize
import sklearn.linear_model
import torch
from problems import all_problems, normal, problem, random_dictionary, unit

from rlvebm_utils import (
    ConvergenceWarning,
    Dictionary,
    Problem,
    duality_gap,
    energy,
    fista,
    ista,
    kkt_residual,
    lambda_max,
)
from rlvebm_utils.solvers import Ledger, Options, run_fista

PROBLEMS = all_problems()
EPS = torch.finfo(torch.float64).eps

# ---- Other people's answers ----


def energy_in_numpy(W, y, z, lam):
    return 0.5 * np.sum((y - W @ z) ** 2) + lam * np.abs(z).sum()


def least_squares(W, y, nonnegative):
    """The answer at λ = 0."""
    return scipy.optimize.nnls(W, y)[0] if nonnegative else np.linalg.lstsq(W, y, rcond=None)[0]


def by_sklearn(W, y, lam, nonnegative):
    # Its objective is ours divided by the number of rows of W.
    model = sklearn.linear_model.Lasso(
        lam / len(y), fit_intercept=False, positive=nonnegative, tol=1e-12, max_iter=100_000
    )
    return model.fit(W, y).coef_


def by_celer(W, y, lam, nonnegative):
    celer = pytest.importorskip("celer")  # not to be had for Python 3.14 yet
    model = celer.Lasso(
        lam / len(y), fit_intercept=False, positive=nonnegative, tol=1e-10, max_iter=200
    )
    return model.fit(np.asfortranarray(W), y).coef_


@cache
def reference(case) -> dict[str, torch.Tensor]:
    """The energies that others reach, one per sample."""
    answers = {"scikit-learn": [], "celer": []}
    W = case.W.numpy()
    for y, lam in zip(case.y.numpy(), case.lam.tolist(), strict=True):
        for name, solve in (("scikit-learn", by_sklearn), ("celer", by_celer)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # told to be more exact than they can certify
                if lam == 0:
                    z = least_squares(W, y, case.nonnegative)
                else:
                    z = solve(W, y, lam, case.nonnegative)
            answers[name].append(energy_in_numpy(W, y, z, lam))
    return {name: torch.tensor(energies) for name, energies in answers.items()}


def rounding(case):
    """Where a minimum is zero nothing is relative: a few roundings of the energy of z = 0."""
    return 20 * EPS * 0.5 * case.y.square().sum(1)


def best_of_others(case) -> torch.Tensor:
    return torch.stack(list(reference(case).values())).amin(0)


@cache
def solved(case):
    with warnings.catch_warnings():
        # Non-negative least squares (λ = 0) is solved but has no certificate that closes.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fista(
            case.dictionary,
            case.y,
            case.lam,
            nonnegative=case.nonnegative,
            tol=1e-7,
            max_iter=4500 if case.nonnegative else 9000,
        )


@pytest.mark.parametrize("case", PROBLEMS, ids=repr)
def test_energy_of_sklearn_and_celer(case):
    """The better of the two: scikit-learn once stops 1.4e-6 too high (rank 5)."""
    ours, theirs = solved(case).energy, best_of_others(case)
    slack = 1e-6 * theirs + rounding(case)
    assert ((ours - theirs).abs() <= slack).all(), ours - theirs


@pytest.mark.parametrize("case", PROBLEMS, ids=repr)
def test_everything_with_a_certificate_converges(case):
    certifiable = (case.lam > 0) | (not case.nonnegative)
    solution = solved(case)
    assert solution.converged[certifiable].all()
    within = (solution.relative_gap <= 1e-7) | (solution.gap <= rounding(case))
    assert (within == solution.converged).all()


@pytest.mark.parametrize("case", PROBLEMS, ids=repr)
def test_gap_bounds_the_true_excess(case):
    """Of good answers, of poor ones and of random codes."""
    least = torch.minimum(solved(case).energy, best_of_others(case))
    options = {"nonnegative": case.nonnegative, "tol": None}
    poor = [
        solver(case.dictionary, case.y, case.lam, max_iter=3, **options).z
        for solver in (ista, fista)
    ]
    random = normal(*poor[0].shape, seed=5) * (poor[0] != 0)
    for z in (solved(case).z, *poor, random.abs() if case.nonnegative else random):
        excess = energy(case.dictionary, case.y, z, case.lam) - least
        gap = duality_gap(case.dictionary, case.y, z, case.lam, nonnegative=case.nonnegative)
        assert (gap >= excess - rounding(case)).all(), gap - excess


@pytest.mark.parametrize("case", PROBLEMS, ids=repr)
def test_solution_tells_its_own_energy_gap_and_excess(case):
    solution = solved(case)
    given = (case.dictionary, case.y, solution.z, case.lam)
    torch.testing.assert_close(solution.energy, energy(*given), rtol=1e-12, atol=1e-14)
    gap = duality_gap(*given, nonnegative=case.nonnegative)
    assert ((solution.gap - gap).abs() <= 1e-6 * gap + 10 * rounding(case)).all()
    least = best_of_others(case)
    excess = (solution.energy - least - rounding(case)) / least
    assert (excess <= solution.relative_gap)[least > 0].all()


@pytest.mark.parametrize("case", PROBLEMS[:20], ids=repr)
def test_float32_answers_are_certified_in_float64(case):
    W, y = case.W.float(), case.y.float()
    options = {"nonnegative": case.nonnegative, "max_iter": 800}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # λ tiny: float32 cannot be certified
        single = fista(Dictionary(W), y, case.lam, tol=1e-4, **options)
        double = fista(Dictionary(W.double()), y.double(), case.lam, tol=1e-9, **options)
    assert single.z.dtype == torch.float32
    assert single.energy.dtype == single.gap.dtype == torch.float64
    exact = energy(Dictionary(W.double()), y.double(), single.z.double(), case.lam)
    torch.testing.assert_close(single.energy, exact, rtol=1e-12, atol=1e-14)
    excess = single.energy - double.energy
    assert (excess <= single.gap + rounding(case)).all()
    usual = case.lam >= 0.02 * lambda_max(case.dictionary, case.y, case.nonnegative)
    assert single.converged[usual & (case.lam > 0)].all()


# ---- The iteration itself ----


def numpy_fista(W, y, lam, steps, momentum, restart=False, z0=None, nonnegative=False):
    """One sample; written from the papers, and sharing nothing with the package."""
    L, t = np.linalg.norm(W, 2) ** 2, 1.0
    z = v = np.zeros(W.shape[1]) if z0 is None else z0
    for _ in range(steps):
        u = v - W.T @ (W @ v - y) / L
        new = np.maximum(u - lam / L, 0) - (0 if nonnegative else np.maximum(-u - lam / L, 0))
        turned = restart and (v - new) @ (new - z) > 0
        t, last = (1.0, 1.0) if turned else ((1 + np.sqrt(1 + 4 * t**2)) / 2, t)
        v = new + (momentum and not turned) * (last - 1) / t * (new - z)
        z = new
    return z


SOLVERS = {
    "ista": (ista, {"momentum": False}),
    "fista": (lambda *a, **k: fista(*a, restart=False, **k), {"momentum": True}),
    "fista with restart": (fista, {"momentum": True, "restart": True}),
}


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("shape", [(12, 20), (12, 30), (20, 8)])
@pytest.mark.parametrize("name", SOLVERS)
def test_equals_numpy(name, shape, nonnegative):
    """After few steps and many, from zero and from elsewhere, through W and its Gram matrix."""
    solver, how = SOLVERS[name]
    W, y = 1.7 * random_dictionary(*shape), normal(6, shape[0], seed=1)
    lam = 0.1 * lambda_max(Dictionary(W), y)
    z0 = normal(6, shape[1], seed=2)
    if nonnegative:
        z0 = z0.abs()
    for steps in (1, 2, 3, 60):
        for start in (None, z0):
            z = solver(
                Dictionary(W), y, lam, z0=start, nonnegative=nonnegative, tol=None, max_iter=steps
            ).z
            for i in range(len(y)):
                expected = numpy_fista(
                    W.numpy(),
                    y[i].numpy(),
                    float(lam[i]),
                    steps,
                    z0=None if start is None else start[i].numpy(),
                    nonnegative=nonnegative,
                    **how,
                )
                np.testing.assert_allclose(z[i], expected, rtol=0, atol=1e-12)
                assert ((z[i] == 0).numpy() == (expected == 0)).all()


def test_restart_happens_in_the_test_above():
    """Otherwise two of its rows would be the same test."""
    W, y = 1.7 * random_dictionary(12, 20), normal(6, 12, seed=1)
    lam = 0.1 * lambda_max(Dictionary(W), y)
    with_restart = fista(Dictionary(W), y, lam, tol=None, max_iter=60).z
    without = fista(Dictionary(W), y, lam, tol=None, max_iter=60, restart=False).z
    assert (with_restart - without).abs().amax() > 1e-6


HARD = problem(
    "hard", unit(normal(20, 25, seed=3).abs()), seed=3, shares=(0.1, 0.05, 0.02, 0.2, 0.1)
)
HARD.lam[4] = 1.0


def best_of_hard():
    best = fista(HARD.dictionary, HARD.y, HARD.lam, tol=1e-12, max_iter=50_000)
    return best.z, best.energy


def test_ista_energy_never_rises_and_obeys_its_bound():
    z, least = best_of_hard()
    z0 = normal(*z.shape, seed=4)
    run = ista(HARD.dictionary, HARD.y, HARD.lam, z0=z0, tol=None, max_iter=300, history=True)
    E = run.history.energy
    assert (E.diff(dim=0) <= 1e-13 * E[0]).all()
    k = torch.arange(1, 301)[:, None]
    bound = HARD.dictionary.lipschitz() * (z0 - z).square().sum(1) / (2 * k)
    assert (E[1:] - least <= bound).all()


def test_fista_obeys_its_bound():
    z, least = best_of_hard()
    z0 = normal(*z.shape, seed=4)
    run = fista(
        HARD.dictionary,
        HARD.y,
        HARD.lam,
        z0=z0,
        tol=None,
        max_iter=300,
        history=True,
        restart=False,
    )
    k = torch.arange(1, 301)[:, None]
    bound = 2 * HARD.dictionary.lipschitz() * (z0 - z).square().sum(1) / (k + 1) ** 2
    assert (run.history.energy[1:] - least <= bound).all()


def count(solver, tol, **options) -> int:
    return int(solver(HARD.dictionary, HARD.y, HARD.lam, tol=tol, **options).iterations.sum())


def test_momentum_is_faster_and_restart_more_so():
    """On problems with one large eigenvalue: many times fewer iterations."""
    assert count(ista, 0.1) > 3 * count(fista, 0.1, restart=False)
    assert count(fista, 1e-4, restart=False) > 3 * count(fista, 1e-4)
    for tol in (1e-3, 1e-2):
        assert count(fista, tol) <= count(fista, tol, restart=False)


@pytest.mark.parametrize("solver", [ista, fista])
def test_the_best_code_stays(solver):
    z, least = best_of_hard()
    kept = solver(HARD.dictionary, HARD.y, HARD.lam, z0=z, tol=1e-8)
    assert kept.converged.all()
    assert (kept.iterations == kept.iterations.min()).all()
    assert kept.iterations.max() <= 10
    torch.testing.assert_close(kept.z, z, rtol=0, atol=1e-6)
    assert (kept.energy <= least * (1 + 1e-12) + 1e-15).all()


def test_a_warm_start_saves_iterations():
    cold = fista(HARD.dictionary, HARD.y, HARD.lam, tol=1e-8)
    near = fista(HARD.dictionary, HARD.y, 0.97 * HARD.lam, tol=1e-8).z
    warm = fista(HARD.dictionary, HARD.y, HARD.lam, z0=near, tol=1e-8)
    assert warm.iterations.sum() < 0.8 * cold.iterations.sum()


@pytest.mark.parametrize("solver", [ista, fista])
@pytest.mark.parametrize("nonnegative", [False, True])
def test_zero_from_lambda_max_on(solver, nonnegative):
    W, y = random_dictionary(), normal(9, 12, seed=1)
    most = lambda_max(Dictionary(W), y, nonnegative)
    options = {"nonnegative": nonnegative, "tol": 1e-9}
    assert not solver(Dictionary(W), y, most * (1 + 1e-9), **options).z.any()
    below = solver(Dictionary(W), y, most * (1 - 1e-3), **options)
    assert (below.z != 0).any(1).all()
    far = normal(9, 20, seed=2).abs()
    assert not solver(Dictionary(W), y, most * 1.5, z0=far, **options).z.any()


def test_the_best_code_satisfies_the_kkt_conditions():
    for case in PROBLEMS[:20]:
        inside = case.lam > 0.01 * lambda_max(case.dictionary, case.y, case.nonnegative)
        residual = kkt_residual(
            case.dictionary, case.y, solved(case).z, case.lam, nonnegative=case.nonnegative
        )
        # A code of this gap is at most so far from its gradient step, in the units of λ.
        gap = solved(case).gap + rounding(case)
        bound = (2 * case.dictionary.lipschitz() * gap).sqrt()
        assert (residual <= 2 * bound)[inside].all(), case


# ---- Batches, shapes, kinds of numbers ----


def run_all(solver, W, y, lam, **options):
    solution = solver(Dictionary(W), y, lam, **options)
    return solution.z, solution.energy, solution.gap, solution.iterations, solution.converged


@pytest.mark.parametrize("solver", [ista, fista])
@pytest.mark.parametrize("n", [20, 30])  # the Gram matrix, and W itself
def test_batch_is_one_by_one(solver, n):
    W, y = random_dictionary(12, n), normal(7, 12, seed=1)
    lam = torch.linspace(0.05, 0.9, 7, dtype=torch.float64) * lambda_max(Dictionary(W), y)
    together = run_all(solver, W, y, lam, tol=1e-6)
    assert len(together[3].unique()) > 1  # some stop earlier than others
    for i in range(7):
        alone = run_all(solver, W, y[i], float(lam[i]), tol=1e-6)
        batch_of_one = run_all(solver, W, y[i : i + 1], lam[i : i + 1], tol=1e-6)
        for whole, single, one in zip(together, alone, batch_of_one, strict=True):
            assert single.shape == whole[i].shape
            assert one.shape == (1, *whole[i].shape)
            torch.testing.assert_close(single, whole[i], rtol=1e-9, atol=1e-11)
            torch.testing.assert_close(one[0], whole[i], rtol=1e-9, atol=1e-11)


def test_order_of_the_batch_does_not_matter():
    W, y = random_dictionary(), normal(30, 12, seed=1)
    lam = torch.linspace(0.05, 0.9, 30, dtype=torch.float64)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    straight, shuffled = run_all(fista, W, y, lam), run_all(fista, W, y[order], lam[order])
    for a, b in zip(straight, shuffled, strict=True):
        torch.testing.assert_close(a[order], b, rtol=1e-9, atol=1e-11)


def test_single_sample_has_the_shapes_of_one():
    run = fista(Dictionary(random_dictionary()), normal(12, seed=1), 0.1, history=True)
    assert run.z.shape == (20,)
    for value in (run.energy, run.gap, run.relative_gap, run.iterations, run.converged):
        assert value.shape == ()
    for record in (run.history.energy, run.history.gap, run.history.nonzeros):
        assert record.shape == (int(run.iterations) + 1,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_codes_have_the_dtype_of_the_samples(dtype):
    W, y = random_dictionary().to(dtype), normal(5, 12, seed=1, dtype=dtype)
    for lam in (0.1, torch.full((5,), 0.1), torch.full((5,), 0.1, dtype=torch.float64)):
        for nonnegative in (False, True):
            assert fista(Dictionary(W), y, lam, nonnegative=nonnegative).z.dtype == dtype


def test_lambda_as_number_or_tensor_of_any_kind():
    W, y = random_dictionary(), normal(5, 12, seed=1)
    expected = fista(Dictionary(W), y, 1.0).z
    for lam in (1, np.float32(1), torch.tensor(1), torch.ones(5), torch.ones(5, dtype=torch.int64)):
        assert torch.equal(fista(Dictionary(W), y, lam).z, expected)


@pytest.mark.parametrize("solver", [ista, fista])
def test_inputs_are_left_alone(solver):
    given = [
        random_dictionary(),
        normal(5, 12, seed=1),
        torch.full((5,), 0.5),
        normal(5, 20, seed=2),
    ]
    for options in ({}, {"nonnegative": True}, {"tol": None, "max_iter": 9}, {"history": True}):
        if options.get("nonnegative"):
            given[3].abs_()
        before = [x.clone() for x in given]
        W, y, lam, z0 = given
        solution = solver(Dictionary(W), y, lam, z0=z0, **{"max_iter": 9000, **options})
        solution.z.add_(1)  # nor does the answer share memory with them
        for x, was in zip(given, before, strict=True):
            assert torch.equal(x, was)
        given[3] = before[3]


def test_no_gradient_is_recorded():
    W = random_dictionary().requires_grad_()
    y, z0 = normal(5, 12, seed=1).requires_grad_(), normal(5, 20, seed=2).requires_grad_()
    solution = fista(Dictionary(W), y, torch.full((5,), 0.1, requires_grad=True), z0=z0)
    assert not solution.z.requires_grad
    assert not solution.energy.requires_grad


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_on_a_gpu(dtype):
    case = problem("", random_dictionary(), seed=1, shares=(0.0, 0.1, 0.3, 0.5, 0.9))
    dictionary, y = case.dictionary.to(dtype=dtype), case.y.to(dtype)
    here = fista(dictionary, y, case.lam)
    there = fista(dictionary.to(device="cuda"), y.cuda(), case.lam.cuda())
    assert there.z.device.type == there.energy.device.type == "cuda"
    assert there.z.dtype == dtype
    assert there.converged.all()
    gap = here.gap + there.gap.cpu() + 1e-12
    assert ((here.energy - there.energy.cpu()).abs() <= gap).all()


# ---- Stopping, records, warnings ----


@pytest.mark.parametrize("solver", [ista, fista])
def test_history_tells_every_iteration(solver):
    W, y = random_dictionary(), normal(4, 12, seed=1)
    z0 = normal(4, 20, seed=2)
    plain = solver(Dictionary(W), y, 0.6, z0=z0, tol=1e-6)
    run = solver(Dictionary(W), y, 0.6, z0=z0, tol=1e-6, history=True)
    assert plain.history is None
    assert torch.equal(run.z, plain.z)
    steps = int(run.iterations.max())
    for record in (run.history.energy, run.history.gap, run.history.nonzeros):
        assert record.shape == (steps + 1, 4)
    torch.testing.assert_close(run.history.energy[0], energy(Dictionary(W), y, z0, 0.6))
    assert torch.equal(run.history.nonzeros[0], torch.full((4,), 20))
    for k in (1, 7, steps):
        then = solver(Dictionary(W), y, 0.6, z0=z0, tol=None, max_iter=k)
        for i in range(4):
            if k <= run.iterations[i]:
                torch.testing.assert_close(run.history.energy[k, i], then.energy[i])
                torch.testing.assert_close(
                    run.history.gap[k, i], then.gap[i], rtol=1e-6, atol=1e-12
                )
                assert run.history.nonzeros[k, i] == (then.z[i] != 0).sum()
    # A sample that has stopped keeps its last entry.
    assert torch.equal(run.history.energy[-1], run.energy)
    assert torch.equal(run.history.gap[-1], run.gap)
    assert torch.equal(run.history.nonzeros[-1], (run.z != 0).sum(1))


@pytest.mark.parametrize("steps", [1, 9, 10, 11, 57])
def test_without_tolerance_the_number_of_steps_is_exact(steps):
    W, y = random_dictionary(), torch.cat([normal(3, 12, seed=1), torch.zeros(1, 12).double()])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = fista(Dictionary(W), y, 0.2, tol=None, max_iter=steps, history=True)
    assert (run.iterations == steps).all()
    assert not run.converged.any()
    assert len(run.history.energy) == steps + 1


def test_samples_stop_once_certified():
    W, y = random_dictionary(), normal(40, 12, seed=1)
    run = fista(Dictionary(W), y, torch.linspace(0.02, 1, 40), tol=1e-5)
    assert run.converged.all()
    assert (run.relative_gap <= 1e-5).all()
    assert run.iterations.min() < run.iterations.max()


def test_the_cap_is_told():
    W, y = random_dictionary(), normal(5, 12, seed=1)
    lam = torch.tensor([0.01, 100, 0.01, 100, 0.01])
    with pytest.warns(ConvergenceWarning, match=r"3 of 5 samples.*tol=1e-08.*max_iter=15") as told:
        run = fista(Dictionary(W), y, lam, tol=1e-8, max_iter=15)
    assert len(told) == 1
    assert told[0].filename == __file__  # points at the caller
    assert run.converged.tolist() == [False, True, False, True, False]
    assert run.iterations.tolist() == [15, 10, 15, 10, 15]
    assert (run.relative_gap[~run.converged] > 1e-8).all()


def test_no_warning_when_the_last_step_is_enough():
    W, y = random_dictionary(), normal(5, 12, seed=1)
    enough = int(fista(Dictionary(W), y, 0.3, tol=1e-6).iterations.max())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fista(Dictionary(W), y, 0.3, tol=1e-6, max_iter=enough).converged.all()
        assert fista(Dictionary(W), y, 100.0, max_iter=3).converged.all()


def test_iterations_of_several_solvers_add_up():
    problem = Problem.of(Dictionary(random_dictionary()), normal(4, 12, seed=1), 0.1)
    ledger = Ledger(problem, problem.zeros(), "first")
    ledger.iterations += 5
    rows = torch.tensor([False, True, False, True])
    ledger.replace(rows, run_fista(problem.pick(rows), problem.zeros()[rows], Options(1e-3)))
    alone = fista(problem.operator, problem.y[rows], 0.1, tol=1e-3)
    assert ledger.iterations[rows].tolist() == (5 + alone.iterations).tolist()
    assert ledger.iterations[~rows].tolist() == [5, 5]
    assert ledger.made_by == ["first", "solvers.fista"] * 2
    assert torch.equal(ledger.z[rows], alone.z) and not ledger.z[~rows].any()
    assert ledger.converged.tolist() == rows.tolist()


def test_overflow_is_not_called_converged():
    dictionary, z0 = Dictionary(1e5 * random_dictionary()), 1e152 * normal(2, 20, seed=1)
    with pytest.warns(ConvergenceWarning):
        run = fista(dictionary, normal(2, 12, seed=1), 0.1, z0=z0, max_iter=20)
    assert not run.converged.any()


def test_zero_samples_cost_nothing():
    run = fista(Dictionary(random_dictionary()), torch.zeros(3, 12).double(), 0.1)
    assert run.converged.all()
    assert not run.z.any()
    assert not torch.stack([run.energy, run.gap, run.relative_gap]).any()


def test_progress_changes_nothing(capsys):
    W, y = random_dictionary(), normal(5, 12, seed=1)
    assert torch.equal(
        fista(Dictionary(W), y, 0.1, progress=True).z, fista(Dictionary(W), y, 0.1).z
    )
    assert capsys.readouterr().out == ""
