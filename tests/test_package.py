"""The package installs by itself, loads light, and asks for what it says it asks for."""

import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import rlvebm_utils
from tools.notebooks import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HEAVY = "IPython ipywidgets matplotlib mlxtend pandas pooch scipy skimage sklearn".split()


def pins() -> dict[str, Requirement]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {pin.name.lower(): pin for pin in found}


def python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


def test_bare_import_loads_nothing_heavy():
    run = python(f"import sys, rlvebm_utils; print(*[m for m in {HEAVY} if m in sys.modules])")
    assert (run.stdout.split(), run.returncode) == ([], 0), run.stderr


def test_solves_without_the_extras():
    """The base requirements suffice: everything heavier is made to look as if it were missing."""
    run = python(
        f"import sys; sys.modules.update(dict.fromkeys({HEAVY}))\n"
        "import torch\n"
        "from rlvebm_utils import Dictionary, fista\n"
        "dictionary = Dictionary(torch.eye(3, dtype=torch.float64))\n"
        "solution = fista(dictionary, torch.tensor([3.0, 0.5, -2.0]).double(), 1.0)\n"
        "print([round(x, 6) for x in solution.z.tolist()])\n"
    )
    assert run.returncode == 0, run.stderr
    assert [float(x) for x in re.findall(r"-?[\d.]+", run.stdout)] == [2.0, 0.0, -1.0]


@pytest.mark.parametrize(
    ("missing", "module"),
    [
        ("matplotlib", "plots.style"),
        ("matplotlib", "plots.vae"),
        ("matplotlib", "widgets"),
        ("ipywidgets", "widgets"),
        ("ipywidgets", "widgets.vae"),
        ("simpleeval", "claims"),
    ],
)
def test_a_missing_extra_is_named_with_what_to_do(missing, module):
    run = python(
        f"import sys; sys.modules['{missing}'] = None\nimport rlvebm_utils.course.{module}\n"
    )
    said = run.stderr.strip().splitlines()[-1]
    assert said.startswith(f"ImportError: {missing}: expected an installed package, for ")
    assert said.endswith("pip install 'rlvebm_utils[course]'")


def test_readme_example_runs():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    run = python(f"import torch; torch.manual_seed(0)\n{example}")
    assert run.returncode == 0 and run.stderr == "", run.stderr
    shape, gap = re.fullmatch(r"torch.Size\((.*)\) tensor\((.*?)[,)].*\n", run.stdout).groups()
    assert shape == "[1000, 256]" and float(gap) <= 1e-4


def test_every_public_name_exists():
    assert [name for name in rlvebm_utils.__all__ if not hasattr(rlvebm_utils, name)] == []


def test_version_is_one():
    assert importlib.metadata.version("rlvebm_utils") == rlvebm_utils.__version__


def test_needs_are_few_and_loose():
    needs = {need.name: need for need in map(Requirement, PROJECT["dependencies"])}
    assert set(needs) == {"numpy", "torch", "tqdm"}
    for need in needs.values():
        assert {part.operator for part in need.specifier} == {">="}, f"{need}: lower bounds only"
    assert needs["torch"].specifier.contains("2.6.0")


def test_supported_pythons():
    supported = SpecifierSet(PROJECT["requires-python"])
    answers = {version: f"{version}.1" in supported for version in ("3.10", "3.11", "3.13", "3.14")}
    assert answers == {"3.10": False, "3.11": True, "3.13": True, "3.14": True}


def test_pins_are_exact_and_within_the_bounds():
    for pin in pins().values():
        assert [part.operator for part in pin.specifier] == ["=="], f"{pin} is not an exact pin"
    assert str(pins()["torch"]) == "torch==2.13.0"
    extras = dict(PROJECT["optional-dependencies"])
    for other in ("benchmarks", "fast"):  # peers and a compiler: they made no recorded output
        del extras[other]
    groups = [PROJECT["dependencies"], *extras.values()]
    for need in (Requirement(line) for group in groups for line in group):
        (pin,) = pins()[need.name.lower()].specifier
        assert need.specifier.contains(pin.version), f"{need} does not allow {pin.version}"


@pytest.mark.parametrize("pin", pins().values(), ids=str)
def test_environment_is_the_pinned_one(pin):
    """Recorded outputs are compared in the environment that they were made in."""
    installed = importlib.metadata.version(pin.name)
    assert pin.specifier.contains(installed), f"{pin}, and {installed} is installed: make test"


def test_threads_wait_quietly_whoever_starts_the_tests():
    """Plain pytest, too, of a notebook alone, where only the upper conftest.py is read."""
    code = "import conftest, os; print(os.environ['OMP_WAIT_POLICY'])"
    for given, expected in (({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active")):
        env = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"} | given
        run = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True
        )
        assert run.stdout.strip() == expected, run.stderr


@pytest.fixture
def source(tmp_path):
    """A copy of the repository's files, as git knows them, and their names."""
    source = tmp_path / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    files = [name for name in listed.stdout.decode().split("\0") if (ROOT / name).is_file()]
    for name in files:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    return source, files


def complaints(*command) -> str:
    """What a tool says of what would go to PyPI; "" where it has nothing against it, or where it is
    not installed: make test brings it.
    """
    if not importlib.util.find_spec(command[0]):
        return ""
    run = subprocess.run([sys.executable, "-m", *map(str, command)], capture_output=True, text=True)
    return run.stdout + run.stderr if run.returncode else ""


def test_sdist_holds_the_package_and_no_half_of_the_tests(source, tmp_path):
    folder, files = source
    code = f"from setuptools import build_meta; build_meta.build_sdist({str(tmp_path)!r})"
    run = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    (sdist,) = tmp_path.glob("*.tar.gz")
    assert complaints("twine", "check", "--strict", sdist) == ""
    with tarfile.open(sdist) as archive:
        names = {one.name.partition("/")[2] for one in archive.getmembers() if one.isfile()}
    made = {name for name in names if ".egg-info/" in name} | {"PKG-INFO", "setup.cfg"}
    besides = {"README.md", "LICENSE", "LICENSE-CC-BY-4.0.md", "pyproject.toml", "MANIFEST.in"}
    package = {name for name in files if name.startswith("rlvebm_utils/")}
    assert package <= names and names - made - package <= besides


def test_wheel_holds_the_package_and_nothing_else(source, tmp_path):
    source, files = source
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    run = subprocess.run(
        [*command, "--wheel-dir", tmp_path, source], capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert complaints("twine", "check", "--strict", wheel) == ""
    assert complaints("check_wheel_contents", wheel) == ""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        (licence,) = (name for name in archive.namelist() if name.endswith("/LICENSE"))
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
    assert names == {name for name in files if name.startswith("rlvebm_utils/")}


def test_style_is_clean():
    for command in (["check", "--output-format=concise"], ["format", "--check"]):
        run = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "."],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
@pytest.mark.parametrize("version", [(3, 10), (3, 11), (3, 12), (3, 13), (3, 14)])
def test_the_pythons_that_make_the_environment(version, tmp_path):
    """Told by a python that claims to be another one: 3.11 to 3.13, as the README says."""
    python, venv = tmp_path / "python", tmp_path / "venv"
    python.write_text(
        f"""#!/bin/sh
case "$1" in
-c) exec {sys.executable} -c "import sys; sys.version_info = {version} + (0, 'final', 0)
$2" ;;
-m) mkdir -p "$4" ;;
*) echo Python ;;
esac
"""
    )
    python.chmod(0o755)
    script = ["sh", str(ROOT / "tools" / "venv.sh"), str(venv)]
    environment = {**os.environ, "PYTHON": str(python)}
    run = subprocess.run(script, env=environment, capture_output=True, text=True)
    fits = (3, 11) <= version <= (3, 13)
    assert (run.returncode == 0) == venv.exists() == fits, run.stderr
    assert fits or "no Python 3.11, 3.12 or 3.13 found" in run.stderr
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "3.11" in readme and "3.13" in readme
