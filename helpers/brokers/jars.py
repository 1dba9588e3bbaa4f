"""Files from Maven: jars by their coordinates, in the cache, with the sums of a lock file."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .. import settings
from .errors import BrokerError
from .progress_line import Progress

KAFKA_LOCK = Path(__file__).with_name("kafka.lock")
PIPELINE_LOCK = Path(__file__).with_name("pipeline.lock")


@dataclass(frozen=True)
class Jar:
    """One line of the lock file: Maven coordinates, size in bytes, SHA-256."""

    group: str
    artifact: str
    version: str
    size: int
    sha256: str

    def path(self) -> Path:
        """Where it lies in the cache, in Maven's own layout."""
        folder = repository() / self.group.replace(".", "/") / self.artifact / self.version
        return folder / f"{self.artifact}-{self.version}.jar"

    def complete(self) -> bool:
        """Is it there, byte for byte as locked?"""
        try:
            return hashlib.sha256(self.path().read_bytes()).hexdigest() == self.sha256
        except OSError:
            return False


def locked(lock: Path = KAFKA_LOCK) -> list[Jar]:
    """The jars of a lock file, Kafka's own if none is named, in its order, which is the class path's."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    rows = (line.split() for line in lines if line and not line.startswith("#"))
    return [Jar(*name.split(":"), int(size), sha256) for name, size, sha256 in rows]


def repository() -> Path:
    """Where the jars are kept."""
    return settings.cache_dir() / "maven"


def fetch(lock: Path = KAFKA_LOCK, what: str = f"Kafka {settings.KAFKA_VERSION}") -> None:
    """Have every jar of a lock file in the cache, with the right sum; ``what`` is how they are called.

    Raises:
        BrokerError: a jar can't be had.
    """
    missing = [jar for jar in locked(lock) if not jar.complete()]
    if not missing:
        return
    from jgo.maven import MavenContext

    repository().mkdir(parents=True, exist_ok=True)
    context = MavenContext(repo_cache=repository())

    def get(jar: Jar) -> Jar:
        jar.path().unlink(missing_ok=True)
        context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
        return jar

    with Progress(f"Fetching {what}") as progress:
        with ThreadPoolExecutor(8) as pool:
            try:
                for count, jar in enumerate(pool.map(get, missing), 1):
                    progress.update(f"Fetching {what}: {count} of {len(missing)} files")
                    if not jar.complete():
                        raise BrokerError(f"{jar.path().name} came with another SHA-256 sum")
            except Exception as error:
                pool.shutdown(cancel_futures=True)
                raise BrokerError(
                    f"The jar files of {what} could not be fetched from Maven Central ({error}). "
                    "Check the network (or the proxy, HTTPS_PROXY) and run "
                    "`python -m helpers install` again: what has come already is kept."
                ) from error
