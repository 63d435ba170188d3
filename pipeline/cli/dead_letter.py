"""`breadth-pipeline dead-letter list|retry|drop`: rows that a database refused. Layer 5."""

from __future__ import annotations

import sys
from contextlib import closing

import click

from pipeline import dead_letters
from pipeline.cli.common import with_settings
from pipeline.cli.output import print_json
from pipeline.config import Settings
from pipeline.dburl import DatabaseUrl
from pipeline.errors import EXIT_DEGRADED, EXIT_DONE, UsageError
from pipeline.figures import count, fit, plain
from pipeline.sinks import Database, open_database
from pipeline.sinks.letters import Letter

LISTED = 100


@click.group("dead-letter")
def dead_letter() -> None:
    """List rows that a database refused, send them again, or drop them."""


@dead_letter.command("list")
@with_settings("db", "universe", "state_dir")
@click.option("--limit", default=LISTED, show_default=True, help="Show at most this many, oldest first.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with the whole rows.")
def list_(settings: Settings, limit: int, as_json: bool) -> None:
    """Show which rows were refused, when and why."""
    found = []
    for url in settings.db:
        with closing(open_database(url, readonly=True)) as database:
            total = dead_letters.counted(database)
            shown = dead_letters.letters(database, limit)
        if as_json:
            found += [_facts(url, letter) for letter in shown]
            continue
        click.echo(f"{plain(url.masked)}: {count(total, 'dead letter')}")
        for letter in shown:
            click.echo(f"  {_line(letter)}")
        if total > len(shown):
            click.echo(f"  … and {total - len(shown)} more (--limit)")
    if as_json:
        print_json(found)


@dead_letter.command()
@with_settings("db", "universe", "state_dir")
@click.option("--seq", type=int, help="Only those of this journal record.")
def retry(settings: Settings, seq: int | None) -> None:
    """Send refused rows again, oldest first; a row that is stored now is removed here. Exit 1 when some stay."""
    left = 0
    for url in settings.db:
        with closing(open_database(url, readonly=False)) as database:
            results = [dead_letters.retry(database, letter) for letter in _chosen(database, seq)]
        for result in results:
            if not result.stored:
                click.echo(f"  stays: {_line(result.letter)}: {plain(result.reason)}")
        stored = sum(result.stored for result in results)
        left += len(results) - stored
        click.echo(f"{plain(url.masked)}: {count(stored, 'row')} stored, {len(results) - stored} refused again")
    sys.exit(EXIT_DEGRADED if left else EXIT_DONE)


@dead_letter.command()
@with_settings("db", "universe", "state_dir")
@click.option("--seq", type=int, help="Those of this journal record.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
def drop(settings: Settings, seq: int | None, everything: bool) -> None:
    """Give refused rows up for good: their contents go; verify calls them dropped by hand, and agrees."""
    if everything == (seq is not None):
        raise UsageError("dead-letter drop: say which: --seq N or --all")
    for url in settings.db:
        with closing(open_database(url, readonly=False)) as database:
            chosen = _chosen(database, seq)
            dead_letters.drop(database, chosen)
        click.echo(f"{plain(url.masked)}: {count(len(chosen), 'dead letter')} dropped")


def _chosen(database: Database, seq: int | None) -> list[Letter]:
    return [letter for letter in dead_letters.letters(database) if seq is None or letter.seq == seq]


def _line(letter: Letter) -> str:
    place = f"{letter.stream} record {letter.seq} {letter.table_name} row {letter.row_no}"
    return f"{letter.created_at}  {plain(place)}: {fit(letter.reason, 160)}"


def _facts(url: DatabaseUrl, letter: Letter) -> dict[str, object]:
    return {
        "database": url.masked,
        "stream": letter.stream,
        "journal_id": letter.journal_id,
        "seq": letter.seq,
        "table": letter.table_name,
        "row_no": letter.row_no,
        "reason": letter.reason,
        "source": letter.source,
        "row": list(letter.row),
        "created_at": letter.created_at,
    }
