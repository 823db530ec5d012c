"""What a notebook measures on, it has not trained on: seen on the data, not in the text.

Of each notebook only the cells are run that split its data, and what they need.
"""

import re

import jupytext
import pytest
import torch

from tools import notebooks
from tools.panels import only_panels

# Notebook → what is learned from, what is held out, how many rows at least
SPLITS = [
    ("01_regularized_latent_ebm", "y_train", "y", 1000),
    ("02_sparse_coding_fista", "Y_train", "Y_test", 1000),
    ("03_lista", "Y_train", "Y_test", 500),
    ("04_what_the_atoms_learn", "Y", "new", 1000),
    ("04_what_the_atoms_learn", "Y_digits", "new_digits", 1000),
    ("05_convolutional_sparse_coding", "train", "held_out_pieces", 20),
    ("06_convolutional_sparse_autoencoder", "train", "held_out", 20),
    ("06_convolutional_sparse_autoencoder", "X_train", "X_test", 1000),
    ("07_vae_fuzzy_balls", "Y_all", "new", 1000),
]


def split(name: str, *wanted: str) -> list[torch.Tensor]:
    """What the notebook calls so, from the cells that it takes to make it."""
    notebook = jupytext.read(notebooks.FOLDER / f"{name}.py")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        sets = any(re.search(rf"^.*\b{one}\b.* = ", cell.source, re.MULTILINE) for one in wanted)
        cell.metadata["tags"] = ["slider-setup"] * sets
    found = {"__name__": name}
    for cell in only_panels(notebook).cells:
        if not set(wanted) <= found.keys():
            exec(compile(cell.source, name, "exec"), found)
    return [found[one] for one in wanted]


def rows_of(x: torch.Tensor) -> set[bytes]:
    return {row.numpy().tobytes() for row in x.flatten(1)}


@pytest.mark.parametrize(("name", "seen", "held_out", "least"), SPLITS)
def test_no_row_is_in_both(name, seen, held_out, least, monkeypatch):
    before = torch.get_default_dtype()
    monkeypatch.chdir(notebooks.FOLDER)
    try:
        learned_from, kept = split(name, seen, held_out)
    finally:
        torch.set_default_dtype(before)
    train, test = rows_of(learned_from), rows_of(kept)
    assert len(kept) >= least and len(test) > 0.98 * len(kept)
    assert len(learned_from) > len(kept) / 2
    assert not train & test
    assert rows_of(kept[:1]) <= test  # that rows are found at all


def test_every_notebook_with_a_split_is_here():
    """One that speaks of held-out data in its code splits it under names that are listed."""
    for text in notebooks.texts():
        code = [c.source for c in jupytext.read(text).cells if c.cell_type == "code"]
        splits = any(name in "\n".join(code) for name in ("Y_test", "held_out", "y_train"))
        assert splits == any(text.stem == name for name, *_ in SPLITS), text.stem


@pytest.mark.parametrize("name", sorted({name for name, *_ in SPLITS}))
def test_what_is_held_out_is_not_fitted(name):
    """After the split, code that learns takes what is there to learn from, not the whole."""
    code = [c.source for c in jupytext.read(notebooks.FOLDER / f"{name}.py").cells]
    learns = re.compile(r"(?:csae\.fit|learn_\w+|train_\w+)\(([^\n]*)")
    for call in learns.findall("\n".join(code)):
        held_out = {one for stem, _, one, _ in SPLITS if stem == name}
        assert not held_out & set(re.findall(r"\w+", call)), call
