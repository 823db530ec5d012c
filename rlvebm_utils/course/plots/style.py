"""One look for every figure: palette, sizes, and the one way to show a figure with its
description.
"""

import functools
import html
import io

import matplotlib
from matplotlib.figure import Figure

from .content import content

# M. Okabe and K. Ito, "Color Universal Design" (2008): distinguishable with the common
# colour-vision deficiencies.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#767676"  # 4.5 : 1 against white, so that grey text can be read

SEQUENTIAL = "cividis"  # numbers from low to high
DIVERGING = "RdBu_r"  # numbers about zero
INK = "gray_r"  # pixels: white paper, black ink

WIDTH = 9.0  # inches; at 100 dots an inch a figure fits beside the file list on a 1366-pixel screen

_STYLE = {
    "figure.dpi": 100,
    "savefig.dpi": 100,
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.prop_cycle": matplotlib.cycler(color=[BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY]),
    "lines.linewidth": 2,
    "legend.frameon": False,
    "image.cmap": INK,
    "image.interpolation": "nearest",
}


def styled(draw):
    """Decorator: everything that ``draw`` does with Matplotlib follows the course's style; nothing
    global changes.
    """

    @functools.wraps(draw)
    def in_style(*args, **kwargs):
        with matplotlib.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return in_style


@styled
def new_figure(
    rows: int = 1, columns: int = 1, *, height: float = 3.4, width: float = WIDTH, **options
):
    """A figure in the course's style and its axes. It belongs to no window, so nothing has to be
    closed.
    """
    figure = Figure(figsize=(width, height))
    return figure, figure.subplots(rows, columns, **options)


@styled
def to_png(figure: Figure, scale: int = 1) -> bytes:
    """The figure as PNG bytes, the same for the same figure; ``scale``: times as many dots."""
    buffer = io.BytesIO()
    dots = scale * matplotlib.rcParams["savefig.dpi"]
    figure.savefig(buffer, format="png", dpi=dots, metadata={"Software": None})
    return smaller(buffer.getvalue())


def smaller(png: bytes) -> bytes:
    """The same pixels in fewer bytes: without transparency, of which a figure has none, and with a
    palette where there are few colours. A notebook holds twenty figures.
    """
    from PIL import Image, ImageChops  # comes with matplotlib

    image = Image.open(io.BytesIO(png))
    dpi, image = image.info.get("dpi"), image.convert("RGB")
    if found := image.getcolors(256):
        few = image.convert("P", palette=Image.Palette.ADAPTIVE, colors=len(found))
        same = ImageChops.difference(few.convert("RGB"), image).getbbox() is None
        image = few if same else image
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True, **({"dpi": dpi} if dpi else {}))
    return buffer.getvalue()


def headline(figure: Figure, text: str) -> None:
    """The finding, over all panels of a figure."""
    figure.suptitle(text, fontsize=12, fontweight="bold", x=0.01, ha="left")


def show(figure: Figure, alt: str, *, scale: int = 1) -> None:
    """Show a figure in a notebook, and in words what it shows (for who cannot see it, and where
    images do not load). ``scale`` 2: as large, with twice as many dots, for fine lines.

    JupyterLab drops the alt text of image outputs, so the words follow as an output of their own
    that unfolds. What is drawn goes into the output's metadata, for the regression test.
    """
    from IPython.display import display

    png = {"image/png": to_png(figure, scale), "text/plain": alt}
    said = {"alt": alt} if scale == 1 else {"alt": alt, **_size(figure)}
    display(png, metadata={"image/png": said, "drawn": content(figure)}, raw=True)
    words = f"<details><summary>Figure in words</summary><p>{html.escape(alt)}</p></details>"
    display({"text/html": words, "text/plain": ""}, raw=True)


def _size(figure: Figure) -> dict[str, int]:
    """What the picture would measure without a scale: viewers that know it show it as large."""
    dots = _STYLE["savefig.dpi"]
    return {
        name: round(dots * inches)
        for name, inches in zip(("width", "height"), figure.get_size_inches(), strict=True)
    }


def image_grid(axes, images, rows: int, columns: int, *, gap: int = 1, **options) -> None:
    """Draw images (N, h, w) as one picture of rows × columns tiles, with nothing around it."""
    import numpy as np

    n, h, w = images.shape
    sheet = np.full((rows * (h + gap) - gap, columns * (w + gap) - gap), np.nan)
    for k in range(min(n, rows * columns)):
        top, left = k // columns * (h + gap), k % columns * (w + gap)
        sheet[top : top + h, left : left + w] = images[k]
    axes.imshow(sheet, **options)
    axes.set_axis_off()
