"""One running pipeline that a module's faults are done to, one after the other."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.mariadb import running
from tests.torture.field import Field
from tests.torture.ordeal import SERVER_OPTIONS, battlefield


class Battle:
    """The present field, and a new one after a fault that went wrong."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stack = ExitStack()
        self._number = 0
        self._server = self._stack.enter_context(running(directory / "m", options=SERVER_OPTIONS))
        self._fields = ExitStack()
        self._field: Field | None = None
        self.available: set[str] = set()

    def field(self) -> Field:
        if self._field is None:
            self._number += 1
            place = self._directory / str(self._number)
            self._field, self.available = self._fields.enter_context(battlefield(place, 1, server=self._server))
            self._field.start()
        return self._field

    def lost(self) -> None:
        self._field = None
        self._fields.close()
        if not self._server.answers():
            self._server.restart()

    def close(self) -> None:
        self._fields.close()
        self._stack.close()


@pytest.fixture(scope="module")
def battle(need_server: None) -> Iterator[Battle]:
    directory = Path(tempfile.mkdtemp(prefix="bp-"))
    made = Battle(directory)
    yield made
    made.close()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def field(battle: Battle) -> Iterator[Field]:
    """A running pipeline with both databases; the test leaves it running."""
    found = battle.field()
    found.chance.seed(found.rig.pipeline.last_seq())
    yield found
    if found.torn or not found.rig.pipeline.running:
        battle.lost()
