"""What a small kernel looks like, by measurement: a centre with a surround, a blob, an edge, a bar
or a grating; which way it lies; which side is light.

Angles are in degrees, counter-clockwise as seen in the picture: 0 is horizontal, 90 vertical.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ..validate import check_count, check_tensor, describe

ROUND = 0.75  # share of the squared norm that is the same in all directions: above it, round
SURROUND = 0.2  # the other sign's sum, relative to the middle's: above it, a surround
ORIENTED = 0.35  # coherence of the power spectrum: below it, no orientation
LOBE = 0.25  # of the largest: how strong a lobe of the profile must be to count
EVERY_KIND = ("centre-surround", "blob", "edge", "bar", "grating", "other")
BOTH = 0.5  # of the larger one: how strong the weaker of two lobes must be in an edge
KINDS = {1: "bar", 2: "edge", 3: "bar"}  # by the number of lobes; from 4 on "grating"
_GRID = 64  # frequencies a side, and points a side of rotated profiles


@dataclass(frozen=True)
class KernelLabel:
    """The measured look of one kernel.

    kind: "centre-surround", "blob", "edge", "bar", "grating" or "other". angle: the direction of
    its lines in [0, 180), NaN without one. light: which side of an edge is light, in [0, 360), at a
    right angle to its lines, else NaN. polarity: +1 or −1; the sign of the middle, or of an edge
    whose upper (right) side is light. roundness: the share of the squared norm that is the same in
    all directions about the best centre. surround: of this round part, the sum of what has the
    other sign than the middle, relative to the sum of what has the same. coherence: 0 when the
    power spectrum prefers no direction, 1 when it lies along one line. lobes: light and dark
    stripes across the lines.
    """

    kind: str
    angle: float
    light: float
    polarity: int
    roundness: float
    surround: float
    coherence: float
    lobes: int


def label_kernel(K: Tensor) -> KernelLabel:
    """Measure one kernel (a, b), or one of several channels (C, a, b) by its mean over them.

    The kinds: round if more than 75 % of the squared norm is the same in all directions, and then
    *centre-surround* if what has the other sign than the middle sums up to more than 20 % of what
    has the same, else *blob*. If it is not round: *other* if the spectrum's coherence
    |ΣP e^{2iθ}|/ΣP is below 0.35; else by the lobes of the profile across the lines that reach 25 %
    of the largest: 2 make an *edge* (if the weaker has half the height of the stronger at least,
    else a *bar*), 1 or 3 a *bar*, more a *grating*.
    """
    check_tensor("K", K)
    if K.ndim not in (2, 3) or not K.any():
        raise ValueError(f"K: expected a non-zero kernel (a, b) or (C, a, b), got {describe(K)}")
    K = K.detach().double().cpu()
    K = K.mean(0) if K.ndim == 3 else K
    round_share, middle, surround = _roundness(K)
    coherence, across = _main_frequency(K)
    profile = _profile(K, across)
    lobes = _lobes(profile)
    angle, light = torch.nan, torch.nan
    if round_share > ROUND:
        kind = "centre-surround" if surround > SURROUND else "blob"
        polarity = _sign(middle)
    elif coherence < ORIENTED:
        kind, polarity = "other", _sign(_strongest(K))
    else:
        kind, angle = KINDS.get(lobes, "grating"), (across + 90) % 180
        polarity = _sign(_strongest(profile))
    if kind == "edge" and not BOTH < -profile.min() / profile.max() < 1 / BOTH:
        kind = "bar"
    if kind == "edge":  # the light side is where the profile has its higher lobe
        light = across if profile.argmax() > profile.argmin() else (across + 180) % 360
        polarity = 1 if (light + 45) % 360 < 180 else -1
    return KernelLabel(kind, angle, light, polarity, round_share, surround, coherence, lobes)


def label_kernels(K: Tensor) -> list[KernelLabel]:
    """One label for each of the kernels (n, a, b) or (n, C, a, b)."""
    if check_tensor("K", K).ndim not in (3, 4):
        raise ValueError(f"K: expected kernels (n, a, b) or (n, C, a, b), got {describe(K)}")
    return [label_kernel(one) for one in K]


def orientation_bins(labels: list[KernelLabel], bins: int = 8) -> list[int]:
    """How many oriented kernels lie in each of ``bins`` equal bins, the first around 0°."""
    width, counts = 180 / check_count("bins", bins), [0] * bins
    for label in labels:
        if label.angle == label.angle:  # not NaN
            counts[int((label.angle + width / 2) // width) % bins] += 1
    return counts


def opposite_pairs(labels: list[KernelLabel], within: float = 20.0) -> int:
    """How many pairs of edges have opposite light sides, to ``within`` degrees. An edge is counted
    in one pair at most.
    """
    sides, pairs = [x.light for x in labels if x.kind == "edge"], 0
    while sides:
        one = sides.pop()
        off = [abs(abs((one - other + 180) % 360 - 180) - 180) for other in sides]
        if off and min(off) <= within:
            sides.pop(off.index(min(off)))
            pairs += 1
    return pairs


def confusion(labelled: Mapping[str, list[KernelLabel]]) -> Tensor:
    """How often each kind (rows: the keys, in their order) is called what (columns: EVERY_KIND)."""
    rows = [[x.kind for x in labels] for labels in labelled.values()]
    return torch.tensor([[row.count(kind) for kind in EVERY_KIND] for row in rows])


def drawn_kernels(kind: str, count: int, *, size: int = 9, seed: int = 0) -> Tensor:
    """Kernels (count, size, size) of a kind, drawn by a formula: to try the labels on.

    Each has its own direction, width, sign and place (within a pixel of the middle), norm 1, and
    noise of norm 0.2 to 0.4 on top. *centre-surround*: a Gaussian less a wider one that takes away
    60 to 100 % of its sum; *blob*: a Gaussian; *edge*: one that is differentiated across its lines;
    *bar*: a long Gaussian, or up to its second derivative; *grating*: a wave of 2.5 to 4 pixels
    under a bell; *other*: noise under a bell. Float64.
    """
    if kind not in EVERY_KIND:
        raise ValueError(f"kind: expected one of {', '.join(EVERY_KIND)}, got {kind!r}")
    check_count("count", count)
    generator = torch.Generator().manual_seed(seed)

    def between(low: float, high: float) -> Tensor:
        share = torch.rand(count, 1, 1, generator=generator, dtype=torch.float64)
        return low + (high - low) * share

    def noise() -> Tensor:
        return torch.randn(count, size, size, generator=generator, dtype=torch.float64)

    x = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    down, right, turn = between(-1, 1), between(-1, 1), between(0, math.pi)
    u = (x - right) * turn.cos() - (x[:, None] - down) * turn.sin()  # across the lines
    v = (x - right) * turn.sin() + (x[:, None] - down) * turn.cos()  # along them
    K = _drawn(kind, u, v, between, noise)
    K = K / K.flatten(1).norm(dim=1)[:, None, None]
    return between(-1, 1).sign() * K + between(0.2, 0.4) * noise() / size


def _drawn(kind: str, u: Tensor, v: Tensor, between, noise) -> Tensor:
    """The formula of a kind; u, v: places across and along its lines (count, size, size)."""
    if kind == "centre-surround":
        s, wider = between(0.8, 1.3), between(1.6, 2.0)
        surround = _bell(u, v, wider * s) / wider.square()
        return _bell(u, v, s) - between(0.6, 1.0) * surround
    if kind == "blob":
        return _bell(u, v, between(0.7, 2.5))
    if kind == "other":
        return noise() * _bell(u, v, between(1.5, 3.0))
    if kind == "grating":
        wave, width = between(2.5, 4.0), between(0.7, 1.0)
        return _bell(u, v, width * wave) * torch.cos(2 * math.pi * (u / wave + between(0, 1)))
    s = between(0.8, 1.6)
    if kind == "edge":
        return u * _bell(u / s, v / (s * between(1.2, 2.5)), 1.0)
    across = 1 - between(0, 1) * (u / s).square()
    return across * _bell(u / s, v / (s * between(1.8, 3.0)), 1.0)


def _bell(u: Tensor, v: Tensor, width) -> Tensor:
    return torch.exp(-(u.square() + v.square()) / (2 * width**2))


def colour_share(K: Tensor) -> Tensor:
    """The share of each kernel's squared norm (n, C, a, b) that is colour: its distance from the
    grey kernel that is the mean over the channels. 0 for black and white, 1 if the channels cancel.
    """
    if check_tensor("K", K).ndim != 4:
        raise ValueError(f"K: expected kernels (n, C, a, b), got {describe(K)}")
    colour = K - K.mean(1, keepdim=True)
    return colour.square().flatten(1).sum(1) / K.square().flatten(1).sum(1)


# ---- what the labels are made of ----


def _roundness(K: Tensor) -> tuple[float, Tensor, float]:
    """The largest share of the squared norm that a function of the distance from a centre explains,
    over centres within a pixel of the middle (half pixels too); the kernel's sum near that centre;
    and what this function has of the other sign, relative to what it has of the same.
    """
    hats, near = _rings(tuple(K.shape))
    k = K.flatten()
    overlap = hats.mT @ k
    ridge = 1e-9 * torch.eye(hats.shape[-1], dtype=k.dtype)  # distances that no pixel has
    weights = torch.linalg.solve(hats.mT @ hats + ridge, overlap)
    share = (weights * overlap).sum(-1) / k.square().sum()
    best = int(share.argmax())
    middle = near[best] @ k
    part = (hats[best] @ weights[best]) * _sign(middle)
    same, other = part.clamp(min=0).sum(), -part.clamp(max=0).sum()
    return float(share[best]), middle, float(other / same.clamp(min=1e-300))


@lru_cache
def _rings(shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """For each centre, functions of the distance that are linear between whole pixels, (centres,
    pixels, distances); and which pixels lie within 1.5 of it.
    """
    reach = torch.arange(-1, 1.25, 0.5, dtype=torch.float64)
    y, x = (torch.arange(side, dtype=torch.float64) - (side - 1) / 2 for side in shape)
    down, right = reach.repeat_interleave(len(reach))[:, None], reach.repeat(len(reach))[:, None]
    pixels = y.repeat_interleave(len(x)), x.repeat(len(y))
    distance = torch.hypot(pixels[0] - down, pixels[1] - right)
    knots = torch.arange(int(distance.max()) + 2)
    hats = (1 - (distance[:, :, None] - knots).abs()).clamp(min=0)
    return hats, (distance <= 1.5).double()


def _main_frequency(K: Tensor) -> tuple[float, float]:
    """Coherence and direction (degrees in [0, 180)) of the power spectrum: across the lines."""
    P = torch.fft.fft2(K, s=(_GRID, _GRID)).abs().square()
    f = torch.fft.fftfreq(_GRID, dtype=K.dtype)
    theta = torch.atan2(-f[:, None], f[None, :])  # rows count downwards, angles go upwards
    radius = torch.hypot(f[:, None], f[None, :])  # the mean (0) has no direction,
    P = torch.where((radius > 0) & (radius < 0.5), P, 0)  # the square's corners prefer diagonals
    x, y = (P * torch.cos(2 * theta)).sum(), (P * torch.sin(2 * theta)).sum()
    coherence = float(torch.hypot(x, y) / P.sum().clamp(min=1e-300))
    return coherence, float(torch.rad2deg(torch.atan2(y, x)) / 2) % 180


def _profile(K: Tensor, across: float) -> Tensor:
    """The kernel summed along its lines, as a function of the position across them."""
    (a, b), turn = K.shape, torch.deg2rad(torch.tensor(across, dtype=K.dtype))
    up = (a - 1) / 2 - torch.arange(a, dtype=K.dtype)[:, None]
    right = torch.arange(b, dtype=K.dtype)[None, :] - (b - 1) / 2
    t = (right * torch.cos(turn) + up * torch.sin(turn)).flatten()
    places = torch.arange(-((a + b) // 2), (a + b) // 2 + 1, dtype=K.dtype)
    weights = (1 - (places[:, None] - t).abs()).clamp(min=0)  # shared by the two nearest places
    return weights @ K.flatten()


def _lobes(profile: Tensor) -> int:
    """How many times the profile is clearly light or clearly dark, in turn."""
    strong = profile[profile.abs() >= LOBE * profile.abs().max()].sign()
    return 1 + int((strong[1:] != strong[:-1]).sum())


def _strongest(x: Tensor) -> Tensor:
    """The entry that is furthest from zero."""
    return x.flatten()[x.abs().argmax()]


def _sign(x: Tensor) -> int:
    return 1 if x >= 0 else -1
