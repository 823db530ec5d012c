"""Change the code in every small way, and see which changes no test notices: python -m
tools.mutants.

    python -m tools.mutants                      the core, module by module (hours)
    python -m tools.mutants penalties energies   these

cosmic-ray makes the changes (one operator, one number, one comparison at a time) in a copy of the
repository, and runs the module's own tests on each. What survives is printed as a difference, to be
looked at: a test is missing there, or the change makes no difference.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "rlvebm_utils"
# Module → its tests, the quickest to notice something first
CORE = {
    "penalties": ["penalties", "bad_input"],
    "energies": ["energies", "honest"],
    "problem": ["solvers", "wherever"],
    "solvers": ["solvers", "honest"],
    "operators": ["operators", "own_operator", "solvers"],
    "conv": ["conv"],
    "validate": ["bad_input", "every_argument"],
    "learning": ["learning", "every_argument"],
    "fast/codes": ["codes", "honest"],
    "fast/steps": ["codes"],
    "fast/admm": ["admm"],
    "fast/images": ["admm", "images", "honest"],
}
CONFIG = """\
[cosmic-ray]
module-path = "{module}"
timeout = 300.0
excluded-modules = []
test-command = "{python} -m pytest -x -q -n 0 -p no:cacheprovider {tests}"

[cosmic-ray.distributor]
name = "local"
"""


def copy_of_repository(folder: Path) -> None:
    """What git knows, or would; nothing here is changed while mutants live."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, names.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copy2(ROOT / name, folder / name)


def hunt(name: str, folder: Path) -> str:
    """All mutants of one module; the report of those that survive."""
    tests = " ".join(f"tests/test_{test}.py" for test in CORE[name])
    config = CONFIG.format(module=f"{PACKAGE}/{name}.py", python=sys.executable, tests=tests)
    (folder / "mutants.toml").write_text(config, encoding="utf-8")
    session = folder / "mutants.sqlite"
    session.unlink(missing_ok=True)
    env = os.environ | {"PYTHONPATH": str(folder)}
    for step in ("init", "exec"):
        run = [_tool("cosmic-ray"), step, "mutants.toml", session.name]
        subprocess.run(run, cwd=folder, env=env, check=True)
    report = [_tool("cr-report"), "--surviving-only", "--show-diff", session.name]
    return subprocess.run(report, cwd=folder, capture_output=True, text=True, check=True).stdout


def _tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def main() -> int:
    parser = argparse.ArgumentParser(description="Mutants that no test notices.")
    parser.add_argument("module", nargs="*", help=f"of {', '.join(CORE)} (default: all)")
    names = parser.parse_args().module
    for name in set(names) - CORE.keys():
        parser.error(f"module: expected some of {', '.join(CORE)}, got {name}")
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy_of_repository(Path(folder))
        for name in names or CORE:
            print(f"---- {PACKAGE}/{name}.py\n{hunt(name, Path(folder))}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
