"""The folder for what can be made again: where it is, and whether it can be trusted."""

import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rlvebm_utils import cache

pytestmark = pytest.mark.skipif(os.name == "nt", reason="owners and modes are POSIX's")
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """A home of its own, and no wish where the cache should be."""
    home = tmp_path / "home"
    home.mkdir(0o700)
    monkeypatch.setenv("HOME", str(home))
    for variable in (cache.VARIABLE, "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    return home


@pytest.fixture
def nobody(monkeypatch):
    """A user without a home, and not listed anywhere: of a container, say."""

    def getpwuid(uid):
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", getpwuid)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    "variables, expected",
    [
        ({}, "home/.cache/rlvebm_utils/data"),
        ({"XDG_CACHE_HOME": "{}/xdg"}, "xdg/rlvebm_utils/data"),
        ({"XDG_CACHE_HOME": "relative"}, "home/.cache/rlvebm_utils/data"),  # as XDG says
        ({"RLVEBM_CACHE": "{}/own", "XDG_CACHE_HOME": "{}/xdg"}, "own/data"),
        ({"RLVEBM_CACHE": "~"}, "home/data"),
        ({"RLVEBM_CACHE": "~/a b"}, "home/a b/data"),
        ({"RLVEBM_CACHE": "."}, "data"),
        ({"RLVEBM_CACHE": "sub/../other"}, "other/data"),
    ],
)
def test_where_it_is(variables, expected, monkeypatch, tmp_path):
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    folder = cache.cache_folder("data")
    assert folder == tmp_path / expected and folder.is_dir()
    assert cache.private_folder("data") == folder


def test_what_is_made_is_for_the_user_alone(home):
    old = os.umask(0)
    try:
        folder = cache.cache_folder("compiled")
    finally:
        os.umask(old)
    assert [mode(one) for one in (folder, *folder.parents[:2])] == [0o700] * 3


@pytest.mark.parametrize(
    "wish", ["file", "file/below", "~no-user-of-this-name/x", "round", "/dev/null"]
)
def test_a_wish_that_cannot_be_met_is_an_error(wish, monkeypatch, tmp_path):
    """But not for compiled code: that must not keep anybody from working."""
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    monkeypatch.setenv(cache.VARIABLE, wish)
    with pytest.raises(OSError, match="^RLVEBM_CACHE: expected a folder, got "):
        cache.cache_folder("data")
    assert cache.private_folder("data") == cache.temporary_folder("data")
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize("kind", ["data", "compiled"])
def test_a_user_without_a_home(kind, nobody):
    folder = cache.cache_folder(kind)
    assert folder == cache.private_folder(kind) == cache.temporary_folder(kind)
    assert mode(folder) == mode(folder.parent) == 0o700 and cache.is_private(folder)


def test_a_home_in_which_nothing_can_be_made(home):
    (home / ".cache").write_text("in the way")
    assert cache.cache_folder("data") == cache.temporary_folder("data")


@pytest.mark.parametrize("bits, private", [(0o700, 1), (0o755, 1), (0o720, 0), (0o702, 0)])
@pytest.mark.parametrize("is_file", [True, False])
def test_private_is_what_nobody_else_can_write(bits, private, is_file, tmp_path, monkeypatch):
    path = tmp_path / "it"
    path.touch() if is_file else path.mkdir()
    path.chmod(bits)
    assert cache.is_private(path) == private
    (tmp_path / "link").symlink_to(path)
    assert not cache.is_private(tmp_path / "link")
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    assert not cache.is_private(path)


@pytest.mark.parametrize("how", ["others", "group", "link", "above"])
def test_a_folder_that_others_can_fill_is_not_taken(how, monkeypatch, tmp_path):
    (tmp_path / "open").mkdir()
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "open"))
    folder = cache.private_folder("compiled")
    assert folder == tmp_path / "open" / "compiled"
    if how == "link":
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
    elif how == "above":
        folder.parent.chmod(0o1777)  # like /tmp: what lies there can be renamed by its owner only
        assert cache.private_folder("compiled") == folder
        folder.parent.chmod(0o777)
    else:
        folder.chmod({"others": 0o707, "group": 0o770}[how])
    assert cache.private_folder("compiled") == cache.temporary_folder("compiled")


def in_a_new_process(code: str) -> str:
    """What it prints; the module alone, for torch takes seconds."""
    head = f"import os, runpy\nfrom pathlib import Path\nm = runpy.run_path({cache.__file__!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(code)],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_a_temporary_folder_ends_with_its_process():
    """And not with one that split off from it."""
    folder, later = in_a_new_process("""
        folder = m["temporary_folder"]("data")
        child = os.fork()
        if child == 0:
            assert m["temporary_folder"]("data") != folder
            raise SystemExit
        assert os.waitpid(child, 0)[1] == 0
        print(folder, folder.is_dir())
        """).split()
    assert later == "True" and not Path(folder).parent.exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_a_real_user_without_a_home():
    """HOME is not set, and the user's number is on no list."""
    folder, folders, writable = in_a_new_process("""
        os.environ.pop("HOME")
        os.setgid(54321), os.setuid(54321)
        folder = m["cache_folder"]("data")
        (folder / "file").touch()
        print(folder, m["private_folder"]("data") == folder, os.access(folder, os.W_OK))
        """).split()
    assert folders == writable == "True" and not Path(folder).parent.exists()
