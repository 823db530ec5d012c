"""Energy, λ_max, certificate and KKT residual: by hand, by definition, and as bounds."""

import math

import numpy as np
import pytest
import scipy.optimize
import torch
from problems import SHARES, all_problems, dictionaries, normal, problem, random_dictionary

from rlvebm_utils import (
    Certificate,
    Dictionary,
    certificate,
    duality_gap,
    energy,
    fista,
    kkt_residual,
    lambda_max,
)

PROBLEMS = all_problems(seeds=range(1))
EYE = Dictionary(torch.eye(2, dtype=torch.float64))


def test_energy_by_hand():
    """½‖y − Wz‖² + λ‖z‖₁, with the half, and with every entry of z counted."""
    W = torch.tensor([[1.0, 0, 2], [0, 1, 0]], dtype=torch.float64)
    y, z = torch.tensor([[5.0, 1]]).double(), torch.tensor([[1.0, -2, 0.5]]).double()
    # y − Wz = (3, 3): ½·18 = 9; ‖z‖₁ = 3.5.
    assert energy(Dictionary(W), y, z, 0.0).tolist() == [9.0]
    assert energy(Dictionary(W), y, z, 2.0).tolist() == [16.0]
    assert energy(Dictionary(W), y[0], z[0], 2.0).item() == 16.0


@pytest.mark.parametrize("case", PROBLEMS, ids=repr)
def test_energy_by_definition(case):
    z = normal(len(case.y), case.W.shape[1], seed=1)
    fit = 0.5 * (case.y - z @ case.W.T).square().sum(1)
    expected = fit + case.lam * z.abs().sum(1)
    torch.testing.assert_close(energy(case.dictionary, case.y, z, case.lam), expected)


def test_energies_are_float64_whatever_comes():
    """A float32 code's energy, to float64 accuracy."""
    W, y, z = (
        random_dictionary().float(),
        normal(5, 12, seed=1).float(),
        normal(5, 20, seed=2).float(),
    )
    single, double = Dictionary(W), Dictionary(W.double())
    for measure in (energy, duality_gap, kkt_residual):
        value = measure(single, y, z, 0.1)
        assert value.dtype == torch.float64
        assert torch.equal(value, measure(double, y.double(), z.double(), 0.1))
    assert torch.equal(lambda_max(single, y), lambda_max(double, y.double()))


def test_one_sample_one_number():
    W, y, z = random_dictionary(), normal(5, 12, seed=1), normal(5, 20, seed=2)
    lam = torch.linspace(0, 1, 5, dtype=torch.float64)
    for measure in (energy, duality_gap, kkt_residual):
        batch = measure(Dictionary(W), y, z, lam)
        assert batch.shape == (5,)
        for i in range(5):
            for one_lam in (lam[i], float(lam[i]), lam[i : i + 1]):
                single = measure(Dictionary(W), y[i], z[i], one_lam)
                assert single.shape == ()
                torch.testing.assert_close(single, batch[i])
    assert lambda_max(Dictionary(W), y).shape == (5,)
    assert lambda_max(Dictionary(W), y[0]).shape == ()


def test_nothing_is_changed_and_no_gradient_recorded():
    given = [
        random_dictionary(),
        normal(5, 12, seed=1),
        normal(5, 20, seed=2),
        torch.ones(5).double(),
    ]
    before = [x.clone() for x in given]
    W, y, z, lam = (x.requires_grad_() for x in given)
    for measure in (energy, duality_gap, kkt_residual):
        assert not measure(Dictionary(W), y, z, lam).requires_grad
    assert not lambda_max(Dictionary(W), y).requires_grad
    for x, was in zip(given, before, strict=True):
        assert torch.equal(x, was)


# ---- λ_max ----


def test_lambda_max_by_hand():
    y = torch.tensor([[3.0, -4.0], [-1.0, -2.0]], dtype=torch.float64)
    assert lambda_max(EYE, y).tolist() == [4.0, 2.0]
    assert lambda_max(EYE, y, nonnegative=True).tolist() == [3.0, 0.0]


@pytest.mark.parametrize("nonnegative", [False, True])
def test_zero_is_best_from_lambda_max_on_and_not_below(nonnegative):
    for W in dictionaries(seed=0).values():
        dictionary, y = Dictionary(W), normal(6, W.shape[0], seed=1)
        zero = y.new_zeros(6, W.shape[1])
        most = lambda_max(dictionary, y, nonnegative)
        residual = kkt_residual(dictionary, y, zero, most, nonnegative=nonnegative)
        gap = duality_gap(dictionary, y, zero, most, nonnegative=nonnegative)
        assert (residual <= 1e-14).all()
        assert (gap <= 1e-14 * y.square().sum(1)).all()
        some = most > 0
        below = kkt_residual(dictionary, y, zero, 0.9 * most, nonnegative=nonnegative)
        torch.testing.assert_close(below[some], 0.1 * most[some])
        assert (duality_gap(dictionary, y, zero, 0.9 * most, nonnegative)[some] > 0).all()


# ---- The certificate ----


def best_in_one_dimension(y, lam, nonnegative):
    """For W = I each entry is on its own: the energy of soft-thresholded y."""
    z = (y.abs() - lam[:, None]).clamp(min=0) * y.sign()
    if nonnegative:
        z = z.clamp(min=0)
    return z, 0.5 * (y - z).square().sum(1) + lam * z.abs().sum(1)


@pytest.mark.parametrize("nonnegative", [False, True])
def test_gap_where_the_minimum_is_known(nonnegative):
    y, lam = 2 * normal(100, 2, seed=1), torch.linspace(0.01, 2, 100, dtype=torch.float64)
    z, least = best_in_one_dimension(y, lam, nonnegative)
    assert (duality_gap(EYE, y, z, lam, nonnegative) <= 1e-14).all()
    assert (kkt_residual(EYE, y, z, lam, nonnegative) <= 1e-14).all()
    for size in (1e-6, 1e-2, 1.0, 100.0):
        other = z + size * normal(100, 2, seed=2)
        if nonnegative:
            other = other.clamp(min=0)
        gap = duality_gap(EYE, y, other, lam, nonnegative)
        assert (gap >= energy(EYE, y, other, lam) - least - 1e-14).all()


@pytest.mark.parametrize("case", PROBLEMS, ids=repr)
def test_dual_value_is_below_every_energy(case):
    """Whatever code it is measured at: so no code can beat it."""
    N, n = len(case.y), case.W.shape[1]
    good = fista(
        case.dictionary, case.y, case.lam, nonnegative=case.nonnegative, tol=None, max_iter=300
    ).z
    codes = [good, torch.zeros_like(good)]
    for size in (1e-8, 1e-4, 1.0):
        near = good + size * normal(N, n, seed=8)
        codes.append(near.abs() if case.nonnegative else near)
    found = [certificate(case.dictionary, case.y, z, case.lam, case.nonnegative) for z in codes]
    least = torch.stack([c.energy for c in found]).amin(0)
    rounding = 1e-14 * case.y.square().sum(1)
    for c in found:
        assert (c.dual <= least + rounding).all(), c.dual - least
        assert (c.gap >= 0).all()
        assert torch.equal(c.gap, (c.energy - c.dual).clamp(min=0))


def test_dual_value_where_rounding_errors_are_all_that_is_left():
    """Small whole numbers, few atoms, λ at and near 0: residuals that Wᵀ rounds to exactly 0.

    (A multiple of rounding error once passed for a dual point there: a "lower" bound far above.)
    """
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        d, n = (int(torch.randint(1, 6, (), generator=generator)) for _ in range(2))
        W = torch.randint(-4, 5, (d, n), generator=generator).double()
        W[0, 0] = 3
        y = torch.randint(-9, 10, (d,), generator=generator).double()
        least = torch.linalg.pinv(W) @ y
        positive = torch.tensor(scipy.optimize.nnls(W.numpy(), y.numpy())[0])
        for z, nonnegative in ((least, False), (positive, True)):
            for lam in (0.0, 1e-15, 1e-12):
                c = certificate(Dictionary(W), y, z, lam, nonnegative)
                assert c.dual <= c.energy + 1e-14 * y.square().sum(), (W, y, lam)
                if lam == 0 and not nonnegative:
                    assert c.gap <= 1e-13 * y.square().sum(), (W, y)


def test_the_bound_is_tight():
    """At the best code the gap closes: for every share of λ_max, and at λ = 0 for signed codes."""
    W = random_dictionary(30, 8)
    case = problem("", W, seed=0)
    best = fista(case.dictionary, case.y, case.lam, tol=1e-13, max_iter=20_000)
    assert best.converged.all()
    assert SHARES[0] == 0
    assert best.energy[0] > 1e-3  # nothing to do with a minimum of zero
    assert best.relative_gap[0] < 1e-12


def test_done_by_hand():
    """The relative gap is at most tol, or rounding hides the rest; NaN is never done."""
    rows = {
        (1.09, 1.0, 0.0): True,
        (1.11, 1.0, 0.0): False,
        (1.11, 1.0, 0.2): True,
        (1.11, 1.0, 0.02): False,
        (1.0, -1.0, 0.0): False,
        (math.nan, 1.0, 0.0): False,
        (1.0, math.nan, 0.0): False,
    }
    known = Certificate(*torch.tensor(list(rows), dtype=torch.float64).T)
    assert known.done(0.1).tolist() == list(rows.values())
    assert not known.done(None).any()
    nan = torch.tensor([math.nan in row for row in rows])
    assert known.relative_gap.isnan().equal(nan)  # never 0, the best there is
    overflow = Certificate(*torch.tensor([[math.inf, math.inf, 0.0]], dtype=torch.float64).T)
    assert not overflow.relative_gap <= 1 and not overflow.done(0.1)


def test_a_residual_that_points_away_proves_nothing_for_nonnegative_codes():
    """Turned round it would look feasible, and its bound would be above the smallest energy."""
    one = torch.ones(1, dtype=torch.float64)
    found = certificate(Dictionary(one[None]), one, 3 * one, 0.5, nonnegative=True)
    assert found.dual == 0  # and the smallest energy is 3/8


def test_relative_gap():
    y = torch.tensor([[4.0, 0.0], [0.0, 0.0], [0.0, 0.0], [4.0, 0.0]], dtype=torch.float64)
    z = torch.tensor([[2.0, 0.0], [0.0, 0.0], [1.0, 0.0], [-9.0, 0.0]], dtype=torch.float64)
    c = certificate(EYE, y, z, 1.0)
    # First row: r = (2, 0), u = r/2 (or less), dual = 4 − ½; energy 2 + 2.
    assert c.energy.tolist() == [4.0, 0.0, 1.5, 93.5]
    assert c.dual.tolist() == [3.5, 0.0, 0.0, 3.5]
    assert c.gap.tolist() == [0.5, 0.0, 1.5, 90.0]
    assert c.relative_gap.tolist() == [0.5 / 3.5, 0.0, torch.inf, 90 / 3.5]


# ---- The KKT residual ----


def test_kkt_residual_by_hand():
    """A non-zero entry, a zero one, and one that z ≥ 0 allows."""
    y = torch.tensor([[3.0, 0.5], [3.0, 0.5], [3.0, 2.0], [-3.0, 0.0]], dtype=torch.float64)
    z = torch.tensor([[2.0, 0.0], [2.5, 0.0], [2.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    assert kkt_residual(EYE, y, z, 1.0).tolist() == [0.0, 0.5, 1.0, 2.0]
    assert kkt_residual(EYE, y, z, 1.0, nonnegative=True).tolist() == [0.0, 0.5, 1.0, 0.0]
    assert kkt_residual(EYE, -y[:3], -z[:3], 1.0).tolist() == [0.0, 0.5, 1.0]


def test_kkt_residual_is_the_smallest_subgradient():
    """Largest entry of the energy's subgradient of least length; by one-sided differences."""
    dictionary, y = Dictionary(random_dictionary(6, 5)), normal(6, seed=1)
    z = normal(5, seed=2) * torch.tensor([1, 0, 1, 0, 1])
    h, lam = 1e-7, 0.3
    here = float(energy(dictionary, y, z, lam))
    slopes = []
    for j in range(5):
        step = torch.zeros(5).double().index_fill(0, torch.tensor(j), h)
        right = (float(energy(dictionary, y, z + step, lam)) - here) / h
        left = (here - float(energy(dictionary, y, z - step, lam))) / h
        slopes.append(np.clip(0, left, right) if left <= right else (left + right) / 2)
    expected = np.abs(slopes).max()
    assert float(kkt_residual(dictionary, y, z, lam)) == pytest.approx(expected, abs=1e-5)
