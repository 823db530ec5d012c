"""Run a notebook as Colab would, from its first cell on: ``python -m tools.colab PYTHON NAME``.

PYTHON: of an environment with Colab's versions (``make test-colab`` makes it). What the first cell
is there to fetch is taken out of it beforehand. GitHub is this folder: git is told to look here for
the repository's address, so that the cell is run to the letter. Afterwards the environment must
hold what it held, in the same versions, and what the cell names besides.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools import address, notebooks


def needs() -> list[str]:
    """What the first cell fetches beside the package."""
    cell = (notebooks.FOLDER / "_first_cell.py").read_text(encoding="utf-8")
    return re.search(r'needs = "\S+ (.*)"', cell).group(1).split()


def frozen(python: str) -> set[str]:
    """What is installed, as pip lists it: name==version, in small letters."""
    listed = ["list", "--format=freeze", "--disable-pip-version-check"]
    run = subprocess.run(
        [python, "-m", "pip", *listed], check=True, stdout=subprocess.PIPE, text=True
    )
    return {line.lower().replace("_", "-") for line in run.stdout.split()}


def replaced(before: set[str], after: set[str], allowed: list[str]) -> set[str]:
    """What changed besides what is allowed to come."""
    return {one for one in before ^ after if one in before or one.split("==")[0] not in allowed}


def environment(clone: Path) -> dict[str, str]:
    """The environment variables in which git finds the repository in ``clone``."""
    redirect = {"KEY_0": f"url.file://{clone}.insteadOf", "COUNT": "1"}
    redirect["VALUE_0"] = f"https://github.com/{address.address()}"
    return dict(os.environ) | {f"GIT_CONFIG_{name}": value for name, value in redirect.items()}


def run(python: str, name: str) -> set[str]:
    """Run the notebook; what it replaced. Raises CalledProcessError where a cell fails."""
    package = ["rlvebm-utils", *needs()]
    subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", *package], check=True)
    before, start = frozen(python), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        clone, here = Path(folder, "clone"), Path(folder, "notebook")
        subprocess.run(["git", "clone", "--quiet", "--bare", address.ROOT, clone], check=True)
        here.mkdir()
        text = (notebooks.FOLDER / f"{name}.ipynb").read_bytes()
        (here / f"{name}.ipynb").write_bytes(text)
        execute = ["nbconvert", "--to=notebook", "--execute", "--inplace", f"{name}.ipynb"]
        command = [python, "-m", *execute, "--ExecutePreprocessor.kernel_name=python3"]
        subprocess.run(command, cwd=here, env=environment(clone), check=True)
    print(f"{name}: every cell ran, in {time.monotonic() - start:.0f} s")
    return replaced(before, frozen(python), package)


if __name__ == "__main__":
    for name in sys.argv[2:]:
        if changed := run(sys.argv[1], name):
            sys.exit(f"{name}: the first cell replaced or brought {', '.join(sorted(changed))}")
