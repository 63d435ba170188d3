"""Tables, their files, the seed's tables, retention: over SQLite and MySQL."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import date, timedelta

import pytest
from click.testing import CliRunner

from pipeline import schema, seed
from pipeline.cli import cli
from pipeline.dburl import DatabaseUrl
from pipeline.errors import SinkSchemaError
from pipeline.inspection import problems
from pipeline.model import Cursor
from pipeline.prune import prune_stocks
from pipeline.sinks import ADAPTERS, open_database, open_sink
from pipeline.tables import STOCK, TABLES
from tests.contract.storage import DAY, JOURNAL, STREAM, ask, count, entries, poll_record, run, session_record, stock


@pytest.fixture(params=ADAPTERS)
def url(request, tmp_path):
    """An empty database of each kind in turn."""
    if request.param == "sqlite":
        return DatabaseUrl.parse(f"sqlite:///{tmp_path}/breadth.db")
    server = request.getfixturevalue("mariadb")
    return DatabaseUrl.parse(server.url(request.getfixturevalue("mariadb_database")))


@pytest.mark.parametrize("dialect", ADAPTERS)
def test_sql_files_make_the_tables_that_records_fill(dialect):
    steps = schema.steps(dialect)
    assert [step.version for step in steps] == list(range(1, len(steps) + 1))
    assert [(step.version, step.slug) for step in steps] == [(s.version, s.slug) for s in schema.steps("sqlite")]
    made = {step.creates: step.sql for step in steps}
    assert all(";" not in step.sql for step in steps), "one statement a file"
    for table in TABLES.values():
        sql = made[table.name]
        names = re.findall(r"^    ([a-z_]+) ", sql, re.MULTILINE)
        assert tuple(names) == (*table.column_names, "created_at")
        assert f"PRIMARY KEY ({', '.join(table.key)})" in sql
        if dialect == "mysql":
            for column in table.columns:
                if column.kind == "text":
                    assert f"{column.name} VARCHAR({column.length})" in sql
    if dialect == "mysql":
        assert all("SQL SECURITY INVOKER VIEW" in sql for name, sql in made.items() if name.startswith("v_"))


def test_creating_twice_is_harmless_and_a_lost_view_comes_back(url):
    with closing(open_database(url, readonly=False)) as database:
        assert {outcome.state for outcome in schema.upgrade(database)} == {"applied"}
        assert {outcome.state for outcome in schema.upgrade(database)} == {"present"}
        assert list(problems(database)) == []
        database.execute("DROP VIEW v_top_movers_today")
        assert list(problems(database)) == ["missing: v_top_movers_today: run `breadth-pipeline db init`"]
        assert [o.step.slug for o in schema.upgrade(database) if o.state == "applied"] == ["v_top_movers_today"]
    run(url, "DROP TABLE pipeline_pruned")
    with pytest.raises(SinkSchemaError, match=r"pipeline_pruned missing"):
        schema.ensure(url, create=False)
    schema.ensure(url, create=True)


SEED = (
    """CREATE TABLE intraday_advance_decline (
        id INTEGER PRIMARY KEY {auto}, poll_time DATETIME NOT NULL, trade_date DATE NOT NULL, advances INT,
        declines INT, unchanged INT, total_stocks INT,
        adv_pct DECIMAL(5,2), decl_pct DECIMAL(5,2), unch_pct DECIMAL(5,2),
        adv_decl_ratio DECIMAL(10,2), adv_decl_diff INT, market_sentiment VARCHAR(20),
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)""",
    """CREATE TABLE intraday_stock_prices (
        id INTEGER PRIMARY KEY {auto}, poll_time DATETIME NOT NULL, trade_date DATE NOT NULL,
        symbol VARCHAR(50) NOT NULL, ltp DECIMAL(12,2), prev_close DECIMAL(12,2), change_amt DECIMAL(12,2),
        change_pct DECIMAL(8,4), volume BIGINT, status VARCHAR(20), data_timestamp DATETIME,
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)""",
    "CREATE INDEX seed_poll ON intraday_stock_prices (poll_time)",
    "CREATE VIEW v_latest_intraday_breadth AS SELECT poll_time, advances FROM intraday_advance_decline",
    """INSERT INTO intraday_advance_decline (poll_time, trade_date, advances, declines, unchanged, total_stocks,
        adv_pct, adv_decl_ratio, adv_decl_diff, market_sentiment)
        VALUES ('{moment}', '{day}', 30, 18, 2, 50, 60, 1.67, 12, 'Bullish')""",
)
SEED_STOCK = """INSERT INTO intraday_stock_prices (poll_time, trade_date, symbol, ltp, prev_close, change_amt,
    change_pct, volume, status) VALUES ('{moment}', '{day}', '{symbol}', {ltp}, 100, 1, 1, 1000, 'ADVANCE')"""


def test_a_renamed_column_is_named_though_the_views_over_it_are_broken_too(url):
    schema.ensure(url, create=True)
    run(url, "ALTER TABLE intraday_advance_decline RENAME COLUMN rana TO drifted")
    for create in (True, False):
        with pytest.raises(SinkSchemaError, match="intraday_advance_decline has no column rana"):
            schema.ensure(url, create=create)
    run(url, "ALTER TABLE intraday_advance_decline RENAME COLUMN drifted TO rana")
    schema.ensure(url, create=True)


def make_seed_tables(url: DatabaseUrl) -> None:
    """The first system's tables and a view, with rows: one time and symbol twice, one symbol that is too long."""
    lite = url.dialect == "sqlite"
    words = {
        "auto": "" if lite else "AUTO_INCREMENT",
        "moment": f"{DAY} 10:15:03{'.000000' if lite else ''}",  # as SQLAlchemy writes into SQLite
        "day": DAY,
    }
    stocks = [("A.NS", 101.5), ("B.NS", 99), ("A.NS", 102.5), ("L" * 45, 5)]
    run(url, *(statement.format(**words) for statement in SEED))
    run(url, *(SEED_STOCK.format(**words, symbol=symbol, ltp=ltp) for symbol, ltp in stocks))


def test_seed_tables_are_recognised_kept_and_copied(url):
    make_seed_tables(url)
    with pytest.raises(SinkSchemaError, match="--adopt-seed"):
        schema.ensure(url, create=True)
    text = str(url.path) if url.dialect == "sqlite" else ""
    address = f"sqlite:///{text}" if text else f"mysql://{url.user}:{url.password}@{url.host}:{url.port}/{url.database}"
    for command in ("init", "check"):
        result = CliRunner().invoke(cli, ["db", command, "--db", address])
        assert result.exit_code == 78, result.output
        assert "old layout" in result.output
    for command in ("show", "history"):
        result = CliRunner().invoke(cli, [command, "--db", address])
        assert isinstance(result.exception, SinkSchemaError), result.output
        assert "db upgrade --adopt-seed UNIVERSE" in str(result.exception)
    adopt = ["db", "upgrade", "--adopt-seed", "nifty50", "--db", address]
    for copied, there in ((2, 1), (0, 3)):  # again is harmless
        result = CliRunner().invoke(cli, adopt)
        assert result.exit_code == 0, (result.output, result.exception)
        rows = f"{copied} of 4 rows to universe nifty50, {there} with a key that was there already, 1 left out"
        assert f"intraday_stock_prices: {rows}" in result.output
    moment = f"{DAY} 10:15:03"
    assert ask(url, "SELECT universe, poll_time, symbol, ltp FROM intraday_stock_prices ORDER BY symbol") == [
        ("nifty50", moment, "A.NS", 102.5),
        ("nifty50", moment, "B.NS", 99.0),
    ]
    assert ask(url, "SELECT universe, advances, adv_pct, adv_decl_ratio, source FROM v_latest_intraday_breadth") == [
        ("nifty50", 30, 60.0, 1.67, "seed")
    ]
    assert count(url, "intraday_stock_prices_seed") == 4
    assert count(url, "v_latest_intraday_breadth_seed") == 1
    with closing(open_database(url, readonly=False)) as database:
        assert seed.found(database) == ()
        assert list(problems(database)) == []
    with closing(open_sink(url)) as sink:
        sink.write(STREAM, JOURNAL, Cursor(0), entries([session_record(), poll_record(16)]))
    assert CliRunner().invoke(cli, adopt).exit_code == 0
    assert count(url, STOCK.name) == 42


def test_pruning_removes_old_stock_rows_only_and_remembers_the_days(url):
    schema.ensure(url, create=True)
    days = ["2026-08-01", "2026-08-27", DAY]
    records = [
        record for day in days for record in (session_record(day=day), poll_record(1, day=day), poll_record(2, day=day))
    ]
    with closing(open_sink(url)) as sink:
        sink.write(STREAM, JOURNAL, Cursor(0), entries(records))
    for universe in ("api", "zz"):  # AsyncDataLogger.log_stock_update leaves stock rows and nothing else
        alone = "universe, trade_date, poll_time, symbol, ltp, status"
        row = f"'{universe}', '2026-08-02', '2026-08-02 09:15:00', 'A.NS', 1, 'UNCHANGED'"
        run(url, f"INSERT INTO {STOCK.name} ({alone}) VALUES ({row})")
    with closing(open_database(url, readonly=False)) as database:
        pruned = list(prune_stocks(database, date(2026, 11, 26), timedelta(days=90)))
        assert [(day.universe, day.trade_date, day.rows) for day in pruned] == [
            ("api", "2026-08-02", 1),
            ("nifty50", "2026-08-01", 80),
            ("nifty50", "2026-08-27", 80),
            ("zz", "2026-08-02", 1),
        ]
        assert list(prune_stocks(database, date(2026, 11, 26), timedelta(days=90))) == []
    assert ask(url, "SELECT trade_date, COUNT(*) FROM intraday_stock_prices GROUP BY trade_date") == [(DAY, 80)]
    assert count(url, "intraday_advance_decline") == 6
    assert ask(url, "SELECT universe, trade_date, rows_removed FROM pipeline_pruned ORDER BY 1, 2") == [
        ("api", "2026-08-02", 1),
        ("nifty50", "2026-08-01", 80),
        ("nifty50", "2026-08-27", 80),
        ("zz", "2026-08-02", 1),
    ]


def test_dead_letter_commands_list_retry_and_drop(tmp_path):
    address = f"sqlite:///{tmp_path}/breadth.db"
    url = DatabaseUrl.parse(address)
    schema.ensure(url, create=True)
    hostile = stock("nifty50", f"{DAY} 10:01:00", "\x1b[2J" + "x" * 40)
    with closing(open_sink(url)) as sink:
        sink.write(STREAM, JOURNAL, Cursor(0), entries([session_record(), poll_record(1, stocks=[hostile])]))

    def command(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(cli, ["dead-letter", *words, "--db", address])
        return result.exit_code, result.output

    code, text = command("list")
    assert code == 0
    assert "1 dead letter" in text
    assert "length <= 32" in text
    assert "\x1b" not in text
    assert command("retry")[0] == 1
    assert command("drop", "--seq", "99")[1].endswith("0 dead letters dropped\n")
    assert command("drop", "--all")[1].endswith("1 dead letter dropped\n")
    assert "0 dead letters" in command("list")[1]
