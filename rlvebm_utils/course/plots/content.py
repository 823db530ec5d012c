"""What a figure says, as data: the regression test compares this, where pixels are too coarse.

A label that is wrong, two curves that are swapped or a legend in another order change few pixels.
"""

import json

import numpy as np
from matplotlib.category import StrCategoryFormatter
from matplotlib.colors import to_hex
from matplotlib.ticker import FixedFormatter, FuncFormatter

MOST = 120  # numbers of one artist that are kept, spread evenly over all it has


def content(figure) -> str:
    """One entry for each axes: labels, limits, legend, and what is drawn in it, in few digits. As
    JSON in one line, since a notebook's file gives each number of a list a line.
    """
    entries = [_of_axes(axes) for axes in figure.axes]
    return json.dumps(entries, ensure_ascii=False, separators=(",", ":"))


def _of_axes(axes) -> dict:
    legend = axes.get_legend()
    said = {
        "title": axes.get_title(loc="left") or axes.get_title(),
        "labels": [axes.get_xlabel(), axes.get_ylabel()],
        "scales": [axes.get_xscale(), axes.get_yscale()],
        "ticks": _words(axes.xaxis) + _words(axes.yaxis),
        "limits": _few([*axes.get_xlim(), *axes.get_ylim()]),
        "legend": [text.get_text() for text in legend.get_texts()] if legend else [],
        "texts": [[text.get_text(), *_few(text.get_position())] for text in axes.texts],
        "lines": [_line(line) for line in axes.lines],
        "patches": [_patch(patch) for patch in axes.patches],
        "collections": [_collection(one) for one in axes.collections],
        "images": [[*image.get_array().shape, *_few(image.get_clim())] for image in axes.images],
    }
    return {name: value for name, value in said.items() if value}


def _words(axis) -> list[str]:
    """What stands at the ticks where somebody chose it; other numbers follow from the limits."""
    chosen = (FixedFormatter, FuncFormatter, StrCategoryFormatter)
    if not axis.get_visible() or not isinstance(axis.get_major_formatter(), chosen):
        return []
    return [text.get_text() for text in axis.get_ticklabels()]


def _line(line) -> list:
    style = [line.get_linestyle(), str(line.get_marker()), to_hex(line.get_color())]
    return [_name(line), *style, *(_few(xy) for xy in line.get_data(orig=False))]


def _patch(patch) -> list:
    corners = patch.get_patch_transform().transform(patch.get_path().vertices)
    return [_name(patch), to_hex(patch.get_facecolor()), _few(corners)]


def _collection(one) -> list:
    drawn = np.ma.filled(np.ma.asarray(one.get_offsets(), dtype=float), np.nan).ravel()
    if not drawn.any():  # drawn by its paths, such as the area between two curves
        drawn = np.concatenate([path.vertices.ravel() for path in one.get_paths()] or [drawn])
    colours = [to_hex(colour) for colour in one.get_facecolor()[:MOST]]
    values = one.get_array()
    return [_name(one), colours, _few(drawn), _few([] if values is None else values)]


def _name(artist) -> str:
    """Its label; those that Matplotlib makes up count through all figures."""
    label = str(artist.get_label() or "")
    return "" if label.startswith("_") else label


def _few(numbers) -> list:
    """Four digits of at most ``MOST`` of the numbers; a word for those that are not finite."""
    flat = np.ma.filled(np.ma.asarray(numbers, dtype=float), np.nan).ravel()
    places = np.linspace(0, len(flat) - 1, min(len(flat), MOST)).round().astype(int)
    return [float(f"{x:.4g}") if np.isfinite(x) else str(x) for x in flat[places]]
