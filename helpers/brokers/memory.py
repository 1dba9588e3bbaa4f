"""How much memory there is: the machine's, or less in a container."""

from collections.abc import Iterator
from pathlib import Path

import psutil


def available(root: Path = Path("/")) -> tuple[int, str]:
    """Bytes that a new program may still take, and whose limit that is, in words.

    ``root`` is where ``proc`` and ``sys`` are.
    """
    found = [(psutil.virtual_memory().available, "this machine")]
    found += [(free, "this container (its cgroup)") for free in _cgroups(root)]
    return min(found)


def _cgroups(root: Path) -> Iterator[int]:
    """What each memory limit around this process leaves free, see cgroups(7)."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            mount, limit, usage = "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
        elif not controllers:
            mount, limit, usage = "", "memory.max", "memory.current"
        else:
            continue
        top = root / "sys/fs/cgroup" / mount
        here = top / path.strip("/")  # in a container the path may be the host's, and not exist
        for folder in dict.fromkeys([here, *here.parents, top]):
            if folder.is_relative_to(top):
                yield from _left(folder, limit, usage)


def _left(folder: Path, limit: str, usage: str) -> Iterator[int]:
    try:
        most, used = int((folder / limit).read_text()), int((folder / usage).read_text())
        numbers = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no limit: "max", or no such file
        return
    files = int(numbers.get("total_inactive_file", numbers.get("inactive_file", "0")))
    yield max(0, most - used + files)  # files that Linux keeps in memory make room
