"""What a notebook measures on, it has not trained on: seen on the data, not in the text.

Of each notebook the first cells are run, up to the one that splits its data.
"""

import jupytext
import pytest
import torch

from tools import notebooks

# Notebook → what is learned from, what is held out, how many rows at least
SPLITS = {
    "01_regularized_latent_ebm": ("y_train", "y", 1000),
    "02_sparse_coding_fista": ("Y_train", "Y_test", 1000),
    "03_lista": ("Y_train", "Y_test", 500),
    "06_convolutional_sparse_autoencoder": ("train", "held_out", 20),
}


def first_cells(name: str, wanted) -> dict:
    """The notebook's names once all that are wanted exist."""
    found = {"__name__": name}
    for cell in jupytext.read(notebooks.FOLDER / f"{name}.py").cells:
        if cell.cell_type == "code" and not wanted <= found.keys():
            exec(compile(cell.source, name, "exec"), found)
    return found


def rows_of(x: torch.Tensor) -> set[bytes]:
    return {row.numpy().tobytes() for row in x.flatten(1)}


@pytest.mark.parametrize("name", SPLITS)
def test_no_row_is_in_both(name, monkeypatch):
    seen, held_out, least = SPLITS[name]
    before = torch.get_default_dtype()
    monkeypatch.chdir(notebooks.FOLDER)
    try:
        found = first_cells(name, {seen, held_out})
    finally:
        torch.set_default_dtype(before)
    train, test = rows_of(found[seen]), rows_of(found[held_out])
    assert len(found[held_out]) >= least and len(test) > 0.98 * len(found[held_out])
    assert len(found[seen]) > len(found[held_out]) / 2
    assert not train & test
    assert rows_of(found[held_out][:1]) <= test  # that rows are found at all


def test_every_notebook_with_a_split_is_here():
    """One that speaks of held-out data in its code splits it under names that are listed."""
    for text in notebooks.texts():
        code = [c.source for c in jupytext.read(text).cells if c.cell_type == "code"]
        splits = any(name in "\n".join(code) for name in ("Y_test", "held_out", "y_train"))
        assert splits == (text.stem in SPLITS), text.stem
