"""Progress and summary: 80 columns, in place on a terminal, lines elsewhere, never an exception."""

from __future__ import annotations

import io
import logging
import re
import sys

import pytest

from pipeline.figures import cells
from pipeline.logs import MAX_DISTINCT, Warnings
from pipeline.progress import Progress, live_lines, poll_line
from pipeline.summary import MOST_WARNINGS, summary, warning_lines
from pipeline.terminal import Terminal

ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def status(**changes):
    poll = {
        "number": 12,
        "of": 75,
        "poll_time": "2026-11-26 09:20:00",
        "outcome": "taken",
        "coverage": 0.98,
        "advances": 1310,
        "declines": 1170,
        "unchanged": 112,
        "adv_decl_ratio": 1.8235,
        "market_sentiment": "SLIGHTLY BULLISH",
        "sectors": {"Financial Services": [50, 10], "IT": [1, 30], "Oil Gas & Consumable Fuels": [12, 12], "Z": [5, 9]},
    }
    found = {
        "state": "healthy",
        "universe": "u" * 64,
        "source": "recording:" + "r" * 80,
        "state_dir": "/tmp/s",
        "market": {"trade_date": "2026-11-26", "phase": "open"},
        "poll": poll,
        "polls": {"planned": 75, "taken": 70, "partial": 2, "failed": 1, "skipped": 2, "lowest_coverage": 0.5},
        "journal": {"bytes": 123456},
        "databases": [
            {"role": "writer:sqlite:x.db", "url": "sqlite:////tmp/s/breadth.db", "state": "ok", "rows_written": 123456},
            {
                "role": "writer:mysql:" + "h" * 60,
                "url": "mysql://u:***@h:3306/m",
                "state": "retrying",
                "message": "cannot connect " * 10,
                "ahead": 11,
                "dead_letters": 1,
            },
        ],
        "warnings": [{"text": "evil \x1b[2J\x07 name " * 20}],
        "dashboard": "http://127.0.0.1:8321/",
    }
    return {**found, **changes}


class Tty(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def _room(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"poll": {}},
        {"poll": {"poll_time": "2026-11-26 09:20:00", "outcome": "failed", "reason": "no network " * 30}},
        {"market": {"phase": "waiting", "session_open": "2026-11-27T09:15:00+05:30"}, "poll": {}},
    ],
    ids=["taken", "nothing yet", "failed", "waiting"],
)
def test_every_line_fits_eighty_columns_and_names_cannot_steer_the_terminal(changes):
    for line in (*live_lines(status(**changes), Terminal(colour=True)), poll_line(status(**changes))):
        bare = re.sub(r"\x1b\[[0-9;]*m", "", line)
        assert cells(bare) <= 79
        assert bare.isprintable()


def test_polls_that_a_full_disk_keeps_in_memory_are_told():
    drawn = live_lines(status(unstored=1), Terminal())
    assert "1 poll waits in memory, not stored" in drawn
    assert len(drawn) <= 13
    assert "2 polls wait in memory, not stored" in live_lines(status(unstored=2), Terminal())
    assert not [line for line in live_lines(status(unstored=0), Terminal()) if "memory" in line]


@pytest.mark.parametrize("text", [{}, {"poll": None, "databases": None}, {"polls": {}, "market": {}}], ids=str)
def test_a_status_that_lacks_parts_is_shown_all_the_same(text):
    for mode in ("on", "plain", "off"):
        stream = Tty()
        progress = Progress(stream, mode)
        progress.update(text)
        progress.finish(text)
        assert "0 polls planned" in stream.getvalue()


def test_a_terminal_is_drawn_in_place_and_nothing_is_drawn_twice():
    stream = Tty()
    progress = Progress(stream, "auto")
    progress.update(status())
    once = stream.getvalue()
    height = once.count("\n")
    progress.update(status())
    assert stream.getvalue() == once
    progress.update(status(state="degraded"))
    assert stream.getvalue()[len(once) :].startswith(f"\x1b[{height}A\r")


def test_logs_go_above_the_picture(monkeypatch):
    stream = Tty()
    monkeypatch.setattr(sys, "stderr", stream)
    logger = logging.Logger("t")
    logger.addHandler(logging.StreamHandler(stream))
    progress = Progress(stream, "on")
    progress.keep_logs_above(logger)
    progress.update(status())
    drawn = stream.getvalue()
    logger.warning("the database is gone")
    added = stream.getvalue()[len(drawn) :]
    assert added == f"\x1b[{drawn.count(chr(10))}A\r\x1b[Jthe database is gone\n" + drawn


def test_elsewhere_a_poll_is_a_plain_line_and_one_of_sectors():
    stream = io.StringIO()
    progress = Progress(stream, "auto")
    progress.update(status(poll={}))
    progress.update(status())
    progress.update(status())
    progress.update(status(poll={"poll_time": "2026-11-26 09:25:00", "outcome": "skipped", "reason": "late"}))
    lines = stream.getvalue().splitlines()
    assert [line[:8].strip() for line in lines] == ["09:20:00", "", "09:25:00"]
    assert re.search(r"strong Financial S\S* +50 up +10 down  weak IT +1 up +30 down", lines[1])
    assert lines[2].endswith("skipped: late")
    assert max(map(len, lines)) <= 79
    assert not ESCAPE.search(stream.getvalue())


def test_a_narrow_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    stream = Tty()
    Progress(stream, "auto").update(status())
    assert not ESCAPE.search(stream.getvalue())


class Broken(Tty):
    def write(self, text):
        raise BrokenPipeError


@pytest.mark.parametrize("stream", [Broken(), io.StringIO()], ids=["pipe gone", "closed"])
@pytest.mark.parametrize("mode", ["auto", "on", "plain", "off"])
def test_a_terminal_that_is_gone_never_touches_the_run(stream, mode):
    if not isinstance(stream, Broken):
        stream.close()
    progress = Progress(stream, mode)
    progress.update(status())
    progress.finish(status())
    assert progress._broken


def test_the_summary_counts_the_day_and_names_backlog_and_commands():
    text = summary(status(universe="nifty50"))
    assert "75 polls planned, 72 taken (2 partial), 2 skipped, 1 failed" in text
    assert "lowest coverage 50.0 %" in text
    assert "\nlast poll 09:20:00: 1310 up, 1170 down, 112 same, ratio 1.82, SLIGHTLY BULLISH\n" in text
    assert max(len(line) for line in text.splitlines() if "/" not in line) <= 79
    assert "123,456 rows, nothing waiting" in text
    assert "11 records left in the journal for the next start, 1 row refused" in text
    assert "***" in text
    databases = "--db sqlite:////tmp/s/breadth.db --db mysql://u@h:3306/m"
    assert f"\n  breadth-pipeline verify {databases} --state-dir /tmp/s\n" in text, "of every database"
    assert "\n  breadth-pipeline show --state-dir /tmp/s\n" in text
    for command in ("show", "history", "dashboard", "status", "verify"):
        assert re.search(rf"^  breadth-pipeline {command} .*/tmp/s", text, re.MULTILINE)


def test_the_summary_of_a_day_that_failed_says_why():
    failed = {"poll_time": "2026-11-26 15:35:00", "outcome": "failed", "reason": "no answer from example.org"}
    assert "\nlast poll 15:35:00 failed: no answer from example.org\n" in summary(status(poll=failed))


def test_a_mail_tells_each_warning_once_and_whole_and_where_the_others_are(tmp_path):
    assert warning_lines({}, tmp_path) == []
    long = "warning fetcher: nothing has traded since the open " * 20
    assert warning_lines([long, "evil \x1b[2J"], tmp_path)[1:] == [f"  {long}", "  evil \N{REPLACEMENT CHARACTER}[2J"]
    told = warning_lines([f"warning fetcher: {number}" for number in range(MOST_WARNINGS + 3)], tmp_path / "the.log")
    assert told[-2:] == [f"  warning fetcher: {MOST_WARNINGS - 1}", f"  … and 3 more, see {tmp_path}/the.log"]


def test_the_keeper_of_warnings_knows_each_once_and_only_so_many():
    kept = Warnings()
    text = "x" * 400
    for number in (1, 1, 2, *range(2 * MAX_DISTINCT)):
        record = logging.LogRecord("t", logging.ERROR, "f", 1, f"{number}{text}", None, None)
        record.processName = "fetcher"
        kept.handle(record)
    assert list(kept.distinct)[:2] == [f"error fetcher: 1{text}", f"error fetcher: 2{text}"]
    assert (len(kept.distinct), len(kept.last)) == (MAX_DISTINCT, 50)


def test_the_commands_of_the_summary_work_where_the_program_is_not_on_the_path(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sys.argv", [str(tmp_path / "a checkout/.venv/bin/breadth-pipeline"), "demo"])
    text = summary(status(state_dir=str(tmp_path / "state")))
    assert "\n  ~/'a checkout/.venv/bin/breadth-pipeline' status --state-dir ~/state\n" in text
