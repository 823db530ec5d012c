"""How many FISTA iterations a trained LISTA replaces: 400 atoms, 10×10 patches, images held out.

    python benchmarks/lista.py [--quick]

The dictionary and the networks learn from seven pictures; the 2000 test patches come from two
others, whole. Patches have their mean removed and unit contrast; λ = 0.5. A network of T uses of S
(K = T + 1 rounds) is trained on the distance to the best code (T = 1, 3) or on the energy (T = 7),
in float32, and measured in float64 against the best codes: at which iteration is plain FISTA's mean
error no larger? Rows go to benchmarks/results.json under the workload "lista", in place of older
ones; ``steps`` is T, ``seconds`` the training alone. ``--quick`` tries the script and writes
nothing.
"""

import argparse
import json
import time
from pathlib import Path

import torch

from rlvebm_utils import LISTA, Dictionary, energy, fista, learn_dictionary, train_lista
from rlvebm_utils.data import extract_patches, load_photographs

RESULTS = Path(__file__).resolve().parent / "results.json"
HELD_OUT = ("camera", "coins")
LAM, SIDE, ATOMS = 0.5, 10, 400


def patches(photos, count, seed):
    P = extract_patches(photos, SIDE, 3 * count, seed=seed)
    P = P - P.mean(1, keepdim=True)
    contrast = P.std(1, keepdim=True)
    return (P / contrast)[contrast[:, 0] > 0.05][:count]


def turned(Y):
    """The patches in random order, an eighth of them in each orientation and mirror image."""
    squares = Y.reshape(-1, SIDE, SIDE).chunk(8)
    views = [s.rot90(i % 4, (1, 2)) for i, s in enumerate(squares)]
    views = [v.transpose(1, 2) if i > 3 else v for i, v in enumerate(views)]
    Y = torch.cat(views).flatten(1)
    return Y[torch.randperm(len(Y), generator=torch.Generator().manual_seed(0))]


def fista_curve(dictionary, Y, best, iterations=100):
    """Mean ‖z − z*‖² and mean energy above the least after each iteration without restart."""
    codes = (
        fista(dictionary, Y, LAM, tol=None, max_iter=k, restart=False).z
        for k in range(1, iterations + 1)
    )
    return [errors(dictionary, Y, best, z)[:2] for z in codes]


def errors(dictionary, Y, best, z):
    """Mean squared distance, mean excess and worst excess (as shares of the least energy)."""
    E = energy(dictionary, Y, z, LAM)
    distance = float((z - best.z).square().sum(1).mean())
    worst = float((E / best.energy - 1).max())
    return distance, float(E.mean() / best.energy.mean() - 1), worst


def main(quick: bool) -> None:
    torch.manual_seed(0)
    photos = load_photographs(textures=True, dtype=torch.float64)
    seen = {name: photo for name, photo in photos.items() if name not in HELD_OUT}
    unseen = {name: photos[name] for name in HELD_OUT}
    Y = turned(patches(seen, 3000 if quick else 60_000, seed=0))
    Y_test = patches(unseen, 200 if quick else 2000, seed=100)
    dictionary = learn_dictionary(Y, ATOMS, LAM, steps=10 if quick else 150).dictionary
    best = fista(dictionary, Y_test, LAM, tol=1e-7)
    curve = torch.tensor(fista_curve(dictionary, Y_test, best))

    single, Y = dictionary.to(dtype=torch.float32), Y.float()
    codes = torch.cat(
        [fista(single, y, LAM, tol=None, max_iter=80).z for y in Y.split(256)]
    )  # small batches stay in the processor's cache
    rows = []
    for T, measure, steps in ((1, "code", 2500), (3, "code", 2000), (7, "energy", 1000)):
        network, started = LISTA(single, LAM, T + 1), time.perf_counter()
        goal = codes if measure == "code" else None
        train_lista(network, Y, goal, steps=20 if quick else steps, progress=True)
        seconds = time.perf_counter() - started
        with torch.no_grad():
            z = network(Y_test.float()).double()
        distance, mean_excess, worst_excess = errors(Dictionary(dictionary.W), Y_test, best, z)
        column, error = (0, distance) if measure == "code" else (1, mean_excess)
        rows.append(
            {
                "workload": "lista",
                "solver": f"LISTA, T = {T}, trained on the {measure}",
                "ours": True,
                "backend": f"torch {torch.__version__}",
                "device": "cpu",
                "threads": torch.get_num_threads(),
                "seconds": round(seconds, 1),
                "mean_excess": mean_excess,
                "worst_excess": worst_excess,
                "steps": T,
                "measure": measure,
                "fista_iterations": int((curve[:, column] > error).sum()) + 1,
            }
        )
        print(rows[-1], flush=True)
    if not quick:
        old = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
        kept = [row for row in old if row["workload"] != "lista"]
        RESULTS.write_text(json.dumps(kept + rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, nothing is written")
    main(parser.parse_args().quick)
