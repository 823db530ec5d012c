"""Where the time of ``encode(..., backend="torch")`` goes, on one thread.

python -m benchmarks.profile_torch [--workloads A B] [--samples 2048]
"""

import argparse
from collections import Counter
from functools import wraps

from .threads import use_threads

KINDS = {"mm": "products", "index": "gathers", "sort": "gathers", "nonzero": "gathers"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workloads", nargs="+", default=["A", "B"])
    parser.add_argument("--samples", type=int, default=2048)
    arguments = parser.parse_args()
    use_threads(1)
    from rlvebm_utils.fast import steps

    from .workloads import load

    for name in ("_finished", "certify"):
        setattr(steps, name, marked(getattr(steps, name), "certificates"))
    for name in arguments.workloads:
        report(load(name).first(arguments.samples))


def marked(function, label: str):
    """The function, with a mark in the profile."""
    from torch.profiler import record_function

    @wraps(function)
    def marking(*given):
        with record_function(label):
            return function(*given)

    return marking


def report(workload) -> None:
    from torch.profiler import ProfilerActivity, profile, record_function

    from rlvebm_utils import Dictionary, encode

    given = Dictionary(workload.W), workload.Y, workload.lam
    encode(*given, backend="torch")
    with profile(activities=[ProfilerActivity.CPU]) as seen, record_function("Python"):
        found = encode(*given, backend="torch")
    spent = Counter()
    for event in seen.events():
        spent[kind(event)] += event.self_cpu_time_total
    n, rounds = workload.W.shape[1], float(found.iterations.double().mean())
    whole, used = spent.total(), float((found.z != 0).double().mean())
    flops = 2e-6 * n * n * rounds
    print(
        f"{workload.name}: {whole / len(workload.Y):.0f} µs a sample, {rounds:.0f} iterations of "
        f"2n² = {2e-6 * n * n:.2f} Mflop: {flops:.1f} Mflop at "
        f"{1e3 * flops * len(workload.Y) / spent['products']:.0f} Gflop/s; {100 * used:.1f} % used"
    )
    print("   " + ", ".join(f"{name} {100 * t / whole:.0f} %" for name, t in spent.most_common()))


def kind(event) -> str:
    """What an event of the profile is: its own name tells, or that of a mark around it."""
    above = event
    while above is not None:
        if above.name == "certificates":
            return above.name
        above = above.cpu_parent
    if event.name == "Python":
        return event.name
    return next((to for part, to in KINDS.items() if part in event.name), "elementwise")


if __name__ == "__main__":
    main()
