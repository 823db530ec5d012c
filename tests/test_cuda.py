"""On a GPU, where there is one: what test_accelerator.py says of a simulated device."""

import warnings

import pytest
import torch
from problems import normal, random_dictionary
from table import FUNCTIONS, equal
from test_accelerator import run

from rlvebm_utils import Dictionary, encode, fista, learn_dictionary_fast

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device on this machine"
)


def near(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Sums in another order: the same numbers in float64 but for their last digits."""
    return a.dtype == b.dtype and torch.allclose(a, b.cpu(), rtol=1e-6, atol=1e-8, equal_nan=True)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_call_gives_what_the_cpu_gives(name):
    assert equal(run(name, "cpu"), run(name, "cuda"), same=near)


def synchronisations(call) -> int:
    """How often torch says that the host waited for the GPU."""
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            call()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(one.message) for one in told)


@pytest.mark.parametrize("solver", [fista, encode])
def test_waits_do_not_grow_with_the_samples(solver):
    """Beside a start that is the same for all, one at each check."""
    dictionary = Dictionary(random_dictionary(64, 128)).to("cuda")
    for count in (100, 10_000):
        y = normal(count, 64, seed=1).cuda()
        found = solver(dictionary, y, 0.5)  # what is computed once a dictionary is at hand now
        waits = synchronisations(lambda y=y: solver(dictionary, y, 0.5))
        assert waits <= 12 + int(found.iterations.max()) / (6 if solver is encode else 10)


def test_a_learner_waits_as_often_whatever_its_size():
    def waits(atoms: int, samples: int) -> int:
        y, options = normal(samples, 24, seed=1).cuda(), {"batch_size": samples // 4}
        return synchronisations(lambda: learn_dictionary_fast(y, atoms, 0.2, passes=2, **options))

    assert waits(16, 400) == waits(64, 4000)
