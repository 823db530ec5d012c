"""Every panel, moved away from where it starts, shows what arithmetic of our own expects.

The arrays are computed here once more (NumPy, scikit-learn, SciPy), painted by matplotlib, and
compared with what stands in the panel's HTML and in its figure at rest.
"""

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from drawn import lines, marks, painted, pictures, same, tiles
from matplotlib.colors import to_hex, to_rgba_array
from problems import normal
from scipy.signal import convolve2d
from scipy.stats import multivariate_normal
from sklearn.linear_model import Lasso

from rlvebm_utils import ConvDictionary, Dictionary
from rlvebm_utils.course.csae import ConvEncoder, likeness
from rlvebm_utils.course.plots.atoms import KEY
from rlvebm_utils.course.plots.style import BLUE, GREEN, SKY, VERMILION
from rlvebm_utils.course.plots.vae import number_places
from rlvebm_utils.course.vae import Balls
from rlvebm_utils.course.widgets.atoms import dictionary_panel, gabor_panel, training_panel
from rlvebm_utils.course.widgets.conv import conv_codes_panel
from rlvebm_utils.course.widgets.csae import growing_panel, tie_panel
from rlvebm_utils.course.widgets.latent_ebm import energy_map_panel
from rlvebm_utils.course.widgets.playground import prepare, solver_panel
from rlvebm_utils.course.widgets.sparse_coding import SparseCoder, sparse_coding_panel
from rlvebm_utils.course.widgets.stills import still_figure
from rlvebm_utils.course.widgets.vae import (
    Heated,
    Stage,
    flight_panel,
    heat_panel,
    spring_panel,
    valley_panel,
)
from rlvebm_utils.learning import LearnedDictionary

SIGNED, INK, MAP = "RdBu_r", "gray_r", "cividis"
# Tol's muted colours, in the order of the classes.
CLASSES = (
    "#332288 #88CCEE #44AA99 #117733 #999933 #DDCC77 #CC6677 #882255 #AA4499 #555555"
).split()


def lasso(W, y, lam, nonnegative=False):
    model = Lasso(lam / len(y), positive=nonnegative, fit_intercept=False, tol=1e-12)
    return model.set_params(max_iter=100_000).fit(W, y).coef_


def at_rest(panel) -> dict[str, list]:
    """Row by row, the axes of the figure under the panel."""
    figure, _ = still_figure(panel)
    columns = len(panel.stills[1])
    axes = figure.axes
    plt.close(figure)
    return [axes[i : i + columns] for i in range(0, len(axes), columns)]


# ---- sparse coding ----


@pytest.fixture(scope="module")
def strokes():
    generator = torch.Generator().manual_seed(11)
    W = torch.rand(64, 30, generator=generator, dtype=torch.float64) ** 4
    W /= W.norm(dim=0)
    Y = (torch.rand(3, 30, generator=generator, dtype=torch.float64) ** 6) @ W.T
    return Dictionary(W), Y


@pytest.mark.parametrize(("lam", "digit"), [(0.04, 2), (0.3, 1)])
def test_sparse_coding(strokes, lam, digit):
    dictionary, Y = strokes
    panel = sparse_coding_panel(dictionary, Y, lam=0.15, shape=(8, 8), nonnegative=True)
    panel.controls["digit"].value = digit
    panel.controls["lam"].value = lam
    lam = panel.values["lam"]
    W, y = dictionary.W.numpy(), Y[digit].numpy()
    z = lasso(W, y, lam, nonnegative=True)
    shown = tiles(panel)
    for title, values, colours, low in (
        ("digit y", y, INK, 0),
        ("reconstruction Wz", W @ z, INK, 0),
        ("residual y − Wz", y - W @ z, SIGNED, -1),
    ):
        (pixels,) = pictures(shown[title])
        assert same(pixels, values.reshape(8, 8), colours, low, 1), title

    numbered = [one.get_text() for one in shown["code z"].select("text")]
    assert {"1", "15", "30"} <= set(numbered) and "0" in numbered  # 0: the value, not a place
    assert numbered.count("0") == 1

    # The stems, as numbers again: 440 units wide, 112 from the limit down to zero.
    limit = panel.state(**panel.values)["limit"]
    drawn = np.zeros(30)
    largest = np.argsort(-z)[:12][: np.count_nonzero(z)]
    for colour, chosen in ((VERMILION, largest), (BLUE, np.setdiff1d(np.nonzero(z), largest))):
        stems = np.concatenate(lines(shown["code z"], colour)).reshape(-1, 3)
        where = np.rint(stems[:, 0] * 30 / 440 - 0.5).astype(int)
        assert sorted(where) == sorted(chosen)
        drawn[where] = (stems[:, 1] - stems[:, 2]) * limit / 112
    np.testing.assert_allclose(drawn, z, atol=2e-3 * limit)

    atoms = shown["largest coefficients (orange) and their atoms"]
    for pixels, atom in zip(pictures(atoms), W.T[largest], strict=True):
        assert same(pixels, atom.reshape(8, 8), INK, 0, 0.7 * W.max())
    captions = [one.get_text() for one in atoms.select("li span")][: len(largest)]
    np.testing.assert_allclose([float(c) for c in captions], z[largest], atol=0.006)


def test_lambda_max_is_that_of_the_codes_that_are_asked_for():
    """z ≥ 0: an atom that points the other way cannot enter."""
    generator = torch.Generator().manual_seed(3)
    W = torch.randn(16, 6, generator=generator, dtype=torch.float64)
    W /= W.norm(dim=0)
    Y = torch.stack([W[:, 1] - 3 * W[:, 0], W[:, 2] - 2 * W[:, 3]])
    c = (Y @ W).numpy()
    for nonnegative, top in ((True, c.max(1).clip(0)), (False, np.abs(c).max(1))):
        coder = SparseCoder(Dictionary(W), Y, nonnegative=nonnegative)
        np.testing.assert_allclose([coder(0.1, k)["lam_max"] for k in (0, 1)], top)
    assert (c.max(1) > 0).any() and (c.max(1) < np.abs(c).max(1)).all()


def test_sparse_coding_at_rest(strokes):
    dictionary, Y = strokes
    panel = sparse_coding_panel(dictionary, Y, lam=0.15, shape=(8, 8), nonnegative=True)
    decoded, residual, stems, strip = at_rest(panel)
    W, y = dictionary.W.numpy(), Y[0].numpy()
    for column, lam in enumerate(panel.stills[1]):
        z = lasso(W, y, lam, nonnegative=True)
        assert same(decoded[column].images[0].get_array(), (W @ z).reshape(8, 8), INK, 0, 1)
        assert same(
            residual[column].images[0].get_array(), (y - W @ z).reshape(8, 8), SIGNED, -1, 1
        )
        segments = [c for c in stems[column].collections if len(c.get_segments())]
        tops, largest = {}, set(np.argsort(-z, kind="stable")[:12])
        for bars in segments:
            for (foot, top), colour in zip(bars.get_segments(), bars.get_colors(), strict=True):
                tops[k := round(top[0])] = top[1]
                assert foot[1] == 0
                assert to_hex(colour) == (VERMILION if k in largest else BLUE).lower()
        assert sorted(tops) == np.nonzero(z)[0].tolist()
        np.testing.assert_allclose([tops[k] for k in sorted(tops)], z[z != 0], rtol=0.02, atol=2e-3)
        assert len(strip[column].images) == min(6, np.count_nonzero(z))
        for image, atom in zip(strip[column].images, W.T[np.argsort(-z)], strict=False):
            left, right, bottom, top = image.get_extent()
            assert left < right and bottom > top and image.origin == "upper"  # rows go down
            assert strip[column].yaxis_inverted()
            assert same(image.get_array(), atom.reshape(8, 8), INK, 0, 0.7 * W.max())


# ---- the energy map ----


def map_panel(nonnegative=True):
    """One atom, along (2, 1): F in closed form, and neither axis nor direction is like another."""
    atom = torch.tensor([[2.0], [1.0]], dtype=torch.float64) / 5**0.5
    points = torch.tensor([[1.2, 0.4], [-0.3, -1.1]], dtype=torch.float64)
    models = {"other": (Dictionary(torch.eye(2).double()), False)}
    models |= {"one atom": (Dictionary(atom), nonnegative)}
    return energy_map_panel(models, points, lam=0.1, cells=41), points.numpy()


def one_atom(lam, nonnegative=True):
    side = np.linspace(-1.5, 1.5, 41)
    return at(*np.meshgrid(side, side), lam, nonnegative)  # y₂ grows with the row


def at(y1, y2, lam, nonnegative=True):
    pull = (2 * y1 + y2) / 5**0.5
    z = np.maximum(pull - lam, 0) if nonnegative else np.sign(pull) * np.maximum(abs(pull) - lam, 0)
    return (y1**2 + y2**2) / 2 - pull * z + z**2 / 2 + lam * abs(z)


@pytest.mark.parametrize("nonnegative", [True, False])
@pytest.mark.parametrize("place", [5, 20, -2])
def test_energy_map(place, nonnegative):
    panel, points = map_panel(nonnegative)
    panel.controls["model"].value = 1
    lam = panel.controls["lam"].options[place][1]
    panel.controls["lam"].value = lam
    tile, around = tiles(panel).values()
    F = one_atom(lam, nonnegative)
    (pixels,) = pictures(tile)
    assert np.abs(pixels[::-1].astype(int) - painted(F, MAP, 0, 0.5)).max() <= 8  # y₂ = 1.5 first
    np.testing.assert_allclose(marks(tile, "circle", "cx", "cy"), points * [1, -1], atol=0.006)
    assert tile.svg["viewbox"].split() == ["-1.5", "-1.5", "3.0", "3.0"]
    check_line(tile, lam, nonnegative)
    (curve,) = lines(around, BLUE)
    angle, height = curve.reshape(-1, 2).T
    circle = np.deg2rad(angle * 360 / 380)
    expected = at(np.cos(circle), np.sin(circle), lam, nonnegative)
    np.testing.assert_allclose((1 - height / 230) * 0.6, expected, atol=3e-3)


def check_line(tile, lam, nonnegative):
    """Every point of the white line has F = 0.05, up to what a grid of 41 can say."""
    border = [one for one in tile.select('path[stroke="#fff"]') if one.get("stroke-width") == ".02"]
    numbers = np.array(re.findall(r"-?[\d.]+", border[0]["d"]), dtype=float).reshape(-1, 2)
    F = at(numbers[:, 0], -numbers[:, 1], lam, nonnegative)
    assert len(numbers) > 20
    np.testing.assert_allclose(F, 0.05, atol=0.012)


def test_energy_map_at_rest():
    panel, points = map_panel()
    panel.controls["model"].value = 1
    row, _ = at_rest(panel)
    for axes, lam in zip(row, panel.stills[1], strict=True):
        (image,), (dots,) = axes.images, axes.collections
        got = image.get_array().astype(int)
        got = got[::-1] if image.origin == "upper" else got
        assert np.abs(got - painted(one_atom(lam), MAP, 0, 0.5)).max() <= 8
        assert image.get_extent() == [-1.5, 1.5, -1.5, 1.5]
        np.testing.assert_allclose(dots.get_offsets(), points)


# ---- sheets of atoms ----


def sheet(W, columns=8):
    """Atoms row by row, each as dark as the others at its largest entry, a gap of one between: a
    line in grey, where there is ink.
    """
    side = round(len(W) ** 0.5)
    rows = -(-W.shape[1] // columns)
    line = 0.0 if (W < 0).any() else 0.2
    out = np.full((rows * (side + 1) - 1, columns * (side + 1) - 1), line)
    for k, atom in enumerate(W.T):
        top, left = (k // columns) * (side + 1), (k % columns) * (side + 1)
        out[top : top + side, left : left + side] = (atom / abs(atom).max()).reshape(side, side)
    return out


def keyed(name, low):
    """A title, with the key of its colours where there are two."""
    return f"{name}: {KEY}" if low else name


def unit(seed, positive=False):
    W = normal(9, 13, seed=seed).double()
    W = W.abs() if positive else W
    return W / W.norm(dim=0)


def test_training():
    steps = [1, 4, 16, 64]
    kept = {
        name: {step: unit(31 * step + positive, positive) for step in steps}
        for name, positive in (("digits", True), ("photographs", False))
    }
    runs = {
        name: LearnedDictionary(Dictionary(W[64]), torch.zeros(4), 0, snapshots=W)
        for name, W in kept.items()
    }
    panel = training_panel(runs)
    panel.controls["step"].value = 16
    shown = tiles(panel)
    for name, colours, low in (("digits", INK, 0), ("photographs", SIGNED, -1)):
        W = kept[name][16].numpy()
        (pixels,) = pictures(shown[keyed(name, low)])
        assert same(pixels, sheet(W), colours, low, 1), name
        covers = np.median((W**2).sum(0) ** 2 / (W**4).sum(0))
        assert f"{name} {covers:.0f}" in panel.html
    for row, name in zip(at_rest(panel), kept, strict=True):
        for axes, step in zip(row, panel.stills[1], strict=True):
            W = kept[name][step].numpy()[:, :9]  # at rest, nine of them
            look = (INK, 0, 1) if name == "digits" else (SIGNED, -1, 1)
            assert same(axes.images[0].get_array(), sheet(W, 3), *look)


def test_dictionaries():
    learned = {0.1: {"signed": unit(1), "inked": unit(3, 1)}}
    learned[0.4] = {"signed": unit(2), "inked": unit(4, 1)}
    told = {0.1: {"non-zeros": "low"}, 0.4: {"non-zeros": "high"}}
    images = {lam: ("a picture", normal(6, 9, seed=int(10 * lam))) for lam in learned}
    panel = dictionary_panel(learned, told, label="λ", title="Drag", images=images)
    panel.controls["value"].value = 0.4
    shown = tiles(panel)
    for name, colours, low in (("signed", SIGNED, -1), ("inked", INK, 0)):
        (pixels,) = pictures(shown[keyed(name, low)])
        assert same(pixels, sheet(learned[0.4][name].numpy()), colours, low, 1)
    (pixels,) = pictures(shown["a picture"])
    image = images[0.4][1].numpy()
    grey = np.rint(12 * np.clip(image / (3 * image.std(ddof=1)), -1, 1)) / 12
    assert same(pixels, -grey, INK, -1, 1)
    assert "high" in panel.html and "low" not in panel.html


def test_a_gabor_by_hand():
    W = normal(36, 2, seed=5).double()
    panel = gabor_panel(W)
    panel.set(atom=1, theta=60, f=0.18, x=2.0, y=3.5, across=1.5, along=2.25)
    atom = W[:, 1].numpy().reshape(6, 6) / np.abs(W[:, 1].numpy()).max()
    row, column = np.mgrid[:6, :6]
    x, y, theta = column - 2.0, row - 3.5, np.pi / 3
    u, v = np.cos(theta) * x + np.sin(theta) * y, np.cos(theta) * y - np.sin(theta) * x
    bell = np.exp(-(u**2) / (2 * 1.5**2) - v**2 / (2 * 2.25**2))
    waves = [bell * np.cos(2 * np.pi * 0.18 * u), bell * np.sin(2 * np.pi * 0.18 * u)]
    basis = np.stack(waves).reshape(2, -1).T
    best = (basis @ np.linalg.lstsq(basis, atom.ravel(), rcond=None)[0]).reshape(6, 6)
    expected = {f"the atom: {KEY}": atom, "your Gabor function": best / np.abs(best).max()}
    expected["what it leaves"] = atom - best
    for title, values in expected.items():
        (pixels,) = pictures(tiles(panel)[title])
        assert same(pixels, values, SIGNED, -1, 1), title
    r2 = 1 - ((atom - best) ** 2).sum() / ((atom - atom.mean()) ** 2).sum()
    assert f"R² = {r2:.2f}" in panel.html


# ---- code maps ----


def three_wide(z):
    """The entry of the largest size around each place."""
    around = np.pad(z, 1)
    windows = np.lib.stride_tricks.sliding_window_view(around, (3, 3)).reshape(*z.shape, 9)
    return np.take_along_axis(windows, np.abs(windows).argmax(-1)[..., None], -1)[..., 0]


def test_code_maps():
    K = normal(2, 3, 2, seed=5).double()
    K = K / K.flatten(1).norm(dim=1)[:, None, None]
    Y = normal(9, 8, seed=6).double()
    panel = conv_codes_panel(ConvDictionary(K), Y, positions=6, tol=1e-10)
    places = [np.eye(1, 49, p).reshape(7, 7) for p in range(49)]
    columns = [convolve2d(place, k).ravel() for k in K.numpy() for place in places]
    W = np.stack(columns, 1)
    lam = panel.controls["lam"].options[2][1]
    panel.controls["lam"].value = lam
    z = lasso(W, Y.numpy().ravel(), lam)
    shown = tiles(panel)
    span = 0.7 * Y.abs().max().item()
    least = panel.controls["lam"].options[0][1]
    limit = np.abs(lasso(W, Y.numpy().ravel(), least)).max() / 3
    for title, values in (("image Y", Y.numpy()), ("Σ K * Z", (W @ z).reshape(9, 8))):
        (pixels,) = pictures(shown[title])
        assert same(pixels, values, SIGNED, -span, span), title
    maps = z.reshape(2, 7, 7)
    for pixels, one in zip(pictures(shown["code maps Z"]), maps, strict=True):
        assert same(pixels, three_wide(one), SIGNED, -limit, limit)
    captions = [one.get_text() for one in shown["code maps Z"].select("li span")]
    assert captions == [f"{100 * np.mean(one != 0):.1f} %" for one in maps]
    decoded, strip = at_rest(panel)
    for column, lam in enumerate(panel.stills[1]):
        z = lasso(W, Y.numpy().ravel(), lam)
        array = decoded[column].images[0].get_array()
        assert same(array, (W @ z).reshape(9, 8), SIGNED, -span, span)
        for image, one in zip(strip[column].images, z.reshape(2, 7, 7), strict=True):
            assert same(image.get_array(), three_wide(one), SIGNED, -limit, limit)


# ---- pairs of kernels ----

TIES = ["the guess, α = 1", "the guess, α = 0", "0, α = 1", "0, α = 0"]


def halves(seed, count=8):
    encoder = ConvEncoder(count, size=5, seed=seed)
    return encoder, ConvDictionary(normal(count, 5, 5, seed=seed + 1).double())


@pytest.mark.parametrize("kind", ["growing", "tied"])
def test_all_pairs_at_rest(kind):
    if kind == "growing":
        panel = growing_panel(lambda phi, frozen, step: halves(step), lambda *_: {}, ["a"], [0, 5])
    else:
        panel = tie_panel(lambda tie, frozen: halves(TIES.index(tie)), lambda *_: {}, TIES)
    (row,) = at_rest(panel)
    for axes, seed in zip(row, panel.stills[1], strict=True):
        encoder, dictionary = halves(seed)
        pairs = zip(encoder.kernels, dictionary.K, strict=True)
        cosines = likeness(encoder.kernels, dictionary.K).diagonal()
        words = iter(axes.texts)
        for k, pair in enumerate(pairs):
            above, below = axes.images[2 * k : 2 * k + 2]
            for image, kernel in zip((above, below), pair, strict=True):
                limit = float(kernel.abs().max())
                assert same(image.get_array(), kernel.numpy(), SIGNED, -limit, limit)
            (left, right, *_), (left_below, *_) = above.get_extent(), below.get_extent()
            assert left == left_below and above.get_extent()[2] < below.get_extent()[3]
            cosine = next(words)
            assert cosine.get_text() == f"{cosines[k]:.2f}"
            assert left < cosine.get_position()[0] < right
            assert cosine.get_position()[1] > below.get_extent()[2]
        assert len(axes.images) == 16


def test_headings_at_rest_leave_each_other_room():
    panel = tie_panel(lambda tie, frozen: halves(0), lambda *_: {}, TIES)
    figure, _ = still_figure(panel)
    figure.draw_without_rendering()
    boxes = [axes.title.get_window_extent() for axes in figure.axes]
    assert all(a.x1 < b.x0 for a, b in zip(boxes, boxes[1:], strict=False))
    assert figure._suptitle.get_window_extent().x1 < figure.bbox.x1


# ---- fuzzy balls ----


def balls(seed, count=12):
    generator = torch.Generator().manual_seed(seed)
    mean = 2 * torch.randn(count, 2, generator=generator, dtype=torch.float64)
    return Balls(mean, torch.rand(count, 2, generator=generator, dtype=torch.float64) + 0.1)


LABELS = torch.tensor([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8])


def bhattacharyya(one: Balls) -> float:
    """∫ √(p q) of every pair, by a sum over a fine grid."""
    side = np.linspace(-14, 14, 281)
    grid = np.stack(np.meshgrid(side, side), -1)
    p = [
        multivariate_normal(m, np.diag(v)).pdf(grid)
        for m, v in zip(one.mean.numpy(), one.variance.numpy(), strict=True)
    ]
    cell = (side[1] - side[0]) ** 2
    pairs = [(i, j) for i in range(len(p)) for j in range(i)]
    return float(np.mean([cell * np.sqrt(p[i] * p[j]).sum() for i, j in pairs]))


def check_balls(tile, mean, sigma, labels, reach):
    r = 2 * reach
    assert [float(v) for v in tile.svg["viewbox"].split()] == pytest.approx([-reach, -reach, r, r])
    inside = np.all(np.abs(mean) - sigma < reach, axis=1)
    for c, colour in enumerate(CLASSES):
        (group,) = tile.select(f'g[fill="{colour}"]')
        chosen = (labels == c) & inside
        expected = np.hstack([mean[chosen] * [1, -1], sigma[chosen]]).reshape(-1, 4)
        drawn = marks(group, "ellipse", "cx", "cy", "rx", "ry").reshape(-1, 4)
        np.testing.assert_allclose(drawn, expected, atol=0.006)
    told = {one.get_text(): (float(one["x"]), -float(one["y"])) for one in tile.select("text")}
    classes = np.unique(labels)
    # The lower of two middle ones where the number is even, as in torch.
    middles = np.stack(
        [np.sort(mean[labels == c], axis=0)[(np.sum(labels == c) - 1) // 2] for c in classes]
    )
    if max(np.linalg.norm(a - b) for a in middles for b in middles) < 0.24 * reach:
        assert told == {}
        return
    assert sorted(told) == sorted(str(c) for c in classes)
    for c, middle in zip(classes, middles, strict=True):
        crowd = np.sum(np.linalg.norm(middles - middle, axis=1) < 0.5 * reach) - 1
        np.testing.assert_allclose(told[str(c)], middle, atol=(0.03 + 0.1 * crowd) * reach)


def test_flight():
    snapshots = {0: balls(0), 50: balls(1), 100: balls(2)}
    panel = flight_panel(snapshots, LABELS, shown=9, title="flight")
    panel.controls["step"].value = 50
    mean, sigma = snapshots[50].mean[:9].numpy(), snapshots[50].variance[:9].sqrt().numpy()
    reach = 1.05 * max(np.abs(one.mean[:9].numpy()).max() for one in snapshots.values())
    (tile,) = tiles(panel).values()
    check_balls(tile, mean, sigma, LABELS[:9].numpy(), reach)
    shown = Balls(torch.from_numpy(mean), torch.from_numpy(sigma**2))
    assert f"{bhattacharyya(shown):.3f}" in panel.html
    away = np.linalg.norm(mean - mean.mean(0), axis=1).mean()
    assert f"{away:.2f} σ" in panel.html


def test_balls_at_rest():
    snapshots = {0: balls(0), 50: balls(1), 100: balls(2)}
    panel = flight_panel(snapshots, LABELS, title="flight")
    (row,) = at_rest(panel)
    for axes, step in zip(row, panel.stills[1], strict=True):
        (ellipses,) = [c for c in axes.collections if len(c.get_offsets()) == len(LABELS)]
        np.testing.assert_allclose(ellipses.get_offsets(), snapshots[step].mean)
        wide = 2 * snapshots[step].variance.sqrt().numpy()
        np.testing.assert_allclose(ellipses.get_widths(), wide[:, 0])
        np.testing.assert_allclose(ellipses.get_heights(), wide[:, 1])
        colours = to_rgba_array([CLASSES[c] for c in LABELS])[:, :3]
        np.testing.assert_allclose(ellipses.get_facecolors()[:, :3], colours)


def test_springs():
    springs = [2.0**i for i in range(-4, 3)]
    stages = {k: Stage(balls(i), 30.0 + i, torch.rand(3, 400)) for i, k in enumerate(springs)}
    panel = spring_panel(stages, LABELS, title="springs")
    panel.controls["k"].value = 0.25
    panel.controls["sigma"].value = 2.0
    stage = stages[1.0]  # kσ²
    mean, sigma = 2 * stage.balls.mean.numpy(), 2 * stage.balls.variance.sqrt().numpy()
    shown = tiles(panel)
    reach = 1.05 * max(
        s * np.quantile(np.abs(stages[springs[i + j]].balls.mean.numpy()), 0.99)
        for i in (2, 3, 4)
        for j, s in zip((-2, -1, 0, 1, 2), (0.5, 0.5**0.5, 1, 2**0.5, 2), strict=True)
    )
    check_balls(shown["balls in the plane of the code"], mean, sigma, LABELS.numpy(), reach)
    decoded = pictures(shown["decoded from the middles"])
    for pixels, picture in zip(decoded, stage.pictures, strict=True):
        assert same(pixels, picture.reshape(20, 20).numpy(), INK, 0, 1)
    # In the units of the picture the spring pulls with k on codes that σ has stretched.
    energy = stage.fit + 0.25 * np.sum(mean**2, axis=1).mean()
    assert f"{energy:.1f}" in panel.html and f"{stage.fit:.1f}" in panel.html


@pytest.mark.parametrize(("c", "T", "v"), [(0.5, 3.0, 0.1), (8.0, 0.3, 1.0), (0.0, 10.0, 4.0)])
def test_valley(c, T, v):
    panel = valley_panel(lambda c, T: T / (T + 2 * c))
    panel.controls["c"].value, panel.controls["T"].value = c, T
    panel.controls["v"].value = v
    v = panel.values["v"]
    (chart,) = tiles(panel).values()
    x = np.logspace(-2, 1, 121)
    size = T / 2 * (x - np.log(x) - 1)
    for colour, cost in ((SKY, c * x), (VERMILION, size), ("#000", c * x + size)):
        across, down = lines(chart, colour)[0].reshape(-1, 2).T
        np.testing.assert_allclose(across, 440 * (np.log10(x) + 2) / 3, atol=0.06)
        seen = cost < 8
        np.testing.assert_allclose(down[seen], (190 * (1 - cost / 8))[seen], atol=0.06)
    here = c * v + T / 2 * (v - np.log(v) - 1)
    assert f"{here:.2f}" in panel.html
    least = min(c * x + size)
    assert float(re.search(r"least is ([\d.]+), at", panel.html)[1]) == pytest.approx(
        least, abs=0.01
    )


def test_heat():
    stages = {
        T: Heated(balls(i), 20.0 + i, 4.0 - i, torch.rand(3, 400))
        for i, T in enumerate((0.1, 1.0, 3.0))
    }
    panel = heat_panel(stages, LABELS, start=1.0)
    panel.controls["T"].value = 3.0
    one, shown = stages[3.0], tiles(panel)
    mean, sigma = one.balls.mean.numpy(), one.balls.variance.sqrt().numpy()
    check_balls(shown["balls"], mean, sigma, LABELS.numpy(), 3.6)
    for pixels, picture in zip(
        pictures(shown["decoded from the middles"]), one.pictures, strict=True
    ):
        assert same(pixels, picture.reshape(20, 20).numpy(), INK, 0, 1)
    assert f"{22 + 3 * 2:.1f}" in panel.html and "22.0" in panel.html and "2.00" in panel.html


def test_class_numbers_do_not_lie_over_each_other():
    mean = torch.tensor([[0.0, 0.0], [0.01, 0.0], [3.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    places = number_places(mean, torch.arange(4), 0.5)
    found = torch.tensor([places[c] for c in range(4)])
    assert torch.pdist(found).min() > 0.49
    torch.testing.assert_close(found[2], torch.tensor([3.0, 1.0]))  # it was in nobody's way
    assert (found[[0, 1, 3]].norm(dim=1) < 0.6).all()
    assert number_places(0.01 * mean, torch.arange(4), 0.5) == {}, "all in one place"


# ---- the playground ----


def plain_ista(W, y, lam, steps, momentum):
    """E after 0, 1, … steps, and the last code, written out."""
    L = np.linalg.eigvalsh(W.T @ W)[-1]
    z = v = np.zeros(W.shape[1])
    t, energies = 1.0, [0.5 * y @ y]
    for _ in range(steps):
        g = v - W.T @ (W @ v - y) / L
        new = np.sign(g) * np.maximum(np.abs(g) - lam / L, 0)
        t_new = (1 + np.sqrt(1 + 4 * t * t)) / 2
        v = new + (t - 1) / t_new * (new - z) if momentum else new
        z, t = new, t_new
        energies.append(0.5 * np.sum((y - W @ z) ** 2) + lam * np.abs(z).sum())
    return energies, z


def test_playground():
    dictionary, samples = Dictionary(unit(8)), normal(40, 9, seed=3).double()
    other = prepare(Dictionary(unit(12)), samples, 0.2, depths=(8,), steps=1)
    problem = prepare(dictionary, samples, 0.2, steps=3)
    panel = solver_panel({"other": other, "mine": problem}, lam=0.2)
    panel.set(data=1, sample=4, steps=8, lam=0.4)
    lam = panel.values["lam"]
    W, y = dictionary.W.numpy(), samples[4].numpy()
    runs = [plain_ista(W, y, lam, 8, momentum) for momentum in (False, True)]
    with torch.no_grad():
        nets = {k: net(samples[4], lam=lam).numpy() for k, net in problem.networks.items()}
    E = {k: 0.5 * np.sum((y - W @ z) ** 2) + lam * np.abs(z).sum() for k, z in nets.items()}
    codes = {"ISTA": runs[0][1], "FISTA": runs[1][1], "LISTA": nets[8]}
    shown, top = tiles(panel), np.abs(y).max()
    titles = ["sample y", *(f"Wz by {name}" for name in codes)]
    for title, values in zip(titles, (y, *(W @ z for z in codes.values())), strict=True):
        (pixels,) = pictures(shown[title])
        assert same(pixels, values.reshape(3, 3), SIGNED, -top, top), title
    best = lasso(W, y, lam)
    least = 0.5 * np.sum((y - W @ best) ** 2) + lam * np.abs(best).sum()
    chart, bands = shown["E above the least (%)"], shown["codes z, on one scale"]
    for (name, z), colour, steps, energies in zip(
        codes.items(),
        (BLUE, VERMILION, GREEN),
        (range(9), range(9), [0, *E]),
        (*(run[0] for run in runs), [0.5 * y @ y, *E.values()]),
        strict=True,
    ):
        above = np.array(energies) / least - 1
        x, down = lines(chart, colour)[0].reshape(-1, 2).T
        np.testing.assert_allclose(x, 440 * (np.array(steps) / 8 + 0.02) / 1.04, atol=0.06)
        seen = 10 ** (4 - 6 * down / 190) / 100  # per cent, on a logarithmic axis of six decades
        np.testing.assert_allclose(seen, np.maximum(above, 1e-4), rtol=0.02, atol=2e-4)
        stems = lines(bands, colour)[0].reshape(-1, 3)
        (used,) = np.nonzero(z)
        np.testing.assert_allclose(stems[:, 0], 720 * (used + 0.5) / len(z), atol=0.06)
        limit = panel.state(**panel.values)["limit"]
        np.testing.assert_allclose(30 * (1 - z[used] / limit), stems[:, 2], atol=0.06)
        words = BeautifulSoup(panel.html, "html.parser").select_one(".rlv-tiles")["aria-label"]
        told = re.search(rf"\b{name} (\S+) % with (\d+) atoms", words)
        assert float(told[1]) == pytest.approx(100 * above[-1], rel=0.01, abs=0.02)
        assert int(told[2]) == len(used)
