"""The same number of threads for every library in a comparison."""

import os


def use_threads(count: int) -> None:
    """Call it before numpy, torch or a peer is imported: some look at the environment only then."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(count)

    import torch

    torch.set_num_threads(count)
