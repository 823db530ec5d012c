"""What prose, code and slider call λ is one number."""

import ast
import inspect
import re

import jupytext
import pytest

from rlvebm_utils.course.widgets import atoms, conv, latent_ebm, lista, playground, sparse_coding
from tools import notebooks

MODULES = (atoms, conv, latent_ebm, lista, playground, sparse_coding)
PANELS = {name: one for m in MODULES for name, one in vars(m).items() if name.endswith("_panel")}
SAID = re.compile(r"(?:λ|\\lambda)\s*=\s*\$?(\d+(?:\.\d+)?)")


def code_of(text) -> list[ast.AST]:
    cells = jupytext.read(text).cells
    return [ast.parse(c.source) for c in cells if c.cell_type == "code"]


def nodes(text, kind):
    return [node for tree in code_of(text) for node in ast.walk(tree) if isinstance(node, kind)]


def test_a_panel_is_told_its_lambda():
    """None has a λ of its own, which the notebook that learned the atoms would not know."""
    takes = {name: inspect.signature(one).parameters.get("lam") for name, one in PANELS.items()}
    assert sum(one is not None for one in takes.values()) >= 4
    for name, parameter in takes.items():
        assert parameter is None or parameter.default is parameter.empty, name


@pytest.mark.parametrize("text", notebooks.texts(), ids=lambda text: text.stem)
def test_a_slider_starts_at_a_name_and_not_at_a_number(text):
    calls = [c for c in nodes(text, ast.Call) if getattr(c.func, "id", None) in PANELS]
    for call in calls:
        for keyword in call.keywords:
            if keyword.arg == "lam":
                assert not isinstance(keyword.value, ast.Constant), ast.unparse(call)


@pytest.mark.parametrize("text", notebooks.texts(), ids=lambda text: text.stem)
def test_prose_names_lambdas_of_the_code(text):
    used = {node.value for node in nodes(text, ast.Constant) if type(node.value) in (int, float)}
    prose = [c.source for c in jupytext.read(text).cells if c.cell_type == "markdown"]
    told = [float(number) for cell in prose for number in SAID.findall(cell)]
    assert set(told) <= used


def test_prose_names_some():
    every = "".join(text.read_text("utf-8") for text in notebooks.texts())
    assert len(SAID.findall(every)) >= 10
