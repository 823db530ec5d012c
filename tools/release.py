"""Whether a tag may be released: ``python tools/release.py v1.2.3``. It needs no package.

The package, CITATION.cff and CHANGELOG.md all have to tell the tag's version.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# file -> where its version stands; the newest one of a change log is its first heading
VERSIONS = {
    "rlvebm_utils/__init__.py": r'^__version__ = "(.+)"$',
    "CITATION.cff": r"^version: (\S+)$",
    "CHANGELOG.md": r"^## (\d\S*)",
}


def versions(root: Path = ROOT) -> dict[str, str]:
    """The version that each file tells, by its name; "" where it tells none."""
    found = {}
    for name, pattern in VERSIONS.items():
        match = re.search(pattern, (root / name).read_text(encoding="utf-8"), re.MULTILINE)
        found[name] = match.group(1) if match else ""
    return found


def faults(tag: str, root: Path = ROOT) -> list[str]:
    """What speaks against a release under this tag."""
    return [
        f"{name}: expected version {tag.removeprefix('v')}, got {version or 'none'}"
        for name, version in versions(root).items()
        if f"v{version}" != tag
    ]


if __name__ == "__main__":
    sys.exit("\n".join(faults(*(sys.argv[1:2] or [""]))) or 0)
