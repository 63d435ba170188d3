"""Who may do what on a MySQL or MariaDB server: passwords, rights, TLS. Every refusal is one line without a secret."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest
from mysql.connector import Error, InterfaceError, OperationalError

from pipeline import schema
from pipeline.dburl import DatabaseUrl
from pipeline.errors import SinkError, SinkRefused, SinkRejected, SinkSchemaError, SinkUnavailable
from pipeline.inspection import missing_rights, notes, problems
from pipeline.model import Cursor
from pipeline.prune import prune_stocks
from pipeline.sinks import mysql, open_database, open_sink
from pipeline.sinks.mysql_errors import translated
from pipeline.tables import STOCK
from tests.contract.storage import JOURNAL, STREAM, ask, count, entries, poll_record, run, session_record
from tests.mariadb import free_port

DOCS = Path(__file__).parents[2] / "docs" / "databases.md"
PASSWORDS = {"breadth_admin": "change-me-1", "breadth": "change-me-2", "breadth_reader": "change-me-3"}


@pytest.fixture
def granted(mariadb):
    """The statements of docs/databases.md, executed; {user: URL}."""
    statements = re.search(r"```sql\n(.*?)```", DOCS.read_text(), re.DOTALL)[1].strip().split(";\n")
    for statement in statements:
        mariadb.execute(statement.rstrip(";"))
    yield {user: DatabaseUrl.parse(mariadb.url("breadth", user, secret)) for user, secret in PASSWORDS.items()}
    mariadb.drop_database("breadth")
    for user in PASSWORDS:
        mariadb.execute(f"DROP USER '{user}'@'%'")


def test_documented_grants_are_enough_and_not_too_much(granted):
    admin, writer, reader = granted.values()
    with pytest.raises(SinkRefused, match="CREATE command denied"):
        schema.ensure(writer, create=True)
    schema.ensure(admin, create=True)
    schema.ensure(writer, create=False)
    with closing(open_sink(writer)) as sink:
        sink.write(
            STREAM, JOURNAL, Cursor(0), entries([session_record(), poll_record(1), poll_record(2, stocks=[("bad",)])])
        )
        replayed = entries([poll_record(2, stocks=[("bad",)])])
        assert sink.write(STREAM, "a journal that replaced it", Cursor(0), replayed).dead_letters == 0
    assert count(reader, "v_latest_intraday_breadth") == 1
    assert count(reader, "pipeline_dead_letter") == 1
    for statement in ("DELETE FROM pipeline_poll", "DROP TABLE pipeline_poll", "ALTER TABLE pipeline_poll ADD x INT"):
        with pytest.raises(SinkRefused, match="command denied"):
            run(writer, statement)
    with pytest.raises(SinkRefused, match="INSERT"):
        run(reader, "INSERT INTO schema_version (version, slug) VALUES (99, 'x')")
    with closing(open_database(writer, readonly=False)) as database:
        assert list(problems(database)) == []
        assert "DELETE on all tables" in next(notes(database))
        assert "GRANT DELETE ON `breadth`.* TO 'breadth'@'%'" in next(notes(database))
    with closing(open_database(reader, readonly=False)) as database:
        assert set(missing_rights(database, ("SELECT", "INSERT", "UPDATE"))) == {"INSERT", "UPDATE"}
    with closing(open_database(admin, readonly=False)) as database:
        assert list(notes(database)) == []
        assert [day.rows for day in prune_stocks(database, date(2027, 6, 1), timedelta(days=90))] == [40]


def test_live_run_over_a_recorded_day_without_the_right_to_delete_says_so_and_keeps_the_batch(granted):
    admin, writer, _ = granted.values()
    schema.ensure(admin, create=True)
    with closing(open_sink(writer)) as sink:
        sink.write(STREAM, "played", Cursor(0), entries([session_record(source="recording:x")]))
        with pytest.raises(SinkRefused, match="DELETE command denied"):
            sink.write(STREAM, "live", Cursor(0), entries([session_record()]))
        assert sink.locate(STREAM, "live") == Cursor(0)
    assert ask(admin, "SELECT source FROM pipeline_session") == [("recording:x",)]


def test_a_list_that_lost_symbols_is_stored_without_the_right_to_delete_too(granted, caplog):
    admin, writer, _ = granted.values()
    schema.ensure(admin, create=True)
    with closing(open_sink(writer)) as sink:
        batch = entries([session_record(symbols=("A.NS", "B.NS")), session_record(symbols=("B.NS",)), poll_record(1)])
        sink.write(STREAM, JOURNAL, Cursor(0), batch)
    assert count(admin, "pipeline_poll") == 1
    assert count(admin, "pipeline_member") == 2
    assert "1 symbols that left stay in pipeline_member" in caplog.text


@pytest.mark.parametrize(
    ("user", "password", "database"),
    [("tester", "wr0ng-Secret", ""), ("nobody", "wr0ng-Secret", ""), ("tester", "secret", "no_such_database")],
)
def test_wrong_password_user_or_database_is_refused_without_naming_the_password(
    mariadb, mariadb_database, user, password, database
):
    url = DatabaseUrl.parse(mariadb.url(database or mariadb_database, user, password))
    for attempt in (lambda: open_sink(url).open(), lambda: schema.ensure(url, create=True)):
        with pytest.raises(SinkRefused) as refused:
            attempt()
        assert password not in f"{refused.value!r}{refused.value.__cause__!r}"
        assert "\n" not in str(refused.value)


def test_server_that_is_not_there_is_unavailable_not_refused():
    with pytest.raises(SinkUnavailable):
        open_sink(DatabaseUrl.parse(f"mysql://tester:secret@127.0.0.1:{free_port()}/breadth")).open()


@pytest.mark.parametrize("greeting", [b"\x04\0\0\0\x0a10.", b"\x08\0\0\0\x0a5.5\0abc", b"\0\0\0\0"])
def test_a_garbled_greeting_is_unavailable_not_fatal(greeting):
    """A proxy whose server is away answers what it likes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(greeting)

        threading.Thread(target=answer, daemon=True).start()
        url = DatabaseUrl.parse(f"mysql://tester:secret@127.0.0.1:{server.getsockname()[1]}/breadth")
        with pytest.raises(SinkUnavailable, match="does not speak MySQL") as told:
            open_sink(url).open()
    assert "secret" not in str(told.value)


def test_server_that_is_too_old_is_refused(mariadb, mariadb_database, monkeypatch):
    monkeypatch.setattr(mysql, "MINIMUM", {"MariaDB": (99, 1), "MySQL": (99, 1)})
    with pytest.raises(SinkRefused, match=r"too old: MariaDB 99\.1 or newer"):
        schema.ensure(DatabaseUrl.parse(mariadb.url(mariadb_database)), create=True)


@pytest.mark.parametrize(
    ("number", "kind", "alarm"),
    [
        (1213, SinkUnavailable, False),
        (2013, SinkUnavailable, False),
        (3024, SinkUnavailable, False),
        (1040, SinkUnavailable, False),
        (1114, SinkUnavailable, True),
        (1021, SinkUnavailable, True),
        (1290, SinkUnavailable, True),
        (1044, SinkRefused, False),
        (1142, SinkRefused, False),
        (1193, SinkRefused, False),
        (1054, SinkSchemaError, False),
        (1146, SinkSchemaError, False),
        (1264, SinkRejected, False),
        (4025, SinkRejected, False),
    ],
)
def test_errors_are_classified_by_number_whatever_their_class(number, kind, alarm):
    for driver_class in (Error, OperationalError, InterfaceError):
        told = translated(driver_class("two\nlines", errno=number), "mysql://host/db")
        assert type(told) is kind
        assert "\n" not in str(told)
        assert getattr(told, "alarm", False) is alarm


def test_a_table_that_keeps_no_transactions_is_refused_until_it_does(mariadb, mariadb_database):
    url = DatabaseUrl.parse(mariadb.url(mariadb_database))
    schema.ensure(url, create=True)
    for table in ("pipeline_cursor", "pipeline_dead_letter", STOCK.name):
        run(url, f"ALTER TABLE {table} ENGINE = Aria")
        remedy = f"table {table} has the storage engine Aria.*: ALTER TABLE {table} ENGINE = InnoDB"
        for attempt in (open_sink(url).open, lambda: schema.ensure(url, create=True)):
            with pytest.raises(SinkSchemaError, match=remedy):
                attempt()
        with closing(open_database(url, readonly=True)) as database:
            assert any(re.search(remedy, problem) for problem in problems(database))
        run(url, f"ALTER TABLE {table} ENGINE = InnoDB")
        with closing(open_sink(url)) as sink:
            sink.open()


def test_user_without_create_view_is_told_which_statements_failed(mariadb, mariadb_database):
    mariadb.create_user(
        "half", "secret", (f"GRANT SELECT, INSERT, UPDATE, CREATE ON {mariadb_database}.* TO 'half'@'%'",)
    )
    with closing(open_database(DatabaseUrl.parse(mariadb.url(mariadb_database, "half")), readonly=False)) as database:
        outcomes = {outcome.step.slug: outcome for outcome in schema.upgrade(database)}
    failed = {slug for slug, outcome in outcomes.items() if outcome.state == "failed"}
    assert failed == {slug for slug in outcomes if slug.startswith("v_")}
    assert all("CREATE VIEW command denied" in outcomes[slug].message for slug in failed)


def test_no_server_can_ask_for_our_files_and_none_may_cut_values_silently(
    mariadb, mariadb_database, monkeypatch, tmp_path
):
    url = DatabaseUrl.parse(mariadb.url(mariadb_database))
    (tmp_path / "file").write_text("ours\n")
    assert ask(url, "SELECT @@GLOBAL.local_infile") == [(1,)]
    run(url, "CREATE TABLE taken (line VARCHAR(100))")
    with pytest.raises(SinkError, match="local infile"):
        run(url, f"LOAD DATA LOCAL INFILE '{tmp_path}/file' INTO TABLE taken")
    assert count(url, "taken") == 0
    monkeypatch.setattr(mysql, "SQL_MODE", "NO_ENGINE_SUBSTITUTION")
    with pytest.raises(SinkRefused, match="strict sql_mode"):
        open_sink(url).open()


def test_tls_verify_refuses_a_server_without_tls_or_with_another_certificate(
    mariadb, mariadb_tls, mariadb_database, certificates
):
    ours, other = certificates
    for options, server in (
        ("tls=require", mariadb),
        (f"tls=verify&tls_ca={ours.ca}", mariadb),
        (f"tls=verify&tls_ca={other.ca}", mariadb_tls),
        ("tls=verify", mariadb_tls),
    ):
        with pytest.raises(SinkRefused, match=r"TLS|SSL|certificate"):
            open_sink(DatabaseUrl.parse(server.url("mysql", options=options))).open()


def test_tls_verify_checks_the_host_and_accepts_the_right_certificate(mariadb_tls, certificates):
    database = mariadb_tls.create_database()
    for options in (f"tls=verify&tls_ca={certificates[0].ca}", "tls=require", "tls=prefer"):
        url = DatabaseUrl.parse(mariadb_tls.url(database, options=options))
        schema.ensure(url, create=True)
        assert ask(url, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")[0][1]
    # 127.1 is the same address under a name that the certificate does not have
    named = mariadb_tls.url(database, options=f"tls=verify&tls_ca={certificates[0].ca}").replace("127.0.0.1", "127.1")
    with pytest.raises(SinkRefused, match="certificate"):
        open_sink(DatabaseUrl.parse(named)).open()
