"""The exercises of notebook 01. Right answers are found another way than the notebook suggests."""

from __future__ import annotations

import math

import torch

from ...energies import energy
from ...operators import Dictionary
from .turn import Exercise, Mistake


def _numbers(*values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


# ---- an energy ----


def E(W, y, z, lam):
    """½‖y − Wz‖² + λ‖z‖₁ for one code, or for each row of a table of codes."""
    codes = torch.atleast_2d(z)
    energies = energy(Dictionary(W), y.expand(len(codes), -1), codes, lam)
    return energies if z.ndim == 2 else energies[0]


def _misfit(W, y, z):
    return (y - z @ W.T).square().sum(-1)


W_TOY = _numbers([1, 0, 0.6], [0, 1, 0.8])
Y_TOY = _numbers(1, 2)
Z_TOY = _numbers([0, 0.5, -1], [1, 2, 0])

ENERGY = Exercise(
    like=E,
    on=[(W_TOY, Y_TOY, Z_TOY[0], 0.3), (W_TOY, Y_TOY, Z_TOY, 0.5)],
    mistakes=[
        Mistake(
            "The ½ in front of the squared error is missing.",
            lambda W, y, z, lam: _misfit(W, y, z) + lam * z.abs().sum(-1),
        ),
        Mistake(
            "The error has to be squared: ½‖y − Wz‖², not ½‖y − Wz‖.",
            lambda W, y, z, lam: 0.5 * _misfit(W, y, z).sqrt() + lam * z.abs().sum(-1),
        ),
        Mistake(
            "That is the L2 norm of z. ‖z‖₁ is the sum of the absolute values.",
            lambda W, y, z, lam: 0.5 * _misfit(W, y, z) + lam * z.norm(dim=-1),
        ),
        Mistake(
            "Entries below zero must cost too: ‖z‖₁ sums |z|, not z.",
            lambda W, y, z, lam: 0.5 * _misfit(W, y, z) + lam * z.sum(-1),
        ),
        Mistake(
            "One unit of ‖z‖₁ costs λ: the λ in front of it is missing.",
            lambda W, y, z, lam: 0.5 * _misfit(W, y, z) + z.abs().sum(-1),
        ),
        Mistake(
            "Each row of the table pays for itself alone: sum |z| over the last dimension.",
            lambda W, y, z, lam: 0.5 * _misfit(W, y, z) + lam * z.abs().sum(),
        ),
    ],
)


def F_tried(W, y, lam, codes):
    """The least energy among the rows of a table of codes."""
    return E(W, y, codes, lam).sort().values[0]


CODES = _numbers([0, 0, 0], [0, 2, 0], [0, 1, 1], [1, 1, 1])

TRIED = Exercise(
    like=F_tried,
    on=[(W_TOY, Y_TOY, 0.3, CODES), (W_TOY, -Y_TOY, 0.5, CODES[1:])],
    mistakes=[
        Mistake(
            "That is the number of the best code. F is its energy.",
            lambda W, y, lam, codes: E(W, y, codes, lam).argmin(),
        ),
        Mistake(
            "That is the mean energy of all the codes. F is the least one.",
            lambda W, y, lam, codes: E(W, y, codes, lam).mean(),
        ),
        Mistake(
            "The price of the code has to be in: take the least E, not the least misfit.",
            lambda W, y, lam, codes: E(W, y, codes, 0.0).min(),
        ),
    ],
)


# ---- rankings and scale ----


def auc(low, high):
    """How often an entry of ``low`` is below one of ``high``; a tie counts one half."""
    below, equal = (
        torch.searchsorted(low.sort().values, high.contiguous(), right=right).double().mean()
        for right in (False, True)
    )  # how many of low are below, or not above
    return (below + equal) / (2 * len(low))


def _share(low, high, compare):
    return compare(low[:, None], high[None]).double().mean()


AUC = Exercise(
    like=auc,
    on=[(_numbers(1, 2, 3), _numbers(2, 4)), (_numbers(0, 0), _numbers(0, 0, 0))],
    mistakes=[
        Mistake(
            "A tie is lost here. It should count one half.", lambda a, b: _share(a, b, torch.lt)
        ),
        Mistake(
            "A tie is won here. It should count one half.", lambda a, b: _share(a, b, torch.le)
        ),
        Mistake(
            "It is the other way round: count the pairs where the entry of low is below.",
            lambda a, b: 1 - auc(a, b),
        ),
        Mistake(
            "All pairs are meant: each entry of low with each entry of high. low[:, None] and "
            "high[None] make a table of them.",
            lambda a, b: (a[: len(b)] < b[: len(a)]).double().mean(),
        ),
        Mistake(
            "That is a number of pairs. Their share is meant: divide by the number of all pairs.",
            lambda a, b: auc(a, b) * len(a) * len(b),
        ),
    ],
)


def unit_price(y):
    """F at the price 1 for the axes as atoms: half a square near zero, straight further out."""
    return torch.where(y.abs() < 1, 0.5 * y.square(), y.abs() - 0.5).sum()


def F_at(lam, y, F1):
    """F at the price λ > 0 from F at the price 1."""
    return F1(y / lam) * lam**2


RULER = Exercise(
    like=F_at,
    on=[(0.5, Y_TOY, unit_price), (2.0, Y_TOY, unit_price), (0.1, -Y_TOY, unit_price)],
    mistakes=[
        Mistake("The energy itself is scaled too. By what?", lambda lam, y, F1: F1(y / lam)),
        Mistake(
            "E is quadratic: one λ in front is not enough.", lambda lam, y, F1: lam * F1(y / lam)
        ),
        Mistake(
            "y has to be divided by λ, so that a large λ makes it small.",
            lambda lam, y, F1: lam**2 * F1(lam * y),
        ),
        Mistake("F is not proportional to λ: z changes with it.", lambda lam, y, F1: lam * F1(y)),
        Mistake(
            "The λ² in front is right. But F1 has to be asked at another point than y.",
            lambda lam, y, F1: lam**2 * F1(y),
        ),
        Mistake(
            "The two factors are the other way round: y = λy′, so what is y′?",
            lambda lam, y, F1: F1(lam * y) / lam**2,
        ),
    ],
)


# ---- one choice, and all choices at a temperature ----


def F_one_hot(y, W):
    """½‖y − w‖² for the nearest column w of W, for each row of y."""
    cross = [(W.square().sum(0) - 2 * some @ W).amin(1) for some in y.split(2000)]
    return 0.5 * (y.square().sum(1) + torch.cat(cross)).clamp(min=0)


ONE_HOT = Exercise(
    like=F_one_hot,
    on=[(_numbers([1, 2], [0, 0.5], [3, 3]), W_TOY)],
    mistakes=[
        Mistake(
            "The ½ is missing.", lambda y, W: torch.cdist(y, W.T.contiguous()).amin(1).square()
        ),
        Mistake(
            "The distance has to be squared.",
            lambda y, W: 0.5 * torch.cdist(y, W.T.contiguous()).amin(1),
        ),
        Mistake(
            "That is the mean over all columns; the best one alone counts.",
            lambda y, W: 0.5 * torch.cdist(y, W.T.contiguous()).square().mean(1),
        ),
        Mistake(
            "That is the nearest point to each column. The nearest column to each point is meant: "
            "take the least over the other dimension.",
            lambda y, W: 0.5 * torch.cdist(y, W.T.contiguous()).amin(0).square(),
        ),
    ],
)


def free_energy(E, beta):
    """−(1/β) log of the mean of exp(−βE) over the last dimension."""
    least = E.amin(-1, keepdim=True)
    mean = torch.exp(-beta * (E - least)).mean(-1)
    return least.squeeze(-1) - mean.log() / beta


E_TOY = _numbers([1, 2, 4], [0, 0, 0])

FREE_ENERGY = Exercise(
    like=free_energy,
    on=[(E_TOY, 1.0), (E_TOY, 3.0), (E_TOY[:1], 1000.0)],
    mistakes=[
        Mistake(
            "exp(−1000) is 0 for a computer, and its logarithm −∞. torch.logsumexp avoids that.",
            lambda E, beta: -torch.exp(-beta * E).mean(-1).log() / beta,
        ),
        Mistake("The minus in front is missing.", lambda E, beta: -free_energy(E, beta)),
        Mistake(
            "Divide the logarithm by β: F has the units of an energy.",
            lambda E, beta: beta * free_energy(E, beta),
        ),
        Mistake(
            "That is the sum over the codes. Each code counts 1/K here, so it is the mean: take "
            "log K away.",
            lambda E, beta: -torch.logsumexp(-beta * E, -1) / beta,
        ),
        Mistake(
            "log(1/K) is −log K: inside the bracket it is taken away.",
            lambda E, beta: -(torch.logsumexp(-beta * E, -1) + math.log(E.shape[-1])) / beta,
        ),
        Mistake(
            "1/K stands inside the logarithm. There it becomes −log K, not a division by K.",
            lambda E, beta: -torch.logsumexp(-beta * E, -1) / E.shape[-1] / beta,
        ),
        Mistake(
            "That is the mean energy of the likely codes. The logarithm of the mean of exp(−βE) is "
            "meant.",
            lambda E, beta: (torch.softmax(-beta * E, -1) * E).sum(-1),
        ),
    ],
)


# ---- information ----


def posterior(z, centres, sigma):
    """How likely each centre is, given a point of the ball around it: (M, K), rows sum to 1."""
    squared = z.square().sum(1)[:, None] + centres.square().sum(1) - 2 * z @ centres.T
    weights = torch.exp(-(squared - squared.amin(1, keepdim=True)) / (2 * sigma**2))
    return weights / weights.sum(1, keepdim=True)


def _softmax(z, centres, divisor, power=2):
    return torch.softmax(-(torch.cdist(z, centres) ** power) / divisor, 1)


POSTERIOR = Exercise(
    like=posterior,
    on=[
        (_numbers([0], [0.5]), _numbers([-1], [1]), 0.7),
        (_numbers([0, 1]), _numbers([-1, 0], [1, 0], [0, 3]), 1.5),
    ],
    mistakes=[
        Mistake(
            "The exponent of a Gaussian is −‖z − c‖²/(2σ²): the 2 is missing.",
            lambda z, centres, sigma: _softmax(z, centres, sigma**2),
        ),
        Mistake("σ has to be squared.", lambda z, c, sigma: _softmax(z, c, 2 * sigma)),
        Mistake(
            "a / 2 * σ² multiplies by σ². Put 2σ² into brackets.",
            lambda z, centres, sigma: _softmax(z, centres, 2 / sigma**2),
        ),
        Mistake(
            "Near centres are the likely ones: the minus in the exponent is missing.",
            lambda z, centres, sigma: _softmax(z, centres, -2 * sigma**2),
        ),
        Mistake(
            "Each column sums to 1 here. Each row has to: the softmax goes over dimension 1.",
            lambda z, c, s: torch.softmax(-torch.cdist(z, c).square() / (2 * s**2), 0),
        ),
        Mistake(
            "The distance has to be squared.",
            lambda z, centres, sigma: _softmax(z, centres, 2 * sigma**2, power=1),
        ),
        Mistake(
            "Each row has to sum to 1: divide by its sum.",
            lambda z, c, sigma: torch.exp(-torch.cdist(z, c).square() / (2 * sigma**2)),
        ),
    ],
)


def bits(p, K):
    """log₂K less the mean surprise −log₂p."""
    return math.log2(K) - sum(-math.log2(one) for one in p.tolist()) / len(p)


BITS = Exercise(
    like=bits,
    on=[(_numbers(1, 1, 1), 2), (_numbers(0.5, 0.9, 0.25), 2), (_numbers(0.5, 0.25), 8)],
    mistakes=[
        Mistake("Bits need the logarithm to base 2.", lambda p, K: math.log(K) + p.log().mean()),
        Mistake(
            "The logarithm of each p, then the mean: the mean first is another number.",
            lambda p, K: math.log2(K) + p.mean().log2(),
        ),
        Mistake(
            "What is left open has to be taken away from log₂K: log₂p is below zero already.",
            lambda p, K: math.log2(K) - p.log2().mean(),
        ),
        Mistake("That is what is left open. What got through is log₂K less that.",
                lambda p, K: -p.log2().mean()),
        Mistake("On average over the messages: the mean of log₂p, not its sum.",
                lambda p, K: math.log2(K) + p.log2().sum()),
    ],
)  # fmt: skip


def capacity(sigma, P, n):
    """Bits through n Gaussian channels that share the budget P, at noise σ on each."""
    return n * math.log(1 + P / n / sigma**2) / (2 * math.log(2))


CAPACITY = Exercise(
    like=capacity,
    on=[(1.0, 8.0, 8), (0.5, 2.0, 1)],
    mistakes=[
        Mistake(
            "The budget is shared: each number has P/n.",
            lambda sigma, P, n: n / 2 * math.log2(1 + P / sigma**2),
        ),
        Mistake("The noise has to be squared.", lambda s, P, n: n / 2 * math.log2(1 + P / (n * s))),
        Mistake("Bits need the logarithm to base 2.",
                lambda s, P, n: n / 2 * math.log(1 + P / (n * s**2))),
        Mistake("The ½ is missing.", lambda s, P, n: n * math.log2(1 + P / (n * s**2))),
        Mistake("P / n * σ² multiplies by σ². Put nσ² into brackets.",
                lambda s, P, n: n / 2 * math.log2(1 + P / n * s**2)),
    ],
)  # fmt: skip


# ---- penalties, one number at a time ----


def keep_or_kill(v, t):
    """argmin over x of ½(x − v)² + t·(1 where x ≠ 0), for each entry of v."""
    return torch.where(0.5 * v.square() > t, v, torch.zeros_like(v))


HARD = Exercise(
    like=keep_or_kill,
    on=[(_numbers(2, 1.2, -0.9, -1.5), 0.8), (_numbers(0.5, -0.3), 0.02)],
    mistakes=[
        Mistake(
            "Compare the two costs: x = 0 costs ½v², x = v costs t. That is neither |v| > t nor "
            "v² > t.",
            lambda v, t: v * (v.abs() > t),
        ),
        Mistake(
            "That shrinks what survives: it is the operator of |x|. A fixed price per non-zero "
            "leaves v as it is.",
            lambda v, t: v.sign() * (v.abs() - t).clamp(min=0),
        ),
        Mistake("An entry below zero may survive too.", lambda v, t: v * (v > math.sqrt(2 * t))),
        Mistake(
            "The other way round: v stays where it would cost more to give it up, ½v² > t.",
            lambda v, t: v * (0.5 * v.square() < t),
        ),
    ],
)

EXERCISES = {
    "E": ENERGY,
    "F_tried": TRIED,
    "auc": AUC,
    "F_at": RULER,
    "F_one_hot": ONE_HOT,
    "free_energy": FREE_ENERGY,
    "posterior": POSTERIOR,
    "bits": BITS,
    "capacity": CAPACITY,
    "keep_or_kill": HARD,
}
