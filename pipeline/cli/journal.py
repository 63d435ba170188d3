"""`breadth-pipeline journal info|check|export|prune`: what the journal holds, its soundness, its retention."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import click

from pipeline import wire
from pipeline.cli.common import with_settings
from pipeline.cli.lookup import checked_date
from pipeline.cli.output import print_json
from pipeline.config import Settings
from pipeline.errors import EXIT_DEGRADED
from pipeline.figures import plain
from pipeline.journal import NAME, Journal, JournalReader, check, free_bytes
from pipeline.lock import InstanceLock
from pipeline.model import Entry
from pipeline.retention import stored_everywhere
from pipeline.tables import TABLES


@click.group()
def journal() -> None:
    """Look into the journal: info, check, export, prune."""


@journal.command()
@with_settings("universe", "state_dir")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def info(settings: Settings, as_json: bool) -> None:
    """Show what is in the journal: numbers, days, sizes, what it replaced."""
    facts = info_of(JournalReader(settings.state_dir))
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        if name == "days":
            for day in value:
                click.echo(f"{'day':<14}{day['trade_date']} {plain(day['universe'])}: {day['records']:,} records")
        else:
            click.echo(f"{name:<14}{plain('-' if value in (None, '', []) else value)}")


def info_of(reader: JournalReader) -> dict[str, Any]:
    """Everything that can be told without reading a payload."""
    directory, meta, identity, taken = reader.path.parent, reader.meta(), reader.identity(), reader.taken()
    wal = directory / f"{NAME}-wal"
    return {
        "file": str(reader.path),
        "journal_id": identity.journal_id,
        "stream": identity.stream,
        "created_at": meta.created_at,
        "first_seq": identity.first_seq,
        "last_seq": identity.last_seq,
        "records": identity.last_seq - identity.first_seq + 1,
        "pruned": meta.pruned_seq,
        "first_taken": taken[0] if taken else None,
        "last_taken": taken[1] if taken else None,
        "bytes": reader.path.stat().st_size + (wal.stat().st_size if wal.exists() else 0),
        "free_bytes": free_bytes(directory),
        "replaces": meta.replaces,
        "kept_aside": sorted(path.name for path in directory.glob("journal-*.damaged-*.sqlite3")),
        "days": [
            {"universe": universe, "trade_date": date, "records": len(reader.keys(universe, date))}
            for universe, date in reader.days()
        ],
    }


@journal.command("check")
@with_settings("universe", "state_dir")
def check_command(settings: Settings) -> None:
    """Read every byte: structure, numbers, digest chain, payloads. Exit 0 when sound, 1 when not, 69 without one."""
    faults = check(settings.state_dir)
    for fault in faults:
        click.echo(f"DAMAGED {plain(fault)}")
    if faults:
        click.echo("the next `breadth-pipeline run` begins a new journal with everything that can be read")
        sys.exit(EXIT_DEGRADED)
    identity = JournalReader(settings.state_dir).identity()
    count = identity.last_seq - identity.first_seq + 1
    click.echo(f"journal {identity.journal_id} is sound: {count:,} records, numbers up to {identity.last_seq:,}")


@journal.command()
@with_settings("universe", "state_dir")
@click.option("--date", "day", metavar="YYYY-MM-DD", help="Trading day. Default: every day.")
def export(settings: Settings, day: str | None) -> None:
    """Print the records as JSON, a line each."""
    reader = JournalReader(settings.state_dir)
    for entry in _entries(reader, checked_date(day)):
        click.echo(json.dumps(exported(entry)))


def _entries(reader: JournalReader, day: str | None) -> Iterator[Entry]:
    if day is None:
        yield from reader.entries()
        return
    numbers = sorted(seq for universe, date in reader.days() if date == day for seq, _ in reader.keys(universe, date))
    for seq in numbers:
        entry = reader.entry(seq)
        if entry is not None:
            yield entry


def exported(entry: Entry) -> dict[str, Any]:
    """The record with its rows as objects; a table of another release keeps its rows as lists."""
    record = wire.decode(entry.payload)
    return {
        "seq": entry.seq,
        "digest": entry.digest.hex(),
        "key": record.key,
        "universe": record.universe,
        "trade_date": record.trade_date,
        "source": record.source,
        "tables": {name: [_named(name, row) for row in rows] for name, rows in record.tables.items()},
    }


def _named(table: str, row: tuple[Any, ...]) -> Any:
    known = TABLES.get(table)
    if known is None or len(known.columns) != len(row):
        return list(row)
    return dict(zip(known.column_names, row, strict=True))


@journal.command()
@with_settings("universe", "db", "state_dir", "keep_s")
def prune(settings: Settings) -> None:
    """Remove records that every database has and that are older than --keep. Not while the pipeline runs."""
    JournalReader(settings.state_dir).identity()  # raises when there is none: nothing is made then
    with InstanceLock(settings.state_dir / "lock"):
        for line in pruned(settings):
            click.echo(line)


def pruned(settings: Settings) -> Iterator[str]:
    """Prunes; yields what there is to say. Raises UnfinishedError, nothing pruned, when a database cannot tell."""
    stream = JournalReader(settings.state_dir).identity().stream
    found = Journal.open(settings.state_dir, stream)
    try:
        yield from (f"warning: {plain(finding)}" for finding in found.findings)
        through = stored_everywhere(JournalReader(settings.state_dir), settings.db)
        removed = found.prune(through, timedelta(seconds=settings.keep_s))
        if removed:
            found.compact()
        left = found.identity
        yield (
            f"{removed:,} records removed; {left.last_seq - left.first_seq + 1:,} kept "
            f"(every database has those up to {through:,})"
        )
    finally:
        found.close()
