"""The file of long trainings is what its script makes of the notebook's own cells."""

import hashlib
import json
import warnings

import pytest
import torch

from rlvebm_utils.course import trainings
from rlvebm_utils.course.trainings import recorded, trained
from tools import notebooks
from tools import trainings as tool

# For each kind one that is quick, at half of its length: a figure may differ by this share of it.
AGAIN = {"learned/W_e+S+theta/1": 0.02, "relatives/2": 0.05}


@pytest.fixture(scope="module")
def cells():
    before = torch.get_default_dtype()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(notebooks.FOLDER)
        yield tool.recipe()
    torch.set_default_dtype(before)


def test_every_training_is_there(cells):
    names = [name for name, _ in tool.jobs(cells)]
    results = recorded()["results"]
    assert sorted(results) == sorted(names)
    assert all(one.keys() == {"full", "half"} for one in results.values())
    digest = hashlib.sha256(json.dumps(results).encode()).hexdigest()
    assert recorded()["sha256"] == digest, "the figures were edited by hand"
    steps = {**tool.STEPS, "depths": {str(K): steps for K, steps in cells["depths"].items()}}
    assert recorded()["steps"] == steps
    assert trainings.FILE.stat().st_size < 200_000


@pytest.mark.parametrize("name", AGAIN)
def test_trained_again(cells, name):
    (work,) = (work for other, work in tool.jobs(cells) if other == name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fresh = numbers(tool.rounded(work(0.5)))
    kept = numbers(recorded()["results"][name]["half"])
    assert fresh.keys() == kept.keys() and len(kept) >= 2
    for key, value in kept.items():
        assert fresh[key] == pytest.approx(value, rel=AGAIN[name]), key


def numbers(result: dict, place: str = "") -> dict[str, float]:
    """All numbers of a result by where they stand."""
    if not isinstance(result, dict):
        return {place: result}
    parts = (numbers(one, f"{place}/{key}") for key, one in result.items())
    return {key: value for part in parts for key, value in part.items()}


def test_a_result_is_found_by_the_beginning_of_its_name():
    assert trained("psd").keys() == {"0", "1", "2"}
    assert trained("learned/W_e", "half").keys() == {"0", "1", "2"}
    assert trained("learned").keys() >= {"W_e/0", "W_e+S/2"}
    with pytest.raises(ValueError, match="prefix: expected"):
        trained("learne")


def test_numbers_are_rounded_wherever_they_stand():
    given = {1: [0.123456789, {"a": torch.tensor([2.0, 1 / 3])}]}
    assert tool.rounded(given, 3) == {"1": [0.123, {"a": [2.0, 0.333]}]}


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path):
    def work(share):
        return share / 3

    def stop(share):
        raise KeyboardInterrupt

    to = tmp_path / "a.json"
    with pytest.raises(KeyboardInterrupt):
        tool.keep(to, iter([("a", work), ("b", stop)]), {"seeds": [0]})
    tool.keep(to, iter([("a", stop), ("b", work)]), {"seeds": [0]})
    told = json.loads(to.read_text("utf-8"))
    assert told["results"] == {name: {"full": 0.33333, "half": 0.16667} for name in "ab"}
    assert told["seeds"] == [0] and told["torch"] == torch.__version__
    assert list(tmp_path.iterdir()) == [to]
