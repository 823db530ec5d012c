"""A notebook's two files say the same, and its outputs are those of its source."""

import re
import subprocess

import jupytext
import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from tools import address, notebooks

TEXTS = notebooks.texts()


def test_the_course_has_notebooks():
    assert TEXTS
    assert {text.stem for text in TEXTS} == {p.stem for p in notebooks.FOLDER.glob("*.ipynb")}


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.stem)
def test_pair_agrees(text):
    assert notebooks.faults(text) == []


# ---- The gate itself: a sound pair passes, and each way of breaking one is told ----


def test_sound_pair_passes(small_pair):
    assert notebooks.faults(small_pair) == []


def edit_text(text, old, new):
    source = text.read_text(encoding="utf-8")
    assert old in source
    text.write_text(source.replace(old, new), encoding="utf-8")


def edit_result(text, change):
    path = text.with_suffix(".ipynb")
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    nbformat.write(notebook, path)


def set_cell(number, **values):
    return lambda notebook: notebook.cells[number].update(values)


def add_output(number, **output):
    node = nbformat.v4.new_output(**output)
    return lambda notebook: notebook.cells[number].outputs.append(node)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("2.0", "-2.0", "cell 1: its source differs"),
        ("A small", "Another small", "cell 0: its source differs"),
        ("# %% [markdown]\n# # A small", "# %%\n# # A small", "cell 0: its type differs"),
        ("claim:SC-1", "claim:SC-2", "cell 2: its tags differs"),
        ("# %%\nimport ipywidgets\n", "import ipywidgets\n", "3 cells in the text, 4 in"),
    ],
    ids=["code", "prose", "type", "tag", "cell"],
)
def test_edited_text_is_caught(small_pair, old, new, told):
    edit_text(small_pair, old, new)
    assert told in " ".join(notebooks.faults(small_pair))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (set_cell(1, execution_count=None), "cell 1: execution count None, expected 1"),
        (set_cell(2, execution_count=7), "cell 2: execution count 7, expected 2"),
        (set_cell(3, metadata={}), "cell 3: its output was made by other source"),
        (
            add_output(1, output_type="error", ename="ValueError", evalue="", traceback=[]),
            "cell 1: shows an error, ValueError",
        ),
        (
            add_output(1, output_type="stream", name="stderr", text="UserWarning: careful"),
            "cell 1: shows warnings: 'UserWarning: careful'",
        ),
        (
            add_output(1, output_type="display_data", data={notebooks.WIDGET_VIEW: {}}),
            "cell 1: holds a widget view",
        ),
        (lambda notebook: notebook.metadata.update(widgets={}), "holds widget state"),
    ],
    ids=["no count", "wrong count", "no digest", "error", "warning", "widget view", "widget state"],
)
def test_edited_result_is_caught(small_pair, change, told):
    edit_result(small_pair, change)
    assert told in " ".join(notebooks.faults(small_pair))


def test_old_output_under_new_source_is_caught(small_pair):
    """What jupytext --sync leaves: both files edited alike, the outputs those of the old source."""
    edit_text(small_pair, "2.0", "-2.0")
    edit_result(
        small_pair,
        lambda notebook: notebook.cells[1].update(
            source=notebook.cells[1].source.replace("2.0", "-2.0")
        ),
    )
    told = notebooks.faults(small_pair)
    # The edited cell and all that came after it: they may have used what it computes.
    assert told == [f"cell {n}: its output was made by other source" for n in (1, 2, 3)]


@pytest.mark.parametrize(
    "change",
    [
        set_cell(2, source="# NBVAL_IGNORE_OUTPUT\nprint(value)"),
        set_cell(2, metadata={"tags": ["claim:SC-1", "nbval-skip"]}),
        set_cell(2, metadata={"tags": ["claim:SC-1", "raises-exception"]}),
    ],
)
def test_looking_away_is_caught(small_pair, change):
    edit_result(small_pair, change)
    assert "cell 2: asks the regression test to look away" in notebooks.faults(small_pair)


@pytest.mark.parametrize("suffix", [".py", ".ipynb"])
def test_missing_half_is_caught(small_pair, suffix):
    small_pair.with_suffix(suffix).unlink()
    assert notebooks.faults(small_pair) == [f"00_small{suffix} is missing"]


# ---- The builder ----


def test_building_twice_gives_the_same_bytes(small_pair):
    result = small_pair.with_suffix(".ipynb")
    before = result.read_bytes()
    result.unlink()
    notebooks.build(small_pair)
    assert result.read_bytes() == before


def test_failing_cell_is_loud_and_leaves_the_old_result(small_pair):
    result = small_pair.with_suffix(".ipynb")
    before = result.read_bytes()
    edit_text(small_pair, "value < 1", "valeu < 1")
    with pytest.raises(CellExecutionError, match="valeu"):
        notebooks.build(small_pair)
    assert result.read_bytes() == before


def test_cell_ids_survive_an_edit_elsewhere(small_pair):
    before = [cell.id for cell in nbformat.read(small_pair.with_suffix(".ipynb"), 4).cells]
    edit_text(small_pair, "2.0", "-2.0")
    edited = jupytext.read(small_pair)
    notebooks.strip(edited)
    same = [cell.id == id for cell, id in zip(edited.cells, before, strict=True)]
    assert same == [True, False, True, True]


# ---- The first cell, which makes a notebook run on Colab ----

FIRST_CELL = (notebooks.FOLDER / "_first_cell.py").read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.stem)
def test_first_cell_is_the_common_one(text):
    code = [cell.source for cell in jupytext.read(text).cells if cell.cell_type == "code"]
    assert code[0] == FIRST_CELL


def run_first_cell(monkeypatch, *found) -> list[str]:
    """What it asks of pip; found: each time it looks for the package, whether it is there."""
    calls, found = [], iter(found)

    class Shell:
        def run_line_magic(self, *args):
            calls.append(" ".join(args))

    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if next(found) else None)
    exec(FIRST_CELL, {"get_ipython": Shell})
    return calls


def test_first_cell_does_nothing_where_the_package_is(monkeypatch):
    assert run_first_cell(monkeypatch, True) == []


def test_first_cell_never_touches_colabs_own_packages(monkeypatch):
    (call,) = run_first_cell(monkeypatch, False, True)
    assert call.startswith("pip install") and "--no-deps" in call
    assert f"git+https://github.com/{address.address()} " in call
    assert not re.search(r"torch|numpy|ipython|requirements| -r|upgrade| -U", call)


def test_first_cell_says_what_to_do_where_the_package_cannot_be_had(monkeypatch):
    with pytest.raises(ImportError, match=f"run this cell again.*{address.address()}#set-up"):
        run_first_cell(monkeypatch, False, False)
    assert "\n## Set-up\n" in (notebooks.ROOT / "README.md").read_text("utf-8")


# ---- Writing ----


def test_a_notebook_is_written_whole_or_not_at_all(small_pair, monkeypatch):
    target = small_pair.with_suffix(".ipynb")
    before, notebook = target.read_bytes(), nbformat.read(target, as_version=4)

    def interrupted(path, text, **_):
        with open(path, "w") as file:
            file.write(text[:100])
        raise KeyboardInterrupt

    monkeypatch.setattr(type(target), "write_text", interrupted)
    with pytest.raises(KeyboardInterrupt):
        notebooks.write(notebook, target)
    assert target.read_bytes() == before


def test_cells_of_the_same_text_have_names_of_their_own(small_pair):
    notebook = nbformat.read(small_pair.with_suffix(".ipynb"), as_version=4)
    notebook.cells += [
        nbformat.v4.new_markdown_cell("again"),
        nbformat.v4.new_markdown_cell("again"),
    ]
    notebooks.strip(notebook)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    nbformat.validate(notebook)


# ---- One address ----


def test_one_address_everywhere():
    owner, name = address.address().split("/")
    for path in address.holders():
        for found in re.findall(rf"github(?:\.com)?/([\w-]+)/{name}\b", path.read_text("utf-8")):
            assert found == owner, f"{path.name} has another address: {found}/{name}"


@pytest.fixture
def repository(tmp_path):
    """A copy of all that may hold the address."""
    for folder in ("notebooks", "benchmarks"):
        (tmp_path / folder).mkdir()
    for path in [*address.holders(), *notebooks.FOLDER.glob("*.ipynb")]:
        (tmp_path / path.relative_to(address.ROOT)).write_bytes(path.read_bytes())
    return tmp_path


def test_moving_to_another_address(repository):
    old, executed = address.address(), sorted((repository / "notebooks").glob("*.ipynb"))
    before = [nbformat.read(path, as_version=4) for path in executed]
    assert "pyproject.toml" in address.move("someone/some.where", repository)
    assert address.address(repository) == "someone/some.where"
    for path in [*address.holders(repository), *executed]:
        assert old not in path.read_text("utf-8"), path.name
        assert address.site(old) not in path.read_text("utf-8"), path.name
    for text in notebooks.texts(repository / "notebooks"):
        assert notebooks.faults(text) == []
        if text.stem[0].isdigit():
            (there,) = re.findall(r"\(https://colab[^)]*", text.read_text("utf-8"))
            assert there.endswith(f"/someone/some.where/blob/main/notebooks/{text.stem}.ipynb")
    for path, was in zip(executed, before, strict=True):
        now = nbformat.read(path, as_version=4)
        assert [cell.get("outputs") for cell in now.cells] == [
            cell.get("outputs") for cell in was.cells
        ]


def test_the_placeholder_takes_out_badges_that_lead_nowhere(repository):
    address.move("someone/some.where", repository)
    address.move(address.PLACEHOLDER, repository)
    assert address.move(address.PLACEHOLDER, repository) == []
    for text in notebooks.texts(repository / "notebooks"):
        assert notebooks.faults(text) == []
        assert "colab.research" not in text.with_suffix(".ipynb").read_text("utf-8")


def test_moving_changes_nothing_where_an_output_is_stale(repository):
    stale = repository / "notebooks" / "03_lista.ipynb"
    stale.write_text(stale.read_text("utf-8").replace('"made_by": "', '"made_by": "0', 1), "utf-8")
    with pytest.raises(ValueError, match="03_lista.py: expected a pair without faults, got "):
        address.move("someone/some.where", repository)
    assert address.address(repository) == address.address()


def test_what_is_no_address_is_refused(tmp_path):
    for bad in ("https://example.org", "owner/name/more", "owner/name ", "owner", "/name", ""):
        with pytest.raises(ValueError, match="^TO: expected owner/name, got "):
            address.move(bad, tmp_path)


def test_no_other_file_holds_the_address():
    """Of all that git knows, but for licences and this machine's own."""
    listed = ["git", "grep", "-l", f"github.com/{address.address()}"]
    run = subprocess.run(listed, cwd=address.ROOT, capture_output=True, text=True, check=True)
    executed = {path.with_suffix(".ipynb") for path in notebooks.texts()}
    moved = {path.relative_to(address.ROOT).as_posix() for path in {*address.holders(), *executed}}
    assert set(run.stdout.split()) <= moved
