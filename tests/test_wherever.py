"""Whatever the caller has switched on, and however the numbers lie in memory: the same results.

Over the whole table of public functions (tests/table.py).
"""

import copy
import io
import pickle
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from problems import normal
from table import FUNCTIONS, C, D, equal, right

import rlvebm_utils as package
from rlvebm_utils import L1, LISTA, ConvDictionary, Dictionary, GroupL1, train_lista
from rlvebm_utils.course import csae

NAMES = [*FUNCTIONS]
TENSORS = [
    (name, argument)
    for name, (_, arguments) in FUNCTIONS.items()
    for argument, kind in arguments.items()
    if (isinstance(kind.good, torch.Tensor) and kind.good.is_floating_point())
    or argument in ("z0", "z", "codes")
]


def run(name: str, **changes):
    """The result of a call with right arguments, but for the changes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", package.ConvergenceWarning)
        warnings.filterwarnings("ignore", "the loss did not fall")
        result = FUNCTIONS[name][0](**right(name) | changes)
    return result


# ---- modes ----


@contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def by_default(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


MODES = {
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "a default device": lambda: torch.device("cpu"),
    "deterministic": deterministic,
    "float64 by default": lambda: by_default(torch.float64),
    "float16 by default": lambda: by_default(torch.float16),
    "anomaly detection": torch.autograd.detect_anomaly,
}
# Networks of the caller's: they learn or run in the caller's mode, as all of torch's do
NETWORKS = {"train_lista", "train_balls", "train_autoencoder", "LISTA.forward"}
OUT_OF_REACH = {
    *((name, mode) for name in NETWORKS for mode in ("inference_mode", "no_grad", "autocast")),
    *(("FuzzyBallAutoencoder", f"float{bits} by default") for bits in (16, 64)),
    ("LISTA.forward", "of inference mode"),  # torch keeps no such tensor for a gradient
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_in_a_mode(name, mode):
    if (name, mode) in OUT_OF_REACH:
        pytest.skip("a matter between the caller's network and torch")
    expected = run(name)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Anomaly Detection")
        with MODES[mode]():
            found = run(name)
    assert equal(expected, found)


# ---- layouts ----


def mapped(x: torch.Tensor, folder) -> torch.Tensor:
    np.save(folder / "x.npy", x.numpy())
    return torch.from_numpy(np.load(folder / "x.npy", mmap_mode="c"))


LAYOUTS = {
    "columns first": lambda x, _: x.mT.contiguous().mT if x.ndim > 1 else x,
    "strided": lambda x, _: x.repeat_interleave(2, -1)[..., ::2],
    "backwards in an array": lambda x, _: torch.from_numpy(np.asfortranarray(x.numpy())),
    "with a gap before": lambda x, _: torch.cat([x.flatten()[:3], x.flatten()])[3:].reshape(
        x.shape
    ),
    "memory-mapped": mapped,
    "channels last": lambda x, _: x.to(memory_format=torch.channels_last) if x.ndim == 4 else x,
    "with a gradient": lambda x, _: x.clone().requires_grad_(),
    "of inference mode": lambda x, _: inference(x),
    "negated lazily": lambda x, _: torch._neg_view(-x),
    "a parameter": lambda x, _: torch.nn.Parameter(x.clone()),
}


def inference(x: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return x.clone()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name, argument", TENSORS, ids=map("-".join, TENSORS))
def test_in_a_layout(name, argument, layout, tmp_path):
    if (name, layout) in OUT_OF_REACH:
        pytest.skip("a matter between the caller's network and torch")
    value = FUNCTIONS[name][1][argument].good
    if value is None:  # codes
        images = right(name).get("dictionary") is C
        value = C.adjoint(right(name)["y"]) if images else normal(5, 20, seed=2)
    expected = run(name, **{argument: value.clone()})
    other = LAYOUTS[layout](value, tmp_path)
    before = other.detach().clone()
    found = run(name, **{argument: other})
    assert equal(before, other.detach())
    assert close(expected, found)


def close(a, b) -> bool:
    """As equal(), but a product of matrices that lie otherwise may add in another order."""
    return equal(a, b, same=_nearly)


def _nearly(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.dtype == b.dtype and torch.allclose(a, b, rtol=1e-6, atol=1e-9, equal_nan=True)


# ---- copies ----


WEIGHTS = torch.linspace(0.5, 2, 20, dtype=torch.float64)
KEPT = {
    "Dictionary": (D.W, Dictionary, lambda x: x.W),
    "ConvDictionary": (C.K, ConvDictionary, lambda x: x.K),
    "weights": (WEIGHTS, lambda w: L1(weights=w), lambda x: x.weights),
    "groups": (torch.arange(20) // 4, GroupL1, lambda x: x.place),
    "SmallNet": (C.K, lambda K: csae.SmallNet(K, right("admm")["y"]), lambda x: x.K),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_is_kept_is_a_copy(name):
    """Whatever becomes of the tensor that it was made from."""
    given, make, kept = KEPT[name]
    given = given.clone()
    made = make(given)
    before = kept(made).detach().clone()
    given.zero_()
    assert equal(before, kept(made).detach()) and before.any()


def through_pickle(x):
    return pickle.loads(pickle.dumps(x))


def through_torch(x):
    file = io.BytesIO()
    torch.save(x, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES = {"deepcopy": copy.deepcopy, "pickle": through_pickle, "torch.save": through_torch}


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("lam", [0.0, 0.5])
@pytest.mark.parametrize("name", ["fista", "ista", "encode", "admm", "encode_images"])
def test_copies_before_and_after_a_solve(name, lam, way):
    """The dictionary, the problem's penalty and the solution."""
    dictionary = copy.deepcopy(right(name)["dictionary"])
    before = COPIES[way](dictionary)
    first = run(name, dictionary=dictionary, lam=lam)
    after, solution = COPIES[way](dictionary), COPIES[way](first)
    assert equal(first, solution)
    for one in (before, after):
        assert equal(first, run(name, dictionary=one, lam=lam))


@pytest.mark.parametrize("way", COPIES)
def test_copies_of_a_network(way):
    lista = LISTA(D, 0.3, 2)
    train_lista(lista, right("fista")["y"], steps=3)
    lista.trusted(right("fista")["y"], lam=0.0)
    again = COPIES[way](lista)
    assert equal(lista(right("fista")["y"]), again(right("fista")["y"]))
    assert equal(lista.state_dict(), again.state_dict())
