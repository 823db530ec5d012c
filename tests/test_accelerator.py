"""On a device that is not the CPU: the same results, and few waits for it.

The device is simulated (accelerator.py). A GPU works ahead of the host until this asks it for a
number; so how often a call asks is part of what it promises: never within an iteration, once at
each check, whatever the number of samples, and as often at each step of a learner.
"""

import copy
import warnings

import pytest
import torch
from accelerator import WAITS
from problems import normal, random_dictionary
from table import FUNCTIONS, equal, right

from rlvebm_utils import (
    LISTA,
    ConvDictionary,
    Dictionary,
    Operator,
    admm,
    conv_learning,
    encode,
    encode_images,
    encode_path,
    fista,
    ista,
    learn_dictionary,
    learn_dictionary_fast,
    learn_kernels,
    learning,
    solvers,
    train_lista,
)
from rlvebm_utils.course import csae, vae
from rlvebm_utils.fast import admm as fast_admm
from rlvebm_utils.fast import learning as fast_learning
from rlvebm_utils.fast import steps

pytest.importorskip("torch.utils.backend_registration")


def on(device: str, x):
    """A tensor, an operator or a copy of a network there; anything else as it is.

    ``to`` moves a network itself, and the table's is everyone's.
    """
    if isinstance(x, torch.nn.Module):
        return copy.deepcopy(x).to(device)
    return x.to(device) if isinstance(x, torch.Tensor | Operator) else x


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    b = b.cpu()
    return a.dtype == b.dtype and torch.allclose(a, b, rtol=1e-9, atol=1e-11, equal_nan=True)


def run(name: str, device: str):
    """A call of the table with everything on a device."""
    function, arguments = FUNCTIONS[name][0], right(name)
    if name == "encode_path":
        arguments["backend"] = "torch"
    arguments = {argument: on(device, value) for argument, value in arguments.items()}
    if hasattr(function, "__self__") and isinstance(function.__self__, LISTA):
        function = getattr(on(device, function.__self__), function.__name__)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(**arguments)


ON_THE_CPU = {"encode_batches"}  # its codes are CSR, which a device without strides can't stand for


@pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - ON_THE_CPU))
def test_every_public_call_gives_what_the_cpu_gives(name, accelerator):
    assert equal(run(name, "cpu"), run(name, "sim"), same=close)


# ---- how often the host waits ----

W, K = random_dictionary(), normal(3, 4, 4, seed=3)
NETWORK = LISTA(Dictionary(W), 0.2, 3)


def samples(count: int) -> torch.Tensor:
    return normal(count, 12, seed=1)


def images(count: int) -> torch.Tensor:
    return normal(count, 12, 11, seed=4)


def checks(last: int, first: int, growth: float) -> int:
    """How often a solver of ``last`` iterations looks: at 10 more, or at ``growth`` times more."""
    count, due = 0, first
    while due <= last:
        count, due = count + 1, max(due + 10, int(due * growth + 1e-9))
    return count


def every_step(last: int) -> int:
    return -(-last // steps.CHECK_EVERY)


def every_one(last: int) -> int:
    return checks(last, 20, 6 / 5)


def every_few(last: int) -> int:
    return checks(last, 10, 5 / 4)


DENSE, KERNELS = (Dictionary, W, samples), (ConvDictionary, K, images)
# Besides: checks of atoms (3), samples (1) and λ (1), L (2; 1 of kernels), who was late (1)
SOLVERS = {  # the call; its operator, atoms and samples; how often it looks, and waits besides
    "ista": (lambda *a: ista(*a, 0.2, tol=1e-2), DENSE, every_few, 8),
    "fista": (lambda *a: fista(*a, 0.2, tol=1e-3), DENSE, every_few, 8),
    "fista, λ = 0": (lambda *a: fista(*a, 0.0, tol=1e-3), DENSE, every_few, 10),
    "encode": (lambda *a: encode(*a, 0.2), DENSE, every_step, 8),
    "conv": (lambda *a: fista(*a, 1.0, tol=1e-3), KERNELS, every_few, 7),
    "admm": (lambda *a: admm(*a, 1.0), KERNELS, every_one, 11),
    "encode_images": (lambda *a: encode_images(*a, 1.0), KERNELS, every_one, 11),
}


def waits_of(call, *tensors) -> tuple[int, object]:
    """How often the host waits in a call for tensors on the device; what it returns."""
    there = [on("sim", x) for x in tensors]
    with WAITS.of() as waits:
        result = call(*there)
    return waits.total(), result


def surplus(name: str, count: int) -> int:
    """By how many waits a solver's call for so many samples is off what is promised."""
    call, (operator, atoms, batch), looks, besides = SOLVERS[name]
    waits, solution = waits_of(lambda atoms, y: call(operator(atoms), y), atoms, batch(count))
    assert solution.converged.all()
    return waits - looks(int(solution.iterations.max())) - besides


@pytest.mark.parametrize("count", [1, 12])
@pytest.mark.parametrize("name", SOLVERS)
def test_a_solver_waits_once_at_each_check(name, count, accelerator):
    assert surplus(name, count) == 0


def test_a_path_waits_as_often_as_its_codes(accelerator):
    def call(W, y):
        return encode_path(Dictionary(W), y, [0.2, 0.4])

    waits, path = waits_of(call, W, samples(9))
    assert waits == 18 + sum(every_step(int(one.iterations.max())) for one in path)


def learn_atoms(steps: int, more: int):
    return lambda y: learn_dictionary(y, 5 * more, 0.1, steps=steps, batch_size=4, iterations=more)


def learn_fast(steps: int, more: int):
    options = {"passes": steps, "batch_size": 6 * more, "backend": "torch"}
    return lambda y: learn_dictionary_fast(y, 5 * more, 0.1, **options)


def kernels(steps: int, more: int):
    options = {"size": 4, "steps": steps, "batch_size": 2, "iterations": more}
    return lambda y: learn_kernels(y, 3 * more, 0.2, **options)


def network(steps: int, more: int):
    there = on("sim", LISTA(Dictionary(W), 0.2, 2 * more))
    return lambda y: train_lista(there, y, steps=steps, batch_size=4 * more)


def autoencoder(steps: int, more: int):
    options = {"size": 4, "steps": steps, "batch_size": 2, "iterations": more}
    return lambda y: csae.train_autoencoder(y, 2 * more, 0.2, **options)


def small_net(steps: int, more: int):
    labels = on("sim", torch.arange(6 * more) % 2)

    def learn(y):
        net = csae.SmallNet(on("sim", K), y, 2 * more)
        csae.fit(net, y, labels, frozen=False, steps=steps, batch_size=2 * more)

    return learn


def balls(steps: int, more: int):
    there = on("sim", vae.FuzzyBallAutoencoder(12, hidden=(3 * more,)).double())
    return lambda y: vae.train_balls(there, y, epochs=steps, batch_size=6 * more)


LEARNERS = {  # the call, its samples, how often a step waits
    "learn_dictionary": (learn_atoms, samples, 4),  # L (2), atoms in use, atoms without use
    "learn_dictionary_fast": (learn_fast, samples, 3),  # the blocks' L, usage, atoms without use
    "learn_kernels": (kernels, images, 4),  # L, kernels in use (at 2 sweeps), kernels without use
    "train_lista": (network, samples, 0),
    "train_autoencoder": (autoencoder, images, 8),  # as kernels; and what two calls check (4)
    "fit": (small_net, images, 0),
    "train_balls": (balls, samples, 0),
}


def waits_a_step(name: str, more: int) -> float:
    """Of a learner, on ``more`` times the samples, atoms, iterations or rows of a batch."""
    make, batch, _ = LEARNERS[name]
    few, many = (waits_of(make(steps, more), batch(6 * more))[0] for steps in (2, 4))
    return (many - few) / 2


@pytest.mark.parametrize("more", [1, 3])
@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.filterwarnings("ignore:the loss did not fall")
def test_a_step_of_a_learner_waits_so_often(name, more, accelerator):
    assert waits_a_step(name, more) == LEARNERS[name][2]


# ---- these tests bite ----


def asks(function):
    """The function, with a question to the device before it: the shortest way to make it wait."""

    def asked(*arguments, **named):
        bool(torch.ones((), device="sim") > 0)
        return function(*arguments, **named)

    return asked


@pytest.mark.parametrize(
    "name, place, function",
    [
        ("ista", solvers.ProximalGradient, "advance"),
        ("fista", solvers.ProximalGradient, "extrapolate"),
        ("encode", steps, "softshrink"),
        ("encode", steps, "_finished"),
        ("admm", fast_admm._ADMM, "advance"),
        ("admm", fast_admm._ADMM, "certificate"),
    ],
)
def test_one_more_wait_in_a_solver_is_seen(name, place, function, accelerator, monkeypatch):
    monkeypatch.setattr(place, function, asks(getattr(place, function)))
    assert surplus(name, 4) > 0


@pytest.mark.parametrize(
    "name, place, function",
    [
        ("learn_dictionary", solvers.ProximalGradient, "advance"),
        ("learn_dictionary", learning, "update_atoms"),
        ("learn_dictionary_fast", fast_learning, "softshrink"),
        ("learn_kernels", conv_learning.KernelLearner, "feasible"),
        ("train_lista", LISTA, "unrolled"),
        ("train_balls", vae.FuzzyBallAutoencoder, "terms"),
    ],
)
def test_one_more_wait_in_a_learner_is_seen(name, place, function, accelerator, monkeypatch):
    monkeypatch.setattr(place, function, asks(getattr(place, function)))
    assert waits_a_step(name, 1) > LEARNERS[name][2]


def test_what_counts_as_a_wait(accelerator):
    x, here = on("sim", torch.arange(4.0)), torch.arange(2)
    for ask, count in {
        (lambda: x[0].item(), 1), (lambda: bool(x.any()), 1), (lambda: x.tolist(), 1),
        (lambda: x[x > 1], 1), (lambda: torch.nonzero(x), 1), (lambda: torch.equal(x, x), 1),
        (lambda: x.cpu(), 1), (lambda: here.to("sim"), 1), (lambda: x[here], 1),
        (lambda: torch.linalg.inv(torch.eye(2, device="sim")), 1),
        (lambda: torch.where(x > 1, x, 0) + 2 * x[1:2] - len(x), 0),
        (lambda: torch.linalg.inv_ex(torch.eye(2, device="sim")), 0),
        (lambda: here.to("sim", non_blocking=True), 0),
    }:  # fmt: skip
        with accelerator.of():
            ask()
        assert accelerator.total() == count, ask


def test_devices_do_not_mix(accelerator):
    y, dictionary = on("sim", samples(2)), Dictionary(W)
    with pytest.raises(RuntimeError, match="mixes sim and cpu, at operators.py:"):
        dictionary.adjoint(y)
    with pytest.raises(ValueError, match="y: expected device cpu like the dictionary, got .* sim"):
        fista(dictionary, y, 0.1)
