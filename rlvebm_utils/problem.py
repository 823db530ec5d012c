"""The problem that every solver gets, with its arguments checked and batched once.

For each sample y of a batch::

    min_z  ½‖y − Wz‖² + λR(z)
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from .operators import Operator
from .penalties import Penalty, penalty_of
from .validate import check_dictionary, check_lam


@dataclass(frozen=True)
class Problem:
    """Samples with an operator W, a penalty R and λ.

    operator: W. y: samples, always a batch (N, …). lam: λ, float64 (N,). penalty: R. single:
    whether one sample came instead of a batch. free: whether some λ may be 0. Made by :meth:`of`,
    which checks its arguments; nothing here changes them.
    """

    operator: Operator
    y: Tensor
    lam: Tensor
    penalty: Penalty
    single: bool = False
    free: bool = True

    @classmethod
    def of(
        cls, dictionary: Operator, y: Tensor, lam: float | Tensor, penalty: Penalty | None = None,
        nonnegative: bool = False,
    ) -> "Problem":  # fmt: skip
        """From what the caller of a solver gave. Raises TypeError or ValueError, naming the
        argument.
        """
        check_dictionary(dictionary)
        dictionary.check_samples(y)
        single = y.ndim == dictionary.sample_ndim
        y = y.detach()[None] if single else y.detach()
        penalty = penalty_of(penalty, nonnegative)
        penalty.check(dictionary.code_shape(tuple(y.shape[1:])))
        lam = check_lam(lam, len(y), y.device)
        return cls(dictionary, y, lam, penalty, single, free=bool((lam == 0).any()))

    def __len__(self) -> int:
        return len(self.y)

    def codes(self, z: Tensor, name: str = "z") -> Tensor:
        """Codes that came with the samples, checked, as a batch."""
        self.operator.check_codes(z, self.y[0] if self.single else self.y, name)
        z = z.detach()[None] if self.single else z.detach()
        self.penalty.check_codes(z, name)
        return z

    def start(self, z0: Tensor | None) -> Tensor:
        """Where to begin: a copy of z0, or zero. Its numbers lie in one piece, row after row."""
        if z0 is None:
            return self.zeros()
        return self.codes(z0, "z0").clone(memory_format=torch.contiguous_format)

    def zeros(self) -> Tensor:
        """The empty code of each sample."""
        shape = self.operator.code_shape(tuple(self.y.shape[1:]))
        return torch.zeros(len(self), *shape, dtype=self.y.dtype, device=self.y.device)

    def pick(self, rows: slice | Tensor) -> "Problem":
        """The same problem for some of the samples: a slice, a mask or row numbers."""
        return replace(self, y=self.y[rows], lam=self.lam[rows])

    def unbatch(self, x: Tensor) -> Tensor:
        """What belongs to the one sample that came, or everything of a batch."""
        return x[0] if self.single else x

    @cached_property
    def in_float64(self) -> "Problem":
        """The same problem in float64, where energies and certificates are computed."""
        return replace(self, operator=self.operator.in_float64, y=self.y.double())

    @cached_property
    def squared(self) -> Tensor:
        """‖y‖² of each sample, float64 (N,)."""
        return self.in_float64.y.flatten(1).square().sum(1)

    @property
    def rounding(self) -> Tensor:
        """The rounding error of ½‖y‖² in the samples' dtype, float64 (N,): no energy is known
        better.
        """
        return torch.finfo(self.y.dtype).eps * 0.5 * self.squared

    def gradient(self) -> Callable[[Tensor], Tensor]:
        """z ↦ Wᵀ(Wz − y)."""
        return self.operator.gradient(self.y)

    def column(self, x: Tensor) -> Tensor:
        """One number a sample, (N,), ready to multiply codes: (N, 1, …)."""
        return x.reshape(-1, *(1,) * self.operator.code_ndim)

    def column_of_samples(self, x: Tensor) -> Tensor:
        """One number a sample, (N,), ready to multiply samples: (N, 1, …)."""
        return x.reshape(-1, *(1,) * self.operator.sample_ndim)
