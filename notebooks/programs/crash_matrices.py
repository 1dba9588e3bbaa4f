"""The stored tables of deaths: who was killed where, and what was left in the end.

Made anew, in the course's folder:
    .venv/bin/python -m tests.matrices outbox saga
"""

import json
from pathlib import Path

import pandas

FOLDER = Path(__file__).parents[1] / "labs" / "crash_matrices"


def read(name: str) -> pandas.DataFrame:
    """A row for each death; `attrs["made"]` is the day of the last run."""
    table = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    found = pandas.DataFrame(table["rows"], columns=table["columns"])
    found.attrs["made"] = table["made"]
    return found
