"""The exercises of notebook 04: pixels covered, a ring, ICA, kurtosis, few coefficients, phases."""

import math

import torch

from .turn import Exercise, Mistake


def pixels(W):
    """Atom by atom."""
    each = []
    for w in W.T.tolist():
        squares = [x * x for x in w]
        each.append(sum(squares) ** 2 / sum(x * x for x in squares))
    return W.new_tensor(each)


def ring(c):
    """Entry by entry: what stands i − j further on, round the ring."""
    n = len(c)
    return torch.stack([torch.stack([c[(i - j) % n] for j in range(n)]) for i in range(n)])


def ica_direction(B, X):
    """⟨tanh(b·x) x⟩ − ⟨tanh′(b·x)⟩ b for each row b, with tanh′ = 1/cosh²."""
    u = X @ B.T
    return (u.tanh().T @ X - u.cosh().pow(-2).sum(0)[:, None] * B) / len(X)


def excess_kurtosis(Y, W):
    """Of each column of Y W: the fourth moment over the squared second one, less 3."""
    x = Y @ W
    return x.pow(4).mean(0) / x.pow(2).mean(0).pow(2) - 3


def explained(y, V, k):
    """By taking the component with the largest share away, k times."""
    left = y
    for _ in range(k):
        answers = V.T @ left
        best = answers.abs().argmax()
        left = left - answers[best] * V[:, best]
    return 1 - left.square().sum() / y.square().sum()


def stripes(theta):
    """The direction, in whole degrees, that is nearest to a right angle with the wave's."""
    return float(min(range(180), key=lambda d: abs(math.cos(theta - math.radians(d)))))


def between(start, goal, t):
    """Turn by the angle from start to goal that lies within half a turn."""
    way = torch.atan2((goal - start).sin(), (goal - start).cos())
    return start + t * way


TWO = torch.tensor([[1.0, 2.0], [3.0, -2.0]])
FOUR = torch.tensor([[1.0, 0.5], [-1.0, 0.2], [2.0, -1.0], [0.5, 3.0]])
SAMPLES = torch.tensor([[1.0, 0.5], [-1.0, 0.2], [2.0, -1.0]])
TURNED = torch.tensor([[0.6, 0.8], [-0.8, 0.6]])
BASIS = torch.tensor([[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])

EXERCISES = {
    "pixels": Exercise(
        like=pixels,
        on=[(TWO,), (torch.tensor([[3.0], [1.0]]),)],
        mistakes=[
            Mistake(
                "Square the sum of squares: above the line stands (Σw²)².",
                lambda W: W.square().sum(0) / W.pow(4).sum(0),
            ),
            Mistake(
                "You summed over the atoms. An atom is a column, so sum over the rows: .sum(0).",
                lambda W: W.square().sum(1) ** 2 / W.pow(4).sum(1),
            ),
            Mistake(
                "Square each pixel first, then sum: (Σw)² is something else.",
                lambda W: W.sum(0) ** 4 / W.pow(4).sum(0),
            ),
            Mistake("Upside down: that is 1/k.", lambda W: 1 / pixels(W)),
            Mistake(
                "That is right for atoms of length 1. Here W may have any length.",
                lambda W: 1 / W.pow(4).sum(0),
            ),
            Mistake(
                "Squares, not sizes: (Σw²)² over Σw⁴.",
                lambda W: W.abs().sum(0) ** 2 / W.square().sum(0),
            ),
        ],
    ),
    "ring": Exercise(
        like=ring,
        on=[(torch.tensor([2.0, 1.0, 0.0]),), (torch.tensor([4.0, 3.0, 2.0, 1.0]),)],
        mistakes=[
            Mistake(
                "Yours is transposed: row i, column j holds c at i − j, not at j − i.",
                lambda c: ring(c).T,
            ),
            Mistake(
                "That is |i − j|, a line. On a ring, take (i − j) % n.",
                lambda c: torch.stack(
                    [torch.stack([c[abs(i - j)] for j in range(len(c))]) for i in range(len(c))]
                ),
            ),
            Mistake(
                "That makes c symmetric. Here c may be anything: i − j with its sign, modulo n.",
                lambda c: torch.stack(
                    [
                        torch.stack(
                            [c[min(abs(i - j), len(c) - abs(i - j))] for j in range(len(c))]
                        )
                        for i in range(len(c))
                    ]
                ),
            ),
            Mistake(
                "You went round by i + j. The entry depends on how far apart i and j are: i − j.",
                lambda c: torch.stack([c.roll(-i) for i in range(len(c))]),
            ),
        ],
    ),
    "ica_direction": Exercise(
        like=ica_direction,
        on=[(TURNED, SAMPLES), (torch.tensor([[0.6, 0.8]]), -SAMPLES)],
        mistakes=[
            Mistake(
                "Each direction, a row of B, has a ⟨1 − tanh²⟩ of its own: make the means a "
                "column, by [:, None].",
                lambda B, X: (
                    torch.tanh(B @ X.T) @ X / len(X)
                    - (1 - torch.tanh(X @ B.T) ** 2).mean(0).expand(X.shape[1]) * B
                ),
            ),
            Mistake(
                "One ⟨1 − tanh²⟩ for each direction: the mean over the samples alone.",
                lambda B, X: (
                    torch.tanh(B @ X.T) @ X / len(X) - (1 - torch.tanh(X @ B.T) ** 2).mean() * B
                ),
            ),
            Mistake(
                "Yours is without tanh: that is PCA's power step.",
                lambda B, X: (X @ B.T).T @ X / len(X) - B,
            ),
            Mistake(
                "The second term is missing: − ⟨1 − tanh²⟩ b. It is what makes it Newton's step.",
                lambda B, X: torch.tanh(B @ X.T) @ X / len(X),
            ),
            Mistake(
                "The first term is a mean over the samples, not a sum.",
                lambda B, X: ica_direction(B, X) + torch.tanh(B @ X.T) @ X * (1 - 1 / len(X)),
            ),
            Mistake(
                "The second term has a minus.",
                lambda B, X: 2 * torch.tanh(B @ X.T) @ X / len(X) - ica_direction(B, X),
            ),
            Mistake(
                "You took tanh twice in the second term: 1 − tanh², of b·x itself.",
                lambda B, X: (
                    torch.tanh(B @ X.T) @ X / len(X)
                    - (1 - torch.tanh(torch.tanh(B @ X.T)) ** 2).mean(1, keepdim=True) * B
                ),
            ),
            Mistake(
                "The derivative of tanh is 1 − tanh², with the square.",
                lambda B, X: (
                    torch.tanh(B @ X.T) @ X / len(X)
                    - (1 - torch.tanh(B @ X.T)).mean(1, keepdim=True) * B
                ),
            ),
        ],
    ),
    "excess_kurtosis": Exercise(
        like=excess_kurtosis,
        on=[(FOUR, torch.tensor([[1.0, 0.0], [0.5, 1.0]])), (FOUR, torch.tensor([[1.0], [-1.0]]))],
        mistakes=[
            Mistake(
                "Their mean is taken as zero: do not subtract it.",
                lambda Y, W: excess_kurtosis(Y @ W - (Y @ W).mean(0), torch.eye(W.shape[1])),
            ),
            Mistake(
                "The standard deviation of torch divides by N − 1 and subtracts the mean. Take "
                ".square().mean(0).",
                lambda Y, W: (Y @ W).pow(4).mean(0) / (Y @ W).var(0) ** 2 - 3,
            ),
            Mistake(
                "Means over the samples, not sums.",
                lambda Y, W: (Y @ W).pow(4).sum(0) / (Y @ W).square().sum(0) ** 2 - 3,
            ),
            Mistake(
                "The 3 of a Gaussian is not taken off.", lambda Y, W: excess_kurtosis(Y, W) + 3
            ),
            Mistake(
                "Divide by the square of the mean square, so that the scale of Y does not matter.",
                lambda Y, W: (Y @ W).pow(4).mean(0) / (Y @ W).square().mean(0) - 3,
            ),
        ],
    ),
    "explained": Exercise(
        like=explained,
        on=[(torch.tensor([-1.0, 2.0, -2.0]), BASIS, 1), (torch.tensor([1.0, 1, 2]), BASIS, 2)],
        mistakes=[
            Mistake(
                "V is not used: those are the pixels of y. Project first, Vᵀy.",
                lambda y, V, k: y.square().topk(k).values.sum() / y.square().sum(),
            ),
            Mistake(
                "A share is wanted: divide by ‖y‖².",
                lambda y, V, k: explained(y, V, k) * y.square().sum(),
            ),
            Mistake(
                "Shares of ‖y‖² add up by squares, not by sizes.",
                lambda y, V, k: (V.T @ y).abs().topk(k).values.sum() / (V.T @ y).abs().sum(),
            ),
            Mistake(
                "Those are the first k. The k largest are wanted, whatever their place.",
                lambda y, V, k: (V.T @ y)[:k].square().sum() / y.square().sum(),
            ),
            Mistake(
                "The largest by size: a coefficient of −3 counts for more than one of 1.",
                lambda y, V, k: (V.T @ y).topk(k).values.square().sum() / y.square().sum(),
            ),
            Mistake(
                "The coefficients are Vᵀy: the columns of V are the components.",
                lambda y, V, k: (V @ y).abs().topk(k).values.square().sum() / y.square().sum(),
            ),
            Mistake("That is what is left over.", lambda y, V, k: 1 - explained(y, V, k)),
        ],
    ),
    "stripes": Exercise(
        like=stripes,
        on=[(0.0,), (math.pi / 2,), (3 * math.pi / 4,), (math.pi / 4,)],
        mistakes=[
            Mistake(
                "That is where the wave runs. Its stripes are at a right angle to it.",
                lambda theta: math.degrees(theta),
            ),
            Mistake(
                "180° and 0° are the same stripes: stay below 180.",
                lambda theta: math.degrees(theta) + 90,
            ),
            Mistake(
                "θ comes in radians, and degrees are asked for.",
                lambda theta: (theta + math.pi / 2) % math.pi,
            ),
            Mistake(
                "Stay at 0 or above: % 180.",
                lambda theta: math.degrees(theta) - 90,
            ),
            Mistake(
                "You mirrored: the angle grows on, by 90°.",
                lambda theta: (90 - math.degrees(theta)) % 180,
            ),
        ],
    ),
    "between": Exercise(
        like=between,
        period=2 * math.pi,
        on=[
            (torch.tensor([0.0, 3.0]), torch.tensor([1.0, -3.0]), 0.25),
            (torch.tensor([1.0, -2.0]), torch.tensor([0.0, 2.5]), 0.25),
        ],
        mistakes=[
            Mistake(
                "Yours always goes forward. From 1 to 0 the short way goes back, by 1: add π before"
                " the % and take it off after it.",
                lambda start, goal, t: start + t * ((goal - start) % (2 * math.pi)),
            ),
            Mistake(
                "% π takes half turns away. Once round the circle is 2π.",
                lambda start, goal, t: start + t * ((goal - start) % math.pi),
            ),
            Mistake(
                "Begin at the start: start + t · (the way).",
                lambda start, goal, t: between(start, goal, t) - start,
            ),
            Mistake(
                "From 3 to −3 the short way leads over π: less than half a turn, and not over 0.",
                lambda start, goal, t: start + t * (goal - start),
            ),
            Mistake(
                "Yours runs backwards: at t = 0 the phase is that of the start.",
                lambda start, goal, t: between(goal, start, t),
            ),
            Mistake(
                "The way is never multiplied with t.",
                lambda start, goal, t: between(start, goal, 1.0),
            ),
        ],
    ),
}
