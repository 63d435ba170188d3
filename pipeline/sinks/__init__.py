"""Databases that records are stored in. One adapter a module, imported when a URL asks for it.

A new database is a module with `connect(url, readonly) -> Database` and a line in `ADAPTERS` (docs/adding-a-sink.md).
"""

from __future__ import annotations

from functools import partial
from importlib import import_module

from pipeline.dburl import DatabaseUrl
from pipeline.sinks.base import Sink, Written
from pipeline.sinks.database import Database

ADAPTERS = {
    "sqlite": "pipeline.sinks.sqlite",
    "mysql": "pipeline.sinks.mysql",
}
"""{dialect of the URL: module}."""

__all__ = ["ADAPTERS", "Database", "Sink", "Written", "open_database", "open_sink"]


def open_sink(url: DatabaseUrl) -> Sink:
    """A sink for `url`, not yet connected: `open()` does that."""
    import_module(ADAPTERS[url.dialect])
    return Sink(partial(open_database, url, readonly=False))


def open_database(url: DatabaseUrl, *, readonly: bool) -> Database:
    """A connection. Raises SinkUnavailable or SinkRefused with one line that names the database, never its password."""
    database: Database = import_module(ADAPTERS[url.dialect]).connect(url, readonly=readonly)
    return database
