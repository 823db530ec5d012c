"""The panels of notebook 06: through a training, its ties, an encoder by hand, the labels."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from ...conv import ConvDictionary
from ...energies import energy
from ...penalties import soft_threshold
from ..csae import ConvEncoder, correlate, likeness, permutation_test
from ..plots.style import BLUE, GREY, VERMILION
from .panel import Scene, SliderPanel, check_box, linear_slider, picker, stops
from .parts import Picture, Strip, tile

FROZEN = "the encoder does not learn"
Halves = tuple[ConvEncoder, ConvDictionary]


def _strips(C: Tensor, K: Tensor, cosines: Tensor) -> list[Strip]:
    """Encoder above decoder, each kernel in its own full range, cosines below the pairs."""
    own = [f"{c:.2f}" for c in cosines.diagonal().tolist()]
    rows = {"encoder": (C, [""] * len(C)), "decoder, and the cosine of each pair": (K, own)}
    return [
        Strip(
            k / k.abs().amax((1, 2), keepdim=True), captions, title, len(k), True, limits=(0.0, 1.0)
        )
        for title, (k, captions) in rows.items()
    ]


class _Pairs(Scene):
    """Two halves side by side, with what was measured of them."""

    def __init__(self, halves: Callable[..., Halves], measured: Callable[..., Mapping[str, float]]):
        self.halves, self.measured = halves, measured

    def compute(self, **chosen):
        encoder, dictionary = self.halves(**chosen)
        C, K = encoder.kernels, dictionary.K
        return {"C": C, "K": K, "cosines": likeness(C, K), "told": self.measured(**chosen)}

    def draw(self, a):
        return _strips(a["C"], a["K"], a["cosines"])

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
        title="Cut the ties: who follows whom?",
        headline="tied by",
        stills=("tie", places),
    )


class _Tied(_Pairs):
    """Pairs, and what is left of their ties."""

    def __init__(self, halves, measured, ties: Sequence[str]):
        super().__init__(halves, measured)
        self.ties = ties

    def compute(self, tie, frozen):
        return super().compute(tie=tie, frozen=frozen) | {"tie": tie}

    def readouts(self, a):
        told = super().readouts(a)
        cosine = told.pop("mean cosine of the pairs")
        return {"tied by": f"{self.ties[a['tie']]}; cosine {cosine}"} | told


# ---- one encoder by hand ----


class _ByHand(Scene):
    """The encoder whose kernels are the decoder's: shrinkage of width θ and one gain."""

    def __init__(self, dictionary: ConvDictionary, images: Tensor, best: Tensor, lam: float):
        self.dictionary, self.images, self.best, self.lam = dictionary, images, best, lam
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
        reach = float(self.best[a["piece"], i].abs().max())
        maps = {"one map of the code": a["Z"][i], "the same map, FISTA": self.best[a["piece"], i]}
        seen = {"the image": Y, "decoded": a["decoded"]}
        pictures = [(name, v, top) for name, v in seen.items()]
        pictures += [(name, v, reach) for name, v in maps.items()]
        moving = "decoded", "one map of the code"
        return [
            Picture(v, name, True, (0.0, most), still=name in moving, width=190)
            for name, v, most in pictures
        ]

    def readouts(self, a):
        empty, least = self.empty[a["piece"]], self.least[a["piece"]]
        return {
            "energy, in % of the empty code's": f"{100 * a['E'] / float(empty):.0f}",
            "FISTA's": f"{100 * float(least / empty):.0f}",
            "entries that are not zero": f"{float((a['Z'] != 0).double().mean()):.1%}",
            "FISTA's non-zeros": f"{float((self.best[a['piece']] != 0).double().mean()):.1%}",
        }

    def alt(self, a):
        told = "; ".join(f"{name} {value}" for name, value in self.readouts(a).items())
        return f"A piece of a photograph, what its code decodes to, and one of its maps. {told}."


def encoder_panel(
    dictionary: ConvDictionary, images: Tensor, best: Tensor, lam: float
) -> SliderPanel:
    """Sliders for θ and the gain of an encoder that has the decoder's own kernels.

    images (N, h, w), held out; best: their codes of least energy at ``lam``.
    """
    return _ByHand(dictionary, images, best, lam).panel(
        {
            "theta": linear_slider(0, 12, 0, label="θ", step=0.25),
            "gain": linear_slider(0, 1, 0.16, label="gain g", step=0.02),
            "piece": picker([f"piece {i + 1}" for i in range(len(images))], label="image"),
        },
        title="Drag θ and g: how good a code can one pass give?",
        headline="energy, in % of the empty code's",
        stills=("theta", [0, 3, 6]),
    )


# ---- few labels ----


@dataclass(frozen=True)
class Bars:
    """One bar a name, in per cent, with its standard deviation."""

    means: Mapping[str, float]
    deviations: Mapping[str, float]
    title: str
    still: bool = True

    height = 0.55

    def html(self) -> str:
        """What the panel shows."""
        rows = []
        for k, (name, mean) in enumerate(self.means.items()):
            y, d = 26 * k, self.deviations[name]
            rows.append(
                f'<text x="0" y="{y + 15}">{html.escape(name)}</text>'
                f'<rect x="170" y="{y + 3}" width="{2.4 * mean:.1f}" height="16"'
                f' fill="{_tint(name)}"/>'
                f'<path stroke="black" d="M{170 + 2.4 * (mean - d):.1f} {y + 11}h{4.8 * d:.1f}"/>'
                f'<text x="{178 + 2.4 * (mean + d):.1f}" y="{y + 15}">{mean:.1f} %</text>'
            )
        box = f"0 0 480 {26 * len(self.means)}"
        body = f'<svg viewBox="{box}" font-size="13">{"".join(rows)}</svg>'
        return tile(self.title, body, "rlv-bars", width=520)

    def plot(self, axes) -> None:
        """The same with matplotlib, for the figure at rest."""
        names = list(self.means)
        colours = [_tint(name) for name in names]
        widths, spread = list(self.means.values()), list(self.deviations.values())
        axes.barh(range(len(names)), widths, xerr=spread, color=colours)
        for k, name in enumerate(names):
            axes.text(2, k, name, color="white", va="center", fontsize=7)
        axes.set(yticks=[], xlim=(0, 100), xlabel="%")
        axes.invert_yaxis()
        axes.tick_params(labelsize=7)


def _tint(name: str) -> str:
    return GREY if "random" in name else VERMILION if "spectrum" in name else BLUE


class _Labels(Scene):
    def __init__(self, labels: Sequence[int], score: Mapping[str, Tensor]):
        self.labels, self.score = list(labels), score

    def compute(self, labels):
        k = self.labels.index(labels)
        return {"scores": {name: 100 * s[:, k] for name, s in self.score.items()}}

    def draw(self, a):
        means = {name: float(s.mean()) for name, s in a["scores"].items()}
        deviations = {name: float(s.std()) for name, s in a["scores"].items()}
        seeds = len(next(iter(a["scores"].values())))
        return [Bars(means, deviations, f"accuracy on held-out digits, {seeds} seeds")]

    def readouts(self, a):
        differences = a["scores"]["learned, fine-tuned"] - a["scores"]["random, trained"]
        error = 2 * float(differences.std()) / len(differences) ** 0.5
        gain = f"{float(differences.mean()):+.1f} ± {error:.1f}"
        return {"fine-tuned minus from scratch, points": gain}

    def alt(self, a):
        told = "; ".join(f"{name} {float(s.mean()):.1f} %" for name, s in a["scores"].items())
        return f"One bar a net, accuracy on held-out digits: {told}."


def labels_panel(labels: Sequence[int], score: Mapping[str, Tensor]) -> SliderPanel:
    """A slider over the number of labels. score: net → accuracies (seeds, len(labels))."""
    return _Labels(labels, score).panel(
        {"labels": stops(labels, labels[0], label="labels")},
        title="Drag the number of labels: what are learned kernels worth?",
        headline="fine-tuned minus from scratch, points",
        stills=("labels", [labels[0], labels[len(labels) // 2], labels[-1]]),
    )
