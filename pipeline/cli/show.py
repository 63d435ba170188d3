"""`breadth-pipeline show`: the newest snapshot of a day, its sectors and its movers, from a database. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from pipeline.cli.common import with_settings
from pipeline.cli.lookup import checked_date, chosen_universe, no_data, opened
from pipeline.cli.output import print_csv, print_json, print_lines, terminal
from pipeline.cli.render import snapshot_lines
from pipeline.config import Loaded
from pipeline.reader import Reader
from pipeline.tables import SECTOR, SNAPSHOT, STOCK

COLUMNS = {
    "snapshot": SNAPSHOT.column_names,
    "sectors": SECTOR.column_names,
    "stocks": (*STOCK.column_names, "name", "sector"),
}
_TRADED = ("ADVANCE", "DECLINE", "UNCHANGED")


@click.command()
@with_settings("universe", "db", "state_dir", loaded=True)
@click.option("--date", "day", metavar="YYYY-MM-DD", help="Trading day. Default: the newest one stored.")
@click.option("--top", default=5, show_default=True, type=click.IntRange(1, 1000), help="Movers of each kind.")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON, numbers unrounded.")
@click.option("--csv", "as_csv", is_flag=True, help="One table as CSV.")
@click.option("--table", type=click.Choice(list(COLUMNS)), default="snapshot", show_default=True, help="For --csv.")
def show(loaded: Loaded, day: str | None, top: int, as_json: bool, as_csv: bool, table: str) -> None:
    """Show the latest snapshot: counts, index, sectors, gainers, losers, most active."""
    if as_json and as_csv:
        raise click.UsageError("give --json or --csv, not both")
    wanted = checked_date(day)
    with opened(loaded) as (reader, url):
        universe = chosen_universe(reader, loaded, url)
        view = view_of(reader, universe, wanted, top)
    if as_json:
        print_json({"database": url.masked, **{key: value for key, value in view.items() if key != "stocks"}})
    elif as_csv:
        rows = [view["snapshot"]] if table == "snapshot" else view[table]
        print_csv(COLUMNS[table], rows)
    else:
        screen = terminal()
        print_lines(snapshot_lines(view, screen), screen)


def view_of(reader: Reader, universe: str, day: str | None, top: int) -> dict[str, Any]:
    """{universe, session, snapshot, sectors, gainers, losers, most_active, stocks}. Raises PipelineError: no data."""
    snapshot = reader.latest(universe, day)
    if snapshot is None:
        raise no_data(reader, universe, day)
    when = (universe, snapshot["trade_date"], snapshot["poll_time"])
    stocks = reader.stocks(*when)
    return {
        "universe": universe,
        "session": reader.session(universe, snapshot["trade_date"]),
        "snapshot": snapshot,
        "sectors": reader.sectors(*when),
        **movers(stocks, top),
        "stocks": stocks,
    }


def movers(stocks: Sequence[dict[str, Any]], top: int) -> dict[str, list[dict[str, Any]]]:
    """Gainers and losers by percent change, most active by volume; among the stocks that traded."""
    traded = [row for row in stocks if row["status"] in _TRADED]
    moved = [row for row in traded if row["change_pct"] is not None]
    by_change = sorted(moved, key=lambda row: (-row["change_pct"], row["symbol"]))
    by_fall = sorted(moved, key=lambda row: (row["change_pct"], row["symbol"]))
    by_volume = sorted(traded, key=lambda row: (-(row["volume"] or 0), row["symbol"]))
    return {
        "gainers": [row for row in by_change if row["status"] == "ADVANCE"][:top],
        "losers": [row for row in by_fall if row["status"] == "DECLINE"][:top],
        "most_active": by_volume[:top],
    }
