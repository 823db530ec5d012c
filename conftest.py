"""The order of the tests, for workers that share them, one a core; and patience with busy ones."""

import os

# As in the Makefile, for tests and the notebooks' kernels: threads that wait by spinning on shared
# cores cost a factor of ten and more. It is read when torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

LONGEST_FIRST = ("test_regression.py", "test_mutations.py", "test_browser.py", ".ipynb::")


def pytest_collection_modifyitems(items):
    """The files that run long start first, so that no worker is left alone with one at the end."""

    def rank(item) -> int:
        found = [n for n, part in enumerate(LONGEST_FIRST) if part in item.nodeid]
        return found[0] if found else len(LONGEST_FIRST)

    items.sort(key=rank)
    for item in items:
        if hasattr(item, "output_timeout"):
            # nbval waits 5 s for a cell's output to follow its end; a machine that is busy with
            # something else takes longer, and that is no fault of the notebook
            item.output_timeout = 60
