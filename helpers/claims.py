"""The register of claims, ``verdict``, which settles one by measurement, and the scorecard."""

from __future__ import annotations

import functools
import json
import re
import textwrap
import tomllib
from dataclasses import dataclass
from html import escape
from pathlib import Path

_REGISTER = Path(__file__).with_name("claims.toml")
_SETTLES = re.compile(r"""\bverdict\(\s*["'](\d+\.\d+)["']""")
_NAMES = ("AMQP", "CORBA", "DCOM", "IBM", "JSON", "Kafka", "MQ", "NATS", "RabbitMQ", "SNS", "SQS")
_PROPER = {name.lower(): name for name in (*_NAMES, "TIBCO", "ZooKeeper")} | {"pubsub": "Pub/Sub"}


class ClaimContradicted(AssertionError):  # noqa: N818 (reads as the sentence it is)
    """What was measured is not what the register says: one of the two is wrong."""


@dataclass(frozen=True)
class Claim:
    """One claim of the guide, in the course's words.

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
    def chapter(self) -> int:
        """The chapter of the guide that makes the claim."""
        return int(self.id.partition(".")[0])

    @property
    def verdict(self) -> str:
        """One of "holds", "holds only if …", "wrong" and "outdated since …"."""
        if self.outdated_since:
            return f"outdated since {self.outdated_since}"
        if all(self.expected.values()):
            return "holds"
        return "holds only if …" if any(self.expected.values()) else "wrong"


def verdict(claim: str, **measured: bool) -> None:
    """Show what the measurements make of a claim, and fail if the register says otherwise.

    Args:
        claim: its id, as ``"3.1"``.
        measured: for each condition of the claim, with underscores for spaces, whether the claim
            held under it.

    Raises:
        ClaimContradicted: a measurement differs from the register, or a condition is missing or
            unknown. The card is shown in that case too.
        LookupError: there is no such claim.
        TypeError: a measurement is not True or False.

    Example:
        >>> verdict("3.1", no_crash=True, crash_before_acknowledgement=False)  # doctest: +SKIP
    """
    from IPython.display import display

    register = claims()
    if claim not in register:
        raise LookupError(f"There is no claim {claim!r}. There is {', '.join(register)}.")
    for condition, value in measured.items():
        if not isinstance(value, bool):
            raise TypeError(
                f"{condition} is {value!r}, but must be True or False: did the claim hold? "
                f"For instance {condition}=(ledger.count().duplicated == 0)."
            )
    card = Card(register[claim], measured)
    display(card)
    if card.problems:
        raise ClaimContradicted(
            f"Claim {claim} is not settled: {'; '.join(card.problems)}. Look at the experiment "
            "first; if it is right, then helpers/claims.toml is wrong."
        )


class Card:
    """The claim, what was measured under each condition, and what is true."""

    def __init__(self, claim: Claim, measured: dict[str, bool]) -> None:
        self._claim = claim
        self._rows = [
            (_words(condition), *_finding(claim.expected.get(condition), measured.get(condition)))
            for condition in {**claim.expected, **measured}
        ]

    @property
    def problems(self) -> list[str]:
        """Each condition whose measurement is missing, unknown or not as registered."""
        return [f"{words}: {said}" for words, said, agrees in self._rows if not agrees]

    @property
    def _verdict(self) -> str:
        return self._claim.verdict if not self.problems else "contradicted"

    def __repr__(self) -> str:
        claim = self._claim
        width = max(len(words) for words, _, _ in self._rows)
        return "\n".join(
            [
                *textwrap.wrap(f"Claim {claim.id}: {claim.text}", 92),
                f"Verdict: {self._verdict}",
                *(f"  {words.ljust(width)}  {said}" for words, said, _ in self._rows),
                *textwrap.wrap(claim.correction, 92),
                f"Source: {claim.source}",
            ]
        )

    def _repr_html_(self) -> str:
        claim = self._claim
        colour = _colour(self._verdict)
        rows = "".join(
            f'<tr style="background:none"><td style="text-align:left;{_CELL}">{escape(words)}</td>'
            f'<td style="text-align:left;{_CELL}"><b>{_mark(said)} {escape(said)}</b></td></tr>'
            for words, said, _ in self._rows
        )
        return (
            f'<div style="border:1px solid rgba(128,128,128,.35);border-left:6px solid {colour};'
            "border-radius:4px;padding:.7em 1.1em .8em;margin:.3em 0;max-width:46em;"
            'line-height:1.45">'
            f'<div>Claim {claim.id} · <b style="border-bottom:3px solid {colour}">'
            f"{escape(self._verdict)}</b></div>"
            f'<p style="margin:.5em 0;font-size:1.08em"><i>{escape(claim.text)}</i></p>'
            f'<table style="margin:.2em 0 .6em;border:none">{rows}</table>'
            f'<p style="margin:0">{escape(claim.correction)} '
            f'<a href="{escape(claim.source)}">Source</a></p></div>'
        )


@functools.cache
def claims() -> dict[str, Claim]:
    """The register: every claim by its id, in the order of the guide."""
    entries = tomllib.loads(_REGISTER.read_text(encoding="utf-8"))["claim"]
    return {entry["id"]: Claim(**entry) for entry in entries}


def settled_in(notebooks: Path) -> dict[str, list[Path]]:
    """Which notebooks under a directory call ``verdict`` on which claim, once for each call."""
    found: dict[str, list[Path]] = {}
    for path in sorted(notebooks.rglob("*.ipynb")):
        if ".ipynb_checkpoints" in path.parts:
            continue
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                for claim in _SETTLES.findall("".join(cell["source"])):
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
        "| | claim | verdict | what the experiment adds | settled in |",
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
        cells = (claim.id, claim.text, *findings)
        lines.append("| {} |".format(" | ".join(cell.replace("|", r"\|") for cell in cells)))
    return "\n".join(lines) + "\n"


_CELL = "padding:.1em 1.2em .1em 0;border:none"


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
    return " ".join(_PROPER.get(word, word) for word in condition.split("_"))


def _mark(said: str) -> str:
    if "," in said or said == "not measured":
        return "⚠"
    return "✔" if said == "held" else "✘"


def _colour(verdict: str) -> str:
    """Okabe and Ito's colours; each is told apart by the words beside it as well."""
    if verdict == "holds":
        return "#009E73"
    return "#E69F00" if verdict.startswith("holds only") else "#D55E00"
