"""The page in which one drags a fuzzy ball: what it is given, and the file that needs no kernel."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..plots.vae import MUTED, SIDE, number_places
from ..vae import Balls, FuzzyBallAutoencoder, normal_noise
from . import write_page

TITLE = "Drag one ball: fit against spring"
NOISES = 12  # and as many with the sign turned


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()


def layers(model: FuzzyBallAutoencoder) -> list[dict]:
    """The decoder's layers, weights in 16 bits: what ``decoder.js`` unpacks."""
    found = []
    for one in model.decoder:
        if not isinstance(one, torch.nn.Linear):
            continue
        weight = one.weight.detach().double().cpu()
        scale = float(weight.abs().max()) / 32767
        whole = (weight / scale).round().numpy().astype("<i2")
        bias = [round(v, 5) for v in one.bias.tolist()]
        shape = {"inputs": one.in_features, "outputs": one.out_features}
        found.append(shape | {"scale": scale, "weights": _base64(whole), "bias": bias})
    return found


def noises() -> Tensor:
    """The noise over which the page takes its mean: pairs of a point and its opposite, scaled so
    that the variance is 1 in both directions.
    """
    drawn = normal_noise((NOISES, 2), torch.Generator().manual_seed(0), torch.zeros(1).double())
    both = torch.cat([drawn, -drawn])
    return both / both.square().mean(0).sqrt()


def page_data(
    model: FuzzyBallAutoencoder,
    balls: Balls,
    labels: Tensor,
    y: Tensor,
    chosen: Sequence[int],
    *,
    shown: int = 300,
) -> dict:
    """What ``ball.js`` asks for as ``data``.

    model: with a code of two numbers. balls, labels, y: of the same digits; the first ``shown`` are
    drawn. chosen: places of the digits that can be dragged.
    """
    if model.code != 2:
        raise ValueError(f"model: expected a code of 2 numbers, got {model.code}")
    if not len(balls.mean) == len(labels) == len(y):
        counts = f"{len(balls.mean)}, {len(labels)} and {len(y)}"
        raise ValueError(f"balls, labels, y: expected as many of each, got {counts}")
    mean, sd = balls.mean[:shown], balls.variance[:shown].sqrt()
    reach = round(1.05 * float(mean.abs().max()), 2)
    names = number_places(mean, labels[:shown], 0.12 * reach)
    return {
        "layers": layers(model),
        "side": SIDE,
        "noise": _rounded(noises(), 5),
        "digits": [_digit(balls, labels, y, place) for place in chosen],
        "map": {
            "mean": _rounded(mean, 2),
            "sd": _rounded(sd, 3),
            "labels": labels[:shown].tolist(),
            "names": {str(c): [round(v, 3) for v in place] for c, place in names.items()},
        },
        "colours": list(MUTED),
        "reach": reach,
        "start": min(3, len(chosen) - 1),
    }


def _digit(balls: Balls, labels: Tensor, y: Tensor, place: int) -> dict:
    pixels = (255 * y[place].double().cpu()).round().numpy().astype(np.uint8)
    return {
        "label": int(labels[place]),
        "pixels": _base64(pixels),
        "mean": [round(v, 4) for v in balls.mean[place].tolist()],
        "variance": [round(v, 6) for v in balls.variance[place].tolist()],
    }


def _rounded(rows: Tensor, digits: int) -> list[list[float]]:
    return [[round(v, digits) for v in row] for row in rows.tolist()]


def write_ball_page(path, data: dict) -> Path:
    """Write the page as one HTML file that needs no kernel and no network; returns its path."""
    return write_page(path, "ball", TITLE, {"data": data, "level": 1})
