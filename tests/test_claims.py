"""The register's promises are kept by executed cells, and README's table tells what they show."""

import json
import re
import subprocess
import sys

import nbformat
import numpy as np
import pytest
import torch

from rlvebm_utils.course.claims import claim
from tools import claims, notebooks

# ---- The course ----


def test_promises_are_kept():
    assert claims.faults(notebooks.FOLDER) == []


def test_readme_table_is_fresh():
    readme = (claims.ROOT / "README.md").read_text(encoding="utf-8")
    assert readme == claims.with_table(readme, notebooks.FOLDER), "stale: run make claims"


def test_register_is_complete():
    """All 29 statements and 10 errata of the lecture, each with its sentence and its notebook."""
    register = claims.read_register(notebooks.FOLDER)
    families = {"EBM": 5, "SC": 3, "FISTA": 3, "LISTA": 4, "MNIST": 1, "GABOR": 1, "CONV": 6}
    families |= {"VAE": 6, "ERR": 10}
    expected = {f"{name}-{n}" for name, size in families.items() for n in range(1, size + 1)}
    assert set(register["claims"]) == expected
    for id, entry in register["claims"].items():
        assert set(entry) == {"kind", "notebook", "statement"}
        assert entry["kind"] == ("erratum" if id.startswith("ERR-") else "claim")
        assert re.fullmatch(r"0[1-7]_[a-z_]+", entry["notebook"])
        assert entry["statement"].endswith(".") and len(entry["statement"]) > 40


# ---- The gate itself ----


@pytest.fixture
def folder(small_pair):
    """A course of one small notebook, which keeps its one promise."""
    write_register(small_pair.parent, finished=["00_small"])
    return small_pair.parent


def write_register(folder, finished, id="SC-1", notebook="00_small"):
    (folder / "claims.toml").write_text(
        f"finished = {json.dumps(finished)}\n"
        f'[claims.{id}]\nkind = "claim"\nnotebook = "{notebook}"\nstatement = "It is a|b."\n'
        '[claims.SC-2]\nkind = "claim"\nnotebook = "01_later"\nstatement = "To come."\n',
        encoding="utf-8",
    )


def edit(folder, change):
    path = folder / "00_small.ipynb"
    notebook = nbformat.read(path, as_version=4)
    change(notebook.cells)
    nbformat.write(notebook, path)


def second_copy(cells):
    cells.append(nbformat.from_dict(dict(cells[2], id="copy")))


def another_id(cells):
    data, metadata = cells[2].outputs[0].data, cells[2].outputs[0].metadata
    data["text/plain"] = data["text/plain"].replace("SC-1", "SC-7")
    metadata["rlvebm"]["id"] = "SC-7"


def test_kept_promise_passes(folder):
    assert claims.faults(folder) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda cells: cells[2].metadata.pop("tags"), "promises SC-1, and no executed cell"),
        (lambda cells: cells[2].metadata.pop("tags"), "lacks the tag claim:SC-1"),
        (lambda cells: cells[2].outputs.clear(), "promises SC-1, and no executed cell"),
        (lambda cells: cells[2].outputs.clear(), "tagged claim:SC-1, and does not show it"),
        (lambda cells: cells[2].update(execution_count=None), "promises SC-1, and no executed"),
        (lambda cells: cells.pop(2), "promises SC-1, and no executed cell"),
        (
            lambda cells: cells[2].outputs[0].data.update({"text/plain": "all is well"}),
            "promises SC-1, and no executed cell",
        ),
        (
            lambda cells: cells[2].outputs[0].metadata.clear(),
            "promises SC-1, and no executed cell",
        ),
        (another_id, "shows SC-7, which is not in the register"),
        (second_copy, "shows SC-1 a second time"),
        (lambda cells: cells[1].metadata.update(tags=["claim:SC-9"]), "unknown claim tag"),
        (lambda cells: cells[1].metadata.update(tags=["Claims: SC-1"]), "unknown claim tag"),
        (lambda cells: cells[0].metadata.update(tags=["claim:SC-2"]), "does not show it"),
    ],
)
def test_broken_promise_is_caught(folder, change, told):
    edit(folder, change)
    assert told in " ".join(claims.faults(folder))


def test_promise_of_a_missing_notebook_is_caught(folder):
    write_register(folder, finished=["00_small", "01_later"])
    assert claims.faults(folder) == [
        "01_later is listed as finished and does not exist",
        "01_later: promises SC-2, and no executed cell shows it",
    ]


def test_promise_kept_elsewhere_does_not_count(folder):
    write_register(folder, finished=["01_later"], notebook="01_later")
    assert "01_later: promises SC-1, and no executed cell shows it" in claims.faults(folder)


def test_table(folder):
    assert claims.table(folder).splitlines() == [
        "| id | statement | notebook | measured | verdict |",
        "|---|---|---|---|---|",
        "| SC-1 | It is a\\|b. | [00](notebooks/00_small.ipynb) | the value is -0.667 | holds |",
        "",
        "To come:",
        "",
        "- `01_later`: SC-2",
    ]


def test_stale_table_is_caught(folder):
    readme = f"before\n{claims.BEGIN}\n{claims.END}\nafter\n"
    fresh = claims.with_table(readme, folder)
    assert fresh.startswith("before\n") and fresh.endswith("after\n")
    assert claims.with_table(fresh, folder) == fresh
    stale = fresh.replace("0.667", "0.668")
    assert stale != fresh and claims.with_table(stale, folder) == fresh
    with pytest.raises(ValueError, match="one pair of markers"):
        claims.with_table("no markers", folder)


# ---- claim() ----


@pytest.mark.parametrize(
    ("id", "holds", "verdict"),
    [
        ("SC-1", True, "holds"),
        ("SC-1", False, "differs"),
        ("SC-1", "in part", "in part"),
        ("SC-1", torch.tensor(True), "holds"),
        ("SC-1", np.bool_(False), "differs"),
        ("ERR-10", True, "corrected: shown"),
        ("ERR-10", False, "not reproduced"),
        ("ERR-10", "in part", "in part"),
    ],
)
def test_claim_prints_one_line_outside_ipython(capsys, id, holds, verdict):
    # This process has no IPython shell, whether or not the module is loaded.
    claim(id, "gap 3e-12", holds, gap=3e-12)
    assert capsys.readouterr().out == f"{id} · {verdict} · gap 3e-12\n"


def test_claim_needs_no_ipython():
    code = (
        "import sys; from rlvebm_utils.course.claims import claim\n"
        "claim('SC-1', 'gap 1', True, gap=1)\n"
        "assert 'IPython' not in sys.modules"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (run.stdout, run.returncode) == ("SC-1 · holds · gap 1\n", 0), run.stderr


def test_claim_in_a_notebook(small_text):
    """One output: the line as plain text, and the figures in full precision behind it."""
    notebook = nbformat.read(small_text.with_suffix(".ipynb"), as_version=4)
    (output,) = notebook.cells[2].outputs
    assert output.data == {"text/plain": "SC-1 · holds · the value is -0.667"}
    assert output.metadata["rlvebm"] == {
        "id": "SC-1",
        "verdict": "holds",
        "figures": {"value": 2 / 3},
        "rtol": {"value": 1e-6},
        "atol": {"value": 0.0},
    }


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (dict(id="sc-1"), "id"),
        (dict(id=None), "id"),
        (dict(text="clearly visible"), "text"),
        (dict(text="two\nlines 2"), "text"),
        (dict(holds="yes"), "holds"),
        (dict(holds=1), "holds"),
        (dict(holds=torch.tensor([True, False])), "holds"),
        (dict(gap=float("nan")), "gap"),
        (dict(gap=torch.ones(2)), "gap"),
        (dict(gap="small"), "gap"),
        (dict(rtol={"gab": 1e-3}), "rtol"),
        (dict(rtol=-1.0), "rtol"),
        (dict(atol=float("inf")), "atol"),
    ],
)
def test_claim_names_a_bad_argument(capsys, arguments, named):
    good = dict(id="SC-1", text="gap 3e-12", holds=True, gap=3e-12)
    with pytest.raises((TypeError, ValueError), match=rf"^{named}\b"):
        claim(**(good | arguments))
    assert capsys.readouterr().out == ""


def test_claim_needs_a_figure():
    with pytest.raises(ValueError, match="at least one measured figure"):
        claim("SC-1", "gap 3e-12", holds=True)
