"""Acceptance suites of the projects: a system is broken while it works, and has to keep its promises.

A project is a folder of ``notebooks/projects/`` with a ``suite.py``: its function ``trial`` takes a
`Trial`, starts the services of some folder, kills and freezes what it likes, and at the end says which
promises were kept. Everything it draws comes from one seed.
"""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Set
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import ModuleType

from . import settings
from .brokers import BrokerError
from .commits import Service
from .notes import WORKBOOK
from .waiting import WaitTimeout, wait_until

COURSE = settings.CHECKOUT / "notebooks" / "projects"
SHOWN = 3  # offending messages
LONGEST = 300  # characters of one
PATIENCE = 30.0  # seconds for which a state is awaited; half as long after each wait in vain
RESTARTS = 10  # of one service, that ends again and again
APART = 1.0  # seconds between two starts of one service, at least


class NoProject(Exception):  # noqa: N818 (reads as the sentence it is)
    """There is no such project, or no such folder of services; the message says what there is."""


@dataclass(frozen=True)
class Promise:
    """What a system has promised, and what speaks against it."""

    name: str
    text: str
    offending: list[str]
    hint: str

    @property
    def kept(self) -> bool:
        """Does nothing speak against it?"""
        return not self.offending

    def __str__(self) -> str:
        if self.kept:
            return f"✔ {self.text}"
        shown = ", ".join(self.offending[:SHOWN])
        more = len(self.offending) - SHOWN
        also = f" and {more} more" if more > 0 else ""
        return f"✘ {self.text}\n  Not so: {shown}{also}\n  Hint: {self.hint}"


@dataclass
class Report:
    """What became of a trial: ``kept``, or the names of the promises that were ``broken``."""

    project: str
    folder: Path
    seed: int
    deeds: list[str] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Were all promises kept?"""
        return all(promise.kept for promise in self.promises)

    @property
    def broken(self) -> list[str]:
        """The names of the promises that were not kept."""
        return [promise.name for promise in self.promises if not promise.kept]

    def __str__(self) -> str:
        verdict = (
            "All promises were kept."
            if self.kept
            else f"Broken promises: {len(self.broken)} of {len(self.promises)}."
        )
        mine = shlex.quote(str(self.folder))
        again = f"python -m helpers accept {self.project} --mine {mine} --seed {self.seed}"
        lines = [*(f"· {deed}" for deed in self.deeds), *map(str, self.promises), verdict]
        return "\n".join([*lines, f"The same trial again: {again}"])


class Trial:
    """One run of a system under a suite. Its services are started again whenever they end, as whoever
    runs a system would have it."""

    def __init__(self, report: Report) -> None:
        """``report`` is where the deeds and the promises go."""
        self.data = Random(report.seed)
        self.space = Path(tempfile.mkdtemp(prefix="breaking-brokers-accept-")).resolve()
        self.stack = ExitStack()  # what is to be ended with the trial
        self.stack.callback(shutil.rmtree, self.space, ignore_errors=True)
        self._report = report
        self._patience = PATIENCE
        self._starts: dict[Service, list[float]] = {}  # of each service that is to run: when

    def start(self, service: str, *arguments: object) -> Service:
        """Start a service, and start it again whenever it ends, until ``retire``.

        Raises:
            NoProject: the folder has no such program.
        """
        program = self.run(service, *arguments)
        self._starts[program] = [time.monotonic()]
        return program

    def run(self, service: str, *arguments: object) -> Service:
        """Start a program of the system that may end.

        Raises:
            NoProject: the folder has no such program.
        """
        file = self._report.folder / service
        if not file.is_file():
            raise NoProject(f"The system needs a program {service}, and {file.parent} has none.")
        program = Service(str(file), *arguments)
        self.stack.callback(program.close)
        return program

    def retire(self, program: Service) -> None:
        """A service need no longer be started again."""
        self._starts.pop(program, None)

    def wait_until(
        self,
        check: Callable[[], object],
        what: str,
        seconds: float = PATIENCE,
        tolerate: tuple[type[Exception], ...] = (),
    ) -> bool:
        """Wait for a state, and keep the services running meanwhile; has it come?

        Nobody waits for a system whose services have all ended too often, and one that was waited for
        in vain gets half as long the next time: a trial ends soon, whatever is wrong.

        Args:
            check: looks at the state once.
            what: completes the sentence "waited in vain for …", which the report then has.
            seconds: the longest wait.
            tolerate: exceptions of ``check`` that mean "not yet", as a broker's errors do.
        """

        came = False

        def over() -> bool:
            nonlocal came
            self._supervise()
            with suppress(BrokerError, *tolerate):
                came = bool(check())
            return came or self._has_given_up()

        with suppress(WaitTimeout):
            wait_until(over, what, min(seconds, self._patience), every=0.1)
        if not came:
            self._patience /= 2
            self._report.deeds.append(f"waited in vain for {what}")
        return came

    def comes(
        self,
        check: Callable[[], object],
        seconds: float,
        tolerate: tuple[type[Exception], ...] = (),
    ) -> bool:
        """Does a state come within a moment? It need not, and nobody is started again meanwhile.

        Args:
            check: looks at the state once.
            seconds: the moment.
            tolerate: exceptions of ``check`` that mean "not yet".
        """
        with suppress(WaitTimeout):
            return bool(wait_until(check, "a moment", seconds, tolerate=tolerate))
        return False

    def struck(self, deed: str) -> None:
        """Note what was done to the system: a trial in which nothing happens proves nothing."""
        self._report.deeds.append(deed)

    def promise(self, name: str, text: str, offending: Iterable[object], hint: str) -> None:
        """Note a promise, and whatever speaks against it: nothing, if it was kept.

        Args:
            name: a word for what is promised: ``"nothing_lost"``.
            text: the promise, as a sentence.
            offending: the messages that broke it; of what is long, beginning and end are shown.
            hint: where to look, not the solution.
        """
        rows = sorted(map(_short, offending))
        self._report.promises.append(Promise(name, text, rows, hint))

    def promise_parking(
        self, bad: str, wanted: Set[object], found: Iterable[tuple[object, object]], hint: str
    ) -> None:
        """Note three promises: what is bad was parked, nothing else was, and each with a reason.

        Args:
            bad: the beginning of a sentence: ``"What is no click"``.
            wanted: all that is bad.
            found: what was parked, and the reason that was given.
            hint: where to look when some of it was not.
        """
        rows = list(found)
        parked = {what for what, _ in rows}
        mute = [what for what, reason in rows if not reason]
        self.promise("bad_is_parked", f"{bad} is parked", wanted - parked, hint)
        self.promise("good_is_not", "Nothing else is parked", parked - wanted, REASON)
        self.promise("says_why", "What is parked says why", mute, MUTE)

    def promise_to_run(self) -> None:
        """Note whether the services ran, or ended again and again; with their last words."""
        often = [service for service, starts in self._starts.items() if _often(starts)]
        said = [
            f"{Path(service.name).name} ({(service.errors() or ['no word'])[-1]})"
            for service in often
        ]
        self.promise("services_run", "No service ended again and again", said, LAST_WORDS)

    def _supervise(self) -> None:
        for service, starts in self._starts.items():
            due = time.monotonic() - starts[-1] >= APART and not _often(starts)
            if due and not service.running():
                service.start()
                starts.append(time.monotonic())

    def _has_given_up(self) -> bool:
        return bool(self._starts) and all(
            _often(starts) and not service.running() for service, starts in self._starts.items()
        )


def _often(starts: list[float]) -> bool:
    """Has it been started too often to be started once more?"""
    return len(starts) > RESTARTS


def _short(offending: object) -> str:
    text = str(offending)
    return text if len(text) < LONGEST else f"{text[: LONGEST // 2]} … {text[-50:]}"


REASON = "look at its reason."
MUTE = "the header is called `reason`."
LAST_WORDS = "what ends a service is the last line of its error output, shown in brackets."


def accept(project: str, folder: str | Path = "starter", *, seed: int | None = None) -> Report:
    """Try a system, and return what became of it.

    Args:
        project: a folder of ``projects/`` in the course, or in the workbook.
        folder: where its services are: ``"starter"`` is the project's, in the learner's copy if there
            is one; any other is found from the current directory.
        seed: repeats a trial; without it one is drawn.

    Raises:
        NoProject: there is no such project or folder; with those that there are.
        BrokerError: the trial's brokers did not start.

    Example:
        >>> print(accept("task_queue", "starter", seed=1))  # doctest: +SKIP
    """
    suite, services = _suite(project), _services(project, folder)
    chosen = Random().randint(0, settings.HIGHEST_SEED) if seed is None else seed
    report = Report(project, services, chosen)
    trial = Trial(report)
    with trial.stack:
        suite.trial(trial)
    return report


def projects() -> list[str]:
    """The projects that have a suite, the learner's own among them."""
    return sorted({file.parent.name for root in _roots() for file in root.glob("*/suite.py")})


def _roots() -> list[Path]:
    """The folders of projects: of the course or the workbook that we are in, the workbook's, the
    course's."""
    here = Path.cwd()
    folders = [*(above / "projects" for above in (here, *here.parents)), WORKBOOK / "projects"]
    return [folder for folder in (*folders, COURSE) if folder.is_dir()]


def _suite(project: str) -> ModuleType:
    """The course's suite, whatever a copy of it says; of a project that the learner has made, theirs."""
    found = (root / project / "suite.py" for root in (COURSE, *_roots()))
    file = next((file for file in found if file.is_file()), None)
    if file is None:
        raise NoProject(f"There is no project {project!r}. There are: {', '.join(projects())}.")
    spec = importlib.util.spec_from_file_location(f"suite_of_{project}", file)
    assert spec is not None
    assert spec.loader is not None
    suite = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(suite)
    return suite


def _services(project: str, folder: str | Path) -> Path:
    parts = Path(folder).parts  # none for "."
    roots = _roots() if parts and ".." not in parts else []
    for place in (*(root / project / folder for root in roots), Path.cwd() / folder):
        if place.is_dir():
            return place.resolve()
    raise NoProject(
        f"There is no folder {str(folder)!r} of services: not in the project {project}, nor in "
        f"{Path.cwd()}. The project has: {', '.join(_folders(project))}."
    )


def _folders(project: str) -> list[str]:
    """The folders of a project that have programs."""
    return sorted(
        {file.parent.name for root in _roots() for file in root.glob(f"{project}/*/*.py")}
    )
