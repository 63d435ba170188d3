"""The status file: replaced whole, on a full disk too."""

from __future__ import annotations

import os
import stat

from pipeline import status
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
