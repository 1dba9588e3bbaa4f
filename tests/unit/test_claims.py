"""The register is consistent, and verdict() fails whenever a measurement differs from it."""

import json
import re
from collections import Counter

import pytest

from helpers import claims as module
from helpers import notebooks as course
from helpers.claims import Card, Claim, ClaimContradicted, claims, scorecard, settled_in, verdict
from helpers.settings import CHECKOUT

PROSE = "\n".join(text for _, text, _ in course.cells(CHECKOUT / "notebooks", "markdown"))

RETIRED = {
    "1.2",
    "1.4",
    "1.8",
    "2.1",
    "4.6",
    "4.9",
    "5.7",
}  # no experiment settles them; not to be used again
every_claim = pytest.mark.parametrize("claim", claims().values(), ids=lambda claim: claim.id)


def test_the_claims_are_in_order_and_no_retired_number_comes_back():
    numbers = [tuple(map(int, claim.split("."))) for claim in claims()]
    assert numbers == sorted(numbers)
    assert not RETIRED & set(claims())


def test_no_claim_is_listed_twice():
    raw = module.tomllib.loads(module._REGISTER.read_text(encoding="utf-8"))["claim"]
    assert [claim for claim, n in Counter(entry["id"] for entry in raw).items() if n > 1] == []


@every_claim
def test_page_and_card_state_it_in_the_same_words(claim):
    """A reader who sees two sentences asks whether they are two claims."""
    shown = re.findall(rf"^> \*\*Claim {re.escape(claim.id)}\*\* (.+)$", PROSE, re.MULTILINE)
    for sentence in shown:
        assert re.sub("[`*]", "", sentence) == re.sub("[`*]", "", claim.text)


@every_claim
def test_a_claim_is_complete(claim):
    assert claim.text.strip().endswith(".")
    assert claim.correction.strip().endswith(".")
    assert claim.expected
    assert all(condition.isidentifier() for condition in claim.expected)
    assert all(isinstance(holds, bool) for holds in claim.expected.values())


@every_claim
def test_a_source_is_an_address(claim):
    assert claim.source.startswith("https://")
    assert " " not in claim.source


@every_claim
def test_a_card_fits_the_page(claim):
    assert len(repr(Card(claim, claim.expected, {}, {})).splitlines()) <= 12


def a_claim(outdated_since=None, **expected) -> Claim:
    return Claim("0.1", "Water is <wet>.", expected, "It depends.", "https://x.org", outdated_since)


@pytest.mark.parametrize(
    ("claim", "word"),
    [
        (a_claim(a=True, b=True), "holds"),
        (a_claim(a=True, b=False), "holds only if …"),
        (a_claim(a=False, b=False), "wrong"),
        (a_claim("Kafka 3.0", a=False), "outdated since Kafka 3.0"),
    ],
)
def test_the_word_follows_from_the_conditions(claim, word):
    assert claim.verdict == word


@pytest.fixture
def register(monkeypatch):
    monkeypatch.setattr(
        module, "claims", lambda: {"0.1": a_claim(no_crash=True, after_a_crash=False)}
    )


@pytest.mark.usefixtures("register")
def test_a_measurement_as_registered_passes_and_shows_the_card(capsys):
    verdict("0.1", no_crash=True, after_a_crash=False)
    shown = capsys.readouterr().out
    assert shown.splitlines() == [
        "Claim 0.1: Water is <wet>.",
        "Verdict: holds only if …",
        "  no crash       held",
        "  after a crash  did not hold",
        "It depends.",
        "Source: https://x.org",
    ]


@pytest.mark.usefixtures("register")
@pytest.mark.parametrize(
    ("measured", "complaint"),
    [
        (
            {"no_crash": False, "after_a_crash": False},
            "no crash: did not hold, against the register",
        ),
        ({"no_crash": True, "after_a_crash": True}, "after a crash: held, against the register"),
        ({"no_crash": True}, "after a crash: not measured"),
        (
            {"no_crash": True, "after_a_crash": False, "at_night": True},
            "at night: held, but the register has no such condition",
        ),
    ],
)
def test_anything_else_fails_and_still_shows_the_card(measured, complaint, capsys):
    with pytest.raises(ClaimContradicted, match=complaint):
        verdict("0.1", **measured)
    shown = capsys.readouterr().out
    assert "Verdict: contradicted" in shown
    assert "Water is <wet>." in shown


@pytest.mark.usefixtures("register")
@pytest.mark.parametrize("value", [0, 3, None, "yes"])
def test_only_true_and_false_are_measurements(value):
    with pytest.raises(TypeError, match="no_crash is"):
        verdict("0.1", no_crash=value, after_a_crash=False)


@pytest.mark.usefixtures("register")
def test_an_unknown_claim_is_an_error():
    with pytest.raises(LookupError, match=r"no claim '9\.9'"):
        verdict("9.9")


def test_the_card_is_escaped():
    html = Card(a_claim(no_crash=True), {"no_crash": True}, {}, {})._repr_html_()
    assert "&lt;wet&gt;" in html
    assert 'href="https://x.org"' in html


def test_conditions_read_as_words():
    card = repr(Card(a_claim(late_rabbitmq_queue=True), {"late_rabbitmq_queue": True}, {}, {}))
    assert "\n  late RabbitMQ queue  held\n" in card
    card = repr(Card(a_claim(kafka_go_and_kafka=True), {"kafka_go_and_kafka": True}, {}, {}))
    assert "\n  kafka-go and Kafka  held\n" in card


@pytest.fixture
def notebooks(tmp_path):
    def notebook(name: str, *cells: tuple[str, str]) -> None:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        content = [{"cell_type": kind, "source": [text]} for kind, text in cells]
        path.write_text(json.dumps({"cells": content}))

    notebook(
        "03_a.ipynb", ("markdown", 'verdict("3.2")'), ("code", 'x = 1\nverdict("3.1", a=True)')
    )
    notebook("labs/03_b.ipynb", ("code", "verdict( '3.3', a=x)"), ("code", 'my_verdict("3.4")'))
    notebook(".ipynb_checkpoints/03_a.ipynb", ("code", 'verdict("3.1")'))
    return tmp_path


def test_notebooks_are_searched_for_verdicts(notebooks):
    found = {key: [path.name for path in paths] for key, paths in settled_in(notebooks).items()}
    assert found == {"3.1": ["03_a.ipynb"], "3.3": ["03_b.ipynb"]}


def test_the_scorecard_links_what_is_settled(notebooks):
    lines = scorecard(notebooks).splitlines()
    assert lines[0].startswith(f"2 of {len(claims())} claims are settled")
    rows = {line.split(" | ")[0].strip("| "): line for line in lines if line.startswith("| ")}
    assert rows["3.1"].endswith("| [03_a](03_a.ipynb) |")
    assert "[03_b](labs/03_b.ipynb)" in rows["3.3"]
    assert "**holds: no crash; does not: crash before acknowledgement**" in rows["3.1"]
    assert rows["3.2"].endswith("|  |  | not yet |")
    assert set(claims()) <= set(rows)
