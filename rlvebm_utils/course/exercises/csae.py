"""The exercises of notebook 06: an encoder, its tie to the decoder, and fair comparisons."""

import functools
import itertools
import operator

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


def _before_the_gain(Y, C, b):
    """What tanh is applied to, by its inverse."""
    return torch.atanh(encode(Y, C, b, torch.ones_like(b)))


def gradient(c, Z, guess, alpha):
    """By automatic differentiation: the fit falls along c, the third term is a parabola."""
    with torch.enable_grad():
        Z = Z.clone().requires_grad_()
        smooth = -(c * Z).sum() + alpha / 2 * (Z - guess).square().sum()
        return torch.autograd.grad(smooth, Z)[0]


def distance(Z, guess):
    """By lengths, squared."""
    return torch.dist(Z, guess) ** 2 / torch.linalg.vector_norm(Z) ** 2


def p_value(cosines):
    """Every pairing, one by one, in numbers."""
    return _share_of_pairings(cosines, lambda total, own: total >= own - 1e-12)


def _share_of_pairings(cosines, counts):
    """How often ``counts(its sum, the diagonal's sum)`` is true, over all pairings."""
    rows = cosines.tolist()
    sums = [  # added one by one: ``sum`` rounds in another way from Python 3.12 on
        functools.reduce(operator.add, (row[j] for row, j in zip(rows, order, strict=True)))
        for order in itertools.permutations(range(len(rows)))
    ]
    return sum(counts(total, sums[0]) for total in sums) / len(sums)


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


# Each pairing has the same sum, but for rounding: double, whatever the default is.
EQUAL = torch.tensor([[0.1, 0.2, 0.3]] * 3, dtype=torch.float64)
COSINES = torch.tensor([[0.9, 0.2, 0.1], [0.3, 0.5, 0.6], [0.2, 0.4, 0.7]])
A = torch.tensor([80.0, 84.0, 82.0, 86.0, 83.0])
BASE = torch.tensor([78.0, 81.0, 81.0, 82.0, 81.0])
V = torch.tensor([2.0, 0.5, -0.5, -2.5])

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
                "Your bias comes after tanh, and is multiplied by the gain. It stands inside tanh.",
                lambda Y, C, b, g: encode(Y, C, 0 * b, g) + (g * b)[:, None, None],
            ),
            Mistake(
                "The bias b is missing.",
                lambda Y, C, b, g: encode(Y, C, 0 * b, g),
            ),
            Mistake(
                "The non-linearity is missing: tanh comes before the gain.",
                lambda Y, C, b, g: _before_the_gain(Y, C, b) * g[:, None, None],
            ),
            Mistake(
                "Your gains multiply columns of the images. There is one gain a map: "
                "g[:, None, None].",
                lambda Y, C, b, g: encode(Y, C, b, g / g) * g,
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
        on=[(torch.tensor([1.0, -2.0]), torch.tensor([0.5, 0.0]), torch.tensor([2.0, -1.0]), 0.4)],
        mistakes=[
            Mistake(
                "Your third term pushes away from the guess. Where Z is above it, its slope is "
                "positive.",
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
                "The ½ in front of the square cancels the 2.",
                lambda c, Z, guess, alpha: -c + 2 * alpha * (Z - guess),
            ),
            Mistake(
                "That is minus the gradient, the way down. The step subtracts the gradient itself.",
                lambda c, Z, guess, alpha: c - alpha * (Z - guess),
            ),
            Mistake(
                "The weight α is missing.",
                lambda c, Z, guess, alpha: -c + (Z - guess),
            ),
            Mistake(
                "The third term is missing: its slope is α times Z less the guess.",
                lambda c, Z, guess, alpha: -c,
            ),
            Mistake(
                "The fit is missing: its slope is −c.",
                lambda c, Z, guess, alpha: alpha * (Z - guess),
            ),
        ],
    ),
    "distance": Exercise(
        like=distance,
        on=[(torch.tensor([2.0, 4.0, 4.0]), torch.tensor([0.0, 4.0, 1.0]))],
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
            Mistake(
                "That is the D of notebook 3. Here there is no ½, and D is relative to ‖Z‖².",
                lambda Z, guess: 0.5 * (Z - guess).square().sum(),
            ),
            Mistake(
                "Here there is no ½.",
                lambda Z, guess: 0.5 * distance(Z, guess),
            ),
            Mistake(
                "That is a mean over the entries. Relative to what? Divide by ‖Z‖².",
                lambda Z, guess: (Z - guess).square().mean(),
            ),
            Mistake(
                "You divide entry by entry, and then take the sum. Take the two sums, then divide.",
                lambda Z, guess: ((Z - guess) / Z).square().sum(),
            ),
        ],
    ),
    "p_value": Exercise(
        like=p_value,
        on=[(COSINES,), (EQUAL,)],
        mistakes=[
            Mistake(
                "The true pairing is one of the pairings: count it, so that the share is never 0.",
                lambda cosines: (6 * p_value(cosines) - 1) / 6,
            ),
            Mistake(
                "The true pairing is one of the pairings: count it among all of them, too.",
                lambda cosines: (6 * p_value(cosines) - 1) / 5,
            ),
            Mistake(
                "At least as large: equal sums count, that of the true pairing among them.",
                lambda cosines: _share_of_pairings(cosines, lambda total, own: total > own + 1e-12),
            ),
            Mistake(
                "Sums that are equal but for rounding have to count as equal: compare with the "
                "diagonal's sum less 1e-12.",
                lambda cosines: _share_of_pairings(cosines, lambda total, own: total >= own),
            ),
            Mistake(
                "That is how many. Which share is it? Divide by the number of pairings.",
                lambda cosines: 6 * p_value(cosines),
            ),
            Mistake(
                "That is the share that do worse.",
                lambda cosines: _share_of_pairings(cosines, lambda total, own: total < own),
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
            Mistake(
                "That is the standard deviation of the differences. The error of their mean is "
                "two of it, divided by √m.",
                lambda a, b: ((a - b).mean(), (a - b).std()),
            ),
            Mistake(
                "You divide by m. The error of a mean falls with √m.",
                lambda a, b: ((a - b).mean(), 2 * (a - b).std() / len(a)),
            ),
            Mistake(
                "That is made of the variance. s is its square root, the standard deviation.",
                lambda a, b: ((a - b).mean(), 2 * (a - b).var() / len(a) ** 0.5),
            ),
            Mistake(
                "Your standard deviation divides by m. With m − 1 it is .std() as it comes.",
                lambda a, b: ((a - b).mean(), 2 * (a - b).std(correction=0) / len(a) ** 0.5),
            ),
            Mistake(
                "The gain is a − b, and yours is b − a.",
                lambda a, b: ((b - a).mean(), 2 * (a - b).std() / len(a) ** 0.5),
            ),
        ],
    ),
    "slope": Exercise(
        like=slope,
        on=[(V, torch.tensor(0.8))],
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
            Mistake(
                "Your sign is the wrong one: with a larger θ every response comes nearer to zero.",
                lambda v, theta: v.sign() * (v.abs() > theta),
            ),
            Mistake(
                "That is the shrunk response itself. By how much does it change with θ?",
                lambda v, theta: soft_threshold(v, theta),
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
                "That is the kernels. Each map has a bias and a gain as well, and may have a θ.",
                lambda n, side, shrinkage: n * side**2,
            ),
            Mistake(
                "A bias or a gain is missing: each map has both.",
                lambda n, side, shrinkage: n * (side**2 + 1 + shrinkage),
            ),
            Mistake(
                "There is a bias and a gain for each map, not for all maps together.",
                lambda n, side, shrinkage: n * side**2 + 2 + shrinkage,
            ),
            Mistake(
                "There is a θ for each map, not one for all.",
                lambda n, side, shrinkage: n * (side**2 + 2) + shrinkage,
            ),
            Mistake(
                "θ is learned with shrinkage only.",
                lambda n, side, shrinkage: n * (side**2 + 3),
            ),
            Mistake(
                "Shrinkage learns a threshold θ for each map, tanh does not.",
                lambda n, side, shrinkage: n * (side**2 + 2),
            ),
        ],
    ),
}
