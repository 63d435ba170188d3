"""The tables of a database: made, checked and upgraded from `sql/<dialect>/NNNN_slug.sql`. Never drops anything.

Runs in the supervisor at start and in `breadth-pipeline db`. Every file is one statement (MySQL commits each DDL by
itself); which ones a database has is kept in its own `schema_version`, so doing it again is harmless.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from pipeline.dburl import DatabaseUrl
from pipeline.errors import SinkError, SinkRefused, SinkSchemaError, SinkUnavailable
from pipeline.sinks import Database, open_database
from pipeline.sinks.base import check_tables, refuse_seed_layout
from pipeline.tables import TABLES

_FILE = re.compile(r"(\d{4})_(\w+)\.sql")
_CREATES = re.compile(r"CREATE\s+(?:SQL SECURITY INVOKER\s+)?(?:TABLE|VIEW)\s+(?:IF NOT EXISTS\s+)?(\w+)")


@dataclass(frozen=True, slots=True)
class Step:
    """One file: its number, its slug, its statement."""

    version: int
    slug: str
    sql: str

    @property
    def creates(self) -> str | None:
        """The table or view that the statement makes."""
        found = _CREATES.search(self.sql)
        return found[1] if found else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step: `state` is applied, present or failed."""

    step: Step
    state: str
    message: str = ""


def steps(dialect: str) -> tuple[Step, ...]:
    """Every step of a dialect, in order."""
    found = []
    for entry in _directory(dialect).iterdir():
        match = _FILE.fullmatch(entry.name)
        if match:
            found.append(Step(int(match[1]), match[2], entry.read_text(encoding="utf-8").strip().removesuffix(";")))
    return tuple(sorted(found, key=lambda step: step.version))


def _directory(dialect: str) -> Traversable:
    """Inside the installed package, else beside it in a plain checkout."""
    try:
        packaged = files("pipeline.sql") / dialect
        if packaged.is_dir():
            return packaged
    except ModuleNotFoundError:
        pass
    return Path(__file__).resolve().parent.parent / "sql" / dialect


def applied_versions(database: Database) -> set[int]:
    if not database.columns("schema_version"):
        return set()
    return {int(version) for (version,) in database.query("SELECT version FROM schema_version")}


def upgrade(database: Database) -> Iterator[Outcome]:
    """Applies what is missing, in order; goes on after a failure so that all of them are told.

    A step that is recorded but whose table or view is gone is applied again. Raises SinkUnavailable only.
    """
    done = applied_versions(database)
    for step in steps(database.dialect):
        present = step.creates is None or bool(database.columns(step.creates))
        if step.version in done and present:
            yield Outcome(step, "present")
            continue
        try:
            if not present or step.creates is None:
                _apply(database, step)
            _record(database, step)
        except SinkUnavailable:
            raise
        except SinkError as error:
            yield Outcome(step, "failed", str(error))
        else:
            yield Outcome(step, "present" if present and step.creates else "applied")


def _apply(database: Database, step: Step) -> None:
    try:
        database.execute(step.sql)
    except SinkError:
        # another pipeline that started at the same moment made it first
        if step.creates is None or not database.columns(step.creates):
            raise


def _record(database: Database, step: Step) -> None:
    database.insert_missing("schema_version", {"version": step.version, "slug": step.slug})


def missing(database: Database) -> tuple[str, ...]:
    """Tables and views that are not there."""
    return tuple(
        step.creates for step in steps(database.dialect) if step.creates and not database.columns(step.creates)
    )


def ensure(url: DatabaseUrl, create: bool) -> None:
    """Makes missing tables when `create`, then checks. Raises SinkRefused, SinkSchemaError or SinkUnavailable."""
    database = open_database(url, readonly=False)
    try:
        for table in TABLES:
            refuse_seed_layout(table, database.columns(table))
        absent = missing(database)
        if absent and TABLES.keys().isdisjoint(absent):
            check_tables(database)  # a column that is missing says more than the views that need it
        if absent and create:
            failed = [outcome for outcome in upgrade(database) if outcome.state == "failed"]
            if failed:
                raise SinkRefused(_failure(url, failed))
        elif absent:
            raise SinkSchemaError(
                f"{url.masked}: {', '.join(absent)} missing and --no-create given: run `breadth-pipeline db init`"
            )
        check_tables(database)
    finally:
        database.close()


def _failure(url: DatabaseUrl, failed: list[Outcome]) -> str:
    names = ", ".join(outcome.step.creates or outcome.step.slug for outcome in failed)
    return f"{url.masked}: cannot create {names}: {failed[0].message}"
