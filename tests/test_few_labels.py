"""The small nets that are shipped: all of them are there, and two are trained again."""

import hashlib
import json

import pytest
import torch

from rlvebm_utils.course import autoencoders, few_labels
from tools import few_labels as tool
from tools import notebooks
from tools.trainings import recipe

# Quick ones, at half of their length, and by how much of 1 another machine may differ.
AGAIN, ROUNDING = ("learned, fine-tuned/10/3", "same spectrum, frozen/1000/1"), 0.005


@pytest.fixture(scope="module")
def cells():
    before = torch.get_default_dtype()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(notebooks.FOLDER)
        yield recipe(tool.NOTEBOOK)
    torch.set_default_dtype(before)


def test_every_net_is_there(cells):
    told = few_labels.recorded()
    assert sorted(told["results"]) == sorted(name for name, _ in tool.jobs(cells))
    digest = hashlib.sha256(json.dumps(told["results"]).encode()).hexdigest()
    assert told["sha256"] == digest, "the figures were edited by hand"
    assert (told["steps"], told["made_by"]) == (few_labels.STEPS, tool.COMMAND)
    assert few_labels.FILE.stat().st_size < 20_000


def test_the_kernels_are_those_of_the_shipped_auto_encoders():
    assert few_labels.recorded()["kernels"] == tool.digest(autoencoders.FILE)


def test_seeds_in_rows_and_numbers_of_labels_in_columns(cells):
    told = few_labels.recorded()["results"]
    for at in ("full", "half"):
        found = few_labels.scores(at)
        assert found.keys() == cells["nets"].keys()
        for name, score in found.items():
            assert score.shape == (len(cells["seeds"]), len(cells["labels"]))
            assert (score.diff(dim=1) > 0).all(), "more labels, more accuracy"
            assert float(score[2, 1]) == told[f"{name}/30/2"][at]


@pytest.mark.parametrize("name", AGAIN)
def test_trained_again(cells, name):
    (work,) = (work for other, work in tool.jobs(cells) if other == name)
    assert work(0.5) == pytest.approx(few_labels.recorded()["results"][name]["half"], abs=ROUNDING)
