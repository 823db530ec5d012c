"""What a small kernel looks like, by measurement: a spot, an edge, a bar or a grating; which way
it lies; which side is light.

Angles are in degrees, counter-clockwise as seen in the picture: 0 is horizontal, 90 vertical.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ..validate import check_count, check_tensor, describe

ROUND = 0.75  # share of the energy that is the same in all directions: above it, centre-surround
ORIENTED = 0.35  # coherence of the power spectrum: below it, no orientation
LOBE = 0.25  # of the largest: how strong a lobe of the profile must be to count
KINDS = {1: "bar", 2: "edge", 3: "bar"}  # by the number of lobes; from 4 on "grating"
_GRID = 64  # frequencies a side, and points a side of rotated profiles


@dataclass(frozen=True)
class KernelLabel:
    """The measured look of one kernel.

    kind: "centre-surround", "edge", "bar", "grating" or "other". angle: the direction of its lines
    in [0, 180), NaN without one. light: which side of an edge is light, in [0, 360), at a right
    angle to its lines, else NaN. polarity: +1 or −1; the sign of the middle, or of an edge whose
    upper (right) side is light. roundness: the share of the energy that is the same in all
    directions about the best centre. coherence: 0 when the power spectrum prefers no direction, 1
    when it lies along one line. lobes: light and dark stripes across the lines.
    """

    kind: str
    angle: float
    light: float
    polarity: int
    roundness: float
    coherence: float
    lobes: int


def label_kernel(K: Tensor) -> KernelLabel:
    """Measure one kernel (a, b), or one of several channels (C, a, b) by its mean over them.

    The kinds: *centre-surround* if more than 75 % of the energy is the same in all directions; else
    *other* if the spectrum's coherence |ΣP e^{2iθ}|/ΣP is below 0.35; else by the lobes of the
    profile across the lines that reach 25 % of the largest: 2 make an *edge*, 1 or 3 a *bar*, more
    a *grating*.
    """
    check_tensor("K", K)
    if K.ndim not in (2, 3) or not K.any():
        raise ValueError(f"K: expected a non-zero kernel (a, b) or (C, a, b), got {describe(K)}")
    K = K.detach().double().cpu()
    K = K.mean(0) if K.ndim == 3 else K
    round_share, middle = _roundness(K)
    coherence, across = _main_frequency(K)
    profile = _profile(K, across)
    lobes = _lobes(profile)
    angle, light = torch.nan, torch.nan
    if round_share > ROUND:
        kind, polarity = "centre-surround", _sign(middle)
    elif coherence < ORIENTED:
        kind, polarity = "other", _sign(_strongest(K))
    else:
        kind, angle = KINDS.get(lobes, "grating"), (across + 90) % 180
        polarity = _sign(_strongest(profile))
    if kind == "edge":  # the light side is where the profile has its higher lobe
        light = across if profile.argmax() > profile.argmin() else (across + 180) % 360
        polarity = 1 if (light + 45) % 360 < 180 else -1
    return KernelLabel(kind, angle, light, polarity, round_share, coherence, lobes)


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


def colour_share(K: Tensor) -> Tensor:
    """The share of each kernel's energy (n, C, a, b) that is colour: its distance from the grey
    kernel that is the mean over the channels. 0 for black and white, 1 if the channels cancel.
    """
    if check_tensor("K", K).ndim != 4:
        raise ValueError(f"K: expected kernels (n, C, a, b), got {describe(K)}")
    colour = K - K.mean(1, keepdim=True)
    return colour.square().flatten(1).sum(1) / K.square().flatten(1).sum(1)


# ---- what the labels are made of ----


def _roundness(K: Tensor) -> tuple[float, Tensor]:
    """The largest share of the energy that a function of the distance from a centre explains, over
    centres within a pixel of the middle (half pixels too); and the kernel's sum near that centre.
    """
    hats, near = _rings(tuple(K.shape))
    k = K.flatten()
    overlap = hats.mT @ k
    ridge = 1e-9 * torch.eye(hats.shape[-1], dtype=k.dtype)  # distances that no pixel has
    weights = torch.linalg.solve(hats.mT @ hats + ridge, overlap)
    share = (weights * overlap).sum(-1) / k.square().sum()
    best = int(share.argmax())
    return float(share[best]), near[best] @ k


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
