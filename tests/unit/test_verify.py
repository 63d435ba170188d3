"""verify finds what is missing, extra or different, and knows what is accounted for."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline import dead_letters, schema
from pipeline.dburl import DatabaseUrl
from pipeline.drain import Drain
from pipeline.errors import JournalError, SinkRefused
from pipeline.journal import Journal, JournalReader
from pipeline.model import Record
from pipeline.prune import prune_stocks
from pipeline.sinks import Database, open_database, open_sink
from pipeline.tables import MEMBER
from pipeline.verify import Report, reconcile
from pipeline.verify import report as kinds
from tests.unit.days import AFTER, journaled, opening, poll, polls, skipped, whole_day, with_symbol

DAY = "2026-11-26"
STREAM = "nifty50"


@pytest.fixture
def url(tmp_path):
    found = DatabaseUrl("sqlite", path=tmp_path / "breadth.db")
    schema.ensure(found, create=True)
    return found


@pytest.fixture
def journal(tmp_path):
    found = Journal.open(tmp_path / "state", STREAM)
    yield found
    found.close()


def drained(directory, url) -> None:
    drain = Drain(JournalReader(directory), open_sink(url))
    while drain.step():
        pass
    drain.close()


def change(url, sql, params=()) -> None:
    database = open_database(url, readonly=False)
    assert database.execute(sql, params) > 0
    database.close()


def checked(journal, url, **options) -> Report:
    report = reconcile(journal.directory, [url], options.pop("now", AFTER), **options)
    assert json.loads(json.dumps(report.as_json()))["agrees"] == report.agrees
    return report


def counts(report, day=DAY) -> dict[str, int]:
    (found,) = [each for each in report.days if each.trade_date == day]
    return dict(found.databases[0].counts)


def test_a_whole_day_agrees_while_its_writer_is_up_and_after(journal, url):
    journaled(journal, whole_day())
    drained(journal.directory, url)
    report = checked(journal, url)
    assert report.agrees, report.as_json()
    (day,) = report.days
    assert day.plans[0].planned == 7
    assert dict(day.plans[0].outcomes) == {"taken": 6, "skipped": 1}
    assert day.databases[0].polls == 7
    assert day.databases[0].rows == sum(record.row_count for record in whole_day())
    journal.close()
    assert checked(journal, url, trade_date=DAY).agrees


@pytest.mark.parametrize(
    ("sql", "kind", "rows"),
    [
        ("DELETE FROM intraday_stock_prices WHERE symbol = 'S4.NS' AND poll_time LIKE '%09:20:00'", "missing", 1),
        ("DELETE FROM intraday_advance_decline", "missing", 6),
        ("DELETE FROM pipeline_member WHERE symbol = 'S0.NS'", "missing", 1),
        ("UPDATE intraday_stock_prices SET ltp = ltp + 0.0001 WHERE symbol = 'S1.NS'", "different", 6),
        ("UPDATE pipeline_poll SET outcome = 'taken' WHERE outcome = 'skipped'", "different", 1),
        ("UPDATE intraday_advance_decline SET adv_pct = NULL WHERE poll_time LIKE '%09:45:00'", "different", 1),
        ("INSERT INTO pipeline_poll (universe, trade_date, poll_time, outcome) "
         "VALUES ('nifty50', '2026-11-26', '2026-11-26 09:17:00', 'taken')", "extra", 1),
        ("INSERT INTO pipeline_poll (universe, trade_date, poll_time, outcome) "
         "VALUES ('nifty50', '2026-11-20', '2026-11-20 09:17:00', 'taken')", "extra", 1),
        ("INSERT INTO pipeline_session (universe, trade_date, timezone, session_open, session_close, interval_s, "
         "source) VALUES ('nifty50', '2026-11-20', 'Asia/Kolkata', '2026-11-20 09:15:00', '2026-11-20 09:45:00', 300, "
         "'yahoo')", "extra", 1),
        ("INSERT INTO intraday_sector_breadth (universe, trade_date, poll_time, sector, advances, declines, unchanged, "
         "total_stocks, universe_size) VALUES ('nifty50', '2026-11-26', '2026-11-26 09:17:00', 'Odd', 1, 0, 0, 1, 1)",
         "extra", 1),
        ("UPDATE intraday_sector_breadth SET sector = 'New' WHERE sector = 'Odd' AND poll_time LIKE '%09:40:00'",
         "missing", 1),
    ],
)  # fmt: skip
def test_an_edit_of_the_database_is_found_and_named(journal, url, sql, kind, rows):
    journaled(journal, whole_day())
    drained(journal.directory, url)
    change(url, sql)
    report = checked(journal, url)
    assert not report.agrees
    found = [
        (each, finding) for day in report.days for each in day.databases for finding in each.findings.get(kind, ())
    ]
    assert sum(finding.rows for _, finding in found) == rows
    assert all(finding.table in sql for _, finding in found)


def test_two_databases_are_compared_separately_and_equal_contents_have_equal_hashes(journal, url, tmp_path):
    other = DatabaseUrl("sqlite", path=tmp_path / "other.db")
    schema.ensure(other, create=True)
    journaled(journal, whole_day())
    for each in (url, other):
        drained(journal.directory, each)
    report = reconcile(journal.directory, [url, other], AFTER)
    assert report.agrees
    first, second = report.days[0].databases
    assert first.content == second.content != ""
    change(other, "DELETE FROM intraday_stock_prices")
    report = reconcile(journal.directory, [url, other], AFTER)
    first, second = report.days[0].databases
    assert (first.agrees, second.agrees) == (True, False)
    assert first.content != second.content
    gone = DatabaseUrl("sqlite", path=tmp_path / "nowhere.db")
    report = reconcile(journal.directory, [url, gone], AFTER)
    assert not report.agrees
    assert "cannot be opened" in report.databases[gone.masked]
    assert report.days[0].databases[0].agrees


def test_two_databases_of_the_same_printed_name_are_both_looked_at(journal, url):
    """Two servers behind two sockets, or two users of one: the secret and the options are not printed."""
    journaled(journal, whole_day())
    drained(journal.directory, url)
    one, two = (
        DatabaseUrl("mysql", host="h", user="u", database="d", options={"unix_socket": name}) for name in ("/1", "/2")
    )

    def connect(asked: DatabaseUrl) -> Database:
        if asked is one:
            raise SinkRefused("the first one refuses")
        return open_database(url, readonly=True)

    assert one.masked == two.masked
    assert not reconcile(journal.directory, [one, two], AFTER, connect=connect).agrees


@pytest.mark.mysql
def test_sqlite_and_mariadb_hold_the_same_contents(journal, url, mariadb, mariadb_database):
    server = DatabaseUrl.parse(mariadb.url(mariadb_database))
    schema.ensure(server, create=True)
    journaled(journal, whole_day())
    for each in (url, server):
        drained(journal.directory, each)
    report = reconcile(journal.directory, [url, server], AFTER)
    assert report.agrees, report.as_json()
    first, second = report.days[0].databases
    assert first.content == second.content
    change(server, "UPDATE intraday_stock_prices SET change_pct = change_pct + 0.0000001 WHERE symbol = 'S5.NS'")
    report = reconcile(journal.directory, [url, server], AFTER)
    assert [each.agrees for each in report.days[0].databases] == [True, False]
    assert report.days[0].databases[1].counts == {kinds.DIFFERENT: 6}


def test_records_that_a_database_does_not_have_yet_are_pending_not_missing(journal, url):
    journaled(journal, whole_day()[:4])
    drained(journal.directory, url)
    journaled(journal, whole_day()[4:])
    report = checked(journal, url)
    assert not report.agrees
    assert counts(report) == {kinds.PENDING: sum(record.row_count for record in whole_day()[4:])}


def test_planned_polls_of_which_nobody_knows_are_missing_once_they_are_due(journal, url):
    journaled(journal, [opening(), poll(0), poll(1), skipped(3)])
    drained(journal.directory, url)
    report = checked(journal, url)
    assert not report.agrees
    assert [text[11:16] for text in report.days[0].plans[0].missing] == ["09:25", "09:35", "09:40", "09:45"]
    at_half_past = polls()[3].astimezone(UTC) + timedelta(seconds=10)
    report = checked(journal, url, now=at_half_past)
    assert [text[11:16] for text in report.days[0].plans[0].missing] == ["09:25"]
    assert report.days[0].plans[0].upcoming == 3
    journaled(journal, whole_day()[3:])
    report = checked(journal, url, now=at_half_past)
    assert report.days[0].plans[0].upcoming == 0


def test_a_day_whose_session_left_the_journal_has_no_plan(journal, url):
    journaled(journal, [poll(0), poll(1)])
    drained(journal.directory, url)
    report = checked(journal, url)
    assert report.agrees
    assert report.days[0].plans[0].planned is None


def test_a_dead_letter_is_accounted_for(journal, url):
    day = whole_day()
    day[2] = with_symbol(day[2], 4, "X" * 200)
    journaled(journal, day)
    drained(journal.directory, url)
    report = checked(journal, url)
    assert report.agrees, report.as_json()
    assert counts(report) == {kinds.DEAD: 1}


def test_rows_that_retention_removed_are_accounted_for_on_either_side(url, tmp_path):
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    journal = Journal.open(tmp_path / "state", STREAM, clock=lambda: now)
    journaled(journal, whole_day("2026-11-25"))
    now += timedelta(days=1)
    journaled(journal, whole_day("2026-11-26"))
    drained(journal.directory, url)
    assert journal.prune(journal.last_seq, timedelta(hours=1)) == 8
    report = checked(journal, url)
    assert report.agrees, report.as_json()
    assert counts(report, "2026-11-25") == {kinds.OLDER: sum(each.row_count for each in whole_day("2026-11-25"))}
    change(url, "DELETE FROM intraday_stock_prices")
    change(url, "INSERT INTO pipeline_pruned (universe, trade_date, rows_removed) VALUES ('nifty50', ?, 36)", (DAY,))
    report = checked(journal, url)
    assert report.agrees, report.as_json()
    assert counts(report)[kinds.PRUNED] == 36
    journal.close()


def test_a_recording_outranked_by_a_live_run_is_accounted_for(journal, url):
    journaled(journal, whole_day(source="recording:x")[:5])
    drained(journal.directory, url)
    journaled(journal, whole_day())
    drained(journal.directory, url)
    journaled(journal, whole_day(source="recording:x")[5:])
    drained(journal.directory, url)
    report = checked(journal, url)
    (database,) = report.days[0].databases
    assert database.agrees, report.as_json()
    assert database.counts[kinds.SUPERSEDED] == sum(each.row_count for each in whole_day())
    live, recorded = sorted(report.days[0].plans, key=lambda plan: plan.source, reverse=True)
    assert (live.source, live.agrees) == ("yahoo", True)
    assert recorded.planned == 6  # a recording's first poll is one interval after its start


def test_a_recording_of_a_day_that_the_python_api_filled_is_accounted_for(journal, url):
    change(
        url,
        "INSERT INTO intraday_stock_prices (universe, trade_date, poll_time, symbol, status) "
        "VALUES ('nifty50', ?, ?, 'A.NS', 'NO_QUOTE')",
        (DAY, f"{DAY} 10:00:01"),
    )
    journaled(journal, whole_day(source="recording:x"))
    drained(journal.directory, url)
    report = checked(journal, url)
    assert report.agrees, report.as_json()
    assert counts(report) == {kinds.SUPERSEDED: sum(each.row_count for each in whole_day()), kinds.FOREIGN: 1}


@pytest.mark.parametrize("source", ["seed", "api", "yahoo"])
def test_a_day_that_a_run_took_over_from_adopted_rows_or_the_python_api_agrees(journal, url, source):
    """What claims to have been fetched has to be in the journal."""
    started, _, *rest = whole_day()
    journaled(journal, [started, skipped(0), *rest])
    drained(journal.directory, url)
    keys = "universe, trade_date, poll_time"
    for at in ("09:16:00", f"{polls()[0]:%H:%M:%S}"):
        change(
            url,
            f"INSERT INTO intraday_advance_decline ({keys}, advances, declines, unchanged, total_stocks, source) "
            "VALUES ('nifty50', ?, ?, 1, 0, 0, 1, ?)",
            (DAY, f"{DAY} {at}", source),
        )
        change(
            url,
            f"INSERT INTO intraday_stock_prices ({keys}, symbol, status) VALUES ('nifty50', ?, ?, 'A.NS', 'ADVANCE')",
            (DAY, f"{DAY} {at}"),
        )
    change(
        url,
        f"INSERT INTO intraday_stock_prices ({keys}, symbol, status) VALUES ('nifty50', ?, ?, 'A.NS', 'ADVANCE')",
        (DAY, f"{DAY} 09:17:03"),  # `log_stock_update` stores a price without a snapshot
    )
    report = checked(journal, url)
    kind = kinds.EXTRA if source == "yahoo" else kinds.FOREIGN
    assert counts(report) == ({kind: 4, kinds.FOREIGN: 1} if kind == kinds.EXTRA else {kind: 5})
    assert report.agrees == (kind == kinds.FOREIGN), report.as_json()


def test_members_are_held_against_the_newest_list(journal, url):
    first, *taken = whole_day()
    fewer = replace(
        first,
        key=first.key.replace("session:", "session:2"),
        tables={**first.tables, MEMBER.name: first.tables[MEMBER.name][1:]},
    )
    journaled(journal, [first, *taken])
    drained(journal.directory, url)
    journaled(journal, [fewer])
    assert counts(checked(journal, url)) == {kinds.PENDING: 1}
    drained(journal.directory, url)
    assert checked(journal, url).agrees
    change(
        url,
        "INSERT INTO pipeline_member (universe, trade_date, symbol, name, sector) VALUES (?, ?, ?, ?, ?)",
        first.tables[MEMBER.name][0],
    )
    assert counts(checked(journal, url)) == {kinds.EXTRA: 1}


def test_rows_of_another_journal_of_the_stream_are_told_apart(journal, url, tmp_path):
    second = Journal.open(tmp_path / "second", STREAM)
    journaled(second, whole_day("2026-11-25"))
    journaled(journal, whole_day("2026-11-26"))
    drained(journal.directory, url)
    drained(second.directory, url)
    second.close()
    report = checked(journal, url)
    assert report.agrees, report.as_json()
    assert set(counts(report, "2026-11-25")) == {kinds.FOREIGN}


def test_a_row_too_many_is_found_after_a_rotation_too(journal, url):
    """A journal that was replaced leaves its cursor behind: that explains no row of a poll that the new one has."""
    journaled(journal, whole_day())
    drained(journal.directory, url)
    journal.rotate("the test wants it")
    drained(journal.directory, url)
    assert checked(journal, url).agrees
    change(url, "INSERT INTO pipeline_member VALUES ('nifty50', ?, 'BOGUS.NS', '', 'Odd', '')", (DAY,))
    bogus = "INSERT INTO intraday_stock_prices (universe, trade_date, poll_time, symbol, status) VALUES (?, ?, ?, ?, ?)"
    change(url, bogus, ("nifty50", DAY, f"{DAY} 09:40:00", "BOGUS.NS", "ADVANCE"))
    report = checked(journal, url)
    assert not report.agrees
    assert counts(report) == {kinds.EXTRA: 2}


def test_a_poll_that_a_lost_journal_had_taken_stands_and_is_told_apart(journal, url, tmp_path):
    lost = Journal.open(tmp_path / "lost", STREAM)
    journaled(lost, [opening(), poll(0), poll(1)])
    drained(lost.directory, url)
    lost.close()
    journaled(journal, [opening(), skipped(0), skipped(1), *whole_day()[3:]])
    drained(journal.directory, url)
    report = checked(journal, url)
    assert report.agrees, report.as_json()
    of_two_polls = poll(0).row_count + poll(1).row_count
    assert counts(report) == {kinds.TAKEN: 2, kinds.FOREIGN: of_two_polls}
    change(url, "DELETE FROM intraday_advance_decline WHERE poll_time LIKE '%09:20:00'")
    report = checked(journal, url)
    assert not report.agrees  # a taken poll without a snapshot is nobody's
    assert counts(report)[kinds.DIFFERENT] == 1


def test_a_live_day_of_another_journal_explains_rows_that_a_recording_does_not(journal, url, tmp_path):
    live = Journal.open(tmp_path / "live", STREAM)
    journaled(live, whole_day())
    drained(live.directory, url)
    live.close()
    journaled(journal, whole_day(source="recording:x")[:-1])
    drained(journal.directory, url)
    (database,) = checked(journal, url).days[0].databases
    assert database.agrees, database
    assert set(database.counts) == {kinds.SUPERSEDED, kinds.FOREIGN}


def pruned(url) -> None:
    with closing(open_database(url, readonly=False)) as database:
        assert list(prune_stocks(database, AFTER.date(), timedelta(days=1)))


def test_of_a_pruned_day_the_rows_that_are_there_are_compared_and_no_more_may_lack_than_were_removed(journal, url):
    day = whole_day()
    journaled(journal, day[:4])
    drained(journal.directory, url)
    pruned(url)
    journaled(journal, day[4:])
    drained(journal.directory, url)
    report = checked(journal, url)
    assert report.agrees, report.as_json()
    assert counts(report) == {kinds.PRUNED: 18}
    change(url, "UPDATE intraday_stock_prices SET ltp = 1 WHERE symbol = 'S1.NS' AND poll_time LIKE '%09:40:00'")
    assert counts(checked(journal, url)) == {kinds.PRUNED: 18, kinds.DIFFERENT: 1}
    change(url, "DELETE FROM intraday_stock_prices WHERE symbol = 'S1.NS' AND poll_time LIKE '%09:40:00'")
    assert counts(checked(journal, url)) == {kinds.PRUNED: 18, kinds.MISSING: 1}  # db prune removes all of a poll
    change(url, "DELETE FROM intraday_stock_prices")
    report = checked(journal, url)
    assert not report.agrees
    assert counts(report) == {kinds.PRUNED: 18, kinds.MISSING: 18}


def test_a_replay_brings_pruned_rows_back_and_the_next_prune_removes_them(journal, url):
    journaled(journal, whole_day())
    drained(journal.directory, url)
    pruned(url)
    journal.rotate("the test wants it")
    drained(journal.directory, url)
    report = checked(journal, url)
    assert report.agrees, report.as_json()
    assert counts(report) == {}
    pruned(url)
    assert counts(checked(journal, url)) == {kinds.PRUNED: 36}


def with_value(record: Record, place: int, column: int, value: object) -> Record:
    """The record with one value of one stock row replaced."""
    rows = list(record.tables["intraday_stock_prices"])
    rows[place] = (*rows[place][:column], value, *rows[place][column + 1 :])
    return replace(record, tables={**record.tables, "intraday_stock_prices": rows})


@pytest.mark.parametrize(
    ("column", "value"),
    [(2, None), (2, "soon"), (2, 7), (3, None), (3, 5), (3, "x" * 200), (4, [1]), (4, float("nan")), (8, "abc")],
)
def test_a_row_that_no_database_takes_is_a_letter_then_dropped_and_missing_without_either(journal, url, column, value):
    journaled(journal, [opening(), with_value(poll(0), 2, column, value)])
    drained(journal.directory, url)
    assert counts(checked(journal, url)) == {kinds.DEAD: 1}
    with closing(open_database(url, readonly=False)) as database:
        dead_letters.drop(database, dead_letters.letters(database))
        assert dead_letters.counted(database) == len(dead_letters.letters(database)) == 0
    assert counts(checked(journal, url)) == {kinds.DROPPED: 1}
    change(url, "DELETE FROM pipeline_dead_letter")
    assert counts(checked(journal, url)) == {kinds.MISSING: 1}


def test_a_row_of_another_poll_than_its_record_is_looked_for_where_it_is_stored(journal, url):
    moment = polls()[1].strftime("%Y-%m-%d %H:%M:%S")
    journaled(journal, [opening(), with_value(poll(0), 2, 2, moment)])
    drained(journal.directory, url)
    assert counts(checked(journal, url)) == {}
    change(url, "DELETE FROM intraday_stock_prices WHERE poll_time = ?", (moment,))
    assert counts(checked(journal, url)) == {kinds.MISSING: 1}


def test_a_journal_that_is_not_the_one_of_the_database_is_a_fault(journal, url):
    journaled(journal, whole_day())
    drained(journal.directory, url)
    change(url, "UPDATE pipeline_cursor SET seq = 99")
    assert "the journal lost records" in checked(journal, url).databases[url.masked]
    change(url, "UPDATE pipeline_cursor SET seq = 5")
    report = checked(journal, url)
    assert "another one there" in report.databases[url.masked]
    assert not report.agrees


def test_damage_of_the_journal_is_reported_and_nothing_at_all_is_not_agreement(journal, url, tmp_path):
    assert not checked(journal, url).agrees
    journaled(journal, whole_day())
    drained(journal.directory, url)
    journal._connection.execute("UPDATE record SET digest = x'00' WHERE seq = 3")
    report = checked(journal, url)
    assert "record 3" in report.damage
    assert not report.agrees
    assert not checked(journal, url, trade_date="2020-01-01").agrees
    with pytest.raises(JournalError, match="is not there"):
        reconcile(tmp_path / "nowhere", [url], AFTER)
