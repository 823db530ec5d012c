"""The λ slider of the course: sparse codes of real digits, solved anew at every move."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager

import numpy as np
import torch

from ...energies import lambda_max
from ...solvers import fista
from .panel import Scene, SliderPanel, log_slider, picker
from .parts import Picture, Stems, Strip, nice_ceiling, number

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
        stills=("lam", [float(coder.lam_max[0]) * share for share in (0.01, 0.03, 0.1, 0.3, 1.02)]),
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
