"""LISTA: a few iterations of ISTA, unrolled into a network whose matrices are learned.

ISTA repeats z ← shrink_{λ/L}(z + (1/L)·Wᵀ(y − Wz)). Here each of K such steps has matrices, a step
size and thresholds of its own::

    z(0) = 0,    z(k) = shrink_θₖ( z(k−1) + αₖ·Aₖᵀ(y − Bₖ z(k−1)) )
                      = shrink_θₖ( W_eᵀ y + S z(k−1) )    with W_e = αₖAₖ and S = I − αₖAₖᵀBₖ

They start at Aₖ = W/L, Bₖ = W, αₖ = 1, θₖ = λ/L, where the network *is* K steps of ISTA, and are
trained by gradient descent through all K steps (back-propagation through time). In the product
form S needs ``decode`` and ``adjoint`` alone, so every operator has it: of a convolutional one, Aₖ
and Bₖ are kernels.

Of ISTA's steps I − αWᵀW/L one knows that they converge, at any number of them, for α below 2. Of
the learned ones αₖ < 2 is kept, and nothing else: the eigenvalues of αₖAₖᵀBₖ may be beyond 2, and
after training some are. A network is run for its K steps, which is what it was trained for.

Sources: K. Gregor and Y. LeCun, *Learning fast approximations of sparse coding* (ICML 2010), where
S is a free matrix; the product form: H. Sreter and R. Giryes, *Learned convolutional sparse coding*
(ICASSP 2018).
"""

import copy
import math
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .energies import certificate
from .operators import Operator
from .penalties import nonnegative_soft_threshold, soft_threshold
from .progress import track
from .validate import (
    check_count,
    check_dictionary,
    check_flag,
    check_fraction,
    check_lam,
    check_one_lam,
    describe,
    plain_numbers,
)


class LISTA(nn.Module):
    """An encoder y ↦ z of K = ``steps`` steps for min_z ½‖y − Wz‖² + λ‖z‖₁ (and z ≥ 0 if asked).

    dictionary: an operator such as :class:`Dictionary`; the network has its dtype and device. lam:
    the λ > 0 to train for. steps: K ≥ 1; a step costs ``decode`` and ``adjoint``, 2dn multiply–adds
    (FISTA with a precomputed WᵀW pays n², where that is less), and the first step half of it.
    shared: the same A and B at every step, as in the lecture, or (the default) a pair for each.

    What is learned: ``A`` (K or 1, d, n); ``B`` (K − 1 or 1, d, n), which the first step, with z =
    0, does not need; ``threshold`` (K, n), used where it is ≥ 0; ``step_logit`` (K,), behind
    :attr:`step`. Untrained, the network equals ``ista(…, tol=None, max_iter=steps)``. What is not
    learned is in ``state_dict`` too: ``W``, a copy of the dictionary's atoms, and ``lam``.

    Raises TypeError or ValueError, naming the argument, on bad input; inputs are never changed.

    >>> dictionary = Dictionary(torch.eye(2))
    >>> network = LISTA(dictionary, 1.5, steps=3)
    >>> network(torch.tensor([[3.0, 1.0]])).shape
    torch.Size([1, 2])
    """

    @plain_numbers
    def __init__(
        self,
        dictionary: Operator,
        lam: float,
        steps: int = 3,
        *,
        nonnegative: bool = False,
        shared: bool = False,
    ):
        super().__init__()
        check_dictionary(dictionary)
        check_count("steps", steps)
        check_flag("nonnegative", nonnegative)
        check_flag("shared", shared)
        W, L = dictionary.atoms.detach(), dictionary.lipschitz()
        lam = check_one_lam(lam, W.device)
        if lam == 0:
            raise ValueError("lam: expected a number > 0, got 0.0")
        self.steps, self.nonnegative, self.shared = steps, nonnegative, shared
        self.register_buffer("W", W.clone())
        self.register_buffer("lam", torch.full((), lam, dtype=torch.float64, device=W.device))
        self._operator = dictionary.with_atoms(self.W)
        pairs = 1 if shared else steps
        places = (1,) * (dictionary.code_ndim - 1)  # a feature map has one threshold everywhere
        self.A = nn.Parameter(_copies(W / L, pairs))
        self.B = nn.Parameter(_copies(W, min(pairs, steps - 1)))
        self.threshold = nn.Parameter(W.new_full((steps, dictionary.n_atoms, *places), lam / L))
        self.step_logit = nn.Parameter(W.new_zeros(steps))
        self.register_buffer("trusted_gap", torch.full_like(self.lam, torch.nan))

    @property
    def dictionary(self) -> Operator:
        """The operator W: it is made of the buffer ``W``, whatever was loaded there."""
        if self._operator.atoms is not self.W:
            self._operator = self._operator.with_atoms(self.W)
        return self._operator

    @property
    def step(self) -> Tensor:
        """αₖ (K,): 1 before training, where a step is ISTA's of 1/L, and between 0 and 2 always.

        That bounds this one factor. The matrices grow or shrink as they learn, so the step that
        they make together, αₖAₖᵀBₖ, has no such bound.
        """
        return 2 * torch.sigmoid(self.step_logit)

    def forward(self, y: Tensor, lam: float | Tensor | None = None) -> Tensor:
        """The code after K steps: y (d,) or (N, d) → z (n,) or (N, n).

        lam: another λ than the network's, one for all or one per sample; the thresholds grow in
        proportion, as ISTA's do. (Scaling y by c is the same problem as dividing λ by c.)
        """
        self.dictionary.check_samples(y)
        single = y.ndim == self.dictionary.sample_ndim
        y = y[None] if single else y
        z = self.unrolled(y, 1 if lam is None else self._share(lam, y))
        return z[0] if single else z

    def unrolled(self, y: Tensor, share: float | Tensor = 1) -> Tensor:
        """The K steps themselves, for a batch y that is known to be right; share: λ in units of the
        network's, one for all or a column.
        """
        shrink = nonnegative_soft_threshold if self.nonnegative else _shrink
        z, step, threshold = 0, self.step, self.threshold.clamp(min=0)
        for k in range(self.steps):
            A, B = self.operators(k)
            residual = y - B.decode(z) if k > 0 else y
            z = shrink(z + A.adjoint(step[k] * residual), share * threshold[k])
        return z

    def operators(self, k: int) -> tuple[Operator, Operator | None]:
        """A and B of step k = 0 … K − 1, as operators like the dictionary; the first has no B."""
        A = self.dictionary.with_atoms(self.A[0 if self.shared else k])
        if k == 0:
            return A, None
        return A, self.dictionary.with_atoms(self.B[0 if self.shared else k - 1])

    def relative_gap(
        self, y: Tensor, z: Tensor | None = None, *, lam: float | Tensor | None = None
    ) -> Tensor:
        """What is certain about the network's codes: a bound on (E(y, z) − min E)/min E, float64.

        z: the codes, if they are at hand. lam: as in :meth:`forward`.
        """
        with torch.no_grad():
            z = self(y, lam) if z is None else z
            lam = self.lam if lam is None else lam
            return certificate(self.dictionary, y, z, lam, self.nonnegative).relative_gap

    def trusted(
        self,
        y: Tensor,
        z: Tensor | None = None,
        *,
        lam: float | Tensor | None = None,
        gap: float | None = None,
    ) -> Tensor:
        """Whether each code's bound is as low as those of the training samples. Bool, () or (N,).

        True where :meth:`relative_gap` is at most ``gap``; if that is not given, at most what 99 %
        of the training samples stayed under (:meth:`calibrate`). For the others there is
        ``fista(dictionary, y, lam, z0=z)``. The check costs about as much as one step.
        """
        if gap is not None:
            check_fraction("gap", gap, 0, math.inf)
        elif self.trusted_gap.isnan():
            raise RuntimeError("trusted: nothing to compare with; train, calibrate or give gap=")
        return self.relative_gap(y, z, lam=lam) <= (self.trusted_gap if gap is None else gap)

    def calibrate(self, y: Tensor, share: float = 0.99) -> float:
        """Trust from now on what is no worse than ``share`` of these samples; returns that gap."""
        check_fraction("share", share, 0, 1)
        gaps = self.relative_gap(y).reshape(-1)
        self.trusted_gap.copy_(torch.quantile(gaps, share, interpolation="lower"))
        return float(self.trusted_gap)

    def extra_repr(self) -> str:
        return (
            f"{self.dictionary}, lam={float(self.lam):g}, steps={self.steps}, shared={self.shared}"
        )

    def _share(self, lam, y: Tensor) -> Tensor:
        share = (check_lam(lam, len(y), y.device) / self.lam).to(y.dtype)
        return share.reshape(-1, *(1,) * self.dictionary.code_ndim)

    def _apply(self, function, recurse=True):
        """What .to(), .double() and .cuda() call: the dictionary goes along, and what it is made of
        beside W; λ and the gap stay in float64.
        """
        operator, exact = self.dictionary, (self.lam, self.trusted_gap)
        super()._apply(function, recurse)
        device, dtype = self.A.device, self.A.dtype
        if (operator.atoms.device, operator.atoms.dtype) != (device, dtype):
            self._operator = operator.to(device=device, dtype=dtype)
            self.W = self._operator.atoms
        self.lam, self.trusted_gap = (number.to(device) for number in exact)
        return self


class _Shrink(torch.autograd.Function):
    """:func:`soft_threshold` with its derivatives written out: an entry that is not zero moves with
    v, and against the threshold. It takes a third of the time of what autograd finds for the clamp.
    """

    @staticmethod
    def forward(ctx, v: Tensor, threshold: Tensor) -> Tensor:
        z = soft_threshold(v, threshold)
        ctx.save_for_backward(z.sign())
        ctx.shape = threshold.shape
        return z

    @staticmethod
    def backward(ctx, gradient: Tensor):
        (sign,) = ctx.saved_tensors
        outward = gradient * sign
        return outward * sign, -outward.sum_to_size(ctx.shape)


def _shrink(v: Tensor, threshold: Tensor) -> Tensor:
    """As :class:`_Shrink`; within the transforms of torch.func, which take no such function (one
    that they take costs more than it saves), by the derivatives that autograd finds.
    """
    try:
        return _Shrink.apply(v, threshold)
    except RuntimeError as error:
        if "setup_context" not in str(error):
            raise
        return soft_threshold(v, threshold)


@dataclass(frozen=True)
class Training:
    """What training did. loss: the mean loss of each batch *before* its update, shape (steps,);
    shorter when it was interrupted.
    """

    loss: Tensor
    interrupted: bool = False


@plain_numbers
def train_lista(
    lista: LISTA, y: Tensor, codes: Tensor | None = None, *, steps: int = 600,
    batch_size: int = 250, learning_rate: float = 0.06, seed: int = 0, progress: bool = False,
) -> Training:  # fmt: skip
    """Train a network in place on samples y (N, d) by Adam, with gradients through all its steps.

    The loss of a sample is its *energy* E(y, z) = ½‖y − Wz‖² + λ‖z‖₁, so that nothing has to be
    solved beforehand. With ``codes``, the best codes z* (N, n), it is the *distance* ‖z − z*‖².

    learning_rate: at its highest, relative to the size of what is learned (an atom's entries for A
    and B, λ for the thresholds); it rises over the first tenth of the steps and falls to zero.
    seed: the order of the samples. Parameters that do not require a gradient stay as they are.
    progress: show a bar. An interrupt (Ctrl-C, or the notebook's stop button) ends the training
    early and keeps what was learned so far.

    Afterwards the network is calibrated on at most 2000 of the samples (:meth:`LISTA.calibrate`).
    If its loss on them did not fall, its parameters are put back and a warning says so. Raises
    TypeError or ValueError, naming the argument, on bad input; y and codes are never changed.
    """
    _check_training(lista, y, codes, steps, batch_size, learning_rate, seed, progress)
    sample = y[:2000], None if codes is None else codes[:2000]
    start, before = copy.deepcopy(lista.state_dict()), _value(lista, *sample)
    optimiser, schedule = _optimiser(lista, learning_rate, steps)
    generator = torch.Generator().manual_seed(seed)
    losses, interrupted = [], False
    try:
        for _ in track(range(steps), f"training LISTA-{lista.steps}", show=progress):
            rows = torch.randint(len(y), (batch_size,), generator=generator)
            rows = rows.to(y.device, non_blocking=True)
            z, aims = lista.unrolled(y[rows]), None if codes is None else codes[rows]
            loss = _loss(lista, y[rows], z, aims)
            optimiser.zero_grad()
            loss.backward()
            _normalise([p.grad for p in lista.parameters() if p.grad is not None])
            optimiser.step()
            schedule.step()
            losses.append(loss.detach())
    except KeyboardInterrupt:
        interrupted = True
    if losses and not _value(lista, *sample) < before:
        lista.load_state_dict(start)
        warnings.warn(
            f"the loss did not fall below {before:.3g}, so the training was undone; "
            f"try another learning_rate than {learning_rate:g}",
            stacklevel=3,
        )
    lista.calibrate(sample[0])
    return Training(torch.stack(losses) if losses else y.new_zeros(0), interrupted)


def loss_of(lista: LISTA, y: Tensor, codes: Tensor | None = None) -> Tensor:
    """The mean energy of the network's codes, or their mean squared distance from ``codes``."""
    return _loss(lista, y, lista(y), codes)


def _loss(lista: LISTA, y: Tensor, z: Tensor, codes: Tensor | None) -> Tensor:
    if codes is not None:
        return (z - codes).square().flatten(1).sum(1).mean()
    residual = (y - lista.dictionary.decode(z)).flatten(1)
    penalty = lista.lam * z.flatten(1).abs().sum(1)
    return (0.5 * residual.square().sum(1) + penalty).mean()


def _value(lista: LISTA, y: Tensor, codes: Tensor | None) -> float:
    with torch.no_grad():
        return float(loss_of(lista, y, codes))


def _optimiser(lista: LISTA, learning_rate: float, steps: int):
    """Adam moves every entry by about its learning rate, so each parameter has one of its size."""
    W = lista.dictionary.atoms
    entry = float(W.square().mean().sqrt())
    squared = float(W.square().sum()) / lista.dictionary.n_atoms  # mean ‖w‖² of the atoms
    scale = {
        "A": entry / squared,  # one atom alone is inferred with wᵀy/‖w‖², past λ/‖w‖²
        "B": entry,
        "threshold": float(lista.lam) / squared,
        "step_logit": 1.0,
    }

    def course(i: int) -> float:  # up over the first tenth, then down to zero along a cosine
        return min(1, (i + 1) / (0.1 * steps)) * 0.5 * (1 + math.cos(math.pi * i / steps))

    groups = [
        {"params": [parameter], "lr": learning_rate * scale[name]}
        for name, parameter in lista.named_parameters()
        if parameter.requires_grad
    ]
    optimiser = torch.optim.Adam(groups)
    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, course)


def _normalise(gradients: list[Tensor]) -> None:
    """Bring all gradients together to length 1: the rare huge one of a deep network (a product over
    its steps) then weighs no more than others, and Adam minds the direction alone.
    """
    size = torch.stack([g.square().sum() for g in gradients]).sum().sqrt()
    for g in gradients:
        g.div_(size.clamp(min=torch.finfo(size.dtype).tiny))


def _check_training(lista, y, codes, steps, batch_size, learning_rate, seed, progress) -> None:
    if not isinstance(lista, LISTA):
        raise TypeError(f"lista: expected a LISTA, got {describe(lista)}")
    lista.dictionary.check_samples(y)
    if y.ndim == lista.dictionary.sample_ndim:
        raise ValueError(f"y: expected a batch of samples, got one, a {describe(y)}")
    if codes is not None:
        lista.dictionary.check_codes(codes, y, name="codes")
    check_count("steps", steps)
    check_count("batch_size", batch_size)
    check_fraction("learning_rate", learning_rate, 0, 1)
    check_count("seed", seed, minimum=0)
    check_flag("progress", progress)
    if not any(parameter.requires_grad for parameter in lista.parameters()):
        raise ValueError("lista: expected a parameter that requires a gradient, got none")


def _copies(W: Tensor, count: int) -> Tensor:
    return W.expand(count, *W.shape).clone()
