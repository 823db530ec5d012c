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

from rlvebm_utils import Dictionary, encode_batches, learn_dictionary_fast, load_codes
from rlvebm_utils.fast import workers

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(
    not dist.is_available() or not dist.is_gloo_available() or sys.platform == "win32",
    reason="torch.distributed with gloo",
)
D = Dictionary(random_dictionary(24, 40))
Y = (
    normal(900, 40, seed=1) * (normal(900, 40, seed=2) > 1)
) @ D.W.T + 0.05 * normal(900, 24, seed=3)  # fmt: skip
LEARN = {"n_atoms": 40, "lam": 0.3, "passes": 4, "batch_size": 150, "memory": 0.1}


def job(folder: str, checkpoint: str = "", killed: str = "", step: str = "0") -> None:
    """What each process runs (this file as a script): one learning and one coding. killed: which
    one dies, in the middle of which step.
    """
    rank = int(os.environ["RANK"])
    dist.init_process_group("gloo")
    group, target = dist.group.WORLD, Path(folder)
    if killed == str(rank):
        original = workers.Workers.total

        def total(self, *parts):
            total.calls += 1
            if total.calls == 3 * int(step):  # energies, statistics, whether to stop
                os.kill(os.getpid(), signal.SIGKILL)
            return original(self, *parts)

        total.calls = 0
        workers.Workers.total = total
    y = np.load(target / "y.npy", mmap_mode="r")
    found = learn_dictionary_fast(y, **LEARN, group=group, checkpoint=checkpoint or None)
    torch.save((found.dictionary.W, found.energy, found.reseeded), target / f"{rank}.pt")
    for _ in encode_batches(D, y, 0.3, chunk=100, folder=target / "codes", group=group):
        pass
    dist.destroy_process_group()


def environment(**more) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **more}


def torchrun(count: int, folder: Path, *arguments) -> subprocess.CompletedProcess:
    np.save(folder / "y.npy", Y.numpy())
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={count}"]
    command += ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", __file__, str(folder)]
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
    run = torchrun(count, tmp_path)
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
    run = torchrun(2, tmp_path, str(checkpoint), "1", "11")
    assert run.returncode != 0 and time.monotonic() - start < 60 + 120  # a busy machine starts late
    told = run.stderr[run.stderr.index("Root Cause") :]
    assert "rank      : 1 " in told and "SIGKILL" in told
    assert torch.load(checkpoint, weights_only=True)["steps"] == 10
    run = torchrun(2, tmp_path, str(checkpoint))
    assert run.returncode == 0, run.stderr
    W, energy, _ = torch.load(tmp_path / "0.pt")
    torch.testing.assert_close(W, alone[0].dictionary.W, rtol=0, atol=1e-6)
    torch.testing.assert_close(energy, alone[0].energy, rtol=1e-9, atol=0)


def test_without_torchrun_the_others_name_the_lost_one(tmp_path):
    """Of three, so that both a neighbour and one further on have to tell."""
    np.save(tmp_path / "y.npy", Y.numpy())
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = str(one.getsockname()[1])
    given = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "3"}
    runs = [
        subprocess.Popen(
            [sys.executable, __file__, str(tmp_path), "", "1", "5"],
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


def test_one_process_alone_is_no_group():
    one = workers.Workers()
    x = normal(3, 2, seed=1)
    assert one.total(x)[0] is x and one.gathered(x) is x and one.from_first(x) is x
    assert one.any(True) is True and one.any(False) is False


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[2]:
        from rlvebm_utils import checkpoint

        checkpoint.EVERY = 0.0
    job(*sys.argv[1:])
