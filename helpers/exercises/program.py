"""A learner's function as a program of its own, so that a grader can kill it."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable

from . import Wrong


def as_program(answer: Callable, rest: str) -> str:
    """The source of a program: the learner's function, which it calls ``answer``, and the rest.

    Raises:
        Wrong: there is no source, or the answer is not a plain function.
        NotImplementedError: it is the exercise's stub.
    """
    try:
        source = textwrap.dedent(inspect.getsource(answer))
    except (OSError, TypeError) as error:
        raise Wrong(
            "the source of the answer can't be found, so it can't run in its own process.",
            "Define it with `def` in a cell, and give check() the function itself.",
        ) from error
    name = getattr(answer, "__name__", "")
    if not source.startswith(f"def {name}("):
        raise Wrong("the answer is not a plain function.", "Define it with `def` in a cell.")
    if _is_stub(source):
        raise NotImplementedError
    return f"from __future__ import annotations\n{source}\nanswer = {name}\n{rest}"


def _is_stub(source: str) -> bool:
    """Is a `raise NotImplementedError` all that a function consists of, but for a docstring?"""
    [function] = ast.parse(source).body
    body = [
        part
        for part in getattr(function, "body", [])
        if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
    ]
    if [type(part) for part in body] != [ast.Raise]:
        return False
    return ast.unparse(body[0]).startswith("raise NotImplementedError")
