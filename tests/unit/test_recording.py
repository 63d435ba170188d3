"""A recorded day as a source: the state at an instant, and files that are not what they should be."""

from __future__ import annotations

import csv
import gzip
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.model import UNKNOWN_SECTOR
from pipeline.sources.recorded_files import EMBEDDED, embedded_names
from pipeline.sources.recording import Recording, open_recording

HEADER = "symbol,timestamp,open,high,low,close,volume\n"
BARS = (
    HEADER + "M&M,2026-06-18T09:15:00+05:30,100.0,101.5,99.5,101.0,0\n"
    "M&M,2026-06-18T09:20:00+05:30,101.0,103.0,100.0,102.05,200\n"
    "M&M,2026-06-18T09:30:00+05:30,102.0,102.5,98.0,99.0,300\n"
    "LATE,2026-06-18T09:25:00+05:30,50,51,49,50,10\n"
)
CLOSES = "symbol,prev_close\nM&M,100.5\nLATE,50\nNEVER,7.35\n"


def _write(directory: Path, bars: str = BARS, closes: str | None = CLOSES) -> str:
    (directory / "day.csv.gz").write_bytes(gzip.compress(bars.encode()))
    if closes is not None:
        (directory / "day.prev_close.csv").write_text(closes)
    return str(directory / "day.csv.gz")


def _at(recording: Recording, time: str):
    instant = datetime.fromisoformat(f"2026-06-18T{time}+05:30")
    return recording.fetch(recording.universe.symbols, None, instant, 0.0).quotes


def test_the_state_at_an_instant_is_that_of_the_bars_that_ended_by_then(tmp_path):
    recording = open_recording(_write(tmp_path))
    assert _at(recording, "09:19:59")["M&M"].trade_time is None
    first = _at(recording, "09:20:00")["M&M"]
    assert (first.price, first.volume, first.prev_close) == (1_010_000, 0, 1_005_000)
    assert first.trade_time == datetime.fromisoformat("2026-06-18T09:20:00+05:30").timestamp()
    gap = _at(recording, "09:34:59")["M&M"]
    assert (gap.price, gap.volume, gap.day_open, gap.day_high, gap.day_low) == (
        1_020_500, 200, 1_000_000, 1_030_000, 995_000,
    )  # fmt: skip
    last = _at(recording, "09:35:00")["M&M"]
    assert (last.price, last.volume, last.day_high, last.day_low) == (990_000, 500, 1_030_000, 980_000)


def test_a_symbol_without_an_ended_bar_keeps_its_previous_close_and_no_trade(tmp_path):
    quote = _at(open_recording(_write(tmp_path)), "09:35:00")["NEVER"]
    assert (quote.price, quote.prev_close, quote.volume, quote.trade_time) == (73_500, 73_500, 0, None)


def test_session_interval_universe_and_name_come_from_the_files(tmp_path):
    recording = open_recording(_write(tmp_path))
    assert (recording.name, recording.live, recording.interval_s, recording.calendar) == (
        "recording:day", False, 300, "NSE",
    )  # fmt: skip
    assert recording.session.open == datetime.fromisoformat("2026-06-18T09:15:00+05:30")
    assert recording.session.close == datetime.fromisoformat("2026-06-18T09:35:00+05:30")
    assert str(recording.session.timezone) == "Asia/Kolkata"
    assert recording.universe.name == "day"
    assert recording.universe.symbols == ("M&M", "LATE", "NEVER")
    sectors = [member.sector for member in recording.universe.members]
    assert sectors == ["Automobile and Auto Components", UNKNOWN_SECTOR, UNKNOWN_SECTOR]


def test_symbols_match_with_and_without_yahoos_suffix_and_unknown_ones_are_missing(tmp_path):
    recording = open_recording(_write(tmp_path))
    answer = recording.fetch(("M&M.NS", "LATE", "OTHER.NS"), "^NSEI", recording.session.close, 0.0)
    assert set(answer.quotes) == {"M&M.NS", "LATE"}
    assert answer.quotes["M&M.NS"].symbol == "M&M.NS"
    assert answer.missing == {"OTHER.NS"}
    assert answer.index is None


@pytest.mark.parametrize(
    ("bars", "closes", "told"),
    [
        (BARS.replace(",close", ""), CLOSES, "has no column close"),
        (HEADER, CLOSES, "has no bars"),
        ("", CLOSES, "has no column symbol"),
        (BARS, None, "day.prev_close.csv: missing"),
        (BARS, "symbol,prev_close\n", "has no rows"),
        (BARS, CLOSES + "M&M,3\n", "line 5: symbol M&M stands twice"),
        (BARS, CLOSES + "X,nan\n", "line 5: prev_close 'nan' is not a price"),
        (BARS.replace("102.05", "-1"), CLOSES, "line 3: close '-1' is not a price"),
        (BARS.replace(",200", ","), CLOSES, "line 3: volume '' is not"),
        (BARS.replace(",200", ",2.5"), CLOSES, "line 3: volume '2.5' is not"),
        (BARS.replace("T09:20", "T09:10"), CLOSES, "line 3: time 2026-06-18T09:10:00+05:30 of M&M is out of order"),
        (BARS.replace("T09:20", "T09:15"), CLOSES, "out of order"),
        (BARS.replace("T09:20:00+05:30", "T09:20:00"), CLOSES, "line 3: time 2026-06-18T09:20:00 has no offset"),
        (BARS.replace("2026-06-18T09:20", "someday"), CLOSES, "line 3: time 'someday"),
        (BARS.replace("09:30:00+05:30", "09:30:00+01:00"), CLOSES, "line 4: time"),
        (BARS.replace("+05:30", "+01:00"), CLOSES, "no market is known for times +1 h"),
        (BARS.replace("18T09:30", "19T09:30"), CLOSES, "one trading day"),
        (BARS + "A,B\n", CLOSES, "line 6: has 2 cells"),
        (HEADER + "A,2026-06-18T09:15:00+05:30,1,1,1,1,1\n", CLOSES, "no symbol has two bars"),
        (BARS.replace("LATE", "L" * 200), CLOSES, "line 5: symbol"),
    ],
)
def test_a_bad_recording_is_refused_in_one_line_with_its_place(tmp_path, bars, closes, told):
    with pytest.raises(UsageError) as refused:
        open_recording(_write(tmp_path, bars, closes))
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_recording_of_one_bar_a_symbol_is_played_when_its_length_is_given(tmp_path):
    bars = HEADER + "M&M,2026-06-18T09:15:00+05:30,1,1,1,1,1\nLATE,2026-06-18T09:20:00+05:30,2,2,2,2,2\n"
    recording = open_recording(_write(tmp_path, bars), interval_s=300)
    assert recording.interval_s == 300
    assert recording.session.close == datetime.fromisoformat("2026-06-18T09:25:00+05:30")
    assert _at(recording, "09:20:00")["M&M"].trade_time is not None
    assert _at(recording, "09:24:59")["LATE"].trade_time is None
    assert open_recording(_write(tmp_path), interval_s=60).interval_s == 300, "bars know their own length better"


def test_cut_and_foreign_files_are_refused(tmp_path):
    path = Path(_write(tmp_path))
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"no gzip at all", whole[:-4] + b"abcd"):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="cannot be read"):
            open_recording(str(path))
    with pytest.raises(UsageError, match="no such file"):
        open_recording("nowhere")


@pytest.mark.parametrize("name", embedded_names())
def test_an_embedded_day_equals_a_naive_reading_of_its_file(name):
    recording = open_recording(name)
    assert {member.sector for member in recording.universe.members} - {UNKNOWN_SECTOR}
    with gzip.open(EMBEDDED / f"{name}.csv.gz", "rt") as lines:
        rows = list(csv.DictReader(lines))
    instant = recording.session.open
    while instant < recording.session.close:
        instant += timedelta(seconds=3 * recording.interval_s)
        last, volume = {}, {}
        for row in rows:
            ended = datetime.fromisoformat(row["timestamp"]) + timedelta(seconds=recording.interval_s)
            if ended <= instant:
                last[row["symbol"]] = row["close"]
                volume[row["symbol"]] = volume.get(row["symbol"], 0) + int(row["volume"])
        quotes = recording.fetch(recording.universe.symbols, None, instant, 0.0).quotes
        traded = {symbol: quote for symbol, quote in quotes.items() if quote.trade_time is not None}
        assert {symbol: quote.price for symbol, quote in traded.items()} == {
            symbol: round(float(price) * 100) * 100 for symbol, price in last.items()
        }
        assert {symbol: quote.volume for symbol, quote in traded.items()} == volume
