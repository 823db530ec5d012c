"""Convolutional sparse coding against SPORCO: the same problem, each solver at its own best
setting, in turn.

    python -m benchmarks.convolutional [--threads 2] [--repeats 5] [--no-slow] [--dry]

The workload ``conv``: the camera picture, 256×256, less its smooth part (a Tikhonov filter, λ = 5,
as in SPORCO's examples), 32 kernels 8×8 learned from it, λ = 0.05, borders circular as SPORCO's.
Every solver gets as many iterations as bring its float32 code to a relative excess energy of 1e-3,
and of 1e-4, over the certified minimum; what is timed is a call that runs just as many, the making
of its result included. Rows go to results.json in place of older ones of this workload. Needs
sporco and scikit-image; the kernels and the minimum are kept in ``benchmarks/cache``.
"""

import argparse
import importlib.metadata
import statistics
import time
from pathlib import Path

from .threads import use_threads

HERE = Path(__file__).parent
LAM = 0.05
TARGETS = (1e-3, 1e-4)

# Where the search for the number of iterations starts, per target: near what it finds.
START = {
    "encode_images c": (78, 106),
    "admm": (40, 66),
    "sporco admm.ConvBPDN": (39, 66),
    "sporco pgm.ConvBPDN": (80, None),
    "fista": (80, None),
}
SLOW = ("fista", "sporco pgm.ConvBPDN")  # far behind: one target and one repeat tell


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-slow", action="store_true", help="without the solvers far behind")
    parser.add_argument("--dry", action="store_true", help="nothing is written")
    arguments = parser.parse_args()
    use_threads(arguments.threads)  # before anything that counts them is imported

    from .results import replace_rows

    y, K, smallest = workload()
    solvers = contenders(y, K, arguments.threads)
    if arguments.no_slow:
        solvers = {name: solve for name, solve in solvers.items() if name not in SLOW}
    rows = compare(solvers, y, K, smallest, arguments.threads, arguments.repeats)
    if not arguments.dry:
        replace_rows(rows)


def workload():
    """The image (256, 256) and kernels (32, 8, 8) in float32, and the smallest energy."""
    import torch

    from rlvebm_utils import ConvDictionary, encode_images, learn_kernels

    path = HERE / "cache" / "conv.pt"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        y = image()
        K = learn_kernels(y[None], 32, LAM, size=8, steps=100, batch_size=1).dictionary.K
        operator = ConvDictionary(K.double(), borders="circular")
        best = encode_images(operator, y.double(), LAM, tol=1e-7)
        assert best.converged
        torch.save({"y": y, "K": K, "smallest": float(best.energy - 0.5 * best.gap)}, path)
    kept = torch.load(path)
    return kept["y"], kept["K"], kept["smallest"]


def image():
    """The camera picture at half its size, less what a Tikhonov filter (λ = 5) keeps of it."""
    import numpy as np
    import skimage.data
    import torch

    picture = skimage.data.camera().reshape(256, 2, 256, 2).mean((1, 3)) / 255
    padded = np.pad(picture, 16, "symmetric")
    rows, columns = (np.abs(1 - np.exp(-2j * np.pi * np.fft.fftfreq(n))) ** 2 for n in padded.shape)
    smooth = np.fft.ifft2(np.fft.fft2(padded) / (1 + 5 * (rows[:, None] + columns))).real
    return torch.tensor(picture - smooth[16:-16, 16:-16]).float()


def contenders(y, K, threads: int) -> dict:
    """Name → a function of the number of iterations that returns codes (32, 256, 256)."""
    import warnings

    import numpy as np
    import torch
    from sporco.admm import cbpdn as by_admm
    from sporco.pgm import cbpdn as by_gradients

    from rlvebm_utils import ConvDictionary, admm, encode_images, fista

    warnings.filterwarnings("ignore", module="sporco")
    dictionary = ConvDictionary(K, borders="circular")
    fourier = ConvDictionary(K, "fourier", "circular")
    D, s = np.moveaxis(K.numpy(), 0, -1).copy(), y.numpy()

    def sporco(module, **options):
        def solve(iterations):
            common = {"Verbose": False, "MaxMainIter": iterations, "RelStopTol": 0.0}
            chosen = module.ConvBPDN.Options({**common, "DataType": np.float32, **options})
            codes = module.ConvBPDN(D, s, LAM, chosen, dimK=0).solve()
            return torch.from_numpy(np.moveaxis(codes.squeeze(), -1, 0))

        return solve

    def ours(method, operator=dictionary, **options):
        return lambda k: method(operator, y, LAM, tol=None, max_iter=k, **options).z

    return {
        "encode_images c": ours(encode_images, backend="c"),
        "admm": ours(admm),
        # AutoRho and the relaxation 1.8 are its defaults; FastSolve spares it its statistics
        "sporco admm.ConvBPDN": sporco(by_admm, FastSolve=True, AuxVarObj=True),
        "sporco pgm.ConvBPDN": sporco(by_gradients, L=float(dictionary.lipschitz())),
        "fista": ours(fista, fourier),
    }


def compare(solvers, y, K, smallest, threads, repeats) -> list[dict]:
    """A row for each solver and target: median time of interleaved runs, excess of its codes."""
    from rlvebm_utils import ConvDictionary, energy

    exact = ConvDictionary(K.double(), "fourier", borders="circular")

    def excess(z):
        return float(energy(exact, y.double(), z.double().contiguous(), LAM)) / smallest - 1

    jobs = {}
    for name, solve in solvers.items():
        for target, iterations in zip(TARGETS, START[name], strict=True):
            if iterations is None:
                continue
            solve(3)  # warms up, compiles
            while (reached := excess(solve(iterations))) > target:
                iterations = max(iterations + 1, int(iterations * (1.1 if name in SLOW else 1.02)))
            jobs[name, target] = (iterations, reached)
    times = {job: [] for job in jobs}
    for repeat in range(repeats):
        for (name, target), (iterations, _) in jobs.items():
            if name in SLOW and repeat:
                continue
            start = time.perf_counter()
            solvers[name](iterations)
            times[name, target].append(time.perf_counter() - start)
    rows = []
    for (name, target), (iterations, reached) in jobs.items():
        seconds = statistics.median(times[name, target])
        rows.append(
            {
                "workload": "conv", "solver": f"{name}, excess {target:g}",
                "ours": not name.startswith("sporco"), "backend": backend(name),
                "device": "cpu", "threads": threads, "seconds": seconds,
                "mean_excess": reached, "worst_excess": reached, "iterations": iterations,
            }
        )  # fmt: skip
    report(rows)
    return rows


def backend(name: str) -> str:
    if name == "encode_images c":
        return "c"
    package = "sporco" if name.startswith("sporco") else "torch"
    return f"{package} {importlib.metadata.version(package)}"


def report(rows: list[dict]) -> None:
    for target in TARGETS:
        here = [row for row in rows if row["solver"].endswith(f"{target:g}")]
        peer = next(row for row in here if row["solver"].startswith("sporco admm"))
        for row in sorted(here, key=lambda row: row["seconds"]):
            print(
                f"{row['solver']:36s} {row['seconds']:7.3f} s  {row['iterations']:4d} iterations "
                f"of {row['seconds'] / row['iterations'] * 1e3:5.1f} ms  "
                f"excess {row['mean_excess']:.1e}  {peer['seconds'] / row['seconds']:5.2f}× "
                f"sporco's ADMM"
            )


if __name__ == "__main__":
    main()
