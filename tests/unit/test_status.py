"""The status file: replaced whole, on a full disk too."""

from __future__ import annotations

import errno
import os
import stat
from datetime import UTC, datetime

import pytest

from pipeline import status
from pipeline.dashboard.operations import Status
from pipeline.errors import ConfigError
from tests.unit.test_journal_disk import fill_up, small_disk  # noqa: F401 - a fixture


def test_a_full_disk_does_not_keep_the_status_from_saying_so(small_disk):  # noqa: F811
    status.write(small_disk, {"unstored": 0})
    status.write(small_disk, {"unstored": 0})
    fill_up(small_disk)
    for unstored in range(1, 9):
        status.write(small_disk, {"unstored": unstored, "warnings": ["no room"] * unstored})
        assert status.read(small_disk) == {"unstored": unstored, "warnings": ["no room"] * unstored}


def test_a_status_is_whole_private_and_no_link_is_followed(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / status.FILE).symlink_to(precious)
    for length in (60_000, 10, 0, 40_000):
        status.write(tmp_path, {"text": "x" * length})
        assert status.read(tmp_path) == {"text": "x" * length}
    assert precious.read_text() == "mine"
    assert stat.S_IMODE(os.stat(tmp_path / status.FILE).st_mode) == 0o600
    assert len(list(tmp_path.iterdir())) == 3  # precious, the status and its spare


def test_a_status_that_may_not_be_read_is_told_from_none(tmp_path, monkeypatch):
    assert status.read(tmp_path) is None
    assert status.read(tmp_path / "none") is None
    (tmp_path / status.FILE).write_text("{torn")
    assert status.read(tmp_path) is None
    assert status.read(tmp_path / status.FILE) is None, "not a directory"
    long = tmp_path / ("x" * 300)
    for directory, why in ((long, "File name too long"), (tmp_path, "Permission denied")):
        if directory is tmp_path:
            monkeypatch.setattr(os, "open", refuse)
        shown = Status(directory)
        with pytest.raises(ConfigError, match=f"{status.FILE} cannot be read: {why}"):
            status.read(directory)
        assert shown.refresh()
        assert not shown.refresh()
        assert why in (shown.problem(datetime.now(UTC)) or "")
        assert shown.running(datetime.now(UTC)) is False


def refuse(path, *flags):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
