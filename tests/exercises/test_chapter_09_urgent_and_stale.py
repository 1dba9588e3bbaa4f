"""The grader of the normaliser tells right answers from wrong ones."""

import csv
import json
import re
from decimal import Decimal, InvalidOperation

from tests.exercises.answers import Answers, stub

FIELDS = ("order", "customer", "cents")
TYPES = ("application/json", "text/csv")


def exact(price):
    if not re.fullmatch(r"[0-9]+\.[0-9]{2}", price or ""):
        raise ValueError(price)
    return int(price.replace(".", ""))


def whole(text):
    if not re.fullmatch("[0-9]+", text or ""):
        raise ValueError(text)
    return int(text)


def by_lenient_csv(text):
    [[number, customer, price]] = csv.reader(text.splitlines(), delimiter=";")
    return number, customer, price


def by_parts(price):
    euros, cents = price.split(".")
    if len(cents) != 2:
        raise ValueError(price)
    return int(euros) * 100 + int(cents)


def by_strict_csv(text):
    [[number, customer, price]] = csv.reader(text.splitlines(), delimiter=";", strict=True)
    return number, customer, price


def by_csv(text):
    try:
        return by_strict_csv(text)
    except csv.Error as error:
        raise ValueError("a quote") from error


def json_of(text):
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("too deep") from error


def by_split(text):
    number, customer, price = text.strip().split(";")
    return number, customer, price


def type_of(content_type):
    return (content_type or "").split(";")[0].strip().lower()


def normaliser(
    cents=exact,
    number=whole,
    read_csv=by_csv,
    read_json=json_of,
    of_type=type_of,
    encoding="utf-8",
    whole_json=lambda value: type(value) is int,
    fields=lambda order: order.keys() == {*FIELDS},
    named=lambda customer: isinstance(customer, str) and customer.strip(),
):
    """One that is right in all that it isn't told to do otherwise."""

    def normalise(content_type, body):
        kind, text = of_type(content_type), body.decode(encoding)
        if kind not in TYPES:
            raise ValueError(content_type)
        if kind == "application/json":
            order = read_json(text)
            if not isinstance(order, dict) or not fields(order):
                raise ValueError(order)
            order = {name: order[name] for name in FIELDS}
            if not all(whole_json(order[name]) for name in ("order", "cents")):
                raise ValueError(order)
        else:
            found = read_csv(text)
            order = {"order": number(found[0]), "customer": found[1], "cents": cents(found[2])}
        if not named(order["customer"]) or order["order"] < 1 or order["cents"] < 1:
            raise ValueError(order)
        return order

    return normalise


def by_decimals(content_type, body):
    """Written in another way, with decimals."""
    kind = "" if content_type is None else content_type.lower().split(";")[0]
    if kind == "application/json":
        order = json_of(body)
        if not isinstance(order, dict):
            raise ValueError("no object")
        if sorted(order) != ["cents", "customer", "order"]:
            raise ValueError("fields")
        if any(isinstance(value, bool | float) for value in order.values()):
            raise ValueError("numbers")
    elif kind == "text/csv":
        try:
            rows = list(csv.reader(body.decode().splitlines(), delimiter=";", strict=True))
        except csv.Error:
            rows = []
        if len(rows) != 1 or len(rows[0]) != 3:
            raise ValueError("fields")
        order = dict(zip(("order", "customer", "price"), rows[0], strict=True))
    else:
        raise ValueError("format")
    if "price" in order:
        try:
            price = Decimal(order.pop("price"))
        except InvalidOperation as error:
            raise ValueError("price") from error
        if not price.is_finite() or price.as_tuple().exponent != -2:
            raise ValueError("price")
        if not order["order"].isdecimal():
            raise ValueError("order")
        order |= {"order": int(order["order"]), "cents": int(price * 100)}
    if not isinstance(order["order"], int) or not isinstance(order["cents"], int):
        raise ValueError("numbers")
    if not isinstance(order["customer"], str) or not order["customer"].strip():
        raise ValueError("name")
    if min(order["order"], order["cents"]) < 1:
        raise ValueError("numbers")
    return {name: order[name] for name in FIELDS}


def silent(content_type, body):
    """Says nothing of what it can't read."""
    try:
        return normaliser()(content_type, body)
    except ValueError:
        return None


def leaking(content_type, body):
    """Lets the reader's own errors out."""
    if type_of(content_type) == "application/json":
        order = json.loads(body)
        return {name: order[name] for name in FIELDS}
    return normaliser()(content_type, body)


def texts(content_type, body):
    order = normaliser()(content_type, body)
    return order | {"order": str(order["order"])}


def constant(_content_type, _body):
    return {"order": 7, "customer": "Ada", "cents": 1250}


ANSWERS = {
    "9.10": Answers(
        right={
            "reference": normaliser(),
            "decimals": by_decimals,
            "fields in order": normaliser(fields=lambda order: sorted(order) == sorted(FIELDS)),
        },
        wrong={
            "not begun": ("not_attempted", stub),
            "always the example": ("wrong_order", constant),
            "fractions": (
                "wrong_cents",
                normaliser(cents=lambda price: int(float(price) * 100)),
            ),
            "fractions, rounded": (
                "accepted",
                normaliser(cents=lambda price: round(float(price) * 100)),
            ),
            "split at semicolons": ("refused", normaliser(read_csv=by_split)),
            "a strict reader's own error": ("raised", normaliser(read_csv=by_strict_csv)),
            "a lenient reader": ("accepted", normaliser(read_csv=by_lenient_csv)),
            "JSON of any depth": ("raised", normaliser(read_json=json.loads)),
            "euros and cents apart": ("accepted", normaliser(cents=by_parts)),
            "numbers as Python has them": ("accepted", normaliser(number=int)),
            "latin-1": ("wrong_customer", normaliser(encoding="latin-1")),
            "undecodable bytes left out": (
                "accepted",
                lambda kind, body: normaliser()(kind, body.decode(errors="ignore").encode()),
            ),
            "types as in the table only": (
                "refused",
                normaliser(of_type=lambda kind: kind or ""),
            ),
            "types by a part of them": (
                "accepted",
                normaliser(
                    of_type=lambda kind: next(
                        (t for t in TYPES if t.split("/")[1] in (kind or "").lower()), ""
                    )
                ),
            ),
            "True is a number": (
                "accepted",
                normaliser(whole_json=lambda value: isinstance(value, int)),
            ),
            "int() takes more than digits": (
                "accepted",
                normaliser(cents=lambda p: int(p.replace(".", ""))),
            ),
            "further fields passed over": (
                "accepted",
                normaliser(fields=lambda order: order.keys() >= {*FIELDS}),
            ),
            "nameless": ("accepted", normaliser(named=lambda customer: customer is not None)),
            "silent": ("accepted", silent),
            "KeyError": ("raised", leaking),
            "the order as a text": ("wrong_order", texts),
        },
    )
}


def test_answers(case):
    case.judge()
