"""The slider over an energy map: right numbers, right way up, clear errors."""

import numpy as np
import pytest
import torch

from rlvebm_utils import Dictionary
from rlvebm_utils.course.widgets.latent_ebm import (
    Curves,
    EnergyMap,
    energy_map_panel,
    noise_panel,
    price_stops,
    temperature_panel,
    two_ball_bits,
    two_balls_panel,
)

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
    np.testing.assert_allclose(state["circle"], around, rtol=1e-3, atol=1e-9)


def test_map_stands_the_right_way_up():
    panel = energy_map_panel(UP, POINTS, lam=0.1, cells=30)
    F = panel.state(lam=0.1, model=0)["F"]
    above, below, left, right = F[-1, 15], F[0, 15], F[15, 0], F[15, -1]
    assert above < 0.2 < below  # only upwards is there an atom
    assert left == pytest.approx(right)
    part, _ = panel.draw(panel.state(lam=0.1, model=0))
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


def test_the_line_is_where_F_has_its_level():
    """F = ½‖y‖² on a map: a circle of radius √(2 · level), and none where F is lower everywhere."""
    side = np.linspace(-1.5, 1.5, 61)
    F = (side[None] ** 2 + side[:, None] ** 2) / 2
    part = EnergyMap(F, "map", POINTS, reach=1.5, level=0.3, top=0.5)
    (line,) = part._border()
    np.testing.assert_allclose(np.hypot(*line.T), 0.6**0.5, atol=2e-3)
    assert EnergyMap(0 * F, "map", POINTS, reach=1.5, level=0.3, top=0.5)._border() == []


def test_a_map_has_axes_a_key_and_its_atoms():
    part = EnergyMap(np.zeros((5, 5)), "m", POINTS, 1.5, 0.05, top=0.4, atoms=np.eye(2))
    page = part.html()
    assert all(f">{word}</text>" in page for word in ("y₁", "y₂", "−1", "0", "1", "≥ 0.4"))
    assert page.count("M0 0L") == 2 and page.count("<rect") == 32


# ---- curves ----


def test_curves_are_where_their_numbers_are():
    x = np.array([0.0, 1.0, 2.0])
    part = Curves([("up", "#123456", x, 10 * x)], "t", (0, 2), (0, 40), "x", "y", dots=([1], [20]))
    page = part.html()
    assert 'd="M0.0 230.0L190.0 172.5L380.0 115.0"' in page
    assert 'cx="190.0" cy="115.0"' in page and ">up<" in page
    assert all(f">{tick}</text>" in page for tick in ("0", "1", "2", "20", "40"))
    around = Curves([("", "#123456", x, x)], "t", (0, 360), (-0.7, 0.7), "x", "y").html()
    assert all(f">{tick}</text>" in around for tick in ("180", "360", "−0.7"))


# ---- a temperature ----


@pytest.mark.parametrize("beta", [1.0, 30.0])
def test_the_map_at_a_temperature(beta):
    """Two codes: −(1/β) log of the mean of two Gaussians."""
    codes = torch.tensor([[0.5, 0.0], [-0.5, 0.2]], dtype=torch.float64)
    panel = temperature_panel({"two": codes}, POINTS, betas=[1.0, 30.0], beta=30.0, cells=20)
    state = panel.state(beta=beta, model=0)
    side = np.linspace(-1.5, 1.5, 20)
    y1, y2 = np.meshgrid(side, side)
    each = [((y1 - a) ** 2 + (y2 - b) ** 2) / 2 for a, b in codes.tolist()]
    expected = -np.log(np.mean([np.exp(-beta * one) for one in each], axis=0)) / beta
    np.testing.assert_allclose(state["F"], expected - expected.min(), atol=1e-9)
    assert state["lowest"] == pytest.approx(expected.min())
    assert state["gap"] == pytest.approx((expected - np.minimum(*each)).max())
    cut = np.linspace(-1.5, 1.5, 121)
    least = np.minimum((cut - 0.5) ** 2, (cut + 0.5) ** 2 + 0.04) / 2
    np.testing.assert_allclose(state["least"], least, atol=1e-12)
    assert (state["least"] <= state["cut"] + 1e-12).all()
    assert (state["cut"] <= state["mean"] + 1e-12).all()
    assert f"{state['gap']:.4f}" in panel.html or beta != 30.0


# ---- a noise in training ----


def test_the_map_of_a_sheet():
    """A sheet that is a square of side 2, and one that has shrunk to a point."""
    side = torch.linspace(-1, 1, 41, dtype=torch.float64)
    square = torch.stack(torch.meshgrid(side, side, indexing="ij"), -1)
    sheets = {0.3: 0 * square, 0.0: square}
    panel = noise_panel(sheets, POINTS, noise=0.0, level=0.01, cells=31)
    wide, point = panel.state(noise=0.0), panel.state(noise=0.3)
    grid = np.linspace(-1.5, 1.5, 31)
    beyond = np.clip(np.abs(grid) - 1, 0, None)
    np.testing.assert_allclose(wide["F"], (beyond[None] ** 2 + beyond[:, None] ** 2) / 2, atol=1e-9)
    np.testing.assert_allclose(point["F"], (grid[None] ** 2 + grid[:, None] ** 2) / 2, atol=1e-9)
    assert wide["data"] == pytest.approx(0, abs=1e-12)
    assert point["data"] == pytest.approx((0.25 + 1) / 4)
    seen = panel.html
    panel.controls["noise"].value = 0.3
    assert panel.error is None and panel.html != seen
    assert [value for _, value in panel.controls["noise"].options] == [0.0, 0.3]
    with pytest.raises(ValueError, match=r"sheets\[0.1\]: expected shape \(n, n, 2\)"):
        noise_panel({0.1: square[0]}, POINTS, noise=0.1, level=0.01)


# ---- two balls ----


def test_bits_of_two_balls():
    """By sampling; and at both ends."""
    generator = torch.Generator().manual_seed(0)
    for sigma in (0.5, 1.0, 2.0):
        z = 1 + sigma * torch.randn(400_000, generator=generator, dtype=torch.float64)
        p = torch.sigmoid(2 * z / sigma**2)
        bits, right = two_ball_bits(sigma)
        assert bits == pytest.approx(1 + float(p.log2().mean()), abs=4e-3)
        assert right == pytest.approx(float((z > 0).double().mean()), abs=4e-3)
    assert two_ball_bits(0.1)[0] == pytest.approx(1, abs=1e-6)
    assert two_ball_bits(50.0)[0] < 1e-3


def test_the_panel_of_two_balls_tells_them():
    panel = two_balls_panel(sigma=1.0, sigmas=[0.5, 1.0, 2.0])
    for sigma in (0.5, 1.0, 2.0):
        panel.controls["sigma"].value = sigma
        assert panel.error is None and f"{two_ball_bits(sigma)[0]:.3f}" in panel.html


def test_bad_arguments_are_named():
    space = Dictionary(torch.eye(3, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"models\['space'\]: expected dimension 2, got 3"):
        energy_map_panel({"space": (space, False)}, POINTS, lam=0.1)
    with pytest.raises(ValueError, match=r"points: expected shape \(N, 2\), got \(2, 3\)"):
        energy_map_panel(AXES, torch.zeros(2, 3, dtype=torch.float64), lam=0.1)


# ---- an exercise ----


@pytest.mark.parametrize("lam", [0.1, 0.5, 2.0])
def test_the_ruler_of_the_exercise_gives_the_energy_at_another_price(lam):
    from rlvebm_utils.course.exercises.latent_ebm import F_at, unit_price

    y = torch.tensor([1.2, -0.3], dtype=torch.float64)
    assert float(F_at(lam, y, unit_price)) == pytest.approx(huber(y.numpy(), lam).sum())
