"""`breadth-pipeline db init|check|upgrade|prune`: the tables of the databases. Layer 5; never drops data."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

import click

from pipeline import seed
from pipeline.cli.common import checked_name, with_settings
from pipeline.config import Settings
from pipeline.dburl import DatabaseUrl
from pipeline.errors import EXIT_CONFIG, EXIT_DONE, SinkError
from pipeline.figures import byte_size, count, grouped, plain
from pipeline.inspection import grant_hint, lacking_in, notes, problems, use
from pipeline.parse import DAY_S, MILLENNIUM_S, duration
from pipeline.prune import prune_stocks
from pipeline.schema import upgrade as apply_steps
from pipeline.sinks import Database, open_database


@click.group()
def db() -> None:
    """Create, check, upgrade and thin out the databases."""


@db.command()
@with_settings("db", "universe", "state_dir")
def init(settings: Settings) -> None:
    """Create missing tables and views; harmless when they are there."""
    sys.exit(max(_create(url, None) for url in settings.db))


@db.command()
@with_settings("db", "universe", "state_dir")
@click.option("--adopt-seed", metavar="UNIVERSE", help="Keep the seed system's tables as …_seed and copy their rows.")
def upgrade(settings: Settings, adopt_seed: str | None) -> None:
    """Apply what this release adds; with --adopt-seed take over the seed system's tables."""
    name = checked_name(adopt_seed) if adopt_seed else None
    sys.exit(max(_create(url, name) for url in settings.db))


@db.command()
@with_settings("db", "universe", "state_dir")
def check(settings: Settings) -> None:
    """Check server, tables, columns and rights; show rows and MB a day. Exit 78 when a pipeline could not write."""
    sys.exit(max(_check(url) for url in settings.db))


@db.command()
@with_settings("db", "universe", "state_dir")
@click.option("--stocks-keep", metavar="TIME", required=True, help="Remove stock rows older than this (90d).")
def prune(settings: Settings, stocks_keep: str) -> None:
    """Remove old stock rows in small batches; snapshots and sectors stay."""
    keep = timedelta(seconds=duration(DAY_S, MILLENNIUM_S)("--stocks-keep", stocks_keep))
    for url in settings.db:
        with closing(open_database(url, readonly=False)) as database:
            total = 0
            for day in prune_stocks(database, datetime.now(UTC).date(), keep):
                click.echo(f"{day.trade_date} {plain(day.universe)}: {count(day.rows, 'stock row')} removed")
                total += day.rows
        click.echo(f"{plain(url.masked)}: {count(total, 'stock row')} removed")


def _create(url: DatabaseUrl, adopt: str | None) -> int:
    with closing(open_database(url, readonly=False)) as database:
        click.echo(f"{plain(url.masked)}: {plain(database.version)}")
        old = seed.found(database)
        if old and adopt is None:
            click.echo(
                f"  refused: {', '.join(old)}: tables of the seed system in its old layout: keep them as …_seed and "
                "copy their rows with `breadth-pipeline db upgrade --adopt-seed UNIVERSE`",
                err=True,
            )
            return EXIT_CONFIG
        if adopt:
            _set_aside(database)
        failed = _apply(database)
        if failed:
            _advise(database, failed)
            return EXIT_CONFIG
        if adopt:
            _copy(database, adopt)
    return EXIT_DONE


def _apply(database: Database) -> list[str]:
    """Applies every step, a line each; the messages of those that failed."""
    failed = []
    for outcome in apply_steps(database):
        line = f"  {outcome.step.version:04d} {outcome.step.slug:<30} {outcome.state}"
        click.echo(f"{line}: {plain(outcome.message)}" if outcome.message else line, err=outcome.state == "failed")
        if outcome.state == "failed":
            failed.append(outcome.message)
    return failed


def _advise(database: Database, messages: Sequence[str]) -> None:
    click.echo(f"  {count(len(messages), 'statement')} failed; nothing was dropped or changed", err=True)
    lacking = lacking_in(list(messages))
    if lacking:
        hint = grant_hint(database, lacking)
        click.echo(f"  grants lacking: {', '.join(lacking)}; an administrator runs: {plain(hint)}", err=True)


def _set_aside(database: Database) -> None:
    renamed = list(seed.set_aside(database))
    for name in renamed:
        click.echo(f"  kept: {name}")
    if not renamed and not seed.kept(database):
        click.echo("  there are no tables of the seed system here")


def _copy(database: Database, universe: str) -> None:
    for done in seed.copy(database, universe):
        left = f", {done.left_out} left out ({plain(done.reason)})" if done.left_out else ""
        there = done.read - done.inserted - done.left_out
        kept = f", {grouped(there)} with a key that was there already" if there else ""
        rows = f"{grouped(done.inserted)} of {count(done.read, 'row')}"
        click.echo(f"  copied: {done.table}: {rows} to universe {universe}{kept}{left}")


def _check(url: DatabaseUrl) -> int:
    """A read-only session could not ask about rights; a file of SQLite must not come into being by being looked at."""
    with closing(open_database(url, readonly=url.dialect == "sqlite")) as database:
        click.echo(f"{plain(url.masked)}: {plain(database.version)}")
        found = list(problems(database))
        for problem in found:
            click.echo(f"  problem: {plain(problem)}", err=True)
        if found:
            return EXIT_CONFIG
        for note in notes(database):
            click.echo(f"  note: {plain(note)}")
        _show_use(database)
    click.echo("  ok")
    return EXIT_DONE


def _show_use(database: Database) -> None:
    try:
        used, days = use(database)
    except SinkError as error:
        click.echo(f"  use unknown: {plain(error)}")
        return
    click.echo(f"  used: {byte_size(used)}")
    for day in days:
        click.echo(
            f"  {plain(day.universe)} {day.trade_date}: {count(day.polls, 'poll')}, {grouped(day.stock_rows)} stock "
            f"rows, about {day.stock_bytes / 1e6:.1f} MB a day; {count(day.days, 'day')} stored"
        )
