"""Debian's and Ubuntu's packages for an ordinary user: fetched and unpacked, never installed.

apt runs with a state of its own: no root, no lock, nothing of the system's is changed and none of its
hooks run. Standard library only: ``bootstrap.py`` uses this before anything is installed.
"""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

RELATIONS = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
NEEDS = ("Depends", "Pre-Depends")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class AptError(RuntimeError):
    """apt or dpkg could not do it; the text ends with its own words."""


def available() -> bool:
    """Is this a system with apt and dpkg?"""
    return bool(shutil.which("apt-get") and shutil.which("dpkg"))


def system() -> tuple[str, str]:
    """Which system, ``debian`` or ``ubuntu``, and its release, ``bookworm``; empty without apt."""
    if not available():
        return "", ""
    try:
        about = platform.freedesktop_os_release()
    except OSError:
        about = {}
    return about.get("ID", "linux"), about.get("VERSION_CODENAME", "own")


def unpack(
    package: str, root: Path, say: Callable[[str], None], also: str = "", suite: str = ""
) -> None:
    """Fetch a package, and unpack it.

    Args:
        root: the directory that gets ``usr/`` and the rest; must not exist.
        say: told what is being done, for a progress line.
        also: a pattern; what the package depends on and this matches comes along.
        suite: a release of Debian other than the machine's own, from the same mirror, its signature
            verified; the libraries that the packages depend on come along.

    Raises:
        AptError: no network, no such package, a release that the machine's keys don't vouch for or
            that is out of date, a full disk.
    """
    work = root.with_name(root.name + ".apt")
    shutil.rmtree(work, ignore_errors=True)
    for folder in (work / "lists/partial", work / "cache/archives/partial", work / "debs", root):
        folder.mkdir(parents=True)
    (work / "status").touch()
    _configure(work)
    if suite:
        _take_sources(work, suite)
    say("package lists")
    update = _run(work, "apt-get", "-qq", "update", check=False)
    names = _wanted(work, package, also, bool(suite))
    if package not in names:  # otherwise it does not matter which source is dead
        words = update.stderr.strip()[-600:] or "it is in no source of this machine"
        raise AptError(f"`apt-get update` did not find {package}:\n{words}")
    say("packages")
    _run(work, "apt-get", "-qq", "download", *sorted(names))
    say("unpacking")
    for deb in sorted((work / "debs").glob("*.deb")):
        _run(work, "dpkg", "-x", str(deb), str(root))
    shutil.rmtree(work)


def _configure(work: Path) -> None:
    """Write apt's configuration: where things are, and of the system's only how and whence it fetches.

    A file for APT_CONFIG can't ``#clear`` the system's hooks, since apt reads it before the others."""
    lines = _run(work, "apt-config", "dump", "--format", '%F "%V";%n').stdout.splitlines()
    kept = [line for line in lines if line.startswith(("Acquire::", "Dir::Etc::"))]
    own = {
        "Dir::Etc::parts": os.devnull,
        "Dir::Etc::main": os.devnull,
        "Dir::State": work,
        "Dir::State::Lists": work / "lists",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
        "Dir::Log": work,
        "Debug::NoLocking": 1,
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
    }
    kept += [f'{key} "{value}";' for key, value in own.items()]
    (work / "apt.conf").write_text("\n".join(kept) + "\n")


def _take_sources(work: Path, suite: str) -> None:
    """Have apt know this release only, from the mirrors that the machine has its own from."""
    addresses = _run(work, "apt-get", "update", "--print-uris").stdout
    mirrors = re.findall(rf"'(\S+)/dists/{system()[1]}/InRelease'", addresses)
    if not mirrors or not KEYRING.is_file():
        raise AptError(f"this machine has no source and no keys of Debian to take {suite} from")
    lines = [f"deb [signed-by={KEYRING}] {mirror} {suite} main\n" for mirror in mirrors]
    (work / "sources.list").write_text("".join(lines))
    with (work / "apt.conf").open("a") as file:
        file.write(f'Dir::Etc::sourcelist "{work}/sources.list";\n')
        file.write(f'Dir::Etc::sourceparts "{os.devnull}";\n')


def _wanted(work: Path, package: str, also: str, libraries: bool) -> set[str]:
    """The package and what it needs of the kinds asked for; without it where apt knows none."""
    depends = ("apt-cache", "depends", "--recurse", *[f"--no-{name}" for name in RELATIONS])
    names = re.findall(
        r"^[\w.+-]+$", _run(work, *depends, package, check=False).stdout, re.MULTILINE
    )
    about = ("apt-cache", "show", "--no-all-versions", *names)
    shown = _run(work, *about, check=False).stdout if names else ""
    known = {}
    for stanza in shown.split("\n\n"):
        fields = dict(re.findall(r"^([\w-]+): (.*)$", stanza, re.MULTILINE))
        known[fields.get("Package", "")] = fields

    wanted: set[str] = set()
    ahead = {package}
    while ahead := (ahead & set(known)) - wanted:
        wanted |= ahead
        needs = ",".join(known[name].get(key, "") for name in ahead for key in NEEDS)
        ahead = {
            name
            for name in re.findall(r"(?:^|,)\s*([\w.+-]+)", needs)
            if re.fullmatch(also, name)
            or (libraries and known.get(name, {}).get("Section") == "libs")
        }
    return wanted


def _run(work: Path, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command of apt or dpkg in ``work``, with the configuration there once it is written.

    Raises:
        AptError: it failed, unless nobody is to ``check`` that.
    """
    own = work / "apt.conf"
    done = subprocess.run(
        command,
        cwd=work / "debs",
        env={**os.environ, **({"APT_CONFIG": str(own)} if own.exists() else {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if check and done.returncode:
        words = done.stderr.strip()[-600:]
        raise AptError(f"`{command[0]} … {command[-1]}` ended with {done.returncode}:\n{words}")
    return done
