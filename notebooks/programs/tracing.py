"""Spans of several processes: each writes its own to a file, and the notebook reads them all.

By hand, in the course's folder, with a folder that the traced programs have written to:
    .venv/bin/python notebooks/programs/tracing.py FOLDER
"""

import json
import sys
from pathlib import Path

import pandas
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
)

MINUTE = 60_000  # milliseconds


def start(service, folder, buffered=False):
    """A tracer, which writes each span that ends to the service's file: at once, or once a minute."""
    file = (Path(folder) / f"{service}.jsonl").open("a")
    to_file = ConsoleSpanExporter(out=file, formatter=lambda span: span.to_json(indent=None) + "\n")
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    if buffered:
        provider.add_span_processor(BatchSpanProcessor(to_file, schedule_delay_millis=MINUTE))
    else:
        provider.add_span_processor(SimpleSpanProcessor(to_file))
    return provider.get_tracer("breaking-brokers")


def read(folder):
    """All spans in a folder as a table, in the order of their starts."""
    columns = ["service", "name", "order", "trace", "id", "parent", "links", "start", "end"]
    lines = [
        line for file in Path(folder).glob("*.jsonl") for line in file.read_text().splitlines()
    ]
    table = pandas.DataFrame([_row(json.loads(line)) for line in lines], columns=columns)
    for column in ("start", "end"):
        table[column] = pandas.to_datetime(table[column])
    return table.sort_values("start", ignore_index=True)


def lanes(table):
    """What `charts.gantt` draws of spans: a lane for each, in milliseconds since the first began."""
    numbers = {trace: f"trace {n}" for n, trace in enumerate(table["trace"].unique(), 1)}
    first, drawn = table["start"].min(), {}
    for span in table.itertuples():
        start, end = ((time - first).total_seconds() * 1000 for time in (span.start, span.end))
        number = numbers[span.trace]
        drawn[f"{span.service}, {span.name}: {number}"] = [(start, end, number)]
    return drawn


def _row(span):
    return [
        span["resource"]["attributes"]["service.name"],
        span["name"],
        span["attributes"].get("order"),
        span["context"]["trace_id"],
        span["context"]["span_id"],
        span["parent_id"],
        [link["context"]["trace_id"] for link in span["links"]],
        span["start_time"],
        span["end_time"],
    ]


if __name__ == "__main__":
    print(read(sys.argv[1]).to_string())
