"""RabbitMQ's files: the machine's own, or a release's packages unpacked in the cache, without root."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from .. import settings
from . import debian
from .errors import BrokerError
from .progress_line import Progress

USUAL_PLACES = (
    "/usr/lib/rabbitmq",  # Debian, Ubuntu; /usr/sbin holds wrappers that refuse other users
    "/opt/homebrew/opt/rabbitmq",
    "/usr/local/opt/rabbitmq",
)


def tree() -> Path:
    """Where the course unpacks RabbitMQ's packages on a machine that has none installed."""
    return settings.cache_dir() / "rabbitmq"


def scripts() -> Path | None:
    """The directory of ``rabbitmq-server`` and its tools, or None: installed first, then unpacked."""
    for place in map(Path, USUAL_PLACES):
        for folder in (place / "sbin", place / "bin"):
            if (folder / "rabbitmq-server").exists():
                return folder
    found = shutil.which("rabbitmq-server")  # conda and other package managers
    if found and not found.startswith("/usr/sbin"):
        return Path(found).parent
    unpacked = tree() / "root/usr/lib/rabbitmq/bin"
    return unpacked if (tree() / "complete").is_file() else None


def version() -> str:
    """Which RabbitMQ that is, from the name of its library directory; ``unknown`` at worst."""
    folder = scripts()
    if folder is None:
        return "none"
    near = folder.resolve().parent
    for place in (near, near / "lib", near.parent, near.parent / "lib"):
        for path in [*sorted(place.glob("rabbitmq_server-*")), place]:
            if match := re.search(r"rabbitmq(?:_server-|/)(\d+(?:\.\d+)+)", str(path)):
                return match[1]
    return "unknown"


def release() -> tuple[int, int] | None:
    """Its major and minor version; None if it is not known."""
    match = re.match(r"(\d+)\.(\d+)", version())
    return (int(match[1]), int(match[2])) if match else None


def install() -> None:
    """Have a RabbitMQ: the machine's own, or Debian's and Ubuntu's packages unpacked without root.

    Raises:
        BrokerError: neither is to be had; with the one command that installs it.
    """
    if scripts():
        return
    if not debian.available():
        raise BrokerError(
            "RabbitMQ is not installed, and only Debian's and Ubuntu's packages can be unpacked by "
            "the course itself. Install it (`brew install rabbitmq`, or `conda install -c "
            "conda-forge rabbitmq-server`) and run this again, or use Docker."
        )
    shutil.rmtree(tree(), ignore_errors=True)
    root = tree() / "root"
    with Progress("Fetching RabbitMQ") as progress:
        try:
            debian.unpack(
                "rabbitmq-server",
                root,
                lambda what: progress.update(f"Fetching RabbitMQ: {what}"),
                also=r"erlang-\S+",
            )
        except debian.AptError as error:
            raise BrokerError(
                f"RabbitMQ's packages could not be fetched: {error}\nCheck the network and run "
                "`python -m helpers install` again, or install rabbitmq-server yourself."
            ) from error
    _relocate(root)
    (tree() / "complete").touch()


def _relocate(root: Path) -> None:
    """Tell Erlang's start scripts where they are now: Debian writes the place into them."""
    erlang = root / "usr/lib/erlang"
    for script in [erlang / "bin/erl", erlang / "bin/start", *erlang.glob("erts-*/bin/erl")]:
        text = script.read_text().replace("ROOTDIR=/usr/lib/erlang", f'ROOTDIR="{erlang}"')
        script.write_text(text)
