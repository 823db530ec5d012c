"""The exercises of notebook 06: an encoder, its tie to the decoder, and fair comparisons."""

import itertools

import torch

from ...penalties import soft_threshold
from .turn import Exercise, Mistake

Y = torch.tensor([[[1.0, 2.0, 0.0], [0.0, 1.0, -1.0]]])
C = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [-1.0, 0.0]]])
B, G = torch.tensor([0.5, -0.5]), torch.tensor([2.0, -1.0])


def encode(Y, C, b, g):
    """Place by place: hold the kernel against the image."""
    side = C.shape[-1]
    maps = Y.new_zeros(len(Y), len(C), Y.shape[1] - side + 1, Y.shape[2] - side + 1)
    for i, down, right in itertools.product(*map(range, maps.shape[1:])):
        patch = Y[:, down : down + side, right : right + side]
        maps[:, i, down, right] = g[i] * torch.tanh((patch * C[i]).sum((1, 2)) + b[i])
    return maps


def gradient(c, Z, guess, alpha):
    """By automatic differentiation: the fit falls along c, the tie is a parabola."""
    with torch.enable_grad():
        Z = Z.clone().requires_grad_()
        smooth = -(c * Z).sum() + alpha / 2 * (Z - guess).square().sum()
        return torch.autograd.grad(smooth, Z)[0]


def distance(Z, guess):
    """By lengths, squared."""
    return torch.dist(Z, guess) ** 2 / torch.linalg.vector_norm(Z) ** 2


def p_value(cosines):
    """Every pairing, one by one, in numbers."""
    rows = cosines.tolist()
    sums = [
        sum(row[j] for row, j in zip(rows, order, strict=True))
        for order in itertools.permutations(range(len(rows)))
    ]
    return sum(total >= sums[0] - 1e-12 for total in sums) / len(sums)


def gain(a, b):
    """From the definition of the standard deviation."""
    differences = [x - y for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    count = len(differences)
    mean = sum(differences) / count
    variance = sum((d - mean) ** 2 for d in differences) / (count - 1)
    return mean, 2 * (variance / count) ** 0.5


def slope(v, theta):
    """By automatic differentiation, one entry after another."""
    with torch.enable_grad():
        width = theta.clone().requires_grad_()
        shrunk = soft_threshold(v, width)
        each = [torch.autograd.grad(s, width, retain_graph=True)[0] for s in shrunk]
    return torch.stack(each)


def learned_numbers(n, side, shrinkage):
    """Kernels, then what a map has beside."""
    return n * side**2 + sum(n for _ in ("bias", "gain", "threshold")[: 2 + shrinkage])


COSINES = torch.tensor([[0.9, 0.2, 0.1], [0.3, 0.5, 0.6], [0.2, 0.4, 0.7]])
A, BASE = torch.tensor([80.0, 84.0, 82.0, 86.0]), torch.tensor([78.0, 81.0, 81.0, 82.0])
V = torch.tensor([2.0, 0.5, -0.5, -2.0])

EXERCISES = {
    "encode": Exercise(
        like=encode,
        on=[(Y, C, B, G)],
        mistakes=[
            Mistake(
                "Your bias comes after tanh. It decides where tanh is steep, so it stands inside.",
                lambda Y, C, b, g: encode(Y, C, 0 * b, g) + b[:, None, None],
            ),
            Mistake(
                "Your gain stands inside tanh. The «diagonal layer» comes after the non-linearity.",
                lambda Y, C, b, g: encode(Y, g[:, None, None] * C, g * b, g / g),
            ),
            Mistake(
                "Your kernels are turned round. The star ⋆ holds C against the image as it is.",
                lambda Y, C, b, g: encode(Y, C.flip(1, 2), b, g),
            ),
            Mistake(
                "The gain g is missing: tanh alone never leaves −1 to 1.",
                lambda Y, C, b, g: encode(Y, C, b, g / g),
            ),
        ],
    ),
    "gradient": Exercise(
        like=gradient,
        on=[(torch.tensor([1.0, -2.0]), torch.tensor([0.5, 0.0]), torch.tensor([2.0, -1.0]), 0.5)],
        mistakes=[
            Mistake(
                "Your tie pushes away from the guess. Where Z is above it, the slope is positive.",
                lambda c, Z, guess, alpha: -c + alpha * (guess - Z),
            ),
            Mistake(
                "The slope of the fit is −c: the energy falls along the correlations.",
                lambda c, Z, guess, alpha: c + alpha * (Z - guess),
            ),
            Mistake(
                "The 2 of the square and the ½ in front of it cancel.",
                lambda c, Z, guess, alpha: -c + alpha / 2 * (Z - guess),
            ),
            Mistake(
                "The tie to the guess is missing.",
                lambda c, Z, guess, alpha: -c,
            ),
        ],
    ),
    "distance": Exercise(
        like=distance,
        on=[(torch.tensor([3.0, 4.0]), torch.tensor([0.0, 4.0]))],
        mistakes=[
            Mistake(
                "These are lengths. D is made of their squares.",
                lambda Z, guess: (Z - guess).norm() / Z.norm(),
            ),
            Mistake(
                "You divide by the guess. Then an empty guess, whose D is 1, could not be judged.",
                lambda Z, guess: (Z - guess).square().sum() / guess.square().sum(),
            ),
            Mistake(
                "Relative to what? Divide by ‖Z‖².",
                lambda Z, guess: (Z - guess).square().sum(),
            ),
        ],
    ),
    "p_value": Exercise(
        like=p_value,
        on=[(COSINES,), (COSINES.flip(0),)],
        mistakes=[
            Mistake(
                "The true pairing is one of the pairings: count it, so that the share is never 0.",
                lambda cosines: (6 * p_value(cosines) - 1) / 6,
            ),
            Mistake(
                "That is the share that do worse.",
                lambda cosines: 1 - p_value(cosines),
            ),
            Mistake(
                "You took the best of each row. The p-value compares the sum over all pairs.",
                lambda cosines: float((cosines.argmax(1) != torch.arange(3)).double().mean()),
            ),
        ],
    ),
    "gain": Exercise(
        like=gain,
        on=[(A, BASE)],
        mistakes=[
            Mistake(
                "That is the spread of one seed. The error of a mean of m is √m times smaller.",
                lambda a, b: ((a - b).mean(), 2 * (a - b).std()),
            ),
            Mistake(
                "You took the errors of the two nets apart. They see the same digits: take the "
                "differences first.",
                lambda a, b: (
                    (a - b).mean(),
                    2 * ((a.var() + b.var()) / len(a)) ** 0.5,
                ),
            ),
            Mistake(
                "That is one standard error. Two were asked for.",
                lambda a, b: ((a - b).mean(), (a - b).std() / len(a) ** 0.5),
            ),
        ],
    ),
    "slope": Exercise(
        like=slope,
        on=[(V, torch.tensor(1.0))],
        mistakes=[
            Mistake(
                "A larger θ makes a positive response smaller, and raises a negative one.",
                lambda v, theta: -(v.abs() > theta).to(v),
            ),
            Mistake(
                "Between −θ and θ the response is zero, also when θ moves a little.",
                lambda v, theta: -v.sign(),
            ),
            Mistake(
                "That is the slope in v. How does the response change with θ?",
                lambda v, theta: (v.abs() > theta).to(v),
            ),
        ],
    ),
    "learned_numbers": Exercise(
        like=learned_numbers,
        on=[(8, 9, False), (2, 3, True)],
        mistakes=[
            Mistake(
                "That is the kernels. Each map has a bias and a gain as well.",
                lambda n, side, shrinkage: n * side**2 + n * shrinkage,
            ),
            Mistake(
                "Shrinkage learns a threshold θ for each map, tanh does not.",
                lambda n, side, shrinkage: n * (side**2 + 2),
            ),
        ],
    ),
}
