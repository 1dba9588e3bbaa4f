"""The memory that there is: the least of the machine's and of each limit around this process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from helpers.brokers import memory

MB = 1_000_000


def limited(root: Path, folder: str, files: dict[str, str]) -> None:
    place = root / "sys/fs/cgroup" / folder
    place.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (place / name).write_text(text)


def in_cgroup(root: Path, line: str) -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(line)


def test_without_a_limit_it_is_the_machines(tmp_path):
    in_cgroup(tmp_path, "0::/\n")
    limited(tmp_path, "", {"memory.max": "max\n", "memory.current": "1\n", "memory.stat": ""})
    free, whose = memory.available(tmp_path)
    assert whose == "this machine"
    assert free == pytest.approx(psutil.virtual_memory().available, rel=0.2)


def test_the_tightest_cgroup_counts_and_files_make_room(tmp_path):
    in_cgroup(tmp_path, "0::/pod/box\n")
    loose = {"memory.max": str(900 * MB), "memory.current": "0", "memory.stat": "inactive_file 0\n"}
    tight = {"memory.max": str(500 * MB), "memory.current": str(300 * MB)}
    limited(tmp_path, "pod/box", loose)
    limited(tmp_path, "pod", {**tight, "memory.stat": f"anon 7\ninactive_file {50 * MB}\n"})
    assert memory.available(tmp_path) == (250 * MB, "this container (its cgroup)")


def test_the_first_version_of_cgroups_seen_from_inside_a_container(tmp_path):
    in_cgroup(tmp_path, "5:cpu:/docker/abc\n4:memory:/docker/abc\n0::/\n")
    files = {"memory.limit_in_bytes": str(400 * MB), "memory.usage_in_bytes": str(100 * MB)}
    limited(tmp_path, "memory", {**files, "memory.stat": "total_inactive_file 0\n"})
    assert memory.available(tmp_path) == (300 * MB, "this container (its cgroup)")


def test_a_limit_of_this_very_machine_is_seen():
    place = Path("/sys/fs/cgroup/memory/breaking-brokers-test")
    try:
        place.mkdir()
        (place / "memory.limit_in_bytes").write_text(str(400 * MB))
    except OSError:
        pytest.skip("no cgroups of the first version to be made here")
    ask = "from helpers.brokers import memory; print(*memory.available())"
    join = f"echo $$ >{place}/cgroup.procs && exec '{sys.executable}' -c '{ask}'"
    done = subprocess.run(["/bin/sh", "-c", join], capture_output=True, text=True, env=os.environ)
    place.rmdir()
    assert 0 < int(done.stdout.split()[0]) < 400 * MB, done.stderr
    assert "container" in done.stdout
