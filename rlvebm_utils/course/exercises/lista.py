"""The exercises of notebook 03: what a code costs, the network, how to train, count and trust it.

The right answers are found another way than in the notebook's solutions: product by product, entry
by entry, or by expanding the square.
"""

import torch
from torch import Tensor, tensor

from ...penalties import soft_threshold
from .turn import Exercise, Mistake


def multiply_adds(d: int, n: int, iterations: int) -> int:
    """The multiply–adds of one code: Wᵀy, and so many iterations."""
    total = d * n  # Wᵀy, once
    for _ in range(iterations):
        total += n * n if n < 2 * d else d * n + n * d
    return total


def longer(W: Tensor, y: Tensor, guess: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """W (d × n) and y (N, d) with the pull to a guess (N, n) built in: (d + n × n), (N, d + n)."""
    d, n = W.shape
    W_longer, y_longer = W.new_zeros(d + n, n), y.new_zeros(len(y), d + n)
    W_longer[:d], y_longer[:, :d] = W, y
    for j in range(n):
        W_longer[d + j, j] = alpha**0.5
        y_longer[:, d + j] = guess[:, j] * alpha**0.5
    return W_longer, y_longer


def one_round(y: Tensor, z: Tensor, W_e: Tensor, S: Tensor, theta: Tensor) -> Tensor:
    """shrink(W_eᵀy + Sz, θ) of a batch: y (N, d), z (N, n) → (N, n)."""
    return soft_threshold((W_e.T @ y.T + S @ z.T).T, theta)


def energy_loss(y: Tensor, z: Tensor, W: Tensor, lam: float) -> Tensor:
    """The mean energy, the square multiplied out: ½‖y‖² − ⟨Wᵀy, z⟩ + ½⟨z, WᵀWz⟩."""
    square = 0.5 * (y * y).sum() - (z * (y @ W)).sum() + 0.5 * (z * (z @ (W.T @ W))).sum()
    return (square + lam * z.abs().sum()) / len(y)


def catches_up(curve: Tensor, value: float) -> int:
    """The first iteration, from 1, whose error is no larger than ``value``."""
    for iteration, error in enumerate(curve.tolist(), start=1):
        if error <= value:
            return iteration
    return len(curve) + 1


def proved(E: Tensor, gap: Tensor, share: float) -> Tensor:
    """Whether E is certainly at most (1 + share) times the least energy; (N,) or any shape."""
    least = E - gap  # no code has a lower energy
    return (E - least) / least <= share


def network_cost(d: int, n: int, K: int) -> int:
    """The multiply–adds of K rounds with a free S."""
    return sum(rows * columns for rows, columns in [(d, n), *[(n, n)] * (K - 1)])


def coupled(A: Tensor, W: Tensor) -> Tensor:
    """S = I − AᵀW (n × n), entry by entry."""
    rows = [
        [(i == j) - float(A[:, i] @ W[:, j]) for j in range(W.shape[1])] for i in range(len(A.T))
    ]
    return torch.tensor(rows, dtype=W.dtype)


def lam_for(c: float, lam: float) -> float:
    """The λ at which the code of cy is c times that of y at ``lam``."""
    return lam * c


W_TOY, Y_TOY = tensor([[1.0, 0.5], [0.0, 1.0]]), tensor([[2.0, -1.0]])
Z_TOY, S_TOY = tensor([[1.0, 0.0]]), tensor([[0.5, 0.2], [-0.4, 0.0]])
BOTH_ROWS = (tensor([[2.0, -1.0], [0.0, 1.0]]), tensor([[1.0, 0.0], [0.5, 2.0]]))

EXERCISES = {
    "multiply_adds": Exercise(
        like=multiply_adds,
        on=[(100, 50, 10), (100, 150, 10), (100, 400, 10), (25, 50, 0)],
        mistakes=[
            Mistake(
                "n² is the cheaper way only below 2d atoms: take min(n², 2dn).",
                lambda d, n, iterations: d * n + iterations * n * n,
            ),
            Mistake(
                "2dn is the cheaper way only above 2d atoms: take min(n², 2dn).",
                lambda d, n, iterations: d * n + iterations * 2 * d * n,
            ),
            Mistake(
                "Wᵀy is the same in every iteration: count its dn once, outside of the product.",
                lambda d, n, iterations: iterations * (d * n + min(n * n, 2 * d * n)),
            ),
            Mistake(
                "Wᵀy is missing: dn, once.",
                lambda d, n, iterations: iterations * min(n * n, 2 * d * n),
            ),
        ],
    ),
    "longer": Exercise(
        like=longer,
        on=[(W_TOY, Y_TOY, Z_TOY, 4.0), (W_TOY, Y_TOY, Z_TOY, 0.25)],
        mistakes=[
            Mistake(
                "Squared, your rows count α² times: it takes √α for the square to weigh α.",
                lambda W, y, guess, alpha: (
                    torch.cat([W, alpha * torch.eye(W.shape[1])]),
                    torch.cat([y, alpha * guess], 1),
                ),
            ),
            Mistake(
                "The guess needs the factor √α as well, or z is drawn to guess/√α.",
                lambda W, y, guess, alpha: (
                    torch.cat([W, alpha**0.5 * torch.eye(W.shape[1])]),
                    torch.cat([y, guess], 1),
                ),
            ),
            Mistake(
                "That adds the guess with a minus: z would be drawn to −guess.",
                lambda W, y, guess, alpha: (
                    torch.cat([W, -(alpha**0.5) * torch.eye(W.shape[1])]),
                    torch.cat([y, alpha**0.5 * guess], 1),
                ),
            ),
        ],
    ),
    "one_round": Exercise(
        like=one_round,
        on=[
            (Y_TOY, Z_TOY, W_TOY, S_TOY, tensor([0.3, 0.3])),
            (*BOTH_ROWS, W_TOY, S_TOY, tensor([0.1, 0.6])),
        ],
        mistakes=[
            Mistake(
                "That is a minus before S, as the notes print it. Multiplied out, it is a plus.",
                lambda y, z, W_e, S, theta: soft_threshold(y @ W_e - z @ S.T, theta),
            ),
            Mistake(
                "A code is a row here, so S z is z @ S.T. (S is symmetric before training only.)",
                lambda y, z, W_e, S, theta: soft_threshold(y @ W_e + z @ S, theta),
            ),
            Mistake(
                "Shrinkage comes last, over the whole sum: S z belongs inside.",
                lambda y, z, W_e, S, theta: soft_threshold(y @ W_e, theta) + z @ S.T,
            ),
            Mistake(
                "The sum is right; it is not shrunk yet.",
                lambda y, z, W_e, S, theta: y @ W_e + z @ S.T,
            ),
        ],
    ),
    "energy_loss": Exercise(
        like=energy_loss,
        on=[(Y_TOY, Z_TOY, W_TOY, 0.5), (*BOTH_ROWS, W_TOY, 0.2)],
        mistakes=[
            Mistake(
                "The square has a factor ½ in this course.",
                lambda y, z, W, lam: ((y - z @ W.T).square().sum(1) + lam * z.abs().sum(1)).mean(),
            ),
            Mistake(
                "λ‖z‖₁ is missing: without it nothing makes the code sparse.",
                lambda y, z, W, lam: 0.5 * (y - z @ W.T).square().sum(1).mean(),
            ),
            Mistake(
                "That is the sum over the samples; take their mean, so that the batch's size does "
                "not matter.",
                lambda y, z, W, lam: 0.5 * (y - z @ W.T).square().sum() + lam * z.abs().sum(),
            ),
            Mistake(
                "Sum over the pixels and atoms of a sample, then take the mean over samples.",
                lambda y, z, W, lam: 0.5 * (y - z @ W.T).square().mean() + lam * z.abs().mean(),
            ),
        ],
    ),
    "catches_up": Exercise(
        like=catches_up,
        on=[(tensor([9.0, 4.0, 2.0, 1.0]), 3.0), (tensor([9.0, 4.0, 2.0, 1.0]), 4.0)],
        mistakes=[
            Mistake(
                "Python counts from 0, iterations from 1.",
                lambda curve, value: int((curve > value).sum()),
            ),
            Mistake(
                "As low is low enough: ≤, not <.",
                lambda curve, value: int((curve >= value).sum()) + 1,
            ),
            Mistake(
                "That is the error there; asked is the number of the iteration.",
                lambda curve, value: float(curve[curve <= value][0]),
            ),
        ],
    ),
    "proved": Exercise(
        like=proved,
        on=[(tensor([10.0, 10.0, 12.0]), tensor([1.0, 0.5, 2.0]), 0.1)],
        mistakes=[
            Mistake(
                "A share of the *least* energy is meant. All that is known of it: it is at least "
                "E − gap.",
                lambda E, gap, share: gap <= share * E,
            ),
            Mistake(
                "The gap is an energy, share is none: compare it with share · (E − gap).",
                lambda E, gap, share: gap <= share,
            ),
        ],
    ),
    "network_cost": Exercise(
        like=network_cost,
        on=[(100, 400, 1), (100, 400, 3), (784, 256, 7)],
        mistakes=[
            Mistake(
                "The first round has no code to multiply: z(0) = 0. S is used K − 1 times.",
                lambda d, n, K: d * n + K * n * n,
            ),
            Mistake(
                "W_eᵀy is the same in every round: computed once, it costs dn once.",
                lambda d, n, K: K * d * n + (K - 1) * n * n,
            ),
            Mistake(
                "W_eᵀy is computed once, not in each round; and S is used K − 1 times.",
                lambda d, n, K: K * (d * n + n * n),
            ),
            Mistake(
                "A free S is no product of two thin matrices: it costs n², even where 2dn is less.",
                lambda d, n, K: d * n + (K - 1) * min(n * n, 2 * d * n),
            ),
            Mistake(
                "A free S is one n × n matrix: n² a round. (2dn is the product AᵀB.)",
                lambda d, n, K: d * n + (K - 1) * 2 * d * n,
            ),
        ],
    ),
    "lam_for": Exercise(
        like=lam_for,
        on=[(2.0, 0.3), (0.5, 0.3), (3.0, 0.1)],
        mistakes=[
            Mistake(
                "The other way round: stronger samples need larger thresholds.",
                lambda c, lam: lam / c,
            ),
            Mistake(
                "The energy grows with c², the thresholds with c: shrink(cv, ct) = c shrink(v, t).",
                lambda c, lam: c * c * lam,
            ),
            Mistake("With λ as it was, the code is that of y at λ/c.", lambda c, lam: lam),
        ],
    ),
    "coupled": Exercise(
        like=coupled,
        on=[(S_TOY, W_TOY), (W_TOY, S_TOY)],
        mistakes=[
            Mistake(
                "That is the transpose: A stands first, AᵀW.", lambda A, W: torch.eye(2) - W.T @ A
            ),
            Mistake(
                "The sign: an atom that explains something takes it away from the others, I − AᵀW.",
                lambda A, W: torch.eye(2) + A.T @ W,
            ),
            Mistake(
                "1 − AᵀW takes every entry from 1; the identity, torch.eye(n), has ones on its "
                "diagonal only.",
                lambda A, W: 1 - A.T @ W,
            ),
            Mistake(
                "A is (d × n) as W is: its transpose stands before W.",
                lambda A, W: torch.eye(W.shape[1]) - A @ W,
            ),
            Mistake("The identity is missing: what z had must stay.", lambda A, W: -A.T @ W),
        ],
    ),
}
