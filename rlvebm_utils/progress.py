"""A progress bar for what takes long: a widget in a notebook, tqdm in a terminal."""

import sys
from collections.abc import Iterable, Iterator


def track(steps: Iterable, label: str, show: bool = True) -> Iterator:
    """Iterate over ``steps`` (of known length) and show how far it is.

    In a notebook the recorded output is the one line ``label: N steps``, the same on every machine;
    the bar moves above it while the cell runs. Elsewhere tqdm draws its bar on stderr when the run
    takes more than two seconds.
    """
    if not show:
        return iter(steps)
    if _in_notebook():
        return _notebook_bar(steps, label)
    from tqdm import tqdm

    return iter(tqdm(steps, desc=label, delay=2))


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")  # never imported for this
    return hasattr(ipython and ipython.get_ipython(), "kernel")


def _notebook_bar(steps, label: str) -> Iterator:
    from IPython.display import display
    from ipywidgets import HTML, HBox, IntProgress

    bar, count = IntProgress(max=len(steps)), HTML()
    view = {
        "version_major": 2,
        "version_minor": 0,
        "model_id": HBox([HTML(label), bar, count]).model_id,
    }
    text = f"{label}: {len(steps)} steps"
    display({"text/plain": text, "application/vnd.jupyter.widget-view+json": view}, raw=True)
    for done, step in enumerate(steps, start=1):
        yield step
        bar.value, count.value = done, f"{done} of {len(steps)}"
