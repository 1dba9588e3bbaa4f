"""A finding of the audit: what is wrong, with what, why, which experiment shows it, and what to do."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path

from .. import claims, settings

SEVERITIES = ("critical", "warning", "notice", "unchecked")
_RULES = Path(__file__).with_name("rules.toml")


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be, or that could not be checked (severity ``unchecked``)."""

    severity: str
    """One of ``SEVERITIES``."""
    rule: str
    """Which rule found it, as ``min-in-sync``."""
    name: str
    """What it is about, as ``Kafka topic orders``."""
    why: str
    claim: str
    """The id of the claim in the register whose experiment shows it; empty if there is none."""
    notebook: str
    """The notebook that settles the claim, relative to the course's notebooks."""
    remedy: str


def finding(rule: str, name: str, **values: object) -> Finding:
    """What a rule has to say of ``name``, with ``values`` for the braces in its text."""
    known = rules()[rule]
    return Finding(
        severity=known["severity"],
        rule=rule,
        name=name,
        why=known["why"].format(**values),
        claim=known["claim"],
        notebook=_notebooks().get(known["claim"], ""),
        remedy=known["remedy"].format(**values),
    )


def unchecked(name: str, reason: str, cure: str) -> Finding:
    """Something that could not be read, and is therefore not known to be sound."""
    return finding("unchecked", name, reason=reason, cure=cure)


@functools.cache
def rules() -> dict[str, dict[str, str]]:
    """Every rule by its name: ``severity``, ``why``, ``claim`` and ``remedy``."""
    return tomllib.loads(_RULES.read_text(encoding="utf-8"))


@functools.cache
def _notebooks() -> dict[str, str]:
    folder = settings.CHECKOUT / "notebooks"
    settled = claims.settled_in(folder)
    return {claim: paths[0].relative_to(folder).as_posix() for claim, paths in settled.items()}
