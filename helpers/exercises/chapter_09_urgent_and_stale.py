"""Grader of the lab on priorities and expiry: a normaliser of two formats."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from .answers import Wrong, ask
from .grading import grader

Normalise = Callable[[str | None, bytes], Any]
NAMES = ("Ada", "Zoë", "O'Hara", "R&D, Inc.", "Smith; Sons", 'Ann "Nan" Lee')
CENTS = (1, 29, 110, 435, 1999, 100_000_00)  # of which a fraction times 100 falls short or beyond
JSON, CSV = "application/json", "text/csv"
WRITTEN = {  # as partners write it
    JSON: (JSON, "application/json; charset=utf-8", "Application/JSON"),
    CSV: (CSV, "text/csv; charset=utf-8", "TEXT/CSV"),
}


@grader("9.10")
def normaliser(normalise: Normalise, data: Random) -> str:
    """Names and prices that go wrong in each format, types as they are written, and much nonsense."""
    for sound in _sound(data):
        _expect(normalise, *sound)
    for why, content_type, body in _nonsense(data.randint(1, 10**6)):
        said = ask(normalise, content_type, body, may_raise=(ValueError,))
        if not isinstance(said, ValueError):
            raise Wrong(
                "accepted",
                f"normalise({content_type!r}, {body!r:.80}) returned {said!r}, though {why}.",
                "ask of each field what it has to be; what is not that raises ValueError.",
            )
    return "both formats read to the last cent, and all nonsense refused."


def _sound(data: Random) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    for types in WRITTEN.values():
        for n, (customer, cents) in enumerate(zip(NAMES, CENTS, strict=True)):
            meant = {"order": data.randint(1, 10**9), "customer": customer, "cents": cents}
            yield types[n % len(types)], _write(types[0], meant, data).encode(), meant


def _write(content_type: str, order: dict[str, Any], data: Random) -> str:
    number, name, cents = order.values()
    price = f"{cents // 100}.{cents % 100:02}"
    if content_type == JSON:
        fields = list(order.items())
        data.shuffle(fields)
        return json.dumps(dict(fields), ensure_ascii=data.random() < 0.5)
    csv.writer(line := io.StringIO(), delimiter=";").writerow([number, name, price])
    return line.getvalue()


def _expect(normalise: Normalise, content_type: str, body: bytes, meant: dict[str, Any]) -> None:
    call = f"normalise({content_type!r}, {body!r})"
    said = ask(normalise, content_type, body, may_raise=(ValueError,))
    if isinstance(said, ValueError):
        raise Wrong(
            "refused",
            f"{call} raised ValueError: {said}. It means {meant}.",
            "read the table and the rules once more: this message keeps them all.",
        )
    if not isinstance(said, dict) or said.keys() != meant.keys():
        raise Wrong(
            "wrong_fields",
            f"{call} returned {said!r}, expected {meant}.",
            "return a dictionary with these three fields, whatever the format was.",
        )
    for field, value in meant.items():
        if said[field] != value or type(said[field]) is not type(value):
            raise Wrong(
                f"wrong_{field}",
                f"{call}: the {field} is {said[field]!r}, expected {value!r}.",
                "compare the body with what you made of it, character by character.",
            )


def _nonsense(n: int) -> Iterator[tuple[str, str | None, bytes]]:
    """What has to be refused: why, the content type, and the body."""
    sound = {"order": n, "customer": "Ada", "cents": 1250}
    as_json = json.dumps(sound).encode()
    for other in (None, "", "text/plain", "application/jsonl", "text/csv2", "csv"):
        yield f"there is no format {other!r}", other, as_json
    for why, content in (
        ("a field is missing", {"order": n, "customer": "Ada"}),
        ("there is a field too many", sound | {"discount": 5}),
        ("the cents are a text", sound | {"cents": "1250"}),
        ("the cents are no whole number", sound | {"cents": 12.5}),
        ("the cents are no number", sound | {"cents": True}),
        ("the cents are below zero", sound | {"cents": -1250}),
        ("the price is nothing", sound | {"cents": 0}),
        ("there is no order 0", sound | {"order": 0}),
        ("the order is no number", sound | {"order": None}),
        ("the customer has no name", sound | {"customer": ""}),
        ("the customer's name is blank", sound | {"customer": "  "}),
        ("the customer is no text", sound | {"customer": None}),
        ("it is a list", [sound]),
    ):
        yield why, JSON, json.dumps(content).encode()
    for why, line in (
        ("there is nothing in it", ""),
        ("a field is missing", f"{n};Ada"),
        ("there is a field too many", f"{n};Ada;12.50;EUR"),
        ("there are two lines", f"{n};Ada;12.50\n{n + 1};Eve;1.00\n"),
        ("the price has a comma", f"{n};Ada;12,50"),
        ("the price has one decimal", f"{n};Ada;12.5"),
        ("the price has three decimals", f"{n};Ada;12.505"),
        ("the price has no decimals", f"{n};Ada;12"),
        ("the price is below zero", f"{n};Ada;-12.50"),
        ("the price is below zero", f"{n};Ada;-0.50"),
        ("the price is not in digits", f"{n};Ada;12.+5"),
        ("the price is nothing", f"{n};Ada;0.00"),
        ("the price is not in digits", f"{n};Ada;1e3"),
        ("the price is not in digits", f"{n};Ada;NaN"),
        ("a quote is not closed", f'{n};"Ada;12.50'),
        ("a quote is not closed", f'{n};Ada;"12.50'),
        ("there is more behind a quote", f'{n};"Ada"x;12.50'),
        ("the order is no number", f"{n}a;Ada;12.50"),
        ("the order is not in digits", f"{n}_0;Ada;12.50"),
        ("the order is below zero", f"-{n};Ada;12.50"),
        ("there is no order 0", "0;Ada;12.50"),
        ("the customer has no name", f"{n};;12.50"),
    ):
        yield why, CSV, line.encode()
    yield "it breaks off", JSON, as_json[:-2]
    yield "it is nested too deep", JSON, b"[" * 100_000
    yield "it is not in UTF-8", CSV, f"{n};Zoë;12.50".encode("latin-1")
