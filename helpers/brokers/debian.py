"""Debian's and Ubuntu's packages for an ordinary user: fetched and unpacked, never installed.

apt runs with a state of its own: no root, no lock, nothing of the system's is changed. Standard
library only: ``bootstrap.py`` uses this before anything is installed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

RELATIONS = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")


class AptError(RuntimeError):
    """apt or dpkg could not do it; the text ends with its own words."""


def available() -> bool:
    """Is this a system with apt and dpkg?"""
    return bool(shutil.which("apt-get") and shutil.which("dpkg"))


def unpack(package: str, root: Path, say: Callable[[str], None], also: str | None = None) -> None:
    """Fetch a package, and unpack it.

    Args:
        root: the directory that gets ``usr/`` and the rest; must not exist.
        say: told what is being done, for a progress line.
        also: a pattern; what the package depends on and this matches comes along.

    Raises:
        AptError: no network, no such package, a full disk.
    """
    work = root.with_name(root.name + ".apt")
    shutil.rmtree(work, ignore_errors=True)
    for folder in (work / "lists/partial", work / "cache/archives/partial", work / "debs", root):
        folder.mkdir(parents=True)
    (work / "status").touch()
    say("package lists")
    _apt(work, ["apt-get", "-qq", "update"], check=False)  # a foreign source may be dead
    say("packages")
    names = [package]
    if also:
        depends = ["apt-cache", "depends", "--recurse", *[f"--no-{name}" for name in RELATIONS]]
        listing = _apt(work, [*depends, package])
        names = sorted({package, *re.findall(f"^(?:{also})$", listing, re.MULTILINE)})
    _apt(work, ["apt-get", "-qq", "download", *names])
    say("unpacking")
    for deb in sorted((work / "debs").glob("*.deb")):
        _run(["dpkg", "-x", str(deb), str(root)], work)
    shutil.rmtree(work)


def _apt(work: Path, command: list[str], check: bool = True) -> str:
    """Run an apt command with everything it reads and writes below ``work``."""
    options = [
        f"Dir::State={work}", f"Dir::State::Lists={work}/lists",
        f"Dir::State::status={work}/status", f"Dir::Cache={work}/cache", f"Dir::Log={work}",
        "Debug::NoLocking=1", "APT::Sandbox::User=", "Acquire::Languages=none",
        "APT::Update::Post-Invoke::=true",
    ]  # fmt: skip
    flags = [part for option in options for part in ("-o", option)]
    return _run([command[0], *flags, *command[1:]], work / "debs", check)


def _run(command: list[str], folder: Path, check: bool = True) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode:
        raise AptError(
            f"`{command[0]} … {command[-1]}` ended with {done.returncode}:\n"
            + done.stderr.strip()[-600:]
        )
    return done.stdout
