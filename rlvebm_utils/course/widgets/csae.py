"""The panels of notebook 06: through a training, its ties, an encoder by hand, the labels."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from matplotlib.patches import Rectangle
from torch import Tensor

from ...conv import ConvDictionary
from ...energies import energy
from ...penalties import soft_threshold
from ..csae import ConvEncoder, correlate, likeness, permutation_test
from ..plots.csae import by_kernels
from .panel import Scene, SliderPanel, check_box, linear_slider, picker, stops
from .parts import EDGE, Picture, Strip, tile

FROZEN = "the encoder does not learn"
Halves = tuple[ConvEncoder, ConvDictionary]


@dataclass(frozen=True)
class _Partners(Strip):
    """A row of kernels. At rest it shows each above its partner, with the cosine of the two."""

    partners: object = None
    cosines: Sequence[str] = ()
    across: int = 4  # pairs beside each other at rest

    @property
    def height(self) -> float:
        """Of its row at rest: two tiles and a line of text for each row of pairs."""
        return _PAIR * self._rows() / self.across

    def _rows(self) -> int:
        return math.ceil(len(self.images) / self.across)

    def html(self) -> str:
        """What the panel shows: the row itself, under its own name."""
        return replace(_row(self.images), title="encoder").html()

    def plot(self, axes) -> None:
        """All pairs with matplotlib, for the figure at rest."""
        C, K = self._pixels(), _row(self.partners)._pixels()
        for place, (above, below, cosine) in enumerate(zip(C, K, self.cosines, strict=True)):
            x, y = place % self.across, place // self.across * _PAIR
            for one, top in ((above, y), (below, y + 1)):
                frame = x + 0.04, x + 0.96, top + 0.96, top + 0.04
                axes.imshow(one, extent=frame)
                corner = frame[0], frame[3]
                axes.add_patch(Rectangle(corner, 0.92, 0.92, fill=False, ec=EDGE))
            axes.text(x + 0.5, y + 2.02, cosine, ha="center", va="top", fontsize=8)
        axes.set(xlim=(0, self.across), ylim=(self._rows() * _PAIR, 0), aspect="equal")
        axes.axis("off")


_PAIR = 2.35  # the height of a pair with its cosine, in tiles


def _row(K: Tensor, captions: Sequence[str] | None = None, title: str = "") -> Strip:
    """Kernels, each in its own full range about zero."""
    shown = K / K.abs().amax((1, 2), keepdim=True)
    captions = [""] * len(K) if captions is None else captions
    return Strip(shown, captions, title, len(K), True, limits=(0.0, 1.0), still=False)


def _strips(C: Tensor, K: Tensor, cosines: Tensor, across: int) -> list[Strip]:
    """Encoder above decoder, cosines below the pairs."""
    own = [f"{c:.2f}" for c in cosines.diagonal().tolist()]
    title = "encoder above, decoder below, and the cosine of the two"
    above = replace(_row(C), title=title, still=True)
    return [
        _Partners(**vars(above), partners=K, cosines=own, across=across),
        _row(K, own, "decoder, and the cosine of each pair"),
    ]


class _Pairs(Scene):
    """Two halves side by side, with what was measured of them."""

    across = 4

    def __init__(self, halves: Callable[..., Halves], measured: Callable[..., Mapping[str, float]]):
        self.halves, self.measured = halves, measured

    def compute(self, **chosen):
        encoder, dictionary = self.halves(**chosen)
        C, K = encoder.kernels, dictionary.K
        return {"C": C, "K": K, "cosines": likeness(C, K), "told": self.measured(**chosen)}

    def draw(self, a):
        return _strips(a["C"], a["K"], a["cosines"], self.across)

    def readouts(self, a):
        matched, chance, _ = permutation_test(a["cosines"], permutations=199)
        told = {"mean cosine of the pairs": f"{matched:.2f}", "random pairings": f"{chance:.2f}"}
        return told | {name: f"{value:.2f}" for name, value in a["told"].items()}

    def alt(self, a):
        told = "; ".join(f"{name} {value}" for name, value in self.readouts(a).items())
        return f"{len(a['C'])} encoder kernels above their partners in the decoder; {told}."


def growing_panel(
    halves: Callable[[str, bool, int], Halves],
    measured: Callable[[str, bool, int], Mapping[str, float]],
    nonlinearities: Sequence[str],
    steps: Sequence[int],
) -> SliderPanel:
    """A slider through a training. halves(nonlinearity, frozen, step) → (encoder, dictionary);
    measured(…) → figures by name.
    """

    def named(call):
        return lambda step, phi, frozen: call(nonlinearities[phi], frozen, step)

    return _Pairs(named(halves), named(measured)).panel(
        {
            "step": stops(steps, steps[1], label="step"),  # at 0 both φ are the same noise
            "phi": picker(nonlinearities, label="φ"),
            "frozen": check_box(FROZEN),
        },
        title="Drag the step: two kinds of noise become alike",
        headline="mean cosine of the pairs",
        stills=("step", [steps[0], steps[len(steps) // 2], steps[-1]]),
    )


def tie_panel(
    halves: Callable[[str, bool], Halves],
    measured: Callable[[str, bool], Mapping[str, float]],
    ties: Sequence[str],
) -> SliderPanel:
    """What ties the code to the guess, taken away. halves(tie, frozen) → (encoder, dictionary)."""

    places = list(range(len(ties)))

    def named(call):
        return lambda tie, frozen: call(ties[tie], frozen)

    return _Tied(named(halves), named(measured), ties).panel(
        {"tie": stops(places, 0, label="ties cut"), "frozen": check_box(FROZEN, True)},
        title="Cut the ties, and see who follows whom",
        headline=WHERE,
        stills=("tie", places),
    )


WHERE = "the code begins at; mean cosine"


class _Tied(_Pairs):
    """Pairs, and what is left of their ties."""

    across = 3  # four columns at rest

    def __init__(self, halves, measured, ties: Sequence[str]):
        super().__init__(halves, measured)
        self.ties = ties

    def compute(self, tie, frozen):
        return super().compute(tie=tie, frozen=frozen) | {"tie": tie}

    def readouts(self, a):
        told = super().readouts(a)
        cosine = told.pop("mean cosine of the pairs")
        return {WHERE: f"{self.ties[a['tie']]}; {cosine}"} | told

    def alt(self, a):
        told = "; ".join(f"{name} {value}" for name, value in super().readouts(a).items())
        pairs = f"{len(a['C'])} encoder kernels above their partners in the decoder"
        return f"{pairs}. The code begins at {self.ties[a['tie']]}: {told}."


# ---- one encoder by hand ----


class _ByHand(Scene):
    """The encoder whose kernels are the decoder's: shrinkage of width θ and one gain."""

    def __init__(
        self, dictionary: ConvDictionary, images: Tensor, best: Tensor, guess: Tensor, lam: float
    ):
        self.dictionary, self.images, self.best, self.lam = dictionary, images, best, lam
        self.learned = energy(dictionary, images, guess, lam)
        self.responses = correlate(images, dictionary.K)
        self.empty = energy(dictionary, images, 0 * best, lam)
        self.least = energy(dictionary, images, best, lam)

    def compute(self, theta, gain, piece):
        Z = gain * soft_threshold(self.responses[piece : piece + 1], theta)
        E = energy(self.dictionary, self.images[piece : piece + 1], Z, self.lam)
        return {"Z": Z[0], "E": float(E), "piece": piece, "decoded": self.dictionary.decode(Z)[0]}

    def draw(self, a):
        Y = self.images[a["piece"]]
        top = float(Y.abs().max()) * 0.7
        i = int(self.best[a["piece"]].abs().sum((1, 2)).argmax())
        reach = float(self.best[a["piece"], i].abs().max()) * 0.25  # the guesses are weak
        maps = {"one map of the code": a["Z"][i], "the same map, FISTA": self.best[a["piece"], i]}
        seen = {"the image": Y, "decoded": a["decoded"]}
        pictures = [(name, v, top) for name, v in seen.items()]
        pictures += [(name, v, reach) for name, v in maps.items()]
        fista = "the same map, FISTA"
        return [
            Picture(v, name, True, (0.0, most), still=name != fista, width=190)
            for name, v, most in pictures
        ]

    def readouts(self, a):
        empty, least, learned = (E[a["piece"]] for E in (self.empty, self.least, self.learned))
        return {
            "energy, in % of the empty code's": f"{100 * a['E'] / float(empty):.0f}",
            "the trained encoder's": f"{100 * float(learned / empty):.0f}",
            "FISTA's": f"{100 * float(least / empty):.0f}",
            "entries that are not zero": f"{float((a['Z'] != 0).double().mean()):.1%}",
            "FISTA's non-zeros": f"{float((self.best[a['piece']] != 0).double().mean()):.1%}",
        }

    def alt(self, a):
        told = "; ".join(f"{name} {value}" for name, value in self.readouts(a).items())
        return f"A piece of a photograph, what its code decodes to, and one of its maps. {told}."


def encoder_panel(
    dictionary: ConvDictionary, images: Tensor, best: Tensor, guess: Tensor, lam: float
) -> SliderPanel:
    """Sliders for θ and the gain of an encoder that has the decoder's own kernels.

    images (N, h, w), held out; best: their codes of least energy at ``lam``; guess: those of a
    trained encoder.
    """
    return _ByHand(dictionary, images, best, guess, lam).panel(
        {
            "theta": linear_slider(0, 12, 0, label="θ", step=0.25),
            "gain": linear_slider(0, 1, 0.1, label="gain g", step=0.02),
            "piece": picker([f"piece {i + 1}" for i in range(len(images))], label="image"),
        },
        title="Drag θ and g, and see how good a code one pass can give",
        headline="energy, in % of the empty code's",
        stills=("theta", [0, 1, 3, 6]),
    )


# ---- few labels ----


@dataclass(frozen=True)
class Bars:
    """One bar a name, in per cent, with its standard deviation."""

    means: Mapping[str, float]
    deviations: Mapping[str, float]
    title: str
    still: bool = True

    height = 0.75

    def html(self) -> str:
        """What the panel shows."""
        rows = []
        for k, (name, mean) in enumerate(self.means.items()):
            y, d = 26 * k, self.deviations[name]
            rows.append(
                f'<text x="0" y="{y + 15}">{html.escape(name)}</text>'
                f'<rect x="170" y="{y + 3}" width="{2.4 * mean:.1f}" height="16"'
                f' fill="{by_kernels(name)}"/>'
                f'<path stroke="black" d="M{170 + 2.4 * (mean - d):.1f} {y + 11}h{4.8 * d:.1f}"/>'
                f'<text x="{178 + 2.4 * (mean + d):.1f}" y="{y + 15}">{mean:.1f} %</text>'
            )
        box = f"0 0 480 {26 * len(self.means)}"
        body = f'<svg viewBox="{box}" font-size="13">{"".join(rows)}</svg>'
        return tile(self.title, body, "rlv-bars", width=520)

    def plot(self, axes) -> None:
        """The same with matplotlib, for the figure at rest."""
        for k, (name, mean) in enumerate(self.means.items()):
            axes.text(1, k - 0.08, name, va="bottom", fontsize=8)
            colour, spread = by_kernels(name), self.deviations[name]
            axes.barh(k + 0.2, mean, 0.4, xerr=spread, color=colour, ecolor="black")
        axes.set(yticks=[], xlim=(0, 100), xticks=range(0, 100, 20), xlabel="%")
        axes.set(ylim=(len(self.means) - 0.5, -0.7))
        axes.tick_params(labelsize=8)


class _Labels(Scene):
    def __init__(self, labels: Sequence[int], score: Mapping[str, Tensor]):
        self.labels, self.score = list(labels), score

    def compute(self, labels):
        k = self.labels.index(labels)
        return {"scores": {name: 100 * s[:, k] for name, s in self.score.items()}}

    def draw(self, a):
        means = {name: float(s.mean()) for name, s in a["scores"].items()}
        deviations = {name: float(s.std()) for name, s in a["scores"].items()}
        return [Bars(means, deviations, "accuracy: mean ± standard deviation")]  # fits a phone

    def readouts(self, a):
        differences = a["scores"]["learned, fine-tuned"] - a["scores"]["random, trained"]
        error = 2 * float(differences.std()) / len(differences) ** 0.5
        gain = f"{float(differences.mean()):+.1f} ± {error:.1f}"
        return {"fine-tuned minus from scratch, points": gain}

    def alt(self, a):
        told = "; ".join(
            f"{name} {float(s.mean()):.1f} ± {float(s.std()):.1f} %"
            for name, s in a["scores"].items()
        )
        return f"One bar a net, accuracy on held-out digits, mean ± standard deviation: {told}."


def labels_panel(labels: Sequence[int], score: Mapping[str, Tensor]) -> SliderPanel:
    """A slider over the number of labels. score: net → accuracies (seeds, len(labels))."""
    return _Labels(labels, score).panel(
        {"labels": stops(labels, labels[0], label="labels")},
        title="Drag the number of labels, and see what learned kernels are worth",
        headline="fine-tuned minus from scratch, points",
        stills=("labels", [labels[0], labels[len(labels) // 2], labels[-1]]),
    )
