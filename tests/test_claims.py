"""The register's promises are kept by executed cells, and CLAIMS.md tells what they show."""

import ast
import json
import re
import subprocess
import sys

import nbformat
import numpy as np
import pytest
import torch

from rlvebm_utils.course import claims as course
from rlvebm_utils.course.claims import Entry, claim, register
from tools import claims, notebooks

# ---- The course ----


def test_promises_are_kept():
    assert claims.faults(notebooks.FOLDER) == []


def test_page_is_fresh():
    page = (notebooks.FOLDER / claims.PAGE).read_text(encoding="utf-8")
    assert page == claims.page(notebooks.FOLDER), "stale: run make claims"


def test_verdicts_follow_from_the_recorded_figures():
    """What a cell shows is what the register makes of its figures."""
    for name in claims.finished():
        notebook = nbformat.read(notebooks.FOLDER / f"{name}.ipynb", as_version=4)
        for output in (o for cell in notebook.cells for o in cell.get("outputs", [])):
            record = output.get("metadata", {}).get("rlvebm")
            if record:
                entry = register()[record["id"]]
                figures = {name: np.asarray(value) for name, value in record["figures"].items()}
                verdict, sentence = entry.verdict(figures), entry.sentence(figures)
                shown = output.data["text/plain"]
                assert (record["verdict"], shown.split(" · ", 2)[2]) == (verdict, sentence)
                assert output.data["text/html"] == course.card(entry, sentence, verdict)


def test_register_is_complete():
    """All 29 statements and 10 errata of the lecture, each with its sentence and its notebook."""
    families = {"EBM": 5, "SC": 3, "FISTA": 3, "LISTA": 4, "MNIST": 1, "GABOR": 1, "CONV": 6}
    families |= {"VAE": 6, "ERR": 10}
    expected = {f"{name}-{n}" for name, size in families.items() for n in range(1, size + 1)}
    assert register().keys() == expected
    for id, entry in register().items():
        assert (entry.kind == "erratum") == id.startswith("ERR-")
        assert re.fullmatch(r"0[1-7]_[a-z_]+", entry.notebook)
        assert entry.statement.endswith(".") and len(entry.statement) > 40


def calls(source: str) -> list[ast.Call]:
    found = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return [call for call in found if getattr(call.func, "id", "") == "claim"]


@pytest.mark.parametrize("name", claims.finished())
def test_claims_do_not_crowd_the_page(name):
    """They are under 6 % of a notebook's lines of code, and none of theirs is long."""
    source = (notebooks.FOLDER / f"{name}.py").read_text(encoding="utf-8")
    lines = source.splitlines()
    code = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    spans = [lines[call.lineno - 1 : call.end_lineno] for call in calls(source)]
    assert spans and sum(map(len, spans)) < 0.06 * len(code)
    assert max(len(line) for span in spans for line in span) <= 120


# ---- The gate itself ----


@pytest.fixture
def folder(small_pair):
    """A course of one small notebook, which keeps its one promise."""
    write_register(small_pair.parent, finished=["00_small"])
    figures = '[SC-1]\nwhy = "two thirds"\nvalue = 0.666666667\n'
    (small_pair.parent / claims.FIGURES).write_text(figures, encoding="utf-8")
    return small_pair.parent


def write_register(folder, finished, notebook="00_small"):
    entry = (
        '[claims.{}]\nkind = "claim"\nnotebook = "{}"\nlecture = "nowhere"\n'
        'statement = "{}"\nmeasured = "the value is {{-value:.3f}}"\nholds = "value < 1"\n'
    )
    text = entry.format("SC-1", notebook, "It is a|b.") + entry.format("SC-2", "01_later", "No.")
    path = folder / "claims.toml"
    path.write_text(f"finished = {json.dumps(finished)}\n{text}", encoding="utf-8")
    register.cache_clear()


def faults(folder):
    return claims.faults(folder, folder / "claims.toml")


def edit(folder, change):
    path = folder / "00_small.ipynb"
    notebook = nbformat.read(path, as_version=4)
    change(notebook.cells)
    nbformat.write(notebook, path)


def unsettled(cells):
    data, record = cells[2].outputs[0].data, cells[2].outputs[0].metadata["rlvebm"]
    record["verdict"] = "not settled (holds)"
    data["text/plain"] = data["text/plain"].replace("holds", record["verdict"])


def second_copy(cells):
    cells.append(nbformat.from_dict(dict(cells[2], id="copy")))


def another_id(cells):
    data, metadata = cells[2].outputs[0].data, cells[2].outputs[0].metadata
    data["text/plain"] = data["text/plain"].replace("SC-1", "SC-7")
    metadata["rlvebm"]["id"] = "SC-7"


def test_kept_promise_passes(folder):
    assert faults(folder) == []


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
        (unsettled, "SC-1 is not settled (holds)"),
        (lambda cells: cells[1].metadata.update(tags=["claim:SC-9"]), "unknown claim tag"),
        (lambda cells: cells[1].metadata.update(tags=["Claims: SC-1"]), "unknown claim tag"),
        (lambda cells: cells[0].metadata.update(tags=["claim:SC-2"]), "does not show it"),
    ],
)
def test_broken_promise_is_caught(folder, change, told):
    edit(folder, change)
    assert told in " ".join(faults(folder))


MOVED = "SC-1: not the figures of FIGURES.toml (value); mend it, or accept"


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ('[SC-1]\nwhy = "."\nvalue = 0.6667\n', [MOVED]),
        ('[SC-1]\nwhy = "."\nvalue = [0.666666667]\n', []),
        ('[SC-1]\nwhy = "."\nvalue = [0.666666667, 1.0]\n', [MOVED]),
        ('[SC-1]\nwhy = "."\n', [MOVED]),
        ("", [MOVED]),
        (
            '[SC-1]\nwhy = "."\nvalue = 0.666666667\nmore = 1.0\n',
            [MOVED.replace("(value)", "(other names)")],
        ),
        (
            '[SC-1]\nwhy = " "\nvalue = 0.666666667\n',
            ["FIGURES.toml: SC-1 does not say why its figures are expected"],
        ),
        (
            '[SC-1]\nwhy = "."\nvalue = 0.666666667\n[SC-7]\nwhy = "."\n',
            ["FIGURES.toml: has SC-7, which no cell shows"],
        ),
    ],
)
def test_figures_that_moved_are_a_fault(folder, figures, told):
    """Though the verdict be the same, and the page be made anew."""
    (folder / claims.FIGURES).write_text(figures, encoding="utf-8")
    assert faults(folder) == told


def test_moved_figures_are_accepted_for_a_reason(folder):
    (folder / claims.FIGURES).write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match="^why: expected a reason"):
        claims.accept(folder, ["SC-1"], " ")
    with pytest.raises(ValueError, match="^ids: expected claims that a notebook shows, got 'SC-2'"):
        claims.accept(folder, ["SC-2"], "no reason")
    assert (folder / claims.FIGURES).read_text(encoding="utf-8") == ""
    claims.accept(folder, ["SC-1"], "measured anew")
    assert faults(folder) == []
    assert claims.expected_figures(folder)["SC-1"]["why"] == "measured anew"


def test_making_the_page_accepts_nothing(folder, monkeypatch, capsys):
    monkeypatch.setattr(claims, "ROOT", folder)
    (folder / "notebooks").mkdir()
    for path in folder.glob("*.*"):
        path.rename(folder / "notebooks" / path.name)
    moved = (folder / "notebooks" / claims.FIGURES).read_text("utf-8").replace("0.66", "0.65")
    (folder / "notebooks" / claims.FIGURES).write_text(moved, encoding="utf-8")
    assert claims.main([]) == 1
    assert MOVED in capsys.readouterr().out
    assert (folder / "notebooks" / claims.FIGURES).read_text("utf-8") == moved


def test_promise_of_a_missing_notebook_is_caught(folder):
    write_register(folder, finished=["00_small", "01_later"])
    assert faults(folder) == [
        "01_later is listed as finished and does not exist",
        "01_later: promises SC-2, and no executed cell shows it",
    ]


def test_promise_kept_elsewhere_does_not_count(folder):
    write_register(folder, finished=["01_later"], notebook="01_later")
    assert "01_later: promises SC-1, and no executed cell shows it" in faults(folder)


def test_page(folder):
    assert claims.page(folder, folder / "claims.toml").splitlines()[4:] == [
        "1 statements: **holds** 1",
        "",
        "| id | statement (ERR: on the notes) | notebook | measured | verdict | rule |",
        "|---|---|---|---|---|---|",
        "| SC-1 | It is a\\|b. (nowhere) | [00](00_small.ipynb) | the value is -0.667 | holds "
        "| `value < 1` |",
        "",
        "To come:",
        "",
        "- `01_later`: SC-2",
    ]


# ---- The register ----

GOOD = {
    "kind": "claim",
    "notebook": "00_small",
    "lecture": "nowhere",
    "statement": "It is small.",
    "measured": "gap {100 * gap:.1f} % over {count(parts)} parts",
    "holds": "gap < 0.1 and all(parts < 1)",
}


def made(tmp_path, **fields) -> Entry:
    lines = [f"{name} = {json.dumps(value)}" for name, value in (GOOD | fields).items() if value]
    text = "\n".join(lines).replace(": ", " = ")
    (tmp_path / "claims.toml").write_text(f"[claims.SC-1]\n{text}\n", encoding="utf-8")
    register.cache_clear()
    return register(tmp_path / "claims.toml")["SC-1"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("falls(s)", {(3, 2, 1): True, (3, 2, 2): False, (1, 2): False, (1, 1): False}),
        ("never_rises(s)", {(3, 2, 2): True, (1, 1): True, (1, 2): False}),
        ("as_range(s)", {(3, 1, 2): "1–3", (2, 2): "2", (2.2, 2.4): "2"}),
        ("as_range(s, 1)", {(2.2, 2.4): "2.2–2.4", (2.21, 2.24): "2.2"}),
        ("count(s)", {(3, 1, 2): 3, (2,): 1}),
        ("mean(s)", {(1, 2, 6): 3}),
        ("min(s, 2)", {(3, 1): 1, (4, 3): 2}),
        ("max(s, 2)", {(3, 1): 3, (1, 0): 2}),
        ("all(abs(s) < 2)", {(1, -1): True, (1, -2): False}),
        ("floor(s[0] / 2)", {(3, 9): 1}),
    ],
)
def test_functions_of_the_rules(expression, value):
    for series, expected in value.items():
        assert course._evaluate(expression, {"s": np.asarray(series, dtype=float)}) == expected


@pytest.mark.parametrize(
    ("fields", "figures", "verdict"),
    [
        ({}, (0.05, [0.5, 0.9]), "holds"),
        ({}, (0.05, [0.5, 1.1]), "differs"),
        ({}, (0.5, [0.5, 0.9]), "differs"),
        ({"in_part": "gap < 1"}, (0.5, [0.5, 0.9]), "in part"),
        ({"in_part": "gap < 1"}, (0.05, [0.5, 0.9]), "holds"),
        ({"holds": None, "in_part": "gap < 1"}, (0.05, [0.5, 0.9]), "in part"),
        ({"condition": "it is cold"}, (0.05, [0.5, 0.9]), "holds if it is cold"),
        ({"kind": "erratum"}, (0.05, [0.5, 0.9]), "corrected"),
        ({"kind": "erratum"}, (0.5, [0.5, 0.9]), "not reproduced"),
        ({"kind": "illustration"}, (0.05, [0.5, 0.9]), "illustration"),
    ],
)
def test_verdicts(tmp_path, fields, figures, verdict):
    entry = made(tmp_path, **fields)
    figures = {"gap": np.asarray(figures[0]), "parts": np.asarray(figures[1])}
    assert entry.verdict(figures) == verdict
    assert entry.sentence(figures) == f"gap {100 * figures['gap']:.1f} % over 2 parts"


def test_a_rule_for_the_unsettled(tmp_path):
    told = "half of the training gives the same verdict, and figures to gap 0.1"
    assert made(tmp_path, spread={"gap": 0.1}).rule("not settled (holds)") == told


@pytest.mark.parametrize(
    ("half", "verdict", "off"),
    [
        ((0.05, [0.5, 0.9]), "holds", "0"),
        ((0.052, [0.5, 0.9]), "holds", "4"),
        ((0.05, [0.6, 0.9]), "holds", "11"),
        ((0.05, [0.3, 0.9]), "not settled (holds)", "22"),
        ((0.05, [0.9, 0.5]), "not settled (holds)", "44"),
        ((0.056, [0.5, 0.9]), "not settled (holds)", "12"),
        ((0.05, [0.5, 1.0]), "not settled (holds)", "11"),  # near, and another verdict
        ((0.05, [0.5]), "not settled (holds)", "inf"),
        ((0.0, [0.5, 0.9]), "not settled (holds)", "100"),
    ],
)
def test_a_figure_has_to_be_settled(tmp_path, half, verdict, off):
    entry = made(tmp_path, spread={"gap": 0.1, "parts": 0.2})
    assert entry.names == {"gap", "parts", "half_gap", "half_parts"}
    given = {"gap": 0.05, "parts": [0.5, 0.9], "half_gap": half[0], "half_parts": half[1]}
    figures = {name: np.asarray(value, dtype=float) for name, value in given.items()}
    assert entry.verdict(figures) == verdict
    told = f"gap 5.0 % over 2 parts; half of the training gives the same to {off} %"
    assert entry.sentence(figures) == told


def test_a_twin_has_the_tolerances_of_its_figure(tmp_path):
    entry = made(tmp_path, rtol={"gap": 1e-3}, spread={"gap": 0.1})
    assert entry.tolerances("rtol") == {"gap": 1e-3, "half_gap": 1e-3, "parts": 1e-6}


@pytest.mark.parametrize(
    ("fields", "verdict", "told"),
    [
        ({"holds": "gap <= 1"}, "holds", "gap ≤ 1"),
        ({"holds": "gap <= 1"}, "differs", "not: gap ≤ 1"),
        ({"holds": "gap <= 1", "kind": "erratum"}, "not reproduced", "not: gap ≤ 1"),
        ({"holds": "gap <= 1", "in_part": "gap <= 2"}, "in part", "gap ≤ 2"),
        ({"holds": "gap <= 1", "in_part": "gap <= 2"}, "differs", "not: gap ≤ 1"),
        ({"holds": None, "in_part": "gap <= 2"}, "differs", "not: gap ≤ 2"),
    ],
)
def test_the_rule_behind_a_verdict(tmp_path, fields, verdict, told):
    assert made(tmp_path, **fields).rule(verdict) == told


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"kind": "guess"}, "SC-1.kind: expected one of"),
        ({"lecture": None}, "SC-1: expected lecture, got none"),
        ({"colour": "red"}, "SC-1: expected .*, got colour"),
        ({"holds": None}, "SC-1: expected a rule"),
        ({"measured": "no figure", "holds": "1 < 2"}, "SC-1.measured: expected a sentence"),
        ({"rtol": {"gab": 1e-3}}, "SC-1.rtol: expected some of gap, parts, got gab"),
        ({"spread": {"gab": 0.1}}, "SC-1.spread: expected some of gap, parts, got gab"),
        ({"spread": {"gap": "wide"}}, "SC-1.spread: expected numbers ≥ 0, got 'wide'"),
        ({"atol": -1.0}, "SC-1.atol: expected numbers ≥ 0, got -1.0"),
    ],
)
def test_a_bad_entry_is_named(tmp_path, fields, told):
    with pytest.raises(ValueError, match=told):
        made(tmp_path, **fields)


def test_a_rule_can_do_nothing_but_compare():
    entry = Entry("SC-1", "claim", "n", "l", "s", "{gap}", holds="__import__('os').system('true')")
    with pytest.raises(Exception, match="__import__"):
        entry.verdict({"gap": np.asarray(1.0)})


# ---- claim() ----


@pytest.mark.parametrize(
    ("excess", "verdict"),
    [(0.3, "corrected"), (torch.tensor(0.3), "corrected"), (np.float64(0.0), "not reproduced")],
)
def test_claim_prints_one_line_outside_ipython(capsys, excess, verdict):
    # This process has no IPython shell, whether or not the module is loaded.
    claim("ERR-3", excess=excess, twice=0)
    assert capsys.readouterr().out.startswith(f"ERR-3 · {verdict} · where the printed iteration")


def test_claim_needs_no_ipython():
    code = (
        "import sys; from rlvebm_utils.course.claims import claim\n"
        "claim('SC-1', kinks=3, straight=0, bent=True)\n"
        "assert 'IPython' not in sys.modules"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0 and run.stdout.startswith("SC-1 · holds · 3 kinks"), run.stderr


def test_claim_in_a_notebook(small_text):
    """One output: a line for tests, a card for readers, and the figures in full precision."""
    notebook = nbformat.read(small_text.with_suffix(".ipynb"), as_version=4)
    (output,) = notebook.cells[2].outputs
    assert output.data["text/plain"] == "SC-1 · holds · the value is -0.667"
    page = output.data["text/html"]
    assert all(text in page for text in ("It is a|b.", "the value is -0.667", "value &lt; 1"))
    assert "<script" not in page
    assert output.metadata["rlvebm"] == {
        "id": "SC-1",
        "verdict": "holds",
        "rule": "value < 1",
        "figures": {"value": 2 / 3},
        "rtol": {"value": 1e-6},
        "atol": {"value": 0.0},
    }


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (dict(id="sc-1"), "id: expected one of"),
        (dict(id=None), "id: expected one of"),
        (dict(bent=float("nan")), "bent: expected finite"),
        (dict(bent=[0.1, float("nan")]), "bent: expected finite"),
        (dict(bent=[0.1, float("-inf")]), "bent: expected finite"),
        (dict(bent=torch.ones(2, 2)), "bent: expected a number"),
        (dict(bent=[]), "bent: expected finite"),
        (dict(bent="small"), "bent: expected a number"),
        (dict(more=1), "SC-1: expected the figures bent, kinks, straight, got"),
    ],
)
def test_claim_names_a_bad_argument(capsys, arguments, named):
    good = dict(id="SC-1", kinks=3, straight=0.0, bent=0.1)
    with pytest.raises((TypeError, ValueError), match=f"^{named}"):
        claim(**(good | arguments))
    assert capsys.readouterr().out == ""


def test_claim_needs_its_figures():
    with pytest.raises(ValueError, match="SC-1: expected the figures bent, kinks, straight, got"):
        claim("SC-1", kinks=3)
