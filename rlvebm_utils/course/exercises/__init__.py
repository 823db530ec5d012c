"""Exercises that answer at once: what you wrote, beside what is right, on the same small inputs.

``@your_turn("sparse_coding.shrink")`` stands over a function that the reader completes. It is
tried on the inputs of the exercise of that name, in the chapter's module beside this file; what
came of it is printed; and the notebook goes on with the reader's function if it is right, else with
ours.
"""

from .turn import Exercise, Mistake, exercises, your_turn

__all__ = ["Exercise", "Mistake", "exercises", "your_turn"]
