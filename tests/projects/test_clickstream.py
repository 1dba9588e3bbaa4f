"""The suite of the clickstream: the reference keeps every promise, and each wrong solution breaks one."""

from tests.projects.solutions import Solutions

CLICKS, STORE, PROCESSOR = "clicks.py", "store.py", "processor.py"
POLL = "        for partition, records in group.poll(timeout_ms=200).items():\n"
POLL_AND_COMMIT = """        polled = group.poll(timeout_ms=200)
        group.commit()
        for partition, records in polled.items():
"""
PUBLISH = "        for partition in group.assignment():\n"
FENCE = "if position > records[0].offset:"
NO_FENCE = STORE, FENCE, "if False:"
NEWEST = "position, newest = progress(database, number)\n"
ROW = "row = [number, records[-1].offset + 1, newest]\n"
COMMITTED = """database.execute("COMMIT")
        database.execute("BEGIN IMMEDIATE")
        """
RECORDS = "        for record in records:\n"
SEEN = "CREATE TABLE IF NOT EXISTS seen\n"
INDEX = "CREATE INDEX IF NOT EXISTS seen_by_time"
MINE = """    CREATE TEMP TABLE mine (visitor, began, ended, clicks, PRIMARY KEY (visitor, began));
    CREATE TABLE IF NOT EXISTS tally"""
PUT_ASIDE = 'database.execute("INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?)", row)'
ROWS = "rows = database.execute(asked, [number]).fetchall()"
GONE = "    gone = [(visitor, began) for began, _, _ in near]\n"
GONE_TOO = '    database.executemany("DELETE FROM mine WHERE visitor = ? AND began = ?", gone)\n'
SESSION = '    database.execute("INSERT INTO sessions VALUES'
BOTH = """    for table in ("mine", "sessions"):
        database.execute(f"REPLACE INTO {table} VALUES"""

ANSWERS = {
    "clickstream": Solutions(
        {
            "committed before the work": (
                "nothing_lost",
                NO_FENCE,
                (PROCESSOR, POLL, POLL_AND_COMMIT),
            ),
            "rows in the database, offsets in Kafka": (
                "accounted_for",
                NO_FENCE,
                (PROCESSOR, PUBLISH, f"        group.commit()\n{PUBLISH}"),
            ),
            "a transaction for each click": (
                "nothing_lost",
                (
                    STORE,
                    RECORDS,
                    f'{RECORDS}            database.execute("COMMIT")\n'
                    '            database.execute("BEGIN IMMEDIATE")\n',
                ),
            ),
            "the position in a second transaction": (
                "accounted_for",
                (STORE, ROW, f"{COMMITTED}{ROW}"),
            ),
            "the position is looked up once": (
                "accounted_for",
                (STORE, FENCE, "if number not in BEGUN and not BEGUN.add(number) and position:"),
                (STORE, "GAP = ", "BEGUN = set()\nGAP = "),
                (PROCESSOR, PUBLISH, f"        group.commit()\n{PUBLISH}"),
            ),
            "copies are counted": (
                "nothing_twice",
                (STORE, '("counted" if noted.rowcount else "repeated")', '"counted"'),
            ),
            "ids in memory": (
                "nothing_twice",
                (STORE, SEEN, SEEN.replace("TABLE", "TEMP TABLE")),
                (STORE, INDEX, INDEX.replace("seen", "temp.seen")),
            ),
            "ids are kept for ever": (
                "forgets",
                (STORE, "database.execute(forget, [number, newest - LATENESS])", "del forget"),
            ),
            "time of arrival": (
                "sessions",
                (CLICKS, "    return click\n", '    return {**click, "time": record.timestamp}\n'),
            ),
            "the watermark in memory": (
                "accounted_for",
                (STORE, "GAP = ", "NEWEST = {}\nGAP = "),
                (STORE, NEWEST, f"{NEWEST}        newest = NEWEST.get(number, 0)\n"),
                (STORE, ROW, f"{ROW}        NEWEST[number] = newest\n"),
            ),
            "one watermark for all partitions": (
                "nothing_lost",
                (
                    STORE,
                    "SELECT position, newest",
                    "SELECT position, (SELECT max(newest) FROM progress)",
                ),
            ),
            "no watermark": ("accounted_for", (STORE, "if behind > LATENESS:", "if False:")),
            "late clicks are dropped": (
                "late_is_kept",
                (STORE, "elif reason:", 'elif kind == "refused":'),
            ),
            "put aside after the transaction, without an outbox": (
                "late_is_kept",
                (STORE, "GAP = ", "ASIDE = []\nGAP = "),
                (STORE, PUT_ASIDE, "ASIDE.append(row)"),
                (
                    PROCESSOR,
                    ROWS,
                    "rows = [row[1:] for row in store.ASIDE if row[0] == number]\n"
                    "    store.ASIDE[:] = [row for row in store.ASIDE if row[0] != number]",
                ),
            ),
            "a session is only made longer": (
                "sessions",
                (
                    STORE,
                    "[visitor, time + GAP, time - GAP]).fetchall()",
                    "[visitor, time + GAP, time - GAP]).fetchmany(1)",
                ),
            ),
            "sessions in memory": (
                "sessions",
                (STORE, "    CREATE TABLE IF NOT EXISTS tally", MINE),
                (STORE, "FROM sessions\n", "FROM mine\n"),
                (STORE, GONE, GONE + GONE_TOO),
                (STORE, SESSION, BOTH),
            ),
            "what can't be read ends it": (
                "drained",
                (
                    CLICKS,
                    "except (ValueError, TypeError, KeyError, RecursionError)",
                    "except ZeroDivisionError",
                ),
            ),
            "any time is believed": (
                "accounted_for",
                (CLICKS, "<= record.timestamp + AHEAD", "< 2**60"),
            ),
            "any type is taken": (
                "bad_is_parked",
                (
                    CLICKS,
                    "type(content) is not FIELDS[name]",
                    "not isinstance(content, FIELDS[name])",
                ),
            ),
            "the key is not looked at": (
                "bad_is_parked",
                (CLICKS, 'if record.key != click["visitor"].encode():', "if False:"),
            ),
            "put aside without a word why": (
                "says_why",
                (
                    PROCESSOR,
                    '"offset": str(position), "reason": reason}',
                    '"offset": str(position)}',
                ),
            ),
        }
    )
}


def test_answers(case):
    case.judge()
