"""What learns is a module like any of torch.nn: kept, moved, compiled, mapped, shared by processes.

LISTA, the convolutional auto-encoder's two networks and the fuzzy balls.
"""

import copy
import os

import pytest
import torch
import torch.distributed as dist
from problems import normal, random_dictionary
from torch.func import functional_call, grad, jacrev, vmap

from rlvebm_utils import LISTA, ConvDictionary, Dictionary
from rlvebm_utils.course.csae import ConvEncoder, SmallNet
from rlvebm_utils.course.vae import FuzzyBallAutoencoder
from rlvebm_utils.lista import loss_of

Y, IMAGES = normal(6, 12, seed=1), normal(4, 9, 8, seed=2)


def shaken(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    """The same network as if it had learned something: no parameter is what it began as."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(0.1 * noise)
    return module


def lista(seed: int, **options) -> LISTA:
    network = LISTA(Dictionary(random_dictionary(seed=seed)), 0.2 + 0.1 * seed, 3, **options)
    network.calibrate(Y)
    return shaken(network, seed)


def balls(seed: int, **options) -> FuzzyBallAutoencoder:
    spring = 0.1 * (1 + seed)
    return FuzzyBallAutoencoder(12, spring=spring, hidden=(5,), seed=seed, **options).double()


def what_lista_gives(network: LISTA, y: torch.Tensor) -> tuple:
    return network(y), loss_of(network, y), network.relative_gap(y), network.trusted(y)


NETWORKS = {  # of a seed; its input; what it gives
    "LISTA": (lista, Y, what_lista_gives),
    "LISTA, shared": (lambda seed: lista(seed, shared=True), Y, what_lista_gives),
    "LISTA, non-negative": (lambda seed: lista(seed, nonnegative=True), Y, what_lista_gives),
    "LISTA of kernels": (
        lambda seed: shaken(LISTA(ConvDictionary(normal(3, 4, 4, seed=seed)), 1.0 + seed, 2), seed),
        IMAGES,
        lambda network, y: (network(y), loss_of(network, y)),
    ),
    "ConvEncoder": (
        lambda seed: shaken(ConvEncoder(3, size=4, nonlinearity="softshrink", seed=seed), seed),
        IMAGES,
        lambda network, y: (network(y),),
    ),
    "SmallNet": (
        lambda seed: shaken(SmallNet(normal(3, 4, 4, seed=seed), (1 + seed) * IMAGES), seed),
        IMAGES,
        lambda network, y: (network(y),),
    ),
    "balls of one size": (
        lambda seed: balls(seed, sigma=1.0 + seed),
        Y,
        lambda network, y: network.terms(y, torch.ones(6, 2).to(y)),
    ),
    "balls": (
        lambda seed: balls(seed, sigma=None, size=0.1 + seed),
        Y,
        lambda network, y: network.terms(y, torch.ones(6, 2).to(y)),
    ),
}


def same(a: tuple, b: tuple) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_state_is_all_that_is_needed(name, assign, tmp_path):
    """Loaded into a network of the same shape, whatever else this was made for."""
    make, y, gives = NETWORKS[name]
    network, other = make(0), make(1)
    expected = gives(network, y)
    assert not same(expected, gives(other, y))
    torch.save(network.state_dict(), tmp_path / "state.pt")
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True), assign=assign)
    assert same(expected, gives(other, y))


def test_what_is_loaded_does_not_reach_the_caller_s_dictionary():
    dictionary = Dictionary(random_dictionary(seed=1))
    network = LISTA(dictionary, 0.3, 3)
    network.load_state_dict(lista(0).state_dict())
    assert torch.equal(network.dictionary.W, random_dictionary(seed=0))
    assert torch.equal(dictionary.W, random_dictionary(seed=1))
    assert float(network.lam) == 0.2


# ---- to another dtype or device ----


@pytest.mark.parametrize("where", [("cpu",), (torch.float64,), ("cpu", torch.float64)])
@pytest.mark.parametrize("name", NETWORKS)
def test_moves_as_torch_does(name, where):
    make, y, gives = NETWORKS[name]
    single, expected = make(0).to(torch.float32), gives(make(0), y)
    for found, one in zip(gives(single, y.float()), expected, strict=True):
        assert one.dtype == torch.bool or torch.allclose(found.double(), one, rtol=1e-3, atol=1e-4)
    back = single.to(*where)
    assert all(x.dtype == (where[-1] if len(where) > 1 or where != ("cpu",) else torch.float32)
               for x in back.parameters())  # fmt: skip


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "LISTA of kernels"])
def test_moves_to_an_accelerator_and_back(name, accelerator):
    make, y, gives = NETWORKS[name]
    expected, there = gives(make(0), y), make(0).to("sim")
    assert {x.device.type for x in there.state_dict().values() if torch.is_tensor(x)} == {"sim"}
    for found, one in zip(gives(there, y.to("sim")), expected, strict=True):
        assert torch.allclose(found.cpu().double(), one.double(), rtol=1e-9, atol=1e-12)
    assert same(expected, gives(there.to("cpu"), y))


def test_numbers_of_lista_keep_their_bits():
    network, gap = lista(0), lista(0).trusted_gap
    for dtype in (torch.float32, torch.float64):
        network.to(dtype)
        assert network.W.dtype == network.dictionary.W.dtype == dtype
        assert float(network.lam) == 0.2 and torch.equal(network.trusted_gap, gap)


OPERATORS = {
    "Dictionary": lambda: Dictionary(random_dictionary()),
    "ConvDictionary": lambda: ConvDictionary(normal(3, 4, 4, seed=1), "spatial", "circular"),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_move_as_tensors_do(name, accelerator):
    operator = OPERATORS[name]()
    single = operator.to(torch.float32)
    assert single.atoms.dtype == operator.to("cpu", torch.float32).atoms.dtype == torch.float32
    assert operator.to(single.atoms).atoms.dtype == torch.float32
    assert operator.to(device=None, dtype=None).atoms.dtype == torch.float64
    assert operator.to("sim").atoms.device.type == operator.to(device="sim").atoms.device.type
    assert operator.to("sim").atoms.device.type == "sim"
    assert vars(single).keys() == vars(operator.to("sim")).keys()


# ---- transformed ----


@pytest.mark.parametrize("name", [name for name in NETWORKS if "LISTA" in name])
def test_compiles_whole(name):
    """In one graph, forwards and backwards; the code generator behind it makes no difference."""
    make, y, _ = NETWORKS[name]
    network = make(0)
    compiled = torch.compile(copy.deepcopy(network), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(y), network(y), rtol=0, atol=1e-12)
    for one in (compiled, network):
        one(y).square().sum().backward()
    for a, b in zip(compiled.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", [name for name in NETWORKS if "LISTA" in name])
def test_maps_over_samples(name):
    make, y, _ = NETWORKS[name]
    network = make(0)
    torch.testing.assert_close(vmap(network)(y), network(y), rtol=0, atol=1e-12)


@pytest.mark.parametrize("nonnegative", [False, True])
def test_jacobians(nonnegative):
    """Against finite differences; of one sample, and of all at once."""
    network = lista(0, nonnegative=nonnegative)
    one, every = jacrev(network)(Y[0]), vmap(jacrev(network))(Y)
    torch.testing.assert_close(every[0], one, rtol=0, atol=1e-12)
    move = 1e-6 * torch.eye(12).double()
    with torch.no_grad():
        slopes = (network(Y[0] + move) - network(Y[0] - move)) / 2e-6
    torch.testing.assert_close(one.T, slopes, rtol=0, atol=1e-7)
    assert one.any()


def test_gradients_of_a_function_of_the_parameters():
    network = lista(0)
    parameters = dict(network.named_parameters())
    found = grad(lambda p: functional_call(network, p, (Y,)).square().sum())(parameters)
    network(Y).square().sum().backward()
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=0, atol=1e-12)


def test_a_bad_sample_is_told_where_it_can_be_seen():
    """vmap and the compiler hide numbers; whoever calls the network itself is told."""
    network, bad = lista(0), torch.full((12,), torch.nan, dtype=torch.float64)
    with pytest.raises(ValueError, match="y: expected finite numbers"):
        network(bad)
    with pytest.raises(ValueError, match="y: expected finite numbers"):
        jacrev(network)(bad)
    assert vmap(network)(bad[None]).isnan().all()


# ---- shared by processes ----


def train_a_share(rank: int, processes: int, folder: str, steps: int) -> None:
    """One of some processes: gradient steps on its share of the samples; the first one's network,
    W and λ included, is everybody's.
    """
    torch.set_num_threads(1)
    store = dist.FileStore(f"{folder}/store-{steps}", processes)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=processes)
    network = LISTA(lista(rank).dictionary, 0.2 + 0.1 * rank, steps)
    shared = torch.nn.parallel.DistributedDataParallel(network)
    optimiser = torch.optim.SGD(shared.parameters(), lr=0.01)
    for _ in range(3):
        optimiser.zero_grad()
        z, y = shared(Y[rank::processes]), Y[rank::processes]
        fit = 0.5 * (y - network.dictionary.decode(z)).square().sum(1)
        (fit + network.lam * z.abs().sum(1)).mean().backward()
        optimiser.step()
    torch.save(network.state_dict(), f"{folder}/{steps}-{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("processes", [1, 2])
def test_processes_that_share_a_network(processes, tmp_path, monkeypatch):
    """Every process ends with the network of one process that had all samples."""
    monkeypatch.setitem(os.environ, "GLOO_SOCKET_IFNAME", "lo")
    arguments = (processes, str(tmp_path), 3)
    torch.multiprocessing.spawn(train_a_share, arguments, nprocs=processes)
    alone = LISTA(lista(0).dictionary, 0.2, 3)
    optimiser = torch.optim.SGD(alone.parameters(), lr=0.01)
    for _ in range(3):
        optimiser.zero_grad()
        loss_of(alone, Y).backward()
        optimiser.step()
    expected = alone.state_dict()
    assert not torch.equal(expected["A"], LISTA(lista(0).dictionary, 0.2, 3).A)
    for rank in range(processes):
        found = torch.load(tmp_path / f"3-{rank}.pt", weights_only=True)
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=0, atol=1e-12, equal_nan=True)
