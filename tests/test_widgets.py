"""The slider panel without a browser: move the controls, read what the panel shows."""

import base64
import html
import io
import json
import re
import threading
from pathlib import Path

import ipywidgets
import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from PIL import Image

from rlvebm_utils import Dictionary, fista
from rlvebm_utils.course.widgets import (
    Picture,
    SliderPanel,
    SparseCoder,
    Stems,
    Strip,
    check_box,
    linear_slider,
    log_slider,
    picker,
    sparse_coding_panel,
    stops,
)
from rlvebm_utils.course.widgets.parts import CUT, nice_ceiling, number
from tools.panels import write_index

ROOT = Path(__file__).resolve().parents[1]
SHAPE = (8, 8)


@pytest.fixture
def problem():
    """Three non-negative images, each of a few of 40 non-negative unit-norm atoms, and noise."""
    generator = torch.Generator().manual_seed(4)
    W = torch.rand(64, 40, generator=generator, dtype=torch.float64) ** 4
    W /= W.norm(dim=0)
    keep = torch.rand(3, 40, generator=generator) < 0.2
    z = keep * torch.rand(3, 40, generator=generator, dtype=torch.float64)
    Y = z @ W.T + 0.02 * torch.rand(3, 64, generator=generator, dtype=torch.float64)
    return Dictionary(W), Y


@pytest.fixture
def panel(problem):
    names = ["a", "b", "c"]
    return sparse_coding_panel(*problem, lam=0.15, shape=SHAPE, nonnegative=True, names=names)


def readouts(panel) -> dict[str, str]:
    """What the panel shows, label by label, taken from its HTML."""
    pairs = re.findall(r"<span>([^<]*(?:<sub>\w+</sub>)?)</span><b>([^<]*)</b>", panel.html)
    return {html.unescape(label): html.unescape(text) for label, text in pairs}


def nonzeros(panel) -> int:
    return int(readouts(panel)["non-zeros ‖z‖₀"].split()[0])


def alt(panel) -> str:
    return html.unescape(re.search(r'role="img" aria-label="([^"]*)"', panel.html)[1])


# ------------------------------------------------------------------------- sparse coding


def test_fewer_atoms_as_lam_rises_and_none_from_lam_max_on(panel, problem):
    slider = panel.controls["lam"]
    lam_max = float((problem[1][0] @ problem[0].W).max())
    counts = []
    for share in (0.01, 0.05, 0.2, 0.5, 0.8, 1.001):
        slider.value = share * lam_max
        counts.append(nonzeros(panel))
        assert readouts(panel)["λ / λ<sub>max</sub>"] == number(share, 2)
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 5 and counts[-2] > 0 and counts[-1] == 0
    assert panel.html.count("<path stroke") - 3 <= 2  # the three grid lines, and no stem path
    assert 'd=""' in panel.html


@pytest.mark.parametrize("lam", [0.011, 0.05, 0.3, 1.0])
def test_energies_against_numpy(panel, problem, lam):
    """Solve by coordinate descent in numpy, and compare every number that is shown."""
    panel.controls["lam"].value = lam
    W, y = problem[0].W.numpy(), problem[1][0].numpy()
    z = np.zeros(W.shape[1])
    for _ in range(3000):
        for j in range(z.size):  # unit-norm atoms: the best z_j in closed form
            r = y - W @ z + W[:, j] * z[j]
            z[j] = max(W[:, j] @ r - lam, 0)
    fit, l1 = 0.5 * np.sum((y - W @ z) ** 2), np.abs(z).sum()
    shown = readouts(panel)
    assert nonzeros(panel) == np.count_nonzero(z)
    expected = {"‖z‖₁": l1, "½‖y − Wz‖²": fit, "λ‖z‖₁": lam * l1, "energy E": fit + lam * l1}
    for label, value in expected.items():
        assert float(shown[label]) == pytest.approx(value, rel=6e-3), label


@pytest.mark.parametrize("nonnegative", [True, False])
def test_a_warm_start_gives_the_answer_of_a_cold_one(problem, nonnegative):
    dictionary, Y = problem
    coder = SparseCoder(dictionary, Y, nonnegative=nonnegative)
    walk = np.geomspace(0.01, 2, 12).tolist()
    for lam in walk + walk[::-3]:
        for example in (0, 2):
            shown = coder(lam, example)
            exact = fista(dictionary, Y[example], lam, nonnegative=nonnegative, tol=1e-12)
            energy = shown["fit"] + shown["penalty"]
            assert energy == pytest.approx(float(exact.energy), rel=1.01e-4)
            assert energy >= float(exact.energy) - 1e-12


def test_the_guess_starts_the_solver_near_the_end(problem, monkeypatch):
    """With the guess, ten iterations (the first certificate) suffice at steps of the slider."""
    from rlvebm_utils.course.widgets import sparse_coding

    taken = []

    def counting(*args, **options):
        solution = fista(*args, **options)
        taken.append(int(solution.iterations))
        return solution

    monkeypatch.setattr(sparse_coding, "fista", counting)
    coder = SparseCoder(*problem, nonnegative=True)
    for lam in np.geomspace(0.02, 1, 40).tolist():
        coder(lam, 0)
    assert max(taken[1:]) <= 10 < taken[0]


def test_equal_atoms_and_empty_codes_do_no_harm(problem):
    dictionary, Y = problem
    twice = Dictionary(torch.cat([dictionary.W, dictionary.W], dim=1))
    coder = SparseCoder(twice, Y, nonnegative=True)
    for lam in (0.05, 100.0, 0.02, 0.03, 100.0, 0.05):
        exact = fista(dictionary, Y[1], lam, nonnegative=True, tol=1e-10)
        shown = coder(lam, 1)
        assert shown["fit"] + shown["penalty"] == pytest.approx(float(exact.energy), rel=2e-4)


def test_nothing_of_the_users_is_changed(problem):
    dictionary, Y = problem
    W_before, Y_before, threads = dictionary.W.clone(), Y.clone(), torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    panel = sparse_coding_panel(dictionary, Y, lam=0.15, shape=SHAPE, nonnegative=True)
    kept = panel.state(lam=0.1, digit=1)
    z_before = kept["z"].copy()
    for lam in (0.02, 0.5, 1.0):
        panel.controls["lam"].value = lam
        panel.controls["digit"].value = 1
    assert torch.equal(dictionary.W, W_before) and torch.equal(Y, Y_before)
    assert np.array_equal(kept["z"], z_before)
    assert torch.get_num_threads() == threads + 1
    torch.set_num_threads(threads)


def test_the_words_follow_the_picture(panel):
    first = alt(panel)
    panel.controls["lam"].value = 0.5
    second = alt(panel)
    assert second != first
    assert second.startswith("digit a at λ = 0.50") and f"{nonzeros(panel)} of 40" in second


def test_picker_and_reset(panel):
    start = panel.html
    panel.controls["lam"].value = 0.4
    panel.controls["digit"].value = 2
    assert alt(panel).startswith("digit c at λ = 0.40")
    frames = []
    panel._picture.observe(lambda change: frames.append(change["new"]), names="value")
    panel.reset_button.click()
    assert panel.values == {"lam": pytest.approx(0.15), "digit": 0}
    assert readouts(panel)["non-zeros ‖z‖₀"] in start and alt(panel) in html.unescape(start)
    assert len(frames) == 1, "both controls go back, in one drawing"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (7, 8)}, r"images: expected shape \(M, 56\).*, got \(3, 64\)"),
        ({"names": ["a"]}, "names: expected one per image, 3, got 1"),
        ({"lam_range": (1, 0.1)}, "low, start, high"),
        ({"lam": 50.0}, "low, start, high"),
    ],
)
def test_bad_arguments_are_named(problem, change, message):
    with pytest.raises(ValueError, match=message):
        sparse_coding_panel(*problem, **{"lam": 0.15, "shape": SHAPE, **change})


# ------------------------------------------------------------------------------ any panel


def simple(compute=lambda lam: {"z": np.array([lam, 0.0])}, draw=None, **options):
    draw = draw or (lambda a: [Stems(a["z"], "z", "place")])
    return SliderPanel(compute, draw, {"lam": log_slider(0.01, 10, 0.1)}, **options)


@pytest.mark.parametrize("where", ["compute", "draw", "readouts", "alt"])
def test_an_exception_is_shown_and_the_next_good_value_clears_it(where):
    def fails_above_one(value):
        if value > 1:
            raise RuntimeError("<too> large")
        return value

    panel = simple(
        compute=lambda lam: {"z": np.array([fails_above_one(lam) if where == "compute" else lam])},
        draw=lambda a: [Stems([fails_above_one(a["lam"]) if where == "draw" else 1], "z", "x")],
        readouts=lambda a: {"λ": fails_above_one(a["lam"]) if where == "readouts" else 1},
        alt=lambda a: str(fails_above_one(a["lam"]) if where == "alt" else 1),
    )
    slider = panel.controls["lam"]
    assert panel.error is None and "rlv-error" not in panel.html
    slider.value = 2.0
    assert "RuntimeError: &lt;too&gt; large" in panel.html and "λ = 2.00" in panel.html
    assert 'role="alert"' in panel.html and "<svg" not in panel.html, "no stale picture beside it"
    assert isinstance(panel.error, RuntimeError)
    slider.value = 0.5
    assert panel.error is None and "rlv-error" not in panel.html and "<svg" in panel.html


def test_the_stop_button_leaves_no_stale_picture():
    def compute(lam):
        if lam > 1:
            raise KeyboardInterrupt
        return {"z": [lam]}

    panel = simple(compute)
    panel.controls["lam"].value = 2.0
    assert "KeyboardInterrupt" in panel.html and "<svg" not in panel.html
    panel.controls["lam"].value = 0.5
    assert panel.error is None and "<svg" in panel.html


@pytest.mark.parametrize(
    ("slider", "said"),
    [
        (ipywidgets.IntSlider(2, 1, 4, description="k"), ["1", "2", "3", "4"]),
        (ipywidgets.SelectionSlider(options=[1, 2, 8], description="k"), ["1", "2", "8"]),
        (ipywidgets.FloatSlider(0.5, min=0, max=1, description="k"), ["0.00", "0.500", "1.00"]),
    ],
)
def test_any_slider_is_exported(slider, said, tmp_path):
    """The first control that is one; and the words say its value, if nobody wrote better ones."""
    panel = SliderPanel(
        lambda name, k: {"z": [k]},
        lambda a: [Stems(a["z"], "z", "x")],
        {"name": picker(["a", "b"]), "k": slider},
    )
    frames = 3 if isinstance(slider, ipywidgets.FloatSlider) else 9
    text = panel.export_html(tmp_path / "k.html", frames=frames).read_text("ascii")
    assert re.findall(r"example = a, k = ([\d.]+):", text) == said


def test_exported_pictures_are_smaller_and_the_same(tmp_path):
    panel = SliderPanel(
        lambda k: {"z": np.random.default_rng(0).normal(size=(60, 60)) * k},
        lambda a: [Picture(a["z"], "z", signed=True, limits=(0, 1))],
        {"k": ipywidgets.FloatSlider(0.5, min=0.1, max=1, description="k")},
    )
    page = panel.export_html(tmp_path / "k.html", frames=2).read_text("ascii")

    def pictures(text):
        return re.findall("data:image/png;base64,([A-Za-z0-9+/=]+)", text)

    panel.controls["k"].value = 1.0
    (whole,), packed = pictures(panel.html), pictures(page)[-1]
    assert len(packed) < 0.7 * len(whole)
    assert np.array_equal(*(np.asarray(pixels_of(one)) for one in (whole, packed)))


def pixels_of(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")


def test_an_error_names_values_that_are_not_numbers():
    choice = ipywidgets.Dropdown(options=["fista", "<ista>"])
    panel = SliderPanel(lambda solver: {"z": [np.nan]}, simple().draw, {"solver": choice})
    choice.value = "<ista>"
    assert "solver = &lt;ista&gt;" in panel.html and "NaN or infinite" in panel.html


def test_only_the_newest_value_is_drawn():
    """A value that changes three times during a drawing leads to one more drawing, of the last."""
    computed = []

    def compute(lam):
        computed.append(lam)
        if len(computed) == 2:
            for value in (0.3, 0.4, 0.5):
                panel.controls["lam"].value = value
        return {"z": np.array([lam])}

    panel = simple(compute, alt=lambda a: f"at {a['lam']:.2f}")
    panel.controls["lam"].value = 0.2
    assert computed == pytest.approx([0.1, 0.2, 0.5])
    assert alt(panel) == "at 0.50"


def test_two_threads_move_two_controls():
    """As JupyterLab may: one of them draws, the other goes its way at once, and nothing is lost."""
    threads = []

    def compute(a, b):
        threads.append(threading.get_ident())
        if len(threads) == 2:  # the first drawing after a move
            other = threading.Thread(target=lambda: panel.controls["b"].set_trait("value", 0.7))
            other.start()
            other.join(timeout=20)
            assert not other.is_alive(), "it waits for the drawing"
        return {"z": np.array([a, b])}

    panel = SliderPanel(
        compute,
        lambda arrays: [Stems(arrays["z"], "z", "place")],
        {name: ipywidgets.FloatSlider(0.1, min=0, max=1, description=name) for name in "ab"},
    )
    panel.controls["a"].value = 0.5
    assert panel.error is None and alt(panel).startswith("Slider panel, a = 0.500, b = 0.700")
    assert set(threads) == {threading.get_ident()} and len(threads) == 3
    # Often, without pause: the last drawing is of the last values.
    movers = [
        threading.Thread(
            target=lambda name=name: [move(panel.controls[name], k) for k in range(50)]
        )
        for name in "ab"
    ]
    for one in movers:
        one.start()
    for one in movers:
        one.join(timeout=60)
    assert alt(panel).startswith("Slider panel, a = 0.490, b = 0.490")


def move(control, k: int) -> None:
    control.value = k / 100


def test_each_move_is_one_assignment():
    panel = simple()
    frames = []
    panel._picture.observe(lambda change: frames.append(change["new"]), names="value")
    for value in (0.2, 0.3, 0.4):
        panel.controls["lam"].value = value
    assert len(frames) == 3 and all("<svg" in frame for frame in frames)


def test_what_a_screen_reader_is_told():
    panel = simple(readouts=lambda a: {"count": 7}, headline="count", title="A & B")
    assert "&quot;\\u03bb&quot;: &quot;0.100; count: 7&quot;" in panel.html
    assert alt(panel) == "A & B, λ = 0.100: count 7"
    assert 'aria-label="A &amp; B, λ = 0.100: count 7"' in panel.html
    quoted = simple(alt=lambda a: '<"a">')
    assert 'aria-label="&lt;&quot;a&quot;&gt;"' in quoted.html


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            (None, lambda a: [], {"lam": log_slider(1, 2, 1)}),
            TypeError,
            "compute: expected a function, got NoneType",
        ),
        (
            (lambda: {}, [], {"lam": log_slider(1, 2, 1)}),
            TypeError,
            "draw: expected a function, got list",
        ),
        ((lambda: {}, lambda a: [], {}), ValueError, "controls: expected at least one slider"),
        (
            (lambda: {}, lambda a: [], {"lam": 3}),
            TypeError,
            r"controls\['lam'\]: expected an ipywidgets control, got int",
        ),
    ],
)
def test_bad_panels_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        SliderPanel(*arguments)


@pytest.mark.parametrize(("low", "high", "start"), [(0.0625, 4, 0.5), (0.01, 2.2, 0.15), (1, 9, 1)])
def test_a_log_slider_starts_at_one_of_its_stops(low, high, start):
    """In the browser it stands at a stop, and says that one's value."""
    slider = log_slider(low, high, start)
    place = (np.log10(start) - slider.min) / slider.step
    assert place == pytest.approx(round(place), abs=1e-9)
    assert slider.step == pytest.approx(0.025, rel=0.02)


def test_stops_say_the_values_that_they_give():
    slider = stops([0.0, 0.5, 2, 30], 0.5, label="λ")
    assert slider.options == (("0.00", 0.0), ("0.500", 0.5), ("2", 2), ("30", 30))
    assert slider.value == 0.5
    slider.index = 3
    assert slider.value == 30


def test_bad_controls_are_refused():
    with pytest.raises(ValueError, match="stills: expected one of .*, got 'mu'"):
        simple(stills=("mu", [1.0]))
    with pytest.raises(ValueError, match="names: expected at least one example"):
        picker([])
    with pytest.raises(ValueError, match="low, start, high: expected .* got 0, 1, 2"):
        log_slider(0, 2, 1)


# ---------------------------------------------------------------------- parts of a picture


def pixels(part) -> list[np.ndarray]:
    """The pictures inside a part's HTML, decoded."""
    import base64
    import io

    from PIL import Image

    found = re.findall(r'src="data:image/png;base64,([^"]+)"', part.html())
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in found]


def test_pictures_show_their_values():
    (ink,) = pixels(Picture(np.array([[0.0, 0.5, 1.0, 2.0]]), "ink"))
    assert ink.shape == (1, 4, 3)
    assert ink[0, 0].tolist() == [255] * 3 and ink[0, 2].tolist() == [0] * 3
    assert 120 < ink[0, 1, 0] < 135 and ink[0, 3].tolist() == [0] * 3
    (signed,) = pixels(Picture(torch.tensor([[-1.0, 0.0, 1.0]]), "signed", signed=True))
    (below, zero, above) = signed[0].astype(int)
    assert below[2] > below[0] + 40, "negative is blue"
    assert above[0] > above[2] + 40, "positive is red"
    assert zero.min() > 240


def test_a_strip_keeps_its_places():
    strip = Strip(np.ones((2, 3, 3)), ["a<b", "c"], "atoms", slots=5)
    assert len(pixels(strip)) == 2
    assert strip.html().count("<li>") == 5 and "a&lt;b" in strip.html()
    assert Strip([], [], "none", slots=4).html().count("<li>") == 4


def test_stems_stand_where_their_values_are():
    drawn = Stems(np.array([0, 1.0, 0, -2.0]), "z", "atom", limit=2.0, marked=[3]).html()
    plain, marked = re.findall(r'<path stroke="#\w+" d="(M[^"H]*)"/>', drawn)
    # 440 × 112 units for four places from −2 to 2: zero at half height, 110 to a place.
    assert plain == "M165.0 56.0V28.0"
    assert marked == "M385.0 56.0V112.0"


@pytest.mark.parametrize("values", [[0.5, -4.2], [-0.5, 4.2], [-4.2, -0.1], [0.3, 4.2]])
def test_without_a_limit_the_scale_holds_every_stem(values):
    drawn = Stems(np.array(values), "z", "atom").html()
    down = [float(y) for y in re.findall(r"V([\d.]+)", drawn)]
    assert len(down) == 2 and all(0 < y < 112 for y in down), "none is cut off"
    top = re.search(r'text-anchor="end">([\d.]+)<', drawn)[1]
    assert top == "5"


def test_a_log_slider_reads_out_small_values():
    slider = log_slider(0.001, 10, 0.1)
    for value, text in ((0.00123, "0.00123"), (0.012, "0.012"), (0.5, "0.5"), (2.25, "2.25")):
        assert format(value, slider.readout_format) == text


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (
            Picture(np.ones(3), "flat"),
            r"image 'flat': expected 2 dimensions, not empty, got shape \(3,\)",
        ),
        (Stems([], "none", "x"), "expected 1 dimensions, not empty"),
        (Stems([np.inf], "z", "x"), "values 'z': expected finite numbers"),
        (
            Strip(np.ones((2, 2)), ["a", "b"], "s"),
            r"images 's': expected 3 dimensions.*got shape \(2, 2\)",
        ),
    ],
)
def test_bad_arrays_are_named(part, message):
    with pytest.raises(ValueError, match=message):
        part.html()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1516, "0.152"),
        (7.254, "7.25"),
        (152.4, "152"),
        (0, "0"),
        (0.0, "0.00"),
        (np.int64(32), "32"),
        (-0.02, "-0.0200"),
        (1e-5, "1.00e-05"),
        (123456.0, "1.23e+05"),
        (float("nan"), "nan"),
        (True, "yes"),
        (0.9999, "1.00"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text


def test_nice_ceiling():
    assert [nice_ceiling(x) for x in (0, 0.3, 1, 1.1, 2.5, 7)] == pytest.approx(
        [1, 0.5, 1, 2, 5, 10]
    )


# --------------------------------------------------------- in a notebook and on a web page


@pytest.fixture
def shell():
    """An IPython that displays, as in a notebook."""
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def test_display_is_the_widget_then_a_figure_in_words(panel, shell):
    with capture_output() as captured:
        panel._ipython_display_()
    widget, figure, words = (output.data for output in captured.outputs)
    assert widget["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.widget.model_id
    assert "\n" not in widget["text/plain"] and "Drag λ" in widget["text/plain"]
    assert figure["image/png"] and figure["text/plain"].count("at λ = ") == 4
    assert "0 of 40 coefficients are not zero" in figure["text/plain"]
    assert "Figure in words" in words["text/html"]
    assert captured.stderr == captured.stdout == ""


def test_a_panel_without_stills_displays_the_widget_alone(shell):
    with capture_output() as captured:
        simple()._ipython_display_()
    assert len(captured.outputs) == 1


def test_the_still_figure_draws_every_column(panel):
    figure, words = panel.still_figure()
    grid = np.array(figure.axes).reshape(4, 4)
    stems = [len(axes.collections[0].get_segments()) for axes in grid[2]]
    assert stems == sorted(stems, reverse=True) and stems[-1] == 0
    headings = [axes.get_title("center").split("\n")[1] for axes in grid[0]]
    assert headings == [f"{count} of 40" for count in stems]
    assert panel.values["lam"] == pytest.approx(0.15), "the panel stays where it was"


def test_export_is_one_small_file_that_needs_nothing(panel, tmp_path):
    panel.controls["digit"].value = 1
    path = panel.export_html(tmp_path / "slider one.html", frames=12)
    page = path.read_bytes()
    assert len(page) < 500_000 and max(page) < 128, "ASCII: it may be put into any other page"
    text = page.decode()
    assert "http" not in text.replace("http://www.w3.org", "")
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">') and 'name="viewport"' in text
    assert text.count("<title>") == text.count("<h1 ") == 1
    assert '<label>&#955; <input type="range" min="0" max="11"' in text
    counts = [int(c) for c in re.findall(r"<b>(\d+) of 40<", text.replace("<\\/", "</"))]
    assert len(counts) == 12 and counts[0] > counts[-1] == 0
    assert text.count("at \\u03bb = ") == 12, "each frame has its words"


def test_export_of_anything_stays_one_script(tmp_path):
    """A title with accents and mark-up, and a part that would end the script."""

    class Rude:
        def html(self):
            return "<b></script></b>"

    panel = simple(draw=lambda a: [Rude()], title="é <b>")
    text = panel.export_html(tmp_path / "rude.html", frames=2).read_bytes().decode("ascii")
    assert text.count("</script>") == 1 and "&#233; &lt;b&gt;" in text


def test_a_page_has_the_controls_that_are_named_and_a_picture_for_every_choice(panel, tmp_path):
    page = panel.export_html(tmp_path / "two.html", over=("lam", "digit"), frames=4)
    text = page.read_text("ascii")
    assert '<option value="0" selected>a<option value="1">b<option value="2">c</select>' in text
    data = json.loads(re.search("= ({.*});", text)[1])
    assert data["values"][1] == ["a", "b", "c"]
    lams = [float(one) for one in data["values"][0]]
    seen = [re.match(r"digit (\w) at λ = ([\d.]+)", alt).groups() for _, _, alt in data["frames"]]
    assert [name for name, _ in seen] == ["a", "b", "c"] * 4
    assert [float(one) for _, one in seen[::3]] == pytest.approx(lams, rel=0.05)
    pieces, place = data["pieces"], 2 * 3 + 1  # the third λ, the second digit
    whole = panel.state(lam=panel.controls["lam"].base ** np.linspace(*ends(panel), 4)[2], digit=1)
    _, numbers, _ = data["frames"][place]
    drawn = "".join(part.html() for part in panel.draw(whole)).replace(CUT, "")
    together = "".join(pieces[k] for k in numbers)
    assert without_pixels(together) == without_pixels(drawn)
    assert len(pieces) == len(set(pieces)) < sum(len(row[1]) for row in data["frames"])


def without_pixels(text: str) -> str:
    return re.sub('src="[^"]*"', "", text)


def ends(panel) -> tuple[float, float]:
    return panel.controls["lam"].min, panel.controls["lam"].max


def test_a_page_shows_some_of_many_stops(tmp_path):
    panel = SliderPanel(
        lambda lam, all: {"z": np.array([lam, 40.0 * all])},
        lambda a: [Stems(a["z"], "z", "place")],
        {"lam": stops(list(range(1, 41)), 20, label="λ"), "all": check_box("all")},
    )
    data = panel.export_html(tmp_path / "x.html", over=("lam", "all"), frames=5).read_text("ascii")
    values = json.loads(re.search("= ({.*});", data)[1])["values"]
    assert values == [["1", "11", "21", "30", "40"], ["no", "yes"]]


def test_an_index_leads_to_every_page(panel, tmp_path):
    for place in (0, 1):
        panel.export_html(tmp_path / f"02_codes-{place}.html", frames=2)
    text = write_index(tmp_path, {"02_codes": "2 · Codes & more"}).read_text("utf-8")
    assert "<h2>2 · Codes &amp; more</h2>" in text and "<!DOCTYPE html>" in text
    for place in (0, 1):
        assert f'<a href="02_codes-{place}.html">{panel.title.replace("λ", "&#955;")}</a>' in text


def test_export_refuses_what_is_no_control(panel, tmp_path):
    told = r"over: expected some of \['lam', 'digit'\], got \['mu'\]"
    with pytest.raises(ValueError, match=told):
        panel.export_html(tmp_path / "x.html", over=["mu"])
    with pytest.raises(ValueError, match="frames: expected at least 2, got 1"):
        panel.export_html(tmp_path / "x.html", frames=1)
    assert not (tmp_path / "x.html").exists()


# ----------------------------------------------------------------- what CONTRIBUTING shows


def test_the_documented_panel_works():
    """CONTRIBUTING's panel with a picture of one's own, as it stands there: in at most 25 lines
    beside its imports.
    """
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(from dataclasses import dataclass\n.*?)```", text, re.DOTALL)
    lines = [line for line in code.splitlines() if line.strip() and "import" not in line]
    assert len(lines) <= 25
    names = {}
    exec(code, names)
    panel = names["panel"]
    assert panel.error is None and 'width="40"' in panel.html and "max-width:100%" in panel.html
    panel.controls["half"].value = True
    assert 'width="20"' in panel.html and "fills 20% of its frame" in panel.html
    panel.controls["x"].value = 1.0
    assert 'width="50"' in panel.html
    figure, words = panel.still_figure()
    assert len(figure.axes) == 2 and "fills 40%" in words


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: linear_slider(1, 0, 0, label="x", step=0.1), "low, start, high, step: expected"),
        (lambda: linear_slider(0, 1, 0, label="x", step=0), "low, start, high, step: expected"),
        (lambda: stops([1, 2], 3, label="x"), r"start: expected one of \[1, 2\], got 3"),
    ],
)
def test_bad_sliders_are_named(make, told):
    with pytest.raises(ValueError, match=told):
        make()
