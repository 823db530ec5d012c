"""A cell for the reader to fill in, in the flow of a notebook."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .attempt import outcome
from .values import Trouble, agree, short


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that one can expect, and the sentence for whoever gives it."""

    said: str
    wrong: Callable


@dataclass(frozen=True)
class Exercise:
    """What a reader's function is held against.

    like: the right answer, with the same parameters as the function in the notebook, which gets it
    where the reader's own isn't right. on: small inputs, one tuple of arguments a case. mistakes:
    wrong answers with their sentences, all of them different on ``on``. rtol: how far an answer may
    be off, relative to its largest entry. period: of answers that are angles, 2π: whole turns don't
    count.
    """

    like: Callable
    on: Sequence[tuple]
    mistakes: Sequence[Mistake] = ()
    rtol: float = 1e-6
    period: float | None = None

    def agree(self, yours, right) -> bool | Trouble:
        """Whether an answer is as good as another, or why they can't be compared."""
        return agree(yours, right, self.rtol, self.period)


def exercises(chapter: str) -> dict[str, Exercise]:
    """All exercises of a chapter, such as ``"sparse_coding"``, by name."""
    return importlib.import_module(f".{chapter}", __package__).EXERCISES


def your_turn(name: str) -> Callable[[Callable], Callable]:
    """Try the function below on an exercise, and say what came of it.

    name: "chapter.exercise". A function that gives ``...`` back, as it stands in the notebook, was
    not tried yet. The function that the notebook goes on with is the reader's, once it is right;
    until then it is ours. Raises ValueError for a name that is none.
    """
    chapter, _, title = name.partition(".")
    try:
        exercise = exercises(chapter)[title]
    except (ModuleNotFoundError, AttributeError, KeyError):
        raise ValueError(f"name: expected 'chapter.exercise', got {name!r}") from None

    def hand_on(attempt: Callable) -> Callable:
        right, told = judge(attempt, exercise)
        print(told)
        return attempt if right else exercise.like

    return hand_on


NOT_TRIED = "not tried yet: until you write it, {name} is ours, so that the cells below run"
NOT_YET = "not yet{given}: {why}"
COMPARED = "not yet{given}\n    yours     {yours}\n    expected  {right}{more}"
RIGHT = "right: your {name} gives"


def judge(attempt: Callable, exercise: Exercise) -> tuple[bool, str]:
    """Whether an attempt is right, and what to say of it."""
    name = exercise.like.__name__
    answers = []
    for case in exercise.on:
        yours, right = outcome(attempt, case), exercise.like(*_copies(case))
        if yours is Ellipsis or isinstance(yours, NotImplementedError):
            return False, NOT_TRIED.format(name=name)
        answers.append((case, yours, right))
        if isinstance(yours, Trouble):
            break  # one endless loop is enough
    for case, yours, right in answers:
        given = f", for {arguments(exercise, case)}"
        trouble = yours if isinstance(yours, Trouble) else exercise.agree(yours, right)
        if isinstance(trouble, Trouble):
            more = "" if trouble is yours else _known(answers, exercise)
            return False, NOT_YET.format(given=given, why=trouble) + more
        if not trouble:
            shown = {"yours": short(yours), "right": short(right)}
            return False, COMPARED.format(given=given, **shown, more=_known(answers, exercise))
    lines = [f"    {short(yours)}   for {arguments(exercise, case)}" for case, yours, _ in answers]
    return True, "\n".join([RIGHT.format(name=name), *lines])


def arguments(exercise: Exercise, case: tuple) -> str:
    """The arguments of a case by name."""
    names = inspect.signature(exercise.like).parameters
    return ", ".join(f"{n} = {short(v)}" for n, v in zip(names, case, strict=False))


def _known(answers: list[tuple], exercise: Exercise) -> str:
    """The sentence of the mistake that gives all these answers, if it is a known one."""
    for mistake in exercise.mistakes:
        if all(
            exercise.agree(yours, mistake.wrong(*_copies(case))) is True
            for case, yours, _ in answers
        ):
            return f"\n{mistake.said}"
    return ""


def _copies(case: tuple) -> tuple[Any, ...]:
    return tuple(v.clone() if hasattr(v, "clone") else v for v in case)
