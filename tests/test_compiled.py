"""The C loops: compiled once, kept, and never in the way where they cannot be had."""

import shutil
import stat
import sys
from pathlib import Path

import pytest
import torch
from problems import needs_c

from rlvebm_utils import Dictionary, compile_loops, encode
from rlvebm_utils.fast import compiled

pytestmark = needs_c
CACHES = (compiled.library, compiled._at_hand, compiled._system_compiler)
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """An empty folder for libraries, and no memory of what was loaded or found before."""
    monkeypatch.setenv("RLVEBM_CACHE", str(tmp_path))
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    """As in a new process."""
    for one in CACHES:
        one.cache_clear()


def kept(folder) -> list:
    return sorted((folder / "compiled").glob("*"))


def compiler(monkeypatch, folder, says: str):
    """A compiler that notes each call in a file, does what ``says`` says, then what cc does."""
    script = folder / "compiler"
    script.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\n{says}\nexec cc "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CC", str(script))
    return lambda: (folder / "calls").read_text().count("\n") if (folder / "calls").exists() else 0


def no_compiler(monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)


def solved(backend="auto", dtype=torch.float32) -> torch.Tensor:
    y = torch.tensor([[3.0, 0.5, -2.0]], dtype=dtype)
    return encode(Dictionary(torch.eye(3, dtype=dtype)), y, 1.0, backend=backend).z


EXPECTED = torch.tensor([[2.0, 0.0, -1.0]])


def test_compiled_at_the_first_use_and_kept(fresh, monkeypatch):
    calls = compiler(monkeypatch, fresh, "")
    assert torch.equal(solved(), EXPECTED) and calls() == 1
    assert torch.equal(solved(), EXPECTED) and calls() == 1
    forget()
    no_compiler(monkeypatch)  # a machine that lost it
    assert torch.equal(solved("c"), EXPECTED) and calls() == 1
    assert [path.suffix for path in kept(fresh)] == [compiled.SUFFIX]  # nothing else left


def test_all_at_once(fresh, monkeypatch):
    calls = compiler(monkeypatch, fresh, "")
    compile_loops()
    assert calls() == 6 and len(kept(fresh)) == 6
    solved(dtype=torch.float64)
    assert calls() == 6


def test_another_source_or_processor_is_another_library(monkeypatch):
    names = {compiled._stem("codes", torch.float32), compiled._stem("codes", torch.float64)}
    monkeypatch.setattr(compiled, "FLAGS", "-O1")
    names.add(compiled._stem("codes", torch.float32))
    monkeypatch.setattr(compiled, "_processor", lambda: "another")
    names.add(compiled._stem("codes", torch.float32))
    assert len(names) == 4


def test_without_a_compiler_torch_does_it(monkeypatch):
    no_compiler(monkeypatch)
    monkeypatch.setattr(compiled.importlib.util, "find_spec", lambda name: None)
    assert torch.allclose(solved(), EXPECTED, atol=1e-3)  # and no warning
    for ask in (lambda: solved("c"), compile_loops):
        with pytest.raises(ImportError, match="'c' needs a C compiler .*choose backend='torch'"):
            ask()


def test_a_compiler_that_fails_is_quoted(fresh, monkeypatch):
    compiler(monkeypatch, fresh, "echo out of luck >&2; exit 1")
    with pytest.warns(UserWarning, match="torch does their work: .*out of luck"):
        assert torch.allclose(solved(), EXPECTED, atol=1e-3)
    with pytest.raises(ImportError, match="could not be compiled by .*compiler: out of luck"):
        solved("c")


def test_a_compiler_that_does_not_know_the_fast_way(fresh, monkeypatch):
    calls = compiler(monkeypatch, fresh, 'case "$*" in *-march=native*) exit 1;; esac')
    assert torch.equal(solved("c"), EXPECTED) and calls() == 2


def test_a_compiler_from_pip_is_asked_by_name_only(fresh, monkeypatch):
    """It takes some seconds at its first use."""
    package = fresh / "ziglang"
    package.mkdir()
    (package / "__init__.py").touch()
    run = "import os, sys\nassert sys.argv[1] == 'cc'\nos.execvp('cc', sys.argv[1:])\n"
    (package / "__main__.py").write_text(run)
    monkeypatch.syspath_prepend(fresh)
    monkeypatch.setenv("PYTHONPATH", str(fresh))
    no_compiler(monkeypatch)
    solved()
    assert not kept(fresh)
    compile_loops()
    assert len(kept(fresh)) == 6
    compiled._at_hand.cache_clear()
    assert torch.equal(solved(), EXPECTED)  # "auto" takes what is there


def test_a_folder_that_keeps_nothing(fresh, monkeypatch):
    (fresh / "file").write_text("a file, not a folder")
    monkeypatch.setenv("RLVEBM_CACHE", str(fresh / "file"))
    assert torch.equal(solved("c"), EXPECTED)
    assert (fresh / "file").read_text() == "a file, not a folder"


def test_tiny_numbers_stay_what_they_are():
    """Some compilers' -ffast-math rounds them to zero in the whole process."""
    solved("c")
    assert float(torch.tensor(1e-310, dtype=torch.float64) * 0.5) > 0 and sys.float_info.min / 2 > 0


def test_only_what_is_asked_for_is_compiled(fresh, monkeypatch):
    calls = compiler(monkeypatch, fresh, "")
    solved("torch")
    assert calls() == 0
