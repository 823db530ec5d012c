"""The exercises of notebook 07: a ball's cost, the KL divergence in three steps, Jensen, sizes."""

import math

import torch

from .turn import Exercise, Mistake


def average_energy(y, y_hat, z_bar, k):
    """Digit by digit, entry by entry."""
    rows = zip(y.tolist(), y_hat.tolist(), z_bar.tolist(), strict=True)
    each = [
        sum((a - b) ** 2 for a, b in zip(one, drawn, strict=True)) / 2 + k * sum(v * v for v in z)
        for one, drawn, z in rows
    ]
    return y.new_tensor(each)


def point(z_bar, log_v, eps):
    """From the radius: σ is the square root of v."""
    return z_bar + log_v.exp() ** 0.5 * eps


def entropy(log_v):
    """By PyTorch's normal distribution."""
    normal = torch.distributions.Normal(torch.zeros_like(log_v), torch.exp(0.5 * log_v))
    return normal.entropy().sum(-1)


def cross(z_bar, log_v):
    """Where the square of a Gaussian number is on average: z̄² + v."""
    squares = (z_bar.pow(2) + torch.exp(log_v)).sum(-1)
    return 0.5 * (squares + z_bar.shape[-1] * math.log(2 * math.pi))


def kl(z_bar, log_v):
    """By PyTorch's divergence of two normal distributions."""
    ball = torch.distributions.Normal(z_bar, torch.exp(0.5 * log_v))
    standard = torch.distributions.Normal(torch.zeros_like(z_bar), torch.ones_like(z_bar))
    return torch.distributions.kl_divergence(ball, standard).sum(-1)


def two_bounds(a):
    """One after the other, in numbers."""
    values = a.tolist()
    return -sum(values) / len(values), -math.log(sum(map(math.exp, values)) / len(values))


def best_variance(c, T):
    """Where the slope c + ½T(1 − 1/v) is zero."""
    return T / 2 / (T / 2 + c)


def warm_up(step, steps):
    """A ramp, then a level."""
    ramp = steps * 6 / 10
    return 1.0 if step > ramp else 0.2 + 0.8 * step / ramp


def sigma_of_collapse(k, lam1):
    """From kσ² = λ₁/2."""
    return math.sqrt(lam1 / 2 / k)


def distance_for(share, sigma):
    """From log(1/share) = d²/8σ²."""
    return math.sqrt(-8 * math.log(share)) * sigma


PAIR = torch.tensor([[1.0, 0.0], [0.5, 0.5]]), torch.tensor([[0.0, 0.0], [0.5, 1.0]])
MIDDLES = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
MIDDLE, LOG_V = torch.tensor([1.0, -2.0]), torch.tensor([0.0, -1.0])

EXERCISES = {
    "average_energy": Exercise(
        like=average_energy,
        on=[(*PAIR, MIDDLES, 0.3)],
        mistakes=[
            Mistake(
                "The ½ in front of the squared distance is missing.",
                lambda y, y_hat, z, k: average_energy(y, y_hat, z, k / 2) * 2,
            ),
            Mistake(
                "The spring costs k‖z̄‖²; here k says it all, and no ½ stands in front of it.",
                lambda y, y_hat, z, k: average_energy(y, y_hat, z, k / 2),
            ),
            Mistake(
                "The spring costs the squared length of z̄, not its length.",
                lambda y, y_hat, z, k: average_energy(y, y_hat, 0 * z, k) + k * z.norm(dim=1),
            ),
            Mistake(
                "The spring pulls to the origin: its cost is added, not taken away.",
                lambda y, y_hat, z, k: average_energy(y, y_hat, z, -k),
            ),
            Mistake(
                "The spring k‖z̄‖² is missing.",
                lambda y, y_hat, z, k: average_energy(y, y_hat, z, 0.0),
            ),
            Mistake(
                "The fit is a sum over the pixels of a digit, not a mean.",
                lambda y, y_hat, z, k: (
                    average_energy(y, y_hat, z, k)
                    + (1 / y.shape[1] - 1) * average_energy(y, y_hat, z, 0.0)
                ),
            ),
            Mistake(
                "Each row is a digit: sum along the rows, over dimension 1.",
                lambda y, y_hat, z, k: average_energy(y.T, y_hat.T, z.T, k),
            ),
        ],
    ),
    "point": Exercise(
        like=point,
        on=[
            (MIDDLE, LOG_V, torch.tensor([2.0, 1.0])),
            (MIDDLE, torch.tensor([0.0, 1.0]), torch.tensor([0.0, 2.0])),
        ],
        mistakes=[
            Mistake(
                "Your noise is multiplied with the variance. The radius is σ = √v = exp(½ log v).",
                lambda z_bar, log_v, eps: z_bar + log_v.exp() * eps,
            ),
            Mistake(
                "log_v may be negative, a radius may not: take exp of half of it.",
                lambda z_bar, log_v, eps: z_bar + log_v * eps,
            ),
            Mistake(
                "The noise is to be multiplied with the radius of the ball.",
                lambda z_bar, log_v, eps: z_bar + eps,
            ),
            Mistake(
                "The noise is multiplied with the radius alone: z̄ stands outside.",
                lambda z_bar, log_v, eps: (z_bar + log_v.exp() ** 0.5) * eps,
            ),
            Mistake(
                "The ½ belongs inside: exp(½ log v), not ½ exp(log v).",
                lambda z_bar, log_v, eps: z_bar + 0.5 * log_v.exp() * eps,
            ),
        ],
    ),
    "entropy": Exercise(
        like=entropy,
        on=[(LOG_V,), (torch.tensor([2.0]),)],
        mistakes=[
            Mistake(
                "The constant ½(log(2π) + 1) is missing, once for each direction.",
                lambda log_v: 0.5 * log_v.sum(-1),
            ),
            Mistake(
                "Your sign is turned: a larger ball has more entropy.",
                lambda log_v: -entropy(log_v),
            ),
            Mistake(
                "You took log v for log σ. It is twice that: v = σ².",
                lambda log_v: entropy(2 * log_v),
            ),
            Mistake(
                "The 1 beside log(2π) is missing. It is the mean of (z − z̄)²/v.",
                lambda log_v: entropy(log_v) - log_v.shape[-1] / 2,
            ),
            Mistake(
                "The constant ½(log(2π) + 1) comes once for each direction: it stands in the sum.",
                lambda log_v: entropy(log_v) - (log_v.shape[-1] - 1) * entropy(0 * log_v[..., :1]),
            ),
            Mistake("The ½ is missing.", lambda log_v: 2 * entropy(log_v)),
            Mistake(
                "You took the mean over the directions. Their entropies are added.",
                lambda log_v: entropy(log_v) / log_v.shape[-1],
            ),
            Mistake(
                "You took v for log v. The formula has the logarithm, and the encoder gives it.",
                lambda log_v: entropy(log_v.exp()),
            ),
        ],
    ),
    "cross": Exercise(
        like=cross,
        on=[(MIDDLE, LOG_V), (torch.tensor([0.0]), torch.tensor([1.0]))],
        mistakes=[
            Mistake(
                "The noise costs too: the mean of z² over the ball is z̄² + v.",
                lambda z_bar, log_v: cross(z_bar, log_v) - 0.5 * log_v.exp().sum(-1),
            ),
            Mistake(
                "The constant (n/2) log 2π is missing. It is what makes N(z; 0, I) a density.",
                lambda z_bar, log_v: 0.5 * (z_bar.square() + log_v.exp()).sum(-1),
            ),
            Mistake(
                "You took log v for v.",
                lambda z_bar, log_v: cross(z_bar, 0 * log_v) + 0.5 * (log_v - 1).sum(-1),
            ),
            Mistake(
                "The spring on the middle, ½‖z̄‖², is missing.",
                lambda z_bar, log_v: cross(0 * z_bar, log_v),
            ),
            Mistake(
                "The constant ½ log 2π comes once for each direction.",
                lambda z_bar, log_v: (
                    cross(z_bar, log_v) - 0.5 * (z_bar.shape[-1] - 1) * math.log(2 * math.pi)
                ),
            ),
            Mistake("The ½ is missing.", lambda z_bar, log_v: 2 * cross(z_bar, log_v)),
            Mistake(
                "You took σ for v. The mean of the squared noise is v = exp(log v).",
                lambda z_bar, log_v: cross(z_bar, 0.5 * log_v),
            ),
        ],
    ),
    "kl": Exercise(
        like=kl,
        on=[(MIDDLE, LOG_V), (torch.tensor([[0.5], [0.0]]), torch.tensor([[1.0], [0.0]]))],
        mistakes=[
            Mistake(
                "The sign of log v is turned: the smaller the ball, the more it must cost.",
                lambda z_bar, log_v: kl(z_bar, log_v) + log_v.sum(-1),
            ),
            Mistake("The ½ is missing.", lambda z_bar, log_v: 2 * kl(z_bar, log_v)),
            Mistake(
                "The 1 is missing: a ball with z̄ = 0 and v = 1 must cost nothing.",
                lambda z_bar, log_v: kl(z_bar, log_v) + z_bar.shape[-1] / 2,
            ),
            Mistake(
                "You took log v for v.",
                lambda z_bar, log_v: kl(z_bar, log_v) + 0.5 * (log_v - log_v.exp()).sum(-1),
            ),
            Mistake(
                "You took step 1 less step 2. The KL is the cross-entropy less the entropy.",
                lambda z_bar, log_v: -kl(z_bar, log_v),
            ),
            Mistake(
                "The spring on the middle, ½‖z̄‖², is missing.",
                lambda z_bar, log_v: kl(0 * z_bar, log_v),
            ),
            Mistake(
                "You added the entropy. It is taken away: a large ball costs less.",
                lambda z_bar, log_v: cross(z_bar, log_v) + entropy(log_v),
            ),
            Mistake(
                "The 1 comes once for each direction: it stands in the sum.",
                lambda z_bar, log_v: kl(z_bar, log_v) + 0.5 * (z_bar.shape[-1] - 1),
            ),
        ],
    ),
    "two_bounds": Exercise(
        like=two_bounds,
        on=[(torch.tensor([-1.0, -3.0]),), (torch.tensor([0.5, -2.0, -2.0]),)],
        mistakes=[
            Mistake(
                "The second is the logarithm of a mean, not of a sum: divide by K inside.",
                lambda a: (-a.mean(), -a.exp().sum().log()),
            ),
            Mistake(
                "Your two values are in the other order.",
                lambda a: two_bounds(a)[::-1],
            ),
            Mistake(
                "Both are costs: minus the mean, and minus the logarithm.",
                lambda a: (a.mean(), a.exp().mean().log()),
            ),
            Mistake(
                "The second is a cost too: minus the logarithm.",
                lambda a: (-a.mean(), a.exp().mean().log()),
            ),
            Mistake(
                "The mean stands inside the logarithm; outside, it undoes the exponential.",
                lambda a: (-a.mean(), -a.exp().log().mean()),
            ),
            Mistake(
                "The first is a mean, not a sum.",
                lambda a: (-a.sum(), -a.exp().mean().log()),
            ),
            Mistake(
                "Divide by K inside the logarithm; outside, that is − log K.",
                lambda a: (-a.mean(), -a.logsumexp(0) / len(a)),
            ),
        ],
    ),
    "best_variance": Exercise(
        like=best_variance,
        on=[(2.0, 1.0), (0.0, 1.0), (3.0, 4.0)],
        mistakes=[
            Mistake(
                "The slope of ½T(v − log v − 1) is ½T(1 − 1/v): look at the ½.",
                lambda c, T: T / (T + c),
            ),
            Mistake(
                "T is missing: the more the size costs, the nearer to 1 is the best v.",
                lambda c, T: 1 / (1 + 2 * c),
            ),
            Mistake(
                "That is 1/v. A steep fit makes the best ball small.",
                lambda c, T: (T + 2 * c) / T,
            ),
        ],
    ),
    "warm_up": Exercise(
        like=warm_up,
        on=[(0, 100), (30, 100), (90, 100)],
        mistakes=[
            Mistake(
                "It goes on rising past 1. From step 0.6 · steps on the factor stays 1.",
                lambda step, steps: 0.2 + 0.8 * step / (0.6 * steps),
            ),
            Mistake(
                "It starts at 0: without any price the balls shrink to dots first. Start at 0.2.",
                lambda step, steps: min(1.0, step / (0.6 * steps)),
            ),
            Mistake(
                "It reaches 1 only at the last step; it should after 0.6 of them.",
                lambda step, steps: 0.2 + 0.8 * step / steps,
            ),
            Mistake(
                "The ramp rises by 0.8, from 0.2 to 1; yours reaches 1 too early.",
                lambda step, steps: min(1.0, 0.2 + step / (0.6 * steps)),
            ),
            Mistake(
                "That is a jump. The factor is to rise in a straight line.",
                lambda step, steps: 0.2 if step < 0.6 * steps else 1.0,
            ),
            Mistake(
                "max keeps the larger of the two, which is 1 from the start. Take min.",
                lambda step, steps: max(1.0, 0.2 + 0.8 * step / (0.6 * steps)),
            ),
        ],
    ),
    "sigma_of_collapse": Exercise(
        like=sigma_of_collapse,
        on=[(0.5, 4.5), (2.0, 16.0)],
        mistakes=[
            Mistake("That is σ². Take the root.", lambda k, lam1: lam1 / (2 * k)),
            Mistake("That is k* for σ = 1; here k is given.", lambda k, lam1: lam1 / 2),
            Mistake(
                "The ½ of the fit is missing: kσ² = λ₁/2 at the collapse.",
                lambda k, lam1: (lam1 / k) ** 0.5,
            ),
            Mistake(
                "Upside down: the stiffer the spring, the smaller σ.",
                lambda k, lam1: (2 * k / lam1) ** 0.5,
            ),
        ],
    ),
    "distance_for": Exercise(
        like=distance_for,
        on=[(0.5, 1.0), (0.9, 2.0)],
        mistakes=[
            Mistake(
                "That is exp(−d²/2σ²), one ball's density. The overlap falls as exp(−d²/8σ²).",
                lambda share, sigma: sigma * (2 * math.log(1 / share)) ** 0.5,
            ),
            Mistake(
                "That is d². Take the root.",
                lambda share, sigma: 8 * sigma**2 * math.log(1 / share),
            ),
            Mistake(
                "Lengths are in units of σ: twice the radius, twice the distance.",
                lambda share, sigma: distance_for(share, 1.0),
            ),
            Mistake(
                "σ is outside of the root, so it is not squared there.",
                lambda share, sigma: sigma * distance_for(share, sigma),
            ),
            Mistake(
                "That goes the other way: from a distance to its overlap.",
                lambda share, sigma: math.exp(-(share**2) / (8 * sigma**2)),
            ),
        ],
    ),
}
