"""A ledger counts messages: what was sent, what was confirmed, what arrived, and what that makes.

The rules are those of Jepsen's total-queue checker: multisets of message ids, compared at the end.
"""

from __future__ import annotations

import bisect
import re
import threading
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

    from .programs import Program

COLUMNS = ("attempted", "acknowledged", "unknown", "read", "lost", "duplicated")
RARE_COLUMNS = ("refused", "recovered", "unexpected")  # shown only where one is not zero


class LedgerError(RuntimeError):
    """The ledger was used in a way that would make its counts worthless."""


@dataclass(frozen=True)
class Counts:
    """Numbers of messages. All are of one subscription, which expects a copy of each message.

    ``attempted``, ``acknowledged`` (the broker said yes), ``refused`` (it said no) and ``read``
    are what was recorded. The others follow from them:

    - ``lost``: acknowledged, but never read
    - ``duplicated``: reads beyond the attempts that were not refused
    - ``unknown``: neither acknowledged nor refused
    - ``recovered``: unknown, but read after all
    - ``unexpected``: reads of a message that was never attempted, or only refused
    """

    attempted: int
    acknowledged: int
    refused: int
    read: int
    lost: int
    duplicated: int
    unknown: int
    recovered: int
    unexpected: int


class Ledger:
    """The account of one experiment. Any thread may write to it.

    A message is noted by its id, anything hashable. Attempt it once for each time that its work
    should be done: a client that sends it again because no answer came makes no second attempt,
    so that the second copy counts as a duplicate.

    Example:
        >>> ledger = Ledger("three orders")
        >>> for order in (1, 2, 3):
        ...     ledger.attempt(order)
        ...     ledger.acknowledge(order)
        >>> for order in (1, 3, 3):
        ...     ledger.read(order, consumer="worker-1")
        >>> ledger.finish("the queue is empty and nothing is unacknowledged")
        >>> ledger.count().lost, ledger.count().duplicated
        (1, 1)
        >>> ledger
        three orders
        attempted  acknowledged  unknown  read  lost  duplicated
                3             3        0     3     1           1
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._lock = threading.Lock()
        self._attempted: Counter[Hashable] = Counter()
        self._acknowledged: Counter[Hashable] = Counter()
        self._refused: Counter[Hashable] = Counter()
        self._deliveries: dict[str, list[tuple[str, Hashable]]] = {}
        self._consumers: dict[str, set[str]] = {}
        self._finished: str | None = None

    # -- recording ---------------------------------------------------------------------------

    def attempt(self, message: Hashable) -> None:
        """Note, before sending, that the message is about to be sent."""
        with self._lock:
            self._still_open("attempt", message)
            self._attempted[message] += 1

    def acknowledge(self, message: Hashable) -> None:
        """Note that the broker has confirmed the message.

        Raises:
            LedgerError: every attempt of it already has its answer.
        """
        self._answered("acknowledge", message, self._acknowledged)

    def refuse(self, message: Hashable) -> None:
        """Note that the broker has said no: the message is not stored and nobody will read it.

        A time-out or a lost connection is no refusal: record nothing, and it counts as unknown.

        Raises:
            LedgerError: every attempt of it already has its answer.
        """
        self._answered("refuse", message, self._refused)

    def join(self, consumer: str, subscription: str = "all") -> None:
        """Note a consumer that may receive nothing, so that it is counted with 0 read."""
        with self._lock:
            self._still_open("join", consumer)
            self._joined(consumer, subscription)

    def read(
        self, message: Hashable, consumer: str = "consumer", subscription: str = "all"
    ) -> None:
        """Note one delivery. Call it for each one, duplicates too, in the order they arrive."""
        with self._lock:
            self._still_open("read", message)
            self._joined(consumer, subscription)
            self._deliveries[subscription].append((consumer, message))

    def read_from(self, programs: Mapping[str, Program], subscription: str = "all") -> None:
        """Note what each of the programs has handled, one after the other in time.

        Args:
            programs: by name. Each has printed ``handled ORDER TIME`` for each order that it handled;
                an order that is a number is noted as one.
        """
        for name in programs:
            self.join(name, subscription)
        handled = ((*line, name) for name, one in programs.items() for line in one.handled())
        for _, order, name in sorted(handled):
            self.read(int(order) if order.isdecimal() else order, name, subscription)

    def finish(self, reason: str) -> None:
        """End the recording.

        Args:
            reason: how you know that nothing more can arrive, as in "end offsets reached".
        """
        with self._lock:
            self._still_open("finish", reason)
            if not reason.strip():
                raise LedgerError("finish() needs a reason: how do you know nothing more can come?")
            self._finished = reason

    # -- reading it --------------------------------------------------------------------------

    @property
    def subscriptions(self) -> list[str]:
        """Those that expect a copy of each message; one, called "all", unless others were named."""
        with self._lock:
            return sorted(self._deliveries, key=_natural) or ["all"]

    def count(self, subscription: str | None = None) -> Counts:
        """What the recorded events add up to.

        Args:
            subscription: may be left out where there is one only.

        Raises:
            LedgerError: ``finish()`` was not called, or there is no such subscription.
        """
        subscription = self._chosen(subscription)
        with self._lock:
            if self._finished is None:
                raise LedgerError(
                    f"Ledger {self.title!r}: no count before the reading is finished, since what "
                    "is still on its way would look lost. Read until the broker has nothing more "
                    "(the end offsets are reached, or the queue is empty with nothing "
                    'unacknowledged), then call ledger.finish("why nothing more can come").'
                )
            read = Counter(message for _, message in self._deliveries.get(subscription, []))
            unknown = self._attempted - self._acknowledged - self._refused
            stored = self._attempted - self._refused  # as far as anyone can know
            beyond = read - stored
            return Counts(
                attempted=self._attempted.total(),
                acknowledged=self._acknowledged.total(),
                refused=self._refused.total(),
                read=read.total(),
                lost=(self._acknowledged - read).total(),
                duplicated=sum(n for message, n in beyond.items() if stored[message]),
                unknown=unknown.total(),
                recovered=(unknown & (read - self._acknowledged)).total(),
                unexpected=sum(n for message, n in beyond.items() if not stored[message]),
            )

    def log(self, subscription: str | None = None) -> list[tuple[str, Hashable]]:
        """Each delivery as consumer and id, in the order in which they were read."""
        subscription = self._chosen(subscription)
        with self._lock:
            return list(self._deliveries.get(subscription, []))

    def sequence(self, subscription: str | None = None) -> list[Hashable]:
        """The ids in the order in which they were read, by whichever consumer."""
        return [message for _, message in self.log(subscription)]

    def inversions(self, subscription: str | None = None) -> int:
        """How far out of order the ids were read: see the function ``inversions``."""
        return inversions(self.sequence(subscription))

    def by_consumer(self, subscription: str | None = None) -> dict[str, list[Hashable]]:
        """The ids that each consumer read, in order; consumers sorted by name."""
        subscription = self._chosen(subscription)
        with self._lock:
            names = sorted(self._consumers.get(subscription, ()), key=_natural)
            shares: dict[str, list[Hashable]] = {name: [] for name in names}
            for consumer, message in self._deliveries.get(subscription, []):
                shares[consumer].append(message)
            return shares

    @staticmethod
    def table(*ledgers: Ledger) -> DataFrame:
        """The counts of several ledgers side by side: one row for each arm of an experiment.

        Columns as in a single ledger: refused, recovered and unexpected only if one is not zero.
        """
        from pandas import DataFrame

        labels: list[str] = []
        counts: list[Counts] = []
        for ledger in ledgers:
            names = ledger.subscriptions
            labels += [ledger.title if len(names) == 1 else f"{ledger.title}: {n}" for n in names]
            counts += map(ledger.count, names)
        return DataFrame(map(asdict, counts), index=labels, columns=_columns(counts))

    def __repr__(self) -> str:
        if self._finished is None:
            return f"{self.title} (still recording: no counts yet)"
        header, rows = self._cells()
        columns = []
        for name, *cells in zip(header, *rows, strict=True):
            width = max(map(len, [name, *cells]))
            pad = str.rjust if name in _NUMBERS else str.ljust
            columns.append([pad(cell, width) for cell in (name, *cells)])
        lines = map("  ".join, zip(*columns, strict=True))
        return "\n".join([self.title, *lines])

    def _repr_html_(self) -> str:
        if self._finished is None:
            return f"<p>{escape(repr(self))}</p>"
        header, rows = self._cells()
        caption = '<caption style="text-align:left;font-weight:bold;padding:0 0 .4em">'
        table = "".join(_html_row("td", header, row) for row in rows)
        table = _html_row("th", header, header) + table
        return f"<table>{caption}{escape(self.title)}</caption>{table}</table>"

    # -- details -----------------------------------------------------------------------------

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows of the table; the subscription is named where there is a choice."""
        names = self.subscriptions
        counts = list(map(self.count, names))
        columns = _columns(counts)
        rows = [[str(getattr(count, column)) for column in columns] for count in counts]
        if names != ["all"]:
            columns = ["subscription", *columns]
            rows = [[name, *row] for name, row in zip(names, rows, strict=True)]
        return columns, rows

    def _joined(self, consumer: str, subscription: str) -> None:
        self._deliveries.setdefault(subscription, [])
        self._consumers.setdefault(subscription, set()).add(consumer)

    def _chosen(self, subscription: str | None) -> str:
        known = self.subscriptions
        if subscription is None and len(known) == 1:
            return known[0]
        if subscription in known:
            return subscription
        problem = (
            "several subscriptions: say which"
            if subscription is None
            else f"no subscription {subscription!r} (one that read nothing must join() first)"
        )
        raise LedgerError(f"Ledger {self.title!r}: {problem}. There is {', '.join(known)}.")

    def _still_open(self, action: str, subject: Any) -> None:
        if self._finished is not None:
            raise LedgerError(
                f"Ledger {self.title!r} is finished ({self._finished}), so {action}({subject!r}) "
                "comes too late. Either finish() was called too early, or a cell ran twice: make a "
                "new Ledger and run the experiment again."
            )

    def _answered(self, action: str, message: Hashable, answers: Counter[Hashable]) -> None:
        with self._lock:
            self._still_open(action, message)
            if self._attempted[message] <= self._acknowledged[message] + self._refused[message]:
                raise LedgerError(
                    f"Ledger {self.title!r}: {action}({message!r}), but no attempt of it is waiting "
                    "for an answer. Call attempt() with the same id before sending."
                )
            answers[message] += 1


def inversions(sequence: Iterable[Any]) -> int:
    """How far out of order: the number of pairs of which the later one is the smaller one.

    0 is sorted; n·(n-1)/2 is reversed. Takes O(n log n) comparisons.

    Example:
        >>> inversions([1, 2, 4, 3])
        1
        >>> inversions([4, 3, 2, 1])
        6
    """
    earlier: list[Any] = []  # sorted
    pairs = 0
    for item in sequence:
        place = bisect.bisect(earlier, item)
        pairs += len(earlier) - place
        earlier.insert(place, item)
    return pairs


def _columns(counts: Iterable[Counts]) -> list[str]:
    present = {name for count in counts for name, n in asdict(count).items() if n}
    return [*COLUMNS, *(name for name in RARE_COLUMNS if name in present)]


_NUMBERS = {*COLUMNS, *RARE_COLUMNS}


def _html_row(tag: str, header: list[str], cells: list[str]) -> str:
    sides = ("right" if name in _NUMBERS else "left" for name in header)
    return "<tr>{}</tr>".format(
        "".join(
            f'<{tag} style="text-align:{side}">{escape(cell)}</{tag}>'
            for side, cell in zip(sides, cells, strict=True)
        )
    )


def _natural(name: str) -> list[tuple[int, int | str]]:
    """Sorts worker-2 before worker-10."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name)]
