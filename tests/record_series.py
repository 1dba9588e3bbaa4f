"""Record what the lab on monitoring shows to its Prometheus, for `tests/brokers/test_alert_rules.py`.

    .venv/bin/python -m tests.record_series

It runs the lab's cells from the rules to the faults on live brokers, and writes each number that a
rule asks for, a sample for each half minute, as promtool has it. Which rules noticed what is theirs.
"""

import itertools
import json
import os
import re
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from tests import pages

LAB = Path(__file__).parent.parent / "notebooks" / "labs" / "10_monitoring.ipynb"
RECORDED = Path(__file__).parent / "brokers" / "recorded_series.json"
CELLS = ("setup", "rules-start", "healthy", "faults-cause", "faults-run")
LOOK = 0.5  # seconds: half a minute of the lab's
METRIC = re.compile(r"\b(?:kafka|rabbitmq)_\w+")
ABOUT_THE_TARGET = "__name__", "instance", "job"


def main() -> None:
    """Record it."""
    cells = {cell["id"]: pages.text(cell) for cell in pages.cells(LAB)}
    os.chdir(LAB.parent)
    kernel = InteractiveShell.instance()
    try:
        for name in CELLS:
            kernel.run_cell(cells[name]).raise_error()
        RECORDED.write_text(json.dumps(_recorded(kernel.user_ns), indent=1) + "\n")
    finally:
        kernel.run_cell(cells["clean"])


def _recorded(lab: dict[str, Any]) -> dict[str, Any]:
    prometheus, noticed = lab["prometheus"], {name: lab["noticed"](name) for name in lab["rules"]}
    begin, end = lab["started"], prometheus.query("timestamp(up)")[0][1]
    expressions = [rule for rules in lab["rules"].values() for rule, _ in rules.values()]
    metrics = sorted({name for rule in expressions for name in METRIC.findall(rule)})
    looks = [begin + LOOK * number for number in range(int((end - begin) / LOOK) + 1)]
    series: dict[str, list[str]] = {}
    for (number, at), metric in itertools.product(enumerate(looks), metrics):
        for labels, value in prometheus.query(metric, at):
            about = (f'{k}="{v}"' for k, v in sorted(labels.items()) if k not in ABOUT_THE_TARGET)
            samples = series.setdefault(f"{metric}{{{', '.join(about)}}}", ["_"] * len(looks))
            samples[number] = f"{value:.0f}"
    return {
        "series": {name: _shorter(samples) for name, samples in sorted(series.items())},
        "healthy_until": int((lab["broken"] - begin) / LOOK),
        "until": len(looks) - 1,
        "faults": lab["alert"],
        "on_a_healthy_day": lab["false_alarms"],
        "noticed": {name: [fault for fault in of if of[fault]] for name, of in noticed.items()},
    }


def _shorter(samples: list[str]) -> str:
    """As promtool writes it: 5x8 is a five and eight more, _x8 are eight that are missing."""
    runs = ((value, len(list(same))) for value, same in itertools.groupby(samples))
    return " ".join(
        value if count == 1 else f"{value}x{count - (value != '_')}" for value, count in runs
    )


if __name__ == "__main__":
    main()
