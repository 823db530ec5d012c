"""Gabor fits: known functions are found again, and what is none is not made into one."""

import math

import pytest
import torch

from rlvebm_utils.course.gabor import _derivatives, _pixels, _values, fit_gabors, gabor

SIDE = 12


def random_gabors(count=60, seed=0):
    """Parameters of functions that lie in their patch and hold about a wave or more."""
    u = torch.rand(count, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    low = torch.tensor([3.5, 3.5, 0, 0.12, math.log(1.5), math.log(1.5), -1, -1])
    high = torch.tensor([7.5, 7.5, math.pi, 0.35, math.log(2.5), math.log(3.5), 1, 1])
    return low + (high - low) * u


def angle_between(a, b):
    """Of directions: 0 and π are the same."""
    return torch.minimum((a - b) % math.pi, (b - a) % math.pi)


@pytest.fixture(scope="module")
def known():
    parameters = random_gabors()
    return parameters, gabor(parameters, SIDE)


@pytest.fixture(scope="module")
def fitted(known):
    return fit_gabors(known[1])


def test_known_functions_are_found_again(known, fitted):
    p, patches = known
    assert fitted.r2.min() > 1 - 1e-6
    torch.testing.assert_close(fitted.patches, patches, rtol=0, atol=1e-3)
    torch.testing.assert_close(fitted.centre, p[:, :2], rtol=0, atol=0.02)
    torch.testing.assert_close(fitted.width, p[:, 4:6].exp(), rtol=0.02, atol=0)
    assert angle_between(fitted.orientation, p[:, 2]).max() < 0.01
    turned = torch.stack([known[1].mT, known[1].flip(1), known[1].flip(2)]).flatten(0, 1)
    for fit in (fitted, fit_gabors(turned)):
        assert ((fit.orientation >= 0) & (fit.orientation < math.pi)).all()


def test_a_wave_along_a_row_has_upright_stripes():
    p = torch.tensor([[5.5, 5.5, 0, 0.2, 0.7, 1.0, 1, 0]])
    patch = gabor(p, SIDE)[0]
    assert patch[5, 5] > 0 > patch[5, 3], "along a row the sign changes"
    assert (patch[:, 5] > 0).all(), "down a column it does not"
    assert angle_between(fit_gabors(patch[None]).orientation, torch.zeros(1)).item() < 0.01


def test_frequency_is_where_the_spectrum_is_strongest(known, fitted):
    spectrum = torch.fft.fft2(known[1], s=(512, 512)).abs().flatten(1)
    row, column = spectrum.argmax(1) // 512, spectrum.argmax(1) % 512
    f = torch.hypot(*(torch.minimum(i, 512 - i) / 512 for i in (row.double(), column.double())))
    # An orientation's spectrum is that of an infinite patch; twelve pixels cut a little of it off.
    assert (fitted.frequency - f).abs().max() < 0.02


def test_derivatives_are_those_of_autograd():
    p = random_gabors(5)
    pixels = _pixels(SIDE, p)
    ours = _derivatives(p, *_values(p, pixels))
    for row, derivative in zip(p, ours, strict=True):
        exact = torch.autograd.functional.jacobian(lambda q: _values(q[None], pixels)[0][0], row)
        torch.testing.assert_close(derivative, exact)


def test_scale_and_sign_change_nothing_else(known, fitted):
    other = fit_gabors(-7 * known[1])
    torch.testing.assert_close(other.r2, fitted.r2)
    torch.testing.assert_close(other.patches, -7 * fitted.patches, rtol=0, atol=1e-2)
    torch.testing.assert_close(other.frequency, fitted.frequency, rtol=0, atol=1e-3)


def test_a_mirrored_patch_has_a_mirrored_fit(known, fitted):
    other = fit_gabors(known[1].mT)
    assert angle_between(other.orientation, math.pi / 2 - fitted.orientation).max() < 0.01
    torch.testing.assert_close(other.centre, fitted.centre.flip(1), rtol=0, atol=0.02)


def test_r2_is_what_the_patches_say():
    noise = torch.randn(30, SIDE, SIDE, generator=torch.Generator().manual_seed(1)).double() + 0.3
    fit = fit_gabors(noise)
    left = (noise - fit.patches).square().sum((1, 2))
    total = (noise - noise.mean((1, 2), keepdim=True)).square().sum((1, 2))
    torch.testing.assert_close(fit.r2, 1 - left / total)
    assert fit.r2.max() < 0.35, "noise is no Gabor function"


def test_a_known_function_in_noise(known):
    patches = known[1]
    noise = torch.randn(patches.shape, generator=torch.Generator().manual_seed(2)).double()
    size = 0.2 * patches.std((1, 2), keepdim=True)
    fit = fit_gabors(patches + size * noise)
    assert fit.r2.median() > 0.93 and fit.r2.min() > 0.85


def test_float32_and_what_came_stay(known):
    patches = known[1][:4].float()
    before = patches.clone()
    assert fit_gabors(patches).r2.min() > 0.999
    assert torch.equal(patches, before)


@pytest.mark.parametrize(
    ("patches", "error", "told"),
    [
        ([[1.0]], TypeError, "patches: expected a torch.Tensor, got list"),
        (torch.rand(3, 144), ValueError, "patches: expected shape (N, side, side)"),
        (torch.rand(3, 12, 11), ValueError, "patches: expected shape (N, side, side)"),
        (torch.rand(0, 12, 12), ValueError, "patches: expected at least one entry"),
        (torch.full((2, 6, 6), float("nan")), ValueError, "patches: expected finite numbers"),
        (
            torch.ones(2, 6, 6),
            ValueError,
            "patches: expected some variance in each, got a flat one",
        ),
        (torch.zeros(2, 6, 6), ValueError, "patches: expected some variance"),
        (torch.ones(2, 6, 6, dtype=torch.int64), TypeError, "patches: expected a floating-point"),
    ],
)
def test_bad_patches(patches, error, told):
    with pytest.raises(error) as caught:
        fit_gabors(patches)
    assert told in str(caught.value)


def test_bad_numbers():
    with pytest.raises(ValueError, match="iterations: expected an integer"):
        fit_gabors(torch.rand(1, 6, 6), iterations=0)
    with pytest.raises(ValueError, match="parameters: expected shape"):
        gabor(torch.rand(3, 7), 12)
