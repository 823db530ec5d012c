"""A dictionary of all of MNIST, learned by several processes: an example to start from.

    torchrun --nproc-per-node 2 -m benchmarks.full_mnist FOLDER [--passes 3] [--checkpoint FILE]
    python -m benchmarks.full_mnist FOLDER                      the same, by one process

FOLDER holds MNIST's own files, train-images-idx3-ubyte.gz and t10k-images-idx3-ubyte.gz. Each
process reads its share of each batch of the 60 000 digits; the atoms come out the same in all of
them, whatever their number. The 10 000 others are then coded, also in shares, with ``--codes`` into
a folder. Should a process be lost, the others say which one and end; run again with the same
checkpoint, the learning goes on.
"""

import argparse
import gzip
import os
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from rlvebm_utils import encode_batches, learn_dictionary_fast

ATOMS, LAM, BATCH = 256, 0.35, 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--checkpoint")
    parser.add_argument("--codes")
    parser.add_argument("--out", help="where to write the atoms (torch.save)")
    arguments = parser.parse_args()
    group = start()
    rank, size = (dist.get_rank(), dist.get_world_size()) if group else (0, 1)
    train, test = (read_digits(arguments.folder, part) for part in ("train", "t10k"))
    begin, worked = time.perf_counter(), time.process_time()
    learned = learn_dictionary_fast(
        train, ATOMS, LAM, passes=arguments.passes, batch_size=arguments.batch, group=group,
        checkpoint=arguments.checkpoint,
    )  # fmt: skip
    seconds, worked = time.perf_counter() - begin, time.process_time() - worked
    W = learned.dictionary.W
    solved = encode_batches(learned.dictionary, test, LAM, folder=arguments.codes, group=group)
    energies = [part.energy for part in solved]
    sums = torch.stack([torch.cat(energies).sum(), torch.tensor(sum(map(len, energies)))])
    if group:
        dist.all_reduce(sums)
    if rank == 0:
        steps, message = len(learned.energy), 8 * (ATOMS**2 + ATOMS * W.shape[0])
        print(
            f"{size} processes, batches of {arguments.batch}: {steps} steps in {seconds:.1f} s; "
            f"one takes {1e3 * seconds / steps:.0f} ms, {1e3 * worked / steps:.0f} of them at work "
            f"in the first process; {message / 1e6:.1f} MB are summed\nmean energy of "
            f"{int(sums[1])} other digits {float(sums[0] / sums[1]):.4f}"
        )
        if arguments.out:
            torch.save(W, arguments.out)
    if group:
        dist.destroy_process_group()


def start() -> dist.ProcessGroup | None:
    """The group of all processes that torchrun started; None where it did not."""
    if "RANK" not in os.environ:
        return None
    # A process that hangs is given up after a minute; one that dies is missed at once
    dist.init_process_group("gloo", timeout=timedelta(seconds=60))
    return dist.group.WORLD


def read_digits(folder: Path, part: str) -> np.ndarray:
    """The images of "train" or "t10k" as rows (N, 784) in [0, 1], float64."""
    with gzip.open(folder / f"{part}-images-idx3-ubyte.gz") as file:
        magic, count, height, width = np.frombuffer(file.read(16), ">i4")
        if magic != 2051:
            raise ValueError(f"{part}: expected images in MNIST's own format, got {magic}")
        pixels = np.frombuffer(file.read(), np.uint8).reshape(count, height * width)
    return pixels / 255


if __name__ == "__main__":
    main()
