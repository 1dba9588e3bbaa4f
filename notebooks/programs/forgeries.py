"""What a forger, or a bad disk, can do to a store and to the hashes beside it: SQL, by name."""

EDIT = """UPDATE events SET data = '{"cents": 1}' WHERE stream = 'busy' AND version = 70;"""
TEAR = """UPDATE events SET data = '{"ce' WHERE stream = 'busy' AND version = 70;"""
REMOVE = "DELETE FROM events WHERE stream = 'busy' AND version = 70;"
CUT_OFF = """
    DELETE FROM events WHERE position = (SELECT max(position) FROM events);
    DELETE FROM hashes WHERE position = (SELECT max(position) FROM hashes);
"""
INVENT = """
    INSERT INTO events (stream, version, kind, data, at)
    VALUES ('busy', 101, 'deposited', '{"cents": 1}', 0);
"""

FORGERIES = {
    "nothing": "",
    "an amount is edited": EDIT,
    "half an event is left": TEAR,
    "an event is removed": REMOVE,
    "the last event is removed": CUT_OFF,
    "edited, and all hashes made anew": EDIT + "DELETE FROM hashes;",
    "an event is invented at the end": INVENT,
}
