"""The kernels that are shipped: all of them are there, and some are learned again."""

import pytest
import torch

from rlvebm_utils.course import families
from rlvebm_utils.course.families import CHANNELS, Training
from rlvebm_utils.course.kernels import label_kernels
from tools import families as tool


def test_every_training_is_kept():
    for one in tool.trainings():
        for half in (False, True):
            K = families.load(one, half=half).K
            assert K.shape == (one.n, 3, 9, 9) if one.channels else (one.n, 9, 9)
            norms = K.flatten(1).norm(dim=1)
            torch.testing.assert_close(norms, torch.ones_like(norms), rtol=0, atol=1e-12)
    assert families.about()["command"] == tool.COMMAND
    assert families.about()["steps"] == families.STEPS


def test_three_starts_at_every_size():
    kept = tool.trainings()
    for n in families.SIZES:
        for nonnegative in (False, True):
            mine = {one.seed for one in kept if (one.n, one.lam) == (n, families.LAM)
                    and one.nonnegative == nonnegative and not one.channels}  # fmt: skip
            assert mine == set(families.starts(n)) and len(mine) >= 3


@pytest.mark.parametrize("unknown", [Training(seed=9), Training(3), Training(8, 7.0)])
def test_what_is_not_kept_is_named(unknown):
    with pytest.raises(ValueError, match="^one: expected a training that is kept, got"):
        families.load(unknown)


def test_nobody_can_spoil_what_is_kept():
    families.load(Training()).K.zero_()
    assert families.load(Training()).K.any()


@pytest.mark.parametrize("colour", [False, True])
def test_held_out_photographs_are_others(colour):
    """Each photograph is held out once, and is then none of those to learn from."""
    starts = range(2 if colour else 3)
    splits = [families.photographs(seed, colour=colour) for seed in starts]
    held_out = [name for _, kept in splits for name in kept]
    assert len(held_out) == len(set(held_out)) == (4 if colour else 6)
    for learned, kept in splits:
        assert not learned.keys() & kept.keys() and len(learned) + len(kept) == len(held_out)


def test_pieces():
    train, test = families.pieces(1)
    assert (train.shape, test.shape) == ((400, 40, 40), (20, 40, 40))
    train, test = families.colour_pieces(1)
    assert (train.shape, test.shape) == ((300, 3, 36, 36), (12, 3, 36, 36))


def test_channels():
    pieces, _ = families.colour_pieces(0)

    def variances(channels):
        matrix = families.mixing(pieces, channels)
        return torch.cov(families.mixed(matrix, pieces).transpose(0, 1).flatten(1))

    raw, opponent, equal = map(variances, CHANNELS)
    values = opponent.diagonal()
    torch.testing.assert_close(opponent, torch.diag(values), rtol=0, atol=1e-9)
    assert values[0] > values[1] > values[2] and values[0] / values.sum() > 0.6
    torch.testing.assert_close(equal, raw.trace() / 3 * torch.eye(3).double(), rtol=0, atol=1e-9)
    light = families.mixing(pieces, "opponent")[0]
    assert (light > 0).all(), "light against dark comes first"
    with pytest.raises(ValueError, match="^channels: expected one of red, green, blue; opponent;"):
        families.mixing(pieces, "hue")


@pytest.mark.parametrize(
    "one", [Training(1, nonnegative=True, seed=2), Training(2, seed=1)], ids=["one", "two"]
)
def test_some_of_them_learned_again(one):
    """The same kernels and labels; a byte a number and other machines move the rest."""
    run, kept = tool.train(one), families.load(one)
    ours = run.dictionary.K.double().flatten(1)
    cosine = (ours * kept.K.flatten(1)).sum(1)
    assert (cosine > 0.98).all()
    labels = [label_kernels(K) for K in (run.dictionary.K, kept.K)]
    assert [x.kind for x in labels[0]] == [x.kind for x in labels[1]]


def test_all_photographs_or_without_two():
    """Beside each stands one with the same start, and without two photographs."""
    without, held_out = families.pieces(0)
    every, same = families.pieces(0, every=True)
    assert every.shape == without.shape and torch.equal(same, held_out)
    assert not torch.equal(every, without)
    kept = [one for one in tool.trainings() if one.every]
    assert {(one.n, one.nonnegative) for one in kept} == {(n, s) for n in (1, 4) for s in (0, 1)}
    others = {Training(one.n, nonnegative=one.nonnegative, seed=one.seed) for one in kept}
    assert others <= set(tool.trainings()) and not others & set(kept)
    assert torch.equal(tool.images(kept[0]), families.pieces(0, every=True)[0].float())
