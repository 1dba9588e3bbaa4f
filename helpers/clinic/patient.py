"""A patient of the clinic: a small set-up that is broken, what a colleague says of it, and its discharge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from ..exercises.answers import Wrong
from ..programs import Program
from ..waiting import WaitTimeout, wait_until

PATIENCE = 20.0  # seconds for what a sound set-up does in a few
MANY = 5  # orders that a message names
Value = str | int | float


@dataclass(frozen=True)
class Verdict:
    """What became of a patient: ``kind`` is "cured", "fault" (of the check), or what is still wrong."""

    kind: str
    said: str
    hint: str = ""

    def __str__(self) -> str:
        mark = {"cured": "✔ Discharged", "fault": "⚠ Not examined"}.get(self.kind, "✘ Stays")
        return f"{mark}: {self.said}" + (f"\n  Hint: {self.hint}" if self.hint else "")


class Patient(ABC):
    """One case. ``admit`` breaks it; you look, and repair; ``discharge`` judges.

    Its programs run on meanwhile. ``restart("packer-1", prefetch=10)`` stops one and starts it with
    other options; ``start`` adds one, ``stop`` ends one.
    """

    name: ClassVar[str]
    symptoms: ClassVar[str]
    """What a colleague reports: no diagnosis."""
    in_hand: ClassVar[Mapping[str, str]]
    """What the learner is given: attributes, and what they are."""
    hints: ClassVar[tuple[str, ...]]
    options: ClassVar[Mapping[str, Value]] = {}
    """What ``start`` and ``restart`` may be told, and what the packers have now."""
    program: ClassVar[str] = ""
    """The file of its packers."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.data = Random(f"{self.name} {seed}")
        self.programs: dict[str, Program] = {}
        self.running_with: dict[str, dict[str, Value]] = {}
        self._ended: list[Program] = []
        self._given = 0  # hints
        self._cured: Verdict | None = None

    # -- what a case says ------------------------------------------------------------------------

    @abstractmethod
    def break_it(self) -> None:
        """Set it up on live brokers, and wait until the symptoms are there."""

    @abstractmethod
    def expect_cured(self) -> str:
        """Return one line on what is well again, the same on each run.

        Raises:
            Wrong: it is not cured, or something was harmed; with what, and where to look.
        """

    @abstractmethod
    def clean_up(self) -> None:
        """Delete what the case has made on brokers; it may be half there, or gone."""

    @property
    @abstractmethod
    def brokers(self) -> Any:
        """Where it is: what ``clients`` and ``audit`` take."""

    def arguments(self) -> list[object]:
        """What each packer is told first."""
        return []

    # -- what the learner does -------------------------------------------------------------------

    def start(self, packer: str, **options: Value) -> Program:
        """Start one more packer.

        Args:
            packer: a name that none has.
            options: where it differs from those that were there.

        Raises:
            ValueError: one of this name is there; or there is no such option.
        """
        if packer in self.programs:
            raise ValueError(f"There is a {packer!r} already: use restart(), or another name.")
        self._expect_known(options)
        self._launch(packer, {**self.options, **options})
        return self.programs[packer]

    def stop(self, packer: str) -> None:
        """Ask a packer to end (SIGTERM), and wait until it has.

        Raises:
            KeyError: there is none of this name.
        """
        program = self.programs.pop(packer)
        self.running_with.pop(packer, None)
        program.stop()
        self._ended.append(program)

    def restart(self, packer: str, **options: Value) -> Program:
        """Stop a packer, and start it with these options in place of what it had. Raises as ``start``."""
        self._expect_known(options)
        had = self.running_with[packer]
        self.stop(packer)
        self._launch(packer, {**had, **options})
        return self.programs[packer]

    def hint(self) -> None:
        """Print the next hint; there are a few, and the last one nearly tells."""
        if self._given < len(self.hints):
            self._given += 1
        print(f"Hint {self._given} of {len(self.hints)}: {self.hints[self._given - 1]}")

    def discharge(self) -> None:
        """Have the patient examined; print the verdict. Once cured, it is taken down."""
        print(verdict := self._cured or self.examine())
        if verdict.kind == "cured" and not self._cured:
            self._cured = verdict
            self.close()

    def examine(self) -> Verdict:
        """What ``discharge`` prints."""
        try:
            return Verdict("cured", f"{self.name}. Now {self.expect_cured()}")
        except Wrong as wrong:
            return Verdict(wrong.kind, wrong.what, wrong.hint)
        except Exception as error:
            reason = str(error).strip().partition("\n")[0]
            return Verdict(
                "fault",
                f"the check could not be finished. {type(error).__name__}: {reason}",
                "does the broker answer? Run the cell again; else admit the patient anew.",
            )

    def close(self) -> None:
        """Take the patient down, cured or not; does no harm if that has happened."""
        for program in self.programs.values():
            program.stop()
        self._ended += self.programs.values()
        self.programs.clear()
        self.running_with.clear()
        self.clean_up()

    def card(self, name: str = "patient") -> str:
        """Symptoms, and what is in hand, as Markdown; the learner's variable has this name."""
        given = "\n".join(
            f"- `{name}.{what}`: {text.replace('patient.', f'{name}.')}"
            for what, text in self.in_hand.items()
        )
        options = ", ".join(f"`{key}={value!r}`" for key, value in self.options.items())
        told = f"\n- a packer's options, as they are: {options}" if options else ""
        return f"> {self.symptoms}\n\n{given}{told}"

    def _repr_markdown_(self) -> str:
        return self.card()

    def __repr__(self) -> str:
        return "Patient()"

    # -- for the cases ---------------------------------------------------------------------------

    def handled(self) -> Counter[str]:
        """How often each order was packed, by those that have ended too."""
        every = [*self._ended, *self.programs.values()]
        return Counter(order for one in every for _, order in one.handled())

    def _expect_known(self, options: Mapping[str, Value]) -> None:
        if wrong := options.keys() - self.options.keys():
            known = ", ".join(self.options) or "none"
            raise ValueError(f"A packer has no option {min(wrong)!r}. It has: {known}.")

    def _launch(self, name: str, options: Mapping[str, Value], *, file: str = "") -> None:
        words = [word for key, value in options.items() for word in (f"--{key}", value)]
        self.programs[name] = Program(file or self.program, *self.arguments(), *words)
        self.running_with[name] = dict(options)


def eventually(check: Callable[[], Any], seconds: float = PATIENCE) -> bool:
    """Does it become true in time?"""
    with suppress(WaitTimeout):
        return bool(wait_until(check, "a cure", seconds))
    return False


def some(orders: Iterable[object]) -> str:
    """A few of these orders, in their order, to be named in a message."""
    listed = sorted(map(str, orders), key=lambda one: (len(one), one))
    more = f" and {len(listed) - MANY} more" if len(listed) > MANY else ""
    return ", ".join(listed[:MANY]) + more
