"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

DISTRIBUTIONS = (
    "afml-cache", "joblib", "diskcache", "cachier", "dask", "cachebox", "moka-py",
    "numpy", "pandas", "polars", "pyarrow", "xxhash", "exchange_calendars",
    "mlflow", "optuna",
)  # fmt: skip


def machine(folder: Path) -> dict[str, str]:
    """Processor, memory and system, by name."""
    return {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "memory": memory(),
        "system": system(),
        "kernel": f"{platform.system()} {platform.release()}",
        "file system of the caches": file_system(folder),
        "load average before": load(),
    }


def versions() -> dict[str, str]:
    """Python and every package in the comparison."""
    found = {"Python": platform.python_version()}
    return found | {name: installed(name) for name in DISTRIBUTIONS}


def installed(name: str) -> str:
    """The version of a package."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def processor() -> str:
    """The model's name, with family numbers where a virtual machine hides the name."""
    fields = read_fields(Path("/proc/cpuinfo"), ":")
    if "model name" not in fields:
        return platform.processor() or platform.machine()
    numbers = (f"{name} {fields[name]}" for name in ("cpu family", "model") if name in fields)
    return f"{fields['model name']} ({', '.join(numbers)})"


def memory() -> str:
    """Physical memory in GiB."""
    if not hasattr(os, "sysconf"):
        return "unknown"
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"


def system() -> str:
    """The distribution's name where there is one."""
    release = read_fields(Path("/etc/os-release"), "=")
    return release.get("PRETTY_NAME", platform.platform()).strip('"')


def load() -> str:
    """Processes that wanted a core in the last minute: near 0 where figures can be trusted."""
    return f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"


def file_system(folder: Path) -> str:
    """Type of the file system that holds `folder`."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return "unknown"
    place = folder.resolve()
    rows = [line.split() for line in mounts.read_text(encoding="utf-8").splitlines()]
    over = [row for row in rows if place.is_relative_to(row[1])]
    return max(over, key=lambda row: len(row[1]))[2]


def read_fields(path: Path, separator: str) -> dict[str, str]:
    """The `name separator value` lines of a file; the first of each name counts."""
    found: dict[str, str] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(separator)
            found.setdefault(name.strip(), value.strip())
    return found
