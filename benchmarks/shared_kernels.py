"""Kernels learned by several processes: what each does in a step, and what is sent.

    torchrun --nproc-per-node 2 -m benchmarks.shared_kernels [--batch 16] [--steps 20] [--out FILE]
    python -m benchmarks.shared_kernels                      the same, by one process

Digits, 16 kernels of 9 × 9, float64; one batch, again and again. Prints the first process's
processor time, since a clock also counts what else runs.
"""

import argparse
import time
from collections import Counter

import torch
import torch.distributed as dist

from rlvebm_utils import learn_kernels
from rlvebm_utils.conv_learning import KernelLearner
from rlvebm_utils.course.data import load_digits

from .full_mnist import start

KERNELS, SIZE, LAM = 16, 9, 0.5


def timed(name: str, spent: Counter) -> None:
    """Let a method of the learner note the processor time that it takes."""
    original = getattr(KernelLearner, name)

    def noting(self, *arguments):
        begun = time.process_time()
        result = original(self, *arguments)
        spent[name] += time.process_time() - begun
        spent["used"] = float((self.codes != 0).double().mean())
        return result

    setattr(KernelLearner, name, noting)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--out", help="where to write the kernels (torch.save)")
    arguments = parser.parse_args()
    group, spent = start(), Counter()
    for name in ("code", "remember", "sweep"):
        timed(name, spent)
    images = load_digits().images[: arguments.batch].double()
    found = learn_kernels(
        images, KERNELS, LAM, size=SIZE, batch_size=arguments.batch, steps=arguments.steps,
        group=group,
    )  # fmt: skip
    places = KERNELS * (images.shape[-1] - SIZE + 1) ** 2
    used = spent["used"]
    sums = KERNELS**2 * (2 * SIZE - 1) ** 2 + KERNELS * SIZE**2
    each = {name: 1e3 * spent[name] / arguments.steps for name in ("code", "remember", "sweep")}
    if not group or dist.get_rank() == 0:
        print(
            f"a step: coding {each['code']:.0f} ms, correlations {each['remember']:.0f} ms, sweeps "
            f"{each['sweep']:.0f} ms; sums {8e-6 * sums:.2f} MB; {100 * used:.1f} % of an image's "
            f"{places} entries in use, 12 bytes each: {12e-3 * used * places:.1f} kB an image"
        )
        if arguments.out:
            torch.save(found.dictionary.K, arguments.out)
    if group:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
