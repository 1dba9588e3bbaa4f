"""Shows what the processors have found so far, a line whenever something has changed.

By hand: python dashboard.py --database FILE
"""

import argparse
import sqlite3

from helpers.programs import asked_to_end

REFRESH = 0.2  # seconds
KINDS = "counted", "repeated", "late", "refused"
TOP = """SELECT page, views FROM page_views WHERE began = (SELECT max(began) FROM page_views)
    ORDER BY views DESC, page LIMIT 3"""


def look(database):
    """The numbers, and the top pages of the newest window; one look sees one state."""
    with database:
        database.execute("BEGIN")
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'tally'").fetchone():
            return "nothing yet"
        tally = dict(database.execute("SELECT kind, number FROM tally"))
        top = database.execute(TOP).fetchall()
    numbers = " ".join(f"{kind} {tally.get(kind, 0)}" for kind in KINDS)
    return f"{numbers} | " + ", ".join(f"{page} {views}" for page, views in top)


def main():
    """Show until we are asked to end."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--database", required=True, help="the file of the processors")
    args = parser.parse_args()
    asked = asked_to_end()
    database = sqlite3.connect(args.database, timeout=60, isolation_level=None)
    shown = ""
    while not asked.wait(REFRESH):
        if (line := look(database)) != shown:
            shown = line
            print(line, flush=True)


if __name__ == "__main__":
    main()
