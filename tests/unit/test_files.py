"""Files are written whole, or not at all."""

import os

import pytest

from helpers.brokers import files


def test_what_cannot_be_written_leaves_no_half_of_it(monkeypatch, tmp_path):
    note = tmp_path / "note"
    files.write(note, "old")

    def full(*_paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(OSError, match="No space"):
        files.write(note, "new")
    assert note.read_text() == "old"
    assert list(tmp_path.iterdir()) == [note]
