"""The suite of the log aggregation: the reference keeps every promise, each wrong solution breaks one."""

from tests.projects.solutions import Solutions

SHIPPER, LINES, INDEXER, INDEX = "shipper.py", "lines.py", "indexer.py", "index.py"
SAVED = "            positions.save(name, file.tell())\n"
SENT = "            send(args, producer, taken)\n"
THROUGH = "        if identity(file) != name:  # what"
GROUP = """        group_id=f"{args.name}.indexer",
        auto_offset_reset="earliest",
        session_timeout_ms=2000,
        heartbeat_interval_ms=500,
        enable_auto_commit=False,
"""
ALONE = """        auto_offset_reset="none",  # never jump in silence
        enable_auto_commit=False,
"""
POLLED = "            found = consumer.poll(timeout_ms=200)\n"
MOVED = """        if not index.move(database, partition, position, records[-1].offset + 1):
            return False
"""
EACH = "        for record in records:\n            save_one("
ASSIGNED = """    consumer.assign(partitions)
    positions = {partition: begin(consumer, database, partition) for partition in partitions}
"""


ANSWERS = {
    "log_aggregation": Solutions(
        {
            "position noted before the brokers have the lines": (
                "nothing_lost",
                (SHIPPER, SENT, SAVED + SENT),
                (SHIPPER, SAVED + SENT + SAVED, SAVED + SENT),
            ),
            "no position": (
                "few_again",
                (SHIPPER, "        draft.replace(self._path)\n", ""),
            ),
            "notes its position when it is through with a file": (
                "few_again",
                (SHIPPER, SAVED, "            positions._known[name] = file.tell()\n"),
                (SHIPPER, THROUGH, "        positions.save(name, positions.of(name))\n" + THROUGH),
            ),
            "follows the name": (
                "nothing_lost",
                (SHIPPER, "return [*old, log] if log.exists() else old", "return [log]"),
            ),
            "knows a file by its inode": (
                "nothing_lost",
                (
                    SHIPPER,
                    r'return hashlib.sha256(start.partition(b"\n")[0]).hexdigest()[:16]',
                    "return str(os.fstat(file.fileno()).st_ino)",
                ),
            ),
            "reads on in a log that was emptied": (
                "once",
                (SHIPPER, " and identity(file) == name:", ":"),
            ),
            "does not say that a log was emptied": (
                "loss_said",
                (SHIPPER, "            print(said, file=sys.stderr, flush=True)\n", ""),
            ),
            "all lines in memory": (
                "bounded",
                (SHIPPER, "BATCH = 100 ", "BATCH = 1_000_000 "),
            ),
            "half a line is a line": (
                "nothing_lost",
                (SHIPPER, 'if not last.endswith(b"\\n"):', "if not last:"),
            ),
            "a long line is cut while it is written": (
                "good_is_not",
                (
                    SHIPPER,
                    'if not last.endswith(b"\\n"):',
                    'if not last.endswith(b"\\n") and len(content) < lines.LONGEST:',
                ),
            ),
            "a bad line ends the shipper": (
                "nothing_lost",
                (LINES, 'whole = content.endswith(b"\\n")', "whole = json.loads(content) != []"),
            ),
            "masks what is JSON": (
                "masked",
                (
                    LINES,
                    'line = TOKEN.sub("tok_***", content',
                    'line = TOKEN.sub("tok_***" if content[:1] == b"{" else r"\\g<0>", content',
                ),
            ),
            "no key": (
                "order",
                (
                    SHIPPER,
                    "lines.pack(*line), key=key)",
                    'lines.pack(f"{args.log.stem} {line[0]}", line[1]))',
                ),
                (
                    INDEXER,
                    "add(database, place, service,",
                    "add(database, place, place.split()[0],",
                ),
            ),
            "no id in the index": (
                "once",
                (INDEX, "place TEXT UNIQUE,\n        service", "place TEXT,\n        service"),
            ),
            "what begins alike is taken for one": (
                "nothing_lost",
                (INDEXER, 'place = f"{service} {there}"', "place = there"),
            ),
            "the content is the id": (
                "nothing_lost",
                (INDEXER, "index.add(database, place,", "index.add(database, line,"),
            ),
            "committed before the lines are indexed": (
                "nothing_lost",
                (INDEXER, ALONE, GROUP),
                (INDEXER, ASSIGNED, "    consumer.subscribe([topic])\n"),
                (INDEXER, POLLED, POLLED + "            consumer.commit()\n"),
                (INDEXER, MOVED, ""),
                (INDEXER, "positions[partition], records", "0, records"),
                (INDEXER, "positions[partition] =", "_ ="),
            ),
            "the position is noted in a transaction before the lines": (
                "nothing_lost",
                (INDEXER, EACH, f"        database.commit()\n{EACH}"),
            ),
            "jumps to the first that is left": (
                "gaps_said",
                (INDEXER, '"none",', '"earliest",'),
            ),
            "jumps to the end": (
                "nothing_lost",
                (INDEXER, '"none",', '"latest",'),
            ),
            "what can't be read ends the indexer": (
                "bad_is_parked",
                (INDEXER, "except lines.BadLineError", "except ZeroDivisionError"),
            ),
            "parked without a reason": (
                "says_why",
                (INDEXER, "line, str(error))", 'line, "")'),
            ),
            "words are a query": (
                "search_finds",
                ("search.py", "values.append(quoted(words))", "values.append(words)"),
            ),
        }
    )
}


def test_answers(case, own_ports):
    case.judge()
