"""The tests bite: each of these faults, put into a copy of the package, turns a named test red.

All copies are tested in one other process (this file, run as a script), which imports torch once.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]


class Mutation(NamedTuple):
    """A fault: pieces of a module's text with what replaces them, and the test that must see it."""

    module: str
    changes: dict[str, str]
    seen_by: str


MUTATIONS = {
    "flip the sign of the update": Mutation(
        "solvers.py",
        {"self.v - self.step": "self.v + self.step"},
        "test_solvers.py::test_equals_numpy",
    ),
    "drop the momentum": Mutation(
        "solvers.py",
        {"self.extrapolate(z) if self.options.momentum else z": "z"},
        "test_solvers.py::test_equals_numpy",
    ),
    "give ISTA momentum": Mutation(
        "solvers.py", {"momentum=False": "momentum=True"}, "test_solvers.py::test_equals_numpy"
    ),
    "drop the restart": Mutation(
        "solvers.py",
        {"if self.options.restart:": "if False:"},
        "test_solvers.py::test_equals_numpy",
    ),
    "return the extrapolated point": Mutation(
        "solvers.py",
        {"self.result[self.rows] = self.z": "self.result[self.rows] = self.v"},
        "test_solvers.py::test_equals_numpy",
    ),
    "change the warm start": Mutation(
        "solvers.py",
        {"else z0.detach().clone()": "else z0.detach()", "self.z = z\n": "self.z.copy_(z)\n"},
        "test_solvers.py::test_inputs_are_left_alone",
    ),
    "shrink by λ, not λ/L": Mutation(
        "solvers.py", {"(self.lam * self.step)": "self.lam"}, "test_solvers.py::test_equals_numpy"
    ),
    "ignore z ≥ 0": Mutation(
        "solvers.py",
        {"nonnegative_soft_threshold if self": "soft_threshold if self"},
        "test_solvers.py::test_equals_numpy",
    ),
    "mark the wrong samples as converged": Mutation(
        "solvers.py",
        {"self.converged[self.rows[done]] = True": "self.converged[: done.sum()] = True"},
        "test_solvers.py::test_the_cap_is_told",
    ),
    "drop the ½": Mutation(
        "energies.py", {"fit = 0.5 * ": "fit = "}, "test_energies.py::test_energy_by_hand"
    ),
    "turn the gap round": Mutation(
        "energies.py",
        {"(self.energy - self.dual)": "(self.dual - self.energy)"},
        "test_energies.py::test_gap_where_the_minimum_is_known",
    ),
    "leave the dual point unscaled": Mutation(
        "energies.py",
        {"u = torch.clamp(best, least, most)[:, None] * r": "u = r"},
        "test_energies.py::test_gap_where_the_minimum_is_known",
    ),
    "scale rounding errors up at λ = 0": Mutation(
        "energies.py",
        {"if bound.any():": "if False:"},
        "test_energies.py::test_dual_value_where_rounding_errors_are_all_that_is_left",
    ),
    "take the smallest eigenvalue for L": Mutation(
        "operators.py",
        {"eigvalsh(smaller)[-1]": "eigvalsh(smaller)[0]"},
        "test_operators.py::test_lipschitz_is_the_largest_singular_value_squared",
    ),
    "share W with the caller": Mutation(
        "operators.py",
        {"self.W = W.detach().clone()": "self.W = W.detach()"},
        "test_operators.py::test_the_callers_tensor_is_copied",
    ),
    "lose the sign in the shrinkage": Mutation(
        "prox.py",
        {"v - torch.clamp(v, -threshold, threshold)": "torch.clamp(v.abs() - threshold, min=0)"},
        "test_prox.py::test_is_the_minimiser",
    ),
    "skip the column norm": Mutation(
        "learning.py",
        {"W[:, j] = atom / norm": "W[:, j] = atom"},
        "test_learning.py::test_update_never_raises_its_objective",
    ),
    "flip the sign of the atoms' update": Mutation(
        "learning.py",
        {"W[:, j] + (B[:, j] - W @ A[:, j])": "W[:, j] - (B[:, j] - W @ A[:, j])"},
        "test_learning.py::test_update_never_raises_its_objective",
    ),
    "leave unused atoms unused": Mutation(
        "learning.py",
        {"W[:, dead] = _unit_norm(residual[worst].T)": "pass"},
        "test_learning.py::test_atoms_that_no_sample_uses_are_replaced",
    ),
    "LISTA steps uphill": Mutation(
        "lista.py",
        {"z + step[k] * A": "z - step[k] * A"},
        "test_lista.py::test_untrained_equals_ista",
    ),
    "LISTA without back-propagation through time": Mutation(
        "lista.py",
        {"residual = y - B.decode(z)": "z = z.detach() if k else z; residual = y - B.decode(z)"},
        "test_lista.py::test_gradient_reaches_every_step",
    ),
    "LISTA at learning rate 0": Mutation(
        "lista.py",
        {'"lr": learning_rate * scale[name]': '"lr": 0 * scale[name]'},
        "test_lista.py::test_training_pays_off_on_samples_never_seen",
    ),
    "LISTA left untrained": Mutation(
        "lista.py",
        {"            optimiser.step()\n": ""},
        "test_lista.py::test_training_pays_off_on_samples_never_seen",
    ),
    "LISTA climbs the energy": Mutation(
        "lista.py",
        {"loss.backward()": "(-loss).backward()"},
        "test_lista.py::test_training_pays_off_on_samples_never_seen",
    ),
    "LISTA's steps go past 2/L": Mutation(
        "lista.py",
        {"2 * torch.sigmoid(self.step_logit)": "(1 + self.step_logit.abs())"},
        "test_lista.py::test_no_step_goes_past_two_over_l",
    ),
    "LISTA keeps its thresholds for every λ": Mutation(
        "lista.py",
        {"share * threshold[k]": "threshold[k]"},
        "test_lista.py::test_another_lambda_scales_the_thresholds",
    ),
    "LISTA trusts everything": Mutation(
        "lista.py",
        {"<= (self.trusted_gap": ">= 0 * (self.trusted_gap"},
        "test_lista.py::test_trusts_what_it_knows_and_nothing_else",
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_place_is_still_there(name):
    """Once, and only once: otherwise the list has to follow the code."""
    module, changes, _ = MUTATIONS[name]
    text = (ROOT / "rlvebm_utils" / module).read_text(encoding="utf-8")
    for old in changes:
        assert text.count(old) == 1, f"{module}: {old!r} is there {text.count(old)} times"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """For the package as it is and each mutation: pytest's exit code and which tests failed."""
    folder = tmp_path_factory.mktemp("mutations")
    runs = []
    for i, (module, changes, seen_by) in enumerate([Mutation("", {}, ""), *MUTATIONS.values()]):
        copy = folder / str(i)
        ignore = shutil.ignore_patterns("__pycache__", "plots", "widgets")
        shutil.copytree(ROOT / "rlvebm_utils", copy / "rlvebm_utils", ignore=ignore)
        tests = [seen_by] if seen_by else sorted({m.seen_by for m in MUTATIONS.values()})
        for file in {"problems.py", *(test.split("::")[0] for test in tests)}:
            shutil.copy(ROOT / "tests" / file, copy)
        (copy / "pytest.ini").write_text("[pytest]\npythonpath = .\n", encoding="utf-8")
        if changes:
            path = copy / "rlvebm_utils" / module
            text = path.read_text(encoding="utf-8")
            for old, new in changes.items():
                text = text.replace(old, new)
            path.write_text(text, encoding="utf-8")
        runs.append((str(copy), tests))

    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    env |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    results = folder / "results.json"
    done = subprocess.run(
        [sys.executable, __file__, str(results)],
        input=json.dumps(runs),
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=env | {"PYTHONIOENCODING": "utf-8"},
        cwd=folder,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(zip([None, *MUTATIONS], json.loads(results.read_text()), strict=True))


def test_the_package_as_it_is_passes(outcomes):
    assert outcomes[None] == [pytest.ExitCode.OK, []]


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_turns_a_test_red(name, outcomes):
    code, failed = outcomes[name]
    assert code == pytest.ExitCode.TESTS_FAILED
    assert failed[0].startswith(MUTATIONS[name].seen_by)


class Failures:
    """A pytest plugin that notes which tests failed, and that they met the copy."""

    def __init__(self, folder: str):
        self.folder, self.failed = folder, []

    def pytest_collection_finish(self):
        used = Path(sys.modules["rlvebm_utils"].__file__)
        assert used.is_relative_to(self.folder), f"{used} was tested, not {self.folder}"

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed.append(report.nodeid)


def run_one(folder: str, tests: list[str]):
    for name in list(sys.modules):
        if name.split(".")[0] in ("rlvebm_utils", "problems") or name.startswith("test_"):
            del sys.modules[name]
    os.chdir(folder)
    plugin = Failures(folder)
    quick = ["--assert=plain", "-p", "no:unraisableexception", "-p", "no:cacheprovider"]
    options = ["-x", "-q", "--no-header", "--tb=line", *quick]
    code = pytest.main([*options, f"--rootdir={folder}", *tests], plugins=[plugin])
    return int(code), plugin.failed


if __name__ == "__main__":
    outcome = [run_one(folder, tests) for folder, tests in json.load(sys.stdin)]
    Path(sys.argv[1]).write_text(json.dumps(outcome), encoding="utf-8")
