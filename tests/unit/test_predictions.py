"""Predictions: what may be predicted, what the card makes of them, and that the workbook keeps them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from helpers import claims, notes, predict, settings, verdict
from helpers.claims import Card, Claim, ClaimContradicted

CLAIM = Claim("0.1", "Water is wet.", {"no_crash": True}, "It depends.", "https://x.org")
OTHER_KERNEL = """
import sys
from pathlib import Path
from helpers import notes, predict
notes.WORKBOOK = Path.cwd()
print("ready", flush=True)
sys.stdin.readline()
for number in range(100):
    predict("3.1", **{f"{sys.argv[1]}_{number}": number})
"""


@pytest.fixture(autouse=True)
def register(monkeypatch):
    monkeypatch.setattr(claims, "claims", lambda: {"0.1": CLAIM})


@pytest.fixture
def workbook(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "workbook"
    (folder / "labs").mkdir(parents=True)
    monkeypatch.setattr(notes, "WORKBOOK", folder)
    monkeypatch.chdir(folder / "labs")
    return folder


def said(capsys) -> str:
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    ("expected", "line"),
    [
        ({"lost": 2, "duplicated": 0}, "noted: lost 2, duplicated 0."),
        (
            {"lost": ..., "in_order": ...},
            ": not written down yet. Put what you expect in place of the dots: lost, in order.",
        ),
        ({"lost": 0.5, "who": ...}, "noted: lost 0.5. Not written down yet: who."),
        ({"in_order": True, "who": " Kafka "}, "noted: in order yes, who Kafka."),
    ],
)
def test_a_prediction_is_one_line_the_same_everywhere(expected, line, capsys, request):
    predict("0.1", **expected)
    outside = said(capsys)
    request.getfixturevalue("workbook")
    predict("0.1", **expected)
    assert outside == said(capsys) == f"Prediction 0.1 {line}".replace(" :", ":")


@pytest.mark.parametrize(
    "value", [None, [2], {}, b"no", 2j, "", " ", "x" * 41, "two\nlines", print]
)
def test_what_cannot_be_compared_is_refused_and_nothing_is_kept(value, workbook):
    with pytest.raises(TypeError, match=r"lost is .*must be a number, True or False, or a word"):
        predict("0.1", duplicated=1, lost=value)
    with pytest.raises(TypeError, match="lost is"):
        verdict("0.1", measured={"lost": value}, no_crash=True)
    assert not (workbook / notes.NAME).exists()


def test_dots_are_no_measurement():
    with pytest.raises(TypeError, match="lost is Ellipsis"):
        verdict("0.1", measured={"lost": ...}, no_crash=True)


def test_a_condition_named_as_the_measurements_is_a_sentence():
    with pytest.raises(TypeError, match=r"measured is True, but must be as in \{'lost': 2\}"):
        verdict("0.1", measured=True)


def test_a_prediction_of_nothing_is_refused():
    with pytest.raises(TypeError, match="names nothing to predict"):
        predict("0.1")


def test_an_unknown_claim_is_an_error():
    with pytest.raises(LookupError, match=r"no claim '9\.9'"):
        predict("9.9", lost=2)


def test_without_a_prediction_the_card_says_what_was_measured(capsys):
    verdict("0.1", measured={"lost": 0, "in_order": False}, no_crash=True)
    assert "\nMeasured: lost 0, in order no\n" in said(capsys)


def test_outside_the_workbook_a_prediction_changes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(notes, "WORKBOOK", tmp_path / "workbook")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    verdict("0.1", measured={"lost": 0}, no_crash=True)
    before = said(capsys)
    predict("0.1", lost=2)
    said(capsys)
    verdict("0.1", measured={"lost": 0}, no_crash=True)
    assert said(capsys) == before
    assert [path.name for path in tmp_path.rglob("*")] == ["notebooks"]


def test_in_the_workbook_the_card_shows_both(workbook, capsys):
    predict("0.1", lost=2)
    predict("0.1", duplicated=0, late=1)
    said(capsys)
    verdict("0.1", measured={"lost": 0, "duplicated": 0, "seen": 3}, no_crash=True)
    lines = said(capsys).splitlines()
    assert lines[3:6] == [
        "  lost: predicted 2, measured 0  ✘ wrong",
        "  duplicated: predicted 0, measured 0  ✔ right",
        "  seen: not predicted, measured 3",
    ]
    kept = notes.read()
    assert kept.claims == ["0.1"]
    assert kept.predictions == {"0.1": {"lost": 2, "duplicated": 0, "late": 1}}
    assert kept.outcomes == {"0.1": {"lost": False, "duplicated": True, "seen": None}}


def test_in_html_they_are_two_columns_with_words_and_escaped():
    html = Card(CLAIM, {"no_crash": True}, {"lost": 0, "who": "<a>"}, {"lost": 2})._repr_html_()
    assert html.count("<th ") == 4
    assert ">predicted</th>" in html
    assert ">measured</th>" in html
    assert ">2</td>" in html
    assert ">✘ wrong</b>" in html.replace("<b>", ">")
    assert "&lt;a&gt;" in html


@pytest.mark.parametrize(
    ("predicted", "measured", "right"),
    [
        (2, 2.0, True), (2, 3, False), ("Kafka", "kafka", True), ("0", 0, False), (True, 1, False),
        (0, False, False), (True, True, True), (0.5, Fraction(1, 2), True),
    ],
)  # fmt: skip
def test_right_is_what_equals_the_measurement(predicted, measured, right, workbook):
    predict("0.1", it=predicted)
    verdict("0.1", measured={"it": measured}, no_crash=True)
    assert notes.read().outcomes == {"0.1": {"it": right}}


def test_before_the_first_measurement_a_prediction_may_change(workbook):
    predict("0.1", lost=2)
    predict("0.1", lost=0)
    assert notes.read().predictions == {"0.1": {"lost": 0}}


@pytest.mark.parametrize("first", [{"lost": 2}, {"lost": ...}])
def test_after_it_none_counts(first, workbook, capsys):
    predict("0.1", **first)
    verdict("0.1", measured={"lost": 0}, no_crash=True)
    before = notes.read()
    said(capsys)
    predict("0.1", lost=0, duplicated=1)
    assert said(capsys) == (
        "Prediction 0.1 noted: duplicated 1. Too late to count, since you have measured it: lost."
    )
    verdict("0.1", measured={"lost": 0}, no_crash=True)
    after = notes.read()
    assert after.outcomes == before.outcomes
    assert after.predicted("0.1").get("lost") == before.predicted("0.1").get("lost")


def test_the_first_outcome_stays_and_the_same_prediction_is_not_late(workbook, capsys):
    for measured in (0, 1):
        predict("0.1", lost=0)
        assert said(capsys) == "Prediction 0.1 noted: lost 0."
        verdict("0.1", measured={"lost": measured}, no_crash=True)
        said(capsys)
    assert notes.read().outcomes == {"0.1": {"lost": True}}


def test_a_contradicted_claim_settles_nothing(workbook):
    predict("0.1", lost=0)
    with pytest.raises(ClaimContradicted):
        verdict("0.1", measured={"lost": 5}, no_crash=False)
    assert (notes.read().claims, notes.read().outcomes) == ([], {})


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"claims": 3}', '{"more": []}', '{"outcomes": {"0.1": 1}}']
)
def test_damaged_notes_count_as_none(text, workbook):
    (workbook / notes.NAME).write_text(text)
    assert notes.read() == notes.Notes()
    predict("0.1", lost=2)
    assert json.loads((workbook / notes.NAME).read_text())["predictions"] == {"0.1": {"lost": 2}}


def test_a_workbook_that_cannot_be_written_is_a_sentence(workbook, capsys):
    (workbook / notes.NAME).mkdir()
    predict("0.1", lost=2)
    lines = said(capsys).splitlines()
    assert len(lines) == 2
    assert "could not be noted" in lines[0]
    assert lines[1] == "Prediction 0.1 noted: lost 2."


def test_two_kernels_at_once_lose_nothing(workbook):
    kernels = [
        subprocess.Popen(
            [sys.executable, "-c", OTHER_KERNEL, name],
            cwd=workbook,
            env=os.environ | {"PYTHONPATH": str(settings.CHECKOUT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b")
    ]
    assert [kernel.stdout.readline() for kernel in kernels] == ["ready\n"] * 2
    for kernel in kernels:
        kernel.stdin.write("go\n")
        kernel.stdin.flush()
    for kernel in kernels:
        kernel.communicate()
    assert [kernel.returncode for kernel in kernels] == [0, 0]
    assert len(notes.read().predicted("3.1")) == 200
    assert [path.name for path in workbook.iterdir() if path.is_file()] == [notes.NAME]
