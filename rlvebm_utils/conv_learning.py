"""Kernels learned from images: sparse codes for the kernels at hand, then better kernels for these
codes, in turn.

The problem::

    min over unit-norm kernels K  of  mean over images of  min_Z ½‖Y − Σᵢ Kᵢ * Zᵢ‖² + λ‖Z‖₁
"""

import os
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .checkpoint import check_checkpoint
from .conv import ConvDictionary, crop, fast_size
from .learning import (
    Batches,
    LearnedDictionary,
    better_codes,
    numbers_of,
    run_settings,
    say_if_empty,
    unit_norm,
)
from .progress import track
from .validate import (
    check_count,
    check_flag,
    check_fraction,
    check_one_lam,
    check_snapshots,
    check_tensor,
    describe,
    plain_numbers,
)
from .workers import Workers, check_group


class LearnedKernels(LearnedDictionary):
    """What learning returns, as for atoms; dictionary: a :class:`ConvDictionary` of unit-norm
    kernels; snapshots: step → K at that step.
    """

    dictionary: ConvDictionary


@plain_numbers
def learn_kernels(
    images: Tensor, n_kernels: int, lam: float, *, size: int = 9, nonnegative: bool = False,
    zero_mean: bool = False, steps: int = 120, batch_size: int = 4, iterations: int = 8,
    sweeps: int = 2, forgetting: float = 0.96, seed: int = 0, snapshots: tuple[int, ...] = (),
    progress: bool = False, checkpoint: str | os.PathLike[str] | None = None,
    group: Any = None,
) -> LearnedKernels:  # fmt: skip
    """Learn n_kernels unit-norm kernels (size × size) from images (N, h, w) or (N, C, h, w).

    Each step codes a batch with ``iterations`` steps of FISTA, started from the images' last codes;
    adds how the codes correlate with each other and with the images, over all shifts within a
    kernel, to running sums that fade by ``forgetting``; and makes ``sweeps`` passes over the
    kernels, each moved downhill with the others fixed. In the first third of the steps, kernels
    that drift off the middle are moved back, and their codes with them; a kernel that no image
    uses is replaced by the piece of an image that is reconstructed worst.

    nonnegative: codes ≥ 0 (a kernel and its negative are then two things; kernels stay signed).
    zero_mean: kernels sum to 0 in each channel. seed: the order of the images and the noise that
    the kernels start from. snapshots: steps after which K is kept (0 is the start). progress: show
    a bar. An interrupt (Ctrl-C, or the notebook's stop button) ends the learning after the step at
    hand and keeps what was learned. checkpoint: a file for the state, as in
    :func:`learn_dictionary`. The dtype and device are those of ``images``, which are never changed.

    group: a process group of torch.distributed, for processes that learn the same kernels
    together; each calls this function with the same arguments. Of a batch of b images each of P
    processes codes and correlates its b/P (none, where there are more processes). The correlations
    A (n, n, 2·size − 1, 2·size − 1) and B (n, C, size, size) are summed over all, the entries of
    the codes that are not zero are handed round, and every process makes the same sweeps. So all
    end with the same kernels, those of one process up to rounding. The first one writes the
    checkpoint.

    Raises TypeError or ValueError, naming the argument, on bad input, and RuntimeError, naming the
    process, where one of the group is lost. Source: online dictionary learning (J. Mairal, F. Bach,
    J. Ponce, G. Sapiro, 2009) with convolutions, as in J. Liu, C. Garcia-Cardona, B. Wohlberg, W.
    Yin, *First- and second-order methods for online convolutional dictionary learning* (2018).
    """
    counts = {"n_kernels": n_kernels, "steps": steps, "batch_size": batch_size}
    counts |= {"iterations": iterations, "sweeps": sweeps}
    check_images(images, size, lam, forgetting, seed, **counts)
    check_snapshots(snapshots, steps)
    check_checkpoint(checkpoint)
    check_group(group)
    flags = {"nonnegative": nonnegative, "zero_mean": zero_mean, "progress": progress}
    for name, flag in flags.items():
        check_flag(name, flag)
    images, lam = images.detach(), float(lam)
    workers, generator = Workers(group), torch.Generator().manual_seed(seed)
    learner = KernelLearner(images, n_kernels, size, zero_mean, generator, workers)
    batches = Batches(len(images), batch_size, steps, generator, images.device)
    settings = {"lam": lam, "forgetting": float(forgetting), "seed": seed, "size": size}
    settings |= {"iterations": iterations, "sweeps": sweeps, "steps": steps}
    settings |= {"nonnegative": nonnegative, "zero_mean": zero_mean}
    shared = group if checkpoint is None else checkpoint
    settings = run_settings(shared, images, n_kernels, batch_size, settings)
    workers.agree(settings | {"snapshots": sorted(snapshots), "dtype": str(images.dtype)})
    run = workers.run(
        learner.state(), lambda: learner.K.clone(), snapshots=snapshots, checkpoint=checkpoint,
        settings=settings,
    )  # fmt: skip
    show = progress and workers.rank == 0
    with workers, run:
        for rows in run.over(track(batches, "learning kernels", show=show)):
            run.energies.append(learner.code(rows, lam, nonnegative, iterations))
            learner.remember(rows, forgetting)
            for _ in range(sweeps):
                learner.sweep()
            run.reseeded += learner.reseed(rows)
            step = run.steps + 1
            if step % 5 == 0 and 3 * step <= steps:
                learner.recentre()
            run.stop.pressed = workers.any(run.stop.pressed)
    dictionary = ConvDictionary(learner.K)
    say_if_empty(learner.codes, dictionary, images, lam, nonnegative)
    return LearnedKernels.of(dictionary, run)


class KernelLearner:
    """Kernels, the codes of all images, and the running correlations.

    A (n, n, 2a−1, 2a−1): Aᵢⱼ(s) = Σₓ Zᵢ(x)Zⱼ(x + s), lag 0 in the middle. B (n, C, a, a): Bᵢ(s) =
    Σₓ Zᵢ(x)Y(x + s). workers: the processes that share each batch; each has the codes of all.
    """

    def __init__(
        self, images: Tensor, n: int, size: int, zero_mean: bool, generator,
        workers: Workers | None = None,
    ):  # fmt: skip
        self.workers = workers or Workers()
        self.images, self.size, self.zero_mean = images, size, zero_mean
        channels = images.shape[1:-2]
        self.K = self.feasible(kernel_noise(n, channels, size, generator).to(images))
        self.kind = ConvDictionary(self.K)
        places = [side - size + 1 for side in images.shape[-2:]]
        self.codes = images.new_zeros(len(images), n, *places)
        lags = 2 * size - 1
        self.A = self.K.new_zeros(n, n, lags, lags)
        self.B = torch.zeros_like(self.colours(self.K))

    @property
    def dictionary(self) -> ConvDictionary:
        """The kernels as they are now; not checked, as long as they still change."""
        return self.kind.with_atoms(self.K)

    def state(self) -> dict[str, Tensor]:
        """All that a step changes, in place."""
        return {"K": self.K, "codes": self.codes, "A": self.A, "B": self.B}

    def feasible(self, K: Tensor) -> Tensor:
        """The nearest kernel of norm 1 (and mean 0 if asked for), for one or for all."""
        if self.zero_mean:
            K = K - K.mean((-2, -1), keepdim=True)
        return unit_norm(K, tuple(range(1, K.ndim)))

    def colours(self, x: Tensor) -> Tensor:
        """Grey images and kernels get their one channel."""
        return x if self.images.ndim == 4 else x[:, None]

    def code(self, rows: Tensor, lam: float, nonnegative: bool, iterations: int) -> Tensor:
        """Better codes for a batch, from their last ones; returns their mean energy."""
        mine = self.workers.share(rows)
        z, energy = self.codes[mine], torch.zeros_like(mine, dtype=torch.float64)
        if len(mine):
            batch = self.images[mine], z
            solution = better_codes(self.dictionary, *batch, lam, nonnegative, iterations)
            z, energy = solution.z, solution.energy
        self.codes[rows] = self.workers.gathered(z)
        return self.workers.gathered(energy).mean()

    def remember(self, rows: Tensor, forgetting: float) -> None:
        """Let the running correlations fade and add the batch's."""
        A, B = self.workers.total(*self.correlations(self.workers.share(rows)))
        self.A.mul_(forgetting).add_(A)
        self.B.mul_(forgetting).add_(B)

    def correlations(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """A and B of some images, zero for none. A spectrum's product is a correlation."""
        size, a = self.images.shape[-2:], self.size
        A, grid = torch.zeros_like(self.A), fast_size(size)
        if len(rows) == 0:
            return A, torch.zeros_like(self.B)
        Z = torch.fft.rfft2(self.codes[rows], s=grid)
        Y = torch.fft.rfft2(self.colours(self.images[rows]), s=grid)
        lags = torch.arange(1 - a, a, device=Z.device)
        for i in range(len(self.K)):  # Aⱼᵢ(s) = Aᵢⱼ(−s): half of the pairs will do
            spectrum = (Z[:, i, None].conj() * Z[:, i:]).sum(0)
            pairs = torch.fft.irfft2(spectrum, s=grid)[:, lags[:, None], lags]
            A[i, i:] = pairs
            A[i + 1 :, i] = pairs[1:].flip(-2, -1)
        spectrum = torch.stack([(Z.conj() * Y[:, c, None]).sum(0) for c in range(Y.shape[1])], 1)
        return A, crop(torch.fft.irfft2(spectrum, s=grid), (a, a))

    def sweep(self) -> None:
        """Move each kernel by a gradient step and to the nearest feasible one: the objective, with
        the correlations in the place of the codes, never rises.

        The step's length is one over the largest eigenvalue of the kernel's own block of A, which
        the spectrum of that block bounds.
        """
        K = self.colours(self.K)
        curvature = torch.fft.fft2(self.A.diagonal().movedim(-1, 0)).abs().amax((-2, -1))
        for i in numbers_of(self.used()):
            overlap = F.conv2d(self.A[i, None], K.transpose(0, 1).flip(-2, -1))[0]
            K[i] = self.feasible((K[i] - (overlap - self.B[i]) / curvature[i])[None])[0]

    def used(self) -> Tensor:
        """Which kernels the codes have use for."""
        usage = self.A.diagonal()[self.size - 1, self.size - 1]
        return usage > 1e-3 * usage.mean()

    def reseed(self, rows: Tensor) -> int:
        """Replace kernels that no code uses by the worst-reconstructed pieces of the batch; return
        how many.
        """
        dead = (~self.used()).nonzero().flatten()
        if len(dead) == 0:
            return 0
        residual = self.images[rows] - self.dictionary.decode(self.codes[rows])
        pieces = F.unfold(self.colours(residual), self.size, stride=self.size)
        pieces = pieces.transpose(1, 2).reshape(-1, *self.K.shape[1:])
        worst = pieces.flatten(1).square().sum(1).argsort(descending=True)[: len(dead)]
        dead = dead[: len(worst)]
        self.K[dead] = self.feasible(pieces[worst])
        self.codes[:, dead] = 0
        self.A[dead], self.A[:, dead], self.B[dead] = 0, 0, 0
        return len(dead)

    def recentre(self) -> None:
        """Move kernels whose energy lies off the middle by whole pixels, and their codes the other
        way; the correlations begin anew.
        """
        energy = self.colours(self.K).square().sum(1)
        middle = (self.size - 1) / 2
        steps = torch.arange(self.size, device=energy.device, dtype=energy.dtype) - middle
        off = torch.stack([energy.sum(2) @ steps, energy.sum(1) @ steps])
        down, right = off.round().int().tolist()
        moved = [i for i in range(len(self.K)) if down[i] or right[i]]
        for i in moved:
            self.K[i] = shift(self.K[i], -down[i], -right[i])
            self.codes[:, i] = shift(self.codes[:, i], down[i], right[i])
        if moved:
            self.K.copy_(self.feasible(self.K))
            self.A.zero_()
            self.B.zero_()


def kernel_noise(n: int, channels, size: int, generator) -> Tensor:
    """Noise under a Gaussian window, so that kernels begin in the middle."""
    x = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    window = torch.exp(-(x[:, None] ** 2 + x**2) / (2 * (size / 4) ** 2))
    return torch.randn(n, *channels, size, size, generator=generator, dtype=torch.float64) * window


def shift(x: Tensor, down: int, right: int) -> Tensor:
    """The last two axes moved by whole steps; what leaves is lost, zeros come in."""
    h, w = x.shape[-2:]
    out = torch.zeros_like(x)
    to = [slice(max(0, s), side + min(0, s)) for s, side in ((down, h), (right, w))]
    of = [slice(max(0, -s), side + min(0, -s)) for s, side in ((down, h), (right, w))]
    out[..., to[0], to[1]] = x[..., of[0], of[1]]
    return out


def check_images(images, size: int, lam, forgetting, seed, **counts) -> None:
    """What every learner of kernels asks of its arguments; counts: whole numbers from 1 on. Raises
    TypeError or ValueError, naming the argument.
    """
    check_tensor("images", images)
    if images.ndim not in (3, 4):
        raise ValueError(
            f"images: expected (N, height, width) or (N, channels, height, width), "
            f"got {describe(images)}"
        )
    if not images.any():
        raise ValueError(f"images: expected some that are not zero, got {describe(images)}")
    for name, value in {"size": size, **counts}.items():
        check_count(name, value)
    if size > min(images.shape[-2:]):
        raise ValueError(f"size: expected at most the images' {min(images.shape[-2:])}, got {size}")
    check_one_lam(lam, images.device)
    check_fraction("forgetting", forgetting, 0, 1)
    check_count("seed", seed, minimum=0)
