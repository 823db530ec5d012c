"""Samples from anything that yields batches, codes in CSR, and runs that are stopped or killed."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch
from problems import needs_c, normal, random_dictionary
from table import equal
from test_learning import Y, mean_energy
from torch.utils.data import DataLoader, TensorDataset

from rlvebm_utils import (
    ConvDictionary,
    Dictionary,
    checkpoint,
    encode,
    encode_batches,
    learn_dictionary,
    learn_dictionary_fast,
    learn_kernels,
    learning,
    load_codes,
    workers,
)
from rlvebm_utils.fast import csr, parts, streams

ROOT = Path(__file__).resolve().parent.parent
D, SAMPLES = Dictionary(random_dictionary()), normal(50, 12, seed=1)
WHOLE = encode(D, SAMPLES, 0.4)
IMAGES = normal(6, 16, 14, seed=4)


def on_disk(y: torch.Tensor, folder: Path, mode="r") -> np.ndarray:
    np.save(folder / "y.npy", y.numpy())
    return np.load(folder / "y.npy", mmap_mode=mode)


def sources(y: torch.Tensor, size: int, folder: Path) -> dict:
    """The same samples in every form that they may come in."""
    labels = torch.zeros(len(y))
    return {
        "tensor": y,
        "array": y.numpy(),
        "memory map": on_disk(y, folder),
        "list": list(y.split(size)),
        "arrays": [x.numpy() for x in y.split(size)],
        "loader": DataLoader(TensorDataset(y, labels), size),
        "generator": (x for x in y.split(size)),
    }


FORMS = ["tensor", "array", "memory map", "list", "arrays", "loader", "generator"]
forms = pytest.mark.parametrize("form", FORMS)


# ---- CSR ----


@forms
def test_sparse_codes_are_the_dense_ones(form, tmp_path):
    y = sources(SAMPLES, 8, tmp_path)[form]
    found = encode(D, y, 0.4, sparse=True, chunk=8)
    assert found.z.layout == torch.sparse_csr and not found.interrupted
    assert found.z.col_indices().dtype == torch.int32
    torch.testing.assert_close(found.z.to_dense(), WHOLE.z, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.energy, WHOLE.energy)
    torch.testing.assert_close(found.relative_gap, WHOLE.relative_gap, rtol=0, atol=1e-10)
    assert found.converged.all() and found.made_by == WHOLE.made_by
    assert equal(found.iterations, WHOLE.iterations)


def test_csr_is_what_others_take_it_for():
    z = encode(D, SAMPLES, 0.4, sparse=True).z
    theirs = scipy.sparse.csr_matrix((z.values(), z.col_indices(), z.crow_indices()), z.shape)
    assert theirs.has_canonical_format and (theirs.toarray() == WHOLE.z.numpy()).all()
    torch.testing.assert_close(z @ D.W.T, WHOLE.z @ D.W.T)
    torch.testing.assert_close(D.decode(z), D.decode(WHOLE.z))


def test_columns_are_wider_where_there_are_too_many_numbers(monkeypatch):
    monkeypatch.setattr(csr, "MOST", 10)
    z = encode(D, SAMPLES, 0.4, sparse=True).z
    assert z.col_indices().dtype == z.crow_indices().dtype == torch.int64
    torch.testing.assert_close(z.to_dense(), WHOLE.z)


def test_lambda_of_each_sample_and_a_start():
    lam = torch.linspace(0.1, 2, 50, dtype=torch.float64)
    dense = encode(D, SAMPLES, lam, z0=WHOLE.z, chunk=7)
    found = encode(D, SAMPLES, lam, z0=WHOLE.z, chunk=7, sparse=True)
    assert equal(found.z.to_dense(), dense.z) and equal(found.energy, dense.energy)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"dictionary": ConvDictionary(normal(3, 4, 4, seed=3)), "y": IMAGES}, "dictionary"),
        ({"y": SAMPLES[0]}, "y"),
        ({"y": []}, "y"),
        ({"y": iter(())}, "y"),
        ({"y": [[0.5]]}, "y"),
        ({"y": [SAMPLES, SAMPLES.float()]}, "y"),
        ({"y": [SAMPLES, SAMPLES[:, 1:]]}, "y"),
        ({"y": [SAMPLES[0]]}, "y"),
        ({"y": np.ones((5, 12), dtype=np.int64)}, "y"),
        ({"y": np.ones((5, 12), dtype=">f8")}, "y"),
        ({"y": np.ones(12)}, "y"),
        ({"y": np.ones((0, 12))}, "y"),
        ({"y": np.full((5, 12), np.nan)}, "y"),
        ({"y": "samples"}, "y"),
        ({"y": 3}, "y"),
        ({"y": [SAMPLES], "z0": WHOLE.z}, "z0"),
        ({"y": [SAMPLES], "lam": torch.ones(50)}, "lam"),
        ({"y": [SAMPLES], "chunk": 0}, "chunk"),
        ({"y": [SAMPLES], "tol": 2}, "tol"),
        ({"y": [SAMPLES], "dictionary": D.W}, "dictionary"),
    ],
)
def test_bad_input_is_named(changes, named):
    arguments = {"dictionary": D, "y": SAMPLES, "lam": 0.4, "sparse": True} | changes
    with pytest.raises((TypeError, ValueError), match=rf"^{named}: expected .*, got ") as raised:
        encode(**arguments)
    assert len(str(raised.value)) < 220 and raised.value.__cause__ is None


def test_an_interrupt_keeps_the_codes_before_it():
    def batches():
        yield SAMPLES[:20]
        yield SAMPLES[20:30]
        raise KeyboardInterrupt

    found = encode(D, batches(), 0.4, sparse=True)
    assert found.interrupted
    torch.testing.assert_close(found.z.to_dense(), WHOLE.z[:30])
    assert len(found.energy) == len(found.made_by) == 30


def press_stop(run=None):
    signal.raise_signal(signal.SIGINT)


def test_the_stop_button_waits_for_the_chunk_at_hand():
    def batches():
        yield SAMPLES[:20]
        press_stop()
        yield SAMPLES[20:30]
        yield SAMPLES[30:]

    before = signal.getsignal(signal.SIGINT)
    found = encode(D, batches(), 0.4, sparse=True)
    assert found.interrupted and found.z.shape == (30, 20)
    assert signal.getsignal(signal.SIGINT) is before


def test_the_second_press_is_not_waited_for():
    def batches():
        yield SAMPLES[:20]
        press_stop()
        press_stop()
        yield SAMPLES[20:30]

    with pytest.raises(KeyboardInterrupt):
        encode(D, batches(), 0.4, sparse=True)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_another_thread_the_handler_is_left_alone():
    seen = []

    def work():
        encode(D, (seen.append(signal.getsignal(signal.SIGINT)) or SAMPLES for _ in "12"), 0.4,
               sparse=True)  # fmt: skip

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler] * 2


def test_pages_of_a_memory_map_are_given_back(tmp_path):
    """Those that were read, so that memory does not fill with them; and no write is lost."""
    file = on_disk(torch.ones(40_000, 100).double(), tmp_path)
    before = resident()
    for _, batch in streams.in_turn(file, 1000):
        assert batch.shape == (1000, 100) and bool((batch == 1).all())
    assert resident() - before < 16e6  # of 32 MB
    mine = np.load(tmp_path / "y.npy", mmap_mode="c")
    mine[:] = 2
    for _, batch in streams.in_turn(mine, 1000):
        assert bool((batch == 2).all())
    assert bool((mine == 2).all())


def resident() -> int:
    """Bytes in memory, mapped files included."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("where memory is told in /proc")
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# ---- codes on a disk ----


@forms
def test_batches_are_coded_one_by_one(form, tmp_path):
    y = sources(SAMPLES, 8, tmp_path)[form]
    found = list(encode_batches(D, y, 0.4, chunk=8))
    assert [len(one.z) for one in found] == [8] * 6 + [2]
    torch.testing.assert_close(torch.cat([one.z.to_dense() for one in found]), WHOLE.z)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@forms
def test_codes_on_a_disk_are_read_again(form, tmp_path):
    y, codes = sources(SAMPLES, 8, tmp_path)[form], tmp_path / "deep" / "codes"
    made = list(encode_batches(D, y, 0.4, chunk=8, folder=codes))
    found = load_codes(codes)
    assert not found.interrupted and found.made_by == WHOLE.made_by
    joined = csr.joined(iter(made))
    torch.testing.assert_close(found.z.to_dense(), WHOLE.z)
    for one, other in zip(parts_of(found), parts_of(joined), strict=True):
        assert equal(one, other)


def parts_of(solution) -> list:
    z = solution.z
    return [z.values(), z.col_indices(), z.crow_indices(), *csr.facts(solution).values()]


def test_half_a_run_is_gone_on_with(tmp_path, monkeypatch):
    """Not one batch is solved twice, and the iterator gives all of them."""
    for _ in encode_batches(D, SAMPLES, 0.4, chunk=8, folder=tmp_path / "whole"):
        pass
    run = encode_batches(D, SAMPLES, 0.4, chunk=8, folder=tmp_path / "half")
    for _ in range(3):
        next(run)
    run.close()
    half = load_codes(tmp_path / "half")
    assert half.interrupted and half.z.shape == (24, 20)
    torch.testing.assert_close(half.z.to_dense(), WHOLE.z[:24])
    solved = []
    original = parts.encode
    monkeypatch.setattr(
        parts, "encode", lambda d, y, *a, **k: solved.append(len(y)) or original(d, y, *a, **k)
    )
    again = list(encode_batches(D, SAMPLES, 0.4, chunk=8, folder=tmp_path / "half"))
    assert solved == [8, 8, 8, 2] and sum(len(one.z) for one in again) == 50
    assert contents(tmp_path / "whole") == contents(tmp_path / "half")


@pytest.mark.parametrize(
    "changes",
    [
        {"lam": 0.5}, {"tol": 1e-3}, {"nonnegative": True}, {"chunk": 9}, {"backend": "torch"},
        {"dictionary": Dictionary(random_dictionary(seed=5))},
        {"dictionary": Dictionary(random_dictionary().float()), "y": SAMPLES.float()},
    ],
)  # fmt: skip
def test_other_settings_are_refused(changes, tmp_path):
    arguments = {"dictionary": D, "y": SAMPLES, "lam": 0.4, "chunk": 8, "folder": tmp_path / "c"}
    list(encode_batches(**arguments))
    before = contents(tmp_path / "c")
    with pytest.raises(ValueError, match=r"^folder: expected \w+ .*, as before, got "):
        encode_batches(**arguments | changes)
    assert contents(tmp_path / "c") == before


def test_other_samples_are_refused(tmp_path):
    list(encode_batches(D, SAMPLES, 0.4, chunk=8, folder=tmp_path / "c"))
    other = SAMPLES.clone()
    other[20, 3] += 1e-9
    with pytest.raises(ValueError, match="^y: expected the samples of part-000002.npz again, got"):
        list(encode_batches(D, other, 0.4, chunk=8, folder=tmp_path / "c"))


def test_a_missing_part_is_told(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ValueError, match="^folder: expected one with codes, got "):
            load_codes(folder)
    list(encode_batches(D, SAMPLES, 0.4, chunk=8, folder=tmp_path))
    (tmp_path / "part-000003.npz").unlink()
    with pytest.raises(ValueError, match="^folder: expected parts .* number 3"):
        load_codes(tmp_path)


KILLED = """
    import os, signal, sys
    import numpy as np
    import torch
    from rlvebm_utils import Dictionary, encode_batches
    from problems import normal, random_dictionary

    y = np.load(sys.argv[1], mmap_mode="r")
    for number, _ in enumerate(encode_batches(
        Dictionary(random_dictionary()), y, 0.4, chunk=50, folder=sys.argv[2]
    )):
        print(number, flush=True)
"""


def script(code: str, *arguments, **options) -> subprocess.Popen:
    """A Python of its own; small and quiet, since it is to be killed."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        **options,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal there")
def test_killed_and_run_again_gives_the_same_bytes(tmp_path):
    on_disk(normal(20_000, 12, seed=1), tmp_path)
    list(encode_batches(D, np.load(tmp_path / "y.npy"), 0.4, chunk=50, folder=tmp_path / "whole"))
    run = script(KILLED, tmp_path / "y.npy", tmp_path / "killed")
    while int(run.stdout.readline()) < 60:
        pass
    run.send_signal(signal.SIGKILL)
    run.communicate(timeout=60)
    assert run.returncode == -signal.SIGKILL
    left = len(list((tmp_path / "killed").glob("part-*.npz")))
    assert 60 <= left < 400
    run = script(KILLED, tmp_path / "y.npy", tmp_path / "killed")
    _, said = run.communicate(timeout=120)
    assert run.returncode == 0, said
    assert contents(tmp_path / "whole") == contents(tmp_path / "killed")


# ---- learning ----

LEARN = {"passes": 6, "batch_size": 200, "memory": 0.1}


@forms
def test_a_dictionary_is_learned_from_anything(form, tmp_path):
    """Each form is as good as samples in memory, on those that were held out."""
    train, test = Y[:1600], Y[1600:]
    in_memory = learn_dictionary_fast(train, 20, 0.3, **LEARN)
    y = sources(train, 200, tmp_path)[form]
    found = learn_dictionary_fast(y, 20, 0.3, **LEARN | {"passes": 6})
    assert found.energy.shape == ((8,) if form == "generator" else (48,))
    reached = mean_energy(found.dictionary.W, test, 0.3)
    slack = 1.2 if form == "generator" else 1.02  # a generator makes one pass
    assert reached < slack * mean_energy(in_memory.dictionary.W, test, 0.3)


@needs_c
def test_arrays_and_batches_are_the_same_learning(tmp_path):
    """Given the same batches; and every sample of a pass counts once."""
    found = [learn_dictionary_fast(x, 20, 0.3, **LEARN) for x in (Y.numpy(), on_disk(Y, tmp_path))]
    assert equal(*found)
    seen = []

    class Loader:
        def __iter__(self):
            for batch in Y.split(200):
                seen.append(float(batch[0, 0]))
                yield batch

    learn_dictionary_fast(Loader(), 20, 0.3, passes=3)
    assert seen == [float(batch[0, 0]) for batch in Y.split(200)] * 3


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"y": []}, "y"), ({"y": iter(())}, "y"), ({"y": {}}, "y"), ({"y": [[0.5]]}, "y"),
        ({"y": np.zeros((5, 3))}, "y"), ({"y": [Y, Y[:, 1:]]}, "y"),
        ({"y": np.ones((2, 3, 4))}, "y"), ({"y": [Y], "passes": 0}, "passes"),
        ({"y": [Y], "snapshots": (31,)}, "snapshots"), ({"y": [Y], "lam": -1.0}, "lam"),
        ({"y": [Y], "n_atoms": 0}, "n_atoms"), ({"group": "WORLD"}, "group"),
        ({"group": 1}, "group"),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_from_is_named(changes, named):
    with pytest.raises((TypeError, ValueError), match=rf"^{named}: expected .*, got "):
        learn_dictionary_fast(**{"y": Y, "n_atoms": 5, "lam": 0.3} | changes)


LEARNERS = {
    "learn_dictionary": lambda **k: learn_dictionary(
        Y, 20, 0.3, steps=12, batch_size=200, snapshots=(0, 3, 12), **k
    ),
    "fast": lambda **k: learn_dictionary_fast(
        Y, 20, 0.3, passes=2, batch_size=200, snapshots=(0, 3, 12), **k
    ),
    "fast, from batches": lambda **k: learn_dictionary_fast(
        list(Y.split(200)), 20, 0.3, passes=2, snapshots=(0, 3, 12), **k
    ),
    "fast, from an array": lambda **k: learn_dictionary_fast(
        Y.numpy(), 20, 0.3, passes=2, batch_size=200, snapshots=(0, 3, 12), **k
    ),
    "learn_kernels": lambda **k: learn_kernels(
        IMAGES, 3, 0.3, size=5, steps=17, batch_size=2, snapshots=(0, 3, 12), **k
    ),
}
learners = pytest.mark.parametrize("name", LEARNERS)


def interrupted_at(step: int, act, monkeypatch) -> None:
    """Call ``act`` with the run in the middle of a step of whatever learns."""
    original = checkpoint.Run.over

    def over(self, batches):
        for batch in original(self, batches):
            if self.steps + 1 == step:
                act(self)
            yield batch

    monkeypatch.setattr(checkpoint.Run, "over", over)


@learners
def test_stopped_and_called_again_it_ends_as_if_undisturbed(name, tmp_path, monkeypatch):
    learn, file = LEARNERS[name], tmp_path / "run.pt"
    expected = learn()
    with monkeypatch.context() as patch:
        interrupted_at(5, press_stop, patch)
        half = learn(checkpoint=file)
    assert half.interrupted and len(half.energy) == 5 and list(half.snapshots) == [0, 3]
    assert equal(half.energy, expected.energy[:5])
    assert not equal(half.dictionary.atoms, expected.dictionary.atoms)
    assert equal(learn(checkpoint=file), expected)
    assert equal(learn(checkpoint=file), expected)  # all is done: nothing is done twice


@learners
def test_a_step_that_is_cut_short_is_made_again(name, tmp_path, monkeypatch):
    """An interrupt that cannot be held back leaves what was written before it."""

    def cut(run):
        for tensor in run.state.values():
            tensor.mul_(2)  # half of what the step was to change
        raise KeyboardInterrupt

    learn, file = LEARNERS[name], tmp_path / "run.pt"
    monkeypatch.setattr(checkpoint, "EVERY", 0)
    with monkeypatch.context() as patch:
        interrupted_at(5, cut, patch)
        half = learn(checkpoint=file)
    assert half.interrupted and len(half.energy) == 4
    assert torch.load(file, weights_only=True)["steps"] == 4
    assert equal(learn(checkpoint=file), learn())


CHECKPOINTED = """
    import sys
    from rlvebm_utils import checkpoint
    from test_larger_than_memory import LEARNERS, Y

    checkpoint.EVERY = 0.0
    original = checkpoint.Run.write

    def write(self):
        original(self)
        print(self.steps, flush=True)
        if self.steps == int(sys.argv[3]):
            sys.stdin.read()

    checkpoint.Run.write = write
    LEARNERS[sys.argv[1]](checkpoint=sys.argv[2])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal there")
@pytest.mark.parametrize("name", ["learn_dictionary", "fast", "learn_kernels"])
def test_killed_and_called_again_it_ends_as_if_undisturbed(name, tmp_path):
    file = tmp_path / "run.pt"
    run = script(CHECKPOINTED, name, file, 7, stdin=subprocess.PIPE)
    while int(run.stdout.readline()) < 7:
        pass
    run.send_signal(signal.SIGKILL)
    run.communicate(timeout=60)
    assert torch.load(file, weights_only=True)["steps"] == 7
    learn = LEARNERS[name]
    assert equal(learn(checkpoint=file), learn())


def test_the_state_is_written_twice_a_minute(tmp_path, monkeypatch):
    now, written = [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    original = checkpoint.Run.write
    monkeypatch.setattr(
        checkpoint.Run, "write", lambda self: written.append(self.steps) or original(self)
    )

    def later():
        now[0] += 12.0

    original_over = checkpoint.Run.over

    def over(self, batches):
        for batch in original_over(self, batches):
            later()
            yield batch

    monkeypatch.setattr(checkpoint.Run, "over", over)
    LEARNERS["learn_dictionary"](checkpoint=tmp_path / "run.pt")
    assert written == [3, 6, 9, 12, 12]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("learn_dictionary", {"lam": 0.2}), ("learn_dictionary", {"seed": 1}),
        ("learn_dictionary", {"forgetting": 0.8}), ("learn_dictionary", {"nonnegative": True}),
        ("learn_dictionary", {"y": Y[1:]}), ("learn_dictionary", {"iterations": 3}),
        ("learn_dictionary", {"n_atoms": 19}), ("learn_dictionary", {"batch_size": 100}),
        ("learn_dictionary_fast", {"lam": 0.2}), ("learn_dictionary_fast", {"memory": 0.5}),
        ("learn_dictionary_fast", {"sweeps": 3}), ("learn_dictionary_fast", {"seed": 1}),
        ("learn_dictionary_fast", {"y": Y.numpy()}), ("learn_dictionary_fast", {"y": Y + 1}),
    ],
)  # fmt: skip
def test_the_checkpoint_of_another_run_is_refused(name, changes, tmp_path):
    learn = {"learn_dictionary": learn_dictionary, "learn_dictionary_fast": learn_dictionary_fast}
    length = {"steps": 2} if name == "learn_dictionary" else {"passes": 1}
    given = {"y": Y, "n_atoms": 20, "lam": 0.3, **length, "checkpoint": tmp_path / "run.pt"}
    learn[name](**given)
    with pytest.raises(ValueError, match=r"^checkpoint: expected \w+ .*, as before, got "):
        learn[name](**given | changes)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    (tmp_path / "text.pt").write_text(json.dumps({"steps": 3}))
    torch.save({"steps": 3}, tmp_path / "other.pt")
    for file in ("text.pt", "other.pt"):
        with pytest.raises(ValueError, match="^checkpoint: expected a file that a learner wrote"):
            learn_dictionary(Y, 20, 0.3, steps=2, checkpoint=tmp_path / file)


def test_a_longer_run_goes_on_from_a_finished_one(tmp_path):
    file = tmp_path / "run.pt"
    learn_dictionary(Y, 20, 0.3, steps=5, checkpoint=file)
    longer = learn_dictionary(Y, 20, 0.3, steps=9, checkpoint=file)
    assert equal(longer, learn_dictionary(Y, 20, 0.3, steps=9))


def test_every_learner_is_tried():
    """So that the names above are those of the modules."""
    assert {learning.Run, workers.Run} == {checkpoint.Run}
