"""Waiting for a state that can be observed: the only polling loop in the course."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LOG_LINES = 15


class WaitTimeout(TimeoutError):  # noqa: N818 (reads as the sentence it is)
    """What was awaited did not happen in time; the message says what was last seen."""


def wait_until(
    check: Callable[[], T],
    what: str,
    timeout: float = 10.0,
    every: float = 0.05,
    *,
    tolerate: tuple[type[Exception], ...] = (),
    log: Callable[[], str] | None = None,
    then: str | None = None,
) -> T:
    """Call ``check`` until it returns something true, and return that.

    Args:
        check: looks at the awaited state once, and should itself take well under a second.
        what: completes the sentence "Waited for …", as in "all 100 orders to be in the queue".
        timeout: seconds. The state is looked at once more when they are over.
        every: seconds between two looks.
        tolerate: exceptions that mean "not yet". Any other one ends the wait at once.
        log: returns the log of what is awaited; the error ends with its last lines.
        then: the next command to run if this fails.

    Raises:
        WaitTimeout: not true within ``timeout`` seconds.

    Example:
        >>> arrived = [1, 2, 3]
        >>> wait_until(lambda: len(arrived) == 3, "three messages to arrive", timeout=1)
        True
    """
    started = time.monotonic()
    while True:
        last_look = time.monotonic() - started >= timeout
        trouble: Exception | None = None
        value: T | None = None
        try:
            value = check()
        except tolerate as error:
            trouble = error
        if value:
            return value
        if last_look:
            seen = f"{type(trouble).__name__}: {trouble}" if trouble else repr(value)
            raise WaitTimeout(_message(what, timeout, seen, log, then)) from trouble
        time.sleep(min(every, max(0.0, started + timeout - time.monotonic())))


def _message(
    what: str, timeout: float, seen: str, log: Callable[[], str] | None, then: str | None
) -> str:
    lines = [f"Waited {timeout:g} s for {what}, in vain. Last seen: {seen}"]
    if log is not None:
        tail = log().rstrip().splitlines()[-LOG_LINES:]
        lines += ["The log ends:", *("  " + line for line in tail or ["(it is empty)"])]
    if then:
        lines.append(f"Next: {then}")
    return "\n".join(lines)
