"""The λ slider over code maps, and the figures of notebook 05 on random arrays."""

import numpy as np
import pytest
import torch
from problems import normal

from rlvebm_utils import ConvDictionary, energy, fista, lambda_max
from rlvebm_utils.course.plots import conv as draw
from rlvebm_utils.course.widgets.conv import conv_codes_panel

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


def test_figures_say_what_the_arrays_hold(monkeypatch):
    said = []
    monkeypatch.setattr(draw.style, "show", lambda figure, alt: said.append((figure, alt)))
    kernels = {n: normal(n, 9, 9, seed=n) for n in (1, 2, 4, 8, 16, 32, 64)}
    draw.kernels_by_number(kernels)
    draw.kinds(kernels)
    draw.angles({16: [1, 2, 0, 3, 0, 0, 0, 0], 32: [4] * 8})
    draw.one_kernel({0.5: list(kernels[4]), 1.0: list(kernels[4])})
    draw.polarity([kernels[4]] * 3, [kernels[4]] * 3)
    draw.eight([kernels[8]] * 3)
    assert "64 other" in said[0][1] or "other" in said[0][1]
    assert "3 of 8, 8 of 8" in said[2][0].axes[0].get_title(loc="left")
    for figure, alt in said:
        assert len(alt) > 60
        figure.draw_without_rendering()
