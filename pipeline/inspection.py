"""What a database has, lacks and takes: the report of `breadth-pipeline db check`. Reads only.

Rights are found out by statements that touch no row (`… WHERE 1 = 0`): a server judges them before it looks for rows,
and roles, patterns and grants at every level are taken into account by the one who knows them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline import seed
from pipeline.errors import SinkRefused, SinkSchemaError
from pipeline.schema import applied_versions, missing, steps
from pipeline.sinks import Database
from pipeline.sinks.base import check_tables
from pipeline.sinks.letters import DEAD_LETTER
from pipeline.tables import STOCK, TABLES

DENIED = re.compile(r"\b([A-Z][A-Z ]+) command denied")
WRITER = ("SELECT", "INSERT", "UPDATE")
KEEPER = ("DELETE",)
"""Needed by `db prune`, `dead-letter` and by a live run over a recorded day; a plain live run does without."""
OUR_TABLES = (*TABLES, "pipeline_cursor", DEAD_LETTER.name, "pipeline_pruned")


@dataclass(frozen=True, slots=True)
class DayUse:
    """The newest day of a universe: its polls, its stock rows, about how many bytes those take."""

    universe: str
    trade_date: str
    days: int
    polls: int
    stock_rows: int
    stock_bytes: float


def problems(database: Database) -> Iterator[str]:
    """One line a problem that keeps a pipeline from writing here; none when all is well."""
    old = seed.found(database)
    if old:
        yield (
            f"{', '.join(old)}: tables of the seed system in its old layout: `breadth-pipeline db upgrade --adopt-seed "
            "UNIVERSE` keeps them as …_seed and copies their rows"
        )
        return
    absent = missing(database)
    if absent:
        yield f"missing: {', '.join(absent)}: run `breadth-pipeline db init`"
        return
    try:
        check_tables(database)
    except SinkSchemaError as error:
        yield str(error)
    behind = [step.slug for step in steps(database.dialect) if step.version not in applied_versions(database)]
    if behind:
        yield f"not applied: {', '.join(behind)}: run `breadth-pipeline db upgrade`"
    lacking = missing_rights(database, WRITER)
    if lacking:
        yield f"rights lacking: {_listed(lacking)}: {grant_hint(database, WRITER)}"


def notes(database: Database) -> Iterator[str]:
    """One line for each thing that some commands need and a plain live run does not."""
    lacking = missing_rights(database, KEEPER)
    if lacking:
        yield (
            f"rights lacking for `db prune`, `dead-letter` and for a live run over a recorded day: {_listed(lacking)}: "
            f"{grant_hint(database, KEEPER)}"
        )


def missing_rights(database: Database, privileges: tuple[str, ...]) -> dict[str, list[str]]:
    """{privilege: tables on which the user lacks it}. SQLite knows no users: nothing."""
    lacking: dict[str, list[str]] = {}
    if database.dialect != "mysql":
        return lacking
    for table in OUR_TABLES:
        columns = database.columns(table)
        for privilege in privileges:
            if not columns or not _allowed(database, privilege, table, columns):
                lacking.setdefault(privilege, []).append(table)
    return lacking


def _allowed(database: Database, privilege: str, table: str, columns: tuple[str, ...]) -> bool:
    names, nulls = ", ".join(columns), ", ".join(["NULL"] * len(columns))
    statement = {
        "SELECT": f"SELECT 1 FROM {table} WHERE 1 = 0",
        "INSERT": f"INSERT INTO {table} ({names}) SELECT {nulls} FROM (SELECT 1 AS one) o WHERE 1 = 0",
        "UPDATE": f"UPDATE {table} SET {columns[0]} = {columns[0]} WHERE 1 = 0",
        "DELETE": f"DELETE FROM {table} WHERE 1 = 0",
    }[privilege]
    try:
        database.query(statement)
    except SinkRefused:
        return False
    return True


def grant_hint(database: Database, privileges: tuple[str, ...]) -> str:
    """The statement that an administrator runs to give them."""
    name, user = database.query("SELECT DATABASE(), CURRENT_USER()")[0]
    account, _, host = str(user).rpartition("@")
    return f"GRANT {', '.join(privileges)} ON `{name}`.* TO '{account}'@'{host}'"


def lacking_in(messages: list[str]) -> tuple[str, ...]:
    """The privileges that refused statements named, each once."""
    return tuple(dict.fromkeys(match[1].strip() for text in messages for match in DENIED.finditer(text)))


def _listed(lacking: dict[str, list[str]]) -> str:
    return "; ".join(
        f"{privilege} on {'all tables' if len(tables) == len(OUR_TABLES) else ', '.join(tables)}"
        for privilege, tables in lacking.items()
    )


def use(database: Database) -> tuple[int, list[DayUse]]:
    """Bytes used by the whole database, and the newest day of every universe."""
    space = database.space()
    per_row = (space.stock_bytes if space.stock_bytes is not None else space.used) / max(space.rows, 1)
    days = database.query(
        "SELECT universe, MAX(trade_date), COUNT(DISTINCT trade_date) FROM pipeline_poll GROUP BY universe"
    )
    return space.used, [_day_use(database, universe, day, count, per_row) for universe, day, count in days]


def _day_use(database: Database, universe: str, trade_date: str, days: int, per_row: float) -> DayUse:
    where = "WHERE universe = ? AND trade_date = ?"
    polls = database.query(f"SELECT COUNT(*) FROM pipeline_poll {where}", (universe, trade_date))[0][0]
    rows = database.query(f"SELECT COUNT(*) FROM {STOCK.name} {where}", (universe, trade_date))[0][0]
    return DayUse(universe, trade_date, days, polls, rows, rows * per_row)
