"""`breadth-pipeline history`: a day's snapshots as a table with a small chart, from a database. Reads only."""

from __future__ import annotations

from typing import Any

import click

from pipeline.cli.common import with_settings
from pipeline.cli.lookup import checked_date, chosen_universe, no_data, opened
from pipeline.cli.output import print_csv, print_json, print_lines, terminal
from pipeline.cli.render import history_lines
from pipeline.config import Loaded
from pipeline.reader import Reader
from pipeline.tables import SNAPSHOT

COLUMNS = (*SNAPSHOT.column_names, "outcome", "reason")


@click.command()
@with_settings("universe", "db", "state_dir", loaded=True)
@click.option("--date", "day", metavar="YYYY-MM-DD", help="Trading day. Default: the newest one stored.")
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Only the last N polls.")
@click.option("--json", "as_json", is_flag=True, help="The series as JSON, numbers unrounded.")
@click.option("--csv", "as_csv", is_flag=True, help="The series as CSV.")
def history(loaded: Loaded, day: str | None, last: int | None, as_json: bool, as_csv: bool) -> None:
    """Show the day's series: every poll, with a chart of advances less declines."""
    if as_json and as_csv:
        raise click.UsageError("give --json or --csv, not both")
    wanted = checked_date(day)
    with opened(loaded) as (reader, url):
        universe = chosen_universe(reader, loaded, url)
        view = view_of(reader, universe, wanted)
    if last is not None:
        view["series"] = view["series"][-last:]
    if as_json:
        print_json({"database": url.masked, **view})
    elif as_csv:
        print_csv(COLUMNS, view["series"])
    else:
        screen = terminal()
        print_lines(history_lines(view, screen), screen)


def view_of(reader: Reader, universe: str, day: str | None) -> dict[str, Any]:
    """{universe, date, session, series}. Raises PipelineError when the day has no poll at all."""
    if day is None:
        newest = reader.latest(universe)
        day = newest["trade_date"] if newest else None
    series = reader.series(universe, day) if day else []
    if day is None or not series:
        raise no_data(reader, universe, day)
    return {"universe": universe, "date": day, "session": reader.session(universe, day), "series": series}
