"""Drag one fuzzy ball over the map of codes: computed in the page while it moves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import traitlets
from torch import Tensor

from ..live import module, style
from ..live.ball import TITLE, noises, page_data, write_ball_page
from ..plots.vae import ball_at_rest
from ..vae import Balls, FuzzyBallAutoencoder, size_term
from .live import LivePage
from .parts import number


def drag_ball(
    model: FuzzyBallAutoencoder, balls: Balls, labels: Tensor, y: Tensor, chosen: Sequence[int]
) -> DragBall:
    """A map of balls with one of them to be dragged and resized, by pointer or by keys: what the
    decoder draws from it, its fit, its spring and the price of its size follow.

    balls, labels, y: of the same digits, held out. chosen: places of the digits to pick from.
    """
    widget = DragBall(data=page_data(model, balls, labels, y, chosen))
    widget.rest = model, balls, labels, y, chosen
    return widget


class DragBall(LivePage):
    """The widget: everything is computed in the page. See :func:`drag_ball`."""

    title = TITLE
    _esm = module("ball.js")
    _css = style("ball.css")
    data = traitlets.Dict().tag(sync=True)
    words = traitlets.Dict().tag(sync=True)  # in place of those in live/ball_words.js
    rest: tuple | None = None  # what the figure at rest is drawn from

    def export_html(self, path):
        """Write the page as one file that needs no kernel; returns its path."""
        return write_ball_page(path, self.data)

    @torch.no_grad()
    def show_at_rest(self) -> None:
        """The figure: the map, the encoder's ball, and the valley of its size."""
        model, balls, labels, y, chosen = self.rest
        place = chosen[self.data["start"]]
        mean, noise = balls.mean[place], noises().to(y)
        v = torch.logspace(-3, 0.6, 241).to(y)  # 1 is among them
        points = mean + v.sqrt()[:, None, None] * noise
        drawn = model.decode(points.flatten(0, 1))
        fit = 0.5 * (drawn - y[place]).square().sum(1).reshape(len(v), -1).mean(1)
        size = size_term(v)  # twice ½: both directions
        rise = fit - fit.min()
        curves = {"v": v, "fit, above its lowest": rise, "size": size, "sum": rise + size}
        here = balls.variance[place].prod().sqrt()
        mine = Balls(mean[None], here.expand(1, 2))
        best = number(float(v[(rise + size).argmin()]), 2)
        title = f"At rest: the encoder's ball has v = {number(float(here), 2)}; best here is {best}"
        pictures = {"y": y[place], "Dec(z̄)": model.decode(mean[None])[0]}
        few = Balls(balls.mean[:300], balls.variance[:300])
        ball_at_rest(few, labels[:300], mine, curves, pictures, title)
