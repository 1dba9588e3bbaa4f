"""A learner's function, called with a deadline, and what may be wrong with it."""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

SECONDS = 30.0  # for one call of an answer, unless the grader says otherwise
BUSY = 1.5  # seconds that an answer may be late, on a busy machine
CLEANING_UP = 1.0  # seconds that it has to leave when it was told to
AT_ONCE = 2e-5  # seconds
Errors = tuple[type[BaseException], ...]


class NotAttempted(BaseException):
    """The answer is still the exercise's stub."""


class Wrong(BaseException):
    """What an answer got wrong. Not an Exception: what a learner catches does not catch it."""

    def __init__(self, kind: str, what: str, hint: str) -> None:
        super().__init__(kind, what, hint)
        self.kind = kind
        self.what = what
        self.hint = hint


class _Interrupted(BaseException):
    """Raised in the learner's code, to end it."""


class _Call:
    """One call of an answer in this thread, which may be ended from outside and from within."""

    def __init__(self, of: Callable, late: Wrong) -> None:
        self.verdict: Wrong | None = None
        self._of = of
        self._late = late
        self._inside = False
        self._warned = False

    def run(self, answer: Callable, arguments: tuple, may_raise: Errors) -> Any:
        self._inside = True
        try:
            said = answer(*arguments)
        except may_raise as error:
            said = error
        except Exception as error:
            said = None
            self.verdict = self.verdict or _raised(self._of, error)
        except (_Interrupted, Wrong, SystemExit) as error:
            said = None
            self.verdict = self.verdict or (error if isinstance(error, Wrong) else _left())
        finally:
            self._inside = False
        return said

    def interrupt(self, _number: int, frame: FrameType | None) -> None:
        """The alarm. From the second on it rings as fast as it can, until it meets the code outside
        every ``try``: no ``except`` outlives that."""
        if not self._inside or (frame is not None and frame.f_code is _Call.run.__code__):
            return
        self.verdict = self.verdict or self._late
        if self._warned:
            signal.setitimer(signal.ITIMER_REAL, AT_ONCE, AT_ONCE)
        self._warned = True
        raise _Interrupted

    def stop(self, wrong: Wrong) -> NoReturn:
        """Raise it in the learner's code, which has a second to clean up."""
        self.verdict = self.verdict or wrong
        if not self._warned and threading.current_thread() is threading.main_thread():
            self._warned = True
            signal.setitimer(signal.ITIMER_REAL, CLEANING_UP, CLEANING_UP)
        raise wrong


_calls: list[_Call] = []


def ask(
    answer: Callable,
    *arguments: Any,
    seconds: float = SECONDS,
    may_raise: Errors = (),
    late: Wrong | None = None,
    of: Callable | None = None,
) -> Any:
    """Call an answer, and return what it returns; or what it raises, if that is of ``may_raise``.

    Args:
        answer: the learner's function.
        arguments: what it is given.
        seconds: how long it may take.
        may_raise: the exceptions with which the grader reckons.
        late: what to raise when it takes longer.
        of: the learner's function, if that is not the answer but called by it.

    Raises:
        Wrong: it took too long, or raised what it may not.
        NotAttempted: it is the exercise's stub.
    """
    call = _Call(of or answer, late or too_late(seconds))
    _calls.append(call)
    main = threading.current_thread() is threading.main_thread()  # where signals arrive
    before = signal.signal(signal.SIGALRM, call.interrupt) if main else None
    # an event loop has each signal written down, and reads nothing meanwhile: it would overflow
    wakeup = signal.set_wakeup_fd(-1) if main else -1
    try:
        if main:
            signal.setitimer(signal.ITIMER_REAL, seconds, CLEANING_UP)
        said = call.run(answer, arguments, may_raise)
    finally:
        if main:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            signal.set_wakeup_fd(wakeup)
        _calls.remove(call)
    if call.verdict is not None:
        raise call.verdict
    return said


def expect_patience(given: float, took: float, besides: float = 0.0) -> None:
    """That an answer waited for what did not come as long as it was told to.

    To two deadlines of which one is at least `BUSY` longer than the other, no constant does justice.

    Args:
        given: its deadline, in seconds.
        took: after how many seconds it gave up.
        besides: seconds that it may need for something else, on this machine and now.

    Raises:
        Wrong: it gave up early, or late.
    """
    if not 0.8 * given < took < given + BUSY + besides:
        raise Wrong(
            "gave_up_early" if took < given else "waited_too_long",
            f"the function had {given:.1f} s, and gave up after {took:.1f}.",
            "Wait for as long as your caller has said, no less and no more.",
        )


def stop(wrong: Wrong) -> NoReturn:
    """End the learner's call that is going on, from an object that the learner was given."""
    _calls[-1].stop(wrong)


def _raised(answer: Callable, error: BaseException) -> Wrong:
    """What to say about an exception of the learner's code.

    Raises:
        NotAttempted: it is what a stub raises.
    """
    if isinstance(error, NotImplementedError):
        raise NotAttempted
    reason = str(error).strip().partition("\n")[0]
    return Wrong(
        "raised",
        f"{_place(answer, error)} raised {type(error).__name__}: {reason}",
        "call it in a cell of its own to see the whole traceback.",
    )


def _place(answer: Callable, error: BaseException) -> str:
    """Where in the learner's code an error arose."""
    code = getattr(answer, "__code__", None)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if code is not None and frame.filename == code.co_filename:
            return f"line {frame.lineno} of your cell, in {frame.name}(),"
    return "your code"


def too_late(seconds: float) -> Wrong:
    """What to say of an answer that was still running after so many seconds."""
    return Wrong(
        "no_deadline",
        f"your code was still running after {seconds:g} s and was stopped.",
        "give every wait for a message a deadline, and leave the loop when it has passed.",
    )


def _left() -> Wrong:
    return Wrong(
        "ended_process",
        "your code ended its process.",
        "return from the function; who has called it goes on.",
    )
