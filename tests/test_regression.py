"""Every notebook once more, in another environment: one thread, no vector instructions, no network.

nbval has compared each text exactly in the usual environment (the notebooks are collected as tests
of their own, see pyproject.toml). Here texts must be the same to the letter again, the figures
behind the claims (kept in full precision in the outputs' metadata) within their tolerances, and
the pictures nearly the same, which nbval does not look at.
"""

import base64
import copy
import io
import json
import math
import os
import shutil
import subprocess
import sys
import textwrap

import jupytext
import nbformat
import numpy as np
import pytest
from PIL import Image

from tools import notebooks, panels

OFFLINE = notebooks.ROOT / "tests" / "offline"
PICTURES = ("image/png", "image/jpeg")
# A picture is the same if at most this share of its pixels differs by more than 1/16 of full scale.
DIFFERENT_PIXELS = 0.01


def other_environment() -> dict[str, str]:
    paths = [str(OFFLINE), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "ATEN_CPU_CAPABILITY": "default",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }


def differences(recorded, fresh) -> list[str]:
    """Where two executions of one notebook disagree, one sentence each."""
    found = []
    for number, (old, new) in enumerate(zip(recorded.cells, fresh.cells, strict=True)):
        if old.cell_type != "code":
            continue
        if len(old.outputs) != len(new.outputs):
            found.append(f"cell {number}: {len(old.outputs)} outputs became {len(new.outputs)}")
        for a, b in zip(old.outputs, new.outputs, strict=False):
            found += [f"cell {number}: {fault}" for fault in _output_differences(a, b)]
    return found


def _output_differences(a, b) -> list[str]:
    if a.output_type != b.output_type:
        return [f"{a.output_type} became {b.output_type}"]
    if a.output_type == "stream":
        return [f"{a.text!r} became {b.text!r}"] if a.text != b.text else []
    old, new = a.get("data", {}), b.get("data", {})
    if old.keys() != new.keys():
        return [f"{sorted(old)} became {sorted(new)}"]
    found = [
        f"{kind} {old[kind]!r} became {new[kind]!r}"
        for kind in old
        if kind not in PICTURES and old[kind] != new[kind]
    ]
    found += [
        f"the {kind} looks different"
        for kind in PICTURES
        if kind in old and not _looks_alike(old[kind], new[kind])
    ]
    drawn = (json.loads(one.metadata.get("drawn", "null")) for one in (a, b))
    found += _drawn_differences(*drawn)
    return found + _figure_differences(a.metadata.get("rlvebm"), b.metadata.get("rlvebm"))


def _drawn_differences(old, new, where: str = "the figure") -> list[str]:
    """Where two figures' contents disagree: words to the letter, numbers to a thousandth of the
    largest beside them.
    """
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        return [
            x for name in old for x in _drawn_differences(old[name], new[name], f"{where} {name}")
        ]
    if not isinstance(old, list) or not isinstance(new, list) or len(old) != len(new):
        return [] if old == new else [f"{where}: {old!r} became {new!r}"]
    if old and all(isinstance(x, int | float) for x in [*old, *new]):
        near = np.allclose(new, old, rtol=0, atol=2e-3 * max(np.abs(old)) + 1e-12)
        return [] if near else [f"{where}: {old} became {new}"]
    pairs = zip(old, new, strict=True)
    return [x for n, (a, b) in enumerate(pairs) for x in _drawn_differences(a, b, f"{where}.{n}")]


def _looks_alike(a: str, b: str) -> bool:
    try:
        pictures = [
            Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB") for text in (a, b)
        ]
    except (ValueError, OSError):  # not a picture at all
        return False
    old, new = (np.asarray(picture, dtype=np.int16) for picture in pictures)
    if old.shape != new.shape:
        return False
    return (np.abs(old - new).max(axis=2) > 16).mean() <= DIFFERENT_PIXELS


def _figure_differences(old, new) -> list[str]:
    if old is None or new is None:
        return [] if old == new else [f"the claim's record {old} became {new}"]
    if any(old[key] != new[key] for key in ("id", "verdict", "rule", "rtol", "atol")):
        return [f"the claim's record {old} became {new}"]
    if old["figures"].keys() != new["figures"].keys():
        return [f"the figures {sorted(old['figures'])} became {sorted(new['figures'])}"]
    return [
        f"{old['id']}: {name} {value!r} became {new['figures'][name]!r}"
        for name, value in old["figures"].items()
        if not _close(value, new["figures"][name], old["rtol"][name], old["atol"][name])
    ]


def _close(old, new, rtol: float, atol: float) -> bool:
    """Numbers, or series of them, entry by entry as in ``math.isclose``."""
    old, new = np.atleast_1d(old), np.atleast_1d(new)
    if old.shape != new.shape:
        return False
    pairs = zip(old, new, strict=True)
    return all(math.isclose(a, b, rel_tol=rtol, abs_tol=atol) for a, b in pairs)


@pytest.mark.parametrize("text", notebooks.texts(), ids=lambda text: text.stem)
def test_same_outputs_in_another_environment(text):
    recorded = nbformat.read(text.with_suffix(".ipynb"), as_version=4)
    fresh = copy.deepcopy(recorded)
    notebooks.execute(fresh, text.parent, env=other_environment())
    assert panels.stray_widgets(fresh) == []
    notebooks.strip(fresh)
    assert differences(recorded, fresh) == []


# ---- The comparison itself: what it must let pass, and what it must catch ----


@pytest.fixture
def recorded(small_text):
    return nbformat.read(small_text.with_suffix(".ipynb"), as_version=4)


def figure(notebook):
    return notebook.cells[2].outputs[0].metadata["rlvebm"]


def scale_figure(factor):
    return lambda nb: figure(nb)["figures"].update(value=figure(nb)["figures"]["value"] * factor)


def replace_text(cell, kind, old, new):
    def change(notebook):
        output = notebook.cells[cell].outputs[0]
        holder, key = (output, "text") if kind == "stream" else (output.data, kind)
        assert old in holder[key]
        holder[key] = holder[key].replace(old, new)

    return change


def picture(notebook):
    return next(o for o in notebook.cells[3].outputs if "image/png" in o.data)


def set_picture(text):
    return lambda notebook: picture(notebook).data.update({"image/png": text})


def mirror_picture(notebook):
    data = base64.b64decode(picture(notebook).data["image/png"])
    stream = io.BytesIO()
    Image.open(io.BytesIO(data)).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(stream, "PNG")
    set_picture(base64.b64encode(stream.getvalue()).decode())(notebook)


def test_unchanged_passes(recorded):
    assert differences(recorded, copy.deepcopy(recorded)) == []


def test_rounding_passes(recorded):
    fresh = copy.deepcopy(recorded)
    scale_figure(1 + 1e-9)(fresh)
    assert differences(recorded, fresh) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (scale_figure(1 + 1e-5), "cell 2: SC-1: value"),
        (scale_figure(-1), "cell 2: SC-1: value"),
        (lambda nb: figure(nb).update(verdict="differs"), "cell 2: the claim's record"),
        (lambda nb: figure(nb).update(rtol={"value": 1.0}), "cell 2: the claim's record"),
        (lambda nb: figure(nb)["figures"].clear(), "cell 2: the figures"),
        (lambda nb: nb.cells[2].outputs[0].metadata.clear(), "cell 2: the claim's record"),
        (replace_text(2, "text/plain", "-0.667", "0.667"), "cell 2: text/plain"),
        (replace_text(1, "stream", "0.667", "0.668"), "cell 1: 'value 0.667"),
        (lambda nb: nb.cells[1].outputs.clear(), "cell 1: 1 outputs became 0"),
        (lambda nb: nb.cells[3].outputs.reverse(), "cell 3: ['image/png', 'text/plain'] became"),
        (set_picture("AAAA"), "cell 3: the image/png looks different"),
        (mirror_picture, "cell 3: the image/png looks different"),
    ],
)
def test_change_is_caught(recorded, change, told):
    fresh = copy.deepcopy(recorded)
    change(fresh)
    assert told in " ".join(differences(recorded, fresh)).replace("['text/plain'] became ", "")


def test_a_series_is_compared_entry_by_entry(recorded):
    figure(recorded)["figures"]["value"] = [1.0, 2.0, 3.0]
    for other, told in (([1.0, 2.0, 3.0], False), ([1.0, 2.0, 3.1], True), ([1.0, 2.0], True)):
        fresh = copy.deepcopy(recorded)
        figure(fresh)["figures"]["value"] = other
        assert bool(differences(recorded, fresh)) == told


def test_own_tolerance_counts(recorded):
    figure(recorded)["rtol"]["value"] = 1e-3
    fresh = copy.deepcopy(recorded)
    scale_figure(1 + 1e-5)(fresh)
    assert differences(recorded, fresh) == []
    scale_figure(1 + 1e-2)(fresh)
    assert differences(recorded, fresh) != []


def test_a_widget_that_nobody_drags_is_caught():
    """One that is shown by a cell without the tag; and a slider cell that shows no panel."""
    view = {"text/plain": "IntSlider(value=3)", notebooks.WIDGET_VIEW: {}}
    other = {"text/plain": "3"}
    panel = {**view, "text/plain": "Slider panel “Drag me”: to move it, run …"}
    cells = []
    for tags, data in ([], view), ([], {}), (["slider"], panel), (["slider"], other), ([], panel):
        output = nbformat.v4.new_output("display_data", data)
        cells.append(
            nbformat.v4.new_code_cell("", outputs=[output], metadata={"tags": tags} if tags else {})
        )
    assert panels.stray_widgets(nbformat.v4.new_notebook(cells=cells)) == [
        "cell 0: a widget outside of a slider panel: IntSlider(value=3)",
        "cell 3: tagged slider, and shows 0 panels",
        "cell 4: a slider panel, and the cell lacks the tag slider",
    ]


# ---- The other environment is what it says it is ----


def test_other_environment_reaches_the_kernel(tmp_path):
    text = tmp_path / "probe.py"
    text.write_text(
        textwrap.dedent(
            """\
            # %%
            import socket, torch
            print(torch.get_num_threads(), torch.backends.cpu.get_cpu_capability())
            try:
                socket.create_connection(("192.0.2.1", 80), timeout=1)
            except OSError as error:
                print(error)
            """
        )
    )
    notebook = jupytext.read(text)
    notebooks.execute(notebook, tmp_path, env=other_environment())
    assert notebook.cells[0].outputs[0].text.splitlines() == [
        "1 DEFAULT",
        "the network is off: socket.getaddrinfo to '192.0.2.1'",
    ]


def test_network_off_blocks_the_world_and_not_this_machine():
    code = textwrap.dedent(
        """
        import socket, urllib.request

        def refused(action):
            try:
                action()
            except OSError as error:
                return "the network is off" in str(error)
            return False

        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        assert refused(lambda: socket.create_connection(("192.0.2.1", 80), timeout=1))
        assert refused(lambda: socket.create_connection(("example.org", 80), timeout=1))
        assert refused(lambda: socket.gethostbyname("example.org"))
        assert refused(lambda: udp.sendto(b"", ("192.0.2.1", 53)))
        assert refused(lambda: udp.sendmsg([b""], [], 0, ("192.0.2.1", 53)))
        assert refused(lambda: udp.connect(("192.0.2.1", 53)))
        assert refused(lambda: socket.gethostbyaddr("192.0.2.1"))
        assert refused(lambda: urllib.request.urlopen("http://192.0.2.1", timeout=1))
        for host in ("127.0.0.1", "localhost"):
            server = socket.create_server((host, 0))
            socket.create_connection((host, server.getsockname()[1]), timeout=5).close()
        """
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=other_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr


# ---- nbval, as this project configures it, bites ----


def run_nbval(folder, notebook):
    nbformat.write(notebook, folder / "00_small.ipynb")
    shutil.copy(notebooks.ROOT / "pyproject.toml", folder)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n0", "00_small.ipynb"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_nbval_passes_what_is_unchanged(recorded, tmp_path):
    run = run_nbval(tmp_path, recorded)
    assert run.returncode == 0 and "3 passed" in run.stdout, run.stdout


def test_nbval_catches_a_sign_and_a_digit(recorded, tmp_path):
    replace_text(1, "stream", "0.667", "0.668")(recorded)
    replace_text(2, "text/plain", "-0.667", "0.667")(recorded)
    run = run_nbval(tmp_path, recorded)
    assert run.returncode == 1 and "2 failed, 1 passed" in run.stdout, run.stdout
