"""What happened to a person, as it stands in the topic: JSON, in the envelope of CloudEvents 1.0."""

import uuid

REGISTERED, CHANGED, DELETED = "person.registered", "person.changed", "person.deleted"


def new_event(kind, user, data):
    """An event: what happened, to whom, and what else is to be known of it."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "/sign-up/registration",
        "type": kind,
        "subject": user,
        "dataschema": "person/1",
        "data": data,
    }
