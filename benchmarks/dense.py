"""Dense sparse coding against SPAMS and scikit-learn: the same problems, each at its own best
setting, in turn.

    python -m benchmarks.dense [--threads 2] [--repeats 5] [--workloads A B] [--quick]

A peer's setting enters the comparison if its *mean* excess energy is at most 1e-4; ours must reach
it for the worst sample. Prints a table and ratios of medians, draws time against excess, appends
rows to results.json.
"""

import argparse
import statistics
import time
import warnings
from pathlib import Path

from .threads import use_threads

HERE = Path(__file__).parent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workloads", nargs="+", default=["A", "B"])
    parser.add_argument(
        "--quick", action="store_true", help="the first 2000 samples; nothing is written"
    )
    arguments = parser.parse_args()
    use_threads(arguments.threads)  # before anything that counts them is imported

    # scikit-learn's Lasso says so for each sample; its excess energy is in the table
    warnings.filterwarnings("ignore", message="Objective did not converge")

    from .results import replace_rows
    from .workloads import load

    rows = []
    for name in arguments.workloads:
        workload = load(name)
        if arguments.quick:
            workload = workload.first(2000)
        rows += compare(workload, arguments.threads, arguments.repeats)
    if not arguments.quick:
        draw([row for row in replace_rows(rows) if row["workload"] in ("A", "B")])
    ours = [row for row in rows if row["ours"]]
    worst = max(ours, key=lambda row: row["worst_excess"])
    print(
        f"worst sample of ours: {worst['worst_excess']:.1e} ({worst['workload']}, "
        f"{worst['solver']}); {'at' if worst['worst_excess'] <= 1e-4 else 'NOT at'} most 1e-4"
    )


def compare(workload, threads: int, repeats: int) -> list[dict]:
    """A row for each solver: median time of interleaved runs, excess energy of its last codes."""
    solvers = contenders(workload, threads)
    times = {key: [] for key in solvers}
    codes = {key: solve() for key, solve in solvers.items()}  # warms up, compiles
    slow = [key for key in solvers if key[0].startswith(("sklearn", "encode torch"))]
    for repeat in range(repeats):
        for key, solve in solvers.items():
            if key in slow and repeat >= 1:
                continue  # far behind: one repeat tells
            start = time.perf_counter()
            codes[key] = solve()
            times[key].append(time.perf_counter() - start)
    rows = []
    for (solver, backend, ours), z in codes.items():
        mean, worst = workload.excess(z)
        rows.append(
            {
                "workload": workload.name, "solver": solver, "ours": ours, "backend": backend,
                "device": "cpu", "threads": threads,
                "seconds": statistics.median(times[solver, backend, ours]),
                "mean_excess": mean, "worst_excess": worst,
            }
        )  # fmt: skip
    report(rows, len(workload.Y))
    return rows


def report(rows: list[dict], samples: int) -> None:
    for row in sorted(rows, key=lambda row: row["seconds"]):
        each = row["seconds"] / samples * 1e6
        print(
            f"{row['workload']}  {row['solver']:36s} {each:8.1f} µs/sample   "
            f"excess mean {row['mean_excess']:8.1e}  worst {row['worst_excess']:8.1e}"
        )
    good = [row for row in rows if row["mean_excess"] <= 1e-4]
    for mine in (row for row in good if row["ours"]):
        for peer in ("spams", "sklearn sparse_encode", "sklearn"):
            them = [row for row in good if row["solver"].startswith(peer)]
            if them:
                best = min(them, key=lambda row: row["seconds"])
                ratio = best["seconds"] / mine["seconds"]
                print(f"   {mine['workload']} {mine['solver']}: {ratio:.2f}× {best['solver']}")


def contenders(workload, threads: int) -> dict:
    """(solver, backend, ours) → a function without arguments that returns codes (N, n)."""
    import numpy as np
    import scipy.sparse
    import spams
    import torch
    from sklearn.decomposition import sparse_encode
    from sklearn.linear_model import Lasso

    from rlvebm_utils import Dictionary, encode

    def ours(backend, dtype):
        Y, W = workload.Y.to(dtype), workload.W.to(dtype)
        return lambda: encode(Dictionary(W), Y, workload.lam, tol=1e-4, backend=backend).z

    def spams_lasso(dtype):
        X, D = fortran(workload.Y.T, dtype), fortran(workload.W, dtype)
        return lambda: dense(spams.lasso(X, D=D, lambda1=workload.lam, mode=2, numThreads=threads))

    def spams_cd(dtype, tol):
        X, D = fortran(workload.Y.T, dtype), fortran(workload.W, dtype)

        def solve():
            start = scipy.sparse.csc_matrix((D.shape[1], X.shape[1]), dtype=dtype)
            return dense(
                spams.cd(
                    X,
                    D=D,
                    A0=start,
                    lambda1=workload.lam,
                    mode=2,
                    itermax=1000,
                    tol=tol,
                    numThreads=threads,
                )
            )

        return solve

    def sklearn_encode():
        Y, W = workload.Y.numpy(), workload.W.T.numpy()
        z = sparse_encode(Y, W, algorithm="lasso_cd", alpha=workload.lam, n_jobs=None)
        return torch.from_numpy(z)

    def sklearn_lasso():
        Y, W = (
            workload.Y.numpy().T.astype(np.float64),
            workload.W.numpy().astype(np.float64, order="F"),
        )
        model = Lasso(
            workload.lam / len(W), fit_intercept=False, precompute=W.T @ W, tol=1e-4, max_iter=1000
        )
        return torch.from_numpy(model.fit(W, Y).coef_)

    def fortran(x, dtype):
        return np.asfortranarray(x.numpy().astype(dtype))

    def dense(z):
        return torch.from_numpy(z.toarray().T)

    f32, f64 = np.float32, np.float64
    jobs = {
        ("encode c f32", "c", True): ours("c", torch.float32),
        ("encode c f64", "c", True): ours("c", torch.float64),
        ("encode torch f32", "torch", True): ours("torch", torch.float32),
        ("spams.lasso f32", "", False): spams_lasso(f32),
        ("spams.lasso f64", "", False): spams_lasso(f64),
        ("sklearn sparse_encode lasso_cd", "", False): sklearn_encode,
        ("sklearn Lasso(precompute)", "", False): sklearn_lasso,
    }
    for tol in (1e-2, 3e-3, 1e-3):
        jobs[f"spams.cd f32 tol {tol:g}", "", False] = spams_cd(f32, tol)
    jobs["spams.cd f64 tol 0.001", "", False] = spams_cd(f64, 1e-3)
    return jobs


def draw(rows: list[dict]) -> None:
    """dense.png: time against excess energy of the worst sample, both logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    workloads = sorted({row["workload"] for row in rows})
    figure, axes = plt.subplots(
        1, len(workloads), figsize=(6.5 * len(workloads), 7), squeeze=False, layout="constrained"
    )
    for ax, name in zip(axes[0], workloads, strict=True):
        here = sorted((r for r in rows if r["workload"] == name), key=lambda r: r["seconds"])
        for place, row in enumerate(here, start=1):
            colour, marker = ("#CC6677", "o") if row["ours"] else ("#332288", "s")
            at = (row["seconds"], max(row["worst_excess"], 1e-12))
            ax.loglog(*at, marker, color=colour, label=f"{place}  {row['solver']}")
            ax.annotate(
                place, at, textcoords="offset points", xytext=(5, 4), fontsize=9, color=colour
            )
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2, frameon=False)
        ax.axhline(1e-4, color="grey", lw=0.8, ls="--")
        ax.margins(x=0.15, y=0.15)
        ax.set(
            xlabel="time (s)",
            ylabel="relative excess energy of the worst sample",
            title=_finding(name, here),
        )
    figure.savefig(HERE / "dense.png", dpi=110)


def _finding(name: str, rows: list[dict]) -> str:
    """How the fastest of ours compares with the fastest peer whose mean excess is at most 1e-4."""
    good = [row for row in rows if row["mean_excess"] <= 1e-4]  # in the order of time
    mine = next(row for row in good if row["ours"])
    peer = next(row for row in good if not row["ours"])
    ratio = peer["seconds"] / mine["seconds"]
    return f"{name}: {mine['solver']} runs {ratio:.2f}× as fast as {peer['solver']}"


if __name__ == "__main__":
    main()
