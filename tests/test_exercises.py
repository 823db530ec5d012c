"""The checks of the exercises, and every exercise of every notebook with its hidden solution."""

import ast
import re
from pathlib import Path

import jupytext
import pytest
import torch

from rlvebm_utils.course.exercises import check

ROOT = Path(__file__).resolve().parent.parent


def said(capsys) -> str:
    return capsys.readouterr().out


def double(x):
    return 2 * x


CASES = [(torch.tensor([1.0, 2.0]),), (3.0,)]


@pytest.mark.parametrize(
    ("attempt", "start"),
    [
        (double, "right, in all 2 cases\n"),
        (lambda x: None, "not tried yet\n"),
        (lambda x: ..., "not tried yet\n"),
        (lambda x: 2 * x + 1e-3, "not yet, for x = [1, 2]: yours is [2.001, 4.001], expected [2,"),
        (lambda x: x.sum(), "not yet, for x = [1, 2]: yours is 3, expected [2, 4]"),
        (lambda x: 1 / 0, "not yet, for x = [1, 2]: yours is an error (ZeroDivisionError: "),
        (lambda x: "six", "not yet, for x = [1, 2]: yours is six"),
        (lambda x: x * float("nan"), "not yet, for x = [1, 2]: yours is [nan, nan]"),
        (lambda x: x.mul_(2) if x is not CASES[1][0] else 7, "not yet, for x = 3: yours is 7"),
    ],
)  # fmt: skip
def test_one_line_tells_what_came_of_it(attempt, start, capsys):
    check(attempt, double, *CASES, hint="twice")
    line = said(capsys)
    assert line.startswith(start)
    assert ("hint: twice" in line) == line.startswith("not yet")
    assert CASES[0][0].tolist() == [1.0, 2.0], "the inputs stay as they were"


@pytest.mark.parametrize(
    ("value", "line"),
    [(0.25, "right"), (..., "not tried yet"), (0.3, "not yet: yours is 0.3, expected 0.25")],
)
def test_values(value, line, capsys):
    check(value, 0.25)
    assert said(capsys).strip() == line


@pytest.mark.parametrize(
    ("yours", "right"),
    [
        (2.0, [2.0, 2.0]),  # equal to every entry
        ([2.0, 2.0], 2.0),
        ([[2.0, 2.0]], [2.0, 2.0]),
        ([[2.0], [2.0]], [2.0, 2.0]),
        ([2.0], [2.0, 2.0]),
    ],
)
def test_an_answer_of_another_shape_is_not_right(yours, right, capsys):
    """Though it broadcasts, and then agrees."""
    check(torch.tensor(yours), torch.tensor(right))
    assert said(capsys).startswith("not yet: yours is ")


def test_a_solution_that_is_no_function_is_told():
    with pytest.raises(TypeError, match="^solution: expected a function where there are cases"):
        check(double, 6.0, (3.0,))


# ---- the notebooks ----


def every_exercise():
    for path in sorted((ROOT / "notebooks").glob("*.py")):
        cells = jupytext.read(path).cells
        for number, cell in enumerate(cells):
            if "exercise" in cell.metadata.get("tags", []) and "@your_turn(" not in cell.source:
                yield pytest.param(
                    cell.source, cells[number + 1].source, id=f"{path.stem}-{number}"
                )


EXERCISES = list(every_exercise())


def solution_in(markdown: str) -> str:
    """The Python inside the fold that follows an exercise."""
    found = re.fullmatch(
        r"<details><summary>Solution</summary>\n\n```python\n(.*?)```\n.*\n?</details>",
        markdown.strip(),
        re.DOTALL,
    )
    assert found, "an exercise is followed by a cell that holds its folded solution, and only that"
    return found[1]


def told(source: str, solution: str, capsys) -> str:
    """What an exercise cell prints after its own definition of the answer is replaced."""
    tree, names = ast.parse(source), set()
    for statement in ast.parse(solution).body:
        names |= {getattr(statement, "name", None)}
        names |= {t.id for t in getattr(statement, "targets", [])}
    kept = []
    for statement in tree.body:
        ours = {getattr(statement, "name", None)} | {
            t.id for t in getattr(statement, "targets", []) if isinstance(t, ast.Name)
        }
        kept += ast.parse(solution).body if (ours & names) - {None} else [statement]
    module = ast.fix_missing_locations(ast.Module(body=kept, type_ignores=[]))
    exec(compile(module, "exercise", "exec"), {})
    return said(capsys)


@pytest.mark.parametrize(("source", "folded"), EXERCISES)
def test_exercise_stands_alone_and_its_solution_is_right(source, folded, capsys):
    exec(source, {})
    assert said(capsys) == "not tried yet\n"
    assert told(source, solution_in(folded), capsys).startswith("right")


@pytest.mark.parametrize(("source", "folded"), EXERCISES)
def test_a_wrong_answer_is_told_so(source, folded, capsys):
    wrong = re.sub(r"\breturn (.+)", r"return 1.01 * (\1) + 0.01", solution_in(folded))
    wrong = re.sub(r"^(\w+) = (.+)$", r"\1 = 1.01 * (\2) + 0.01", wrong, flags=re.MULTILINE)
    assert told(source, wrong, capsys).startswith("not yet")
