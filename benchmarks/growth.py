"""How the time for a sample grows with the number of atoms, and as λ falls: encode beside SPAMS.

    python -m benchmarks.growth [--threads 2] [--repeats 3] [--device cpu] [--quick]

The samples are workload B's patches. Dictionaries of 128 to 1024 atoms are learned from them for λ
= 0.05; the one of 512 is then used at other λ. SPAMS runs with ``cd`` at 1e-3, where its worst
sample comes near 1e-4. With ``--device cuda`` the samples are there, and ``encode`` on torch alone
is what is timed. Results go to growth.json, in place of older ones from the same device; those of a
CPU are drawn in growth.png. How time and memory grow with the samples: ``benchmarks.costs``.
"""

import argparse
import statistics
import time
from pathlib import Path

from .threads import use_threads

HERE = Path(__file__).parent
ATOMS = (128, 256, 512, 1024)
LAMS = (0.2, 0.1, 0.05, 0.025, 0.0125)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="500 samples; nothing is written")
    arguments = parser.parse_args()
    use_threads(arguments.threads)  # before anything that counts them is imported

    from .results import replace_rows
    from .workloads import load

    Y = load("B").Y[: 500 if arguments.quick else 4000]
    rows = [
        row
        for W, lam in problems(Y)
        for row in measure(Y, W, lam, arguments.device, arguments.threads, arguments.repeats)
    ]
    if not arguments.quick:
        everything = replace_rows(rows, HERE / "growth.json", by="device")
        if arguments.device == "cpu":
            draw([row for row in everything if row["device"] == "cpu"])


def problems(Y) -> list:
    """Pairs (W, λ)."""
    from rlvebm_utils import learn_dictionary_fast

    atoms = {n: learn_dictionary_fast(Y, n, 0.05, passes=5).dictionary.W for n in ATOMS}
    return [(W, 0.05) for W in atoms.values()] + [(atoms[512], lam) for lam in LAMS if lam != 0.05]


def measure(Y, W, lam, device, threads, repeats) -> list[dict]:
    """A row for each solver: the median of interleaved repeats."""
    import torch

    solvers = contenders(Y, W, lam, device, threads)
    codes = {name: solve() for name, solve in solvers.items()}  # warms up, compiles
    times = {name: [] for name in solvers}
    for _ in range(repeats):
        for name, solve in solvers.items():
            start = time.perf_counter()
            solve()
            if device != "cpu":
                torch.cuda.synchronize()
            times[name].append(time.perf_counter() - start)
    rows = []
    for name in solvers:
        row = {
            "solver": name, "device": device, "threads": threads, "atoms": W.shape[1], "lam": lam,
            "nonzero": round(float((codes[name] != 0).double().mean()), 4),
            "microseconds": round(statistics.median(times[name]) / len(Y) * 1e6, 2),
            "worst_gap": worst_gap(Y, W, lam, codes[name]),
        }  # fmt: skip
        print(
            f"{row['atoms']:5} atoms  λ {lam:<7g} {row['nonzero']:6.1%} in use   {name:14s} "
            f"{row['microseconds']:8.1f} µs/sample   worst certified gap {row['worst_gap']:.1e}",
            flush=True,
        )
        rows.append(row)
    return rows


def contenders(Y, W, lam, device, threads) -> dict:
    """Name → a function without arguments that returns codes (N, n)."""
    import numpy as np
    import torch

    from rlvebm_utils import Dictionary, encode

    dictionary, samples = Dictionary(W.to(device)), Y.to(device)

    def ours(backend):
        return lambda: encode(dictionary, samples, lam, backend=backend).z

    if device != "cpu":
        return {"encode torch": ours("torch")}
    jobs = {"encode c": ours("c"), "encode torch": ours("torch")}
    try:
        import scipy.sparse
        import spams
    except ImportError:
        print("without SPAMS, which is not installed")
        return jobs
    X, D = np.asfortranarray(Y.numpy().T), np.asfortranarray(W.numpy())

    def peer():
        start = scipy.sparse.csc_matrix((D.shape[1], X.shape[1]), dtype=np.float32)
        options = {"lambda1": lam, "mode": 2, "itermax": 1000, "tol": 1e-3, "numThreads": threads}
        return torch.from_numpy(spams.cd(X, D=D, A0=start, **options).toarray().T)

    return jobs | {"spams.cd": peer}


def worst_gap(Y, W, lam, z) -> float:
    from rlvebm_utils import Dictionary, certificate

    bounds = certificate(Dictionary(W.double()), Y.double(), z.cpu().double(), lam)
    return float(bounds.relative_gap.max())


def draw(rows: list[dict]) -> None:
    """growth.png: time for a sample against atoms (left) and against the share in use (right)."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    styles = {
        "encode c": ("#CC6677", "o-"),
        "encode torch": ("#DDAA33", "^-"),
        "spams.cd": ("#332288", "s--"),
    }
    for name, (colour, style) in styles.items():
        mine = [row for row in rows if row["solver"] == name]
        if not mine:
            continue
        label = f"{name}, worst relative gap {max(row['worst_gap'] for row in mine):.0e}"
        by_atoms = sorted((r["atoms"], r["microseconds"]) for r in mine if r["lam"] == 0.05)
        by_use = sorted((r["nonzero"], r["microseconds"]) for r in mine if r["atoms"] == 512)
        for ax, points in ((left, by_atoms), (right, by_use)):
            ax.loglog(*zip(*points, strict=True), style, color=colour, label=label)
    left.set_xticks(ATOMS, [str(n) for n in ATOMS], minor=False)
    left.minorticks_off()
    left.set(
        xlabel="atoms (λ = 0.05)",
        ylabel="µs per sample",
        title=f"8 times the atoms: {grows(rows, 'lam', 0.05)}",
    )
    right.set(
        xlabel="share of a code in use (512 atoms, λ from 0.2 down to 0.0125)",
        ylabel="µs per sample",
        title=f"λ 16 times smaller: {grows(rows, 'atoms', 512)}",
    )
    left.legend(frameon=False)
    figure.savefig(HERE / "growth.png", dpi=110)


def grows(rows: list[dict], fixed: str, value) -> str:
    """By what factor encode's time grows over the range."""
    times = [r["microseconds"] for r in rows if r["solver"] == "encode c" and r[fixed] == value]
    return f"encode takes {max(times) / min(times):.0f} times as long"


if __name__ == "__main__":
    main()
