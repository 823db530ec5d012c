"""The exercises of notebook 05: a sum of convolutions, its adjoint and L, codes that follow an
image, what an update adds up, better kernels, and two numbers about the matrix.
"""

import torch

from .turn import Exercise, Mistake


def decode(K, Z):
    """A shifted copy of all maps for each pixel of the kernels."""
    n, p, q = Z.shape
    side = K.shape[-1]
    Y = Z.new_zeros(p + side - 1, q + side - 1)
    for r in range(side):
        for c in range(side):
            Y[r : r + p, c : c + q] += torch.einsum("n,npq->pq", K[:, r, c], Z)
    return Y


def adjoint(K, R):
    """All pieces of the image, against all kernels in one product."""
    side = K.shape[-1]
    pieces = R.unfold(0, side, 1).unfold(1, side, 1)
    return torch.einsum("pqrc,nrc->npq", pieces, K)


def lipschitz(K, size):
    """Frequency by frequency, from the definition of a Fourier transform."""
    x = torch.arange(K.shape[-1], dtype=K.dtype)
    f = torch.arange(size, dtype=K.dtype)
    turn = 2 * torch.pi * f[:, None] * x / size
    waves = torch.complex(turn.cos(), -turn.sin())
    spectra = torch.einsum("fr,nrc,gc->nfg", waves, K.to(waves.dtype), waves)
    return (spectra.real.square() + spectra.imag.square()).sum(0).max()


def follows(Z, Z_moved, down, right):
    """Only what is moved onto the map counts; the rest comes in as zeros."""
    p, q = Z.shape[-2:]
    here = torch.nn.functional.pad(Z, (right, 0, down, 0))[:, :p, :q]
    return (Z_moved - here).norm() / Z.norm()


def statistic(Z, X, low, high):
    """By a padded copy of X, of which a window is held against Z at each step."""
    p, q = Z.shape[-2:]
    h, w = X.shape[-2:]
    before, below, right = max(0, -low), max(0, p + high - h), max(0, q + high - w)
    wide = torch.nn.functional.pad(X, (before, right, before, below))
    steps = range(low + before, high + before + 1)
    rows = [[(Z * wide[:, r : r + p, c : c + q]).sum() for c in steps] for r in steps]
    return torch.stack([torch.stack(row) for row in rows])


def update(G, B):
    """By Cholesky's factor: G is symmetric and positive."""
    factor = torch.linalg.cholesky(G)
    K = torch.cholesky_solve(B.reshape(-1, 1), factor).reshape(B.shape)
    return K / K.square().sum((1, 2), keepdim=True).sqrt()


def emptying(K, Y):
    """Place by place, kernel by kernel."""
    side = K.shape[-1]
    places = [
        (K * Y[r : r + side, c : c + side]).sum((1, 2)).abs().max()
        for r in range(Y.shape[0] - side + 1)
        for c in range(Y.shape[1] - side + 1)
    ]
    return torch.stack(places).max()


def numbers(h, w, side, n):
    """Rows times columns, and what the columns are made of."""
    pixels = h * w
    columns = sum((h - side + 1) * (w - side + 1) for _ in range(n))
    return pixels * columns, sum(side * side for _ in range(n))


K = torch.tensor([[[1.0, 2.0], [0.0, -1.0]], [[0.0, 1.0], [3.0, 0.0]]])
Z = torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[0.0, -1.0], [0.0, 0.0]]])
MAPS = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]], [[0.0, -1.0, 0.0], [0.0, 0.0, 3.0]]])
SADDLE = torch.tensor([[[1.0, 1.0], [1.0, -1.0]], [[0.0, 2.0], [1.0, 1.0]]])
Y = torch.tensor([[1.0, 0.0, 2.0], [-1.0, 3.0, 0.0], [0.0, 1.0, 1.0]])
CORNER = torch.tensor([[9.0, 0.0, 2.0, 0.0], [-1.0, 3.0, 0.0, 1.0], [0.0, 1.0, 1.0, -8.0]])
LONG = torch.tensor([[[1.0, -2.0, 0.0, 4.0]]])  # a map of one row
MOVED = torch.tensor([[[0.0, 1.0, -2.0, 1.0]]])
FIRST = torch.tensor([[[1.0, 2.0], [0.0, -1.0]]])
SECOND = torch.tensor([[[0.0, 1.0], [3.0, 0.0]]])
G = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
B = torch.tensor([[[4.0, 7.0]]])
WIDE_G = torch.ones(4, 4) + torch.diag(torch.tensor([2.0, 1.0, 3.0, 1.0]))
WIDE_B = torch.tensor([[[3.0], [8.0]], [[1.0], [2.0]]])
SQUARE_B = torch.tensor([[[3.0, 8.0], [1.0, 2.0]]])


def _solved(G, B):
    return torch.linalg.solve(G, B.flatten()).reshape(B.shape)


def _each_normed(K):
    return K / K.square().sum((1, 2), keepdim=True).sqrt()


EXERCISES = {
    "decode": Exercise(
        like=decode,
        on=[(K, MAPS)],
        mistakes=[
            Mistake(
                "Your kernels lie turned round: that is correlation. A stamp stays as it is.",
                lambda K, Z: decode(K.flip(1, 2), Z),
            ),
            Mistake(
                "Where two stamps overlap, they add up. Yours overwrite each other.",
                lambda K, Z: _overwritten(K, Z),
            ),
            Mistake(
                "A stamp is put down times the entry of the map. You use the kernel alone.",
                lambda K, Z: decode(K, (Z != 0).to(Z)),
            ),
            Mistake(
                "Rows and columns of the kernels are exchanged.",
                lambda K, Z: decode(K.mT, Z),
            ),
            Mistake(
                "Your image is as small as the maps. A kernel at the last place reaches a − 1 "
                "pixels further.",
                lambda K, Z: decode(K, Z)[: Z.shape[1], : Z.shape[2]],
            ),
        ],
    ),
    "adjoint": Exercise(
        like=adjoint,
        on=[(K, Y)],
        mistakes=[
            Mistake(
                "You turned the kernels round: that is convolution. The adjoint holds each kernel "
                "against the image as it is.",
                lambda K, R: adjoint(K.flip(1, 2), R),
            ),
            Mistake(
                "Rows and columns of the kernels are exchanged.",
                lambda K, R: adjoint(K.mT, R),
            ),
            Mistake(
                "You summed over the kernels. Each kernel has a map of its own.",
                lambda K, R: adjoint(K, R).sum(0, keepdim=True).expand(len(K), -1, -1),
            ),
            Mistake(
                "The gradient has a minus. The adjoint itself has none.",
                lambda K, R: -adjoint(K, R),
            ),
            Mistake(
                "Your maps are as large as the image. Only places where the whole kernel lies "
                "inside it count: no padding.",
                lambda K, R: _padded(K, R, 0),
            ),
            Mistake(
                "Your maps are larger than the image: «full» correlation. Only places where the "
                "whole kernel lies inside it count: no padding.",
                lambda K, R: _padded(K, R, 1),
            ),
        ],
    ),
    "lipschitz": Exercise(
        like=lipschitz,
        on=[(SADDLE, 4), (K, 5)],
        mistakes=[
            Mistake(
                "That is the largest L of one kernel alone. At each frequency, sum over kernels.",
                lambda K, size: torch.fft.fft2(K, s=(size, size)).abs().square().max(),
            ),
            Mistake(
                "A spectrum of the small kernel alone has too few frequencies: "
                "fft2(K, s=(size, size)).",
                lambda K, size: torch.fft.fft2(K).abs().square().sum(0).max(),
            ),
            Mistake(
                "Square first, then sum over the kernels.",
                lambda K, size: torch.fft.fft2(K, s=(size, size)).abs().sum(0).square().max(),
            ),
            Mistake(
                "A size has no phase: take abs() of each spectrum, square it, and then sum.",
                lambda K, size: torch.fft.fft2(K, s=(size, size)).sum(0).abs().square().max(),
            ),
            Mistake(
                "That is the largest singular value of W. L is its square.",
                lambda K, size: lipschitz(K, size).sqrt(),
            ),
            Mistake(
                "The squares are missing: L is the largest Σ|K̂ᵢ|².",
                lambda K, size: torch.fft.fft2(K, s=(size, size)).abs().sum(0).max(),
            ),
            Mistake(
                "You added up the largest values of the kernels. They need not lie at the same "
                "frequency: sum first, then take the maximum.",
                lambda K, size: torch.fft.fft2(K, s=(size, size)).abs().square().amax((1, 2)).sum(),
            ),
            Mistake(
                "That is the sum of the squares of all kernels: the mean over the frequencies, "
                "not the maximum. A step of 1/L would be too long.",
                lambda K, size: K.square().sum(),
            ),
        ],
    ),
    "follows": Exercise(
        like=follows,
        on=[(LONG, MOVED, 0, 1), (Z, Z.flip(0), 1, 0)],
        mistakes=[
            Mistake(
                "You compare with the old code where it was. Move it first.",
                lambda Z, Z_moved, down, right: (Z_moved - Z).norm() / Z.norm(),
            ),
            Mistake(
                "Relative to what? Divide by the length of the old code.",
                lambda Z, Z_moved, down, right: follows(Z, Z_moved, down, right) * Z.norm(),
            ),
            Mistake(
                "With roll, what leaves at one side comes in at the other. Here zeros come in.",
                lambda Z, Z_moved, down, right: (
                    (Z_moved - Z.roll((down, right), (1, 2))).norm() / Z.norm()
                ),
            ),
            Mistake(
                "down and right are exchanged: F.pad begins with the last axis.",
                lambda Z, Z_moved, down, right: follows(Z, Z_moved, right, down),
            ),
            Mistake(
                "A norm is wanted, not its square.",
                lambda Z, Z_moved, down, right: follows(Z, Z_moved, down, right).square(),
            ),
            Mistake(
                "Relative to the old code: divide by the norm of Z.",
                lambda Z, Z_moved, down, right: (
                    follows(Z, Z_moved, down, right) * Z.norm() / Z_moved.norm()
                ),
            ),
        ],
    ),
    "statistic": Exercise(
        like=statistic,
        on=[
            (FIRST, SECOND, -1, 1),
            (FIRST, Y[None], 0, 1),
            (torch.cat([FIRST, SECOND]), torch.cat([SECOND, 2 * FIRST]), 0, 1),
        ],
        mistakes=[
            Mistake(
                "The step belongs to X: Z(x)·X(x + s). Yours is X(x − s).",
                lambda Z, X, low, high: statistic(Z, X, -high, -low).flip(0, 1),
            ),
            Mistake(
                "What leaves at one side comes in at the other in yours. Beyond its border X is 0.",
                lambda Z, X, low, high: _around(Z, X, low, high),
            ),
            Mistake(
                "You use the first of the batch alone. Sum over all of them.",
                lambda Z, X, low, high: statistic(Z[:1], X[:1], low, high),
            ),
            Mistake(
                "Sum over the batch. Yours is the mean.",
                lambda Z, X, low, high: statistic(Z, X, low, high) / len(Z),
            ),
            Mistake(
                "Each code belongs to its own image: multiply first, then sum over the batch.",
                lambda Z, X, low, high: statistic(Z.sum(0)[None], X.sum(0)[None], low, high),
            ),
            Mistake(
                "Rows and columns of the table are exchanged.",
                lambda Z, X, low, high: statistic(Z, X, low, high).T,
            ),
            Mistake(
                "Yours is twice as large: the ½ of the energy and the 2 of the square cancel.",
                lambda Z, X, low, high: 2 * statistic(Z, X, low, high),
            ),
        ],
    ),
    "update": Exercise(
        like=update,
        on=[(G, B), (WIDE_G, WIDE_B), (WIDE_G, SQUARE_B)],
        mistakes=[
            Mistake(
                "That is the best K, but its kernels have not norm 1. Divide each by its norm.",
                _solved,
            ),
            Mistake(
                "Each kernel has norm 1 by itself, not all of them together.",
                lambda G, B: _solved(G, B) / _solved(G, B).norm(),
            ),
            Mistake(
                "You multiply with G. The equations are G·K = B: solve them.",
                lambda G, B: _each_normed((G @ B.flatten()).reshape(B.shape)),
            ),
            Mistake(
                "You use the diagonal of G alone. Kernels overlap, so their equations belong "
                "together.",
                lambda G, B: _each_normed((B.flatten() / G.diagonal()).reshape(B.shape)),
            ),
            Mistake(
                "Rows and columns of B are exchanged.",
                lambda G, B: update(G, B.mT.reshape(B.shape)),
            ),
            Mistake(
                "Divide by the norm, not by its square.",
                lambda G, B: _solved(G, B) / _solved(G, B).square().sum((1, 2), keepdim=True),
            ),
        ],
    ),
    "emptying": Exercise(
        like=emptying,
        on=[(K, Y), (K, -CORNER)],
        mistakes=[
            Mistake(
                "A code may be negative: take absolute values.",
                lambda K, Y: adjoint(K, Y).max(),
            ),
            Mistake(
                "You turned the kernels round: that is convolution.",
                lambda K, Y: adjoint(K.flip(1, 2), Y).abs().max(),
            ),
            Mistake(
                "Valid places only: no zeros round the image.",
                lambda K, Y: (
                    adjoint(K, torch.nn.functional.pad(Y, [K.shape[-1] - 1] * 4)).abs().max()
                ),
            ),
            Mistake(
                "Each kernel has a map of its own: the largest of all entries, no sum.",
                lambda K, Y: adjoint(K, Y).sum(0).abs().max(),
            ),
        ],
    ),
    "numbers": Exercise(
        like=numbers,
        on=[(5, 6, 3, 2), (10, 10, 1, 4)],
        mistakes=[
            Mistake(
                "A kernel has fewer places than the image has pixels: it must lie inside.",
                lambda h, w, side, n: (h * w * n * h * w, n * side**2),
            ),
            Mistake(
                "Each kernel has its own columns, and its own numbers.",
                lambda h, w, side, n: (h * w * (h - side + 1) * (w - side + 1), side**2),
            ),
            Mistake(
                "A map has one row and one column more: h − side + 1 of them.",
                lambda h, w, side, n: (h * w * n * (h - side) * (w - side), n * side**2),
            ),
            Mistake(
                "Those are the columns. Entries: rows times columns, with the zeros.",
                lambda h, w, side, n: (n * (h - side + 1) * (w - side + 1), n * side**2),
            ),
            Mistake(
                "Those are the entries that are not zero. Count the zeros, too.",
                lambda h, w, side, n: (numbers(h, w, side, n)[0] // (h * w) * side**2, n * side**2),
            ),
            Mistake(
                "The other way round: first the entries of W.",
                lambda h, w, side, n: numbers(h, w, side, n)[::-1],
            ),
        ],
    ),
}


def _padded(K, R, before):
    """With zeros below and on the right, and before them too."""
    more = K.shape[-1] - 1
    return adjoint(K, torch.nn.functional.pad(R, [more * before, more] * 2))


def _overwritten(K, Z):
    side = K.shape[-1]
    Y = Z.new_zeros(Z.shape[1] + side - 1, Z.shape[2] + side - 1)
    for i, r, c in Z.nonzero().tolist():
        Y[r : r + side, c : c + side] = Z[i, r, c] * K[i]
    return Y


def _around(Z, X, low, high):
    p, q = Z.shape[-2:]
    steps = range(low, high + 1)
    rows = [[(Z * X.roll((-r, -c), (1, 2))[:, :p, :q]).sum() for c in steps] for r in steps]
    return torch.stack([torch.stack(row) for row in rows])
