"""Every registered database with our tables, and its sink. MySQL twice: by prepared statements and by SQL text."""

from __future__ import annotations

from contextlib import closing

import pytest

from pipeline import schema
from pipeline.dburl import DatabaseUrl
from pipeline.sinks import ADAPTERS, open_sink
from pipeline.sinks.mysql import MysqlDatabase

WAYS = [*ADAPTERS, "mysql-text"]


@pytest.fixture(params=WAYS)
def url(request, tmp_path, monkeypatch):
    """A database with our tables, of each kind in turn."""
    if request.param == "sqlite":
        found = DatabaseUrl.parse(f"sqlite:///{tmp_path}/breadth.db")
    else:
        server = request.getfixturevalue("mariadb")
        found = DatabaseUrl.parse(server.url(request.getfixturevalue("mariadb_database")))
        if request.param == "mysql-text":
            monkeypatch.setattr(MysqlDatabase, "use_binary", lambda self: None)
    schema.ensure(found, create=True)
    return found


@pytest.fixture
def sink(url):
    with closing(open_sink(url)) as found:
        found.open()
        yield found
