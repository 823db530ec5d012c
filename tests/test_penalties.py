"""Proximal operators against brute force, their definition and each other."""

import pytest
import torch
from problems import normal

from rlvebm_utils import nonnegative_soft_threshold, soft_threshold

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
