"""Fixtures of the tests that run the program as it is."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Of a database that is yet to be made."""
    return tmp_path / "breadth.db"
