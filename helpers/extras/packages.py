"""Python packages that only the labs on other systems need: installed beside the course's own."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from .. import settings
from ..brokers.errors import BrokerError
from ..brokers.progress_line import Progress
from .parts import NotHere

LOCK = settings.CHECKOUT / "requirements-extra.lock"
BUILT = ("python-qpid-proton",)  # has no wheel, so that it takes a C compiler
ENTRY = re.compile(r"^([a-z0-9-]+)==(\S+)(?:.*\\\n)+.*\n", re.MULTILINE)


class Packages:
    """Some of the packages that ``install`` installs."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def there(self) -> bool:
        return all(map(version, self.names))

    def obtain(self) -> None:
        missing = [name for name in self.names if not version(name)]
        raise NotHere(f"there is no Python package {' and no '.join(missing)} for it.")


def install() -> None:
    """Have the packages of requirements-extra.lock, each file with its sum; needs a network.

    What has to be built comes last: where that fails, for want of a compiler, say, only the labs that
    need it can't be run.

    Raises:
        BrokerError: the others could not be fetched; with the installer's words.
    """
    entries = {entry[1]: entry for entry in ENTRY.finditer(LOCK.read_text(encoding="utf-8"))}
    wanted = {name: entry[0] for name, entry in entries.items() if version(name) != entry[2]}
    built = [wanted.pop(name) for name in BUILT if name in wanted]
    if wanted and (trouble := _install("".join(wanted.values()), "--no-build")):
        raise BrokerError(
            f"The packages of the other systems could not be installed:\n{trouble}\n"
            "Is there a network? Then run `make extras` again."
        )
    for entry in built:
        if trouble := _install(entry):
            print(
                f"{entry.partition(' ')[0]} could not be built: is there a C compiler?\n{trouble}"
            )


def _install(requirements: str, *options: str) -> str:
    """Empty if that succeeded, else the installer's last words."""
    uv = [str(Path(sys.prefix) / "bin/uv"), "pip", "install", "--python", sys.executable]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(requirements)
        file.flush()
        with Progress("Installing packages"):
            done = subprocess.run(
                [*uv, "--no-deps", "--require-hashes", *options, "--requirements", file.name],
                capture_output=True,
                text=True,
                check=False,
            )
    return done.stderr.strip()[-800:] or "no word" if done.returncode else ""


def version(package: str) -> str:
    """Of what is installed; empty if it isn't."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
