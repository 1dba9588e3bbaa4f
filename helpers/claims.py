"""The register of claims; ``predict`` and ``verdict``, which settles one by measurement; the scorecard."""

import functools
import re
import textwrap
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from . import notes, predictions
from .notebooks import cells
from .notes import Value

_REGISTER = Path(__file__).with_name("claims.toml")
_SETTLES = re.compile(r"""\bverdict\(\s*["'](\d+\.\d+)["']""")
_PROPER = {
    name.lower().replace("/", "").replace("-", "_"): name
    for line in (
        "AMQP CORBA DCOM franz-go IBM JSON JetStream Kafka kafka-go kafka-python MQ MQTT NATS",
        "Pub/Sub RabbitMQ Redis SNS SQS STOMP TIBCO ZooKeeper",
    )
    for name in line.split()
}
_NAMES = re.compile(rf"(?<![^_])({'|'.join(sorted(_PROPER, key=len, reverse=True))})(?![^_])")


class ClaimContradicted(AssertionError):  # noqa: N818 (reads as the sentence it is)
    """What was measured is not what the register says: one of the two is wrong."""


@dataclass(frozen=True)
class Claim:
    """One claim about brokers, as people make it.

    ``expected`` says for each condition whether the claim holds under it; ``correction`` what is
    true instead, or what the claim leaves out; ``source`` is the address of a primary document.
    """

    id: str
    text: str
    expected: dict[str, bool]
    correction: str
    source: str
    outdated_since: str | None = None

    @property
    def verdict(self) -> str:
        """One of "holds", "holds only if …", "wrong" and "outdated since …"."""
        if self.outdated_since:
            return f"outdated since {self.outdated_since}"
        if all(self.expected.values()):
            return "holds"
        return "holds only if …" if any(self.expected.values()) else "wrong"


def predict(claim: str, **expected: Any) -> None:
    """Note what you expect an experiment to measure, before it runs.

    In the workbook the prediction is kept, and ``verdict`` shows it beside the measurement. It may
    be changed until the claim has been measured for the first time; from then on it is settled,
    whether it was right or not. Elsewhere nothing is kept.

    Args:
        claim: its id, as ``"3.1"``.
        expected: for each name a number, True or False, or a word or two; ``...`` where nothing
            is written down yet. Several calls for one claim add up.

    Raises:
        LookupError: there is no such claim.
        TypeError: a value is something else, or there is none.

    Example:
        >>> predict("3.1", lost=0, duplicated=...)
        Prediction 3.1 noted: lost 0. Not written down yet: duplicated.
    """
    _known(claim)
    if not expected:
        raise TypeError(f'predict("{claim}") names nothing to predict. For instance lost=2.')
    dots = [name for name, value in expected.items() if value is ...]
    given = {name: value for name, value in expected.items() if value is not ...}
    values = predictions.checked(given)
    late = notes.change(lambda kept: kept.predict(claim, values)) if values else []
    print(_noted(claim, values, dots, late))


def _noted(claim: str, values: dict[str, Value], dots: list[str], late: list[str]) -> str:
    """What became of a prediction, in a line."""
    missing = ", ".join(map(_words, dots))
    if not values:
        return (
            f"Prediction {claim}: not written down yet. "
            f"Put what you expect in place of the dots: {missing}."
        )
    in_time = {name: value for name, value in values.items() if name not in late}
    said = f"Prediction {claim} noted: {_listed(in_time)}." if in_time else f"Prediction {claim}:"
    if missing:
        said += f" Not written down yet: {missing}."
    if late:
        said += f" Too late to count, since you have measured it: {', '.join(map(_words, late))}."
    return said


def verdict(claim: str, measured: Mapping[str, Any] | None = None, **held: bool) -> None:
    """Show what the measurements make of a claim, and fail if the register says otherwise.

    Args:
        claim: its id, as ``"3.1"``.
        measured: what ``predict`` asked for, by the same names; shown beside the predictions.
        held: for each condition of the claim, with underscores for spaces, whether the claim
            held under it.

    Raises:
        ClaimContradicted: a measurement differs from the register, or a condition is missing or
            unknown. The card is shown in that case too, and no prediction is settled.
        LookupError: there is no such claim.
        TypeError: a condition is not True or False, or a measurement cannot be compared.

    Example:
        >>> verdict("3.1", no_crash=True, crash_before_acknowledgement=False)  # doctest: +SKIP
    """
    from IPython.display import display

    known = _known(claim)
    for condition, value in held.items():
        if not isinstance(value, bool):
            raise TypeError(
                f"{condition} is {value!r}, but must be True or False: did the claim hold? "
                f"For instance {condition}=(ledger.count().duplicated == 0)."
            )
    if not isinstance(measured, Mapping | None):
        raise TypeError(f"measured is {measured!r:.60}, but must be as in {{'lost': 2}}.")
    values = predictions.checked(measured or {})
    card = Card(known, held, values, notes.read().predicted(claim))
    display(card)
    if card.problems:
        raise ClaimContradicted(
            f"Claim {claim} is not settled: {'; '.join(card.problems)}. Look at the experiment "
            "first; if it is right, then helpers/claims.toml is wrong."
        )
    notes.change(lambda kept: kept.settle(claim, card.outcomes))


def _known(claim: str) -> Claim:
    register = claims()
    if claim not in register:
        raise LookupError(f"There is no claim {claim!r}. There is {', '.join(register)}.")
    return register[claim]


class Card:
    """The claim, what was predicted and measured, what held, and what is true."""

    def __init__(
        self,
        claim: Claim,
        held: Mapping[str, bool],
        measured: Mapping[str, Value],
        predicted: Mapping[str, Value],
    ) -> None:
        self._claim = claim
        self._measured = measured
        self._predicted = {name: predicted[name] for name in predicted if name in measured}
        self._rows = [
            (_words(condition), *_finding(claim.expected.get(condition), held.get(condition)))
            for condition in {**claim.expected, **held}
        ]

    @property
    def problems(self) -> list[str]:
        """Each condition whose measurement is missing, unknown or not as registered."""
        return [f"{words}: {said}" for words, said, agrees in self._rows if not agrees]

    @property
    def outcomes(self) -> dict[str, bool | None]:
        """For each name that was measured whether its prediction was right; None if there is none."""
        return {
            name: predictions.agree(self._predicted.get(name), value)
            for name, value in self._measured.items()
        }

    @property
    def _verdict(self) -> str:
        return self._claim.verdict if not self.problems else "contradicted"

    def _comparison(self) -> list[tuple[str, str, str, str]]:
        """A row for each name: the name, what was predicted, what was measured, and a mark."""
        return [
            (
                _words(name),
                predictions.spoken(self._predicted[name]) if name in self._predicted else "–",
                predictions.spoken(self._measured[name]),
                _RIGHT[right],
            )
            for name, right in self.outcomes.items()
        ]

    def __repr__(self) -> str:
        claim = self._claim
        width = max(len(words) for words, _, _ in self._rows)
        lines = [
            *textwrap.wrap(f"Claim {claim.id}: {claim.text}", 92),
            f"Verdict: {self._verdict}",
            *(f"  {words.ljust(width)}  {said}" for words, said, _ in self._rows),
            *self._measured_lines(),
            *textwrap.wrap(claim.correction, 92),
            f"Source: {claim.source}",
        ]
        return "\n".join(lines)

    def _measured_lines(self) -> list[str]:
        if not self._predicted:
            return [f"Measured: {_listed(self._measured)}"] if self._measured else []
        return [
            f"  {name}: predicted {predicted}, measured {measured}  {mark}"
            if mark
            else f"  {name}: not predicted, measured {measured}"
            for name, predicted, measured, mark in self._comparison()
        ]

    def _repr_html_(self) -> str:
        claim = self._claim
        colour = _colour(self._verdict)
        rows = "".join(
            _html_row("td", words, f"<b>{_mark(said)} {escape(said)}</b>")
            for words, said, _ in self._rows
        )
        return (
            f'<div style="border:1px solid rgba(128,128,128,.35);border-left:6px solid {colour};'
            "border-radius:4px;padding:.7em 1.1em .8em;margin:.3em 0;max-width:46em;"
            'line-height:1.45">'
            f'<div>Claim {claim.id} · <b style="border-bottom:3px solid {colour}">'
            f"{escape(self._verdict)}</b></div>"
            f'<p style="margin:.5em 0;font-size:1.08em"><i>{escape(claim.text)}</i></p>'
            f"{_TABLE}{rows}</table>{self._measured_html()}"
            f'<p style="margin:0">{escape(claim.correction)} '
            f'<a href="{escape(claim.source)}">Source</a></p></div>'
        )

    def _measured_html(self) -> str:
        if not self._predicted:
            said = escape(_listed(self._measured))
            return f'<p style="margin:0 0 .6em">Measured: {said}</p>' if said else ""
        rows = "".join(
            _html_row("td", name, escape(predicted), escape(measured), f"<b>{mark}</b>")
            for name, predicted, measured, mark in self._comparison()
        )
        return f"{_TABLE}{_html_row('th', '', 'predicted', 'measured', '')}{rows}</table>"


@functools.cache
def claims() -> dict[str, Claim]:
    """The register: every claim by its id, in the order of the chapters."""
    entries = tomllib.loads(_REGISTER.read_text(encoding="utf-8"))["claim"]
    return {entry["id"]: Claim(**entry) for entry in entries}


def settled_in(notebooks: Path) -> dict[str, list[Path]]:
    """Which notebooks under a directory call ``verdict`` on which claim, once for each call."""
    found: dict[str, list[Path]] = {}
    for path, source, _ in cells(notebooks, "code"):
        for claim in _SETTLES.findall(source):
            found.setdefault(claim, []).append(path)
    return found


def scorecard(notebooks: Path) -> str:
    """The table of all claims, in Markdown with links relative to the directory of notebooks."""
    settled = settled_in(notebooks)
    register = claims()
    lines = [
        f"{sum(claim in settled for claim in register)} of {len(register)} claims are settled by a "
        "notebook so far; each run of the tests settles them again.",
        "",
        "| no. | claim | verdict | what the experiment adds | settled in |",
        "|---|---|---|---|---|",
    ]
    for claim in register.values():
        links = ", ".join(
            f"[{path.stem}]({path.relative_to(notebooks).as_posix()})"
            for path in settled.get(claim.id, [])
        )
        findings = (
            (f"**{_conditions(claim)}**", f"{claim.correction} [Source]({claim.source})", links)
            if links
            else ("", "", "not yet")
        )
        row = (claim.id, claim.text, *findings)
        lines.append("| {} |".format(" | ".join(part.replace("|", r"\|") for part in row)))
    return "\n".join(lines) + "\n"


_CELL = "text-align:left;padding:.1em 1.2em .1em 0;border:none"
_TABLE = '<table style="margin:.2em 0 .6em;border:none">'
_RIGHT = {True: "✔ right", False: "✘ wrong", None: ""}


def _html_row(tag: str, name: str, *cells: str) -> str:
    """A row of a table; the name is text, the cells are HTML."""
    row = "".join(f'<{tag} style="{_CELL}">{cell}</{tag}>' for cell in (escape(name), *cells))
    return f'<tr style="background:none">{row}</tr>'


def _finding(expected: bool | None, measured: bool | None) -> tuple[str, bool]:
    """What to say of one condition, and whether it is as the register has it."""
    held = {True: "held", False: "did not hold"}
    if measured is None:
        return "not measured", False
    if expected is None:
        return f"{held[measured]}, but the register has no such condition", False
    if measured != expected:
        return f"{held[measured]}, against the register", False
    return held[measured], True


def _conditions(claim: Claim) -> str:
    """The verdict with its conditions spelled out where they decide."""
    if not claim.verdict.startswith("holds only"):
        return claim.verdict
    good = [_words(condition) for condition, holds in claim.expected.items() if holds]
    bad = [_words(condition) for condition, holds in claim.expected.items() if not holds]
    return f"holds: {', '.join(good)}; does not: {', '.join(bad)}"


def _words(condition: str) -> str:
    return _NAMES.sub(lambda found: _PROPER[found[0]], condition).replace("_", " ")


def _listed(values: Mapping[str, Value]) -> str:
    """As in a sentence: "lost 2, duplicated 0"."""
    return ", ".join(
        f"{_words(name)} {predictions.spoken(value)}" for name, value in values.items()
    )


def _mark(said: str) -> str:
    if "," in said or said == "not measured":
        return "⚠"
    return "✔" if said == "held" else "✘"


def _colour(verdict: str) -> str:
    """Okabe and Ito's colours; each is told apart by the words beside it as well."""
    if verdict == "holds":
        return "#009E73"
    return "#E69F00" if verdict.startswith("holds only") else "#D55E00"
