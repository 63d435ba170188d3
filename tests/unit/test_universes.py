"""Named universes, users' lists, and the command that shows them."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline import universes
from pipeline.cli.common import complete, universe_name
from pipeline.cli.universe import universe as command
from pipeline.config import load
from pipeline.errors import UsageError
from pipeline.model import UNKNOWN_SECTOR, Universe

SIZES = {
    "nifty50": 50, "niftynext50": 50, "nifty100": 100, "nifty200": 200, "nifty500": 500, "niftytotal": 750,
    "nse_all": 2410, "niftybank": 12, "niftyit": 10, "sp500": 503, "nasdaq100": 99, "dow30": 30,
}  # fmt: skip


def _file(directory: Path, content: str | bytes, name: str = "mine.csv") -> str:
    path = directory / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def _load(directory: Path, content: str | bytes, calendar: str | None = None) -> universes.Loaded:
    return universes.load(_file(directory, content), calendar)


def test_every_named_universe_has_its_members_its_index_and_no_placeholder():
    assert {info.name: info.size for info in universes.available()} == SIZES
    for name in SIZES:
        found = universes.load(name, None).universe
        assert len(set(found.symbols)) == len(found.symbols)
        assert not [symbol for symbol in found.symbols if symbol.startswith("DUMMY")]
        assert found.index is not None
        assert universes.default_calendar(found) == ("NYSE" if name in ("sp500", "nasdaq100", "dow30") else "NSE", ())
    assert "M&M.NS" in universes.load("nifty50", None).universe.symbols
    assert "BRK-B" in universes.load("sp500", None).universe.symbols
    assert universes.load("nifty50", None).universe.index == "^NSEI"


def test_a_named_universe_warns_once_its_members_are_older_than_190_days():
    as_of = universes.NAMED["sp500"].as_of
    assert universes.load("sp500", None, lambda: as_of + timedelta(days=190)).warnings == ()
    (warning,) = universes.load("sp500", None, lambda: as_of + timedelta(days=191)).warnings
    assert str(as_of) in warning


def test_nses_own_list_is_read_as_it_is(tmp_path):
    text = (
        "\ufeff Company Name , Industry ,Symbol , Series, ISIN Code\r\n"
        "Mahindra & Mahindra Ltd., Automobile and Auto Components , M&M ,EQ,INE101A01026\r\n"
        '"Bajaj Auto, Ltd.",,BAJAJ-AUTO,EQ,INE917I01010\r\n'
        "\r\n"
    )
    found = _load(tmp_path, text).universe
    assert found.name == "mine"
    assert [(m.symbol, m.name, m.sector) for m in found.members] == [
        ("M&M.NS", "Mahindra & Mahindra Ltd.", "Automobile and Auto Components"),
        ("BAJAJ-AUTO.NS", "Bajaj Auto, Ltd.", UNKNOWN_SECTOR),
    ]


def test_bare_symbols_get_their_suffix_under_the_nse_calendar_only(tmp_path):
    text = "SYMBOL,Yahoo_Symbol\nINFY,\nTCS,TCS.NS\nX,^NSEI\n"
    assert _load(tmp_path, text, "NSE").universe.symbols == ("INFY.NS", "TCS.NS", "^NSEI")
    assert _load(tmp_path, text, "NYSE").universe.symbols == ("INFY", "TCS.NS", "^NSEI")


def test_duplicates_are_counted_once_and_warned_about_with_their_line(tmp_path):
    loaded = _load(tmp_path, "symbol\nAAA\nBBB\naaa\n")
    assert loaded.universe.symbols == ("AAA", "BBB")
    assert len(loaded.warnings) == 1
    assert "line 4: AAA" in loaded.warnings[0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "line 1: has no column"),
        ("name,sector\nA,B\n", "line 1: has no column yahoo_symbol or symbol; its header is: name, sector"),
        ("symbol\n", "has no symbols"),
        ("symbol,name\nAAA,x\n,y\n", "line 3: symbol '' is empty"),
        ("symbol\nAAA\n" + "B" * 200 + "\n", "line 3: symbol 'BBBB"),
        ("symbol\n" + "C" * 31 + "\n", "line 2: symbol 'CCCC"),
        ("symbol\nA\x1b[31mB\n", "line 2: symbol 'A"),
        ('symbol\n"A,B"\n', "line 2: symbol 'A,B' contains a comma"),
        ("symbol,name\nAAA,one, two\n", "line 2: has 3 cells, its header has 2"),
        ('symbol\nAAA\n"BBB\n', "line 3: cannot be read as CSV"),
        (b"symbol,name\nAAA,x\nBBB,caf\xe9\n", "line 3: is not UTF-8"),
        (b"\xff\xfes\x00y\x00m\x00", "line 1: is not UTF-8"),
    ],
)
def test_an_unreadable_list_is_refused_with_its_line(tmp_path, content, told):
    with pytest.raises(UsageError) as refused:
        _load(tmp_path, content, "NSE")
    message = str(refused.value)
    assert told in message
    assert "\n" not in message
    assert "\x1b" not in message


@pytest.mark.parametrize(
    "name",
    ["nifty5O", "../../etc/passwd", "nope.csv", "'; DROP TABLE x", "a\x1bb", "x" * 300, "~nobody-here/u", ".", "/"],
)
def test_an_unknown_universe_is_refused_in_one_printable_line(name):
    with pytest.raises(UsageError) as refused:
        universes.load(name, None)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", ["mine.csv", "mine.txt", "mine"])
def test_a_list_beside_us_is_a_file_whatever_its_suffix_and_a_named_universe_never_is(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    _file(tmp_path, "symbol\nAAA\n", name)
    _file(tmp_path, "symbol\nAAA\n", "dow30")
    assert universes.load(name, None).universe.name == "mine"
    given = load({"universe": name}, {}, tmp_path)
    assert universe_name(given.settings, given.origins) == "mine"
    assert complete(given).settings.state_dir.name == "mine"
    assert universes.file_of("dow30") is None
    assert universes.file_of("other") is None


@pytest.mark.parametrize("name", [".hidden.csv", "my list.csv", "x" * 65 + ".csv", "a'b.csv"])
def test_a_file_whose_stem_cannot_name_a_universe_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="rename it"):
        universes.load(_file(tmp_path, "symbol\nAAA\n", name), None)


def test_the_calendar_follows_most_symbols_and_names_the_rest(tmp_path):
    found = _load(tmp_path, "symbol\nA.NS\nB.NS\nINFY\nSAP.DE\n")
    assert found.universe.symbols == ("A.NS", "B.NS", "INFY.NS", "SAP.DE"), "the calendar of most gives the suffix"
    assert "bare ones get .NS, too (INFY)" in found.warnings[0]
    calendar, warnings = universes.default_calendar(found.universe)
    assert calendar == "NSE"
    assert "1 of 4" in warnings[0]
    assert "SAP.DE" in warnings[0]
    american = _load(tmp_path, "symbol\nMSFT\nAAPL\nTCS.NS\n")
    assert american.universe.symbols == ("MSFT", "AAPL", "TCS.NS")
    assert american.warnings == ()
    twice = _load(tmp_path, "symbol\nTCS.NS\nINFY.NS\nTCS\n")
    assert "line 4: TCS.NS stands in the list twice" in twice.warnings[1]
    assert universes.default_calendar(Universe("u", ()))[0] == "NYSE"


def test_show_neutralises_escape_sequences_and_keeps_to_80_columns(tmp_path):
    path = _file(tmp_path, 'symbol,name,sector\nAAA.NS,"\x1b]0;evil\x07\x1b[31m' + "n" * 90 + '","\u202eS\x9b2J"\n')
    for arguments in (["show", path], ["show", path, "--json"], ["show", "nse_all"], ["list"]):
        result = CliRunner().invoke(command, arguments)
        assert result.exit_code == 0
        assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(result.output)
        if "--json" not in arguments:
            assert max(map(len, result.stdout.splitlines())) <= 80
    listed = json.loads(CliRunner().invoke(command, ["list", "--json"]).stdout)
    assert [info["name"] for info in listed] == list(SIZES)
    assert date.fromisoformat(listed[0]["as_of"]) == universes.NAMED["nifty50"].as_of
