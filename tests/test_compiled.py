"""The C loops: compiled once, kept, and never in the way where they cannot be had."""

import os
import shutil
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from problems import needs_c

from rlvebm_utils import Dictionary, cache, compile_loops, encode
from rlvebm_utils.fast import compiled

no_sh = pytest.mark.skipif(os.name == "nt", reason="the compilers here are shell scripts")
pytestmark = [needs_c, no_sh]
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


@pytest.mark.parametrize("changed", ["common.h", "codes.c", "FLAGS", "WAYS", "_processor"])
def test_whatever_it_is_made_of_is_in_its_name(changed, monkeypatch):
    before = compiled._stem("codes", torch.float64)
    if changed.endswith((".h", ".c")):
        source = compiled._source
        new = {changed: source(changed) + " "}
        monkeypatch.setattr(compiled, "_source", lambda name: new.get(name) or source(name))
    else:
        value = {"FLAGS": "-O1", "WAYS": ("-g",), "_processor": lambda: "another"}[changed]
        monkeypatch.setattr(compiled, changed, value)
    assert compiled._stem("codes", torch.float64) != before


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


def test_a_compiler_whose_words_are_in_another_encoding(fresh, monkeypatch):
    compiler(monkeypatch, fresh, r"printf 'z\303\251ro \377' >&2; exit 1")
    with pytest.raises(ImportError, match="could not be compiled by .*: zéro \ufffd"):
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


# --- what is loaded -------------------------------------------------------------------------------


def plant(fresh, folder) -> Path:
    """In ``folder``, under the name that the loops for float32 would have: a library that leaves a
    mark as soon as it is loaded. The path of the mark.
    """
    mark, source, new = fresh / "mark", fresh / "planted.c", fresh / f"planted{compiled.SUFFIX}"
    leave = f'__attribute__((constructor)) static void leave(void) {{ fopen("{mark}", "w"); }}'
    source.write_text(f"#include <stdio.h>\n{leave}\n")
    subprocess.run(["cc", "-shared", "-fPIC", str(source), "-o", str(new)], check=True)
    folder.mkdir(exist_ok=True)
    new.chmod(0o700)
    new.rename(folder / compiled._full_name("codes", torch.float32, new.read_bytes()))
    return mark


def other_names(planted: Path) -> None:
    """What was planted is owned by this user, and a link to it lies in its place."""
    planted.rename(planted.parent.parent / "elsewhere")
    planted.symlink_to(planted.parent.parent / "elsewhere")


HOLES = {
    "folder others can write": lambda folder, planted: folder.chmod(0o777),
    "folder a group can write": lambda folder, planted: folder.chmod(0o770),
    "file others can write": lambda folder, planted: planted.chmod(0o707),
    "file is a link": lambda folder, planted: other_names(planted),
}


@pytest.mark.skipif(os.name == "nt", reason="owners and modes are POSIX's")
@pytest.mark.parametrize("hole", HOLES)
def test_what_others_may_have_put_there_is_not_loaded(hole, fresh):
    folder = cache.private_folder("compiled")
    mark = plant(fresh, folder)
    (planted,) = kept(fresh)
    HOLES[hole](folder, planted)
    with warnings.catch_warnings(action="error"):
        assert torch.equal(solved("c"), EXPECTED)
    assert not mark.exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("whose", ["folder", "file"])
def test_what_belongs_to_others_is_not_loaded(whose, fresh):
    folder = cache.private_folder("compiled")
    mark = plant(fresh, folder)
    os.chown(folder if whose == "folder" else kept(fresh)[0], 54321, 54321)
    assert torch.equal(solved("c"), EXPECTED) and not mark.exists()


def test_the_planted_library_would_leave_its_mark(fresh):
    """Where it lies as if the user had put it there: the tests above do test something. It has none
    of the functions, so that it is made anew.
    """
    mark = plant(fresh, cache.private_folder("compiled"))
    assert torch.equal(solved("c"), EXPECTED)
    assert mark.exists() and len(kept(fresh)) == 1


@pytest.mark.parametrize("damage", ["empty", "cut short", "one bit", "of another file"])
def test_a_damaged_library_is_made_anew(damage, fresh, monkeypatch):
    calls = compiler(monkeypatch, fresh, "")
    folder = cache.private_folder("compiled")
    path = compiled._compile_into(folder, "codes", torch.float32)
    good = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "cut short": good[: len(good) // 2],
            "one bit": good[:-1] + bytes([good[-1] ^ 1]),
            "of another file": b"something else",
        }[damage]
    )
    with warnings.catch_warnings(action="error"):
        assert torch.equal(solved("c"), EXPECTED)
    assert calls() == 2 and [one.read_bytes() == good for one in kept(fresh)] == [True]
    forget()
    assert torch.equal(solved("c"), EXPECTED) and calls() == 2  # and that one is kept


def test_a_library_that_cannot_be_loaded_here_is_made_anew(fresh, monkeypatch):
    """Of another machine with the same home: the sum of its content is right."""
    calls = compiler(monkeypatch, fresh, "")
    content = b"for another machine"
    foreign = cache.private_folder("compiled") / compiled._full_name(
        "codes", torch.float32, content
    )
    foreign.write_bytes(content)
    assert torch.equal(solved("c"), EXPECTED) and calls() == 1
    assert not foreign.exists() and len(kept(fresh)) == 1


def test_a_generous_umask_does_not_matter(fresh, monkeypatch):
    """A file that others can write would be made anew by each process."""
    calls = compiler(monkeypatch, fresh, "")
    old = os.umask(0)
    try:
        solved("c")
    finally:
        os.umask(old)
    forget()
    assert torch.equal(solved("c"), EXPECTED) and calls() == 1


def test_a_place_from_which_nothing_may_be_run(fresh, monkeypatch):
    load = compiled.ctypes.CDLL

    def refuse(path):
        if Path(path).is_relative_to(fresh):
            raise OSError("failed to map segment from shared object")
        return load(path)

    monkeypatch.setattr(compiled.ctypes, "CDLL", refuse)
    assert torch.equal(solved("c"), EXPECTED)


def test_a_user_without_a_home_compiles_for_the_process():
    code = """if True:
        import os, torch
        from rlvebm_utils import Dictionary, encode
        if os.geteuid() == 0:
            torch.ones(2) @ torch.ones(2)  # what torch loads late, before root's folders are closed
            os.setgid(54321), os.setuid(54321)
        z = encode(Dictionary(torch.eye(2)), torch.eye(2) * 3, 1.0, backend="c").z
        assert torch.equal(z, torch.eye(2) * 2)
        from rlvebm_utils import cache
        print(cache.private_folder("compiled") == cache.temporary_folder("compiled"))
        """
    keep = ("PATH", "PYTHONPATH", "TMPDIR", "OMP_WAIT_POLICY")
    env = {name: os.environ[name] for name in keep if name in os.environ}
    env |= {"PYTHONPATH": str(ROOT), "HOME": "/dev/null"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
