"""Proximal operators: the exact minimiser of ½(x − v)² plus a penalty, entry by entry.
 The proximal operator of a penalty R with weight t sends v to argmin_x ½‖x − v‖² + t·R(x). It is
the half of a proximal gradient step that deals with the penalty; for the L1 norm it is the
*shrinkage* of the lecture. Source: N. Parikh and S. Boyd, *Proximal Algorithms* (2014), section
6.5.2.
"""

import torch
from torch import Tensor

from .validate import check_threshold


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
