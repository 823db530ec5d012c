"""How the package is built: who may import whom, how long a function may be, and that each public
thing says what it is for. The bars are numbers here; the contracts stand in pyproject.toml.
"""

import ast
import importlib
import inspect
import re
import shutil
import statistics
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from problems import normal, random_dictionary

from rlvebm_utils import (
    L1,
    LISTA,
    Dictionary,
    certificate,
    encode,
    fista,
    ista,
    kkt_residual,
    lambda_max,
)
from tools.notebooks import ROOT

PACKAGE = "rlvebm_utils"
Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Every module of the package by its dotted name; a folder has the name of its __init__."""
    found = {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def library(root: Path = ROOT) -> dict[str, Path]:
    """The modules beside the two other wings, without the __init__ that names what all offer."""
    here = root / PACKAGE
    return {
        name: path
        for name, path in modules(root).items()
        if path.parent == here and path.stem != "__init__"
    }


def wing(name: str) -> str:
    """ "fast", "course", "library", or "" for the package's own __init__, which names all three."""
    parts = name.split(".")
    if len(parts) == 1:
        return ""
    return parts[1] if parts[1] in ("fast", "course") else "library"


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


# ---- who may import whom ----


def lint(root: Path = ROOT) -> str:
    """What import-linter says of the package below ``root``; "" where every contract is kept."""
    code = f"""
        import sys
        sys.path.insert(0, {str(root)!r})
        from importlinter.cli import lint_imports
        sys.exit(lint_imports(config_filename="pyproject.toml", no_cache=True))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    return "" if run.returncode == 0 else run.stdout + run.stderr


def contracts(root: Path = ROOT) -> list[dict]:
    """The contracts as pyproject.toml has them."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    return settings["importlinter"]["contracts"]


def test_the_library_stands_alone_and_fast_without_the_course():
    assert lint() == ""


def test_the_contracts_name_every_module_of_the_library():
    """A module that is new and not listed would be free to import anything."""
    ours, fast = contracts()
    assert ours["source_modules"] == sorted(library())
    assert ours["forbidden_modules"] == [f"{PACKAGE}.fast", f"{PACKAGE}.course"]
    assert fast["source_modules"] == [f"{PACKAGE}.fast"]
    assert fast["forbidden_modules"] == [f"{PACKAGE}.course"]


@pytest.mark.parametrize(
    ("file", "line", "told"),
    [
        ("progress.py", "from .fast import steps", "library imports neither"),
        (
            "cache.py",
            "def later():\n    from .course.data import whiten",
            "library imports neither",
        ),
        ("fast/steps.py", "import rlvebm_utils.course.kernels", "fast does not import course"),
    ],
)
def test_a_broken_contract_is_told(tmp_path, file, line, told):
    shutil.copytree(ROOT / PACKAGE, tmp_path / PACKAGE)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / PACKAGE / file
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    said = lint(tmp_path)
    assert any(told in one for one in said.splitlines() if one.endswith("BROKEN"))


# ---- what is private stays so ----


def imported(name: str, path: Path) -> Iterator[tuple[str, str]]:
    """(module, name) of each name that a module of the package takes from another one."""
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    known, aliases, found = modules(), {}, []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            aliases |= {one.asname: one.name for one in node.names if one.name in known}
        if isinstance(node, ast.ImportFrom):
            dots = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
            origin = ".".join(filter(None, [dots if node.level else "", node.module]))
            for one in node.names:
                whole = f"{origin}.{one.name}"
                if whole in known:  # a module, whose names are then used as its attributes
                    aliases[one.asname or one.name] = whole
                found.append((origin, one.name))
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in aliases:
                found.append((aliases[node.value.id], node.attr))
    return ((origin, taken) for origin, taken in found if origin.split(".")[0] == PACKAGE)


def private_imports(across_wings: bool) -> list[str]:
    """Names with a leading underscore that a module takes from another module."""
    return [
        f"{name} takes {taken} from {origin}"
        for name, path in modules().items()
        for origin, taken in imported(name, path)
        if taken.startswith("_") and not taken.startswith("__")
        if (wing(name) != wing(origin)) == across_wings
    ]


def test_no_private_name_crosses_a_wing():
    assert private_imports(across_wings=True) == []


def test_no_private_name_crosses_a_module():
    assert private_imports(across_wings=False) == []


def test_private_names_are_found_however_they_are_taken(tmp_path):
    path = tmp_path / "new.py"
    path.write_text(
        "from ..solvers import _Iteration\n"
        "from ..fast import compiled as c\n"
        "import rlvebm_utils.fast.codes as d\n"
        "c._load()\nd._path()\n"
    )
    found = [taken for _, taken in imported("rlvebm_utils.course.new", path)]
    assert found == ["_Iteration", "compiled", "_load", "_path"]


# ---- how long a function is ----


def functions(node: ast.AST, owner: str) -> Iterator[tuple[str, Function]]:
    """Every function and method below a node, with its dotted name."""
    for child in ast.iter_child_nodes(node):
        named = isinstance(child, Function | ast.ClassDef)
        name = f"{owner}.{child.name}" if named else owner
        if isinstance(child, Function):
            yield name, child
        yield from functions(child, name)


def length(path: Path, function: Function) -> int:
    """Lines from ``def`` to the end that are neither docstring nor blank nor comment."""
    lines = dict(enumerate(path.read_text(encoding="utf-8").splitlines(), start=1))
    for node in ast.walk(function):
        if isinstance(node, Function | ast.ClassDef) and ast.get_docstring(node) is not None:
            for number in range(node.body[0].lineno, node.body[0].end_lineno + 1):
                lines[number] = ""
    own = (lines[n].strip() for n in range(function.lineno, function.end_lineno + 1))
    return sum(bool(line) and not line.startswith("#") for line in own)


def lengths(which: dict[str, Path]) -> dict[str, int]:
    """The length of each function of some modules."""
    return {
        f"{name} (line {function.lineno})": length(path, function)
        for module, path in which.items()
        for name, function in functions(tree(path), module)
    }


def positional(function: Function) -> int:
    """How many arguments a caller may give without their names."""
    names = [one.arg for one in [*function.args.posonlyargs, *function.args.args]]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def test_functions_of_the_library_are_short():
    found = sorted(lengths(library()).values())
    assert len(found) > 150
    assert statistics.median(found) <= 6
    assert found[int(0.9 * len(found))] <= 18


def test_no_function_of_the_panels_is_long():
    panels = {name: path for name, path in modules().items() if ".course.widgets" in name}
    assert {name: n for name, n in lengths(panels).items() if n > 45} == {}


def test_signatures_name_what_is_beyond_eight():
    found = {
        name: positional(function)
        for module, path in modules().items()
        for name, function in functions(tree(path), module)
        if is_public(name)
    }
    assert {name: n for name, n in found.items() if n > 8} == {}


def test_length_and_arguments_are_counted_right(tmp_path):
    path = tmp_path / "one.py"
    text = '''
        class A:
            def f(self, a, b, /, c, *, d=0):
                """Two lines

                and a blank one."""
                # a comment
                def g():
                    """One more."""

                    return 1  # with a comment
                return g
        '''
    path.write_text(textwrap.dedent(text))
    (_, f), (name, g) = functions(tree(path), "one")
    assert (length(path, f), length(path, g), name) == (4, 2, "one.A.f.g")
    assert (positional(f), positional(g)) == (3, 0)


# ---- that it says what it is for ----


def is_public(name: str) -> bool:
    return not any(part.startswith("_") for part in name.split("."))


def public(node: ast.Module | ast.ClassDef, owner: str) -> Iterator[tuple[str, ast.AST]]:
    """Public functions, classes and their methods; what is inside of a function is its own."""
    for child in node.body:
        if isinstance(child, Function | ast.ClassDef) and is_public(child.name):
            yield f"{owner}.{child.name}", child
            if isinstance(child, ast.ClassDef):
                yield from public(child, f"{owner}.{child.name}")


def inherits_words(module: str, name: str) -> bool:
    """Whether a method is documented in a class that its own derives from."""
    value = importlib.import_module(module)
    for part in name.removeprefix(f"{module}.").split("."):
        value = inspect.getattr_static(value, part, None) or getattr(value, part)
    return bool(inspect.getdoc(value)) and name.count(".") > module.count(".") + 1


def silent() -> list[str]:
    """Public things without a docstring, theirs or (methods) of what they override."""
    return [
        name
        for module, path in modules().items()
        for name, node in public(tree(path), module)
        if not ast.get_docstring(node) and not inherits_words(module, name)
    ]


def test_every_public_thing_says_what_it_is_for():
    assert silent() == []


def test_every_module_says_what_it_is_for():
    assert [name for name, path in modules().items() if not ast.get_docstring(tree(path))] == []


def test_the_map_of_contributing_names_every_module():
    """One line a module; plots and widgets have theirs as folders."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (chart,) = re.findall(rf"^```\n({PACKAGE}/ .*?)^```", text, re.DOTALL | re.MULTILINE)
    told = {}
    for line in chart.splitlines():
        if line.startswith(PACKAGE):
            folder = line.split()[0]
        else:
            told.setdefault(folder, set()).update(re.findall(r"(\w+)(?:\.py|/)", line[:23]))
    for folder, names in told.items():
        here = ROOT / folder
        files = {path.stem for path in here.glob("*.py")} - {"__init__"}
        folders = {path.parent.name for path in here.glob("*/__init__.py")} - {"fast", "course"}
        assert names == files | folders


# ---- what is told to be copied works ----


def blocks(document: str, heading: str) -> list[str]:
    """The blocks of Python code in one section of a document."""
    text = (ROOT / document).read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    return re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE)


def run_blocks(document: str, heading: str, count: int) -> dict:
    """Run a section's blocks one after the other; returns the names that they leave."""
    found, names = blocks(document, heading), {"__name__": "copied"}
    assert len(found) == count
    for block in found:
        exec(block, names)  # what stands there is what is tried
    return names


def test_the_reductions_solve_what_they_say():
    """Weighted L1 by its penalty's certificate; the elastic net by what its best code obeys."""
    names = run_blocks("benchmarks/README.md", "Other penalties", 1)
    W, y, lam = names["W"].double(), names["y"].double(), names["lam"].double()
    found, penalty = names["z"].double(), L1(weights=names["weights"].double())
    bound = certificate(Dictionary(W), y, found, lam, penalty=penalty)
    assert (bound.relative_gap <= 1.1e-4).all() and found.any()

    def off(z):  # Wᵀ(y − Wz) − μz has to lie in λ∂‖z‖₁
        c = (y - z @ W.T) @ W - names["mu"] * z
        return float((L1().distance(c, z, lam) / lam).max())

    assert off(names["z_net"].double()) < 0.01 and off(found) > 0.5


def test_the_operator_of_contributing_is_solved():
    names = run_blocks("CONTRIBUTING.md", "Add an operator", 2)
    operator, sharp = names["operator"], normal(3, 12, 12, seed=1) * (normal(3, 12, 12, seed=2) > 1)
    y = operator.decode(sharp) + 0.01 * normal(3, 12, 12, seed=3)
    lam = 0.1 * lambda_max(operator, y)
    matrix = operator.decode(torch.eye(144).double().reshape(144, 12, 12)).flatten(1).T
    dense, rows = Dictionary(matrix), y.flatten(1)
    for solver in (fista, encode):
        found = solver(operator, y, lam, tol=1e-8)
        assert found.converged.all() and found.z.any()
        bound = certificate(dense, rows, found.z.flatten(1), lam)
        assert (bound.relative_gap < 1e-7).all()
    network = LISTA(operator, float(lam[0]), 4)
    expected = ista(operator, y, float(lam[0]), tol=None, max_iter=4).z
    torch.testing.assert_close(network(y), expected, rtol=0, atol=1e-12)


def test_the_penalty_of_contributing_is_certified():
    penalty = run_blocks("CONTRIBUTING.md", "Add a penalty", 1)["Tilted"]()
    dictionary, y = Dictionary(random_dictionary(12, 20)), normal(6, 12, seed=2)
    lam = 0.2 * lambda_max(dictionary, y, penalty=penalty)
    found = fista(dictionary, y, lam, penalty=penalty, tol=1e-9, max_iter=100_000)
    assert found.converged.all()
    assert (found.z > 0).any() and (found.z < 0).any()
    assert kkt_residual(dictionary, y, found.z, lam, penalty=penalty).max() < 1e-3
    # The same problem over z ≥ 0, with an atom for each sign: the negative one costs 3
    both = Dictionary(torch.cat([dictionary.W, -dictionary.W], 1))
    weights = torch.cat([torch.ones(20), torch.full((20,), 3.0)]).double()
    known = L1(weights=weights, nonnegative=True)
    split = fista(both, y, lam, penalty=known, tol=1e-9, max_iter=100_000)
    torch.testing.assert_close(found.energy, split.energy, rtol=1e-8, atol=0)
    torch.testing.assert_close(found.relative_gap.clamp(max=1e-9), found.relative_gap)
    top = lambda_max(dictionary, y, penalty=penalty)
    torch.testing.assert_close(top, lambda_max(both, y, penalty=known))
