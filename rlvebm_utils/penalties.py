"""Penalties R(z): what makes a code sparse, in all that solvers and certificates ask of it.

A penalty answers four questions, for a batch z of shape (N, …):

* ``value(z)``: R(z), one number a row;
* ``prox(v, t)``: the proximal operator argmin_x ½‖x − v‖² + t·R(x), the half of a proximal gradient
  step that deals with the penalty. For the L1 norm it is the *shrinkage* of the lecture;
* ``dual_norm(c)``: max ⟨c, z⟩ over R(z) ≤ 1, which is the smallest λ that keeps z = 0. A dual point
  u is feasible when the dual norm of Wᵀu is at most λ;
* ``distance(c, z, lam)``: how far c = Wᵀ(y − Wz) is from λ∂R(z), where the best code has it.

Source: N. Parikh and S. Boyd, *Proximal Algorithms* (2014), sections 6.5.2 and 6.5.4.
"""

import torch
from torch import Tensor

from .validate import check_flag, check_tensor, check_threshold, describe, is_plain


def soft_threshold(v: Tensor, threshold: float | Tensor) -> Tensor:
    """Shrink every entry towards zero by ``threshold``, and to exactly zero when it would cross.

    argmin_x ½‖x − v‖² + t‖x‖₁, that is sign(v)·max(|v| − t, 0). ``v``: floating-point, any shape
    and device. ``threshold``: a number ≥ 0, or a tensor that broadcasts against ``v`` (not searched
    for negative entries: that would cost a pass at each step of a solver). Returns a new tensor.

    >>> soft_threshold(torch.tensor([-2.0, 0.5, 3.0]), 1.0)
    tensor([-1.,  0.,  2.])
    """
    threshold = check_threshold(v, threshold)
    return v - torch.clamp(v, -threshold, threshold)


def nonnegative_soft_threshold(v: Tensor, threshold: float | Tensor) -> Tensor:
    """Shrink by ``threshold`` and cut at zero: argmin_{x ≥ 0} ½‖x − v‖² + t·Σx, that is max(v − t,
    0).

    >>> nonnegative_soft_threshold(torch.tensor([-2.0, 0.5, 3.0]), 1.0)
    tensor([0., 0., 2.])
    """
    return torch.clamp(v - check_threshold(v, threshold), min=0)


class Penalty:
    """What a penalty answers (see the head of this file), with defaults where there are some.

    A penalty of your own derives from this class, is convex and positively homogeneous (R(tz) =
    tR(z) for t ≥ 0) and writes the four questions; solvers and certificates then take it.
    """

    nonnegative = False  # whether codes with a negative entry are ruled out
    symmetric = True  # whether R(−z) = R(z)
    plain = False  # whether it is the L1 norm without weights, which the fast solvers know

    def value(self, z: Tensor) -> Tensor:
        """R(z): (N, …) → (N,)."""
        raise NotImplementedError("value")

    def prox(self, v: Tensor, t: float | Tensor) -> Tensor:
        """argmin_x ½‖x − v‖² + t·R(x). t: a number, or a tensor that broadcasts against v."""
        raise NotImplementedError("prox")

    def dual_norm(self, c: Tensor) -> Tensor:
        """max ⟨c, z⟩ over R(z) ≤ 1: (N, …) → (N,)."""
        raise NotImplementedError("dual_norm")

    def distance(self, c: Tensor, z: Tensor, lam: Tensor) -> Tensor:
        """How far c is from λ∂R(z), in the units of λ: (N, …), (N, …), (N,) → (N,)."""
        raise NotImplementedError("distance")

    def check(self, code_shape: tuple[int, ...]) -> None:
        """Raise ValueError unless the penalty fits codes of this shape."""

    def check_codes(self, z: Tensor, name: str = "z") -> None:
        """Raise ValueError unless R(z) is finite."""


class L1(Penalty):
    """R(z) = Σⱼ wⱼ|zⱼ|, over z ≥ 0 alone if ``nonnegative``.

    weights: finite numbers w > 0 of the shape of one code (or one that broadcasts to it, such as
    (n, 1, 1) for feature maps); 1 for all unless given. Raises TypeError or ValueError, naming the
    argument, on bad input.
    """

    def __init__(self, *, nonnegative: bool = False, weights: Tensor | None = None):
        self.nonnegative = check_flag("nonnegative", nonnegative)
        if weights is not None and not (check_tensor("weights", weights) > 0).all():
            raise ValueError(
                f"weights: expected numbers > 0, got a minimum of {float(weights.min())}"
            )
        self.weights = None if weights is None else weights.detach().clone()

    def __repr__(self) -> str:
        weights = "" if self.weights is None else f", weights={describe(self.weights)}"
        return f"L1(nonnegative={self.nonnegative}{weights})"

    @property
    def plain(self) -> bool:
        """Whether all weights are 1."""
        return self.weights is None

    @property
    def symmetric(self) -> bool:
        """Whether R(−z) = R(z)."""
        return not self.nonnegative

    def check(self, code_shape: tuple[int, ...]) -> None:
        """Raise ValueError unless the penalty fits codes of this shape."""
        if not self.plain:
            _check_broadcast(self.weights, code_shape)

    def check_codes(self, z: Tensor, name: str = "z") -> None:
        """Raise ValueError unless R(z) is finite."""
        if self.nonnegative and (z < 0).any():
            raise ValueError(
                f"{name}: expected non-negative codes, got a minimum of {float(z.min())}"
            )

    def value(self, z: Tensor) -> Tensor:
        """Σⱼ wⱼ|zⱼ|: (N, …) → (N,)."""
        size = z.abs() if self.plain else z.abs() * self.weights.to(z)
        return size.flatten(1).sum(1)

    def prox(self, v: Tensor, t: float | Tensor) -> Tensor:
        """Shrinkage by t·w."""
        t = t if self.plain else t * self.weights.to(v)
        return nonnegative_soft_threshold(v, t) if self.nonnegative else soft_threshold(v, t)

    def dual_norm(self, c: Tensor) -> Tensor:
        """maxⱼ |cⱼ|/wⱼ, or of max(cⱼ, 0)/wⱼ for non-negative codes: (N, …) → (N,)."""
        c = (c if self.plain else c / self.weights.to(c)).flatten(1)
        return c.amax(1).clamp(min=0) if self.nonnegative else c.abs().amax(1)

    def distance(self, c: Tensor, z: Tensor, lam: Tensor) -> Tensor:
        """cⱼ = λwⱼ·sign(zⱼ) where zⱼ ≠ 0, |cⱼ| ≤ λwⱼ elsewhere (cⱼ ≤ λwⱼ for non-negative codes):
        the largest violation, (N,).
        """
        lam = lam.reshape(-1, *(1,) * (z.ndim - 1))
        lam = lam if self.plain else lam * self.weights.to(z)
        beyond = ((c if self.nonnegative else c.abs()) - lam).clamp(min=0)
        return torch.where(z == 0, beyond, (c - lam * z.sign()).abs()).flatten(1).amax(1)


class GroupL1(Penalty):
    """R(z) = Σ_g ‖z_g‖₂: whole groups of entries are zero, or none of a group is.

    groups: an integer tensor of the shape of one code; entries with the same number are one group.
    Its dual norm is max_g ‖c_g‖₂. Raises TypeError or ValueError, naming the argument, on bad
    input. Source: M. Yuan and Y. Lin, *Model selection and estimation in regression with grouped
    variables* (2006).
    """

    def __init__(self, groups: Tensor):
        if not isinstance(groups, Tensor) or groups.is_floating_point() or groups.is_complex():
            raise TypeError(f"groups: expected an integer tensor, got {describe(groups)}")
        if not is_plain(groups):
            raise TypeError(f"groups: expected a dense tensor with entries, got {describe(groups)}")
        if groups.numel() == 0 or groups.dtype == torch.bool:
            raise ValueError(f"groups: expected a number for each entry, got {describe(groups)}")
        self.shape = tuple(groups.shape)
        names, self.place = groups.flatten().unique(return_inverse=True)
        self.count = len(names)

    def __repr__(self) -> str:
        return f"GroupL1({self.count} groups of {len(self.place)} entries)"

    def check(self, code_shape: tuple[int, ...]) -> None:
        """Raise ValueError unless there is a group for each entry of codes of this shape."""
        if self.shape != tuple(code_shape):
            raise ValueError(
                f"penalty: expected groups of shape {tuple(code_shape)} like a code, "
                f"got {self.shape}"
            )

    def norms(self, z: Tensor) -> Tensor:
        """‖z_g‖₂ of each group: (N, …) → (N, groups)."""
        squared = z.new_zeros(len(z), self.count)
        squared.index_add_(1, self.place.to(z.device), z.flatten(1).square())
        return squared.sqrt()

    def spread(self, x: Tensor, z: Tensor) -> Tensor:
        """One number a group, (N, groups), given to each entry of its group: the shape of z."""
        return x[:, self.place.to(x.device)].reshape(z.shape)

    def value(self, z: Tensor) -> Tensor:
        """Σ_g ‖z_g‖₂: (N, …) → (N,)."""
        return self.norms(z).sum(1)

    def prox(self, v: Tensor, t: float | Tensor) -> Tensor:
        """Each group shortened by t, or zero: v_g·max(1 − t/‖v_g‖, 0)."""
        t = torch.as_tensor(t, dtype=v.dtype, device=v.device).reshape(-1, 1)
        norms = self.norms(v)
        return v * self.spread(torch.where(norms > t, 1 - t / norms, 0), v)

    def dual_norm(self, c: Tensor) -> Tensor:
        """max_g ‖c_g‖₂: (N, …) → (N,)."""
        return self.norms(c).amax(1)

    def distance(self, c: Tensor, z: Tensor, lam: Tensor) -> Tensor:
        """c_g = λz_g/‖z_g‖ where z_g ≠ 0, ‖c_g‖ ≤ λ elsewhere: the largest violation, (N,)."""
        size = self.norms(z)
        towards = z / self.spread(size, z).clamp(min=torch.finfo(z.dtype).tiny)
        off = self.norms(c - lam.reshape(-1, *(1,) * (z.ndim - 1)) * towards)
        beyond = (self.norms(c) - lam[:, None]).clamp(min=0)
        return torch.where(size == 0, beyond, off).amax(1)


def penalty_of(penalty: Penalty | None, nonnegative: bool) -> Penalty:
    """The penalty that was asked for: ``nonnegative`` is the short way to say one."""
    check_flag("nonnegative", nonnegative)
    if penalty is None:
        return L1(nonnegative=nonnegative)
    if nonnegative:
        raise ValueError(f"nonnegative: expected False beside penalty={penalty}, got True")
    if not isinstance(penalty, Penalty):
        raise TypeError(f"penalty: expected one such as L1(), got {describe(penalty)}")
    return penalty


def _check_broadcast(weights: Tensor, shape) -> None:
    try:
        fits = torch.broadcast_shapes(weights.shape, tuple(shape)) == tuple(shape)
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(
            f"penalty: expected weights of shape {tuple(shape)} like a code, "
            f"got {tuple(weights.shape)}"
        )
