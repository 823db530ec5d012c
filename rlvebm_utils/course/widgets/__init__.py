"""Slider panels: a function of the slider's value, a drawing, read-outs.

A new panel is a few lines::

    from rlvebm_utils.course.widgets import SliderPanel, Stems, log_slider

    def compute(lam):
        return {"z": soft_threshold(v, lam)}

    def draw(a):
        return [Stems(a["z"], "code z", "atom")]

    SliderPanel(compute, draw, {"lam": log_slider(0.01, 10, start=1)},
                readouts=lambda a: {"non-zeros": (a["z"] != 0).sum()})
"""

from ..extras import require

for _module in ("ipywidgets", "matplotlib"):
    require(_module, "the slider panels")

from .panel import Scene, SliderPanel, check_box, linear_slider, log_slider, picker, stops
from .parts import Picture, Stems, Strip, colours, img, tile
from .sparse_coding import SparseCoder, sparse_coding_panel

__all__ = [
    "Picture",
    "Scene",
    "SliderPanel",
    "SparseCoder",
    "Stems",
    "Strip",
    "check_box",
    "colours",
    "img",
    "linear_slider",
    "log_slider",
    "picker",
    "sparse_coding_panel",
    "stops",
    "tile",
]
