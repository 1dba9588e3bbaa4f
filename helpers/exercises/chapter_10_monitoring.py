"""Grader of the lab on monitoring: an alert that rings before retention overtakes a reader."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from ..prometheus import Prometheus
from .answers import Wrong, ask
from .grading import grader

OLDEST, COMMITTED = "kafka_topic_partition_oldest_offset", "kafka_consumergroup_current_offset"
LABELS = "consumergroup", "topic", "partition"
MINUTES = 70  # of history
RECENT = 12  # minutes since which most readers go at the speed that they have now
NOW_AT = 10**6  # the oldest offset of every partition
STEP = 4  # looks between two deletions: retention deletes a segment at a time


@dataclass(frozen=True)
class Reader:
    """A group on a partition: speeds in records a minute, and where all is now."""

    group: str
    topic: str
    partition: int
    oldest_speed: int
    speed: int
    margin: int
    found: bool
    case: str
    earlier_speed: int
    recent: int  # minutes since which it goes at its speed

    @property
    def labels(self) -> tuple[str, str, str]:
        """Its labels, as the alert must have them."""
        return self.group, self.topic, str(self.partition)

    def series(self, name: str) -> str:
        """A metric with its labels, as OpenMetrics writes them."""
        of_group = f'consumergroup="{self.group}",' if name == COMMITTED else ""
        return f'{name}{{{of_group}topic="{self.topic}",partition="{self.partition}"}}'

    def value(self, name: str, look: int) -> float:
        """A metric so many looks before now."""
        if name == OLDEST:
            return NOW_AT - -(-look // STEP) * STEP / 2 * self.oldest_speed
        before = look / 2
        recent = min(before, self.recent)
        return NOW_AT + self.margin - recent * self.speed - (before - recent) * self.earlier_speed


@grader("10.3")
def warns(overtaken_soon: Callable[[], str], data: Random) -> str:
    """A Prometheus that has seen a dozen readers for an hour is asked which of them it finds."""
    expression = ask(overtaken_soon)
    if not isinstance(expression, str):
        raise Wrong(
            "not_text",
            f"the function returned {expression!r:.80}, which is no text.",
            "Return the expression itself, as it stands before the comma in alert_rules.py.",
        )
    readers, now = _readers(data), time.time()
    with tempfile.TemporaryDirectory() as folder:
        history = Path(folder) / "history"
        history.write_text(_open_metrics(readers, now))
        with Prometheus({}, {}, history=history) as prometheus:
            try:
                found = [labels for labels, _ in prometheus.query(expression, at=now)]
            except ValueError as error:
                raise Wrong(
                    "refused",
                    f"Prometheus can't answer it: {error}",
                    "Which series of the left meets which of the right? `on` says by which labels, "
                    "and `group_left` that many on the left may meet one on the right.",
                ) from None
    _compare(found, readers)
    return "every reader that will be overtaken within an hour was found, and no other."


def _compare(found: list[dict[str, str]], readers: list[Reader]) -> None:
    for labels in found:
        if missing := [name for name in LABELS if name not in labels]:
            raise Wrong(
                "labels",
                f"it found {labels or 'something without labels'}, which lacks {missing[0]}.",
                "Whoever is woken has to know group, topic and partition: add nothing up.",
            )
    names = {tuple(labels[name] for name in LABELS) for labels in found}
    for reader in sorted(readers, key=lambda reader: not reader.found):  # first what is missed
        if reader.found != (reader.labels in names):
            raise Wrong(
                "missed" if reader.found else "false_alarm",
                f"{'not found' if reader.found else 'found, though all is well'}: a reader that "
                f"{reader.case}. It is {reader.margin} records after the oldest offset, which moves "
                f"by {reader.oldest_speed} a minute, and the reader by {reader.speed}.",
                "Where will both offsets be in an hour, at the speed of the last ten minutes?",
            )


def _readers(data: Random) -> list[Reader]:
    """Readers of three topics; those of one partition see the same retention."""
    group = (f"group-{n}" for n in data.sample(range(100), 20))
    topics = [f"orders-{n}" for n in data.sample(range(100), 3)]
    fast, slow = data.randint(60, 120), data.randint(10, 25)
    made: list[Reader] = []

    def add(
        topic: int, partition: int, retention: int, speed: int, margin: float, found: bool,
        case: str, earlier: int | None = None, who: str = "", recent: int = RECENT,
    ) -> None:  # fmt: skip
        before = speed if earlier is None else earlier
        given = who or next(group), topics[topic], partition, retention, speed, round(margin)
        made.append(Reader(*given, found, case, before, recent))

    gap = data.randint(fast // 3, fast // 2)  # by which a reader is slower than retention
    add(0, 0, fast, fast - gap, gap * data.randint(10, 40), True, "will be overtaken soon")
    add(0, 0, fast, fast - gap, gap * data.randint(90, 105), False, "has an hour and a half left")
    add(0, 0, fast, fast, data.randint(200, 400), False, "is as fast as retention")
    add(0, 0, fast, fast + gap, data.randint(200, 400), False, "is faster than retention")
    add(0, 0, fast, 0, fast * data.randint(10, 40), True, "stands still")
    both = made[-1].group
    add(0, 1, slow, 0, slow * data.randint(90, 105), False, "stands still far ahead", who=both)
    add(0, 1, slow, 0, slow * data.randint(10, 40), True, "stands still")
    add(1, 0, 0, 0, data.randint(5, 20), False, "stands still, where nothing is deleted", who=both)
    add(1, 0, 0, 0, -data.randint(5, 20), True, "has been overtaken")
    add(1, 0, 0, slow, data.randint(5, 20), False, "works, where nothing is deleted")
    add(2, 0, fast, fast + gap, fast * 5, False, "was down, and is fast again", earlier=0)
    add(
        2, 0, fast, fast - gap, gap * data.randint(10, 40), True,
        "has been slow for some minutes", earlier=4 * fast,
    )  # fmt: skip
    add(
        2, 0, fast, 0, fast * 15, False, "is faster than retention, with a pause just now",
        earlier=fast * 3 // 2, recent=3,
    )  # fmt: skip
    data.shuffle(made)
    return made


def _open_metrics(readers: list[Reader], now: float) -> str:
    """Two looks a minute at every series; readers of one partition have one oldest offset."""
    lines = []
    for name in (OLDEST, COMMITTED):
        lines.append(f"# TYPE {name} gauge")
        for series, reader in {reader.series(name): reader for reader in readers}.items():
            for look in range(2 * MINUTES, -1, -1):
                lines.append(f"{series} {reader.value(name, look):.0f} {now - look * 30:.3f}")
    return "\n".join([*lines, "# EOF", ""])
