"""What the encoder costs besides its running time: importing, compiling, memory, growth.

Each figure comes from a process of its own, on one thread. Printed, and kept in costs.json.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CASES = {
    "import torch, s": """
import time; start = time.perf_counter(); import torch; print(time.perf_counter() - start)""",
    "import rlvebm_utils over it, s": """
import torch, time; start = time.perf_counter(); import rlvebm_utils
print(time.perf_counter() - start)""",
    "first call on a machine (compiles for one dtype), s": """
import time, torch; from rlvebm_utils import Dictionary, encode
start = time.perf_counter(); encode(Dictionary(torch.eye(2)), torch.eye(2), 0.5, backend="c")
print(time.perf_counter() - start)""",
    "first call of a later process, s": """
import time, torch; from rlvebm_utils import Dictionary, encode
start = time.perf_counter(); encode(Dictionary(torch.eye(2)), torch.eye(2), 0.5, backend="c")
print(time.perf_counter() - start)""",
}
GROWTH = """
import resource, sys, time, torch; from rlvebm_utils import Dictionary, encode
torch.set_num_threads(1)
count, backend = int(sys.argv[1]), sys.argv[2]
generator = torch.Generator().manual_seed(0)
W = torch.randn(64, 128, generator=generator); y = torch.randn(count, 64, generator=generator)
encode(Dictionary(W), y[:2000], 20.0, backend=backend)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, start = peak(), time.perf_counter()
encode(Dictionary(W), y, 20.0, backend=backend)
print(time.perf_counter() - start, peak() - before)
"""


def main():
    with tempfile.TemporaryDirectory() as cache:
        figures = {name: measure(code, cache)[0] for name, code in CASES.items()}
        for backend in ("c", "torch"):
            for count in (10_000, 20_000, 40_000, 80_000):
                seconds, mebibytes = measure(GROWTH, cache, str(count), backend)
                result = count * 128 * 4 / 2**20
                name = f"{backend}, {count} samples of 64, 128 atoms"
                figures[f"{name}: µs a sample"] = seconds / count * 1e6
                figures[f"{name}: peak over the result, MiB"] = mebibytes - result
    for name, value in figures.items():
        print(f"{name:70s} {value:8.2f}")
    path = Path(__file__).with_name("costs.json")
    path.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")


def measure(code: str, cache: str, *arguments: str) -> list[float]:
    """The numbers that a fresh process prints; its compiled code is kept in ``cache``."""
    environment = os.environ | {"RLVEBM_CACHE": cache, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return [float(word) for word in done.stdout.split()]


if __name__ == "__main__":
    main()
