"""The convolutional sparse auto-encoder: an encoder that guesses the code in one pass, trained
together with the kernels that decode it, and what its kernels are good for where labels are few.

The problem, for each image Y of a batch (convolutional predictive sparse decomposition)::

    min over K, encoder  of  min_Z ½‖Y − Σᵢ Kᵢ * Zᵢ‖² + λ‖Z‖₁ + ½α‖Z − Enc(Y)‖²

Source: K. Kavukcuoglu, P. Sermanet, Y. Boureau, K. Gregor, M. Mathieu, Y. LeCun, *Learning
convolutional feature hierarchies for visual recognition* (NIPS 2010).
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..conv import ConvDictionary
from ..conv_learning import KernelLearner, check_images, kernel_noise, shift
from ..energies import energy
from ..learning import Batches, say_if_empty, stacked, unit_norm
from ..penalties import soft_threshold
from ..progress import track
from ..solvers import ProximalGradient
from ..validate import (
    check_choice,
    check_count,
    check_dtype,
    check_flag,
    check_fraction,
    check_snapshots,
    check_tensor,
    describe,
    plain_numbers,
)

NONLINEARITIES = ("tanh", "softshrink")


class ConvEncoder(nn.Module):
    """Enc(Y)ᵢ = gᵢ·φ(Y ⋆ Cᵢ + bᵢ): a convolution, a non-linearity and a diagonal scale.

    Parameters: C (n, size, size) starts as noise, the bias b (n,) as 0, the gain g (n,) as 0.3.
    φ is "tanh", or "softshrink", the shrinkage by θ (n,), which starts as 1. Y ⋆ C, what deep
    learning calls a convolution, holds C against each place without turning it round: with the
    decoder's kernels for C it is the decoder's adjoint, so the two can be compared as they are.
    """

    @plain_numbers
    def __init__(
        self,
        n_kernels: int,
        *,
        size: int = 9,
        nonlinearity: str = "tanh",
        seed: int = 0,
        dtype: torch.dtype = torch.float64,
    ):
        super().__init__()
        check_count("n_kernels", n_kernels)
        check_count("size", size)
        check_count("seed", seed, minimum=0)
        check_choice("nonlinearity", nonlinearity, NONLINEARITIES)
        check_dtype("dtype", dtype)
        self.nonlinearity = nonlinearity
        noise = unit(kernel_noise(n_kernels, (), size, torch.Generator().manual_seed(seed))).to(
            dtype
        )
        self.C = nn.Parameter(noise)
        self.bias = nn.Parameter(noise.new_zeros(n_kernels))
        self.gain = nn.Parameter(noise.new_full((n_kernels,), 0.3))
        if nonlinearity == "softshrink":
            self.threshold = nn.Parameter(noise.new_ones(n_kernels))

    def forward(self, y: Tensor) -> Tensor:
        """Images (N, h, w) → codes (N, n, h − size + 1, w − size + 1)."""
        check_tensor("y", y, like=self.C)
        if y.ndim != 3 or min(y.shape[1:]) < self.C.shape[-1]:
            raise ValueError(f"y: expected images (N, h, w) that C fits in, got {describe(y)}")
        v = correlate(y, self.C) + self.bias[:, None, None]
        if self.nonlinearity == "tanh":
            v = v.tanh()
        else:
            v = soft_threshold(v, self.threshold.clamp(min=0)[:, None, None])
        return self.gain[:, None, None] * v

    @property
    def kernels(self) -> Tensor:
        """What each map responds to: C, turned over where the gain is negative; unit norm."""
        return unit(self.C.detach() * self.gain.detach().sign()[:, None, None])


@dataclass(frozen=True)
class AutoEncoder:
    """What training returns.

    encoder, dictionary: the two halves. energy, distance: of each batch before its update, the mean
    energy of its codes and how far the encoder's guess was from them, ‖Z − Enc(Y)‖²/‖Z‖²; float64,
    (steps,). reseeded: how many kernels were replaced because no image used them. interrupted:
    whether training ended early. snapshots: step → the two halves after that step.
    """

    encoder: ConvEncoder
    dictionary: ConvDictionary
    energy: Tensor
    distance: Tensor
    reseeded: int
    interrupted: bool = False
    snapshots: Mapping[int, tuple[ConvEncoder, ConvDictionary]] = field(default_factory=dict)


@plain_numbers
def train_autoencoder(
    images: Tensor, n_kernels: int, lam: float, *, alpha: float = 1.0, forgetting: float = 0.97,
    lr: float = 3e-2, nonlinearity: str = "tanh", size: int = 9, steps: int = 130,
    batch_size: int = 4, iterations: int = 8, sweeps: int = 2, seed: int = 0,
    from_guess: bool = True, snapshots: tuple[int, ...] = (), progress: bool = False,
) -> AutoEncoder:  # fmt: skip
    """Train encoder and decoder together on images (N, h, w), a batch at a time.

    Each step starts from the encoder's guess and improves the codes by ``iterations`` steps of
    FISTA on the energy above, guess included; moves the kernels downhill for these codes, as
    :func:`learn_kernels` does; and moves the encoder towards the codes by one step of Adam, whose
    learning rate makes one cycle up to ``lr`` (0: the encoder stays noise). The two halves start
    from different noise and never see each other, only each other's codes. from_guess: whether the
    codes start from the guess; else from 0, and what ties the halves is ``alpha`` alone. snapshots:
    steps after which both halves are kept (0 is the start). An interrupt (Ctrl-C, or the notebook's
    stop button) ends the training early and keeps what was learned.

    Raises TypeError or ValueError, naming the argument, on bad input; images are never changed.
    """
    counts = {"n_kernels": n_kernels, "steps": steps, "batch_size": batch_size}
    counts |= {"iterations": iterations, "sweeps": sweeps}
    check_images(images, size, lam, forgetting, seed, **counts)
    if images.ndim != 3:
        raise ValueError(f"images: expected (N, height, width), got {describe(images)}")
    for name, value in (("alpha", alpha), ("lr", lr)):
        check_fraction(name, value, 0, math.inf)
    check_flag("progress", progress)
    check_flag("from_guess", from_guess)
    check_snapshots(snapshots, steps)
    lam = float(lam)
    generator = torch.Generator().manual_seed(seed)
    learner = KernelLearner(images, n_kernels, size, False, generator)
    encoder = ConvEncoder(
        n_kernels, size=size, nonlinearity=nonlinearity, seed=seed + 10_000, dtype=images.dtype
    ).to(images.device)
    optimiser = torch.optim.Adam(encoder.parameters(), lr=lr)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps)
    batches = Batches(len(images), batch_size, steps, generator, images.device)
    energies, distances, reseeded, interrupted, kept = [], [], 0, False, {}

    def keep(step):
        if step in snapshots:
            kept[step] = copy.deepcopy(encoder).eval(), ConvDictionary(learner.K.clone())

    keep(0)
    try:
        for step, rows in enumerate(track(batches, "training the auto-encoder", show=progress), 1):
            y, dictionary = images[rows], learner.dictionary
            guess = encoder(y)
            start = guess.detach() if from_guess else torch.zeros_like(guess)
            z = infer(dictionary, y, guess.detach(), lam, alpha, iterations, start)
            distance = (z - guess).square().sum() / z.square().sum().clamp(min=1e-12)
            energies.append(energy(dictionary, y, z, lam).mean())
            distances.append(distance.detach().double())
            learner.codes[rows] = z
            learner.remember(rows, forgetting)
            for _ in range(sweeps):
                learner.sweep()
            reseeded += learner.reseed(rows)
            descend(optimiser, (z - guess).square().mean())
            cycle.step()
            keep(step)
    except KeyboardInterrupt:
        interrupted = True
    dictionary = ConvDictionary(learner.K)
    say_if_empty(learner.codes, dictionary, images, lam, nonnegative=False)
    record = stacked(energies), stacked(distances), reseeded, interrupted, kept
    return AutoEncoder(encoder.eval(), dictionary, *record)


def infer(
    dictionary: ConvDictionary, y: Tensor, guess: Tensor, lam: float, alpha: float, iterations: int,
    start: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """FISTA from a start (None: the guess) on ½‖Y − Σᵢ Kᵢ * Zᵢ‖² + λ‖Z‖₁ + ½α‖Z − guess‖²."""
    start = guess if start is None else start
    gradient, step = dictionary.gradient(y), 1 / (dictionary.lipschitz() + alpha)
    steps = ProximalGradient(start, step, restart=False)
    for _ in range(iterations):
        steps.advance(
            lambda v: gradient(v) + alpha * (v - guess), lambda v: soft_threshold(v, step * lam)
        )
    return steps.z


def descend(optimiser, loss: Tensor) -> None:
    """One step of an optimiser."""
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def correlate(y: Tensor, C: Tensor, stride: int = 1) -> Tensor:
    """Y ⋆ Cᵢ at every place (or every ``stride``-th) where C lies inside: (N, h, w) → (N, n, p, q).

    One matrix product of all patches with all kernels: on a CPU faster than ``F.conv2d`` in
    float64.
    """
    size = C.shape[-1]
    patches = y.unfold(1, size, stride).unfold(2, size, stride)  # a view (N, p, q, size, size)
    maps = patches.flatten(3).flatten(0, 2) @ C.flatten(1).T
    return maps.unflatten(0, patches.shape[:3]).permute(0, 3, 1, 2)


def unit(K: Tensor) -> Tensor:
    """Kernels (n, …) scaled to norm 1."""
    return unit_norm(K, tuple(range(1, K.ndim)))


# ---- do the two halves look alike? ----


@plain_numbers
def likeness(C: Tensor, K: Tensor, reach: int = 2) -> Tensor:
    """Entry (i, j): the largest cosine between Cᵢ and Kⱼ over shifts of up to ``reach`` pixels."""
    if check_tensor("C", C).ndim != 3:
        raise ValueError(f"C: expected kernels (n, a, b), got {describe(C)}")
    if C.shape != check_tensor("K", K, like=C).shape:
        raise ValueError(f"K: expected kernels like C, {describe(C)}, got {describe(K)}")
    if check_count("reach", reach, minimum=0) >= K.shape[-1]:
        raise ValueError(f"reach: expected less than a kernel's side, {K.shape[-1]}, got {reach}")
    C, K = unit(C).flatten(1), unit(K)
    steps = range(-reach, reach + 1)
    shifts = [shift(K, down, right).flatten(1) for down in steps for right in steps]
    return torch.stack([C @ shifted.T for shifted in shifts]).amax(0)


@plain_numbers
def permutation_test(cosines: Tensor, permutations: int = 9999, seed: int = 0):
    """Is the mean of the diagonal larger than chance? Returns it, the mean over random pairings of
    rows with columns, and p: the share of pairings, the given one included, that do as well.
    """
    if check_tensor("cosines", cosines).ndim != 2 or cosines.shape[0] != cosines.shape[1]:
        raise ValueError(f"cosines: expected a square matrix, got {describe(cosines)}")
    check_count("permutations", permutations)
    check_count("seed", seed, minimum=0)
    cosines = cosines.detach()
    n, generator = len(cosines), torch.Generator().manual_seed(seed)
    matched = cosines.diagonal().mean()
    orders = torch.rand(permutations, n, generator=generator, dtype=torch.float64).argsort(1)
    chance = cosines[torch.arange(n), orders].mean(1)
    as_good = int((chance >= matched - 1e-12).sum())
    return float(matched), float(chance.mean()), (1 + as_good) / (1 + permutations)


# ---- few labels ----


@plain_numbers
def random_phase(K: Tensor, seed: int) -> Tensor:
    """Kernels with the power spectrum of K and the phases of noise: as coarse or fine and as
    oriented as K, but nothing in them lines up to an edge.
    """
    check_tensor("K", K)
    check_count("seed", seed, minimum=0)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(K.shape, generator=generator, dtype=torch.float64).to(K)
    phases = torch.fft.rfft2(noise)
    return torch.fft.irfft2(torch.fft.rfft2(K).abs() * phases / phases.abs(), s=K.shape[-2:])


class SmallNet(nn.Module):
    """Digits (N, h, w) → scores (N, classes): kernels, both halves of the response, the largest in
    each neighbourhood, a linear layer.

    K (n, size, size) is scaled to unit norm and held against every other pixel; the maps' positive
    and negative parts are pooled 2 × 2. ``images``: the pooled features are scaled so that over
    these their root mean square is 1. The linear layer starts at 0: only K differs between nets.
    """

    def __init__(self, K: Tensor, images: Tensor, classes: int = 10):
        super().__init__()
        self.K = nn.Parameter(unit(check_tensor("K", K).detach()))
        self.register_buffer("scale", K.new_ones(()))
        with torch.no_grad():
            features = self.features(images)
            self.scale = 1 / features.square().mean().sqrt()
        self.head = nn.Linear(features.shape[1], classes).to(K)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def features(self, images: Tensor) -> Tensor:
        """Images (N, h, w) → what the linear layer sees: the pooled maps, scaled (N, features)."""
        maps = correlate(images, self.K, stride=2)
        halves = torch.cat([maps.relu(), (-maps).relu()], 1)
        return self.scale * F.max_pool2d(halves, 2).flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


@plain_numbers
def fit(
    net: SmallNet, images: Tensor, labels: Tensor, *, frozen: bool, lr: float = 5e-3,
    steps: int = 100, batch_size: int = 50, seed: int = 0,
) -> SmallNet:  # fmt: skip
    """Train a net in place on labelled images (AdamW, one cycle of the learning rate).

    frozen: the kernels stay; their features are computed once and only the linear layer learns.
    """
    if len(images) != len(labels):
        raise ValueError(f"labels: expected {len(images)}, one an image, got {len(labels)}")
    check_flag("frozen", frozen)
    check_fraction("lr", lr, 0, math.inf)
    check_count("steps", steps)
    check_count("batch_size", batch_size)
    check_count("seed", seed, minimum=0)
    with torch.no_grad():
        parts = images.split(100)
        inputs = torch.cat([net.features(part) for part in parts]) if frozen else images
    parameters = net.head.parameters() if frozen else net.parameters()
    optimiser = torch.optim.AdamW(parameters, lr=lr, weight_decay=0.01)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    for rows in Batches(len(images), batch_size, steps, generator, images.device):
        scores = net.head(inputs[rows]) if frozen else net(inputs[rows])
        descend(optimiser, F.cross_entropy(scores, labels[rows]))
        cycle.step()
    return net


@torch.no_grad()
def accuracy(net, images: Tensor, labels: Tensor) -> float:
    """The share of images whose highest score is at their label."""
    scores = torch.cat([net(part) for part in images.split(100)])
    return float((scores.argmax(1) == labels).double().mean())
