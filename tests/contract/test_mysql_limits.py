"""MySQL at its limits: hung, locked, with small packets."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from pipeline import schema
from pipeline.dburl import DatabaseUrl
from pipeline.errors import SinkUnavailable
from pipeline.model import Cursor
from pipeline.sinks import mysql, open_database, open_sink
from pipeline.sinks.letters import DEAD_LETTER
from pipeline.sinks.mysql import MysqlDatabase
from pipeline.tables import STOCK
from tests.contract.storage import (
    JOURNAL,
    STREAM,
    count,
    cursor_at,
    entries,
    poll_record,
    session_record,
)


def test_hung_server_ends_the_call_and_what_it_did_is_found_out_afterwards(own_mariadb, monkeypatch):
    monkeypatch.setattr(mysql, "READ_TIMEOUT_S", 1)
    monkeypatch.setattr(mysql, "CONNECT_TIMEOUT_S", 1)
    url = DatabaseUrl.parse(own_mariadb.url(own_mariadb.create_database()))
    schema.ensure(url, create=True)
    batch = entries([session_record(), poll_record(1)])
    with closing(open_sink(url)) as sink:
        sink.open()
        own_mariadb.freeze()
        with pytest.raises(SinkUnavailable):
            sink.write(STREAM, JOURNAL, Cursor(0), batch)
        with pytest.raises(SinkUnavailable):
            sink.open()
        own_mariadb.kill()
        with pytest.raises(SinkUnavailable):
            sink.locate(STREAM, JOURNAL)
        own_mariadb.start()
        found = sink.locate(STREAM, JOURNAL)
        if found.seq == 0:
            sink.write(STREAM, JOURNAL, found, batch)
        assert sink.locate(STREAM, JOURNAL) == cursor_at(batch)
    assert count(url, STOCK.name) == 40


def test_a_server_that_reads_nothing_ends_a_call_that_sends_much(mariadb, mariadb_database, monkeypatch):
    monkeypatch.setattr(mysql, "WRITE_TIMEOUT_S", 1)
    url = DatabaseUrl.parse(mariadb.url(mariadb_database))
    schema.ensure(url, create=True)
    with closing(open_database(url, readonly=False)) as database:
        rescue = threading.Timer(20, mariadb.thaw)  # without the timeout this call would wait for ever
        mariadb.freeze()
        rescue.start()
        try:
            with pytest.raises(SinkUnavailable):
                database.fill(DEAD_LETTER, [(STREAM, JOURNAL, 1, STOCK.name, 0, "much", "x" * 15_000_000)])
        finally:
            rescue.cancel()
            mariadb.thaw()


@pytest.fixture
def small_packets(mariadb):
    usual = mariadb.execute("SELECT @@GLOBAL.max_allowed_packet")[0][0]
    mariadb.execute("SET GLOBAL max_allowed_packet = 16384")
    yield
    mariadb.execute(f"SET GLOBAL max_allowed_packet = {usual}")


def test_small_packets_split_the_batch(mariadb, mariadb_database, small_packets):
    url = DatabaseUrl.parse(mariadb.url(mariadb_database))
    schema.ensure(url, create=True)
    batch = entries([session_record(), poll_record(1, symbols=1500)])
    with closing(open_sink(url)) as sink:
        sink.write(STREAM, JOURNAL, Cursor(0), batch)
    assert count(url, STOCK.name) == 1500


@pytest.mark.parametrize("binary", [True, False], ids=["prepared", "text"])
def test_statements_get_smaller_until_they_pass_a_limit_that_the_server_did_not_tell(
    mariadb, mariadb_database, small_packets, monkeypatch, binary
):
    """As behind a proxy with a packet limit of its own."""
    told = mysql._check_server

    def check(database, url):
        told(database, url)
        database.packet_bytes = 16_000_000

    monkeypatch.setattr(mysql, "_check_server", check)
    monkeypatch.setattr(mysql, "_limits", {})
    if not binary:
        monkeypatch.setattr(MysqlDatabase, "use_binary", lambda self: None)
    url = DatabaseUrl.parse(mariadb.url(mariadb_database))
    schema.ensure(url, create=True)
    batch = entries([session_record(), poll_record(1, symbols=1500)])
    refused = []
    with closing(open_sink(url)) as sink:
        while sink.locate(STREAM, JOURNAL) == Cursor(0) and len(refused) < 12:
            try:
                sink.write(STREAM, JOURNAL, Cursor(0), batch)
            except SinkUnavailable as error:
                refused.append(str(error))
    assert count(url, STOCK.name) == 1500, refused
    assert refused


def test_this_driver_still_has_what_the_prepared_way_needs(mariadb, mariadb_database):
    """Fails when a new mysql-connector-python moved what mysql_binary uses: rows would go the slow way, unnoticed."""
    with closing(open_database(DatabaseUrl.parse(mariadb.url(mariadb_database)), readonly=False)) as database:
        assert isinstance(database, MysqlDatabase)
        assert database._wire is not None


def test_locked_tables_end_the_call_as_unavailable(mariadb, mariadb_database, monkeypatch):
    monkeypatch.setattr(mysql, "LOCK_WAIT_S", 1)
    url = DatabaseUrl.parse(mariadb.url(mariadb_database))
    schema.ensure(url, create=True)
    batch = entries([session_record(), poll_record(1)])
    with closing(mariadb.connect(mariadb_database)) as holder, closing(open_sink(url)) as sink:
        sink.open()
        holder.cmd_query("LOCK TABLES intraday_stock_prices READ")
        with pytest.raises(SinkUnavailable, match="1205"):
            sink.write(STREAM, JOURNAL, Cursor(0), batch)
        holder.cmd_query("UNLOCK TABLES")
        assert sink.write(STREAM, JOURNAL, sink.locate(STREAM, JOURNAL), batch).records == 2
