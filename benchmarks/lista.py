"""How many FISTA iterations a trained LISTA replaces: 400 atoms, 10×10 patches, images held out.

    python -m benchmarks.lista [--threads 2] [--held-out camera coins] [--quick]

The dictionary and the networks learn from seven pictures, each at three sizes and in eight
orientations; the 2000 test patches come from two others, whole. Patches have their mean removed and
unit contrast; λ = 0.5. A network of T uses of S (K = T + 1 rounds) is trained on the distance to
the best code (T = 1, 3) or on the energy (T = 7), in float32, and measured in float64 against the
best codes: at which iteration is the mean error of FISTA (without restart) no larger? Rows go to
results.json, in place of older ones; ``steps`` is T, ``seconds`` the training alone. Other pictures
than these two, or ``--quick`` (small sizes), are a trial: nothing is written.
"""

import argparse
import time

from .threads import use_threads

HELD_OUT = ["camera", "coins"]
LAM, SIDE, ATOMS = 0.5, 10, 400
# T, trained on, steps, batch size, learning rate; tried first with chelsea and grass held out too
RECIPES = (
    (1, "code", 2500, 500, 0.03),
    (3, "code", 2500, 500, 0.03),
    (7, "energy", 1000, 250, 0.06),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--held-out", nargs="+", default=HELD_OUT, help="names of photographs")
    parser.add_argument("--quick", action="store_true", help="small sizes, nothing is written")
    arguments = parser.parse_args()
    use_threads(arguments.threads)  # before anything that counts them is imported

    from .results import replace_rows

    rows = measure(arguments.held_out, arguments.threads, arguments.quick)
    if not arguments.quick and arguments.held_out == HELD_OUT:
        replace_rows(rows)


def measure(held_out: list[str], threads: int, quick: bool) -> list[dict]:
    """A row for each network."""
    import torch

    from rlvebm_utils import LISTA, Dictionary, encode, fista, learn_dictionary_fast, train_lista
    from rlvebm_utils.course.data import load_photographs

    photos = load_photographs(textures=True, dtype=torch.float64)
    seen = {name: photo for name, photo in photos.items() if name not in held_out}
    unseen = {name: photos[name] for name in held_out}
    # Each patch is seen once or twice, so that a network cannot learn it by heart
    Y = turned(patches(sizes(seen), 3000 if quick else 400_000, seed=1)).float()
    single = learn_dictionary_fast(Y, ATOMS, LAM, passes=1 if quick else 4).dictionary
    codes = encode(single, Y, LAM, tol=1e-3).z

    exact = Dictionary(single.W.double())
    Y_test = patches(unseen, 200 if quick else 2000, seed=100)
    best = fista(exact, Y_test, LAM, tol=1e-7)
    curve = torch.tensor(fista_curve(exact, Y_test, best))
    rows = []
    for T, kind, steps, batch, rate in RECIPES:
        network, started = LISTA(single, LAM, T + 1), time.perf_counter()
        goal, steps = codes if kind == "code" else None, 20 if quick else steps
        train_lista(
            network, Y, goal, steps=steps, batch_size=batch, learning_rate=rate, progress=True
        )
        seconds = time.perf_counter() - started
        with torch.no_grad():
            z = network(Y_test.float()).double()
        distance, mean_excess, worst_excess = errors(exact, Y_test, best, z)
        column, error = (0, distance) if kind == "code" else (1, mean_excess)
        rows.append(
            {
                "workload": "lista", "solver": f"LISTA, T = {T}, trained on the {kind}",
                "ours": True, "backend": f"torch {torch.__version__}", "device": "cpu",
                "threads": threads, "seconds": round(seconds, 1),
                "mean_excess": mean_excess, "worst_excess": worst_excess,
                "steps": T, "measure": kind,
                "fista_iterations": int((curve[:, column] > error).sum()) + 1,
            }
        )  # fmt: skip
        report(rows[-1])
    return rows


def report(row: dict) -> None:
    print(
        f"{row['solver']}: {row['fista_iterations']} iterations of FISTA, trained in "
        f"{row['seconds']:.0f} s; excess energy mean {row['mean_excess']:.3f}, "
        f"worst {row['worst_excess']:.2f}",
        flush=True,
    )


def patches(photos, count, seed):
    from rlvebm_utils.course.data import extract_patches

    P = extract_patches(photos, SIDE, 3 * count, seed=seed)
    P = P - P.mean(1, keepdim=True)
    contrast = P.std(1, keepdim=True)
    return (P / contrast)[contrast[:, 0] > 0.05][:count]


def sizes(photos):
    """The pictures at three sizes: patches of other scales, and so of more kinds."""
    from torch.nn.functional import interpolate

    def smaller(photo, scale):
        return interpolate(photo[None, None], scale_factor=scale, mode="bilinear", antialias=True)

    extra = {
        f"{name} × {scale}": smaller(photo, scale)[0, 0]
        for name, photo in photos.items()
        for scale in (0.75, 0.5)
    }
    return {**photos, **extra}


def turned(Y):
    """The patches in random order, an eighth of them in each orientation and mirror image."""
    import torch

    squares = Y.reshape(-1, SIDE, SIDE).chunk(8)
    views = [s.rot90(i % 4, (1, 2)) for i, s in enumerate(squares)]
    views = [v.transpose(1, 2) if i > 3 else v for i, v in enumerate(views)]
    Y = torch.cat(views).flatten(1)
    return Y[torch.randperm(len(Y), generator=torch.Generator().manual_seed(0))]


def fista_curve(dictionary, Y, best, iterations=100):
    """Mean ‖z − z*‖² and mean energy above the least after each iteration without restart."""
    from rlvebm_utils import fista

    codes = (
        fista(dictionary, Y, LAM, tol=None, max_iter=k, restart=False).z
        for k in range(1, iterations + 1)
    )
    return [errors(dictionary, Y, best, z)[:2] for z in codes]


def errors(dictionary, Y, best, z):
    """Mean squared distance, mean excess and worst excess (as shares of the least energy)."""
    from rlvebm_utils import energy

    E = energy(dictionary, Y, z, LAM)
    distance = float((z - best.z).square().sum(1).mean())
    worst = float((E / best.energy - 1).max())
    return distance, float(E.mean() / best.energy.mean() - 1), worst


if __name__ == "__main__":
    main()
