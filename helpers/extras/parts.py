"""What other systems consist of, and where each part comes from."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .. import brokers, settings
from ..brokers import jars, locks, rabbitmq_install
from ..brokers.errors import BrokerError
from ..brokers.progress_line import Progress

SOURCES = Path(__file__).with_name("go")


class NotHere(BrokerError):  # noqa: N818  (reads as what is wrong)
    """This machine can't have it, whatever the network; the text says why."""


class Part(Protocol):
    """Something that is on this machine or not, and can be fetched."""

    def there(self) -> bool:
        """Is it on this machine? Quick, and without a network."""

    def obtain(self) -> None:
        """Fetch it. Raises BrokerError, with what to do."""


@dataclass(frozen=True)
class Jars:
    """Files from Maven, with the sums of a lock file; ``what`` is how people call them."""

    lock: Path
    what: str

    def there(self) -> bool:
        return all(jar.path().is_file() for jar in jars.locked(self.lock))

    def obtain(self) -> None:
        jars.fetch(self.lock, self.what)


@dataclass(frozen=True)
class GoProgram:
    """A program whose source is in ``go/``, built by the machine's own Go: the modules that it uses
    are fetched, and held against the sums in its go.sum."""

    name: str

    def there(self) -> bool:
        return self.path().is_file()

    def path(self) -> Path:
        """Where the program is; another source is another program."""
        files = [SOURCES / self.name / name for name in ("main.go", "go.mod", "go.sum")]
        source = hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
        return settings.cache_dir() / "go" / f"{self.name}-{source[:16]}"

    def obtain(self) -> None:
        if not shutil.which("go"):
            raise NotHere("it is built by Go: install it (go.dev/doc/install).")
        draft = self.path().with_suffix(".part")
        draft.parent.mkdir(parents=True, exist_ok=True)
        command = ["go", "build", "-mod=readonly", "-trimpath", "-o", str(draft), "."]
        with locks.installing(), Progress(f"Building {self.name}"):
            done = subprocess.run(
                command, cwd=SOURCES / self.name, capture_output=True, text=True, check=False
            )
        if done.returncode:
            raise BrokerError(f"`go build` of {self.name} failed:\n{done.stderr.strip()[-600:]}")
        draft.replace(self.path())


@dataclass(frozen=True)
class Series:
    """The RabbitMQ of native brokers, if there is one, is of this series or newer; Docker's is."""

    first: tuple[int, int]

    def there(self) -> bool:
        release = rabbitmq_install.release()
        in_docker = settings.forced_backend() == "compose"
        return in_docker or release is None or release >= self.first

    def obtain(self) -> None:
        raise NotHere(
            f"RabbitMQ is {rabbitmq_install.version()} here. Set BREAKING_BROKERS_RABBITMQ=4.3, run "
            "`python -m helpers down`, and begin again."
        )


@dataclass(frozen=True)
class Native:
    """The brokers are processes of this machine: no containers, and nobody else's."""

    def there(self) -> bool:
        return brokers.chosen_backend() == "native"

    def obtain(self) -> None:
        raise NotHere(
            f"The backend is {brokers.chosen_backend()} here. Unset BREAKING_BROKERS_BACKEND, "
            "KAFKA_BOOTSTRAP_SERVERS and AMQP_URL, run `python -m helpers down`, and begin again; "
            "`python -m helpers doctor` says what native brokers lack on this machine."
        )


GIVEN = (Series, Native)  # the course's own brokers are like that, or not: nothing is fetched
