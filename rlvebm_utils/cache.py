"""Where files are kept that can be made or fetched again: one folder a user.

``RLVEBM_CACHE`` names it; else it is ``rlvebm_utils`` in ``XDG_CACHE_HOME``, else in ``~/.cache``.
Each kind of files has a folder of its own in there: ``compiled`` and ``data``.
"""

import atexit
import os
import shutil
import stat
import tempfile
from functools import cache
from pathlib import Path

VARIABLE = "RLVEBM_CACHE"


def cache_folder(kind: str) -> Path:
    """The folder for one kind of files; made, for this user alone, where it is not there yet.

    A user without a home, or with one in which nothing can be made (as in many containers), gets a
    temporary folder of this process. Raises OSError where ``RLVEBM_CACHE`` is set to what cannot
    be a folder: a wish that cannot be met is better said than passed over.
    """
    wish = os.environ.get(VARIABLE)
    if wish:
        return make_folder(VARIABLE, resolved(VARIABLE, wish) / kind)
    try:
        return make_folder("cache folder", _of_this_user() / kind)
    except OSError:
        return temporary_folder(kind)


def private_folder(kind: str) -> Path:
    """:func:`cache_folder` if nobody but this user can put a file there, else a temporary folder of
    this process: for files that will be run. Never raises for what ``RLVEBM_CACHE`` says.
    """
    try:
        folder = cache_folder(kind)
        if is_private(folder) and not any(map(_is_open_to_all, folder.parents)):
            return folder
    except OSError:
        pass
    return temporary_folder(kind)


def temporary_folder(kind: str) -> Path:
    """A new folder that only this user can enter; the same at each call in one process, which
    takes it away at its end.
    """
    return make_folder("temporary folder", _temporary(os.getpid()) / kind)


def is_private(path: Path) -> bool:
    """Whether this user owns ``path``, a file or a folder and no link, and only they may write it.

    Windows keeps such rights elsewhere, and a user's folders closed: there it is always so.
    """
    if os.name == "nt":
        return True
    about = path.lstat()
    others_write = about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return about.st_uid == os.geteuid() and not stat.S_ISLNK(about.st_mode) and not others_write


def resolved(name: str, value: str | os.PathLike[str]) -> Path:
    """The full path that ``value`` means: ``~`` and relative paths are allowed.

    name: what the value is called, for the message of the OSError where there is no such path.
    """
    try:
        return Path(value).expanduser().resolve()
    except (RuntimeError, KeyError) as error:  # no such home; links that go round in a circle
        raise OSError(f"{name}: expected a folder, got {str(value)!r} ({error})") from None


def make_folder(name: str, folder: Path) -> Path:
    """``folder``, made with all that it lies in where they are missing, each with mode 0700.

    name: what it is called, for the message of the OSError where it cannot be made.
    """
    missing = []
    try:
        for one in (folder, *folder.parents):
            if one.is_dir():
                break
            missing.append(one)
        # One by one: the mode that os.makedirs is given is for the last one only
        for one in reversed(missing):
            one.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        got = f"{error.filename} ({error.strerror})"
        raise OSError(f"{name}: expected a folder, got {got}") from None
    return folder


def _of_this_user() -> Path:
    """The folder of this package in the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    # The rules of XDG: what is not a full path is to be passed over
    home = Path(home) if os.path.isabs(home) else resolved("home", "~") / ".cache"
    return resolved("cache folder", home / "rlvebm_utils")


def _is_open_to_all(folder: Path) -> bool:
    """Whether anybody may rename what lies in it, and put something else there; in folders like
    /tmp the sticky bit keeps them from it.
    """
    mode = folder.stat().st_mode
    return os.name != "nt" and bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


@cache
def _temporary(process: int) -> Path:
    """One for each process, also of those that a process splits into."""
    folder = Path(tempfile.mkdtemp(prefix="rlvebm_utils-"))  # mode 0700
    atexit.register(_remove, folder, process)
    return folder


def _remove(folder: Path, process: int) -> None:
    """At the end of a process; one that has split off must leave it alone."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
