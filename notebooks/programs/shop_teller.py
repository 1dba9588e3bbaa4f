"""A teller of the shop: customers come and withdraw 1.00 each, as long as the account has it.

It prints the balance that it finds, waits for SIGCONT, and ends with what became of its customers.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/shop_teller.py FILE ACCOUNT
"""

import argparse
import os
import signal
import sqlite3

import accounts


def load(db: sqlite3.Connection, account: str) -> tuple[int, int]:
    """The balance, and the version at which it is that."""
    history = accounts.read(db, account)
    return accounts.balance(history), len(history)


def main() -> None:
    """Load the account once; after that only if somebody else was quicker."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file")
    parser.add_argument("account")
    parser.add_argument("--customers", type=int, default=0)
    parser.add_argument("--any-version", action="store_true", help="append, whoever was quicker")
    args = parser.parse_args()

    db, accepted, conflicts = accounts.connect(args.file), 0, 0
    balance, version = load(db, args.account)
    print("balance", balance, flush=True)
    if args.customers:
        os.kill(os.getpid(), signal.SIGSTOP)
    for _ in range(args.customers):
        while balance >= 1_00:
            withdrawal = [("withdrawn", {"cents": 1_00}, accounts.now())]
            expected = None if args.any_version else version
            try:
                accounts.append(db, args.account, withdrawal, expected)
            except accounts.Conflict:
                conflicts += 1
                balance, version = load(db, args.account)  # look again
            else:
                balance, version, accepted = balance - 1_00, version + 1, accepted + 1
                break
    print("accepted", accepted, "conflicts", conflicts, flush=True)


if __name__ == "__main__":
    main()
