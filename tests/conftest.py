"""Shared by all tests: no network, one random start, and a small notebook pair to break."""

import importlib.util
import os
import signal
import textwrap
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
OFFLINE = ROOT / "tests" / "offline"


def pytest_configure(config):
    """Switch the network off in this process: a test that needs it would fail for others."""
    spec = importlib.util.spec_from_file_location("offline", OFFLINE / "sitecustomize.py")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


@pytest.fixture(autouse=True)
def _same_start():
    """Every test draws the same random numbers, of the same type, whatever ran before it."""
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    yield
    torch.set_default_dtype(before)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path; skips where there is none, and fails in CI."""
    from browser import find_chromium  # drags in what the package's own tests do without

    path = find_chromium()
    if path is None and os.environ.get("CI"):
        pytest.fail("no Chromium or Chrome on PATH: in CI the browser tests must run")
    if path is None:
        pytest.skip("no Chromium or Chrome on PATH")
    return path


@pytest.fixture(autouse=True)
def _interruptible():
    """Ctrl-C interrupts, also where a shell's background job has made Python ignore it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


SMALL_TEXT = textwrap.dedent(
    """\
    # ---
    # jupyter:
    #   kernelspec:
    #     display_name: Python 3 (ipykernel)
    #     language: python
    #     name: python3
    # ---

    # %% [markdown]
    # # A small notebook

    # %%
    import torch

    value = torch.tensor(2.0, dtype=torch.float64) / 3
    print(f"value {value:.3f}")

    # %% tags=["claim:SC-1"]
    from rlvebm_utils.course import claims

    told = ("SC-1", "claim", "00_small", "nowhere", "It is a|b.", "the value is {-value:.3f}")
    claims.register = lambda: {"SC-1": claims.Entry(*told, holds="value < 1")}
    claims.claim("SC-1", value=value)

    # %%
    import ipywidgets
    import matplotlib.pyplot as plt
    from IPython.display import display

    display(ipywidgets.IntSlider(value=3))
    plt.figure(figsize=(2, 1))
    plt.plot([0, 1], [0, 1])
    plt.show()
    """
)


@pytest.fixture(scope="session")
def small_text(tmp_path_factory) -> Path:
    """The text of a small notebook, with its .ipynb built beside it. Copy before you break it."""
    from tools import notebooks

    text = tmp_path_factory.mktemp("small") / "00_small.py"
    text.write_text(SMALL_TEXT, encoding="utf-8")
    notebooks.build(text)
    return text


@pytest.fixture
def small_pair(small_text, tmp_path) -> Path:
    """A copy of the small pair that a test may break: the path of its text."""
    for path in (small_text, small_text.with_suffix(".ipynb")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path / small_text.name


@pytest.fixture
def accelerator():
    """A simulated device "sim" (accelerator.py); gives what counts how often the host waits."""
    from accelerator import accelerator

    with accelerator() as waits:
        yield waits
