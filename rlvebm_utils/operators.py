"""Dictionaries as linear operators: what a solver asks of one, and the dense one.

Six things, that is all: see :class:`Operator`. Whoever answers them can be solved, certified and
unrolled by everything in the package.
"""

from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

from .validate import check_range, check_tensor, describe

_CALL: ContextVar[object | None] = ContextVar("call", default=None)  # which one is at work


@contextmanager
def undisturbed():
    """Whatever the caller has switched on: no gradients are recorded, no autocast rounds, and
    tensors made here may be changed in place (which those of ``torch.inference_mode`` may not).

    Nobody changes the atoms of an operator meanwhile: :meth:`Operator.recall` looks at them once.
    """
    with ExitStack() as stack:
        token = _CALL.set(_CALL.get() or object())
        stack.callback(_CALL.reset, token)
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
            stack.enter_context(torch.autocast(device, enabled=False))
        yield


class Operator:
    """A linear map W from codes z to samples y ≈ Wz, given by what it does.

    An operator of your own derives from this class and answers six things:

    * ``atoms``: the tensor that W is made of. Samples and codes have its dtype and device.
    * ``with_atoms(atoms)``: the same kind of operator made of other atoms, which are neither copied
      nor checked, so that gradients flow through to them.
    * ``code_shape(sample_shape)``: the shape of the code of one sample.
    * ``decode(z)``: Wz, for codes of any number of leading (batch) dimensions.
    * ``adjoint(r)``: Wᵀr, likewise; ⟨Wz, r⟩ = ⟨z, Wᵀr⟩.
    * ``lipschitz()``: a number L not below the largest eigenvalue of WᵀW.

    ``sample_ndim`` and ``code_ndim`` say how many dimensions one sample and one code have. The rest
    has a default here, to be replaced where something better is known. CONTRIBUTING.md has an
    example of 15 lines.
    """

    sample_ndim = 1
    code_ndim = 1
    n_atoms = 1  # how many atoms LISTA gives a threshold of their own: the first side of a code
    atoms: Tensor
    _memory: tuple[Tensor, dict] | None = None
    _seen_in: object | None = None  # the call in which the atoms were last compared

    def with_atoms(self, atoms: Tensor) -> "Operator":
        """The same kind of operator made of other atoms."""
        raise NotImplementedError("with_atoms")

    def code_shape(self, sample_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the code of one sample of this shape."""
        raise NotImplementedError("code_shape")

    def decode(self, z: Tensor) -> Tensor:
        """Wz: codes → samples."""
        raise NotImplementedError("decode")

    def adjoint(self, r: Tensor) -> Tensor:
        """Wᵀr: samples → codes."""
        raise NotImplementedError("adjoint")

    def lipschitz(self) -> float:
        """L, no smaller than the largest eigenvalue of WᵀW."""
        raise NotImplementedError("lipschitz")

    # ---- defaults ----

    def gradient(self, y: Tensor) -> Callable[[Tensor], Tensor]:
        """For a batch of samples y, the function z ↦ Wᵀ(Wz − y)."""
        return lambda z: self.adjoint(self.decode(z) - y)

    def unreachable(self, r: Tensor) -> Tensor:
        """The part of samples r (N, …) that no code can produce, or less of it: a bound at λ = 0 is
        as good as this. Zero, unless an operator knows better: true and weak.
        """
        return torch.zeros_like(r)

    def to(self, *where: Any, **named: Any) -> "Operator":
        """The same operator on another device or in another dtype, named as for a tensor's ``to``:
        ``to("cuda")``, ``to(torch.float64)``, ``to("cuda", torch.float64)``, ``to(dtype=…)``.
        """
        return self.with_atoms(self.atoms.detach().to(*where, **named))

    @property
    def in_float64(self) -> "Operator":
        """The same operator in float64, where energies and certificates are computed."""
        return self if self.atoms.dtype == torch.float64 else self.recall(_to_float64)

    def check_samples(self, y: Tensor) -> None:
        """Raise TypeError or ValueError unless y is one sample or a batch, finite, of the
        operator's dtype and device.
        """
        check_tensor("y", y, like=self.atoms)
        if y.ndim not in (self.sample_ndim, self.sample_ndim + 1):
            dims = f"{self.sample_ndim} dimensions, or one more for a batch"
            raise ValueError(f"y: expected a tensor of {dims}, got {describe(y)}")

    def check_codes(self, z: Tensor, y: Tensor, name: str = "z") -> None:
        """Raise TypeError or ValueError unless z holds one code for each sample of y."""
        check_tensor(name, z, like=self.atoms)
        batch = y.ndim - self.sample_ndim
        expected = (*y.shape[:batch], *self.code_shape(tuple(y.shape[batch:])))
        if z.shape != expected:
            raise ValueError(f"{name}: expected shape {expected} for this y, got {describe(z)}")

    # ---- what is computed once ----

    def recall(self, make: Callable[["Operator"], Any]) -> Any:
        """make(self), computed once and kept for as long as the atoms are the same numbers.

        They are compared at each call with a copy: whatever way they were changed, nothing that was
        computed from other atoms comes back. (Once within :func:`undisturbed`: a GPU would have to
        be waited for each time.) Gradients and autocast are off while ``make`` runs.
        """
        call = _CALL.get()
        known = call is not None and self._seen_in is call
        if self._memory is None or not (known or _same(self._memory[0], self.atoms)):
            with undisturbed():
                self._memory = (self.atoms.detach().clone(), {})
        self._seen_in = call
        kept = self._memory[1]
        if make not in kept:
            with undisturbed():
                kept[make] = make(self)
        return kept[make]

    def __getstate__(self) -> dict:
        """For copies and pickles: without what can be computed again."""
        forgotten = ("_memory", "_seen_in")
        return {name: value for name, value in self.__dict__.items() if name not in forgotten}


def _same(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and a.device == b.device and torch.equal(a, b)


def _to_float64(operator: Operator) -> Operator:
    return operator.to(dtype=torch.float64)


class Dictionary(Operator):
    """The map z ↦ Wz from codes z ∈ ℝⁿ to samples y ∈ ℝᵈ. The columns of W are the *atoms*.

    W: tensor of shape (d, n), float32 or float64, on any device. It is copied, so later changes to
    the caller's tensor do not reach the operator. Batches are rows: samples (N, d), codes (N, n). A
    single sample (d,) has a single code (n,).

    Raises TypeError or ValueError, naming the argument, when W is not a finite floating-point
    matrix with at least one non-zero entry.

    >>> dictionary = Dictionary(torch.tensor([[1.0, 0.0, 0.6], [0.0, 1.0, 0.8]]))
    >>> dictionary.decode(torch.tensor([0.0, 1.0, 2.0]))
    tensor([1.2000, 2.6000])
    """

    def __init__(self, W: Tensor):
        check_tensor("W", W)
        if W.ndim != 2:
            raise ValueError(f"W: expected a matrix (dimension, atoms), got {describe(W)}")
        check_range("W", W, "atom")
        self.W = W.detach().clone()

    def __repr__(self) -> str:
        size = f"{self.n_atoms} atoms of dimension {self.dim}"
        return f"Dictionary({size}, {self.W.dtype}, {self.W.device})"

    @property
    def atoms(self) -> Tensor:
        """W (d, n)."""
        return self.W

    def with_atoms(self, atoms: Tensor) -> "Dictionary":
        """A dictionary of these atoms (d, n), neither copied nor checked."""
        other = Dictionary.__new__(Dictionary)
        other.W = atoms
        return other

    @property
    def dim(self) -> int:
        """d, the length of a sample."""
        return self.W.shape[0]

    @property
    def n_atoms(self) -> int:
        """n, the length of a code."""
        return self.W.shape[1]

    def code_shape(self, sample_shape: tuple[int, ...]) -> tuple[int]:
        """(n,), whatever the sample."""
        return (self.n_atoms,)

    def to(self, *where: Any, **named: Any) -> "Dictionary":
        """The same dictionary on another device or in another dtype, named as for a tensor's
        ``to``.
        """
        return Dictionary(self.W.to(*where, **named))

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
        return self.recall(_largest_eigenvalue)

    def gradient(self, y: Tensor) -> Callable[[Tensor], Tensor]:
        """For a batch of samples y, the function z ↦ Wᵀ(Wz − y).

        With Wᵀy at hand a gradient costs n² through the Gram matrix WᵀW, or 2dn through W: the
        cheaper one is taken.
        """
        if self.n_atoms <= 2 * self.dim:
            G, b = self.gram, self.adjoint(y)
            return lambda z: torch.addmm(b, z, G, beta=-1)
        return super().gradient(y)

    @property
    def gram(self) -> Tensor:
        """WᵀW (n × n): the inner products of the atoms."""
        return self.recall(_inner_products)

    def unreachable(self, r: Tensor) -> Tensor:
        """The projection of samples (N, d) onto what no code can produce, the null space of Wᵀ."""
        basis = self.recall(_range_basis)
        return torch.zeros_like(r) if basis.shape[1] == self.dim else r - (r @ basis) @ basis.T

    def check_samples(self, y: Tensor) -> None:
        """Raise unless y is (d,) or (N, d), finite, of the dictionary's dtype and device."""
        check_tensor("y", y, like=self.W)
        if y.ndim not in (1, 2) or y.shape[-1] != self.dim:
            expected = f"({self.dim},) or (N, {self.dim})"
            raise ValueError(f"y: expected shape {expected}, got {describe(y)}")


def _inner_products(dictionary: Dictionary) -> Tensor:
    W = dictionary.W.detach()
    return W.T @ W


def _largest_eigenvalue(dictionary: Dictionary) -> float:
    W = dictionary.in_float64.W.detach()
    smaller = W.T @ W if dictionary.n_atoms <= dictionary.dim else W @ W.T
    return float(torch.linalg.eigvalsh(smaller)[-1])


def _range_basis(dictionary: Dictionary) -> Tensor:
    """Orthonormal columns that span what codes can produce, float64.

    Rank to the usual tolerance, max(d, n)·ε of the largest singular value, with the largest entry
    of every atom at 1: a short atom reaches as far as a long one.
    """
    W = dictionary.in_float64.W.detach()
    W = W / W.abs().amax(0).clamp(min=torch.finfo(W.dtype).tiny)
    U, s, _ = torch.linalg.svd(W, full_matrices=False)
    return U[:, s > max(W.shape) * torch.finfo(torch.float64).eps * s[0]]
