"""The trainings that are shipped: all of them are there, and one is trained again."""

import itertools

import pytest
import torch

from rlvebm_utils.course import autoencoders, csae
from rlvebm_utils.course.autoencoders import STEPS, Training
from tools import autoencoders as tool


def test_every_training_is_kept():
    for one in tool.trainings():
        encoder, dictionary = autoencoders.load(one)
        assert encoder.C.shape == dictionary.K.shape == (autoencoders.N_KERNELS, 9, 9)
        assert encoder.nonlinearity == one.nonlinearity
        norms = dictionary.K.flatten(1).norm(dim=1)
        torch.testing.assert_close(norms, torch.ones_like(norms), rtol=0, atol=1e-6)


def test_the_steps_that_are_shown_are_kept():
    for phi, frozen in itertools.product(csae.NONLINEARITIES, (False, True)):
        one = Training(phi, frozen=frozen)
        for step in tool.SNAPSHOTS:
            encoder, _ = autoencoders.load(one, step)
        torch.testing.assert_close(encoder.C, autoencoders.load(one)[0].C)
        start, _ = autoencoders.load(one, 0)
        assert torch.equal(start.C, encoder.C) == frozen


@pytest.mark.parametrize("unknown", [(Training(seed=7), None), (Training(), 7)])
def test_what_is_not_kept_is_named(unknown):
    with pytest.raises(ValueError, match="^one, step: expected a training that is kept, got"):
        autoencoders.load(*unknown)


def test_nobody_can_spoil_what_is_kept():
    autoencoders.load(Training())[1].K.zero_()
    assert autoencoders.load(Training())[1].K.any()


def test_held_out_pieces_come_from_other_photographs():
    """No patch of a held-out piece is found in the pieces that are trained on."""
    for seed in range(3):
        train, held_out = autoencoders.pieces(seed)
        windows = train.unfold(1, 6, 1).unfold(2, 6, 1)[:, ::2, ::2].reshape(-1, 36)
        for piece in held_out[:4]:
            patch = piece[10:16, 10:16].reshape(1, 36)
            assert torch.cdist(patch, windows).min() > 1e-6


def test_one_of_them_trained_again():
    """The same likeness of the halves; single precision and other machines move the rest."""
    one = Training(seed=1, steps=STEPS // 2)
    run, (encoder, dictionary) = tool.train(one), autoencoders.load(one)
    ours = csae.likeness(run.encoder.kernels, run.dictionary.K).diagonal()
    kept = csae.likeness(encoder.kernels, dictionary.K).diagonal()
    assert abs(float(ours.mean() - kept.mean())) < 0.02
