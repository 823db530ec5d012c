"""What a stranger finds (workflows, citation, changes, README), and that it agrees with itself."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from tools import address, colab, release
from tools.notebooks import ROOT, texts

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
IDS = [path.stem for path in WORKFLOWS]
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=IDS)


def tool(name: str) -> pytest.MarkDecorator:
    """For a test that runs a tool of tests/tools.txt, which make test installs."""
    return pytest.mark.skipif(not find_spec(name), reason=f"{name}: make test installs it")


def said(*command, cwd: Path = ROOT) -> str:
    """What a tool prints; "" where it finds nothing."""
    run = subprocess.run(
        [sys.executable, "-m", *map(str, command)], cwd=cwd, capture_output=True, text=True
    )
    return run.stdout + run.stderr if run.returncode else ""


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def jobs(path: Path) -> dict[str, dict]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]


def steps(path: Path) -> list[dict]:
    return [step for job in jobs(path).values() for step in job["steps"]]


def commands(path: Path) -> str:
    return "\n".join(step.get("run", "") for step in steps(path))


# ---- workflows ----


def test_the_workflows_are_these():
    assert IDS == ["nightly", "release", "site", "tests"]


@pytest.fixture
def zizmor():
    """It reads a workflow as GitHub does, and knows what is dangerous in one."""
    path = shutil.which("zizmor", path=str(Path(sys.executable).parent))
    if not path:
        pytest.skip("zizmor: make test installs it")

    def run(folder: Path) -> str:
        command = [path, "--offline", "--no-progress", "--strict-collection", str(folder)]
        run = subprocess.run(command, capture_output=True, text=True)
        return run.stdout + run.stderr if run.returncode else ""

    return run


def test_workflows_are_sound(zizmor):
    assert zizmor(ROOT / ".github") == ""


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("runs-on: ubuntu-latest", "run-on: ubuntu-latest"),  # what GitHub would refuse
        ('"$GITHUB_REF_NAME"', '"${{ github.ref_name }}"'),  # a tag's name that is run as code
        ("actions/checkout@v5", "actions/checkout"),
    ],
)
def test_what_is_wrong_in_a_workflow_is_seen(good, bad, zizmor, tmp_path):
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    workflow = tmp_path / ".github" / "workflows" / "release.yml"
    before = workflow.read_text(encoding="utf-8")
    assert good in before
    workflow.write_text(before.replace(good, bad, 1), encoding="utf-8")
    assert zizmor(tmp_path / ".github") != ""


@pytest.mark.skipif(not shutil.which("actionlint"), reason="actionlint is not installed here")
def test_actionlint_is_content():
    run = subprocess.run(["actionlint"], cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "")


@each_workflow
def test_each_workflow_may_do_little_and_ends(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] in ({}, {"contents": "read"}) and workflow["concurrency"]
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 120
        write = {name for name, right in job.get("permissions", {}).items() if right == "write"}
        assert write <= {"pages", "id-token"}


@each_workflow
def test_actions_are_pinned_to_a_major_version(path):
    for step in steps(path):
        if "uses" in step:
            assert re.fullmatch(r"[\w./-]+@(v\d+|release/v\d+)", step["uses"]), step["uses"]


@each_workflow
def test_what_a_workflow_calls_is_there(path):
    here = commands(path)
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    called = {word for line in re.findall(r"\bmake ([a-z -]+)", here) for word in line.split()}
    assert called <= targets
    for name in re.findall(r"(?:python |@|^)(\.?[\w/]+/[\w.]+)", here, re.MULTILINE):
        assert (ROOT / name).is_file(), name


def test_one_job_runs_what_continuous_integration_is():
    (job,) = (job for job in jobs(WORKFLOWS[-1]).values() if ".ci/run" in str(job["steps"]))
    assert "bookworm" in job["container"] and text(".ci/run").rstrip().endswith("make test")


def test_the_package_is_tried_where_it_says_it_runs():
    matrix = jobs(WORKFLOWS[-1])["package"]["strategy"]["matrix"]
    assert [one.split("-")[0] for one in matrix["os"]] == ["ubuntu", "macos", "windows"]
    project = tomllib.loads(text("pyproject.toml"))["project"]
    promised = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert matrix["python"] == promised


def test_the_tests_of_the_package_are_there_and_need_no_course():
    for name in text("tests/package.txt").split():
        assert "plots" not in text(name) and "widgets" not in text(name)
    others = {path.name for path in (ROOT / "tests").glob("test_*.py")}
    assert {Path(name).name for name in text("tests/package.txt").split()} < others


# ---- the other files ----


def test_other_files_can_be_read():
    names = [*(ROOT / ".github").rglob("*.yml"), ROOT / ".pre-commit-config.yaml"]
    for path in [*names, ROOT / "CITATION.cff"]:
        assert yaml.safe_load(path.read_text(encoding="utf-8")), path.name
    container = json.loads(text(".devcontainer/devcontainer.json"))
    assert "make .venv/.ready" in container["onCreateCommand"]


def test_one_version_of_ruff():
    hooks = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]
    (version,) = (one["rev"] for one in hooks if "ruff" in one["repo"])
    assert f"ruff=={version.removeprefix('v')}\n" in text("requirements.txt")


def test_binder_installs_the_pins():
    lines = text("binder/requirements.txt").splitlines()
    (pins,) = (line.removeprefix("-r ") for line in lines if line.startswith("-r "))
    assert (ROOT / "binder" / pins).resolve() == ROOT / "requirements.txt"
    assert (ROOT / "binder" / "postBuild").stat().st_mode & 0o111
    assert text("binder/runtime.txt") == "python-3.11\n"


def test_the_tools_are_pinned():
    pins = [line for line in text("tests/tools.txt").splitlines() if not line.startswith("#")]
    assert pins and all(re.fullmatch(r"[\w-]+(\[\w+\])?==[\d.]+", pin) for pin in pins)


# ---- one version ----


@pytest.fixture
def told(tmp_path) -> Path:
    """A copy of all that tells the version."""
    for name in release.VERSIONS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_one_version_everywhere():
    assert len(set(release.versions().values())) == 1
    assert release.faults(f"v{release.versions()['CITATION.cff']}") == []


@pytest.mark.parametrize("name", release.VERSIONS)
def test_a_release_that_was_half_prepared_is_refused(name, told):
    tag = f"v{release.versions(told)[name]}"
    (told / name).write_text(
        (told / name).read_text(encoding="utf-8").replace(tag[1:], "9.9.9"), encoding="utf-8"
    )
    assert release.faults(tag, told) == [f"{name}: expected version {tag[1:]}, got 9.9.9"]
    (told / name).write_text("", encoding="utf-8")
    assert release.faults(tag, told) == [f"{name}: expected version {tag[1:]}, got none"]


def test_the_command_refuses_a_wrong_tag():
    tag = f"v{release.versions()['CITATION.cff']}"
    assert said("tools.release", tag) == ""
    assert "expected version 0.0.0" in said("tools.release", "v0.0.0")


# ---- README and the address ----


def test_readme_is_short():
    assert len(text("README.md").splitlines()) < 130


def test_the_first_click_is_on_the_first_screen():
    top = text("README.md").splitlines()[:30]
    (picture,) = (n for n, line in enumerate(top) if line.startswith("!["))
    assert picture < 10 and "make lab" in "\n".join(top)
    assert sum("notebooks/0" in line for line in top) == 7


def test_files_that_readmes_link_are_there():
    for name in ("README.md", "benchmarks/README.md", "CONTRIBUTING.md"):
        for link in re.findall(r"\]\(([^)#]+)", text(name)):
            if not link.startswith("http"):
                assert (ROOT / name).parent.joinpath(link).exists(), f"{name}: {link}"


def test_one_address_in_project_and_citation():
    to = address.address()
    urls = tomllib.loads(text("pyproject.toml"))["project"]["urls"]
    citation = yaml.safe_load(text("CITATION.cff"))
    assert citation["repository-code"] == urls["Repository"] == f"https://github.com/{to}"
    assert urls["Changelog"].startswith(urls["Repository"])
    assert urls["Documentation"] == address.site(to)


def test_badges_are_those_of_the_address():
    assert text("README.md") == address.with_badges(text("README.md"), address.address())


def test_the_placeholder_has_no_badges_that_lead_nowhere():
    there = address.with_badges(text("README.md"), "Some-One/some.where")
    assert there.count("colab.research.google.com/github/Some-One/some.where/blob/main/") == 7
    assert "https://some-one.github.io/some.where/" in there
    assert "Some-One/some.where/actions/workflows/tests.yml" in there and "tests" in IDS
    back = address.with_badges(there, address.PLACEHOLDER)
    assert "after you publish: `make address TO=owner/name`" in back
    assert back == address.with_badges(text("README.md"), address.PLACEHOLDER)
    assert not re.search(r"shields\.io|mybinder|colab\.research", back)


def numbered() -> dict[str, str]:
    """The texts of the seven notebooks: the playground has no badge."""
    return {one.stem: one.read_text("utf-8") for one in texts() if one.stem[0].isdigit()}


def test_each_notebook_has_the_badge_of_the_address():
    for name, source in numbered().items():
        assert len(address.BADGE.findall(source)) == 1, name
        assert address.with_badge(source, name, address.address()) == source, name


@pytest.mark.parametrize("name", numbered())
def test_a_notebooks_badge_comes_and_goes_with_the_address(name):
    source = numbered()[name]
    later = address.with_badge(source, name, address.PLACEHOLDER)
    assert "colab.research" not in later and f"# {address.LATER}\n" in later
    there = address.with_badge(later, name, "some-one/where")
    assert there.count(f"/some-one/where/blob/main/notebooks/{name}.ipynb)") == 1
    assert address.LATER not in there
    assert address.with_badge(there, name, address.PLACEHOLDER) == later


def test_a_readme_without_a_place_for_badges_is_refused():
    with pytest.raises(ValueError, match="README.md: expected a block of badges"):
        address.with_badges("# Nothing", "owner/name")


def best(records: list[dict], solver: str, level: str = "") -> float:
    found = [one for one in records if one["solver"].startswith(solver) and level in one["solver"]]
    return min(one["seconds"] for one in found if one["worst_excess"] <= 1e-4)


def test_the_lead_is_the_measured_one():
    records = json.loads(text("benchmarks/results.json"))
    dense = [one for one in records if one["workload"] == "A"]
    images = [one for one in records if one["workload"] == "conv"]
    spams, sklearn = (best(dense, name) / best(dense, "encode") for name in ("spams", "sklearn"))
    sporco = best(images, "sporco") / best(images, "encode_images")
    lead = f"{spams:.1f} times as fast as SPAMS and {sklearn:.0f} times as scikit-learn"
    assert lead in text("README.md") and f"{sporco:.0f} times as SPORCO" in text("README.md")


# ---- types ----


def pyright(path: Path) -> str:
    return said("pyright", "--pythonpath", sys.executable, path)


@tool("pyright")
def test_a_users_script_is_typed(tmp_path):
    """Every public name in strict mode; and the mistake of a user is found."""
    user = ROOT / "tests" / "types" / "user.py"
    assert pyright(user) == ""
    script = user.read_text(encoding="utf-8")
    wrong = script.replace("package.fista(operator, y, lam", 'package.fista(operator, "y", lam', 1)
    (tmp_path / "wrong.py").write_text(wrong, encoding="utf-8")
    assert "reportArgumentType" in pyright(tmp_path / "wrong.py") and wrong != script


def test_the_users_script_names_everything():
    import rlvebm_utils

    script = text("tests/types/user.py")
    assert [name for name in rlvebm_utils.__all__ if not re.search(rf"\b{name}\b", script)] == []


# ---- Colab ----


def test_what_the_first_cell_may_bring():
    assert colab.needs() == ["anywidget", "mlxtend", "pooch", "psygnal", "simpleeval"]
    before = {"torch==2.13.0", "numpy==2.1.3"}
    allowed = ["rlvebm-utils", *colab.needs()]
    assert colab.replaced(before, before | {"pooch==1.9.0"}, allowed) == set()
    for bad in ({"numpy==2.4.6", "torch==2.13.0"}, before | {"scipy==1.17"}, {"torch==2.13.0"}):
        assert colab.replaced(before, bad, allowed)


def test_github_is_this_folder(tmp_path):
    clone = tmp_path / "clone"
    subprocess.run(["git", "init", "--quiet", "--bare", clone], check=True)
    there = f"https://github.com/{address.address()}"
    listed = ["git", "ls-remote", "--exit-code", there]
    run = subprocess.run(listed, env=colab.environment(clone), capture_output=True, text=True)
    assert run.returncode == 2 and run.stderr == ""  # found, and empty
