"""Files from Maven: jars by their coordinates, in the cache, with the sums of a lock file."""

from __future__ import annotations

import functools
import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import settings
from . import files
from .errors import BrokerError
from .progress_line import Progress

if TYPE_CHECKING:
    import requests

KAFKA_LOCK = Path(__file__).with_name("kafka.lock")
PIPELINE_LOCK = Path(__file__).with_name("pipeline.lock")
CONNECTIONS = 8  # each is used for one file after the other
TIMEOUT = (10, 60)  # seconds to connect, and of silence


@dataclass(frozen=True)
class Jar:
    """One line of the lock file: Maven coordinates, size in bytes, SHA-256.

    Where a version has several files, the classifier says which: ``test``, say; mostly it is empty."""

    group: str
    artifact: str
    version: str
    classifier: str
    size: int
    sha256: str

    def path(self) -> Path:
        """Where it lies in the cache, in Maven's own layout."""
        folder = repository() / self.group.replace(".", "/") / self.artifact / self.version
        words = filter(None, (self.artifact, self.version, self.classifier))
        return folder / f"{'-'.join(words)}.jar"

    def complete(self) -> bool:
        """Is it there, byte for byte as locked?"""
        try:
            return hashlib.sha256(self.path().read_bytes()).hexdigest() == self.sha256
        except OSError:
            return False


def locked(lock: Path = KAFKA_LOCK) -> list[Jar]:
    """The jars of a lock file, Kafka's own if none is named, in its order, which is the class path's."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    found = []
    for name, size, sha256 in (line.split() for line in lines if line and line[0] != "#"):
        group, artifact, version, *classifier = name.split(":")
        found.append(Jar(group, artifact, version, "".join(classifier), int(size), sha256))
    return found


def repository() -> Path:
    """Where the jars are kept."""
    return settings.cache_dir() / "maven"


def fetch(lock: Path = KAFKA_LOCK, what: str = f"Kafka {settings.KAFKA_VERSION}") -> None:
    """Have every jar of a lock file in the cache, with the right sum; ``what`` is how they are called.

    Raises:
        BrokerError: a jar can't be had.
    """
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        jars = locked(lock)
        complete = pool.map(Jar.complete, jars)
        missing = [jar for jar, whole in zip(jars, complete, strict=True) if not whole]
        if not missing:
            return
        total, fetched = sum(jar.size for jar in missing), 0
        try:
            with Progress(f"Fetching {what}") as progress, _connections() as session:
                got = pool.map(lambda jar: _get(session, jar), missing)
                for count, jar in enumerate(got, 1):
                    fetched += jar.size
                    megabytes = f"{fetched / 1e6:.0f} of {total / 1e6:.0f} MB"
                    progress.update(f"{count} of {len(missing)} files, {megabytes}")
        except (OSError, BrokerError) as error:
            pool.shutdown(cancel_futures=True)
            raise BrokerError(
                f"The jar files of {what} could not be fetched from Maven Central ({error}). Check the "
                "network (a proxy: HTTPS_PROXY; certificates of its own: REQUESTS_CA_BUNDLE) and run "
                "`python -m helpers install` again: what has come already is kept."
            ) from error


def _connections() -> requests.Session:
    """Kept open from file to file, and patient with a server that is busy."""
    import requests  # takes 0.2 s, and is seldom needed
    from requests.adapters import HTTPAdapter, Retry

    logging.getLogger("urllib3").setLevel(logging.ERROR)  # else each retry is a line
    session = requests.Session()
    retries = Retry(4, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS, max_retries=retries))
    return session


def _get(session: requests.Session, jar: Jar) -> Jar:
    answer = session.get(f"{_address()}/{jar.path().relative_to(repository())}", timeout=TIMEOUT)
    answer.raise_for_status()
    if hashlib.sha256(answer.content).hexdigest() != jar.sha256:
        raise BrokerError(f"{jar.path().name} came with another SHA-256 sum")
    jar.path().parent.mkdir(parents=True, exist_ok=True)
    files.write(jar.path(), answer.content)
    return jar


@functools.cache
def _address() -> str:
    from jgo.maven import MavenContext

    return next(iter(MavenContext().remote_repos.values()))
