"""The VAEs that are shipped: all of them are there, and one is trained again."""

import pytest
import torch

from rlvebm_utils.course import balls
from rlvebm_utils.course.balls import EPOCHS, HEATS, Training
from rlvebm_utils.course.exercises.vae import warm_up
from tools import balls as tool


def test_every_training_is_kept():
    for one in tool.trainings():
        assert balls.load(one, "losses").shape == (2, 2)
        if one.code > 2:
            assert (balls.load(one, "medians") > 0).all() and one.code == 8
        elif one.epochs in (EPOCHS, EPOCHS // 2):
            assert balls.held_out_balls(one).mean.shape == (1000, 2)
    assert balls.about()["command"] == tool.COMMAND


def test_the_heated_one_is_kept():
    sizes = []
    for T in HEATS:
        kept, fit, divergence, pictures = balls.heated(T)
        assert kept.mean.shape == (balls.SHOWN, 2) and pictures.shape == (10, 400)
        assert fit > 0 and divergence > -1e-6
        sizes.append(float(kept.variance.median()))
    assert sizes == sorted(sizes) and sizes[-1] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("unknown", [Training(seed=7), Training(3.0)])
def test_what_is_not_kept_is_named(unknown):
    with pytest.raises(ValueError, match="^one, part: expected what is kept, got"):
        balls.load(unknown, "balls")


def test_nobody_can_spoil_what_is_kept():
    balls.held_out_balls(Training()).mean.zero_()
    assert balls.held_out_balls(Training()).mean.any()


def test_the_decoder_fits_the_balls():
    """Fit and KL of the held-out digits, by what is shipped, are the losses that are told."""
    for one in (Training(), Training(epochs=EPOCHS // 2)):
        *_, new, _ = balls.digits()
        model, kept = balls.trained(one), balls.held_out_balls(one)
        generator = torch.Generator().manual_seed(3)
        noise = torch.randn(1000, 2, generator=generator, dtype=torch.float64)
        fit = 0.5 * (new - model.decode(kept.point(noise))).square().sum(1).mean()
        mean, v = kept
        divergence = 0.5 * (mean.square() + v - v.log() - 1).sum(1).mean()
        told = balls.load(one, "losses")[1]
        torch.testing.assert_close(torch.stack([fit, divergence]), told, rtol=0.01, atol=0)


def test_the_parts_of_the_training():
    assert [balls.fall(share) for share in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])
    for step in range(0, 100, 7):  # the reader's own function, in section 6
        assert balls.heat(step / 100, 0.6) == pytest.approx(warm_up(step, 100))
    assert balls.heat(0.0, 0.0) == 1
    kept = balls.new_model(Training(3.0, code=8))
    assert (kept.spring, kept.size, kept.code) == (1.5, 1.5, 8)


def test_gauss_points_give_means_over_a_normal_distribution():
    nodes, weights = balls.gauss_points(7)
    x, y = nodes.T
    for polynomial, mean in ((1 + 0 * x, 1), (x, 0), (x**2 * y**2, 1), (x**4, 3), (y**6, 15)):
        assert float(weights @ polynomial) == pytest.approx(mean, abs=1e-9)


def test_one_of_each():
    labels = torch.tensor([3, 1, 1, 0, 3])
    assert [int(labels[place]) for place in balls.one_of_each(labels)] == [0, 1, 3]


def test_held_out_digits_are_none_of_the_others():
    y, labels, new, labels_new = balls.digits()
    assert (len(y), len(new), len(labels), len(labels_new)) == (4000, 1000, 4000, 1000)
    assert torch.cdist(new, y).min() > 1e-6


def test_the_tightened_ones_are_kept():
    for seed in tool.SEEDS:
        for passes in (balls.PASSES // 2, balls.PASSES):
            kept, eighth = balls.tightened(seed, passes), balls.at_an_eighth(seed, passes)
            assert all(one.shape == (len(balls.SPRINGS),) for one in kept.values())
            at = balls.SPRINGS.index(0.125)
            spread = eighth.mean.square().sum(1).mean().sqrt()
            assert float(spread) == pytest.approx(float(kept["spread"][at]), rel=1e-3)
    shown = balls.stages()
    assert list(shown) == list(balls.DOUBLING)
    for means, fit, pictures in shown.values():
        assert means.mean.shape == (balls.SHOWN, 2) and pictures.shape == (10, 400) and fit > 10


def test_one_of_the_tightened_ones_trained_again():
    y, _, new, _ = balls.digits()
    again = tool.tighten(1, balls.PASSES // 2, y[:2000], new)
    figures = torch.as_tensor(again[f"tight 1 {balls.PASSES // 2}/figures"]).double()
    kept = balls.tightened(1, balls.PASSES // 2)
    torch.testing.assert_close(figures[0], kept["spread"], rtol=0.05, atol=0.05)
    torch.testing.assert_close(figures[2], kept["fit"], rtol=0.02, atol=0)


def test_one_of_them_trained_again():
    """Other machines move what is trained a little, and half precision rounds."""
    one = Training(0.0, epochs=EPOCHS // 8)
    y, _, new, _ = balls.digits()
    model = balls.new_model(one)
    balls.train(one, model, y)
    fit, divergence = balls.losses(model, new)
    told = balls.load(one, "losses")[1]
    assert fit == pytest.approx(float(told[0]), rel=0.02)
    with torch.no_grad():
        v = model.encode(new[: balls.SHOWN]).variance
    assert float(v.log().median()) == pytest.approx(
        float(balls.held_out_balls(one).variance.log().median()), abs=0.5
    )
