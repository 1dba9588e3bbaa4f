"""The keys of persons, in a file of their own: what is encrypted with a key can be forgotten with it."""

import os
import sqlite3
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def connect(path: str) -> sqlite3.Connection:
    """Open a vault. A deleted row stays in the file until its place is needed, as in most databases."""
    keys = sqlite3.connect(path, isolation_level=None)
    keys.execute("PRAGMA secure_delete = OFF")
    keys.execute("CREATE TABLE IF NOT EXISTS keys (person TEXT PRIMARY KEY, key BLOB NOT NULL)")
    return keys


def new_key(keys: sqlite3.Connection, person: str) -> bytes:
    """Make a key for a person, and keep it."""
    key = AESGCM.generate_key(bit_length=256)
    keys.execute("INSERT INTO keys VALUES (?, ?)", [person, key])
    return key


def key_of(keys: sqlite3.Connection, person: str) -> bytes | None:
    """A person's key; None if it was destroyed, or never was."""
    row = keys.execute("SELECT key FROM keys WHERE person = ?", [person]).fetchone()
    return row and row[0]


def forget(keys: sqlite3.Connection, person: str) -> None:
    """Destroy a person's key."""
    keys.execute("DELETE FROM keys WHERE person = ?", [person])


def seal(key: bytes, stream: str, text: str) -> str:
    """Encrypt what is personal in an event of this stream, as hexadecimal digits."""
    nonce = os.urandom(12)  # a number used once
    return (nonce + AESGCM(key).encrypt(nonce, text.encode(), stream.encode())).hex()


def unseal(key: bytes | None, stream: str, sealed: str) -> str:
    """What was sealed for this stream; "(forgotten)" if there is no key."""
    if key is None:
        return "(forgotten)"
    nonce, secret = bytes.fromhex(sealed[:24]), bytes.fromhex(sealed[24:])
    return AESGCM(key).decrypt(nonce, secret, stream.encode()).decode()


def lies_in(file: Path, secret: bytes) -> bool:
    """Are these bytes anywhere in a database's file, or in those that SQLite keeps beside it?"""
    return any(secret in part.read_bytes() for part in file.parent.glob(f"{file.name}*"))
