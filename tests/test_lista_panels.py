"""The panels of notebook 03 show what arithmetic of our own expects."""

import re

import numpy as np
import pytest
import torch
from drawn import lines, painted, tiles
from problems import normal, random_dictionary

from rlvebm_utils import LISTA, Dictionary, fista
from rlvebm_utils.course.plots.style import BLUE, GREEN, GREY, VERMILION
from rlvebm_utils.course.widgets.lista import (
    Falling,
    Silencing,
    lambda_panel,
    learned_panel,
    longer_step_panel,
    percent,
    promise_panel,
    rounds_panel,
)
from rlvebm_utils.course.widgets.stills import still_figure

LAM = 0.2
W = random_dictionary(9, 14, seed=4)
DICTIONARY, Y = Dictionary(W), normal(4, 9, seed=5)
L = DICTIONARY.lipschitz()
BEST = fista(DICTIONARY, Y, LAM, tol=1e-10)
ISTA = {
    "W_e": W / L,
    "S": torch.eye(14).double() - W.T @ W / L,
    "theta": torch.full((14,), LAM / L),
}
OTHER = {name: value + 0.05 * normal(*value.shape, seed=6).abs() for name, value in ISTA.items()}


def shrink(v, t):
    return np.sign(v) * np.maximum(np.abs(v) - t, 0)


def code(p, rounds):
    z = np.zeros((len(Y), 14))
    for _ in range(rounds):
        z = shrink(Y.numpy() @ p["W_e"].numpy() + z @ p["S"].numpy().T, p["theta"].numpy())
    return z


def E(z, lam=LAM, rows=slice(None)):
    y = Y.numpy()[rows]
    return 0.5 * ((y - z @ W.numpy().T) ** 2).sum(-1) + lam * np.abs(z).sum(-1)


def shown(panel):
    return panel.shown(panel.state(**panel.values))


def works(panel):
    """It draws itself, its figure at rest, and words, wherever it stands."""
    assert panel.error is None
    figure, words = still_figure(panel)
    assert figure.axes and words.startswith(panel.title)
    return panel


@pytest.mark.parametrize(
    ("share", "said"), [(0.0261, "2.6 %"), (1.5, "over 100 %"), (12, "over 1000 %")]
)
def test_percent(share, said):
    assert percent(share) == said


def test_longer_step():
    panel = works(longer_step_panel(DICTIONARY, Y, LAM, rounds=5))
    panel.controls["c"].value = 1.5
    p = {"W_e": 1.5 * W / L, "S": torch.eye(14).double() - 1.5 * W.T @ W / L}
    p["theta"] = torch.full((14,), 1.5 * LAM / L)
    above = [E(code(p, k)).mean() / BEST.energy.mean().item() - 1 for k in (3, 5)]
    assert list(shown(panel).values()) == [percent(one) for one in above]
    panel.controls["c"].value = 1.0
    above = E(code(ISTA, 3)).mean() / BEST.energy.mean().item() - 1
    assert shown(panel)["after 3 rounds, above the least"] == percent(above)


def test_a_falling_line_has_its_dot_where_it_stands():
    part = Falling({"a": ([1.0, 0.1, 0.01], BLUE), "b": ([1.0] * 3, GREY)}, 1, "t", "x", (0.01, 1))
    html = part.html()
    (points,) = re.findall(rf'stroke="{BLUE}"[^>]*d="M([^"]*)"', html)
    places = [tuple(map(float, one.split())) for one in points.split("L")]
    assert places == [(0.0, 0.0), (180.0, 65.0), (360.0, 130.0)]
    assert re.findall(rf'<circle cx="([\d.]+)" cy="([\d.]+)" r="5" fill="{BLUE}"', html) == [
        ("180.0", "65.0")
    ]


def test_what_is_learned():
    runs = {
        f"{name}/{seed}": {"energy": share + 0.01 * seed}
        for name, share in {
            "W_e": 0.2,
            "S": 0.15,
            "theta": 0.3,
            "W_e+S": 0.1,
            "W_e+theta": 0.12,
        }.items()
        for seed in range(3)
    }
    runs |= {
        f"{name}/{seed}": {"energy": 0.05}
        for name in ("S+theta", "W_e+S+theta")
        for seed in range(3)
    }
    for place, run in enumerate(one for name, one in runs.items() if name.endswith("/0")):
        run["codes"] = (normal(4, 14, seed=place) * (normal(4, 14, seed=place + 50) > 0)).tolist()
    bare = {"energy": 0.4, "codes": torch.zeros(4, 14).double()}
    panel = works(learned_panel(DICTIONARY, Y, LAM, runs, bare))
    panel.controls["theta"].value = False
    panel.controls["patch"].value = 3
    z = np.array(runs["W_e+S/0"]["codes"])[2]
    told = shown(panel)
    assert told["all held-out patches, above the least"] == "11.0 %"
    assert told["spread of the seeds"] == "2.0 %"
    assert told["this patch"] == percent(E(z, rows=2) / BEST.energy[2].item() - 1)
    assert told["non-zeros ‖z‖₀"] == str((z != 0).sum())
    bars = tiles(panel)["learned: excess, mean of 3 seeds"]
    (chosen,) = bars.select(f'rect[fill="{VERMILION}"]')
    widths = [float(one["width"]) for one in bars.select("rect")]
    assert float(chosen["width"]) == pytest.approx(max(widths) * 0.11 / 0.4, abs=0.1)
    for name in ("W_e", "S"):
        panel.controls[name].value = False
    assert shown(panel)["all held-out patches, above the least"] == "40.0 %"
    assert "Learned: nothing" in panel.html


@pytest.mark.parametrize(("trained", "p"), [(False, ISTA), (True, OTHER)])
def test_rounds(trained, p):
    panel = works(rounds_panel(DICTIONARY, Y, LAM, ISTA, OTHER, rounds=4))
    panel.controls["trained"].value = trained
    panel.controls["patch"].value = 2
    panel.controls["round"].value = 3
    z, before = code(p, 3)[2], code(p, 2)[2]
    told = shown(panel)
    assert told["energy above the least"] == percent(E(z, rows=2) / BEST.energy[2].item() - 1)
    assert told["non-zeros ‖z‖₀"] == str((z != 0).sum())
    evidence = (Y @ ISTA["W_e"]).numpy()[2]
    chosen = np.argsort(-np.abs(evidence))[:10]
    pushes = (p["S"].numpy() * before)[np.ix_(chosen, chosen)] * np.sign(evidence[chosen])[:, None]
    pushes[np.diag_indices(10)] = 0
    i, j = np.unravel_index(pushes.argmin(), pushes.shape)
    by = f"atom {chosen[j] + 1} takes {-pushes[i, j]:.2f} from atom {chosen[i] + 1}"
    assert told["strongest"] == by
    cells = re.findall(r"background:(#\w{6})", panel.html)
    expected = painted(pushes, "RdBu_r", -1, 1).reshape(-1, 3).astype(int)
    got = np.array([[int(one[k : k + 2], 16) for k in (1, 3, 5)] for one in cells])
    off = ~np.eye(10, dtype=bool).ravel()
    assert np.abs(got - expected)[off].max() <= 8 and (got[~off] == 238).all()
    panel.controls["round"].value = 1
    assert shown(panel)["strongest"] == "nobody yet"


def test_silencing_puts_who_in_columns():
    pushes = torch.tensor([[9.0, -1.0], [0.0, 9.0]])
    part = Silencing(torch.ones(2, 3, 3), pushes, "t", 1.0)
    cells = re.findall(r"background:#(\w{6})", part.html())
    blue, white = cells[1], cells[2]
    assert int(blue[4:], 16) > int(blue[:2], 16) + 50, "the first is silenced by the second: blue"
    assert min(int(white[k : k + 2], 16) for k in (0, 2, 4)) > 240


def test_another_lambda():
    network = LISTA(DICTIONARY, LAM, 2)
    with torch.no_grad():
        network.A.mul_(1.3)
    panel = works(lambda_panel(network, Y[1]))
    panel.controls["lam"].value = 2 * LAM
    lam = panel.values["lam"]
    least = fista(DICTIONARY, Y[1], lam, tol=1e-10).energy.item()
    with torch.no_grad():
        codes = [network(Y[1]).numpy(), network(Y[1], lam=lam).numpy()]
    above = ", ".join(percent(E(z, lam, 1) / least - 1) for z in codes)
    assert shown(panel)["above the least (as trained, scaled)"] == above


def test_promise():
    zero = torch.tensor([[4.0, 4.0], [0.3, 1.0], [0.04, 0.15], [0.01, 0.01]])
    near = torch.tensor([[0.3, 0.04], [0.15, 0.06], [0.04, 0.01], [0.01, 0.01]])
    panel = works(
        promise_panel(
            {
                "a": {"zero": zero, "network": near, "half": near},
                "b": {"zero": zero, "network": zero},
            }
        )
    )
    assert list(shown(panel).values()) == ["50%", "1.0, 2.5"]
    panel.controls["promise"].value = 0.1
    assert list(shown(panel).values()) == ["50%", "1.0, 2.5"]
    panel.controls["promise"].value = 0.2
    assert list(shown(panel).values()) == ["50%", "0.5, 2.0"]
    (level,) = lines(tiles(panel)["proved excess in %, median sample"], GREEN)
    assert len(set(level[1::2])) == 1
    panel.controls["data"].value = 1
    assert list(shown(panel).values())[1:] == ["2.0, 2.0"]
