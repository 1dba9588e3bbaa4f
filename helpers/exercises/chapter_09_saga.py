"""Grader of the lab on sagas: an orchestrator that is killed on its way there, and on its way back."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from .answers import Wrong
from .grading import grader
from .lives import KILLED, Journal, dying, live

CarryOut = Callable[[sqlite3.Connection, str, list["Step"]], Any]
SECONDS = 20.0  # for a life
MOST = 60  # moments of a life at which it is killed
TABLE = "CREATE TABLE sagas (order_id TEXT PRIMARY KEY, state TEXT)"


@dataclass(frozen=True)
class Story:
    """What the steps say: to a first and to later questions, and to an undo."""

    told: str
    answers: dict[str, list[str]] = field(default_factory=dict)  # else "done"; the last one stays
    failing: dict[str, int] = field(default_factory=dict)  # how often an undo is not answered


class World:
    """The services of the steps, whose memory outlives the learner's processes."""

    def __init__(self, story: Story) -> None:
        self.story, self.journal = story, Journal()

    def count(self, *row: str) -> int:
        return self.journal.read().count(list(row))

    def in_effect(self, step: str, order: str) -> bool:
        """Done, and not undone: what is done again under the same order is not done anew."""
        return bool(self.count("did", step, order)) and not self.count("undid", step, order)


class Step:
    """One step as the learner gets it. `tick` is called before and after each effect."""

    def __init__(self, name: str, world: World, tick: Callable[[], None], names: list[str]) -> None:
        self.name, self._world, self._tick = name, world, tick
        self._later = names[names.index(name) + 1 :]

    def do(self, order: str) -> None:
        """Take the step."""
        self._tick()
        world = self._world
        answers = world.story.answers.get(self.name, ["done"])
        answer = answers[min(world.count("asked", self.name, order), len(answers) - 1)]
        world.journal.note("asked", self.name, order)
        if world.count("did", self.name, order):
            answer = "done"  # a repeated request gets the answer of the first
        elif answer in ("done", "late, done"):
            world.journal.note("did", self.name, order)
        self._tick()
        if answer == "refused":
            world.journal.note("failed", order)
            raise ValueError(f"{self.name} refuses {order}")
        if answer.startswith("late"):
            world.journal.note("failed", order)
            raise TimeoutError(f"{self.name} does not answer about {order}")

    def undo(self, order: str) -> None:
        """Undo the step, if it was done."""
        self._tick()
        world = self._world
        for later in self._later:
            if world.in_effect(self.name, order) and world.in_effect(later, order):
                world.journal.note("early", self.name, later, order)
        tried = world.count("tried", self.name, order)
        world.journal.note("tried", self.name, order)
        if tried < world.story.failing.get(self.name, 0):
            raise TimeoutError(f"{self.name} does not answer about {order}")
        world.journal.note("undid", self.name, order)
        self._tick()


@grader("9.5")
def sagas(carry_out: CarryOut, data: Random) -> str:
    """Stories that go through, are refused or not answered; in three of them a death at every moment."""
    names = data.sample(["stock", "card", "voucher", "points", "parcel", "insurance"], 3)
    stories = _stories(names, data)
    for story in stories:
        _run(carry_out, story, names, data)
    for story in stories[-3:]:
        for moment in range(1, MOST):
            if not _die(carry_out, story, names, data, moment):
                break
    return "all of it or nothing, wherever it died, and whatever the steps said the second time."


def _stories(names: list[str], data: Random) -> list[Story]:
    first, second, last = names
    often = data.randint(11, 15)  # more than the ten tries after which many give up
    return [
        Story("each step is done"),
        Story(f"{first} refuses", {first: ["refused"]}),
        Story(f"{last} refuses, and would agree later", {last: ["refused", "done"]}),
        Story(f"{second} is late, and was done", {second: ["late, done"]}, {second: often}),
        Story(f"{last} is late, and was not done", {last: ["late, not done", "done"]}),
    ]


def _run(carry_out: CarryOut, story: Story, names: list[str], data: Random) -> None:
    """A story without a death; another order that ends the other way; and the first is asked about
    again."""
    world, (order, other) = World(story), _orders(data)
    with _database() as path:
        said = _end(carry_out, world, names, path, order)
        _expect_end(carry_out, world, names, path, order, said)
        refusal = {names[0]: ["refused"]} if said == "done" else {}
        second = Story("the second order in the database, which ends the other way", refusal)
        _end(carry_out, World(second), names, path, other)
        _expect_end(carry_out, world, names, path, order, said, "; and another one has ended since")


def _end(carry_out: CarryOut, world: World, names: list[str], path: Path, order: str) -> Any:
    """One life without a death: all of it, if nothing failed, or nothing."""
    said = _live(carry_out, world, names, path, order)
    _expect_whole(world, names, order, said)
    failed = bool(world.count("failed", order))
    if failed != (said == "undone"):
        what = f"{world.story.told}: the function returned {said!r}."
        hint = "After a refusal, or no answer, the way leads back; otherwise it leads on."
        raise Wrong("wrong_result", what, hint)
    return said


def _expect_end(
    carry_out: CarryOut,
    world: World,
    names: list[str],
    path: Path,
    order: str,
    said: Any,
    since: str = "",
) -> None:
    """That an order which has ended is not begun again."""
    calls = len(world.journal.read())
    again = _live(carry_out, world, names, path, order)
    if again != said or len(world.journal.read()) > calls:
        what = f"asked again about an order that was {said}, the function returned {again!r}"
        what += " and asked the steps" if len(world.journal.read()) > calls else ""
        hint = "An order's story has an end: it can be noted, too, for this order and no other."
        raise Wrong("not_finished", what + since + ".", hint)


def _die(carry_out: CarryOut, story: Story, names: list[str], data: Random, moment: int) -> bool:
    """A life that is killed at this moment, another one killed at any, and a last. Whether the first
    came so far."""
    world, (order, _) = World(story), _orders(data)
    with _database() as path:
        if _live(carry_out, world, names, path, order, moment) is not KILLED:
            return False
        _live(carry_out, world, names, path, order, data.randint(1, 12))
        said = _live(carry_out, world, names, path, order)
        died = "; the process was killed and the function called again"
        _expect_whole(world, names, order, said, died)
    return True


def _orders(data: Random) -> list[str]:
    """Two orders; the second one's number is the beginning of the first one's."""
    number = data.randint(10, 99)
    return [f"order-{number}{data.randint(0, 9)}", f"order-{number}"]


@contextmanager
def _database() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sagas.db"
        with closing(sqlite3.connect(path)) as database:
            database.execute(TABLE)
        yield path


def _expect_whole(world: World, names: list[str], order: str, said: Any, how: str = "") -> None:
    effects = [name for name in names if world.in_effect(name, order)]
    whole = {"done": names, "undone": []}
    told = world.story.told + how
    if said not in whole:
        what = f"{told}: expected 'done' or 'undone', found {said!r}."
        raise Wrong("wrong_result", what, "Say how the story ended.")
    if effects != whole[said]:
        what = f"{told}: the function returned {said!r}, and in effect are: {effects or 'none'}."
        hint = "What does the next life know of the last one: which way it went, and what it had asked?"
        raise Wrong("half_done", what, hint)
    for word, *steps, of in world.journal.read():
        if (word, of) == ("early", order):
            what = f"{told}: {steps[0]} was undone while {steps[1]} was still in effect."
            raise Wrong("wrong_order", what, "The way back leads past the steps backwards.")


def _live(
    carry_out: CarryOut, world: World, names: list[str], path: Path, order: str, fatal: int = 0
) -> Any:
    """A process of the orchestrator, killed at this moment: a statement, or before or after an effect."""

    def work() -> Any:
        tick = dying(fatal)
        with closing(sqlite3.connect(path, timeout=20)) as database:
            database.set_trace_callback(tick)
            return carry_out(database, order, [Step(name, world, tick, names) for name in names])

    return live(carry_out, work, seconds=SECONDS)
