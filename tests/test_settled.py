"""Longer trainings: the factor, and what is told of a notebook that was run with it."""

import json
import textwrap

import pytest

from rlvebm_utils.course.settled import ELSEWHERE, VARIABLE, kept, length
from tools import settled
from tools.settled import Measured


def test_lengths_as_written(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert [length(n) for n in (1, 7, 1000)] == [1, 7, 1000]


@pytest.mark.parametrize(("factor", "expected"), [("4", 28), ("0.5", 4), ("0.01", 1), ("1", 7)])
def test_lengths_by_a_factor(monkeypatch, factor, expected):
    monkeypatch.setenv(VARIABLE, factor)
    assert length(7) == expected


@pytest.mark.parametrize("factor", ["", "long", "0", "-1", "nan", "inf"])
def test_a_bad_factor_is_named(monkeypatch, factor):
    monkeypatch.setenv(VARIABLE, factor)
    with pytest.raises(ValueError, match=f"^{VARIABLE}: expected a number above 0, got '{factor}'"):
        length(7)


@pytest.mark.parametrize("steps", [0, -1, 1.5, True, None, "7"])
def test_a_bad_length_is_named(steps):
    with pytest.raises(ValueError, match="^steps: expected a whole number above 0, got"):
        length(steps)


TRAINS = textwrap.dedent(
    """\
    # %%
    from rlvebm_utils.course import claims
    from rlvebm_utils.course.settled import length

    loss = 1 / length(10)
    told = ("SC-1", "claim", "00_small", "nowhere", "It is.", "a loss of {loss:g}")
    claims.register = lambda: {"SC-1": claims.Entry(*told, holds="loss > 0.03")}
    claims.claim("SC-1", loss=loss)
    """
)


def test_a_notebook_is_trained_longer(tmp_path):
    text = tmp_path / "00_small.py"
    text.write_text(TRAINS, encoding="utf-8")
    assert settled.trains(text)
    assert settled.longer(text, tmp_path, 1) == {"SC-1": Measured("holds", "a loss of 0.1")}
    assert settled.longer(text, tmp_path, 4) == {"SC-1": Measured("differs", "a loss of 0.025")}


def test_another_verdict_is_told(capsys):
    now = {id: Measured("holds", f"{id} is 1") for id in ("A", "B", "C", "D")}
    then = {"A": now["A"], "B": Measured("holds", "B is 2"), "C": Measured("differs", "C is 3")}
    assert settled.compare(now, then) == ["C", "D"]
    said = capsys.readouterr().out
    assert "A: holds, the same figures\n" in said
    assert "B: holds\n    as committed:  B is 1\n    trained longer: B is 2\n" in said
    assert "C: holds → differs\n" in said
    assert "D: holds → not shown\n" in said


SHIPPED = textwrap.dedent(
    """\
    # %%
    from rlvebm_utils.course import claims
    from rlvebm_utils.course.trainings import trained

    loss = trained("test")["loss"]
    told = ("SC-1", "claim", "00_small", "nowhere", "It is.", "a loss of {loss:g}")
    claims.register = lambda: {"SC-1": claims.Entry(*told, holds="loss > 0.03")}
    claims.claim("SC-1", loss=loss)
    """
)


def test_what_is_shipped_is_trained_longer_too(tmp_path, monkeypatch):
    """Once: what is in the folder already is taken from there."""
    text, folder, asked = tmp_path / "00_small.py", tmp_path / "trained", []
    text.write_text(SHIPPED, encoding="utf-8")
    folder.mkdir()

    def train(command, env, check):
        asked.append((command[1:3], env[VARIABLE]))
        results = {"test/loss": {"full": 0.02, "half": 0.1}}
        command[-1].write_text(json.dumps({"results": results}), encoding="utf-8")

    monkeypatch.setattr(settled.subprocess, "run", train)
    assert settled.trains(text)
    for _ in range(2):
        assert settled.longer(text, folder) == {"SC-1": Measured("differs", "a loss of 0.02")}
    assert asked == [(["-m", "tools.trainings"], "4")]


def test_shipped_trainings_are_read_elsewhere_where_told_so(tmp_path, monkeypatch):
    monkeypatch.delenv(ELSEWHERE, raising=False)
    assert kept(tmp_path / "a.json") == tmp_path / "a.json"
    monkeypatch.setenv(ELSEWHERE, str(tmp_path / "longer"))
    assert kept(tmp_path / "a.json") == tmp_path / "longer" / "a.json"


def test_every_shipped_training_is_read_by_a_notebook_that_is_found():
    found = {name for text in settled.texts() for name in settled.shipped(text)}
    assert found == settled.SHIPPED.keys()
