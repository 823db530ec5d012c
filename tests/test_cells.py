"""Cells may be run again in any order: none changes the meaning of a name that one above it reads.

A reader goes back, changes a number and runs that cell again. What it reads must still be what it
read the first time: a later cell (an exercise's example, say) that sets `W` anew would give the
earlier one another dictionary, without a word. So a name that a cell has read from the cells above,
or that a function reads when it is called, is set neither by that cell nor by a later one. Names
are read off the source: what a call changes inside an object is not seen.
"""

import ast
import symtable
from collections.abc import Iterator

import jupytext
import nbformat
import pytest

from tools import notebooks

COMPREHENSIONS = {"listcomp", "setcomp", "dictcomp", "genexpr"}


def changed_names(notebook) -> list[str]:
    """One sentence for each cell and name that would mean something else to a cell before it."""
    found, known, reader = [], {}, {}
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        reads, later, sets = reads_and_sets(cell.source)
        for name in reads:
            reader.setdefault(name, number)
        for name, what in sets.items():
            if name in reader and known.get(name, what) != what:
                found.append(f"cell {number} sets {name}, which cell {reader[name]} reads")
            known[name] = what
        for name in later:
            reader.setdefault(name, number)
    return found


def reads_and_sets(source: str) -> tuple[set[str], set[str], dict[str, str]]:
    """What a cell reads from the cells above; what its functions read when they are called; and
    what it sets: name → the import, which may come twice, or the cell's source.
    """
    reads, called, sets = set(), set(), {}
    for statement in one_by_one(ast.parse(source).body):
        table = symtable.symtable(ast.unparse(statement), "cell", "exec")
        now, later = names_read(table)
        if isinstance(statement, ast.AugAssign):
            now |= {one.id for one in ast.walk(statement.target) if isinstance(one, ast.Name)}
        reads |= now - sets.keys()
        called |= later
        for one in table.get_symbols():
            if one.is_assigned() or one.is_imported():
                sets[one.get_name()] = imported(statement, one.get_name()) or source
    return reads | (called - sets.keys()), called, sets


def one_by_one(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Simple statements and definitions in their order; of a loop, a branch, a `with` its head,
    then what is inside, as if it always ran.
    """
    for one in body:
        if isinstance(one, ast.FunctionDef | ast.ClassDef) or not hasattr(one, "body"):
            yield one
            continue
        head = {field: value for field, value in ast.iter_fields(one) if field not in BLOCKS}
        if head:
            empty = {"orelse": []} if hasattr(one, "orelse") else {}
            yield ast.fix_missing_locations(type(one)(**head, body=[ast.Pass()], **empty))
        for field in BLOCKS:
            yield from one_by_one(getattr(one, field, []))


BLOCKS = ("body", "handlers", "orelse", "finalbody")


def names_read(table: symtable.SymbolTable) -> tuple[set[str], set[str]]:
    """Those that a statement reads as it runs, and those that its functions read when called."""
    now, later = {one.get_name() for one in table.get_symbols() if one.is_referenced()}, set()
    for child in table.get_children():
        (now if child.get_name() in COMPREHENSIONS else later).update(globals_of(child))
    return now, later


def globals_of(table: symtable.SymbolTable) -> set[str]:
    own = {one.get_name() for one in table.get_symbols() if one.is_global()}
    return own.union(*map(globals_of, table.get_children()))


def imported(statement: ast.stmt, name: str) -> str:
    """What it imports by that name, if it does."""
    for one in getattr(statement, "names", []):
        if isinstance(one, ast.alias) and name == (one.asname or one.name).partition(".")[0]:
            return f"{getattr(statement, 'module', '')} {one.name if one.asname else name}"
    return ""


@pytest.mark.parametrize("text", notebooks.texts(), ids=lambda text: text.stem)
def test_no_cell_changes_what_an_earlier_one_reads(text):
    assert changed_names(jupytext.read(text)) == []


@pytest.mark.parametrize(
    "cells",
    [
        ["W = 1", "print(W)", "W = 2"],
        ["W = 1", "print(W)", "for W in range(2): pass"],
        ["W = 1", "print(W)", "def W(): pass"],
        ["W = 1", "print(W)", "if True:\n    with open('x') as W: pass"],
        ["W = 1", "W = W + 1"],
        ["W = 1", "W += 1"],
        ["def f(): return W", "W = 1", "f()", "W = 2"],
        ["W = 1\nf = lambda: W", "f()", "W = 2"],
        ["W = 1", "print([W for _ in range(2)])", "(W, b) = 2, 3"],
        ["from math import sin", "sin(1)", "from torch import sin"],
    ],
    ids=str,
)
def test_a_changed_name_is_told(cells):
    (told,) = changed_names(notebook_of(cells))
    assert told.startswith(f"cell {len(cells) - 1} sets ") and " reads" in told


@pytest.mark.parametrize(
    "cells",
    [
        ["W = 1", "W = 2\nprint(W)", "W = 3"],  # every reader sets it first
        ["W = 1", "def f(W): return W", "W = 2"],
        ["W = 1", "print([W for W in range(2)])", "W = 2"],
        ["W = 1", "for W in range(2):\n    print(W)", "W = 2"],
        ["W = 1", "def f():\n    W = 2\n    return W", "W = 3"],
        ["import torch", "torch.ones(1)", "import torch"],
        ["import torch.nn", "torch.nn", "import torch"],
        ["from math import sin", "sin(1)", "from math import sin"],
        ["print(1)", "W = 2"],
        ["for n in range(2): pass", "n = 3\ndef f(): return n"],
    ],
    ids=str,
)
def test_what_harms_no_one_is_left_alone(cells):
    assert changed_names(notebook_of(cells)) == []


def notebook_of(cells: list[str]):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells])
