"""The tables of the crash matrices, which lie beside the labs that show them."""

from __future__ import annotations

import datetime
import json
from typing import Any

from helpers.programs import module

from . import outbox, saga

MATRICES = {"outbox": outbox, "saga": saga}
crash_matrices = module("crash_matrices.py")


def stored(name: str) -> list[list[Any]]:
    """The rows of a table as it was stored last."""
    return crash_matrices.read(name).to_numpy().tolist()


def store(name: str, rows: list[list[Any]]) -> None:
    """Write a table with today's date, a row to a line."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    lines = ",\n".join(json.dumps(row) for row in rows)
    columns = json.dumps(MATRICES[name].COLUMNS)
    text = f'{{"made": "{today}", "columns": {columns}, "rows": [\n{lines}\n]}}\n'
    (crash_matrices.FOLDER / f"{name}.json").write_text(text, encoding="utf-8")
