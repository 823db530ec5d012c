"""Dictionaries as linear operators: the only place that knows what a code looks like.
 A solver asks an operator for four things: ``decode(z)``, its ``adjoint(r)``, the gradient of ½‖y −
Wz‖² and the Lipschitz constant L of that gradient. Whoever answers these can be solved by every
solver of the package.
"""

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from .validate import check_tensor, describe


class Dictionary:
    """The map z ↦ Wz from codes z ∈ ℝⁿ to samples y ∈ ℝᵈ. The columns of W are the *atoms*.

    W: tensor of shape (d, n), float32 or float64, on any device. It is copied, so later changes to
    the caller's tensor do not reach the operator. Batches are rows: samples (N, d), codes (N, n). A
    single sample (d,) has a single code (n,).

    Raises TypeError or ValueError, naming the argument, when W is not a finite floating-point
    matrix with at least one non-zero entry.
    """

    sample_ndim = 1  # dimensions of one sample and of one code, without the batch
    code_ndim = 1

    def __init__(self, W: Tensor):
        check_tensor("W", W)
        if W.ndim != 2:
            raise ValueError(f"W: expected a matrix (dimension, atoms), got {describe(W)}")
        if not W.any():
            raise ValueError(
                f"W: expected at least one non-zero atom, got an all-zero {describe(W)}"
            )
        squared, range_ = float(W.detach().double().square().sum()), torch.finfo(W.dtype)
        if not W.numel() * range_.tiny < squared < range_.max:
            raise ValueError(
                f"W: expected atoms whose squared lengths {W.dtype} can hold, "
                f"got entries up to {float(W.abs().max()):.1e}"
            )
        self.W = W.detach().clone()

    def __repr__(self) -> str:
        size = f"{self.n_atoms} atoms of dimension {self.dim}"
        return f"Dictionary({size}, {self.W.dtype}, {self.W.device})"

    @property
    def dim(self) -> int:
        """d, the length of a sample."""
        return self.W.shape[0]

    @property
    def n_atoms(self) -> int:
        """n, the length of a code."""
        return self.W.shape[1]

    def to(self, *, device=None, dtype=None) -> "Dictionary":
        """The same dictionary on another device or in another dtype."""
        return Dictionary(self.W.to(device=device or self.W.device, dtype=dtype or self.W.dtype))

    def decode(self, z: Tensor) -> Tensor:
        """Wz: codes (…, n) → samples (…, d)."""
        return z @ self.W.T

    def adjoint(self, r: Tensor) -> Tensor:
        """Wᵀr: samples (…, d) → codes (…, n); ⟨Wz, r⟩ = ⟨z, Wᵀr⟩."""
        return r @ self.W

    def lipschitz(self) -> float:
        """L, the largest eigenvalue of WᵀW: how fast the gradient of ½‖y − Wz‖² can change.

        Found exactly, in float64, from the smaller of WᵀW and WWᵀ, whose non-zero eigenvalues are
        the same.
        """
        return self._lipschitz

    def gradient(self, y: Tensor) -> Callable[[Tensor], Tensor]:
        """For a batch of samples y, the function z ↦ Wᵀ(Wz − y).

        With Wᵀy at hand a gradient costs n² through the Gram matrix WᵀW, or 2dn through W: the
        cheaper one is taken.
        """
        if self.n_atoms <= 2 * self.dim:
            G, b = self.gram, self.adjoint(y)
            return lambda z: torch.addmm(b, z, G, beta=-1)
        return lambda z: self.adjoint(self.decode(z) - y)

    @cached_property
    def gram(self) -> Tensor:
        """WᵀW (n × n): the inner products of the atoms."""
        return self.W.T @ self.W

    @cached_property
    def in_float64(self) -> "Dictionary":
        """The same dictionary in float64, where energies and certificates are computed."""
        return self if self.W.dtype == torch.float64 else self.to(dtype=torch.float64)

    @cached_property
    def unreachable(self) -> Callable[[Tensor], Tensor] | None:
        """The projection of a sample onto what no code can produce (the null space of Wᵀ), or None
        when W has rank d.

        Rank to the usual tolerance, max(d, n)·ε of the largest singular value, in float64 and with
        the largest entry of every atom at 1: a short atom reaches as far as a long one.
        """
        W = self.in_float64.W
        W = W / W.abs().amax(0).clamp(min=torch.finfo(W.dtype).tiny)
        U, s, _ = torch.linalg.svd(W, full_matrices=False)
        basis = U[:, s > max(self.W.shape) * torch.finfo(torch.float64).eps * s[0]]
        if basis.shape[1] == self.dim:
            return None
        return lambda r: r - (r @ basis) @ basis.T

    @cached_property
    def _lipschitz(self) -> float:
        W = self.in_float64.W
        smaller = W.T @ W if self.n_atoms <= self.dim else W @ W.T
        return float(torch.linalg.eigvalsh(smaller)[-1])

    def check_samples(self, y) -> None:
        """Raise unless y is (d,) or (N, d), finite, of the dictionary's dtype and device."""
        check_tensor("y", y, like=self.W)
        if y.ndim not in (1, 2) or y.shape[-1] != self.dim:
            raise ValueError(
                f"y: expected shape ({self.dim},) or (N, {self.dim}), got {describe(y)}"
            )

    def check_codes(self, z, y: Tensor, name: str = "z") -> None:
        """Raise unless z holds one code for each sample of y."""
        check_tensor(name, z, like=self.W)
        expected = (*y.shape[:-1], self.n_atoms)
        if z.shape != expected:
            raise ValueError(f"{name}: expected shape {expected} for this y, got {describe(z)}")
