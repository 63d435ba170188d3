"""Whether a journal is sound, in every byte that matters. Any process, also beside a running fetcher; reads only."""

from __future__ import annotations

from pathlib import Path

from pipeline import wire
from pipeline.errors import JournalDamagedError, JournalError
from pipeline.journal import file as files
from pipeline.journal import repair
from pipeline.journal.mark import read_mark
from pipeline.journal.read import JournalReader

MAX_NAMED = 20


def check(directory: Path) -> list[str]:
    """What is wrong, a line each (the first MAX_NAMED); empty when the journal is sound.

    Raises JournalError when there is none, or none that may be read. Looks at structure, numbers, digests, the mark,
    and whether every payload decodes to the record of its key.
    """
    path = directory / files.NAME
    with files.worded(path):
        if not path.exists():
            raise JournalError(f"journal {path} is not there")
        if path.stat().st_size == 0:
            return [f"journal {path} is empty: not even its description is there"]
    mark = read_mark(directory)  # before the file: a running fetcher moves the file first
    try:
        with files.worded(path):
            connection = files.connect(path, readonly=True)
            try:
                meta = files.load_meta(connection, path)
                found = [repair.fault(connection, meta), repair.mark_fault(connection, meta, mark)]
            finally:
                connection.close()
        return [each for each in found if each] or _payload_faults(directory)
    except JournalDamagedError as error:
        return [str(error)]


def _payload_faults(directory: Path) -> list[str]:
    reader = JournalReader(directory)
    found: list[str] = []
    try:
        keys = {seq: key for universe, date in reader.days() for seq, key in reader.keys(universe, date)}
        for entry in reader.entries():
            try:
                record = wire.decode(entry.payload)
            except JournalDamagedError as error:
                found.append(f"record {entry.seq}: {error}")
            else:
                if entry.seq in keys and keys[entry.seq] != record.key:
                    found.append(
                        f"record {entry.seq} is filed under {keys[entry.seq]!r}, its own key is {record.key!r}"
                    )
            if len(found) == MAX_NAMED:
                break
    finally:
        reader.close()
    return found
