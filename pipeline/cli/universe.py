"""`breadth-pipeline universe list|show`: the named universes, and what is in one or in a CSV file. Reads files only."""

from __future__ import annotations

import click

from pipeline import universes
from pipeline.cli.output import print_json, print_lines, terminal
from pipeline.figures import count, fit, pad, plain
from pipeline.model import Universe

_TITLE_WIDTH = 30
_SYMBOL_WIDTH = 18
_NAME_WIDTH = 34
_SECTOR_WIDTH = 24


@click.group()
def universe() -> None:
    """List the named universes, or show the members of one or of a CSV file."""


@universe.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_universes(as_json: bool) -> None:
    """List the named universes: symbols, index, and the date their members are of."""
    found = universes.available()
    if as_json:
        print_json([_facts(info) for info in found])
        return
    lines = [f"{'NAME':<14}{'SYMBOLS':>7}  {'AS OF':<12}{'INDEX':<11}TITLE"]
    for info in found:
        title = fit(info.title, _TITLE_WIDTH)
        lines.append(f"{info.name:<14}{info.size:>7}  {info.as_of.isoformat():<12}{info.index:<11}{title}")
    print_lines([*lines, "", "A CSV file with a column yahoo_symbol or symbol is a universe, too."], terminal())


@universe.command("show")
@click.argument("name")
@click.option("--calendar", type=click.Choice(["NSE", "NYSE"]), help="NSE gives bare symbols of a file their .NS.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show_universe(name: str, calendar: str | None, as_json: bool) -> None:
    """Show the members of the universe NAME, or of the CSV file NAME."""
    loaded = universes.load(name, calendar)
    chosen, calendar_warnings = universes.default_calendar(loaded.universe)
    warnings = (*loaded.warnings, *(() if calendar else calendar_warnings))
    if as_json:
        print_json(_contents(loaded.universe, calendar or chosen, warnings))
        return
    for warning in warnings:
        click.echo(f"warning: {plain(warning)}", err=True)
    print_lines(_member_lines(loaded.universe, calendar or chosen), terminal())


def _facts(info: universes.Info) -> dict[str, object]:
    return {
        "name": info.name,
        "title": info.title,
        "as_of": info.as_of.isoformat(),
        "index": info.index,
        "symbols": info.size,
    }


def _contents(found: Universe, calendar: str, warnings: tuple[str, ...]) -> dict[str, object]:
    return {
        "name": found.name,
        "as_of": found.as_of.isoformat() if found.as_of else None,
        "index": found.index,
        "calendar": calendar,
        "warnings": list(warnings),
        "members": [{"symbol": m.symbol, "name": m.name, "sector": m.sector} for m in found.members],
    }


def _member_lines(found: Universe, calendar: str) -> list[str]:
    sectors = len({member.sector for member in found.members})
    as_of = f", as of {found.as_of}" if found.as_of else ""
    index = f", index {found.index}" if found.index else ""
    lines = [f"{found.name}: {count(len(found.members), 'symbol')} in {count(sectors, 'sector')}{as_of}"]
    lines += [f"calendar {calendar}{index}", ""]
    lines.append(f"{'SYMBOL':<{_SYMBOL_WIDTH}}  {'NAME':<{_NAME_WIDTH}}  SECTOR")
    for member in found.members:
        symbol, name = pad(member.symbol, _SYMBOL_WIDTH), pad(member.name, _NAME_WIDTH)
        lines.append(f"{symbol}  {name}  {fit(member.sector, _SECTOR_WIDTH)}")
    return lines
