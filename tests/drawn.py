"""What a slider panel shows, read back from its HTML, and colours by matplotlib's own rule."""

import base64
import io
import re

import matplotlib
import numpy as np
from bs4 import BeautifulSoup
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from PIL import Image


def tiles(panel) -> dict:
    """Title → the part of the page under it, of the panel as it stands."""
    page = BeautifulSoup(panel.html, "html.parser")
    return {one.p.get_text(): one for one in page.select(".rlv-tile")}


def pictures(tile) -> list[np.ndarray]:
    """Its images, decoded: (height, width, 3)."""
    sources = [one["src"].partition(",")[2] for one in tile.select("img")]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in sources]


def marks(tile, name: str, *attributes: str) -> np.ndarray:
    """Numbers of all its SVG elements of one name, one row each."""
    return np.array([[float(one[a]) for a in attributes] for one in tile.select(name)])


def lines(tile, colour: str) -> list[np.ndarray]:
    """The numbers in the paths of one colour."""
    paths = tile.select(f'path[stroke="{colour}"]')
    return [np.array(re.findall(r"-?[\d.]+", one["d"]), dtype=float) for one in paths]


def painted(values, colours: str, low: float, high: float) -> np.ndarray:
    """The pixels that matplotlib makes of the values."""
    mappable = ScalarMappable(Normalize(low, high, clip=True), matplotlib.colormaps[colours])
    return mappable.to_rgba(np.asarray(values), bytes=True)[..., :3]


def same(pixels: np.ndarray, values, colours: str, low: float, high: float) -> bool:
    """Whether they are the values' picture, up to a step of rounding in the table of colours."""
    expected = painted(values, colours, low, high)
    if pixels.shape != expected.shape:
        return False
    return np.abs(pixels.astype(int) - expected.astype(int)).max() <= 8
