"""What may be predicted and measured, and how the two compare."""

import numbers
from collections.abc import Mapping
from typing import Any

from .notes import Value

LONGEST = 40  # characters of a word
HELD = {True: "yes", False: "no"}


def checked(values: Mapping[str, Any]) -> dict[str, Value]:
    """The values as plain numbers, booleans and words.

    Raises:
        TypeError: one is something else.
    """
    return {name: _plain(name, value) for name, value in values.items()}


def _plain(name: str, value: Any) -> Value:
    if isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, str) and 1 <= len(value.strip()) <= LONGEST and value.isprintable():
        return value.strip()
    raise TypeError(
        f"{name} is {value!r:.60}, but must be a number, True or False, or a word or two of at most "
        f"{LONGEST} characters. For instance {name}=2."
    )


def agree(predicted: Value | None, measured: Value) -> bool | None:
    """Is it what was predicted, or was nothing? Words may differ in capitals; True is not 1."""
    if predicted is None:
        return None
    if isinstance(predicted, str) and isinstance(measured, str):
        return predicted.casefold() == measured.casefold()
    return isinstance(predicted, bool) == isinstance(measured, bool) and predicted == measured


def spoken(value: Value) -> str:
    """A value as in a sentence."""
    return HELD[value] if isinstance(value, bool) else str(value)
