"""Proximal operators against brute force, their definition and each other."""

import numpy as np
import pytest
import torch
from problems import needs_c, normal, random_dictionary

from rlvebm_utils import (
    L1,
    Dictionary,
    GroupL1,
    certificate,
    encode,
    energy,
    fista,
    ista,
    kkt_residual,
    lambda_max,
    nonnegative_soft_threshold,
    soft_threshold,
)

BOTH = pytest.mark.parametrize("prox", [soft_threshold, nonnegative_soft_threshold])


@BOTH
@pytest.mark.parametrize("threshold", [0.0, 0.3, 1.0, 2.5])
def test_is_the_minimiser(prox, threshold):
    """Of ½(x − v)² + t|x| (over x ≥ 0), by trying every x on a fine grid."""
    v = torch.linspace(-2, 2, 41, dtype=torch.float64)
    low = 0 if prox is nonnegative_soft_threshold else -3
    grid = torch.linspace(low, 3, 1000 * (3 - low) + 1, dtype=torch.float64)
    cost = 0.5 * (grid - v[:, None]) ** 2 + threshold * grid.abs()
    torch.testing.assert_close(prox(v, threshold), grid[cost.argmin(1)], rtol=0, atol=1e-3)


@BOTH
def test_small_entries_become_exactly_zero(prox):
    v = normal(1000, seed=0)
    x = prox(v, 0.7)
    inside = v <= 0.7 if prox is nonnegative_soft_threshold else v.abs() <= 0.7
    assert torch.equal(x == 0, inside)
    assert 0 < inside.sum() < 1000
    assert prox(torch.tensor([0.7]), 0.7).item() == 0


@BOTH
def test_never_carries_points_apart(prox):
    a, b = normal(200, 30, seed=1), normal(200, 30, seed=2)
    apart = (prox(a, 0.4) - prox(b, 0.4)).square().sum(1)
    assert (apart <= (a - b).square().sum(1)).all()
    # Firmly so: that is what makes proximal gradient steps converge.
    inner = ((prox(a, 0.4) - prox(b, 0.4)) * (a - b)).sum(1)
    assert (apart <= inner + 1e-12).all()


def test_soft_threshold_is_odd_and_knows_its_identities():
    v = normal(100, seed=3)
    assert torch.equal(soft_threshold(-v, 0.5), -soft_threshold(v, 0.5))
    assert torch.equal(soft_threshold(v, 0), v)
    two_steps = soft_threshold(soft_threshold(v, 0.2), 0.3)
    torch.testing.assert_close(two_steps, soft_threshold(v, 0.5))
    assert not soft_threshold(v, torch.inf).any()
    positive = nonnegative_soft_threshold(v, 0.5)
    assert torch.equal(positive, soft_threshold(v, 0.5).clamp(min=0))


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_and_dtype_are_those_of_v(prox, dtype):
    for shape in ((), (4,), (3, 4), (2, 3, 4), (0, 4)):
        v = normal(*shape, seed=4, dtype=dtype)
        for threshold in (0.1, 1, torch.tensor(0.1), torch.full(shape, 0.1, dtype=torch.float64)):
            x = prox(v, threshold)
            assert (x.shape, x.dtype) == (v.shape, dtype)


@BOTH
def test_one_threshold_for_each_row(prox):
    v, thresholds = normal(3, 5, seed=5), torch.tensor([[0.1], [0.5], [2.0]], dtype=torch.float64)
    expected = torch.stack([prox(row, float(t)) for row, t in zip(v, thresholds, strict=True)])
    assert torch.equal(prox(v, thresholds), expected)


@BOTH
def test_v_is_left_alone(prox):
    v, threshold = normal(5, seed=6), torch.full((5,), 0.3, dtype=torch.float64)
    before = v.clone()
    prox(v, threshold).add_(1)
    prox(v, 0.0).add_(1)
    assert torch.equal(v, before)
    assert (threshold == 0.3).all()


@BOTH
def test_gradient_flows(prox):
    """Unrolled solvers are trained through it: 1 where an entry survives, 0 elsewhere."""
    v = torch.tensor([-2.0, -0.1, 0.1, 2.0], dtype=torch.float64, requires_grad=True)
    prox(v, 0.5).sum().backward()
    left = 0.0 if prox is nonnegative_soft_threshold else 1.0
    assert v.grad.tolist() == [left, 0.0, 0.0, 1.0]
    t = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    prox(v.detach(), t).sum().backward()
    assert t.grad.item() == (-1.0 if prox is nonnegative_soft_threshold else 0.0)


# ---- Penalties ----

W = random_dictionary(12, 20)
Y = normal(6, 12, seed=1)
GROUPS = torch.arange(20) // 4
WEIGHTS = torch.linspace(0.3, 2, 20, dtype=torch.float64)
PENALTIES = {
    "L1": L1(),
    "nonnegative": L1(nonnegative=True),
    "weighted": L1(weights=WEIGHTS),
    "weighted, nonnegative": L1(weights=WEIGHTS, nonnegative=True),
    "groups": GroupL1(GROUPS),
    "groups out of order": GroupL1(torch.arange(20) % 7),
}


def test_what_they_are_called():
    assert repr(L1()) == "L1(nonnegative=False)"
    weights = ", weights=float64 tensor of shape (20,) on cpu"
    assert repr(PENALTIES["weighted, nonnegative"]) == f"L1(nonnegative=True{weights})"
    assert repr(PENALTIES["groups"]) == "GroupL1(5 groups of 20 entries)"


@pytest.mark.parametrize("name", PENALTIES)
def test_an_empty_code_above_lambda_max_breaks_no_condition(name):
    dictionary, penalty = Dictionary(W), PENALTIES[name]
    lam = 1.5 * lambda_max(dictionary, Y, penalty=penalty)
    empty = torch.zeros(6, 20, dtype=torch.float64)
    assert kkt_residual(dictionary, Y, empty, lam, penalty=penalty).tolist() == [0] * 6
    assert (kkt_residual(dictionary, Y, empty, 0.5 * lam, penalty=penalty) > 0).all()


@pytest.mark.parametrize("name", PENALTIES)
def test_prox_is_the_minimiser(name):
    """No nearby point, and no random one, does better."""
    penalty, v = PENALTIES[name], normal(8, 20, seed=2)
    t = torch.linspace(0.1, 2, 8, dtype=torch.float64)[:, None]
    x = penalty.prox(v, t)

    def objective(x):
        return 0.5 * (x - v).square().sum(1) + t[:, 0] * penalty.value(x)

    for size in (1e-4, 1e-2, 1):
        for seed in range(20):
            other = x + size * normal(8, 20, seed=seed)
            other = other.clamp(min=0) if penalty.nonnegative else other
            assert (objective(x) <= objective(other) + 1e-12).all()


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("t", [0.0, 1.0])
def test_nothing_shrinks_to_nothing_and_never_to_nan(name, t):
    """Codes of zeros, whole groups of them, at every threshold, 0 included."""
    penalty, v = PENALTIES[name], normal(8, 20, seed=2).abs()
    v[::2] = 0
    x = penalty.prox(v, torch.full((8, 1), t, dtype=torch.float64))
    assert (x[::2] == 0).all() and torch.isfinite(x).all()
    assert t > 0 or torch.equal(x, v)


@pytest.mark.parametrize("name", PENALTIES)
def test_the_dual_norm_is_dual(name):
    """⟨c, z⟩ ≤ R*(c)·R(z), and somewhere it is equal: at the code that is about to appear."""
    penalty, c, z = PENALTIES[name], normal(8, 20, seed=3), normal(8, 20, seed=4)
    z = z.abs() if penalty.nonnegative else z
    assert ((c * z).sum(1) <= penalty.dual_norm(c) * penalty.value(z) + 1e-12).all()
    just = penalty.prox(c, (penalty.dual_norm(c) * (1 - 1e-6))[:, None])
    assert just.any(1).all()
    assert not penalty.prox(c, penalty.dual_norm(c)[:, None]).any()
    reached = (c * just).sum(1) / penalty.value(just)
    torch.testing.assert_close(reached, penalty.dual_norm(c), rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("solver", [ista, fista])
def test_every_penalty_is_certified(name, solver):
    penalty, dictionary = PENALTIES[name], Dictionary(W)
    top = lambda_max(dictionary, Y, penalty=penalty)
    lam = torch.tensor([0.02, 0.1, 0.5, 0.9, 1.0, 1.2], dtype=torch.float64) * top
    found = solver(dictionary, Y, lam, penalty=penalty, tol=1e-9, max_iter=100_000)
    assert found.converged.all()
    assert (kkt_residual(dictionary, Y, found.z, lam, penalty=penalty) < 1e-3).all()
    assert not found.z[4:].any() and found.z[:4].any(1).all()
    best = energy(dictionary, Y, found.z, lam, penalty=penalty)
    torch.testing.assert_close(found.energy, best)
    for seed in range(10):  # the bound holds for whatever code
        z = found.z + 0.1 * normal(6, 20, seed=seed)
        z = z.clamp(min=0) if penalty.nonnegative else z
        rough = certificate(dictionary, Y, z, lam, penalty=penalty)
        assert (rough.dual <= best + 1e-12).all() and (rough.energy >= best - 1e-12).all()


def test_distance_by_hand():
    c, lam = torch.tensor([[3.0, -4.0, 1.0, 0.5]]).double(), torch.tensor([1.0]).double()
    z = torch.tensor([[2.0, 0.0, -1.0, 0.0]]).double()
    weights = torch.tensor([2.0, 3.0, 0.5, 1.0])
    # |3 − 2|, 4 − 3, |1 + 0.5|, nothing
    assert L1(weights=weights).distance(c, z, lam).tolist() == [1.5]
    groups = GroupL1(torch.tensor([0, 0, 1, 1]))
    # (3, −4) − (1, 0); (1, 0.5) is long enough to matter where its codes are zero, not (0.6, 0.8)
    z = torch.tensor([[2.0, 0.0, 0.0, 0.0]]).double()
    assert groups.distance(c, z, lam).tolist() == pytest.approx([20**0.5])
    c[0, :2] = torch.tensor([1.0, 0.0]).double()
    assert groups.distance(c, z, lam).tolist() == pytest.approx([1.25**0.5 - 1])


def test_group_lasso_against_celer():
    GroupLasso = pytest.importorskip("celer").GroupLasso

    found = fista(Dictionary(W), Y[0], 0.3, penalty=GroupL1(GROUPS), tol=1e-12, max_iter=100_000)
    theirs = GroupLasso(groups=4, alpha=0.3 / 12, fit_intercept=False, tol=1e-12, max_iter=1000)
    theirs.fit(W.numpy(), Y[0].numpy())
    torch.testing.assert_close(found.z, torch.tensor(theirs.coef_), rtol=0, atol=1e-5)
    assert found.z.reshape(5, 4).any(1).sum() < 5


@pytest.mark.parametrize("backend", ["torch", pytest.param("c", marks=needs_c)])
def test_weighted_l1_is_the_plain_problem_with_scaled_atoms(backend):
    """z′ = wz: the fast loops serve it too."""
    found = fista(Dictionary(W), Y, 0.2, penalty=L1(weights=WEIGHTS), tol=1e-10)
    fast = encode(Dictionary(W / WEIGHTS), Y, 0.2, tol=1e-10, backend=backend)
    torch.testing.assert_close(fast.energy, found.energy, rtol=1e-9, atol=0)
    torch.testing.assert_close(fast.z / WEIGHTS, found.z, rtol=0, atol=1e-4)


@pytest.mark.parametrize("backend", ["torch", pytest.param("c", marks=needs_c)])
def test_the_elastic_net_is_the_plain_problem_with_a_stacked_dictionary(backend):
    """½‖y − Wz‖² + λ‖z‖₁ + ½μ‖z‖², against scikit-learn."""
    from sklearn.linear_model import ElasticNet

    mu, lam = 0.5, 0.2
    stacked = Dictionary(torch.cat([W, mu**0.5 * torch.eye(20, dtype=W.dtype)]))
    padded = torch.cat([Y, torch.zeros(6, 20, dtype=W.dtype)], 1)
    found = encode(stacked, padded, lam, tol=1e-12, backend=backend)
    net = ElasticNet((lam + mu) / 12, l1_ratio=lam / (lam + mu), fit_intercept=False, tol=1e-12)
    theirs = torch.stack([torch.tensor(net.fit(W.numpy(), y.numpy()).coef_) for y in Y])
    torch.testing.assert_close(found.z, theirs, rtol=0, atol=1e-5)


BAD = {
    "weights are negative": (lambda: L1(weights=-WEIGHTS), "weights: expected numbers > 0"),
    "weights are a list": (lambda: L1(weights=[1.0]), "weights: expected a torch.Tensor"),
    "weights do not fit": (
        lambda: fista(Dictionary(W), Y, 0.1, penalty=L1(weights=WEIGHTS[:3])),
        "penalty: expected weights of shape",
    ),
    "groups do not fit": (
        lambda: fista(Dictionary(W), Y, 0.1, penalty=GroupL1(GROUPS[:3])),
        "penalty: expected groups of shape",
    ),
    "groups are floats": (lambda: GroupL1(WEIGHTS), "groups: expected an integer tensor"),
    "not a penalty": (lambda: fista(Dictionary(W), Y, 0.1, penalty="l1"), "penalty: expected"),
    "said twice": (
        lambda: fista(Dictionary(W), Y, 0.1, penalty=L1(), nonnegative=True),
        "nonnegative: expected False beside",
    ),
    "not a flag": (lambda: fista(Dictionary(W), Y, 0.1, nonnegative="no"), "nonnegative: expected"),
    "no loop for groups": (
        lambda: encode(Dictionary(W), Y, 0.1, penalty=GroupL1(GROUPS)),
        "penalty: expected L1 without weights in encode, got GroupL1",
    ),
    "no dictionary": (lambda: encode(W, Y, 0.1), "dictionary: expected an operator"),
    "too many λ": (
        lambda: encode(Dictionary(W), Y, np.full(7, 0.1)),
        "lam: expected one number or 6",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_penalties_are_named(case):
    call, told = BAD[case]
    with pytest.raises((TypeError, ValueError), match=told):
        call()
