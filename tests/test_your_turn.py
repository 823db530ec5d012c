"""Exercises in the flow: what a reader is told, and every one of them in every notebook."""

import ast
import inspect
import math
import pkgutil
import re
import sys
import types
from pathlib import Path

import jupytext
import numpy as np
import pytest
import torch

from rlvebm_utils.course import exercises as package
from rlvebm_utils.course.exercises import Exercise, Mistake, attempt, exercises, your_turn
from rlvebm_utils.course.exercises.turn import judge

ROOT = Path(__file__).resolve().parent.parent


def halve(v, t):
    return v / 2 + t


V = torch.tensor([2.0, -1.0])
TOY = Exercise(
    like=halve,
    on=[(V, 0.5), (V, 0.0)],
    mistakes=[
        Mistake("You doubled.", lambda v, t: 2 * v + t),
        Mistake("You took t away.", lambda v, t: v / 2 - t),
    ],
)
GIVEN = "for v = [2, -1], t = 0.5"


def told(function, exercise=TOY) -> str:
    right, said = judge(function, exercise)
    assert right == said.startswith("right"), said
    return said


def untouched(v, t):
    raise NotImplementedError


def in_place(v, t):
    return v.mul_(0.5).add_(t)


def stops(v, t):
    raise ValueError("no such thing")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda v, t: ..., "not tried yet: until you write it, halve is ours"),
        (untouched, "not tried yet: until you write it, halve is ours"),
        (lambda v, t: v * 0.5 + t, f"right: your halve gives\n    [1.5, 0]   {GIVEN}"),
        (
            lambda v, t: v + t,
            f"not yet, {GIVEN}\n    yours     [2.5, -0.5]\n",
        ),
        (lambda v, t: v / 2 - t, "expected  [1.5, 0]\nYou took t away."),
        (lambda v, t: 2 * v + t, "expected  [1.5, 0]\nYou doubled."),
        (lambda v, t: v / 2 + (t and t + 1), "expected  [1.5, 0]"),  # right in one of two cases
        (lambda v, t: None, f"not yet, {GIVEN}: it gives nothing back. Is a `return` missing?"),
        (lambda v, t: v.numpy() / 2 + t, "it gives a NumPy array. Stay with torch"),
        (lambda v, t: np.float64(3), "it gives a NumPy array. Stay with torch"),
        (
            lambda v, t: (v / 2 + t)[None],
            "a tensor of shape (1, 2), and the shape (2,) was meant",
        ),
        (lambda v, t: 1.5, "it gives a float, and a tensor of shape (2,) was meant"),
        (lambda v, t: [1.5, 0.0], "it gives a list of 2, and a tensor of shape (2,) was meant"),
        (lambda v, t: "1.5", "it gives a str, and a tensor of shape (2,) was meant"),
        (lambda v, t: halve, "it gives a function, and a tensor"),
        (lambda v, t: v / 0 * 0, "yours     [nan, nan]"),
        (lambda v: v, "it stopped at `its call` with TypeError: "),
        (lambda v, t: torch.fft.fft(v).clamp(min=0), "with NotImplementedError: "),
        (stops, '`raise ValueError("no such thing")` with ValueError: no such thing'),
        (in_place, "it changes its argument v. Make a new tensor"),
    ],
)
def test_what_a_reader_is_told(function, said):
    before = V.clone()
    assert said in told(function)
    assert torch.equal(V, before), "the inputs stay as they were"


@pytest.mark.parametrize("function", [lambda v, t: v - t, lambda v, t: v / 2 + t + 1e-3])
def test_another_mistake_gets_nobody_elses_sentence(function):
    assert "You" not in told(function)


def test_one_number_and_several_values():
    norm = Exercise(like=lambda v: v.norm(), on=[(V,)])
    assert told(lambda v: float(v.norm()), norm).startswith("right")
    assert "Is a .sum(), .min() or .max() missing?" in told(lambda v: v.square(), norm)
    assert "it gives values with their indices (.values takes" in told(lambda v: v.min(0), norm)
    assert "it gives a complex, and a number was meant" in told(lambda v: 1j, norm)
    no_order = "with NotImplementedError: "  # torch's own, and not a reader who has not begun
    assert no_order in told(lambda v: torch.complex(v, v).max(), norm)
    assert "it gives an int, and a tensor" in told(
        lambda v: 1, Exercise(like=lambda v: v, on=[(V,)])
    )
    both = Exercise(like=lambda v: (v.sum(), v), on=[(V,)])
    assert "1, [2, -1]" in told(lambda v: (1.0, v), both)
    assert "[1, [2, -1]]" in told(lambda v: [v.sum(), v], both)
    nought = Exercise(like=lambda v: 0 * v, on=[(V,)])
    assert "[0, 0]" in told(lambda v: 0 * v, nought), "not -0"
    assert "it gives a Tensor, and 2 values were meant" in told(lambda v: v, both)
    assert "a tensor of shape (1,)" in told(lambda v: (v.sum(), v[:1]), both)
    assert "nothing back" in told(lambda v: (None, v), both)


def test_whole_turns_do_not_count_for_angles():
    """A phase is as right from 0 to 2π as it is from −π to π."""
    turn = 2 * math.pi
    for like in (lambda v: v, lambda v: (v, v)):
        angle = Exercise(like=like, on=[(V,)], period=turn, mistakes=[Mistake("Far.", half_a_turn)])
        plain = Exercise(like=like, on=[(V,)])
        pair = isinstance(like(V), tuple)
        for more in (turn, -turn, torch.tensor([2 * turn, 0.0])):
            off = (lambda v, m=more: (v, v + m)) if pair else (lambda v, m=more: v + m)
            assert told(off, angle).startswith("right")
            assert told(off, plain).startswith("not yet")
        assert told(lambda v: v + 1e-3, angle).startswith("not yet")
    one = Exercise(
        like=lambda v: v, on=[(V,)], period=turn, mistakes=[Mistake("Far.", half_a_turn)]
    )
    assert told(lambda v: v - math.pi, one).endswith("Far."), (
        "of mistakes they do not count, either"
    )
    wrapped = ALL["atoms.between"]
    assert told(lambda start, goal, t: wrapped.like(start, goal, t) % turn, wrapped).startswith(
        "right"
    )


def half_a_turn(v):
    return v + math.pi


def test_an_endless_loop_ends(monkeypatch):
    monkeypatch.setattr(attempt, "LIMIT", 0.2)

    def endless(v, t):
        while True:
            try:
                v = v + 1
            except Exception:
                pass

    assert "no answer after 0.2 seconds. Does its loop end?" in told(endless)


def test_nothing_is_interrupted_after_the_answer(monkeypatch):
    monkeypatch.setattr(attempt, "LIMIT", 0.05)
    assert told(halve).startswith("right")
    for _ in range(10**6):
        pass  # longer than the limit


@pytest.fixture
def toy_chapter(monkeypatch):
    module = types.ModuleType("toy")
    module.EXERCISES = {"halve": TOY}
    monkeypatch.setitem(sys.modules, f"{package.__name__}.toy", module)


def test_the_notebook_goes_on_with_what_is_right(toy_chapter, capsys):
    @your_turn("toy.halve")
    def untouched(v, t):
        return ...

    @your_turn("toy.halve")
    def right(v, t):
        return 0.5 * v + t

    @your_turn("toy.halve")
    def wrong(v, t):
        return v

    assert untouched is halve and wrong is halve
    assert right.__name__ == "right" and right is not halve
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0].split(":")[0] for line in lines if line[0] != " "] == [
        "not tried yet",
        "right",
        "not yet",
    ]


@pytest.mark.parametrize("name", ["toy.double", "toy", "nowhere.halve", "turn.halve", ""])
def test_an_exercise_that_is_none_is_named(toy_chapter, name):
    with pytest.raises(ValueError, match=re.escape(f"'chapter.exercise', got {name!r}")):
        your_turn(name)


# ---- the chapters' exercises ----

ENGINE = {"attempt", "check", "turn", "values"}
CHAPTERS = sorted({m.name for m in pkgutil.iter_modules(package.__path__)} - ENGINE)
ALL = {f"{chapter}.{name}": one for chapter in CHAPTERS for name, one in exercises(chapter).items()}


@pytest.mark.parametrize("name", ALL)
def test_mistakes_are_wrong_and_told_apart(name):
    exercise = ALL[name]
    assert len(exercise.mistakes) >= 2
    assert told(exercise.like, exercise).startswith("right")
    for mistake in exercise.mistakes:
        said = told(mistake.wrong, exercise)
        assert said.endswith(f"\n{mistake.said}"), f"{mistake.said!r}: {said}"
        inputs = said.partition("it gives a tensor of shape")[0]  # of another shape: that is told
        assert "a tensor of shape" not in inputs, "small inputs, shown by their values"


@pytest.mark.parametrize("name", ALL)
def test_whatever_is_given_is_answered(name, monkeypatch):
    monkeypatch.setattr(attempt, "LIMIT", 0.2)

    def endless(*given):
        while True:
            pass

    exercise = ALL[name]
    assert told(lambda *given: ..., exercise).startswith("not tried yet")
    assert "Is a `return` missing?" in told(lambda *given: None, exercise)
    assert "it gives a NumPy array" in told(lambda *given: np.zeros(2), exercise) or isinstance(
        exercise.like(*exercise.on[0]), tuple
    )
    assert " meant" in told(lambda *given: torch.zeros(1, 2, 3, 4), exercise)
    assert "with ZeroDivisionError" in told(lambda *given: 1 / 0, exercise)
    assert "Does its loop end?" in told(endless, exercise)


# ---- the notebooks ----

TURN = re.compile(r'^@your_turn\("([\w.]+)"\)$', re.MULTILINE)
SOLUTION = re.compile(
    r"<details><summary>Solution</summary>\n\n```python\n(.*?)```\n.*\n?</details>", re.DOTALL
)


def cells_of(path: Path) -> list:
    return jupytext.read(path).cells


def turns():
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.py")):
        for number, cell in enumerate(cells_of(path)):
            for name in TURN.findall(cell.source) if cell.cell_type == "code" else []:
                yield pytest.param(path, number, name, id=f"{path.stem[:2]}-{name}")


TURNS = list(turns())


def names_above(cells: list, number: int) -> dict:
    """What the notebook has imported above a cell, and the functions of the exercises there."""
    names: dict = {}
    for cell in cells[:number]:
        if cell.cell_type != "code" or "get_ipython" in cell.source:
            continue
        imports = [
            s for s in ast.parse(cell.source).body if isinstance(s, ast.Import | ast.ImportFrom)
        ]
        exec(compile(ast.Module(imports, []), "imports", "exec"), names)
        if TURN.search(cell.source):
            exec(cell.source, names)
    return names


@pytest.mark.parametrize(("path", "number", "name"), TURNS)
def test_exercise_in_its_notebook(path, number, name, capsys):
    cells = cells_of(path)
    cell, folded = cells[number], SOLUTION.fullmatch(cells[number + 1].source.strip())
    assert "exercise" in cell.metadata.get("tags", [])
    assert folded, "an exercise is followed by a cell that holds its folded solution, and only that"
    exec(folded[1], names := names_above(cells, number))
    capsys.readouterr()
    exec(cell.source, dict(names))
    assert capsys.readouterr().out.startswith("not tried yet")
    title = re.search(r"^def (\w+)\(", cell.source, re.MULTILINE)[1]
    solution = names[title]
    assert told(solution, ALL[name]).startswith("right")
    ours, theirs = inspect.signature(ALL[name].like), inspect.signature(solution)
    assert list(ours.parameters) == list(theirs.parameters), "the cells below call either of them"
    assert ALL[name].like.__name__ == title, "what the reader is told names the reader's function"


def test_every_exercise_is_in_a_notebook_once():
    assert sorted(case.values[2] for case in TURNS) == sorted(ALL)


SECOND_EDITION = sorted({case.values[0] for case in TURNS})


@pytest.mark.parametrize("path", SECOND_EDITION, ids=lambda path: path.stem[:2])
def test_six_exercises_of_which_two_in_mid_flow(path):
    numbers = [case.values[1] for case in TURNS if case.values[0] == path]
    cells = cells_of(path)
    try_it = next(n for n, c in enumerate(cells) if "## Try it yourself" in c.source)
    assert len(numbers) >= 6
    assert sum(number < try_it for number in numbers) >= 2
    tagged = [n for n, c in enumerate(cells) if "exercise" in c.metadata.get("tags", [])]
    assert tagged == numbers, "an exercise that nobody tests"


@pytest.mark.parametrize("path", SECOND_EDITION, ids=lambda path: path.stem[:2])
def test_a_prediction_has_its_answer_folded_in_the_same_cell(path):
    asked = [c for c in cells_of(path) if re.search(r"\*\*Predict\b", c.source)]
    assert asked
    for cell in asked:
        assert cell.source.count("<summary>Answer</summary>") >= len(
            re.findall(r"\*\*Predict\b", cell.source)
        ), cell.source[:200]


@pytest.mark.parametrize("path", SECOND_EDITION, ids=lambda path: path.stem[:2])
def test_at_most_fifteen_lines_a_cell(path):
    cells = [cell.source for cell in cells_of(path) if cell.cell_type == "code"]
    assert [source for source in cells if len(source.splitlines()) > 15] == []
