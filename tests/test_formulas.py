r"""The formulas of the prose say what the package computes.

Every displayed formula of the notebooks, and every equation in a line, stands here once more, beside
what it means in plain tensors; that is compared with the package. A formula that is changed or added
in a notebook has to be changed or added here, and then it has to be true.
"""

import itertools
import math
import re

import jupytext
import pytest
import torch
from problems import normal, random_dictionary

from rlvebm_utils import (
    LISTA,
    ConvDictionary,
    Dictionary,
    energy,
    fista,
    ista,
    kkt_residual,
    lambda_max,
    learn_dictionary,
    soft_threshold,
)
from rlvebm_utils.course.atoms import covered
from rlvebm_utils.course.balls import gauss_points
from rlvebm_utils.course.csae import ConvEncoder, infer
from rlvebm_utils.course.data import whiten
from rlvebm_utils.course.exercises import vae
from rlvebm_utils.course.exercises.atoms import ica_direction, ring
from rlvebm_utils.course.exercises.csae import distance
from rlvebm_utils.course.exercises.latent_ebm import free_energy
from rlvebm_utils.course.exercises.lista import coupled
from rlvebm_utils.course.gabor import fit_gabors
from rlvebm_utils.course.vae import FuzzyBallAutoencoder, collapse_spring
from tools import notebooks

W = random_dictionary(8, 12, seed=0)
DICTIONARY, Y, LAM = Dictionary(W), normal(5, 8, seed=1), 0.4
Z = normal(5, 12, seed=2)
L = float(torch.linalg.matrix_norm(W, 2) ** 2)
S = torch.eye(12, dtype=torch.float64) - W.T @ W / L
BEST = fista(DICTIONARY, Y, LAM, tol=1e-12).z
PLAIN = {"tol": None}  # so many iterations, and no test of convergence


def half(r):
    """½‖r‖², row by row."""
    return 0.5 * r.flatten(1).square().sum(1)


def E(y, z, lam=LAM):
    return half(y - z @ W.T) + lam * z.abs().sum(1)


def shrink(v, t):
    return v.sign() * (v.abs() - t).clamp(min=0)


def free(y, lam):
    return fista(DICTIONARY, y, lam, tol=1e-12).energy


def close(a, b, **options):
    torch.testing.assert_close(a, b, **{"rtol": 1e-8, "atol": 1e-10, **options})


# ---- what the formulas mean ----


def definition():
    """Names or counts something, or describes a model that the next cell builds: nothing to compare."""


def energy_of_a_code():
    close(energy(DICTIONARY, Y, Z, LAM), E(Y, Z))
    close(DICTIONARY.decode(Z), sum(Z[:, j, None] * W[:, j] for j in range(12)))


def free_energy_is_the_least():
    for seed in range(20):
        for size in (1e-4, 1e-2, 1):
            assert (E(Y, BEST + size * normal(5, 12, seed=seed)) >= free(Y, LAM) - 1e-9).all()


def bowl():
    a, b = Y, normal(5, 8, seed=14)
    z_a, z_b = (fista(DICTIONARY, one, LAM, tol=1e-12).z for one in (a, b))
    middle, at_middle = (a + b) / 2, E((a + b) / 2, (z_a + z_b) / 2)
    ends = (E(a, z_a) + E(b, z_b)) / 2
    assert (free(middle, LAM) <= at_middle + 1e-9).all() and (at_middle <= ends + 1e-9).all()
    close(ends, (free(a, LAM) + free(b, LAM)) / 2)


def temperature():
    """One number z, evenly on [0, 1]: the integral of a Gaussian, by its error function."""
    beta, y = 7.0, torch.tensor([0.3, 2.0, -1.0], dtype=torch.float64)
    z = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    low, high = (torch.special.erf((end - y) * (beta / 2) ** 0.5) for end in (0, 1))
    integral = (high - low) / 2 * (2 * torch.pi / beta) ** 0.5
    found = free_energy(0.5 * (y[:, None] - z).square(), beta)
    close(found, -integral.log() / beta, rtol=1e-6)
    few = normal(4, 6, seed=15)
    close(free_energy(few, beta), -(-beta * few).exp().mean(1).log() / beta)


def never_below_the_free_energy():
    """For K codes that count alike, q K is a density; equal at the best q."""
    beta, energies = 3.0, normal(6, 40, seed=16)

    def variational(q):
        return (q * energies).sum(1) + torch.xlogy(q, 40 * q).sum(1) / beta

    for seed in range(20):
        q = torch.softmax(3 * normal(6, 40, seed=seed), 1)
        assert (variational(q) > free_energy(energies, beta)).all()
    close(variational(torch.softmax(-beta * energies, 1)), free_energy(energies, beta))


def empty_code():
    top = lambda_max(DICTIONARY, Y)
    close(free(Y, 1.01 * top), half(Y))
    assert (free(Y, 0.9 * top) < half(Y)).all()


def ruler():
    close(free(Y, LAM), LAM**2 * free(Y / LAM, 1.0))
    close(E(3 * Y, 3 * Z, 3 * LAM), 9 * E(Y, Z))


def shrinkage():
    close(soft_threshold(Z, 0.3), shrink(Z, 0.3))
    close(soft_threshold(3 * Z, 3 * 0.3), 3 * soft_threshold(Z, 0.3))
    assert not torch.equal(shrink(Z, 0.3), Z)


def ista_step():
    before = ista(DICTIONARY, Y, LAM, max_iter=3, **PLAIN).z
    after = ista(DICTIONARY, Y, LAM, max_iter=4, **PLAIN).z
    close(after, shrink(before - (before @ W.T - Y) @ W / L, LAM / L))
    close(after, shrink(Y @ W / L + before @ S, LAM / L))
    close(Z - (Z @ W.T - Y) @ W / L, Y @ W / L + Z @ S)


def optimality():
    c = (Y - BEST @ W.T) @ W
    close(c[BEST != 0], LAM * BEST[BEST != 0].sign(), atol=1e-5)
    assert (c[BEST == 0].abs() <= LAM * (1 + 1e-6)).all()
    assert (BEST != 0).any() and (BEST == 0).any()
    assert (kkt_residual(DICTIONARY, Y, BEST, LAM) < 1e-4).all()


def active_atoms_are_linear():
    for y, z in zip(Y, BEST, strict=True):
        A = z != 0
        close(W[:, A].T @ (y - W[:, A] @ z[A]), LAM * z[A].sign(), atol=1e-5)


def floor_under_every_code():
    """Both lines of the proof, for vectors that keep the promise to every atom, just so."""
    for seed in range(20):
        u = normal(5, 8, seed=seed)
        u = u * LAM / (u @ W).abs().amax(1, keepdim=True)
        r, size = Y - Z @ W.T, LAM * Z.abs().sum(1)
        close(r, Y - sum(Z[:, j, None] * W[:, j] for j in range(12)))
        assert (E(Y, Z) >= (r * u).sum(1) - half(u) + size).all()
        spare = LAM * Z.abs() - Z * (u @ W)
        close((r * u).sum(1) + size, (Y * u).sum(1) + spare.sum(1))
        assert (spare >= -1e-12).all()
        assert (free(Y, LAM) >= (Y * u).sum(1) - half(u)).all()


def momentum():
    codes = [fista(DICTIONARY, Y, LAM, max_iter=k, **PLAIN).z for k in range(1, 6)]
    z, v, theta = torch.zeros_like(Z), torch.zeros_like(Z), 1.0
    for code in codes:
        new = shrink(v - (v @ W.T - Y) @ W / L, LAM / L)
        following = 0.5 * (1 + (1 + 4 * theta**2) ** 0.5)
        v = new + (theta - 1) / following * (new - z)
        z, theta = new, following
        close(code, z)


def rates():
    far = BEST.square().sum(1)
    for k in (1, 3, 10, 30):
        for solve, bound in ((ista, L * far / (2 * k)), (fista, 2 * L * far / (k + 1) ** 2)):
            above = E(Y, solve(DICTIONARY, Y, LAM, max_iter=k, **PLAIN).z) - E(Y, BEST)
            assert (above <= bound + 1e-9).all()


def learning_lowers_the_energy():
    Y = normal(200, 8, seed=5)
    run = learn_dictionary(Y, 12, LAM, steps=30, batch_size=200)
    start = fista(Dictionary(W), Y, LAM, tol=1e-8).energy.sum()
    assert fista(run.dictionary, Y, LAM, tol=1e-8).energy.sum() < start


def largest_lambda():
    """For strokes: z ≥ 0."""
    top = lambda_max(DICTIONARY, Y, nonnegative=True)
    close(top, torch.stack([Y @ W[:, j] for j in range(12)]).amax(0).clamp(min=0))


def largest_lambda_signed():
    top = lambda_max(DICTIONARY, Y)
    close(top, torch.stack([(Y @ W[:, j]).abs() for j in range(12)]).amax(0))
    assert not torch.equal(top, lambda_max(DICTIONARY, Y, nonnegative=True))
    for part, empty in ((1.001, True), (0.999, False)):
        z = fista(DICTIONARY, Y, part * top, tol=1e-12).z
        assert ((z == 0).all(1) == empty).all()


def stacked():
    alpha, guess = 0.7, shrink(Y @ W / L, LAM / L)
    plain = E(Y, Z) + 0.5 * alpha * (Z - guess).square().sum(1)
    samples = torch.cat([Y, alpha**0.5 * guess], 1)
    atoms = torch.cat([W, alpha**0.5 * torch.eye(12, dtype=W.dtype)])
    close(half(samples - Z @ atoms.T) + LAM * Z.abs().sum(1), plain)


def encoder_before_training():
    net = LISTA(DICTIONARY, LAM, 1)
    with torch.no_grad():
        close(net(Y), shrink(Y @ (W / L), LAM / L))


def who_silences_whom():
    off = ~torch.eye(12, dtype=torch.bool)
    close(S[off], (-(W.T @ W) / L)[off])


def minus_before_s():
    """The printed iteration is a gradient step of 1/L, and shrinkage, on the energy with M."""
    M = 2 * L * torch.eye(12, dtype=torch.float64) - W.T @ W
    close(Z - (Z @ M - Y @ W) / L, Y @ W / L - Z @ S)
    z, last = torch.zeros_like(Z), None
    for _ in range(4000):
        z, last = shrink(Y @ W / L - z @ S, LAM / L), z
    z = (z + last) / 2
    c = Y @ W - z @ M
    close(c[z != 0], LAM * z[z != 0].sign(), rtol=0, atol=1e-3)
    assert (c[z == 0].abs() <= LAM * (1 + 1e-3)).all()


def negative_where_atoms_agree():
    M = 2 * L * torch.eye(12, dtype=torch.float64) - W.T @ W
    off = ~torch.eye(12, dtype=torch.bool)
    close(M[off], -(W.T @ W)[off])


def coupled_step():
    A, theta = normal(8, 12, seed=20), 0.2
    close(
        shrink(Z + (Y - Z @ W.T) @ A, theta),
        shrink(Y @ A + Z @ coupled(A, W).T, theta),
    )


def learned_step():
    net, moved = LISTA(DICTIONARY, LAM, 2), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for one in net.parameters():
            one += 0.1 * torch.randn(one.shape, generator=moved, dtype=one.dtype)
        A, B, alpha, theta = net.A, net.B[0], net.step, net.threshold.clamp(min=0)
        z = shrink(alpha[0] * Y @ A[0], theta[0])
        close(net(Y), shrink(z + alpha[1] * (Y - z @ B.T) @ A[1], theta[1]))
        W_e, S = alpha[1] * A[1], torch.eye(12, dtype=W.dtype) - alpha[1] * A[1].T @ B
        close(net(Y), shrink(Y @ W_e + z @ S.T, theta[1]))


def filter_of_whiten():
    noise = normal(16, 24, seed=3)
    down, across = (torch.fft.fftfreq(n, dtype=torch.float64) for n in (16, 24))
    f = torch.hypot(down[:, None], across)
    expected = torch.fft.ifft2(torch.fft.fft2(noise) * f * torch.exp(-((f / 0.4) ** 4))).real
    close(whiten(noise), expected)


def pixels_of_an_atom():
    for k in (1, 3, 8):
        w = torch.zeros(8, 1, dtype=torch.float64)
        w[:k] = -2.0
        close(covered(w), torch.tensor([float(k)], dtype=torch.float64))
    w = normal(8, 5, seed=8)
    close(covered(w), w.square().sum(0) ** 2 / (w**4).sum(0))


def waves_on_a_ring():
    c, d = normal(7, seed=9), 7
    C = ring(c)
    for q in range(d):
        j = torch.arange(d, dtype=torch.float64)
        v = torch.polar(torch.ones_like(j), 2 * torch.pi * q * j / d)
        close(C.to(v.dtype) @ v, (c * v.conj()).sum() * v)
        close((c * v.conj()).sum(), torch.fft.fft(c)[q])


def step_of_ica():
    """The direction of Newton's step for ⟨log cosh(b·x)⟩ on the sphere, for whitened samples."""
    B, X = normal(2, 3, seed=10), normal(50, 3, seed=11)
    for b, found in zip(B, ica_direction(B, X), strict=True):
        u = X @ b
        b_free = b.clone().requires_grad_()
        (slope,) = torch.autograd.grad(torch.cosh(X @ b_free).log().mean(), b_free)
        close(found, slope - (1 - u.tanh() ** 2).mean() * b)


def slope_of_tanh():
    u = normal(9, seed=12).requires_grad_()
    (slope,) = torch.autograd.grad(u.tanh().sum(), u)
    close(slope, 1 - u.detach().tanh() ** 2)


def gabor():
    side = torch.arange(9, dtype=torch.float64) - 4
    v, u = torch.meshgrid(side, side, indexing="ij")
    bell = torch.exp(-(u**2) / (2 * 1.5**2) - v**2 / (2 * 2.2**2))
    f = 0.2
    wave = 0.8 * torch.cos(2 * torch.pi * f * u) + 0.6 * torch.sin(2 * torch.pi * f * u)
    fit = fit_gabors((bell * wave)[None])
    assert fit.r2 > 0.999
    close(fit.frequency, torch.tensor([f], dtype=torch.float64), rtol=1e-2, atol=0)


def convolution():
    K, maps = normal(3, 4, 4, seed=6), normal(3, 5, 6, seed=7)
    image = torch.zeros(8, 9, dtype=torch.float64)
    for k, z in zip(K, maps, strict=True):
        for i in range(4):
            for j in range(4):
                image[i : i + 5, j : j + 6] += k[i, j] * z
    close(ConvDictionary(K).decode(maps), image)
    close(
        energy(ConvDictionary(K), image + 1, maps, LAM),
        0.5 * torch.tensor(72.0).double() + LAM * maps.abs().sum(),
    )


def placed_kernels():
    """Place by place, and the energy of notebook 5."""
    K, maps = normal(2, 3, 3, seed=6), normal(2, 4, 5, seed=7)
    image = ConvDictionary(K).decode(maps)
    for x in itertools.product(range(6), range(7)):
        total = 0.0
        for i, p in itertools.product(range(2), itertools.product(range(3), range(3))):
            r, c = x[0] - p[0], x[1] - p[1]
            if 0 <= r < 4 and 0 <= c < 5:
                total += K[i][p] * maps[i, r, c]
        close(image[x], total)
    off = normal(6, 7, seed=8)
    expected = half(off[None])[0] + LAM * maps.abs().sum()
    close(energy(ConvDictionary(K), image + off, maps, LAM), expected)


def adjoint_of_a_convolution():
    K, maps, R = normal(2, 3, 3, seed=6), normal(2, 4, 5, seed=7), normal(6, 7, seed=8)
    held = torch.nn.functional.conv2d(R[None, None], K[:, None])[0]
    close((ConvDictionary(K).decode(maps) * R).sum(), (maps * held).sum())
    close(held[1, 2, 3], (K[1] * R[2:5, 3:6]).sum())
    close(ConvDictionary(K).adjoint(R), held)


def a_code_moves_with_its_image():
    K, z = normal(2, 3, 3, seed=1), normal(2, 9, 9, seed=2)
    image = normal(11, 11, seed=3)
    for one in (z, image):  # empty ground at the sides that leave
        one[..., -4:, :] = one[..., -4:] = 0
    z[..., -6:, :] = z[..., -6:] = 0

    def moved(x):
        return x.roll((1, 2), (-2, -1))

    def decode(z):
        return torch.nn.functional.conv_transpose2d(z[None], K[:, None])[0, 0]

    def cost(image, z):
        return half((image - decode(z))[None]) + LAM * z.abs().sum()

    close(decode(moved(z)), moved(decode(z)))
    close(cost(moved(image), moved(z)), cost(image, z))


def lipschitz_of_a_convolution():
    """Exact on the torus, and a bound for codes that stay inside."""
    K, eye = normal(2, 3, 3, seed=6), torch.eye(2 * 36, dtype=torch.float64).reshape(-1, 2, 6, 6)
    L = torch.fft.fft2(K, s=(6, 6)).abs().square().sum(0).max()
    torus = ConvDictionary(K, borders="circular").decode(eye).flatten(1)
    close(torch.linalg.matrix_norm(torus, 2) ** 2, L)
    valid = ConvDictionary(K).decode(eye[:, :, :4, :4].reshape(-1, 2, 4, 4)).flatten(1)
    inside = valid[eye[:, :, :4, :4].flatten(1).any(1)]
    assert torch.linalg.matrix_norm(inside, 2) ** 2 < L


def slope_in_a_kernel():
    K, maps, image = normal(2, 3, 3, seed=6), normal(2, 4, 5, seed=7), normal(6, 7, seed=8)
    K.requires_grad_()
    R = image - torch.nn.functional.conv_transpose2d(maps[None], K[:, None])[0, 0]
    (slope,) = torch.autograd.grad(0.5 * R.square().sum(), K)
    by_residual = torch.nn.functional.conv2d(R.detach()[None, None], maps[:, None])[0]
    close(by_residual, -slope)
    wide = torch.nn.functional.pad(maps, [2] * 4)
    A = torch.stack(
        [torch.nn.functional.conv2d(wide[None, j : j + 1], maps[:, None])[0] for j in range(2)], 1
    )  # of steps from −2 to 2
    B = torch.nn.functional.conv2d(image[None, None], maps[:, None])[0]
    place = list(itertools.product(range(3), range(3)))
    for i, p in itertools.product(range(2), place):
        G = sum(A[i, j, p[0] - q[0] + 2, p[1] - q[1] + 2] * K[j][q].detach()
                for j, q in itertools.product(range(2), place))  # fmt: skip
        close(G - B[i][p], slope[i][p])


def conv_encoder():
    encoder = ConvEncoder(3, size=4)
    image = normal(8, 9, seed=8)
    with torch.no_grad():
        encoder.bias += torch.tensor([0.2, -0.1, 0.4])
        encoder.gain += torch.tensor([0.5, -0.9, 0.0])
    C, b, g = encoder.C.detach(), encoder.bias.detach(), encoder.gain.detach()
    spots = image.unfold(0, 4, 1).unfold(1, 4, 1)
    expected = torch.tanh(torch.einsum("xyij,nij->nxy", spots, C) + b[:, None, None])
    with torch.no_grad():
        close(encoder(image[None])[0], g[:, None, None] * expected)


def correlations_of_the_maps():
    """The fit falls along them."""
    K, image = normal(2, 3, 3, seed=9), normal(1, 7, 7, seed=10)
    maps = normal(1, 2, 5, 5, seed=11).requires_grad_()
    residual = image - torch.nn.functional.conv_transpose2d(maps, K[:, None])[:, 0]
    slope = torch.autograd.grad(half(residual).sum(), maps)[0]
    close(torch.nn.functional.conv2d(residual[:, None], K[:, None]), -slope)


def how_far_a_guess_is():
    maps, guess = normal(1, 2, 5, 5, seed=10), normal(1, 2, 5, 5, seed=11)
    expected = torch.dist(maps, guess) ** 2 / maps.square().sum()
    close(distance(maps, guess), expected)
    close(distance(maps, 0 * guess), torch.tensor(1.0).double())


def near_the_encoder():
    """The code that is found has the least of that sum."""
    K = normal(2, 3, 3, seed=9)
    dictionary = ConvDictionary(K / K.flatten(1).norm(dim=1)[:, None, None])
    image, guess, alpha = normal(1, 7, 7, seed=10), normal(1, 2, 5, 5, seed=11), 0.5

    def objective(z):
        return half(image - dictionary.decode(z)) + LAM * z.abs().sum() + alpha * half(z - guess)

    found = infer(dictionary, image, guess, LAM, alpha, 2000)
    for seed in range(20):
        for size in (1e-3, 1e-1):
            assert objective(found) <= objective(found + size * normal(1, 2, 5, 5, seed=seed))


def spring_energy():
    model, y = FuzzyBallAutoencoder(9, spring=0.3, sigma=1.5).double(), normal(4, 9, seed=11)
    noise = normal(4, 2, seed=12)
    with torch.no_grad():
        terms, mean = model.terms(y, noise), model.encode(y).mean
        close(terms.fit, half(y - model.decode(mean + 1.5 * noise)))
        close(terms.total, terms.fit + 0.3 * mean.square().sum(1))


def collapse():
    """By the derivative and by trying every s; and the package computes the same k*."""
    lam_1, sigma = 5.0, 1.3
    s = torch.linspace(0, 20, 200_001, dtype=torch.float64)

    def least(k):
        return s[(0.5 * lam_1 * sigma**2 / (s + sigma**2) + k * s).argmin()]

    for k in (0.1, 0.4, 1.0):
        assert abs(least(k) - (sigma * (lam_1 / (2 * k)) ** 0.5 - sigma**2)) < 1e-3
    k_star = lam_1 / (2 * sigma**2)
    assert least(1.01 * k_star) == 0 < least(0.99 * k_star)
    y = normal(50, 6, seed=13)
    lam_1 = torch.linalg.eigvalsh(torch.cov(y.T, correction=0))[-1]
    assert collapse_spring(y, sigma) == pytest.approx(float(lam_1 / (2 * sigma**2)))


BALL = normal(1, 2, seed=14)[0], torch.tensor([0.3, 2.0]).double()
NORMAL = torch.distributions.Normal(BALL[0], BALL[1].sqrt())
PRIOR = torch.distributions.Normal(torch.zeros(2).double(), 1.0)


def entropy_of_a_ball():
    v = BALL[1]
    by_hand = 0.5 * (math.log(2 * math.pi) + 1 + v.log()).sum()
    close(by_hand, NORMAL.entropy().sum())
    close(vae.entropy(v.log()), by_hand)
    z = BALL[0] + v.sqrt() * normal(3, 2, seed=15)
    said = 0.5 * ((2 * math.pi * v).log() + (z - BALL[0]).square() / v).sum(1)
    close(-NORMAL.log_prob(z).sum(1), said)


def cost_under_the_prior():
    """Exactly, by points that stand for a Gaussian."""
    mean, v = BALL
    nodes, weights = gauss_points(3)
    found = weights @ -PRIOR.log_prob(mean + v.sqrt() * nodes).sum(1)
    close(found, 0.5 * mean.square().sum() + 0.5 * v.sum() + math.log(2 * math.pi))
    close(vae.cross(mean, v.log()), found)


def divergence_of_a_ball():
    mean, v = BALL
    found = 0.5 * (mean.square() + v - v.log() - 1).sum()
    close(found, torch.distributions.kl_divergence(NORMAL, PRIOR).sum())
    close(found, vae.cross(mean, v.log()) - vae.entropy(v.log()))
    close(vae.kl(mean, v.log()), found)


def bound_of_a_ball():
    """In one direction, the integrals by adding up a grid; and F is that of notebook 1, β = 1."""
    z = torch.linspace(-9, 9, 20_001, dtype=torch.float64)
    dz, y, (mean, v) = z[1] - z[0], 1.3, (one[:1] for one in BALL)
    E = 0.5 * (y - z.sin()).square() + 0.5 * z.square() + 0.5 * math.log(2 * math.pi)
    F = -(dz * (-E).exp().sum()).log()
    ball = torch.distributions.Normal(mean, v.sqrt())
    q = ball.log_prob(z).exp()
    close(F, -(dz * (q * (-E - ball.log_prob(z)).exp()).sum()).log(), rtol=1e-6)
    F_q = dz * (q * E).sum() - ball.entropy().sum()
    assert F_q > F
    fit = dz * (q * 0.5 * (y - z.sin()).square()).sum()
    close(F_q, fit + vae.kl(mean, v.log()), rtol=1e-6)
    posterior = (-E).exp() / (dz * (-E).exp().sum())
    close(dz * (posterior * (E + posterior.log())).sum(), F)


def tangent_of_the_logarithm():
    x, m = normal(50, seed=16).exp(), 1.7
    assert (x.log() <= math.log(m) + (x - m) / m + 1e-12).all()


def collapse_temperature():
    """At T = λ₁ the spring T/2 is that at which balls of radius 1 collapse."""
    y = normal(50, 6, seed=13)
    T = torch.linalg.eigvalsh(torch.cov(y.T, correction=0))[-1]
    assert collapse_spring(y) == pytest.approx(float(T / 2))


FORMULAS = {
    definition: r"""
        F(x, y) = \min_z E(x, y, z)
        E(x, y, z) = C\big(y, \mathrm{Dec}(\mathrm{Pred}(x), z)\big) + \lambda R(z), \qquad F(x, y) = \min_z E(x, y, z)
        \bar y = \mathrm{Pred}(x) + Wz
        R(z) = \Vert z\Vert_1 = \sum_j |z_j|
        r = y - \mathrm{Pred}(x)
        \bar y_k = \mathrm{Pred}(x) + Wz_k
        F(y) = \min_k \tfrac12\Vert y - w_k\Vert^2
        F(y) = \min_z \tfrac12\Vert y - \mathrm{Dec}(z)\Vert^2
        F(y) = \tfrac12\,\mathrm{net}(y)^2
        z = c + \sigma\varepsilon
        c = W^\top(y - Wz)
        i = 1 \dots n
        \varphi = \tanh
        \hat y = \mathrm{Dec}(z)
        z = \bar z + \sigma\varepsilon
        \bar z = \sigma u
        z = \sigma(u + \varepsilon)
    """,
    energy_of_a_code: r"""
        E = \tfrac12\Vert y - Wz\Vert^2 + \lambda\Vert z\Vert_1
        E = \tfrac12 \Vert r - Wz \Vert^2 + \lambda \Vert z \Vert_1
        E(y, z) = \tfrac12\Vert y - Wz\Vert^2 + \lambda\Vert z\Vert_1
        Wz = \sum_j z_j w_j
        \mathrm{Dec}(z) = Wz = \sum_j z_j w_j
        E(y, z) = \tfrac12 \Vert y - Wz \Vert^2 + \lambda \Vert z \Vert_1
        E(y, z) = \tfrac12 \Vert y - Wz \Vert^2 + \lambda \Vert z \Vert_1, \qquad \Vert z \Vert_1 = \sum_j |z_j|
    """,
    free_energy_is_the_least: r"F(y) = \min_z E(y, z)",
    bowl: r"F(\tfrac{a+b}2) \le E(\tfrac{a+b}2, \tfrac{z_a+z_b}2) \le \tfrac12 E(a, z_a) + \tfrac12 E(b, z_b) = \tfrac12 F(a) + \tfrac12 F(b)",
    temperature: r"""
        F_\beta(y) = -\frac1\beta \log \int e^{-\beta E(y, z)}\, dz
        F_\beta = -\tfrac1\beta\log\big(\tfrac1K\sum_k e^{-\beta E_k}\big)
    """,
    never_below_the_free_energy: r"F_\beta(y) \le \int q(z)\, E(y, z)\, dz + \frac1\beta \int q(z) \log q(z)\, dz",
    empty_code: r"F(y) = \tfrac12\Vert y\Vert^2",
    ruler: r"""
        y = \lambda y'
        z = \lambda z'
        F_\lambda(y) = \lambda^2 F_1(y/\lambda)
        E(cy, cz; c\lambda) = c^2 E(y, z; \lambda)
    """,
    shrinkage: r"""
        \text{shrink}(v, t) = \text{sign}(v)\,\max(|v| - t,\, 0)
        \text{shrink}(cv, c\theta) = c\,\text{shrink}(v, \theta)
    """,
    ista_step: r"""
        z(t+1) = \text{shrink}\Big(z(t) - \tfrac1L W^\top (W z(t) - y),\; \tfrac{\lambda}{L}\Big)
        z - \tfrac1L W^\top(Wz - y) = \tfrac1L W^\top y + S z
        S = I - \tfrac1L W^\top W
        z(t+1) = \text{shrink}\Big(z(t) - \tfrac1L W^\top(Wz(t) - y),\ \tfrac\lambda L\Big) = \text{shrink}\big(W_e^\top y + S\,z(t),\ \theta\big)
        W_e = \tfrac1L W, \qquad S = I - \tfrac1L W^\top W, \qquad \theta = \tfrac\lambda L
    """,
    optimality: r"c_j = \lambda\,\text{sign}(z_j) \;\text{ where } z_j \ne 0, \qquad |c_j| \le \lambda \;\text{ where } z_j = 0",
    active_atoms_are_linear: r"W_A^\top(y - W_Az_A) = \lambda\,\text{sign}(z_A)",
    floor_under_every_code: r"""
        E(y, z) = \tfrac12\Vert r\Vert^2 + \lambda\Vert z\Vert_1 \;\ge\; \langle r, u\rangle - \tfrac12\Vert u\Vert^2 + \lambda\Vert z\Vert_1
        r = y - \sum_j z_jw_j
        \langle r, u\rangle + \lambda\Vert z\Vert_1 = \langle y, u\rangle + \sum_j \big(\lambda|z_j| - z_j\,w_j^\top u\big) \;\ge\; \langle y, u\rangle
    """,
    momentum: r"v(t) = z(t) + \beta_t\,\big(z(t) - z(t-1)\big), \qquad \beta_t = \frac{\theta_t - 1}{\theta_{t+1}}, \quad \theta_{t+1} = \tfrac12\Big(1 + \sqrt{1 + 4\theta_t^2}\Big),\quad \theta_1 = 1",
    rates: r"\text{ISTA: } \frac{L\,\Vert z^*\Vert^2}{2k}, \qquad \text{FISTA: } \frac{2L\,\Vert z^*\Vert^2}{(k+1)^2}",
    learning_lowers_the_energy: r"\min_W \sum_i \min_{z_i} \; \tfrac12\Vert y_i - Wz_i\Vert^2 + \lambda\Vert z_i\Vert_1",
    largest_lambda_signed: r"\lambda_{\max} = \max_j |w_j^\top y|",
    largest_lambda: r"\lambda_{\max} = \max_j w_j^\top y",
    stacked: r"""
        D = \tfrac12\Vert z - \text{Enc}(y)\Vert^2
        \tfrac12\Vert y - Wz\Vert^2 + \lambda\Vert z\Vert_1 + \tfrac{\alpha}{2}\Vert z - \text{Enc}(y)\Vert^2
        \tfrac12\Big\Vert \begin{pmatrix} y \\ \sqrt\alpha\,\text{Enc}(y)\end{pmatrix} - \begin{pmatrix} W \\ \sqrt\alpha\, I\end{pmatrix} z\Big\Vert^2 + \lambda\Vert z\Vert_1
    """,
    encoder_before_training: r"\text{Enc}(y) = \text{shrink}(W_e^\top y, \theta)",
    who_silences_whom: r"S_{ij} = -\tfrac1L w_i^\top w_j",
    minus_before_s: r"""
        M = 2L\,I - W^\top W
        z - \tfrac1L(Mz - W^\top y) = z - 2z + \tfrac1L W^\top W z + \tfrac1L W^\top y = W_e^\top y - S z
    """,
    negative_where_atoms_agree: r"M_{ij} = -w_i^\top w_j",
    coupled_step: r"z(k) = \text{shrink}\big(z(k-1) + A^\top(y - Wz(k-1)),\ \theta\big)",
    learned_step: r"""
        z(k) = \text{shrink}\big(z(k-1) + \alpha_k A_k^\top(y - B_k z(k-1)),\ \theta_k\big)
        W_e = \alpha_k A_k
        S = I - \alpha_k A_k^\top B_k
    """,
    filter_of_whiten: r"m(f) = f \, e^{-(f/0.4)^4}",
    pixels_of_an_atom: r"\Big(\sum_i w_i^2\Big)^2 \Big/ \sum_i w_i^4",
    waves_on_a_ring: r"""
        C_{ij} = c_{(i - j) \bmod d}
        v_j = e^{2\pi \mathrm{i} q j/d}
        (Cv)_i = \sum_j c_{i - j}\, e^{2\pi \mathrm{i} q j/d} = \sum_s c_s\, e^{2\pi \mathrm{i} q (i - s)/d} = \Big(\sum_s c_s\, e^{-2\pi \mathrm{i} q s/d}\Big)\, v_i
    """,
    step_of_ica: r"b \;\leftarrow\; \big\langle \tanh(b^\top x)\, x \big\rangle - \big\langle \tanh'(b^\top x) \big\rangle\, b",
    slope_of_tanh: r"\tanh' = 1 - \tanh^2",
    gabor: r"g = e^{-u^2/2\sigma_u^2 \,-\, v^2/2\sigma_v^2} \,\big(a_1 \cos 2\pi f u + a_2 \sin 2\pi f u\big)",
    convolution: r"""
        Y = \sum_i K_i * Z_i
        E = \tfrac12\Vert Y - \sum_i K_i * Z_i\Vert^2 + \lambda\Vert Z\Vert_1
    """,
    placed_kernels: r"""
        Y(x) = \sum_i \sum_p K_i(p)\, Z_i(x - p)
        E = \tfrac12\Vert Y - Wz\Vert^2 + \lambda\Vert z\Vert_1
    """,
    adjoint_of_a_convolution: r"""
        \langle Wz, R\rangle = \langle z, W^\top R\rangle
        \Big\langle \sum_i K_i * Z_i,\, R\Big\rangle = \sum_i\sum_s\sum_p K_i(p)\,Z_i(s)\,R(s + p) = \sum_i \Big\langle Z_i,\; \sum_p K_i(p)\,R(\cdot + p)\Big\rangle
        (W^\top R)_i(s) = \sum_p K_i(p)R(s + p)
    """,
    a_code_moves_with_its_image: r"""
        W(\mathcal T z) = \mathcal T(Wz)
        E(\mathcal T Y, \mathcal T z) = E(Y, z)
    """,
    lipschitz_of_a_convolution: r"L = \max_f \sum_i |\hat K_i(f)|^2 \qquad\text{(exactly, on the torus).}",
    slope_in_a_kernel: r"""
        R = Y - \sum_j K_j * Z_j
        -\sum_x Z_i(x)\,R(x + p) \;=\; -B_i(p) + \sum_j\sum_q A_{ij}(p - q)\,K_j(q)
        B_i(p) = \sum_x Z_i(x)\,Y(x + p), \qquad A_{ij}(s) = \sum_x Z_i(x)\,Z_j(x + s)
        G_{(i,p),(j,q)} = A_{ij}(p - q)
    """,
    conv_encoder: r"\text{Enc}(Y)_i = g_i\,\varphi(C_i \star Y + b_i), \qquad \text{Dec}(Z) = \sum_i K_i * Z_i",
    near_the_encoder: r"\min_Z \; \tfrac12\Big\Vert Y - \sum_i K_i * Z_i\Big\Vert^2 + \lambda\Vert Z\Vert_1 + \tfrac{\alpha}{2}\Vert Z - \text{Enc}(Y)\Vert^2",
    correlations_of_the_maps: r"c_i = K_i \star (Y - \sum_j K_j * Z_j)",
    how_far_a_guess_is: r"D = \Vert Z - \text{Enc}(Y)\Vert^2 / \Vert Z\Vert^2",
    spring_energy: r"A(y) = \Big\langle \tfrac12\Vert y - \mathrm{Dec}(\bar z + \sigma\varepsilon)\Vert^2 \Big\rangle_\varepsilon + k\,\Vert \bar z\Vert^2",
    collapse: r"""
        \tfrac12\,\frac{\lambda_1\sigma^2}{s + \sigma^2} + k\,s, \qquad\text{lowest at}\quad s = \sigma\sqrt{\lambda_1/2k} - \sigma^2
        k^* = \lambda_1/(2\sigma^2)
    """,
    entropy_of_a_ball: r"""
        H(q) = \tfrac12\sum_i \big(\log(2\pi) + 1 + \log v_i\big)
        H(q) = \langle -\log q(z)\rangle_q
        -\log q(z) = \sum_i \tfrac12\big(\log(2\pi v_i) + (z_i - \bar z_i)^2/v_i\big)
    """,
    cost_under_the_prior: r"\langle -\log N(z; 0, I)\rangle_q = \tfrac12\Vert\bar z\Vert^2 + \tfrac12\sum_i v_i + \tfrac n2\log 2\pi",
    divergence_of_a_ball: r"\mathrm{KL}(q\,\Vert\,N) = \tfrac12\sum_i \big(\bar z_i^2 + v_i - \log v_i - 1\big)",
    bound_of_a_ball: r"""
        E(y, z) = \tfrac12\Vert y - \mathrm{Dec}(z)\Vert^2 - \log N(z; 0, I), \qquad F(y) = -\log\int e^{-E(y, z)}\,dz
        F(y) = -\log\Big\langle e^{-E(y, z) - \log q(z)}\Big\rangle_q \;\le\; \big\langle E(y, z)\big\rangle_q - H(q) =: F_q(y)
        x = e^{-E - \log q}
    """,
    tangent_of_the_logarithm: r"m = \langle x\rangle",
    collapse_temperature: r"T = \lambda_1",
}

IN_PROSE = re.compile(r"\$\$(.+?)\$\$|(?<!\$)\$([^$\n]+?)\$(?!\$)", re.DOTALL)


def plain(text: str) -> str:
    """Without the spaces and the mark that ends a sentence;"""
    return re.sub(r"[\s,.:]+$", "", re.sub(r"\s+", "", text))


def formulas(source: str) -> set[str]:
    """Of a cell of prose: what is displayed, and equations in a line; spaces do not matter."""
    found = set()
    for displayed, inline in IN_PROSE.findall(source):
        text = displayed or inline
        if displayed or ("=" in text and len(text) > 12):
            found.add(plain(text))
    return found


def listed() -> set[str]:
    lines = (line.strip() for block in FORMULAS.values() for line in block.splitlines())
    return {plain(line) for line in lines if line}


def test_every_formula_is_listed():
    in_prose = set()
    for text in notebooks.texts():
        for cell in jupytext.read(text).cells:
            if cell.cell_type == "markdown":
                in_prose |= formulas(cell.source)
    assert in_prose - listed() == set(), "new in a notebook: list it, with what it means"
    assert listed() - in_prose == set(), "in no notebook any more"


@pytest.mark.parametrize("meaning", FORMULAS, ids=lambda one: one.__name__)
def test_it_is_true(meaning):
    meaning()
