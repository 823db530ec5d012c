"""The panels of notebook 05: λ over the code maps of a photograph, solved beforehand along a path;
families of kernels by their number or by λ; colour in two kinds of channels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...conv import ConvDictionary
from ...energies import lambda_max
from ...solvers import fista
from ..kernels import EVERY_KIND, KernelLabel, label_kernels, opposite_pairs, orientation_bins
from ..plots.conv import KIND_COLOURS, short
from .panel import Scene, SliderPanel, check_box, picker, stops
from .parts import Picture, Strip, colours, img, number, tile


def conv_codes_panel(
    dictionary,
    y: torch.Tensor,
    *,
    lowest: float = 0.02,
    positions: int = 16,
    tol: float = 1e-3,
    title: str = "Drag λ: the code maps empty out",
) -> SliderPanel:
    """A λ slider over the code of one grey image y (h, w) and its reconstruction.

    One image takes a second to solve well, so the codes for all ``positions`` of the slider, evenly
    spaced in log λ from ``lowest``·λ_max to just above λ_max, are computed first, from the sparsest
    down, each from its neighbour; the slider then only looks them up.
    """
    dictionary.check_samples(y)
    if y.ndim != 2:
        raise ValueError(f"y: expected one grey image (height, width), got {tuple(y.shape)}")
    scene = _Path(dictionary, y, lowest, positions, tol)
    grid = list(scene.path)
    shown = [positions * k // 4 for k in range(4)] + [positions - 1]
    return scene.panel(
        {"lam": stops(grid, grid[positions // 4], label="λ")},
        title=title,
        headline="non-zeros in the code",
        stills=("lam", [grid[k] for k in shown]),
    )


class _Path(Scene):
    """The codes of one image, for all positions of the slider."""

    def __init__(self, dictionary, y: torch.Tensor, lowest: float, positions: int, tol: float):
        self.dictionary, self.y = dictionary, y
        self.top = float(lambda_max(dictionary, y))
        grid = np.geomspace(lowest * self.top, 1.02 * self.top, positions).tolist()
        self.path, z = dict.fromkeys(grid), None
        for lam in reversed(grid):
            solution = fista(dictionary, y, lam, z0=z, tol=tol)
            z, self.path[lam] = solution.z, solution
        self.limit = float(self.path[grid[0]].z.abs().max()) / 3
        self.span = float(y.abs().max()) * 0.7

    def compute(self, lam: float) -> dict:
        z, y = self.path[lam].z, self.y
        decoded = self.dictionary.decode(z)
        return {
            "maps": z.numpy(),
            "reconstruction": decoded.numpy(),
            "energy": float(self.path[lam].energy),
            "share": lam / self.top,
            "nonzeros": float((z != 0).double().mean()),
            "error": float((y - decoded).square().sum() / y.square().sum()),
        }

    def draw(self, a: dict) -> list:
        counts = [f"{100 * (one != 0).mean():.1f} %" for one in a["maps"]]
        look = {"signed": True, "limits": (0, self.span)}
        maps = {"slots": len(counts), "signed": True, "limits": (0, self.limit)}
        return [
            Picture(self.y.numpy(), "image Y", still=False, **look),
            Picture(a["reconstruction"], "Σ K * Z", **look),
            Strip(wide(a["maps"]), counts, "code maps Z", **maps),
        ]

    def readouts(self, a: dict) -> dict:
        return {
            "λ / λ_max": number(a["share"], 2),
            "non-zeros in the code": f"{100 * a['nonzeros']:.2f} %",
            "squared error": f"{100 * a['error']:.0f} %",
            "energy E": a["energy"],
            "maps that are empty": sum(not one.any() for one in a["maps"]),
        }

    def alt(self, a: dict) -> str:
        return (
            f"λ = {number(a['lam'], 2)}, {number(a['share'], 2)} of λ_max: "
            f"{100 * a['nonzeros']:.2f} % of the entries of the {len(a['maps'])} code maps are not "
            f"zero, the squared error is {100 * a['error']:.0f} % of the image's."
        )


def wide(maps: np.ndarray) -> Tensor:
    """Maps (n, p, q) to be seen: each entry is three pixels wide, and the stronger one wins."""
    z = torch.as_tensor(maps)
    above, below = (F.max_pool2d((s * z).clamp(min=0)[:, None], 3, 1, 1)[:, 0] for s in (1, -1))
    return torch.where(above >= below, above, -below)


# ---- families of kernels ----


@dataclass(frozen=True)
class KernelSheet:
    """Kernels (n, a, a) in greys about zero, in frames whose colour says what they are called."""

    kernels: Tensor
    labels: Sequence[KernelLabel]
    title: str
    still: bool = True

    height = 1.0

    @property
    def key(self) -> dict[str, str]:
        """The kinds that occur, and their colours."""
        found = {label.kind for label in self.labels}
        return {kind: tint for kind, tint in KIND_COLOURS.items() if kind in found}

    def _pixels(self) -> np.ndarray:
        share = self.kernels / self.kernels.abs().amax((1, 2), keepdim=True)
        return colours("gray")[np.rint(127.5 * (1 + share.numpy())).astype(np.uint8)]

    def html(self) -> str:
        """What the panel shows: each kernel 52 pixels wide, eight in a row, and the key."""
        frame = '<span style="width:52px;border:4px solid {}">{}</span>'
        cells = "".join(
            frame.format(KIND_COLOURS[label.kind], img(one))
            for one, label in zip(self._pixels(), self.labels, strict=True)
        )
        key = "".join(
            f'<span style="border-left:14px solid {colour};padding-left:5px">{kind}</span>'
            for kind, colour in KIND_COLOURS.items()
        )
        flex = "display:flex;flex-wrap:wrap;"
        body = f'<div style="{flex}gap:5px;align-content:flex-start">{cells}</div>'
        body += f'<div style="{flex}gap:4px 14px;margin-top:8px;font-size:12px">{key}</div>'
        return tile(self.title, body, "rlv-kernels", width=480)

    def plot(self, axes) -> None:
        """The same with matplotlib, for the figure at rest."""
        n, side = len(self.kernels), self.kernels.shape[-1]
        columns = math.ceil(n**0.5)
        rows, step = math.ceil(n / columns), side + 2
        for k, (one, label) in enumerate(zip(self._pixels(), self.labels, strict=True)):
            top, left = k // columns * step, k % columns * step
            axes.imshow(one, extent=(left, left + side, top + side, top))
            x, y = [left, left + side], [top, top + side]
            edges = [*x, x[1], x[0], x[0]], [y[0], y[0], y[1], y[1], y[0]]
            axes.plot(*edges, color=KIND_COLOURS[label.kind], lw=2)
        limits = {"xlim": (-1, columns * step - 1), "ylim": (rows * step - 1, -1)}
        axes.set(**limits, aspect="equal")
        axes.axis("off")


class _Families(Scene):
    """Kernels that were learned before, with their labels."""

    def __init__(self, load: Callable[..., ConvDictionary]):
        self.load = load

    def compute(self, **chosen):
        K = self.load(**chosen).K
        return {"K": K, "labels": label_kernels(K)}

    def draw(self, a):
        return [KernelSheet(a["K"], a["labels"], "the kernels")]

    def readouts(self, a):
        kinds = [label.kind for label in a["labels"]]
        told = {"directions (of 8 bins)": sum(c > 0 for c in orientation_bins(a["labels"]))}
        told["pairs of opposite edges"] = opposite_pairs(a["labels"])
        return told | {kind: kinds.count(kind) for kind in EVERY_KIND}

    def alt(self, a):
        names = ", ".join(short(label) for label in a["labels"])
        how = ["codes ≥ 0" if a["positive"] else "signed codes", f"start {a['start'] + 1}"]
        how += [f"λ = {a['lam']:g}"] if "lam" in a else []
        how += [HALF] if a.get("half") else []
        count = "1 kernel" if len(a["K"]) == 1 else f"{len(a['K'])} kernels"
        told = f"{count} of 9 by 9, light above zero and dark below ({', '.join(how)})"
        return f"{told}: {names}."


POSITIVE, HALF = "codes ≥ 0", "after half of the training"


def family_panel(
    load: Callable[[int, bool, int, bool], ConvDictionary], sizes: Sequence[int], starts: int
) -> SliderPanel:
    """A slider over the number of kernels. load(n, nonnegative, start, half) → the kernels."""
    names = [f"start {k + 1}" for k in range(starts)]
    return _Families(lambda n, positive, start, half: load(n, positive, start, half)).panel(
        {
            "n": stops(sizes, sizes[len(sizes) // 2], label="kernels"),
            "positive": check_box(POSITIVE),
            "start": picker(names, label="start"),
            "half": check_box(HALF),
        },
        title="Drag the number of kernels: what do they become?",
        headline="directions (of 8 bins)",
        stills=("n", [n for n in sizes if n in (1, 2, 4, 8)] or list(sizes[:3])),
    )


def price_panel(
    load: Callable[[float, bool, int], ConvDictionary], prices: Sequence[float], starts: int
) -> SliderPanel:
    """A slider over λ. load(λ, nonnegative, start) → the kernels."""
    names = [f"start {k + 1}" for k in range(starts)]
    return _Families(lambda lam, positive, start: load(lam, positive, start)).panel(
        {
            "lam": stops(prices, prices[1], label="λ"),
            "positive": check_box(POSITIVE, True),
            "start": picker(names, label="start"),
        },
        title="Drag λ, and nothing else: does the kernel stay what it is?",
        headline="centre-surround",
        stills=("lam", list(prices)),
    )


# ---- colour ----


class _Colour(Scene):
    """A colour image and what its code rebuilds; two kinds of channels, solved beforehand."""

    def __init__(self, rebuilt: Mapping, image: Tensor, names: Sequence[str]):
        self.rebuilt, self.image, self.names = rebuilt, image, names

    def compute(self, lam, channels):
        rebuilt, nonzero = self.rebuilt[self.names[channels], lam]
        return {"rebuilt": rebuilt, "nonzero": nonzero, "channels": channels}

    def draw(self, a):
        seen = {"the image": self.image, "rebuilt": a["rebuilt"]}
        grey = {f"{name}, colour alone": one - one.mean(0) for name, one in seen.items()}
        return [
            ColourPicture(one, name, gain, still=name.startswith("rebuilt"))
            for group, gain in ((seen, 6.0), (grey, 3.0))
            for name, one in group.items()
        ]

    def readouts(self, a):
        left = unexplained(self.image, a["rebuilt"])
        return {
            "colour left unexplained": f"{100 * left[1]:.0f} %",
            "grey left unexplained": f"{100 * left[0]:.0f} %",
            "non-zeros": f"{100 * a['nonzero']:.1f} %",
        }

    def alt(self, a):
        told = "; ".join(f"{name} {value}" for name, value in self.readouts(a).items())
        return f"A piece of a photograph and what its code rebuilds: {told}."


@dataclass(frozen=True)
class ColourPicture:
    """An image (3, h, w) about zero, which is grey; ±gain/2 is the full range."""

    image: Tensor
    title: str
    gain: float
    still: bool = True

    height = 1.0

    def _pixels(self) -> np.ndarray:
        share = (0.5 + self.image / self.gain).clamp(0, 1).permute(1, 2, 0)
        return np.rint(255 * share.numpy()).astype(np.uint8)

    def html(self) -> str:
        """What the panel shows."""
        return tile(self.title, img(self._pixels()), "rlv-picture", width=190)

    def plot(self, axes) -> None:
        """The same with matplotlib, for the figure at rest."""
        axes.imshow(self._pixels())
        axes.set_axis_off()


def unexplained(image: Tensor, rebuilt: Tensor) -> tuple[float, float]:
    """Of the squared norm of an image (3, h, w), what is left: of its grey part (the mean over the
    channels), and of its colour (the rest).
    """
    off = image - rebuilt
    grey = off.mean(0).square().sum() / image.mean(0).square().sum()
    colour = (off - off.mean(0)).square().sum() / (image - image.mean(0)).square().sum()
    return float(grey), float(colour)


def colour_panel(
    rebuilt: Mapping[tuple[str, float], tuple[Tensor, float]], image: Tensor
) -> SliderPanel:
    """A slider over λ. rebuilt: (channels, λ) → the image (3, h, w) that the code rebuilds and the
    share of its entries that are not zero.
    """
    names = list(dict.fromkeys(name for name, _ in rebuilt))
    prices = sorted({lam for _, lam in rebuilt})
    return _Colour(rebuilt, image, names).panel(
        {
            "lam": stops(prices, prices[len(prices) // 2], label="λ"),
            "channels": picker(names, label="channels"),
        },
        title="Drag λ: where does the colour go?",
        headline="colour left unexplained",
        stills=("lam", [prices[0], prices[len(prices) // 2], prices[-1]]),
    )
