"""benchmarks/results.json: a row for each workload and solver, with date, machine and versions."""

import datetime
import importlib.metadata
import json
import os
import platform
from pathlib import Path

RESULTS = Path(__file__).parent / "results.json"
PACKAGES = ("torch", "numpy", "scikit-learn", "spams-bin", "sporco", "pyfftw")


def replace_rows(rows: list[dict], path: Path = RESULTS, by: str = "workload") -> list[dict]:
    """Write rows in place of the older ones with the same value of ``by``; returns all that the
    file has now.
    """
    done = {row[by] for row in rows}
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    everything = [row for row in old if row[by] not in done]
    everything += [row | _about() for row in rows]
    text = json.dumps(everything, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
    return everything


def _about() -> dict:
    """When, where and with what a row was measured."""
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} cores",
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    """Of the packages that are installed here."""
    installed = {one.name.lower() for one in importlib.metadata.distributions()}
    return {name: importlib.metadata.version(name) for name in PACKAGES if name in installed}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
