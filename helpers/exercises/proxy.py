"""Something between a learner's function and what it uses, which counts, breaks or watches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

PUBLISH = ("exchange", "routing_key", "body", "properties", "mandatory")  # of pika
DECLARE = ("queue", "passive", "durable", "exclusive", "auto_delete", "arguments")


def declared(arguments: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that ``queue_declare`` was called with, by name; a queue's arguments as well."""
    said = {**dict(zip(DECLARE, arguments, strict=False)), **options}
    return {**said, **(said.get("arguments") or {})}


def published(arguments: Sequence[Any], options: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """What ``basic_publish`` was called with, by name; and its body, as text."""
    said = {**dict(zip(PUBLISH, arguments, strict=False)), **options}
    body = said.get("body", "")
    return said, body.decode(errors="replace") if isinstance(body, bytes) else body


class Proxy:
    """Passes everything on to another object, but for some of its methods.

    ``Proxy(channel, basic_publish=hook)`` calls ``hook(publish, *arguments)`` in place of
    ``basic_publish``; ``publish`` is the original. ``calls`` counts the calls of the hooks. There may be
    one for ``__iter__``, too.
    """

    def __init__(self, target: Any, **hooks: Callable[..., Any]) -> None:
        self._target = target
        self._hooks = hooks
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        hook = self._hooks.get(name)
        if hook is None:
            return found

        def hooked(*arguments: Any, **options: Any) -> Any:
            self.calls[name] += 1
            return hook(found, *arguments, **options)

        return hooked

    def __iter__(self) -> Any:
        return self.__getattr__("__iter__")()

    def __next__(self) -> Any:
        return next(self._target)

    def __enter__(self) -> Proxy:
        self._target.__enter__()
        return self

    def __exit__(self, *trouble: Any) -> Any:
        return self._target.__exit__(*trouble)
