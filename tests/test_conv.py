"""The convolutional dictionary: against its matrix, SciPy, scikit-learn; shifts, sizes, errors."""

import math

import numpy as np
import pytest
import torch
from problems import normal
from scipy.signal import convolve2d, correlate2d

from rlvebm_utils import (
    LISTA,
    ConvDictionary,
    Dictionary,
    certificate,
    duality_gap,
    energy,
    fista,
    ista,
    kkt_residual,
    lambda_max,
    train_lista,
)
from rlvebm_utils.conv import fast_length

METHODS = pytest.mark.parametrize("method", ["fourier", "spatial"])

# Kernels (n, a, b) or (n, C, a, b), and the sizes of images: kernels as large as the image, one
# pixel, sides that are prime, long and narrow ones.
CASES = {
    "grey": ((3, 3, 3), (8, 9)),
    "colour": ((4, 3, 3, 3), (7, 8)),
    "oblong": ((2, 2, 5), (11, 7)),
    "even sides": ((3, 4, 2), (13, 6)),
    "two channels": ((2, 2, 4, 3), (6, 17)),
    "one kernel": ((1, 5, 5), (9, 9)),
    "one pixel": ((3, 1, 1), (4, 5)),
    "kernel as large as the image": ((4, 6, 7), (6, 7)),
    "as wide as the image": ((2, 3, 3, 7), (8, 7)),
    "many kernels": ((12, 3, 3), (7, 7)),
    "a row": ((3, 1, 4), (1, 19)),
}
EVERY = pytest.mark.parametrize("case", CASES)


def kernels(case, seed=0, dtype=torch.float64):
    shape, _ = CASES[case]
    return normal(*shape, seed=seed, dtype=dtype)


def images(case, count=2, seed=1):
    shape, size = CASES[case]
    return normal(count, *shape[1:-2], *size, seed=seed)


def codes(case, count=2, seed=2):
    (n, *_, a, b), (h, w) = CASES[case]
    return normal(count, n, h - a + 1, w - b + 1, seed=seed)


def matrix(K: torch.Tensor, size) -> torch.Tensor:
    """W, column by column: the kernel put down at one place of an empty image."""
    K4 = K if K.ndim == 4 else K[:, None]
    (n, C, a, b), (h, w) = K4.shape, size
    columns = []
    for i in range(n):
        for row in range(h - a + 1):
            for column in range(w - b + 1):
                image = torch.zeros(C, h, w, dtype=K.dtype)
                image[:, row : row + a, column : column + b] = K4[i]
                columns.append(image.flatten())
    return torch.stack(columns, 1)


@METHODS
@EVERY
def test_equals_its_toeplitz_matrix(case, method):
    K, y, z = kernels(case), images(case), codes(case)
    W, conv = matrix(K, CASES[case][1]), ConvDictionary(K, method)
    close = {"rtol": 1e-12, "atol": 1e-12}
    torch.testing.assert_close(conv.decode(z).flatten(1), z.flatten(1) @ W.T, **close)
    torch.testing.assert_close(conv.adjoint(y).flatten(1), y.flatten(1) @ W, **close)
    expected = (z.flatten(1) @ W.T - y.flatten(1)) @ W
    torch.testing.assert_close(conv.gradient(y)(z).flatten(1), expected, **close)


def wrapped(K: torch.Tensor, size) -> torch.Tensor:
    """W on the torus: the kernel in the corner of an empty image, which is then rolled."""
    K4, (h, w) = K if K.ndim == 4 else K[:, None], size
    columns = []
    for kernel in K4:
        image = torch.zeros(len(kernel), h, w, dtype=K.dtype)
        image[:, : kernel.shape[1], : kernel.shape[2]] = kernel
        for down in range(h):
            columns += [image.roll((down, right), (1, 2)).flatten() for right in range(w)]
    return torch.stack(columns, 1)


@METHODS
@EVERY
def test_on_a_torus_too(case, method):
    K, y = kernels(case), images(case)
    conv = ConvDictionary(K, method, "circular")
    W, z = wrapped(K, CASES[case][1]), normal(2, len(K), *CASES[case][1], seed=2)
    close = {"rtol": 1e-12, "atol": 1e-12}
    torch.testing.assert_close(conv.decode(z).flatten(1), z.flatten(1) @ W.T, **close)
    torch.testing.assert_close(conv.adjoint(y).flatten(1), y.flatten(1) @ W, **close)
    expected = (z.flatten(1) @ W.T - y.flatten(1)) @ W
    torch.testing.assert_close(conv.gradient(y)(z).flatten(1), expected, **close)
    assert conv.lipschitz() >= (1 - 1e-12) * float(torch.linalg.eigvalsh(W @ W.T)[-1])


@METHODS
@EVERY
def test_equals_scipy(case, method):
    K, y, z = kernels(case), images(case), codes(case)
    conv = ConvDictionary(K, method)
    grey = K.ndim == 3
    for c in range(1 if grey else K.shape[1]):
        Kc, yc = (K, y) if grey else (K[:, c], y[:, c])
        x = conv.decode(z) if grey else conv.decode(z)[:, c]
        expected = sum(convolve2d(z[0, i], Kc[i]) for i in range(len(K)))  # full, not flipped
        np.testing.assert_allclose(x[0], expected, rtol=1e-12, atol=1e-12)
        one_channel = ConvDictionary(Kc.clone(), method).adjoint(yc)
        expected = np.stack([correlate2d(yc[1], k, mode="valid") for k in Kc])
        np.testing.assert_allclose(one_channel[1], expected, rtol=1e-12, atol=1e-12)


@METHODS
@EVERY
def test_adjoint(case, method):
    """⟨decode(z), r⟩ = ⟨z, adjoint(r)⟩ for single images, batches and stacks of batches."""
    conv = ConvDictionary(kernels(case), method)
    y, z = images(case, 6), codes(case, 6)
    for batch in ((), (6,), (2, 3)):
        count = math.prod(batch)
        some_y, some_z = (x[:count].reshape(*batch, *x.shape[1:]) for x in (y, z))
        x, back = conv.decode(some_z), conv.adjoint(some_y)
        assert x.shape == some_y.shape and x.is_contiguous()
        assert back.shape == some_z.shape and back.is_contiguous()
        torch.testing.assert_close(
            (x * some_y).sum(), (some_z * back).sum(), rtol=1e-12, atol=1e-12
        )


@METHODS
def test_shifting_the_code_shifts_the_image(method):
    conv = ConvDictionary(normal(3, 2, 3, 4, seed=0), method)
    z = torch.zeros(3, 20, 22, dtype=torch.float64)
    z[:, 4:9, 5:12] = normal(3, 5, 7, seed=1)
    for down, right in ((0, 1), (3, 0), (8, 9), (-4, -5), (-2, 6)):
        moved = conv.decode(z.roll((down, right), (1, 2)))
        expected = conv.decode(z).roll((down, right), (1, 2))
        torch.testing.assert_close(moved, expected, rtol=0, atol=1e-13)


@METHODS
def test_shifting_the_image_shifts_the_code(method):
    """Of an object on empty ground, with the whole of its code away from the border."""
    K = normal(3, 3, 3, seed=3)
    conv = ConvDictionary(K / K.flatten(1).norm(dim=1)[:, None, None], method)
    y = torch.zeros(24, 24, dtype=torch.float64)
    y[6:12, 6:12] = normal(6, 6, seed=4)
    z = fista(conv, y, 0.5, tol=1e-12, max_iter=100_000).z
    assert not z[:, [0, -1]].any() and not z[:, :, [0, -1]].any()
    shifted = fista(conv, y.roll((5, 3), (0, 1)), 0.5, tol=1e-12, max_iter=100_000).z
    assert z.any()
    torch.testing.assert_close(shifted, z.roll((5, 3), (1, 2)), rtol=0, atol=1e-6)


@EVERY
def test_lipschitz_bounds_the_largest_eigenvalue(case):
    K = kernels(case)
    L = ConvDictionary(K).lipschitz()
    (h, w), (a, b) = CASES[case][1], K.shape[-2:]
    for size in ((a, b), (h, w), (h + a, w + b)):
        assert torch.linalg.matrix_norm(matrix(K, size), 2) ** 2 <= L * (1 + 1e-12)
    # The supremum over all frequencies, found on a fine grid, is not far below.
    spectrum = torch.fft.fft2(K if K.ndim == 4 else K[:, None], s=(128, 128)).movedim(
        (0, 1), (3, 2)
    )
    supremum = float(torch.linalg.matrix_norm(spectrum, 2).max()) ** 2
    assert supremum <= L * (1 + 1e-12) and L <= supremum * (1.04 if K.ndim == 3 else 2)


def test_lipschitz_of_grey_kernels_in_colour_is_tight():
    """Kernels with equal channels: the row sum is the eigenvalue."""
    K = normal(5, 4, 4, seed=0)
    L = ConvDictionary(K).lipschitz()
    assert ConvDictionary(K[:, None].repeat(1, 3, 1, 1)).lipschitz() == pytest.approx(3 * L)


@METHODS
@EVERY
def test_gradient_by_finite_differences(case, method):
    conv, y, z = ConvDictionary(kernels(case), method), images(case), codes(case)
    h, direction = 1e-4, codes(case, seed=5)

    def fit(z):
        return 0.5 * (y - conv.decode(z)).flatten(1).square().sum(1)

    slope = (fit(z + h * direction) - fit(z - h * direction)) / (2 * h)
    ours = (conv.gradient(y)(z) * direction).flatten(1).sum(1)
    torch.testing.assert_close(ours, slope, rtol=1e-6, atol=1e-6)


@METHODS
@pytest.mark.parametrize("nonnegative", [False, True])
@EVERY
def test_energies_and_codes_are_those_of_the_matrix(case, nonnegative, method):
    """The same functions on the Toeplitz matrix; the solution against scikit-learn's."""
    from sklearn.linear_model import Lasso

    K, y = kernels(case), images(case)
    conv, dense = ConvDictionary(K, method), Dictionary(matrix(K, CASES[case][1]))
    lam = 0.3 * lambda_max(conv, y, nonnegative)
    torch.testing.assert_close(lam, 0.3 * lambda_max(dense, y.flatten(1), nonnegative))
    rough = codes(case).abs() if nonnegative else codes(case)
    for z in (rough, torch.zeros_like(rough)):
        ours = certificate(conv, y, z, lam, nonnegative)
        theirs = certificate(dense, y.flatten(1), z.flatten(1), lam, nonnegative)
        for name in ("energy", "dual", "rounding"):
            a, b = getattr(ours, name), getattr(theirs, name)
            torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(
            kkt_residual(conv, y, z, lam, nonnegative),
            kkt_residual(dense, y.flatten(1), z.flatten(1), lam, nonnegative),
        )

    solution = fista(conv, y, lam, nonnegative=nonnegative, tol=1e-9, max_iter=200_000)
    assert solution.converged.all() and solution.z.shape == rough.shape
    d = dense.dim  # scikit-learn divides the fit by the number of rows
    for i in range(len(y)):
        lasso = Lasso(
            float(lam[i]) / d, fit_intercept=False, positive=nonnegative, tol=1e-12, max_iter=10**6
        )
        lasso.fit(dense.W.numpy(), y[i].flatten().numpy())
        best = energy(dense, y[i].flatten(), torch.tensor(lasso.coef_), lam[i])
        assert float(solution.energy[i] - best) <= 1e-8 * float(best)
        assert float(best) >= float(solution.energy[i] - solution.gap[i]) - 1e-9 * float(best)


@METHODS
def test_gap_closes_to_machine_precision(method):
    K = normal(4, 3, 3, 3, seed=0)
    conv = ConvDictionary(K, method)
    y = normal(3, 3, 12, 10, seed=1)
    lam = 0.5 * lambda_max(conv, y)
    solution = fista(conv, y, lam, tol=1e-14, max_iter=100_000)
    assert float((solution.gap / solution.energy).max()) < 1e-13
    assert (duality_gap(conv, y, torch.zeros_like(solution.z), lam) > 1e-3).all()


def test_lambda_zero_has_a_bound_that_is_true():
    conv, y = ConvDictionary(kernels("grey")), images("grey")
    bound = certificate(conv, y, codes("grey"), 0.0)
    assert (bound.dual == 0).all() and (bound.energy > 0).all()


@METHODS
@pytest.mark.parametrize("solve", [ista, fista])
def test_one_image_is_a_batch_of_one(solve, method):
    conv, y = ConvDictionary(kernels("colour"), method), images("colour")
    both = solve(conv, y, 1.0, tol=1e-6)
    for i in range(2):
        one = solve(conv, y[i], 1.0, tol=1e-6)
        assert one.z.shape == both.z.shape[1:] and one.energy.shape == ()
        torch.testing.assert_close(one.z, both.z[i], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(one.energy, both.energy[i])


def test_the_two_methods_agree_in_float32():
    K, y = normal(6, 5, 5, seed=0, dtype=torch.float32), normal(3, 40, 30, seed=1).float()
    z = [fista(ConvDictionary(K, m), y, 3.0, tol=1e-4) for m in ("fourier", "spatial")]
    assert z[0].z.dtype == torch.float32 and z[0].energy.dtype == torch.float64
    torch.testing.assert_close(z[0].energy, z[1].energy, rtol=1e-4, atol=0)


def test_large_batches_are_cut_into_parts():
    conv = ConvDictionary(normal(40, 3, 3, seed=0), "spatial")
    y = normal(30, 130, 130, seed=1)  # 30·130²·9 numbers in patches: more than 2²²
    x = conv.decode(conv.adjoint(y))
    one_by_one = torch.stack([conv.decode(conv.adjoint(image)) for image in y])
    torch.testing.assert_close(x, one_by_one)


def test_which_method_is_chosen():
    def chosen(*shape):
        return ConvDictionary(torch.ones(shape)).uses_fourier

    assert chosen(8, 9, 9) and chosen(32, 9, 9) and not chosen(64, 9, 9)
    assert chosen(64, 3, 9, 9) and not chosen(8, 3, 3)
    assert not ConvDictionary(torch.ones(8, 9, 9), "spatial").uses_fourier


def test_kernels_are_copied_and_converted():
    K = kernels("grey")
    conv = ConvDictionary(K, "spatial")
    before, L = conv.decode(codes("grey")), conv.lipschitz()
    K.mul_(2)
    assert torch.equal(conv.decode(codes("grey")), before)
    assert ConvDictionary(K).lipschitz() == pytest.approx(4 * L)
    single = conv.to(dtype=torch.float32)
    assert (single.K.dtype, single.method) == (torch.float32, "spatial")
    assert single.in_float64.K.dtype == torch.float64 and conv.in_float64 is conv
    assert repr(single) == "ConvDictionary(3 kernels 3×3, torch.float32, cpu)"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@METHODS
def test_on_a_gpu(method):
    conv = ConvDictionary(kernels("colour"), method)
    here = fista(conv, images("colour"), 1.0, tol=1e-9)
    there = fista(conv.to(device="cuda"), images("colour").cuda(), 1.0, tol=1e-9)
    assert there.z.is_cuda
    torch.testing.assert_close(there.energy.cpu(), here.energy)


@METHODS
def test_lista_takes_it(method):
    """Untrained it is ISTA; gradients reach the kernels; training lowers the energy."""
    K = normal(4, 3, 3, seed=0)
    conv = ConvDictionary(K / K.flatten(1).norm(dim=1)[:, None, None], method)
    y, lam = normal(12, 10, 11, seed=1), 0.4
    network = LISTA(conv, lam, 3)
    torch.testing.assert_close(network(y), ista(conv, y, lam, tol=None, max_iter=3).z)
    torch.testing.assert_close(network(y[0]), network(y)[0])
    before = float(energy(conv, y, network(y).detach(), lam).mean())
    train_lista(network, y, steps=30, batch_size=12)
    assert float(energy(conv, y, network(y).detach(), lam).mean()) < 0.95 * before


def test_fast_lengths():
    expected = {1: 1, 7: 8, 11: 12, 48: 48, 97: 100, 121: 125, 241: 243, 256: 256}
    assert {side: fast_length(side) for side in expected} == expected


# ---- bad input ----


GREY, COLOUR = ConvDictionary(kernels("grey")), ConvDictionary(kernels("colour"))


@pytest.mark.parametrize(
    "K, method, words",
    [
        (torch.ones(3), "auto", r"K: expected kernels .* got float32 tensor of shape \(3,\)"),
        (torch.ones(3, 3), "auto", r"K: expected kernels .*\(3, 3\)"),
        (torch.ones(1, 2, 3, 4, 5), "auto", r"K: expected kernels"),
        (torch.zeros(2, 3, 3), "auto", "K: expected at least one non-zero kernel"),
        (torch.full((2, 3, 3), torch.nan), "auto", "K: expected finite"),
        (
            torch.ones(2, 3, 3),
            "fft",
            "method: expected one of 'auto', 'fourier', 'spatial', got 'fft'",
        ),
    ],
)
def test_bad_kernels(K, method, words):
    with pytest.raises(ValueError, match="^" + words):
        ConvDictionary(K, method)


@pytest.mark.parametrize(
    "conv, y, words",
    [
        (
            GREY,
            torch.ones(2, 9).double(),
            r"at least 3 × 3, the size of the kernels, got .*\(2, 9\)",
        ),
        (GREY, torch.ones(5, 9, 2).double(), r"at least 3 × 3"),
        (COLOUR, torch.ones(3, 2, 9).double(), r"at least 3 × 3"),
        (GREY, torch.ones(9).double(), r"shape \(height, width\) or \(N, height, width\), got"),
        (GREY, torch.ones(2, 3, 7, 8).double(), r"shape \(height, width\) or"),
        (COLOUR, torch.ones(7, 8).double(), r"shape \(C=3, height, width\) or \(N, C=3,"),
        (COLOUR, torch.ones(2, 7, 8).double(), r"shape \(C=3, height, width\)"),
        (COLOUR, torch.ones(2, 4, 7, 8).double(), r"shape \(C=3, height, width\)"),
    ],
)
def test_images_that_do_not_fit(conv, y, words):
    for call in (lambda: fista(conv, y, 1.0), lambda: lambda_max(conv, y)):
        with pytest.raises(ValueError, match="^y: expected .*" + words) as raised:
            call()
        assert len(str(raised.value)) < 200


def test_other_dtypes_and_codes_that_do_not_fit():
    y, z = images("grey"), codes("grey")
    with pytest.raises(TypeError, match="y: expected torch.float64 like the dictionary"):
        fista(GREY, y.float(), 1.0)
    for bad in (z[:1], z[0], z[:, :2], z[..., :-1]):
        with pytest.raises(ValueError, match=r"z: expected shape \(2, 3, 6, 7\) for this y, got"):
            energy(GREY, y, bad, 1.0)
        with pytest.raises(ValueError, match="z0: expected shape"):
            fista(GREY, y, 1.0, z0=bad)
    with pytest.raises(ValueError, match=r"z: expected shape \(3, 6, 7\)"):
        energy(GREY, y[0], z, 1.0)
