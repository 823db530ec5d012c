"""Several processes that share the work, started by torchrun or by hand; one of them is killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from problems import normal, random_dictionary

from rlvebm_utils import (
    Dictionary,
    encode_batches,
    learn_dictionary_fast,
    learn_kernels,
    load_codes,
    workers,
)

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(
    not dist.is_available() or not dist.is_gloo_available() or sys.platform == "win32",
    reason="torch.distributed with gloo",
)
D = Dictionary(random_dictionary(24, 40))
Y = (
    normal(900, 40, seed=1) * (normal(900, 40, seed=2) > 1)
) @ D.W.T + 0.05 * normal(900, 24, seed=3)  # fmt: skip
IMAGES = normal(6, 16, 16, seed=4) * (normal(6, 16, 16, seed=5) > 1)
KERNELS = {"n_kernels": 4, "lam": 0.6, "size": 5, "steps": 12, "batch_size": 2, "forgetting": 0.8}
LEARN = {"n_atoms": 40, "lam": 0.3, "passes": 4, "batch_size": 150, "memory": 0.1}


def job(what: str, folder: str, checkpoint: str = "", killed: str = "", step: str = "0") -> None:
    """What each process runs (this file as a script): "atoms", one learning and one coding, or
    "kernels". killed: which one dies, in the middle of which step.
    """
    rank = int(os.environ["RANK"])
    dist.init_process_group("gloo")
    target = Path(folder)
    if killed == str(rank):
        original = workers.Workers.total

        def total(self, *parts):
            total.calls += 1
            # Atoms: energies, statistics, whether to stop. Kernels: the last two, one before all
            if total.calls == (3 if what == "atoms" else 2) * int(step):
                os.kill(os.getpid(), signal.SIGKILL)
            return original(self, *parts)

        total.calls = 0
        workers.Workers.total = total
    {"atoms": learn_atoms, "kernels": learn_some_kernels}[what](target, checkpoint or None)
    dist.destroy_process_group()


def learn_some_kernels(target: Path, checkpoint: str | None) -> None:
    rank, count = dist.get_rank(), dist.get_world_size()
    found = learn_kernels(IMAGES, **KERNELS, group=dist.group.WORLD, checkpoint=checkpoint)
    torch.save((found.dictionary.K, found.energy, found.reseeded), target / f"{rank}.pt")
    if checkpoint is None:
        with pytest.raises(ValueError, match="^group: expected .* got .*(samples|another)") as told:
            learn_kernels(IMAGES + (rank == count - 1), **KERNELS, group=dist.group.WORLD)
        (target / f"{rank}.txt").write_text(str(told.value))


def learn_atoms(target: Path, checkpoint: str | None) -> None:
    rank, group = dist.get_rank(), dist.group.WORLD
    y = np.load(target / "y.npy", mmap_mode="r")
    found = learn_dictionary_fast(y, **LEARN, group=group, checkpoint=checkpoint)
    torch.save((found.dictionary.W, found.energy, found.reseeded), target / f"{rank}.pt")
    for _ in encode_batches(D, y, 0.3, chunk=100, folder=target / "codes", group=group):
        pass


def environment(**more) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **more}


def torchrun(count: int, what: str, folder: Path, *arguments) -> subprocess.CompletedProcess:
    np.save(folder / "y.npy", Y.numpy())
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={count}"]
    command += ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", __file__, what, str(folder)]
    return subprocess.run(
        [*command, *arguments], env=environment(), capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process without a group gives, from the same array."""
    folder = tmp_path_factory.mktemp("alone")
    list(encode_batches(D, Y.numpy(), 0.3, chunk=100, folder=folder))
    return learn_dictionary_fast(Y.numpy(), **LEARN), folder


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("count", [1, 2])
def test_any_number_of_processes_learns_the_same(count, alone, tmp_path):
    run = torchrun(count, "atoms", tmp_path)
    assert run.returncode == 0, run.stderr
    expected, codes = alone
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(count)]
    for W, energy, reseeded in found:
        torch.testing.assert_close(W, expected.dictionary.W, rtol=0, atol=1e-6)
        torch.testing.assert_close(energy, expected.energy, rtol=1e-9, atol=0)
        assert reseeded == expected.reseeded and torch.equal(W, found[0][0])
    assert expected.energy[-1] < 0.9 * expected.energy[0]
    assert contents(tmp_path / "codes") == contents(codes)
    assert not load_codes(tmp_path / "codes").interrupted


def test_a_killed_worker_is_named_and_the_learning_goes_on(alone, tmp_path):
    checkpoint = tmp_path / "run.pt"
    start = time.monotonic()
    run = torchrun(2, "atoms", tmp_path, str(checkpoint), "1", "11")
    assert run.returncode != 0 and time.monotonic() - start < 60 + 120  # a busy machine starts late
    told = run.stderr[run.stderr.index("Root Cause") :]
    assert "rank      : 1 " in told and "SIGKILL" in told
    assert torch.load(checkpoint, weights_only=True)["steps"] == 10
    run = torchrun(2, "atoms", tmp_path, str(checkpoint))
    assert run.returncode == 0, run.stderr
    W, energy, _ = torch.load(tmp_path / "0.pt")
    torch.testing.assert_close(W, alone[0].dictionary.W, rtol=0, atol=1e-6)
    torch.testing.assert_close(energy, alone[0].energy, rtol=1e-9, atol=0)


@pytest.mark.parametrize("what", ["atoms", "kernels"])
def test_without_torchrun_the_others_name_the_lost_one(what, tmp_path):
    """Of three, so that both a neighbour and one further on have to tell."""
    np.save(tmp_path / "y.npy", Y.numpy())
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = str(one.getsockname()[1])
    given = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "3"}
    runs = [
        subprocess.Popen(
            [sys.executable, __file__, what, str(tmp_path), "", "1", "5"],
            env=environment(**given, RANK=str(rank)), stderr=subprocess.PIPE, text=True,
        )
        for rank in range(3)
    ]  # fmt: skip
    told = [run.communicate(timeout=300)[1] for run in runs]
    assert runs[1].returncode == -signal.SIGKILL
    for rank in (0, 2):
        (line,) = (one for one in told[rank].splitlines() if "RuntimeError: group: lost" in one)
        assert f"rank 1 (process {runs[1].pid} on " in line
        assert runs[rank].returncode == 1


@pytest.mark.parametrize("count", [2, 3])
def test_any_number_of_processes_learns_the_same_kernels(count, tmp_path):
    """Two images a batch: of three processes one has none."""
    run = torchrun(count, "kernels", tmp_path)
    assert run.returncode == 0, run.stderr
    expected = learn_kernels(IMAGES, **KERNELS)
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(count)]
    for K, energy, reseeded in found:
        torch.testing.assert_close(K, expected.dictionary.K, rtol=0, atol=1e-6)
        torch.testing.assert_close(energy, expected.energy, rtol=1e-9, atol=0)
        assert reseeded == expected.reseeded and torch.equal(K, found[0][0])
    start = learn_kernels(IMAGES, **KERNELS, snapshots=(0,)).snapshots[0]
    assert (expected.dictionary.K - start).abs().max() > 0.1
    told = [(tmp_path / f"{rank}.txt").read_text() for rank in range(count)]
    assert "other samples" in told[-1] and all("another process" in one for one in told[:-1])


def test_kernels_go_on_after_a_killed_worker(tmp_path):
    checkpoint = tmp_path / "run.pt"
    run = torchrun(2, "kernels", tmp_path, str(checkpoint), "1", "8")
    assert run.returncode != 0 and "SIGKILL" in run.stderr
    assert 0 < torch.load(checkpoint, weights_only=True)["steps"] < KERNELS["steps"]
    run = torchrun(2, "kernels", tmp_path, str(checkpoint))
    assert run.returncode == 0, run.stderr
    K = torch.load(tmp_path / "1.pt")[0]
    expected = learn_kernels(IMAGES, **KERNELS).dictionary.K
    torch.testing.assert_close(K, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("zeros", [0.0, 0.9])
def test_what_is_handed_round_arrives_as_it_was(zeros):
    """With or without its zeros; a few rows and none."""
    for count in (3, 0):
        rows = normal(count, 2, 4, 5, seed=1) * (torch.rand(count, 2, 4, 5) >= zeros)
        packed = workers.packed(rows)
        assert (packed[1] is None) == (zeros == 0 and count > 0)
        assert torch.equal(workers.unpacked(*packed), rows)


def test_one_process_alone_is_no_group():
    one = workers.Workers()
    x = normal(3, 2, seed=1)
    assert one.total(x)[0] is x and one.gathered(x) is x and one.from_first(x) is x
    assert one.any(True) is True and one.any(False) is False


if __name__ == "__main__":
    if len(sys.argv) > 3 and sys.argv[3]:
        from rlvebm_utils import checkpoint

        checkpoint.EVERY = 0.0
    job(*sys.argv[1:])
