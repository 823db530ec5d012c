"""The sliders of notebook 02: shrinkage, the length of a step, the lower bound, the code along a
line, and λ over sparse codes of real digits, solved anew at every move.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager

import numpy as np
import torch

from ...energies import lambda_max
from ...fast.codes import encode
from ...solvers import fista
from ..plots.style import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION
from .chart import Chart, Line
from .panel import Scene, SliderPanel, linear_slider, log_slider, picker, stops
from .parts import EDGE, Picture, Stems, Strip, nice_ceiling, number

STROKES = 12  # atoms that are shown as pictures
ROUNDS = 6  # of the guess from which a solve starts


class SparseCoder:
    """min_z ½‖y − Wz‖² + λ‖z‖₁ for one of several samples; starts from its last code.

    Y: samples (N, d) of the dictionary's dtype. `coder(lam, example)` returns a dict of arrays.
    """

    def __init__(self, dictionary, Y: torch.Tensor, *, nonnegative=False, tol=1e-4):
        dictionary.check_samples(Y)
        self.dictionary, self.Y, self.nonnegative, self.tol = dictionary, Y, nonnegative, tol
        self.lam_max = lambda_max(dictionary, Y, nonnegative=nonnegative)
        self._last: dict[int, torch.Tensor] = {}  # per example: the last code

    def __call__(self, lam: float, example: int) -> dict:
        y = self.Y[example]
        with one_thread():
            z = self._last[example] = self._solve(y, lam, self._last.get(example))
        reconstruction = self.dictionary.decode(z)
        l1 = float(z.abs().sum())
        return {
            "y": y.numpy(),
            "z": z.numpy(),
            "reconstruction": reconstruction.numpy(),
            "nonzeros": int((z != 0).sum()),
            "l1": l1,
            "fit": 0.5 * float((y - reconstruction).square().sum()),
            "penalty": lam * l1,
            "lam_max": float(self.lam_max[example]),
        }

    def _solve(self, y: torch.Tensor, lam: float, last: torch.Tensor | None) -> torch.Tensor:
        """FISTA from a guess that the last code gives; its certificate counts every atom."""
        guess = None if last is None else self._guess(y, lam, last)
        options = {"nonnegative": self.nonnegative, "tol": self.tol}
        return fista(self.dictionary, y, lam, z0=guess, **options).z

    def _guess(self, y: torch.Tensor, lam: float, z: torch.Tensor) -> torch.Tensor:
        """On a fixed support S with fixed signs s the best code solves W_SᵀW_S z_S = W_Sᵀy − λs.

        So: solve, drop what came out with the wrong sign, add the atoms that want to enter, a few
        times. It need not settle; the best code on the way is returned, the given one included.
        """
        gram, b = self.dictionary.gram, self.dictionary.adjoint(y)
        best, lowest, signs = z, torch.inf, None
        for _ in range(ROUNDS):
            gradient = z @ gram - b
            energy = float(0.5 * z @ (gradient - b) + lam * z.abs().sum())  # less ½‖y‖²
            if energy < lowest:
                best, lowest = z, energy
            pull = -gradient if self.nonnegative else gradient.abs()
            enters = (z == 0) & (pull > lam)
            before, signs = signs, torch.where(enters, -gradient.sign(), z.sign())
            if before is not None and torch.equal(before, signs):
                break
            (S,) = signs.nonzero(as_tuple=True)
            # A touch on the diagonal: two equal atoms must not make the system singular.
            system = gram[S][:, S] + 1e-10 * torch.eye(len(S), dtype=gram.dtype)
            solution = torch.linalg.solve(system, b[S] - lam * signs[S])
            kept = torch.where(solution * signs[S] > 0, solution, 0)
            z = torch.zeros_like(z).index_copy(0, S, kept)
        return best


@contextmanager
def one_thread():
    """One vector at a time is too little work to share: waiting for a second thread costs more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def sparse_coding_panel(
    dictionary,
    images: torch.Tensor,
    *,
    lam: float,
    shape: tuple[int, int] = (28, 28),
    nonnegative: bool = False,
    names: Sequence[str] | None = None,
    lam_range: tuple[float, float] | None = None,
    title: str = "Drag λ: fewer strokes, a coarser digit",
) -> SliderPanel:
    """A λ slider over the sparse codes of `images` (M, d), the rows of a tensor.

    Shows one image, its reconstruction Wz and the residual, the code z as stems, the atoms with
    the largest coefficients, and ‖z‖₀, ‖z‖₁, both energy terms and λ/λ_max. Every move is solved
    by FISTA from the last code. The slider starts at `lam`, the λ that the atoms were learned at,
    say. `names` label the images in the picker; `lam_range` spans 0.01 to
    just above the largest λ_max if left out, so that the code can be seen to vanish.
    """
    if images.ndim != 2 or images.shape[1] != shape[0] * shape[1]:
        raise ValueError(
            f"images: expected shape (M, {shape[0] * shape[1]}) for pictures of {shape[0]} × "
            f"{shape[1]}, got {tuple(images.shape)}"
        )
    names = [f"no. {i + 1}" for i in range(len(images))] if names is None else list(names)
    if len(names) != len(images):
        raise ValueError(f"names: expected one per image, {len(images)}, got {len(names)}")
    coder = SparseCoder(dictionary, images, nonnegative=nonnegative)
    low, high = lam_range or (0.01, 1.1 * float(coder.lam_max.max()))
    return _Digits(coder, dictionary, names, shape, nonnegative, low).panel(
        {"lam": log_slider(low, high, lam), "digit": picker(names, label="digit")},
        title=title,
        headline="non-zeros ‖z‖₀",
        # The last one lies past λ_max: on it, rounding would decide whether an atom is left.
        stills=("lam", [float(coder.lam_max[0]) * share for share in (0.01, 0.05, 0.3, 1.02)]),
    )


class _Digits(Scene):
    """One image, its code and the atoms that build it."""

    def __init__(self, coder, dictionary, names, shape, nonnegative: bool, low: float):
        self.coder, self.names, self.shape, self.low = coder, names, shape, low
        self.atoms = dictionary.W.T.reshape(-1, *shape).numpy()
        largest = float(np.abs(self.atoms).max(initial=0)) * 0.7
        self.look = {"slots": STROKES, "signed": not nonnegative, "limits": (0, largest)}
        self.scales: dict[int, float] = {}

    def scale(self, example: int) -> float:
        """The height of the stems: that of the densest code, so that the axis stands still."""
        if example not in self.scales:
            densest = self.coder(self.low, example)["z"]
            self.scales[example] = nice_ceiling(float(np.abs(densest).max()))
        return self.scales[example]

    def compute(self, lam: float, digit: int) -> dict:
        limit = self.scale(digit)
        return {**self.coder(lam, digit), "limit": limit}

    def draw(self, a: dict) -> list:
        order = np.argsort(-np.abs(a["z"]), kind="stable")[:STROKES]
        order = order[a["z"][order] != 0]
        largest = [f"{value:.2f}" for value in a["z"][order]]
        y, decoded = a["y"].reshape(self.shape), a["reconstruction"].reshape(self.shape)
        title = "largest coefficients (orange) and their atoms"
        return [
            Picture(y, "digit y", still=False),
            Picture(decoded, "reconstruction Wz"),
            Picture(y - decoded, "residual y − Wz", signed=True),
            Stems(a["z"], "code z", f"atoms 1 to {a['z'].size}", a["limit"], marked=order),
            Strip(self.atoms[order], largest, title, **self.look),
        ]

    def readouts(self, a: dict) -> dict:
        return {
            "λ / λ_max": number(a["lam"] / a["lam_max"], 2),
            "non-zeros ‖z‖₀": f"{a['nonzeros']} of {a['z'].size}",
            "‖z‖₁": a["l1"],
            "½‖y − Wz‖²": a["fit"],
            "λ‖z‖₁": a["penalty"],
            "energy E": a["fit"] + a["penalty"],
        }

    def alt(self, a: dict) -> str:
        lam, share = number(a["lam"], 2), number(a["lam"] / a["lam_max"], 2)
        return (
            f"digit {self.names[a['digit']]} at λ = {lam}, {share} of λ_max: {a['nonzeros']} of "
            f"{a['z'].size} coefficients are not zero, half the squared error is "
            f"{number(a['fit'], 2)}."
        )


# ---- shrinkage ----


def shrink_panel(v: float, t: float) -> SliderPanel:
    """Sliders for v and t over ½(x − v)² + t|x|, its lowest point, and shrink(v, t) beside it."""
    return _Shrinkage().panel(
        {
            "v": linear_slider(-3, 3, v, label="v", step=0.1),
            "t": linear_slider(0, 2, t, label="t", step=0.1),
        },
        title="Move v and t: where is the lowest point?",
        headline="best x",
        stills=("v", [-2.0, 0.5, 1.0, 2.0]),
    )


class _Shrinkage(Scene):
    """One number: the two costs and their sum over x; the best x over v."""

    def compute(self, v: float, t: float) -> dict:
        return {"best": float(np.sign(v) * max(abs(v) - t, 0.0))}

    def draw(self, a: dict) -> list:
        v, t, best = a["v"], a["t"], a["best"]
        x = np.linspace(-3, 3, 241)
        fit, price = 0.5 * (x - v) ** 2, t * abs(x)
        least = 0.5 * (best - v) ** 2 + t * abs(best)
        curves = [
            Line(x, fit, SKY),
            Line(x, price, ORANGE),
            Line(x, fit + price, "#000000", width=2.5),
            Line(best, least, VERMILION, dots=6),
        ]
        shrunk = np.sign(x) * np.maximum(abs(x) - t, 0)
        answer = [Line(x, x, GREY, dashed=True), Line(x, shrunk, VERMILION)]
        answer.append(Line(v, best, VERMILION, dots=6))
        words = "½(x − v)² light blue, t|x| orange, sum black"
        return [
            Chart(curves, words, "x", (-3, 3), (0, 6)),
            Chart(answer, "best x for each v; without a price (grey)", "v", (-3, 3), (-3, 3)),
        ]

    def readouts(self, a: dict) -> dict:
        return {
            "best x": signed(a["best"]),
            "moved by": f"{abs(a['v'] - a['best']):.1f}",
            "|v| ≤ t": "yes: the corner" if abs(a["v"]) <= a["t"] + 1e-9 else "no",
        }

    def alt(self, a: dict) -> str:
        v, t, best = signed(a["v"]), f"{a['t']:.1f}", signed(a["best"])
        return f"At v = {v} and t = {t} the sum of both costs is lowest at x = {best}."


def signed(value: float, digits: int = 1) -> str:
    """A number with a true minus, and no minus before zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


# ---- the length of a step ----


def step_panel(dictionary, Y: torch.Tensor, *, lam: float) -> SliderPanel:
    """A slider for c in steps of c/L: the energies of ISTA on samples Y (N, d) over STEPS steps."""
    lengths = [round(1 + 0.1 * k, 1) for k in range(17)]
    return _Steps(dictionary, Y, lam, lengths).panel(
        {"c": linear_slider(lengths[0], lengths[-1], 1.5, label="c", step=0.1)},
        title="Lengthen the step c/L past 2/L",
        headline="explode",
        stills=("c", [1.0, 1.9, 2.1, 2.5]),
    )


STEPS, EVERY = 400, 10  # iterations; how many lie between two points of a curve


class _Steps(Scene):
    """ISTA with several steps at once, from z = 0; each energy relative to its start."""

    def __init__(self, dictionary, Y: torch.Tensor, lam: float, lengths: Sequence[float]):
        self.gram, self.lam, self.lengths = dictionary.gram, lam, list(lengths)
        self.b, self.start = Y @ dictionary.W, 0.5 * Y.square().sum(1)
        self.values = torch.linalg.eigvalsh(self.gram)
        step = torch.tensor(self.lengths, dtype=Y.dtype) / self.values[-1]
        self.energies = self.solve(step[:, None, None]).numpy()

    def solve(self, step: torch.Tensor) -> torch.Tensor:
        """Energies (steps, STEPS / EVERY + 1, N), as shares of those at z = 0."""
        z, found = torch.zeros(len(step), *self.b.shape, dtype=self.b.dtype), []
        for k in range(STEPS + 1):
            slope = z @ self.gram - self.b
            if k % EVERY == 0:
                fit = 0.5 * (z * (slope - self.b)).sum(-1) + self.start
                found.append((fit + self.lam * z.abs().sum(-1)) / self.start)
            v = z - step * slope
            z = v - torch.minimum(torch.maximum(v, -step * self.lam), step * self.lam)
        return torch.stack(found, 1)

    def compute(self, c: float) -> dict:
        energies = self.energies[int(np.abs(np.array(self.lengths) - c).argmin())]
        return {"energies": energies, "exploded": energies[-1] > 1}

    def draw(self, a: dict) -> list:
        k, energies = np.arange(0, STEPS + 1, EVERY), np.log10(a["energies"])
        lines = [
            Line(k, one, VERMILION if gone else BLUE, width=1.5)
            for one, gone in zip(energies.T, a["exploded"], strict=True)
        ]
        lines.append(Line([0, STEPS], [0, 0], GREY, dashed=True))
        powers = [(-2.0, "0.01"), (0.0, "start"), (3.0, "10³"), (6.0, "10⁶")]
        share = (self.values / self.values[-1]).numpy()
        factor = 1 - a["c"] * share
        outside = factor < -1 - 1e-9
        factors = [Line([0, 1], [level, level], GREY, dashed=True) for level in (-1, 1)]
        factors.append(Line(share[~outside], factor[~outside], BLUE, dots=3))
        factors.append(Line(share[outside], factor[outside], VERMILION, dots=4))
        title, turned = "energy of each digit", "1 − c · eigenvalue / L: past −1 it explodes"
        halves = [(0.0, "0"), (0.5, "0.5"), (1.0, "1")]
        ones = [(-1.0, "−1"), (0.0, "0"), (1.0, "1")]
        return [
            Chart(lines, title, "iteration", (0, STEPS), (-2, 6), yticks=powers),
            Chart(factors, turned, "eigenvalue of WᵀW / L", (0, 1.02), (-1.8, 1.2), halves, ones),
        ]

    def readouts(self, a: dict) -> dict:
        count = len(a["exploded"])
        return {
            "step": f"{a['c']:.1f}/L",
            "explode": f"{int(a['exploded'].sum())} of {count}",
            "factor at the largest eigenvalue": signed(1 - a["c"]),
        }

    def alt(self, a: dict) -> str:
        gone, count = int(a["exploded"].sum()), len(a["exploded"])
        return (
            f"With steps of {a['c']:.1f}/L the energy of {gone} of {count} digits is above its "
            f"start after {STEPS} iterations; in the direction of the largest eigenvalue an error "
            f"is multiplied by {signed(1 - a['c'])} in each."
        )


# ---- the lower bound ----


def bound_panel(dictionary, y: torch.Tensor, *, lam: float) -> SliderPanel:
    """Sliders for u = s(y − Wz) after k steps of FISTA, and what ⟨y, u⟩ − ½‖u‖² is then."""
    after = [0, 10, 20, 50, 100, 200]
    return _Floor(dictionary, y, lam, after).panel(
        {
            "s": linear_slider(0, 1.2, 0.2, label="s", step=0.01),
            "k": stops(after, 20, label="iterations"),
        },
        title="Raise the floor: scale the residual up until the promise breaks",
        headline="a lower bound?",
        stills=("s", [0.1, 0.2, 0.4, 0.8]),
    )


class _Floor(Scene):
    """What a multiple of the residual proves."""

    def __init__(self, dictionary, y: torch.Tensor, lam: float, after):
        self.lam, self.cases = lam, {}
        self.least = float(fista(dictionary, y, lam, tol=1e-9).energy)
        for k in after:
            z = torch.zeros(dictionary.n_atoms, dtype=y.dtype)
            if k:
                z = fista(dictionary, y, lam, tol=None, max_iter=k).z
            r = y - dictionary.decode(z)
            value = float(0.5 * r @ r + lam * z.abs().sum())
            seen = dictionary.adjoint(r).numpy()
            self.cases[k] = {"yr": float(y @ r), "rr": float(r @ r), "seen": seen, "value": value}

    def compute(self, s: float, k: int) -> dict:
        case = self.cases[k]
        u = s * case["seen"]
        most = self.lam / float(abs(case["seen"]).max())
        return {
            **case,
            "wu": abs(u),
            "past": np.nonzero(abs(u) > self.lam * (1 + 1e-9))[0],
            "most": most,
            "floor": s * case["yr"] - 0.5 * s**2 * case["rr"],
        }

    def draw(self, a: dict) -> list:
        s = np.linspace(0, 1.2, 121)
        floor = s * a["yr"] - 0.5 * s**2 * a["rr"]
        kept, top = s <= a["most"] + 1e-9, 1.25 * a["value"]
        holds = len(a["past"]) == 0
        lines = [
            Line([0, 1.2], [a["value"]] * 2, BLUE),
            Line([0, 1.2], [self.least] * 2, "#000000", dashed=True),
            Line(s, floor, VERMILION, width=1.5, dashed=True),
            Line(s[kept], floor[kept], GREEN, width=3),
            Line(a["s"], a["floor"], GREEN if holds else VERMILION, dots=6),
        ]
        words = "E blue, least E dashed; floor green if proved"
        reach = "|w_jᵀu|, orange where past λ (half way up)"
        return [
            Chart(lines, words, "s", (0, 1.2), (0, top), yticks=levels(top)),
            Stems(a["wu"], reach, f"atoms 1 to {a['wu'].size}", 2 * self.lam, marked=a["past"]),
        ]

    def readouts(self, a: dict) -> dict:
        past = len(a["past"])
        return {
            "⟨y, u⟩ − ½‖u‖²": f"{a['floor']:.2f}",
            "E of the code": f"{a['value']:.2f}",
            "least E": f"{self.least:.2f}",
            "atoms past λ": past,
            "a lower bound?": "no" if past else "yes",
        }

    def alt(self, a: dict) -> str:
        past = len(a["past"])
        bound = f"no bound, {past} atoms are past λ" if past else "a lower bound"
        return (
            f"u is {a['s']:.2f} times the residual after {a['k']} iterations: its value "
            f"{a['floor']:.2f} is {bound}. The code has energy {a['value']:.2f}, the best one "
            f"{self.least:.2f}."
        )


def levels(top: float) -> list[tuple[float, str]]:
    """Three ticks at round numbers from zero up."""
    step = nice_ceiling(top / 4)
    return [(step * k, f"{step * k:g}") for k in range(int(top / step) + 1)]


# ---- along a line ----


def kink_panel(dictionary, ends: torch.Tensor, names: Sequence[str], *, lam: float) -> SliderPanel:
    """A slider for s in y = (1 − s)·ends[0] + s·ends[1], over the entries of its code.

    ends: (2, d), square pictures. names: what each atom is called.
    """
    return _Walk(dictionary, ends, list(names), lam).panel(
        {"s": linear_slider(0, 1, 0.5, label="s", step=0.005, digits=3)},
        title="Walk y across a kink: who enters, who leaves?",
        headline="atoms in use",
        stills=("s", [0.0, 0.4, 1.0]),
    )


class _Walk(Scene):
    """The code of a y that walks from one sample to another, solved beforehand."""

    def __init__(self, dictionary, ends: torch.Tensor, names: list[str], lam: float):
        self.s = np.linspace(0, 1, 2001)
        s = torch.from_numpy(self.s)[:, None]
        self.Y = (1 - s) * ends[0] + s * ends[1]
        self.codes = encode(dictionary, self.Y, lam, tol=1e-10).z
        self.decoded = dictionary.decode(self.codes)
        side = round(ends.shape[1] ** 0.5)
        self.names, self.shape = names, (side, side)
        self.atoms = dictionary.W.T.reshape(-1, side, side).numpy()
        lowest, highest = float(self.codes.min()), float(self.codes.max())
        self.reach = (np.floor(2 * lowest) / 2, np.ceil(2 * highest) / 2)
        self.events = [
            (float(self.s[row]), int(j), bool(self.codes[row, j] != 0))
            for row, j in self.changes().nonzero()
        ]
        self.corners = self.changes().any(1).nonzero()[:, 0].tolist()
        self.corners = sorted({0, *self.corners, *(row - 1 for row in self.corners), 2000})
        self.curves = self.coloured(self.codes[self.corners].numpy())

    @staticmethod
    def coloured(codes: np.ndarray) -> list[tuple[np.ndarray, str, float]]:
        """The entries that are ever used, the loudest last, each with its colour and width."""
        palette = [BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY]
        order = np.argsort(-abs(codes).max(0), kind="stable")
        looks = [(colour, 2.0) for colour in palette] + [(GREY, 1.0)] * len(order)
        used = [(codes[:, j], *look) for j, look in zip(order, looks, strict=False)]
        return [one for one in used if one[0].any()][::-1]

    def changes(self) -> torch.Tensor:
        """Where an entry becomes zero or ceases to be: (2001, n), none in the first row."""
        active = self.codes != 0
        return torch.cat([torch.zeros_like(active[:1]), active[1:] != active[:-1]])

    def event(self, s: float) -> str:
        """The last one up to s, in words."""
        past = [one for one in self.events if one[0] <= s + 1e-9]
        if not past:
            return "none yet"
        at, j, enters = past[-1]
        return f"{at:.3f}: {self.names[j]} {'enters' if enters else 'leaves'}"

    def compute(self, s: float) -> dict:
        row = round(s * 2000)
        z = self.codes[row].numpy()
        order = np.argsort(-abs(z), kind="stable")
        return {"row": row, "z": z, "active": order[z[order] != 0]}

    def draw(self, a: dict) -> list:
        z = a["z"]
        low, high = self.reach
        lines = [Line([at, at], self.reach, EDGE, width=1) for at, _, _ in self.events]
        lines += [Line(self.s[self.corners], *one) for one in self.curves]
        lines.append(Line([a["s"]] * 2, self.reach, "#000000", width=1))
        lines.append(Line([a["s"]] * len(a["active"]), z[a["active"]], "#000000", dots=2.5))
        shown = a["active"][:STROKES]
        captions = [f"{self.names[j]}: {signed(z[j], 2)}" for j in shown]
        picture = self.Y[a["row"]].reshape(self.shape).numpy()
        words = "z, six largest in colour; thin lines: kinks"
        rebuilt = self.decoded[a["row"]].reshape(self.shape).numpy()
        ticks = [(float(k), signed(k, 0)) for k in range(int(low), int(high) + 1)]
        return [
            Picture(picture, "y"),
            Picture(rebuilt, "Wz"),
            Chart(lines, words, "s", (0, 1), self.reach, yticks=ticks),
            Strip(
                self.atoms[shown],
                captions,
                "active atoms, largest first",
                STROKES,
                limits=(0, float(self.atoms.max())),
            ),
        ]

    def readouts(self, a: dict) -> dict:
        past = sum(at <= a["s"] + 1e-9 for at, _, _ in self.events)
        return {
            "atoms in use": len(a["active"]),
            "kinks so far": f"{past} of {len(self.events)}",
            "the last one, at s =": self.event(a["s"]),
        }

    def alt(self, a: dict) -> str:
        largest = ", ".join(self.names[j] for j in a["active"][:3])
        return (
            f"At s = {a['s']:.3f} the code uses {len(a['active'])} atoms, most of all {largest}. "
            f"The last kink: {self.event(a['s'])}."
        )
