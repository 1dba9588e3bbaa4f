"""The grader of the lab on five clients tells right answers from wrong ones."""

import binascii
import hashlib
import zlib

import pytest
from kafka.partitioner.default import murmur2

from tests.exercises.answers import Answers, ignoring, stub

pytestmark = pytest.mark.usefixtures("live")


def lowest_31_bits(key):
    return murmur2(key) & 0x7FFFFFFF


def split_with(java=lowest_31_bits, other=zlib.crc32, empty=True, one_too=False, kind=set):
    """An answer that gets right what it is told to."""

    def split(keys, partitions):
        found = [
            key
            for key in keys
            if (empty and not key and (partitions > 1 or one_too))
            or ((key or not empty) and java(key) % partitions != other(key) % partitions)
        ]
        return kind(found)

    return split


def split_by_tables(keys, partitions):
    """Right too: two dictionaries, compared."""
    full = set(keys) - {b""}
    python = {key: lowest_31_bits(key) % partitions for key in full}
    library = {key: binascii.crc32(key) % partitions for key in full}
    same = {key for key, _ in python.items() & library.items()}
    return set(keys) - same - ({b""} if partitions == 1 else set())


def split_by_a_loop(keys, partitions):
    """Right too: with one partition there is nothing to split."""
    found = set()
    for key in keys if partitions > 1 else ():
        if key == b"" or (murmur2(key) % 2**31 - zlib.crc32(key)) % partitions:
            found.add(key)
    return found


def forgets_the_partitions(keys, partitions):
    return split_with()(keys, 3)


def compares_hashes(keys, partitions):
    return {key for key in keys if lowest_31_bits(key) != zlib.crc32(key)}


def md5(key):
    return int.from_bytes(hashlib.md5(key).digest()[:4], "big")


ANSWERS = {
    "4.13": Answers(
        right={
            "reference": split_with(),
            "tables": split_by_tables,
            "loop": split_by_a_loop,
        },
        wrong={
            "all 32 bits": ("invented", split_with(java=murmur2)),
            "CRC-32 cut, too": (
                "invented",
                split_with(other=lambda key: zlib.crc32(key) & 0x7FFFFFFF),
            ),
            "the empty key is one like others": ("overlooked", split_with(empty=False)),
            "the empty key with one partition": ("invented", split_with(one_too=True)),
            "the hashes": ("invented", compares_hashes),
            "always three partitions": ("invented", forgets_the_partitions),
            "another hash": ("invented", split_with(other=md5)),
            "Adler": ("invented", split_with(other=zlib.adler32)),
            "those that meet": (
                "invented",
                lambda keys, partitions: set(keys) - split_with()(keys, partitions),
            ),
            "none": ("overlooked", lambda *_: set()),
            "all": ("invented", lambda keys, _: set(keys)),
            "a list": ("no_set", split_with(kind=list)),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    ),
}


def test_answers(case):
    case.judge()
