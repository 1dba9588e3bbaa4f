"""Names that no other run uses, and the removal of what they named.

Each process keeps its names in a file of its own, and holds a lock on that file for as long as it
lives. Whoever can take the lock knows that the owner is dead and that nobody else will clean up.
"""

from __future__ import annotations

import fcntl
import functools
import logging
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import settings

if TYPE_CHECKING:
    from .brokers import Brokers

log = logging.getLogger(__name__)

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without 0/o and 1/l/i, for reading aloud
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def fresh(what: str) -> str:
    """A name for a topic, consumer group, queue or exchange that nothing else uses.

    Args:
        what: what it is for, up to 100 letters, digits and ``. _ -``. It comes first in the name,
            after ``BREAKING_BROKERS_LEARNER`` if that is set.

    Raises:
        ValueError: ``what``, or the learner's prefix, has a character that a broker refuses.

    Example:
        >>> fresh("orders")  # doctest: +SKIP
        'orders-k3f9x2ab'
    """
    _refuse_bad(what, "fresh()")
    parts = [what, "".join(secrets.choice(_ALPHABET) for _ in range(8))]
    if learner := settings.learner():
        _refuse_bad(learner, "BREAKING_BROKERS_LEARNER")
        parts.insert(0, learner)
    name = "-".join(parts)
    _registry(settings.run_dir() / "names").add(name)
    return name


def clean_up(brokers: Brokers) -> None:
    """Delete whatever bears a name that this process made, or that a dead one left behind.

    Topics, consumer groups, queues and exchanges go; nothing else is touched. What can't be deleted
    yet, such as a group whose member has not left, stays noted for the next time; so does a topic,
    until a clean-up has found it gone, since a client that is still open may bring it back.

    Args:
        brokers: what ``up()`` returned; ``kafka`` or ``rabbitmq`` is None if not in use.
    """
    both = brokers.kafka is not None and brokers.rabbitmq is not None
    _registry(settings.run_dir() / "names").remove(functools.partial(_delete, brokers), both)


class Registry:
    """The names of this process, on disk, and those that dead processes left beside them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._names: list[str] = []
        self._file: Path | None = None
        self._descriptor = -1
        self._lock = threading.Lock()

    def add(self, name: str) -> None:
        """Note a name before anything is called by it."""
        with self._lock:
            if self._file is None or not self._file.exists():
                self._open()
            self._names.append(name)
            os.write(self._descriptor, f"{name}\n".encode())

    def remove(self, delete: Callable[[list[str]], set[str]], on_both: bool = True) -> None:
        """Offer the names of this process and of dead ones to ``delete``, and forget those gone.

        Args:
            delete: deletes what it can, and returns the names that are still in use.
            on_both: it looks at both brokers; else those of the dead stay noted, for the other one.
        """
        with self._lock, self._abandoned() as abandoned:
            left = {file: file.read_text().split() for file in abandoned}
            names = [*self._names, *(name for names in left.values() for name in names)]
            kept = delete(names) if names else set()
            for file, names in left.items() if on_both else ():
                file.write_text(_lines(names, kept))
                if not kept.intersection(names):
                    file.unlink()
            self._names = [name for name in self._names if name in kept]
            if self._file is not None:
                os.ftruncate(self._descriptor, 0)
                os.write(self._descriptor, _lines(self._names).encode())

    def _open(self) -> None:
        """Make this process's file, also if someone deleted it. It is locked before it is seen."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._file = self._directory / f"{os.getpid()}-{secrets.token_hex(4)}.txt"
        unseen = self._file.with_suffix(".new")
        self._descriptor = os.open(
            unseen, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600
        )
        with suppress(OSError):  # where locks do not work, nobody else can take this one either
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unseen.rename(self._file)
        os.write(self._descriptor, _lines(self._names).encode())

    @contextmanager
    def _abandoned(self) -> Iterator[list[Path]]:
        """The files of dead processes, locked meanwhile against another clean-up."""
        files: list[Path] = []
        descriptors: list[int] = []
        try:
            for file in sorted(self._directory.glob("*.txt")):
                with suppress(OSError):  # locked by its living owner, also by us; or gone since
                    descriptors.append(os.open(file, os.O_RDWR))
                    fcntl.flock(descriptors[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if os.fstat(descriptors[-1]).st_nlink:  # else another clean-up has deleted it
                        files.append(file)
            yield files
        finally:
            for descriptor in descriptors:
                os.close(descriptor)


@functools.cache
def _registry(directory: Path) -> Registry:
    return Registry(directory)


def _refuse_bad(part: str, source: str) -> None:
    if not _PART.fullmatch(part) or part.startswith("amq."):
        raise ValueError(
            f"{source} got {part!r}: a name may have up to 100 letters, digits, '.', '_' and '-', "
            "and must start with a letter or digit; 'amq.' belongs to RabbitMQ."
        )


def _lines(names: list[str], of: set[str] | None = None) -> str:
    return "".join(f"{name}\n" for name in names if of is None or name in of)


# -- deleting on the brokers -----------------------------------------------------------------


def _delete(brokers: Brokers, names: list[str]) -> set[str]:
    """Delete what bears these names. Returns the names of which something could not be deleted."""
    kept: set[str] = set()
    if brokers.kafka is not None:
        kept |= _delete_on_kafka(brokers.kafka, set(names))
    if brokers.rabbitmq is not None:
        kept |= _delete_on_rabbitmq(brokers.rabbitmq, names)
    if kept:
        log.info("Still in use, to be deleted next time: %s", ", ".join(sorted(kept)))
    return kept


def _delete_on_kafka(options: dict[str, Any], names: set[str]) -> set[str]:
    from kafka import KafkaAdminClient

    kept: set[str] = set()
    with KafkaAdminClient(**options) as admin:
        if topics := sorted(names.intersection(admin.list_topics())):
            admin.delete_topics(topics, raise_errors=False)
            kept |= set(topics)  # a client that is still open brings its topic back
        if groups := sorted(names.intersection(group["group_id"] for group in admin.list_groups())):
            fine = ("OK", "GroupIdNotFoundError")
            kept |= {g for g, answer in admin.delete_groups(groups).items() if answer not in fine}
    return kept


def _delete_on_rabbitmq(parameters: Any, names: list[str]) -> set[str]:
    import pika

    kept: set[str] = set()
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        for name in names:
            for method in ("queue_delete", "exchange_delete"):
                try:
                    getattr(channel, method)(name)
                except pika.exceptions.ChannelClosedByBroker as refusal:
                    if refusal.reply_code != 404:
                        log.info("%s: %s", name, refusal.reply_text)
                        kept.add(name)
                    channel = connection.channel()  # a refusal closes no more than the channel
    return kept
