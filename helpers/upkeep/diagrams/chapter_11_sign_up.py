"""The project on sign-up: one topic of events, and whoever wants to know."""

from __future__ import annotations

from .drawing import BLUE_INK, SMALL, Diagram, diagram


@diagram(
    "An event-driven sign-up",
    "Requests go to the registration, which has a database. What it refuses goes to the topic rejected,"
    " with a reason; events go to the topic people. Mailer, profiles, analytics and CRM each read"
    " people; so does the newsletter, dashed because it comes later, from the beginning.",
    height=470,
)
def sign_up(d: Diagram) -> None:
    requests = d.log(20, 74, ["", "", ""], offsets=False)
    d.text(71, 42, "requests", size=SMALL)
    registration = d.program(242, 74, "registration", width=124)
    database = d.database(242, 172, "people,\noutbox", width=110, height=82)
    rejected = d.log(430, 74, ["", ""], offsets=False)
    d.text(464, 42, "rejected, with a reason", size=SMALL)
    d.arrow(requests.right, registration.left)
    d.arrow(registration.right, rejected.left)
    d.arrow(registration.bottom, database.top)
    people = d.log(140, 268, ["", "", "", "", "", ""], offsets=False)
    d.text(130, 268, "people", size=SMALL, anchor="end")
    d.note(356, 268, "keyed by the person")
    d.arrow(database.bottom, (242, people.top[1]))
    for x, name, kept in (
        (66, "mailer", "a mail"),
        (193, "profiles", "last state"),
        (320, "analytics", "counts"),
        (447, "CRM", "contacts"),
        (570, "newsletter", "readers"),
    ):
        late = name == "newsletter"
        service = d.program(x, 376, name, width=112)
        d.arrow((people.middle[0] + (x - 320) / 5, 285), service.top, answer=late)
        d.text(x, 420, kept, size=SMALL, colour=BLUE_INK)
    d.note(570, 446, "comes later", anchor="middle")
