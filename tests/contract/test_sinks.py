"""What every sink promises, over every registered one. MySQL twice: by prepared statements and by SQL text."""

from __future__ import annotations

import json
import stat
import threading
from contextlib import closing
from dataclasses import replace

import pytest

from pipeline import dead_letters, schema
from pipeline.dburl import DatabaseUrl
from pipeline.errors import CursorMoved, SinkError, SinkRefused, SinkSchemaError, SinkUnavailable
from pipeline.model import Cursor
from pipeline.sinks import ADAPTERS, mysql, open_database, open_sink
from pipeline.sinks.letters import DEAD_LETTER, PAYLOAD_LIMIT
from pipeline.sinks.mysql import MysqlDatabase
from pipeline.tables import SNAPSHOT, STOCK, TABLES
from tests.contract.storage import (
    DAY,
    JOURNAL,
    STREAM,
    ask,
    contents,
    count,
    cursor_at,
    entries,
    poll_record,
    run,
    session_record,
    stock,
    unpolled,
)

WAYS = [*ADAPTERS, "mysql-text"]
MOMENT = f"{DAY} 10:01:00"


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


def test_cursor_and_rows_commit_together_and_a_replay_stores_nothing_twice(url, sink):
    batch = entries([session_record(), poll_record(1), poll_record(2)])
    assert sink.locate(STREAM, JOURNAL) == Cursor(0)
    written = sink.write(STREAM, JOURNAL, Cursor(0), batch)
    assert (written.records, written.rows, written.dead_letters) == (3, 4 + 2 * 45, 0)
    assert sink.locate(STREAM, JOURNAL) == cursor_at(batch)
    before = contents(url)
    with pytest.raises(CursorMoved) as moved:
        sink.write(STREAM, JOURNAL, Cursor(0), batch)
    assert moved.value.seq == 3
    assert contents(url) == before
    # the same records under another journal: the natural keys are the second net
    sink.write(STREAM, "journal-2", Cursor(0), batch)
    assert contents(url) == before


def test_stale_writer_is_fenced(url, sink):
    first = entries([session_record(), poll_record(1)])
    second = entries([poll_record(2)], cursor_at(first))
    sink.write(STREAM, JOURNAL, Cursor(0), first)
    with closing(open_sink(url)) as stale:
        seen = stale.locate(STREAM, JOURNAL)
        sink.write(STREAM, JOURNAL, seen, second)
        with pytest.raises(CursorMoved):
            stale.write(STREAM, JOURNAL, seen, second)
        with pytest.raises(CursorMoved):  # same number, another journal's digest: a copied state directory
            stale.write(STREAM, JOURNAL, Cursor(3, b"0" * 16), entries([poll_record(3)], cursor_at(second)))
        assert stale.locate(STREAM, JOURNAL) == cursor_at(second)


def test_of_two_writers_at_once_exactly_one_stores(url):
    batch = entries([session_record(), poll_record(1, symbols=600)])
    outcomes = []
    ready = threading.Barrier(2)

    def write():
        with closing(open_sink(url)) as own:
            own.open()
            ready.wait(30)
            try:
                outcomes.append(own.write(STREAM, JOURNAL, Cursor(0), batch).records)
            except SinkError as error:
                outcomes.append(type(error))

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert outcomes.count(2) == 1, outcomes
    assert count(url, STOCK.name) == 600


@pytest.mark.parametrize("reached", [True, False], ids=["committed", "not committed"])
def test_unknown_outcome_of_commit_is_resolved_by_the_cursor(url, sink, monkeypatch, reached):
    batch = entries([session_record(), poll_record(1)])
    kind = type(open_database(url, readonly=False))
    commit = kind.commit

    def lost(self):
        if reached:
            commit(self)
        raise SinkUnavailable("connection lost in COMMIT")

    monkeypatch.setattr(kind, "commit", lost)
    with pytest.raises(SinkUnavailable):
        sink.write(STREAM, JOURNAL, Cursor(0), batch)
    monkeypatch.setattr(kind, "commit", commit)
    found = sink.locate(STREAM, JOURNAL)
    assert found == (cursor_at(batch) if reached else Cursor(0))
    if not reached:
        assert count(url, STOCK.name) == 0
        sink.write(STREAM, JOURNAL, found, batch)
    assert count(url, STOCK.name) == 40


BAD = {
    "symbol too long": {"symbol": "S" * 33},
    "symbol ends with a blank": {"symbol": "S "},
    "not a number": {"ltp": float("nan")},
    "infinite": {"change_pct": float("inf")},
    "price out of range": {"prev_close": 1e9},
    "volume beyond 64 bits": {"volume": 2**63},
    "text for a number": {"day_high": "12.5"},
    "unknown status": {"status": "RISING"},
    "null key": {"symbol": None},
    "no such day": {"data_timestamp": "2026-02-30 10:00:00"},
    "fraction of a second": {"data_timestamp": "2026-11-26 10:00:00.5"},
}


def test_bad_rows_are_refused_the_same_way_everywhere_and_the_rest_is_stored(url, sink):
    rows = [stock("nifty50", MOMENT, f"G{number}.NS") for number in range(30)]
    bad = {3 + 2 * place: stock("nifty50", MOMENT, **change) for place, change in enumerate(BAD.values())}
    for place, row in bad.items():
        rows[place] = row
    rows.append(rows[0][:-1])
    batch = entries([session_record(), poll_record(1, stocks=rows)])
    written = sink.write(STREAM, JOURNAL, Cursor(0), batch)
    assert written.dead_letters == len(BAD) + 1
    assert count(url, STOCK.name) == 30 - len(BAD)
    letters = ask(url, "SELECT seq, table_name, row_no, reason FROM pipeline_dead_letter ORDER BY row_no")
    assert [(seq, table, place) for seq, table, place, _ in letters] == [(2, STOCK.name, p) for p in [*bad, 30]]
    for change, (_, _, _, reason) in zip(BAD.values(), letters, strict=False):
        assert f"{STOCK.name}.{next(iter(change))}: " in reason


def test_rows_of_any_size_are_set_aside_and_never_hold_up_the_rest(url, sink):
    rows = [stock("nifty50", MOMENT, "S" * 900_000 + str(number)) for number in range(40)]
    batch = entries([session_record(), poll_record(1, stocks=rows), poll_record(2)])
    written = sink.write(STREAM, JOURNAL, Cursor(0), batch)
    assert (written.dead_letters, count(url, "pipeline_dead_letter")) == (40, 40)
    assert count(url, STOCK.name) == 40


def test_a_refused_row_too_large_to_keep_is_kept_as_its_beginning(url, sink):
    symbol = "S" * (PAYLOAD_LIMIT + 1)
    batch = entries([session_record(), poll_record(1, stocks=[stock("nifty50", MOMENT, symbol)])])
    assert sink.write(STREAM, JOURNAL, Cursor(0), batch).dead_letters == 1
    ((payload,),) = ask(url, "SELECT payload FROM pipeline_dead_letter")
    assert len(payload) < PAYLOAD_LIMIT
    assert "SSSS" in json.loads(payload)["cut"]


REFUSING = {
    "sqlite": (
        "CREATE TRIGGER no_bad BEFORE INSERT ON intraday_stock_prices WHEN NEW.symbol LIKE 'BAD%' "
        "BEGIN SELECT RAISE(ABORT, 'this one never'); END"
    ),
    "mysql": (
        "CREATE TRIGGER no_bad BEFORE INSERT ON intraday_stock_prices FOR EACH ROW IF NEW.symbol LIKE 'BAD%' THEN "
        "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'this one never'; END IF"
    ),
}


def test_rows_that_only_the_database_refuses_are_isolated_by_bisection_and_can_be_retried(url, sink):
    run(url, REFUSING[url.dialect])
    rows = [stock("nifty50", MOMENT, f"G{number}.NS") for number in range(1600)]
    rows[13], rows[1599] = stock("nifty50", MOMENT, "BAD1.NS"), stock("nifty50", MOMENT, "BAD2.NS", day_low=None)
    batch = entries([session_record(), poll_record(1, stocks=rows), poll_record(2)])
    written = sink.write(STREAM, JOURNAL, Cursor(0), batch)
    assert written.dead_letters == 2
    assert count(url, STOCK.name) == 1598 + 40
    assert sink.locate(STREAM, JOURNAL) == cursor_at(batch)
    with closing(open_database(url, readonly=False)) as database:
        found = dead_letters.letters(database)
        assert [(letter.seq, letter.row_no, letter.row) for letter in found] == [
            (2, 13, rows[13]),
            (2, 1599, rows[1599]),
        ]
        assert all("this one never" in letter.reason for letter in found)
        assert not dead_letters.retry(database, found[0]).stored
        database.execute("DROP TRIGGER no_bad")
        assert dead_letters.retry(database, found[0]).stored
        dead_letters.drop(database, dead_letters.letters(database))
        assert dead_letters.counted(database) == 0
    assert count(url, STOCK.name, "symbol LIKE 'BAD%'") == 1


def letters_of(url) -> list[tuple[object, ...]]:
    return ask(url, "SELECT journal_id, seq, row_no FROM pipeline_dead_letter ORDER BY journal_id, seq, row_no")


def test_a_replaced_journal_takes_its_letters_along_and_no_row_is_told_of_twice(url, sink):
    run(url, REFUSING[url.dialect])
    first, second = (
        poll_record(minute, stocks=[stock("nifty50", f"{DAY} 10:0{minute}:00", name) for name in names])
        for minute, names in ((1, ("G.NS", "BAD1", "BAD2")), (2, ("BAD1",)))
    )
    assert sink.write(STREAM, "old", Cursor(0), entries([session_record(), first, second])).dead_letters == 3
    with closing(open_database(url, readonly=False)) as database:
        dead_letters.drop(database, dead_letters.letters(database)[:1])
    # the first record was lost, the second one is polled anew and has other values
    again = poll_record(1, stocks=[stock("nifty50", MOMENT, name, ltp=7.5) for name in ("BAD1", "BAD2", "BAD3")])
    written = sink.write(STREAM, "new", Cursor(0), entries([again]))
    assert (written.rows, written.dead_letters) == (5, 1)
    assert letters_of(url) == [("new", 1, 0), ("new", 1, 1), ("new", 1, 2), ("old", 3, 0)]
    with closing(open_database(url, readonly=False)) as database:
        found = dead_letters.letters(database)
        assert {(letter.row[3], letter.row[4]) for letter in found} == {("BAD2", 7.5), ("BAD3", 7.5), ("BAD1", 101.05)}
        assert dead_letters.counted(database) == 3  # the one that was given up stays so


def test_sending_a_refused_row_again_never_overwrites_one_that_is_there(url, sink):
    run(url, REFUSING[url.dialect])
    refused = [stock("nifty50", MOMENT, name) for name in ("BAD1", "BAD2")]
    sink.write(STREAM, "old", Cursor(0), entries([session_record(), poll_record(1, stocks=refused)]))
    with closing(open_database(url, readonly=False)) as database:
        database.execute("DROP TRIGGER no_bad")
        newer = [stock("nifty50", MOMENT, "BAD1", ltp=7.5), refused[1]]
        sink.write(STREAM, "new", Cursor(0), entries([poll_record(1, stocks=newer)]))
        kept, equal = (dead_letters.retry(database, letter) for letter in dead_letters.letters(database))
        assert (kept.stored, equal.stored) == (False, True)
        assert "another row with its key is stored" in kept.reason
        assert dead_letters.counted(database) == 1
    assert ask(url, "SELECT ltp FROM intraday_stock_prices WHERE symbol = 'BAD1'") == [(7.5,)]


def test_rows_refused_while_the_next_day_is_looked_up_are_isolated_too(url, sink):
    run(url, REFUSING[url.dialect])
    rows = [stock("nifty50", MOMENT, f"G{number}.NS") for number in range(1600)]
    rows[1599] = stock("nifty50", MOMENT, "BAD.NS")
    batch = entries([session_record(), poll_record(1, stocks=rows), session_record(day="2026-11-27")])
    written = sink.write(STREAM, JOURNAL, Cursor(0), batch)
    assert (written.records, written.dead_letters, count(url, STOCK.name)) == (3, 1, 1599)


def test_recording_never_overwrites_a_live_day_and_a_live_session_removes_a_recorded_one(url, sink):
    played = "recording:day"
    recorded = entries([session_record(source=played), poll_record(1, source=played), poll_record(3, source=played)])
    sink.write(STREAM, "played", Cursor(0), recorded)
    other_day = entries([session_record(source=played, day="2026-11-25")], cursor_at(recorded))
    sink.write(STREAM, "played", cursor_at(recorded), other_day)

    live = entries([session_record(), poll_record(1, stocks=[stock("nifty50", MOMENT, "LIVE.NS")])])
    sink.write(STREAM, "live", Cursor(0), live)
    assert ask(url, "SELECT symbol FROM intraday_stock_prices") == [("LIVE.NS",)]
    assert ask(url, "SELECT source, trade_date FROM pipeline_session ORDER BY trade_date") == [
        (played, "2026-11-25"),
        ("yahoo", DAY),
    ]
    before = contents(url)
    again = entries([session_record(source=played), poll_record(1, source=played)], cursor_at(other_day))
    written = sink.write(STREAM, "played", cursor_at(other_day), again)
    assert (written.superseded, written.records, written.rows) == (2, 0, 0)
    assert contents(url) == before
    assert sink.locate(STREAM, "played") == cursor_at(again)


def test_a_poll_that_was_not_taken_never_overwrites_one_that_was(url, sink):
    """After damage a restart skips what the lost part of the journal, stored long ago, had taken."""
    taken = entries([session_record(), poll_record(1)])
    sink.write(STREAM, "lost", Cursor(0), taken)
    before = contents(url)
    moments = (MOMENT, MOMENT, f"{DAY} 10:02:00")
    again = [
        unpolled(moment, outcome) for moment, outcome in zip(moments, ("skipped", "failed", "skipped"), strict=True)
    ]
    written = sink.write(STREAM, "new", Cursor(0), entries([*again[:2], session_record()]))
    assert (written.superseded, written.records) == (2, 1)
    assert contents(url) == before
    # within one transaction too; and what is taken later than it was skipped counts
    batch = entries([poll_record(3), unpolled(f"{DAY} 10:03:00", "skipped"), again[2], poll_record(2)])
    written = sink.write(STREAM, "third", Cursor(0), batch)
    assert (written.superseded, written.records) == (1, 3)
    assert ask(url, "SELECT outcome FROM pipeline_poll ORDER BY poll_time") == [("taken",)] * 3


def _seeded_day(universe="nifty50"):
    """A day as adoption leaves it: snapshots and stocks, no session."""
    record = poll_record(1, source="seed", stocks=[stock(universe, MOMENT, "LIVE.NS")])
    return replace(record, tables={name: record.tables[name] for name in (SNAPSHOT.name, STOCK.name)})


def _logged_stock():
    """A single stock update of the Python API: not even a snapshot."""
    record = poll_record(1, source="api", stocks=[stock("nifty50", MOMENT, "LIVE.NS")])
    return replace(record, tables={STOCK.name: record.tables[STOCK.name]})


@pytest.mark.parametrize("live", [_seeded_day, _logged_stock])
def test_recording_never_overwrites_live_rows_of_a_day_without_a_session(url, sink, live):
    sink.write(STREAM, "live", Cursor(0), entries([live()]))
    before = contents(url)
    played = "recording:day"
    batch = entries([session_record(source=played), poll_record(1, source=played), poll_record(2, source=played)])
    first = sink.write(STREAM, "played", Cursor(0), batch[:2])
    second = sink.write(STREAM, "played", cursor_at(batch[:2]), batch[2:])
    assert (first.superseded, second.superseded) == (2, 1)
    assert contents(url) == before


def test_live_rows_of_a_day_that_a_recording_is_filling_stand_from_then_on(url, sink):
    played = "recording:day"
    batch = entries([session_record(source=played), poll_record(1, source=played), poll_record(2, source=played)])
    sink.write(STREAM, "played", Cursor(0), batch[:2])
    sink.write(STREAM, "live", Cursor(0), entries([_logged_stock()]))
    assert sink.write(STREAM, "played", cursor_at(batch[:2]), batch[2:]).superseded == 1
    assert ask(url, "SELECT symbol FROM intraday_stock_prices") == [("LIVE.NS",)]


def _members(url):
    return [symbol for (symbol,) in ask(url, "SELECT symbol FROM pipeline_member ORDER BY symbol")]


@pytest.mark.parametrize("at_once", [True, False], ids=["in one transaction", "in two"])
def test_members_of_a_day_are_those_of_its_newest_session_record(url, sink, at_once):
    def listed(*symbols, day=DAY):
        return session_record(day=day, symbols=symbols)

    batch = entries(
        [
            listed("Y.NS", day="2026-11-25"),
            listed("A.NS", "B.NS", "C.NS", "D.NS"),
            poll_record(1),
            listed("E.NS", "C.NS"),
            poll_record(2),
        ]
    )
    for part in [batch] if at_once else [batch[:3], batch[3:]]:
        sink.write(STREAM, JOURNAL, sink.locate(STREAM, JOURNAL), part)
    assert _members(url) == ["C.NS", "E.NS", "Y.NS"], "and another day's are its own"
    before = contents(url)
    for part in (batch[:3], batch[3:]):  # all of it once more, under a new journal: the older list comes first again
        sink.write(STREAM, "journal-2", sink.locate(STREAM, "journal-2"), part)
    assert contents(url) == before


HOSTILE = [
    "'; DROP TABLE pipeline_poll; --",
    'x" OR ""="',
    "back\\slash\\'",
    "100%s %d ? :name",
    "नेस्ले \U0001f4c8",
    "\x1b[2Jescape",
    "a\x00b",
    "new\nline\ttab",
    "../../etc/passwd",
]


def test_hostile_names_are_data(url, sink):
    universe = "u'; DROP TABLE intraday_stock_prices; --"
    rows = [stock(universe, MOMENT, symbol) for symbol in HOSTILE]
    batch = entries([session_record(universe), poll_record(1, universe, stocks=rows)])
    assert sink.write(STREAM, "j'; --", Cursor(0), batch).dead_letters == 0
    assert sink.locate(STREAM, "j'; --").seq == 2
    found = ask(url, "SELECT symbol FROM intraday_stock_prices WHERE universe = ?", (universe,))
    assert sorted(symbol for (symbol,) in found) == sorted(HOSTILE)
    assert sorted(table for table in TABLES if count(url, table)) == sorted(TABLES)


def test_renamed_column_is_a_schema_error_and_stores_nothing(url, sink):
    batch = entries([session_record(), poll_record(1)])
    sink.write(STREAM, JOURNAL, Cursor(0), batch[:1])
    run(url, "ALTER TABLE intraday_stock_prices RENAME COLUMN ltp TO last_price")
    with pytest.raises(SinkSchemaError, match="ltp"):
        sink.write(STREAM, JOURNAL, cursor_at(batch[:1]), batch[1:])
    with pytest.raises(SinkSchemaError, match="no column ltp"):
        sink.open()
    assert count(url, "pipeline_poll") == 0
    run(url, "ALTER TABLE intraday_stock_prices RENAME COLUMN last_price TO ltp")
    sink.write(STREAM, JOURNAL, sink.locate(STREAM, JOURNAL), batch[1:])
    assert count(url, STOCK.name) == 40


def test_every_database_holds_equal_rows_and_answers_its_views_alike(mariadb, mariadb_database, tmp_path, monkeypatch):
    urls = [
        DatabaseUrl.parse(f"sqlite:///{tmp_path}/breadth.db"),
        DatabaseUrl.parse(mariadb.url(mariadb_database)),
        DatabaseUrl.parse(mariadb.url(mariadb.create_database())),
    ]
    records = [session_record(day="2026-11-25"), poll_record(7, day="2026-11-25"), session_record(), poll_record(1)]
    records += [session_record("sp500"), *(poll_record(minute, "sp500", symbols=90) for minute in range(2, 9))]
    batch = entries(records)
    views = [step.creates for step in schema.steps("sqlite") if step.slug.startswith("v_")]
    found = []
    for number, url in enumerate(urls):
        if number == 2:
            monkeypatch.setattr(MysqlDatabase, "use_binary", lambda self: None)
        schema.ensure(url, create=True)
        with closing(open_sink(url)) as sink:
            sink.write(STREAM, JOURNAL, Cursor(0), batch)
        answers = {view: ask(url, f"SELECT * FROM {view}") for view in views}
        answers["v_latest_intraday_breadth"] = [row[:-1] for row in answers["v_latest_intraday_breadth"]]
        answers["v_intraday_breadth_summary"] = [  # sums in another order may differ in the last bit
            tuple(round(value, 9) if isinstance(value, float) else value for value in row)
            for row in answers["v_intraday_breadth_summary"]
        ]
        found.append((contents(url), {view: sorted(rows, key=repr) for view, rows in answers.items()}))
    assert found[0] == found[1]
    assert found[0] == found[2]
    views_found = found[0][1]
    assert [row[:3] for row in views_found["v_latest_intraday_breadth"]] == [
        ("nifty50", DAY, f"{DAY} 10:01:00"),
        ("sp500", DAY, f"{DAY} 10:08:00"),
    ]
    assert {row[0]: row[1] for row in views_found["v_today_intraday_timeseries"]} == {
        "nifty50": f"{DAY} 10:01:00",
        "sp500": f"{DAY} 10:08:00",
    }
    assert len(views_found["v_top_movers_today"]) == 40 + 90
    assert [row[:3] for row in views_found["v_intraday_breadth_summary"]] == [
        ("nifty50", "2026-11-25", 1),
        ("nifty50", DAY, 1),
        ("sp500", DAY, 7),
    ]


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


def test_sqlite_file_restored_from_a_backup_gets_what_it_misses(tmp_path):
    url = DatabaseUrl.parse(f"sqlite:///{tmp_path}/breadth.db")
    schema.ensure(url, create=True)
    batch = entries([session_record(), poll_record(1), poll_record(2)])
    with closing(open_sink(url)) as sink:
        sink.write(STREAM, JOURNAL, Cursor(0), batch[:1])
        run(url, "VACUUM INTO '" + str(tmp_path / "backup.db") + "'")
        sink.write(STREAM, JOURNAL, cursor_at(batch[:1]), batch[1:2])
        (tmp_path / "backup.db").rename(tmp_path / "breadth.db")
        with pytest.raises(SinkUnavailable, match="replaced"):
            sink.write(STREAM, JOURNAL, cursor_at(batch[:2]), batch[2:])
        for stale in tmp_path.glob("breadth.db-*"):
            stale.unlink()
        assert sink.locate(STREAM, JOURNAL) == cursor_at(batch[:1])
        sink.write(STREAM, JOURNAL, cursor_at(batch[:1]), batch[1:])
    assert count(url, "pipeline_poll") == 2


def test_sqlite_file_is_private_durable_and_refused_when_it_is_no_database(tmp_path):
    url = DatabaseUrl.parse(f"sqlite:///{tmp_path}/deep/breadth.db")
    schema.ensure(url, create=True)
    assert stat.S_IMODE((tmp_path / "deep" / "breadth.db").stat().st_mode) == 0o600
    with closing(open_database(url, readonly=False)) as database:
        assert database.query("PRAGMA journal_mode") == [("wal",)]
        assert database.query("PRAGMA synchronous") == [(2,)]
    with closing(open_database(url, readonly=True)) as database, pytest.raises(SinkRefused):
        database.execute("DELETE FROM pipeline_poll")
    (tmp_path / "text.db").write_text("this is not a database, it is a sentence\n" * 100)
    with pytest.raises(SinkRefused, match="not a database"):
        schema.ensure(DatabaseUrl.parse(f"sqlite:///{tmp_path}/text.db"), create=True)
    with pytest.raises(SinkRefused, match="cannot be opened"):
        open_database(DatabaseUrl.parse(f"sqlite:///{tmp_path}/absent.db"), readonly=True)
