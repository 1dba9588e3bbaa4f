"""The registration: takes requests of people, and says what has happened.
Works as long as nothing goes wrong.

By hand: python registration.py --brokers 127.0.0.1:9092 --name try --database FILE
"""

import json
import uuid

import subscriber
from events import CHANGED, DELETED, REGISTERED, new_event

TABLE = "CREATE TABLE IF NOT EXISTS people (email TEXT PRIMARY KEY, user TEXT);"


def decide(database, request):
    """The event that a request leads to, None if it can't be granted."""
    email = request["email"].lower()
    row = database.execute("SELECT user FROM people WHERE email = ?", [email]).fetchone()
    data = {name: said for name, said in request.items() if name not in ("request", "do")}
    if request["do"] == "register" and row is None:
        user = str(uuid.uuid4())
        database.execute("INSERT INTO people VALUES (?, ?)", [email, user])
        return new_event(REGISTERED, user, {**data, "email": email})
    if request["do"] == "change" and row:
        del data["email"]
        return new_event(CHANGED, row[0], data)
    if request["do"] == "delete" and row:
        database.execute("DELETE FROM people WHERE email = ?", [email])
        return new_event(DELETED, row[0], {})
    return None


def main():
    """Register people until somebody ends us."""
    args = subscriber.arguments(__doc__.partition(".")[0]).parse_args()
    database, producer = subscriber.connect(args, TABLE), subscriber.producer(args)
    group = subscriber.consumer(args, "requests", "registration")
    while True:
        for record in subscriber.poll(group):
            event = decide(database, json.loads(record.value))
            if event is None:
                why = [("reason", b"not possible")]
                producer.send(f"{args.name}.rejected", value=record.value, headers=why)
            else:
                producer.send(f"{args.name}.people", value=json.dumps(event).encode())


if __name__ == "__main__":
    main()
