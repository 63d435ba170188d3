"""The journal against a plain list, in every order of operations that hypothesis thinks of."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pipeline import wire
from pipeline.journal import Journal, JournalReader
from pipeline.model import Record
from tests.unit.journals import STREAM, record

numbers = st.integers(0, 25)


def numbered(number: int) -> Record:
    """A record of one of several days."""
    return record(number, day=day_of(number))


def day_of(number: int) -> str:
    return f"2026-11-{1 + number // 6:02d}"


class JournalMachine(RuleBasedStateMachine):
    """`kept`: (number of the record, when it was taken) of what the journal holds; `pruned`: numbers removed before."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="journal-model-"))
        self.now = datetime(2026, 11, 26, tzinfo=UTC)
        self.kept: list[tuple[int, datetime]] = []
        self.pruned = 0
        self.journal = self._open()
        self.reader = JournalReader(self.directory)
        self.ids = {self.journal.journal_id}

    def _open(self) -> Journal:
        journal = Journal.open(self.directory, STREAM, clock=lambda: self.now)
        assert journal.findings == ()
        return journal

    @rule(number=numbers)
    def append(self, number: int) -> None:
        known = [each for each, _ in self.kept]
        seq = self.journal.append(numbered(number))
        if number in known:
            assert seq == self.pruned + known.index(number) + 1
        else:
            self.kept.append((number, self.now))
            assert seq == self.pruned + len(self.kept)

    @rule(hours=st.integers(0, 30))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule()
    def close_and_open(self) -> None:
        self.journal.close()
        self.journal = self._open()

    @rule()
    def leave_a_write_ahead_log_and_open(self) -> None:
        """As after a kill: the directory as it is now, opened by somebody else."""
        copy = Path(tempfile.mkdtemp(prefix="journal-model-"))
        shutil.copytree(self.directory, copy, dirs_exist_ok=True)
        self.journal.close()
        self.reader.close()
        shutil.rmtree(self.directory)
        self.directory = copy
        self.journal = self._open()
        self.reader = JournalReader(self.directory)

    @rule()
    @precondition(lambda self: len(self.ids) < 4)
    def rotate(self) -> None:
        self.journal.rotate("the model wants it")
        assert self.journal.journal_id not in self.ids
        self.ids.add(self.journal.journal_id)
        self.pruned = 0

    @rule(through=st.integers(0, 30), hours=st.integers(0, 48))
    def prune(self, through: int, hours: int) -> None:
        count = 0
        for offset, (number, taken) in enumerate(self.kept[:-1]):
            if day_of(number) == day_of(self.kept[-1][0]):
                break
            if self.pruned + offset + 1 > through or taken >= self.now - timedelta(hours=hours):
                break
            count += 1
        assert self.journal.prune(through, timedelta(hours=hours)) == count
        del self.kept[:count]
        self.pruned += count

    @rule(after=st.integers(0, 30), count=st.integers(1, 10))
    def read(self, after: int, count: int) -> None:
        entries = self.reader.read(after, count)
        start = max(after, self.pruned)
        expected = self.kept[start - self.pruned :][:count]
        assert [entry.seq for entry in entries] == [start + 1 + offset for offset in range(len(expected))]
        assert [wire.decode(entry.payload) for entry in entries] == [numbered(number) for number, _ in expected]

    @invariant()
    def identity_agrees(self) -> None:
        identity = self.reader.identity()
        assert identity == self.journal.identity
        assert (identity.first_seq, identity.last_seq) == (self.pruned + 1, self.pruned + len(self.kept))

    def teardown(self) -> None:
        self.reader.close()
        self.journal.close()
        shutil.rmtree(self.directory, ignore_errors=True)


TestJournalAgainstAList = JournalMachine.TestCase
TestJournalAgainstAList.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
