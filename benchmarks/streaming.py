"""Memory and time of codes that do not fit: a million patches from a memory map to CSR.

    python -m benchmarks.streaming [--samples 1000000] [--threads 2] [--quick]

Patches of 16 × 16 pixels out of photographs, without their mean and of norm 1, float32, in a file;
512 atoms learned from 20 000 of them; λ = 0.1. A process of its own codes them with
``encode(..., sparse=True)`` and tells its peak memory (``VmHWM``, where the pages of the file that
are mapped count as well; ``ru_maxrss`` would be that of the process that started it, if that is
larger), what it had before the call, and what the result takes. Linux only. The row goes to
results.json under the workload "streaming".
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from .threads import use_threads

HERE = Path(__file__).parent
CACHE = HERE / "cache"
ATOMS, SIDE, LAM = 512, 16, 0.1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="20 000 samples; nothing is written")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    use_threads(arguments.threads)
    if arguments.child:
        print(json.dumps(measure(Path(arguments.child))))
        return
    folder = prepare(20_000 if arguments.quick else arguments.samples)
    command = [sys.executable, "-m", "benchmarks.streaming", "--child", str(folder)]
    command += ["--threads", str(arguments.threads)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    row = json.loads(run.stdout) | {
        "workload": "streaming", "solver": "encode sparse", "ours": True, "backend": "c",
        "device": "cpu", "threads": arguments.threads, "mean_excess": None, "worst_excess": None,
    }  # fmt: skip
    print(json.dumps(row, indent=1))
    if not arguments.quick:
        from .results import replace_rows

        replace_rows([row])


def prepare(samples: int) -> Path:
    """The file of the patches, and the atoms; made once."""
    import numpy as np
    import torch

    from rlvebm_utils import learn_dictionary_fast
    from rlvebm_utils.course.data import extract_patches, load_photographs

    folder = CACHE / f"streaming-{samples}"
    if (folder / "atoms.pt").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    photographs, block = load_photographs(dtype=torch.float32), 20_000
    y = np.lib.format.open_memmap(folder / "patches.npy", "w+", np.float32, (samples, SIDE * SIDE))
    for seed, first in enumerate(range(0, samples, block)):
        count = min(block, samples - first)
        patches = extract_patches(photographs, SIDE, count, seed=seed)
        patches = patches - patches.mean(1, keepdim=True)
        norm = torch.linalg.vector_norm(patches, dim=1, keepdim=True).clamp(min=1e-3)
        y[first : first + count] = (patches / norm).numpy()
    y.flush()
    some = torch.from_numpy(np.array(y[:block]))
    W = learn_dictionary_fast(some, ATOMS, LAM, passes=5).dictionary.W
    torch.save(W, folder / "atoms.pt")
    return folder


def measure(folder: Path) -> dict:
    """In a process that has done nothing else yet."""
    import time

    import numpy as np
    import torch

    from rlvebm_utils import Dictionary, encode

    y = np.load(folder / "patches.npy", mmap_mode="r")
    dictionary = Dictionary(torch.load(folder / "atoms.pt"))
    encode(dictionary, torch.from_numpy(np.array(y[:64])), LAM)  # compiles, where it has to
    before, begin = resident(), time.perf_counter()
    found = encode(dictionary, y, LAM, sparse=True)
    seconds = time.perf_counter() - begin
    peak = most_resident()
    z, known = found.z, found.certificate
    output = [z.values(), z.col_indices(), z.crow_indices(), found.iterations, found.converged]
    output += [known.energy, known.dual, known.rounding]
    taken = sum(x.numel() * x.element_size() for x in output) + sys.getsizeof(found.made_by)
    mib = 2**20
    return {
        "samples": len(y), "atoms": ATOMS, "seconds": round(seconds, 1),
        "nonzero": round(z.values().numel() / (len(y) * ATOMS), 4),
        "worst_gap": float(found.relative_gap.max()), "converged": bool(found.converged.all()),
        "before_MiB": round(before / mib), "peak_MiB": round(peak / mib),
        "output_MiB": round(taken / mib), "beyond_MiB": round((peak - before - taken) / mib),
        "dense_MiB": round(len(y) * ATOMS * z.values().element_size() / mib),
        "file_MiB": round(y.nbytes / mib),
    }  # fmt: skip


def most_resident() -> int:
    """The most bytes that this process ever had in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def resident() -> int:
    """Bytes in memory now."""
    import os

    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
