"""The grader of the lab on sharing a broker tells right answers from wrong ones."""

import re

from tests.exercises.answers import Answers, ignoring, stub

NAMES = ("configure", "write", "read")
NEEDS = {
    "declare": [("configure", 0)],
    "publish": [("write", 0)],
    "bind": [("write", 0), ("read", 1)],
    "consume": [("read", 0)],
}


def rights_with(
    needs=NEEDS,
    default="amq.default",
    escape=re.escape,
    whole=lambda names: f"^({'|'.join(names)})$",
    none="^$",
):
    """A right answer, but for what it is told."""

    def rights(did):
        names = {"configure": [], "write": [], "read": []}
        for action, *on in did:
            for part, place in needs[action]:
                names[part].append(escape(on[place] or default))
        return {part: whole(found) if found else none for part, found in names.items()}

    return rights


def rights_by_sets(did):
    """Right too, and otherwise: each name a pattern of its own."""
    patterns = {
        "configure": {on[0] for action, *on in did if action == "declare"},
        "write": {on[0] or "amq.default" for action, *on in did if action in ("publish", "bind")},
        "read": {on[-1] for action, *on in did if action in ("consume", "bind")},
    }
    return {
        part: "|".join(rf"\A{re.escape(name)}\Z" for name in sorted(names))
        for part, names in patterns.items()
    }


def without(action, part):
    return {**NEEDS, action: [need for need in NEEDS[action] if need[0] != part]}


ANSWERS = {
    "10.9": Answers(
        right={
            "reference": rights_with(),
            "by sets": rights_by_sets,
            "nothing is empty": rights_with(none=""),
        },
        wrong={
            "all that there is": ("configure_too_much", lambda _: dict.fromkeys(NAMES, ".*")),
            "anywhere in the name": ("read_too_much", rights_with(whole="|".join)),
            "the beginning only": (
                "read_too_much",
                rights_with(whole=lambda names: f"^({'|'.join(names)})"),
            ),
            "the ends of the list": (
                "read_too_much",
                rights_with(whole=lambda names: f"^{'|'.join(names)}$"),
            ),
            "a dot is any character": ("read_too_much", rights_with(escape=str)),
            "all for nothing": ("configure_too_much", rights_with(none=".*")),
            "the default exchange by its empty name": ("write_too_little", rights_with(default="")),
            "a binding only reads": ("write_too_little", rights_with(without("bind", "write"))),
            "a binding only writes": ("read_too_little", rights_with(without("bind", "read"))),
            "a binding the other way round": (
                "write_too_little",
                rights_with({**NEEDS, "bind": [("write", 1), ("read", 0)]}),
            ),
            "to declare is to write": (
                "configure_too_little",
                rights_with({**NEEDS, "declare": [("write", 0)]}),
            ),
            "to consume is to write": (
                "write_too_much",
                rights_with({**NEEDS, "consume": [("write", 0)]}),
            ),
            "to consume is to configure too": (
                "configure_too_much",
                rights_with({**NEEDS, "consume": [("read", 0), ("configure", 0)]}),
            ),
            "no pattern": ("no_pattern", lambda _: dict.fromkeys(NAMES, "(")),
            "lists": ("no_pattern", lambda _: {name: ["a"] for name in NAMES}),
            "nothing": ("no_rights", lambda _: None),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    )
}


def test_answers(case):
    case.judge()
