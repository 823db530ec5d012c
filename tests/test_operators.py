"""Dictionaries as operators: adjoint, gradient, Lipschitz constant, copies."""

import pytest
import torch
from problems import dictionaries, normal, random_dictionary

from rlvebm_utils import Dictionary

KINDS = dictionaries(seed=0)
EVERY = pytest.mark.parametrize("name", KINDS)


@EVERY
def test_adjoint(name):
    """⟨Wz, r⟩ = ⟨z, Wᵀr⟩ for batches, single vectors and stacks of batches."""
    W = KINDS[name]
    d, n = W.shape
    for shape in ((), (7,), (2, 3)):
        z, r = normal(*shape, n, seed=1), normal(*shape, d, seed=2)
        decoded, back = Dictionary(W).decode(z), Dictionary(W).adjoint(r)
        assert decoded.shape == r.shape
        assert back.shape == z.shape
        torch.testing.assert_close(
            (decoded * r).sum(-1), (z * back).sum(-1), rtol=1e-12, atol=1e-12
        )


def test_decode_adds_up_the_columns():
    W = torch.tensor([[1.0, 2, 3], [4, 5, 6]])
    dictionary = Dictionary(W)
    assert (dictionary.dim, dictionary.n_atoms) == (2, 3)
    assert dictionary.decode(torch.tensor([1.0, 0, 10])).tolist() == [31.0, 64.0]
    assert dictionary.adjoint(torch.tensor([1.0, 10])).tolist() == [41.0, 52.0, 63.0]
    assert repr(dictionary) == "Dictionary(3 atoms of dimension 2, torch.float32, cpu)"


@EVERY
def test_lipschitz_is_the_largest_singular_value_squared(name):
    W = KINDS[name]
    expected = float(torch.linalg.svdvals(W)[0]) ** 2
    for dtype, rtol in ((torch.float64, 1e-12), (torch.float32, 1e-6)):
        L = Dictionary(W.to(dtype)).lipschitz()
        assert isinstance(L, float)
        assert L == pytest.approx(expected, rel=rtol)


@EVERY
def test_gradient_is_that_of_the_fit(name):
    """Against autograd and central differences, whichever product is taken inside."""
    W = KINDS[name]
    y, z = normal(4, W.shape[0], seed=1), normal(4, W.shape[1], seed=2)
    gradient = Dictionary(W).gradient(y)(z)

    z_live = z.clone().requires_grad_()
    (0.5 * (y - z_live @ W.T).square().sum()).backward()
    torch.testing.assert_close(gradient, z_live.grad, rtol=1e-11, atol=1e-11)

    def fit(z):
        return 0.5 * (y - z @ W.T).square().sum(1)

    h, direction = 1e-4, normal(4, W.shape[1], seed=3)
    slope = (fit(z + h * direction) - fit(z - h * direction)) / (2 * h)
    torch.testing.assert_close((gradient * direction).sum(1), slope, rtol=1e-6, atol=1e-6)


@EVERY
def test_gradient_changes_no_faster_than_lipschitz(name):
    dictionary = Dictionary(KINDS[name])
    a, b = normal(50, dictionary.n_atoms, seed=4), normal(50, dictionary.n_atoms, seed=5)
    gradient = dictionary.gradient(normal(50, dictionary.dim, seed=6))
    change = (gradient(a) - gradient(b)).norm(dim=1)
    assert (change <= dictionary.lipschitz() * (a - b).norm(dim=1) * (1 + 1e-12)).all()


@EVERY
def test_unreachable_is_the_null_space_of_the_adjoint(name):
    W = KINDS[name]
    rank = int(torch.linalg.matrix_rank(W))
    r = normal(6, W.shape[0], seed=7)
    whole = Dictionary(W).unreachable(r)
    assert whole.any() == (rank < W.shape[0])
    assert Dictionary(W).adjoint(whole).abs().max() < 1e-12
    torch.testing.assert_close(r - whole, r @ torch.linalg.pinv(W).T @ W.T)


@pytest.mark.parametrize("share", [1e-9, 1e-14, 1e-30, 1e-150])
def test_a_short_atom_reaches_as_far_as_a_long_one(share):
    W = random_dictionary(4, 4)
    W[:, 2] *= share
    assert not Dictionary(W).unreachable(normal(6, 4, seed=7)).any()


def test_the_callers_tensor_is_copied():
    W = random_dictionary()
    dictionary = Dictionary(W)
    y, z = normal(3, 12, seed=1), normal(3, 20, seed=2)
    before = dictionary.decode(z), dictionary.gradient(y)(z)
    W.mul_(2)
    assert dictionary.lipschitz() == pytest.approx(Dictionary(W / 2).lipschitz())
    assert torch.equal(dictionary.decode(z), before[0])
    assert torch.equal(dictionary.gradient(y)(z), before[1])
    assert not dictionary.W.requires_grad


def test_to_another_dtype():
    dictionary = Dictionary(random_dictionary())
    single = dictionary.to(dtype=torch.float32)
    assert single.W.dtype == torch.float32
    assert dictionary.W.dtype == torch.float64
    assert single.in_float64.W.dtype == torch.float64
    assert torch.equal(single.in_float64.W, single.W.double())
    assert dictionary.to(device="cpu").W.dtype == torch.float64
    assert dictionary.to(dtype=torch.float64).W.data_ptr() != dictionary.W.data_ptr()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_to_a_gpu():
    there = Dictionary(random_dictionary()).to(device="cuda")
    assert there.W.device.type == there.in_float64.W.device.type == "cuda"
    assert there.lipschitz() == pytest.approx(Dictionary(random_dictionary()).lipschitz())
