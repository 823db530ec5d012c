"""The package on systems that are not at hand: their compilers' output, and what differs there."""

import importlib.util
import struct
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from rlvebm_utils.fast import compiled

# What zig calls it: sys.platform, how the library's name ends, how its content begins, and where
# in it the processor's number stands
ELF, MACH, COFF = (b"\x7fELF", 18), (b"\xcf\xfa\xed\xfe", 4), (b"", 0)
TARGETS = {
    "x86_64-linux-gnu": ("linux", ".so", *ELF, 62),
    "aarch64-linux-gnu": ("linux", ".so", *ELF, 183),
    "x86_64-macos": ("darwin", ".dylib", *MACH, 7),
    "aarch64-macos": ("darwin", ".dylib", *MACH, 12),
    "x86_64-windows-gnu": ("win32", ".dll", *COFF, 0x8664),
    "aarch64-windows-gnu": ("win32", ".dll", *COFF, 0xAA64),
}
# Every file and both kinds of number, over the systems
MADE = [(file, dtype) for file in compiled.FILES for dtype in compiled.NUMBERS]


def elsewhere(monkeypatch, platform: str) -> ModuleType:
    """The module as it is when it is imported on another system."""
    monkeypatch.setattr(sys, "platform", platform)
    name = f"rlvebm_utils.fast.compiled_on_{platform}"
    spec = importlib.util.spec_from_file_location(name, compiled.__file__)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not importlib.util.find_spec("ziglang"), reason="needs ziglang")
@pytest.mark.parametrize(
    ("target", "file", "dtype"), [(t, *made) for t, made in zip(TARGETS, MADE, strict=True)]
)
def test_the_loops_compile_for(target, file, dtype, monkeypatch, tmp_path):
    platform, suffix, begins, where, number = TARGETS[target]
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", target]
    module = elsewhere(monkeypatch, platform)
    monkeypatch.setattr(module, "_system_compiler", lambda: zig)
    assert module.SUFFIX == suffix
    if platform == "win32":  # zig's first link for Windows takes a minute: the object says as much
        monkeypatch.setattr(module, "FLAGS", module.FLAGS.replace("-shared", "-c"))
    with monkeypatch.context() as here:
        here.setattr(sys, "platform", "linux")  # for the standard library
        path = module._compile_into(tmp_path, file, dtype)
    content = path.read_bytes()
    assert path.suffix == suffix and content.startswith(begins)
    assert struct.unpack_from("<H", content, where)[0] == number
    for name in module._prototypes(file, dtype):
        exported = f"-export:{name}" if platform == "win32" else name
        assert exported.encode() in content
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("platform", "machine", "version", "flags"),
    [
        ("win32", "AMD64", b"cc.exe (MinGW-W64) 14.2.0", ["-mno-avx"]),
        ("win32", "AMD64", b"clang version 20.1.2", []),
        ("win32", "ARM64", b"gcc 14.2.0", []),
        ("linux", "x86_64", b"gcc 14.2.0", []),
    ],
)
def test_gcc_for_windows_gets_no_avx(platform, machine, version, flags, monkeypatch):
    monkeypatch.setattr(compiled.sys, "platform", platform)
    monkeypatch.setattr(compiled.platform, "machine", lambda: machine)
    answer = SimpleNamespace(stdout=version)
    monkeypatch.setattr(compiled.subprocess, "run", lambda *_, **__: answer)
    assert compiled._without_avx(["gcc"]) == flags


def test_two_macs_are_two_processors(monkeypatch):
    """A home folder that moves from a newer one to an older: its libraries stay behind."""
    monkeypatch.setattr(compiled.sys, "platform", "darwin")
    monkeypatch.setattr(compiled.platform, "processor", lambda: "arm")
    names = set()
    for brand in (b"Apple M1\n", b"Apple M4\n"):
        run = lambda *_, brand=brand, **__: SimpleNamespace(stdout=brand)  # noqa: E731
        monkeypatch.setattr(compiled.subprocess, "run", run)
        names.add(compiled._processor.__wrapped__())
    assert len(names) == 2


def test_a_system_without_a_list_of_its_processors(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda *_: (_ for _ in ()).throw(OSError()))
    monkeypatch.setattr(compiled.platform, "processor", lambda: "Intel64 Family 6")
    assert compiled._processor.__wrapped__().endswith("Intel64 Family 6")


def test_windows_keeps_its_own_rights(monkeypatch, tmp_path):
    """No owner is asked for where there is none, and a library is kept in the user's cache."""
    from rlvebm_utils import cache

    monkeypatch.setenv("RLVEBM_CACHE", str(tmp_path))
    monkeypatch.delattr(cache.os, "geteuid")
    with monkeypatch.context() as windows:
        # Path objects that exist already stay POSIX ones
        windows.setattr(cache, "os", SimpleNamespace(name="nt", environ=cache.os.environ))
        assert cache.private_folder("compiled") == tmp_path / "compiled"
        assert cache.is_private(tmp_path)
