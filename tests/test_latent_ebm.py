"""The slider over an energy map: right numbers, right way up, clear errors."""

import numpy as np
import pytest
import torch

from rlvebm_utils import Dictionary
from rlvebm_utils.course.widgets.latent_ebm import EnergyMap, energy_map_panel, outline, price_stops

POINTS = torch.tensor([[0.5, 0.0], [0.0, 1.0]], dtype=torch.float64)
AXES = {"axes": (Dictionary(torch.eye(2, dtype=torch.float64)), False)}
UP = {"up": (Dictionary(torch.tensor([[0.0], [1.0]], dtype=torch.float64)), True)}


def huber(v, lam):
    """min_z ½(v − z)² + λ|z|."""
    return np.where(np.abs(v) < lam, v**2 / 2, lam * np.abs(v) - lam**2 / 2)


@pytest.mark.parametrize("lam", [0.0, 0.1, 0.4, 1.2])
def test_map_of_two_axes_is_a_sum_of_huber_functions(lam):
    state = energy_map_panel(AXES, POINTS, lam=0.1, cells=30).state(lam=lam, model=0)
    side = np.linspace(-1.5, 1.5, 30)
    expected = huber(side[None], lam) + huber(side[:, None], lam)
    np.testing.assert_allclose(state["F"], expected, rtol=1e-3, atol=1e-9)
    assert state["area"] == pytest.approx((expected < 0.05).mean(), abs=1e-12)
    assert state["highest"] == pytest.approx(expected.max(), rel=1e-3)
    assert state["data"] == pytest.approx(np.mean([huber(0.5, lam), huber(1.0, lam)]), rel=1e-3)
    angle = np.deg2rad(np.arange(360))
    around = huber(np.cos(angle), lam) + huber(np.sin(angle), lam)
    assert state["relief"] == pytest.approx(np.ptp(around), rel=1e-2, abs=1e-6)


def test_map_stands_the_right_way_up():
    panel = energy_map_panel(UP, POINTS, lam=0.1, cells=30)
    F = panel.state(lam=0.1, model=0)["F"]
    above, below, left, right = F[-1, 15], F[0, 15], F[15, 0], F[15, -1]
    assert above < 0.2 < below  # only upwards is there an atom
    assert left == pytest.approx(right)
    (part,) = panel.draw(panel.state(lam=0.1, model=0))
    pixels = part._pixels()
    assert pixels[0, 15, 0] < pixels[-1, 15, 0]  # the top of the picture is cheap: dark


def test_codes_are_nonnegative_only_where_asked():
    both = {"up": UP["up"], "up and down": (UP["up"][0], False)}
    panel = energy_map_panel(both, POINTS, lam=0.1, cells=30)
    first, second = (panel.state(lam=0.1, model=m)["F"] for m in (0, 1))
    assert second[0, 15] == pytest.approx(second[-1, 15])
    assert first[0, 15] > 5 * second[0, 15]


def test_every_move_is_solved_and_told():
    panel = energy_map_panel(AXES, POINTS, lam=0.1, cells=30)
    seen = set()
    for lam in (0.0, 0.1, 0.56):
        panel.controls["lam"].value = lam
        assert panel.error is None
        area = f"{100 * panel.state(lam=lam, model=0)['area']:.1f} %"
        assert area in panel.html
        seen.add(panel.html)
    assert len(seen) == 3
    panel.controls["lam"].value = 0.0
    assert "100.0 %" in panel.html


def test_stops_lie_closer_where_there_is_more_to_see():
    stops = price_stops(0.1, 1.2)
    assert stops[0] == 0 and 0.1 in stops and stops[-1] == 1.2
    ratios = np.divide(stops[2:], stops[1:-1])
    assert 1.1 < ratios.min() and ratios.max() < 1.4
    assert 0.07 in price_stops(0.07, 1.0), "the slider can start there"


def test_dots_are_where_the_points_are():
    part = EnergyMap(np.zeros((5, 5)), "map", POINTS, reach=1.5, level=0.05, top=0.5)
    assert part.html().count("<circle") == len(POINTS)
    assert 'cx="0.00" cy="-1.00"' in part.html()  # SVG counts downwards


def test_outline_is_the_inner_edge_and_not_the_frame():
    inside = np.zeros((5, 6), dtype=bool)
    inside[1:, :4] = True
    expected = np.zeros_like(inside)
    expected[1, :4] = expected[1:, 3] = True
    assert (outline(inside) == expected).all()
    assert not outline(np.ones((3, 3), dtype=bool)).any()
    assert not outline(np.zeros((3, 3), dtype=bool)).any()


def test_bad_arguments_are_named():
    space = Dictionary(torch.eye(3, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"models\['space'\]: expected dimension 2, got 3"):
        energy_map_panel({"space": (space, False)}, POINTS, lam=0.1)
    with pytest.raises(ValueError, match=r"points: expected shape \(N, 2\), got \(2, 3\)"):
        energy_map_panel(AXES, torch.zeros(2, 3, dtype=torch.float64), lam=0.1)
