"""The panels of notebook 05, and its figures on random arrays."""

import re

import numpy as np
import pytest
import torch
from problems import normal

from rlvebm_utils import ConvDictionary, energy, fista, lambda_max
from rlvebm_utils.course import live
from rlvebm_utils.course.kernels import EVERY_KIND, drawn_kernels, label_kernels, orientation_bins
from rlvebm_utils.course.plots import conv as draw
from rlvebm_utils.course.widgets.conv import (
    colour_panel,
    conv_codes_panel,
    family_panel,
    price_panel,
    unexplained,
)

K = normal(3, 4, 4, seed=0)
CONV = ConvDictionary(K / K.flatten(1).norm(dim=1)[:, None, None])
Y = normal(14, 13, seed=1)


@pytest.fixture(scope="module")
def panel():
    return conv_codes_panel(CONV, Y, positions=6)


def test_every_position_shows_the_code_of_its_lambda(panel):
    for _, lam in panel.controls["lam"].options:
        state = panel.state(lam=lam)
        maps = torch.from_numpy(state["maps"])
        best = fista(CONV, Y, lam, tol=1e-8)
        assert float(energy(CONV, Y, maps, lam)) <= 1.002 * float(best.energy)
        np.testing.assert_allclose(state["reconstruction"], CONV.decode(maps))
        assert state["share"] == pytest.approx(lam / float(lambda_max(CONV, Y)))


def test_the_maps_empty_out(panel):
    used = [panel.state(lam=lam)["nonzeros"] for _, lam in panel.controls["lam"].options]
    assert len(used) == 6 and all(more >= less for more, less in zip(used, used[1:], strict=False))
    assert used[0] > 0.05 and used[-1] == 0


def test_moving_the_slider_draws(panel):
    before = panel.html
    panel.controls["lam"].index = 5
    assert panel.error is None and panel.html != before and "0.00 %" in panel.html
    figure, words = panel.still_figure()
    assert len(figure.axes) == 10 and "code maps" in words


def test_bad_image():
    with pytest.raises(ValueError, match="^y: expected one grey image"):
        conv_codes_panel(CONV, Y[None])


def family(n, positive=False, start=0, half=False):
    return ConvDictionary(drawn_kernels(EVERY_KIND[(n + start) % 6], n, seed=start + half))


def test_a_family_is_shown_with_its_labels():
    panel = family_panel(family, (1, 4, 16), starts=3)
    for n, start in ((1, 0), (4, 2), (16, 1)):
        panel.set(n=n, start=start)
        labels = label_kernels(family(n, start=start).K)
        shown = panel.shown(panel.state(**panel.values))
        kinds = [label.kind for label in labels]
        assert all(shown[kind] == str(kinds.count(kind)) for kind in EVERY_KIND)
        filled = sum(c > 0 for c in orientation_bins(labels))
        assert shown["directions (of 8 bins)"] == str(filled)
        assert panel.html.count("border:4px solid") == n
        colours = [draw.KIND_COLOURS[kind] for kind in kinds]
        assert [one.split('"')[0] for one in panel.html.split("border:4px solid ")[1:]] == colours
    figure, words = panel.still_figure()
    assert len(figure.axes) == 2 and "kernels of 9 by 9" in words


def test_the_price_alone_moves():
    asked = []

    def load(lam, positive, start):
        asked.append((lam, positive, start))
        return family(1, positive, start)

    panel = price_panel(load, (0.5, 1.0, 2.0), starts=2)
    panel.set(lam=2.0)
    panel.set(positive=False)
    panel.set(start=1)
    assert asked[-1] == (2.0, False, 1) and asked[0] == (1.0, True, 0)


def test_what_is_left_of_colour_and_grey():
    image = normal(3, 8, 8, seed=3)
    grey = image.mean(0).expand(3, -1, -1)
    assert unexplained(image, image) == (0, 0)
    assert unexplained(image, grey) == pytest.approx((0, 1))
    assert unexplained(image, image - grey) == pytest.approx((1, 0))
    assert unexplained(image, 0.5 * image) == pytest.approx((0.25, 0.25))
    assert unexplained(image, 0.5 * grey) == pytest.approx((0.25, 1))


def test_colour_by_its_price():
    image = normal(3, 8, 8, seed=3)
    levels = {(name, lam): (image * share, share) for name, share in (("raw", 0.5), ("equal", 1.0))
              for lam in (0.5, 1.0, 2.0)}  # fmt: skip
    panel = colour_panel(levels, image)
    panel.set(lam=2.0, channels=1)
    assert panel.shown(panel.state(**panel.values))["colour left unexplained"] == "0 %"
    panel.set(channels=0)
    shown = panel.shown(panel.state(**panel.values))
    assert shown["grey left unexplained"] == "25 %" and shown["non-zeros"] == "50.0 %"


def test_how_far_codes_are_from_the_moved_ones():
    maps = torch.zeros(2, 3, 20, 20, dtype=torch.float64)
    maps[:, :, 5:8, 5:8] = normal(3, 3, 3, seed=0)
    maps[1] = maps[0].roll((9, 4), (1, 2))
    boxes = normal(2, 3, 6, 6, seed=1)
    boxes[:, :, 4:] = 0
    boxes[1] = boxes[0].roll((1, 0), (1, 2))
    off, patches_off = draw.followed(maps, boxes, (9, 4))
    assert off == 0 and patches_off == 0
    boxes[1] = 2 * boxes[1]
    assert draw.followed(2 * maps, boxes, (9, 4)) == pytest.approx((0, 1))


def test_figures_say_what_the_arrays_hold(monkeypatch):
    said = []
    monkeypatch.setattr(draw.style, "show", lambda figure, alt: said.append((figure, alt)))
    K = normal(4, 9, 9, seed=4)
    draw.toeplitz(normal(20, 12, seed=1), normal(3, 2, 2, seed=1))
    draw.rows_of_starts({"4 · signed": [K, K], "2": [K[:2], K[:2]]}, "Starts")
    draw.kinds({sign: {2: [["edge", "bar"]], 4: [["other"] * 4]} for sign in ("signed", "≥ 0")})
    draw.confusion(torch.eye(6, dtype=torch.int64) * 50)
    draw.learned(K, [5.0, 4.0, 3.0])
    draw.ranges({"one": [0.1, 0.2, 0.3], "two": [0.5, 0.6, 0.7]}, "share", "Shares")
    Z = normal(8, 14, 13, seed=2) * (normal(8, 14, 13, seed=5) > 1)
    terms = normal(8, 22, 21, seed=3)
    draw.term_by_term(normal(8, 9, 9, seed=1), Z, terms, terms.sum(0))
    draw.moved_codes(
        normal(2, 18, 18, seed=1),
        Z[:6].reshape(2, 3, 14, 13),
        Z[:6, :2, :2].reshape(2, 3, 2, 2),
        (1, 2),
    )
    draw.colour(normal(16, 3, 9, 9, seed=1), Z.repeat(2, 1, 1), terms[:3], terms[3:6])
    titles = [figure.axes[0].get_title(loc="left") for figure, _ in said]
    assert titles[0] == "20 × 12 entries, made of only 12 numbers"
    assert "0.0% get another name" in titles[3]
    assert "0% of the squared norm" in said[6][1]
    assert f"({int((Z != 0).sum())} of" in said[6][1]
    for figure, alt in said:
        assert len(alt) > 60
        figure.draw_without_rendering()


def test_tints_are_those_of_the_page():
    source = (live.FOLDER / "stamp.js").read_text(encoding="utf-8")
    tints = re.search(r"TINTS = \[(.*?)\]", source, re.DOTALL)[1]
    assert re.findall(r"#\w{6}", tints) == [colour.lower() for colour in draw.TINTS]
