"""Settings: which source wins, what is refused, what is masked."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.api.logger import _database
from pipeline.cli import cli
from pipeline.config import Settings, flag_of, load, masked
from pipeline.dburl import DatabaseUrl
from pipeline.errors import ConfigError, UsageError

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """No .env of the machine's own config directory."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_flag_wins_over_environment_over_dotenv_over_file_over_default(tmp_path):
    toml = private(tmp_path / "c.toml", 'interval = "1m"\npolls = 4\nwait = "2h"\ncalendar = "NYSE"\n')
    private(tmp_path / ".env", "BREADTH_INTERVAL=2m\nBREADTH_POLLS=3\nBREADTH_WAIT=3h\n")
    environ = {"BREADTH_INTERVAL": "3m", "BREADTH_POLLS": "2"}
    loaded = load({"interval_s": "4m", "polls": None}, environ, tmp_path, toml)
    found = loaded.settings
    assert (found.interval_s, found.polls, found.wait_s, found.calendar) == (240, 2, 10800, "NYSE")
    assert found.universe == "nifty50"
    assert loaded.origins["interval_s"] == "flag"
    assert loaded.origins["wait_s"].startswith(".env")
    assert loaded.origins["calendar"] == f"file {toml}"
    assert "universe" not in loaded.origins
    assert loaded.files == (tmp_path / ".env", toml)


@pytest.mark.parametrize(
    ("environ", "toml"),
    [({"BREADTH_INTERVALL": "1m"}, ""), ({}, "intervall = '1m'"), ({}, "[interval]\nx = 1")],
)
def test_unknown_names_are_errors_with_the_name_in_them(tmp_path, environ, toml):
    file = private(tmp_path / "c.toml", toml)
    with pytest.raises(UsageError, match=r"(?i)intervall?"):
        load({}, environ, tmp_path, file)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("interval_s", "5x"),
        ("interval_s", "0"),
        ("speed", "-1"),
        ("speed", "nan"),
        ("interval_s", "999999999d"),
        ("interval_s", "25h"),
        ("keep_s", "999999999d"),
        ("polls", "0"),
        ("index", "A,B"),
        ("index", "I" * 41),
        ("dashboard", "127.0.0.1:\u00b2"),
        ("state_dir", "~nobody-is-called-so/x"),
        ("calendar_file", "x" * 70 + "/" + "y" * 5),
        ("calendar", "LSE"),
        ("stocks", "perhaps"),
        ("dashboard", "here"),
        ("log_format", "xml"),
        ("universe", " "),
        ("db", ("postgres://x/y",)),
        ("db", ("sqlite://",)),
        ("db", ("mysql://host",)),
        ("db", ("mysql://host:70000/x",)),
        ("db", ("mysql://host/x?tls=maybe",)),
        ("db", ("mysql://host/x?tls_ca=add",)),
        ("db", ("mysql://host/a;b",)),
        ("db", ("sqlite:///y.db?mode=ro",)),
        ("db", ("sqlite:///:memory:",)),
        ("db", ("sqlite:///a%0ab",)),
        ("db", ("",)),
    ],
)
def test_a_bad_value_is_one_line_that_names_flag_and_value(tmp_path, name, value):
    with pytest.raises(UsageError) as caught:
        load({name: value}, {}, tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    assert flag_of(name) in message
    shown = value[0] if isinstance(value, tuple) else value
    assert shown.split("/")[-1].split("=")[-1] in message


def test_limits_of_times_are_inclusive_and_an_index_is_in_capitals(tmp_path):
    found = load({"interval_s": "1d", "wait_s": "0", "keep_s": "365000d", "index": " ^cnxauto "}, {}, tmp_path).settings
    assert (found.interval_s, found.wait_s, found.keep_s) == (86400, 0, 365000 * 86400)
    assert found.index == "^CNXAUTO"
    assert [load({"index": word}, {}, tmp_path).settings.index for word in ("None", "AUTO")] == ["none", "auto"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        *(
            (f"db = {value}", "db must be a text or a list of texts")
            for value in ("[1]", '[["x"]]', "12:00:00", "true")
        ),
        *((f"interval = {value}", "interval must be") for value in ("2026-01-01", "[5]", "{ a = 1 }", "true")),
        ("stocks = [true]", "stocks must be a text or true or false"),
        ("state_dir = false", "state_dir must be"),
        ("polls = 4.0", "--polls '4.0'"),
        ("universe = ''", "--universe ''"),
        ("wait = 1e400", "--wait 'inf'"),
        ("db = ''", "--db ''"),
        ("polls = " + "9" * 5000, "is not TOML"),
        ("polls = " + "[" * 5000, "is not TOML"),
    ],
)
def test_a_wrong_type_or_value_in_a_toml_file_is_one_line_that_names_file_and_key(tmp_path, line, told):
    file = private(tmp_path / "c.toml", line + "\n")
    with pytest.raises(UsageError) as caught:
        load({}, {}, tmp_path, file)
    message = str(caught.value)
    assert str(file) in message
    assert told in message
    assert "\n" not in message


def test_a_bad_value_of_the_environment_or_a_dotenv_says_where_it_stands(tmp_path):
    with pytest.raises(UsageError, match="environment: --polls 'x'"):
        load({}, {"BREADTH_POLLS": "x"}, tmp_path)
    private(tmp_path / ".env", "BREADTH_DB=mysql://h\n")
    with pytest.raises(UsageError, match=r"\.env: --db 'mysql://h'"):
        load({}, {}, tmp_path)


def test_a_config_file_can_be_named_in_the_environment_and_in_a_dotenv(tmp_path):
    file = private(tmp_path / "c.toml", "polls = 4\n")
    assert load({}, {"BREADTH_CONFIG": str(file)}, tmp_path).settings.polls == 4
    private(tmp_path / ".env", f"BREADTH_CONFIG={file}\n")
    assert load({}, {}, tmp_path).config == file


@pytest.mark.parametrize(("name", "why"), [("c.toml", ""), ("none.toml", "No such file"), (".", "Is a directory")])
def test_a_config_file_that_cannot_be_read_is_told_by_us_in_one_line(tmp_path, monkeypatch, name, why):
    private(tmp_path / "c.toml", "polls = 4\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "access", lambda *_, **__: False)  # as click sees a file that this user may not read
    done = CliRunner().invoke(cli, ["config", "--config", str(tmp_path / name)])
    if not why:
        assert done.exit_code == 0, "who opens it knows better"
    else:
        assert isinstance(done.exception, UsageError), done.output
        assert why in str(done.exception)


@pytest.mark.parametrize("line", ["s3cret", "!", "BREADTH_POLLS='4"])
def test_a_dotenv_with_a_malformed_line_is_refused_with_its_number(tmp_path, line):
    private(tmp_path / ".env", f"# two lines\nBREADTH_POLLS=3\n{line} s3cret\n")
    with pytest.raises(ConfigError, match=r"\.env line 3") as caught:
        load({}, {}, tmp_path)
    assert "s3cret" not in str(caught.value)


def test_a_dotenv_that_others_may_read_is_refused(tmp_path):
    (tmp_path / ".env").write_text("MYSQL_PASSWORD=secret\n")
    (tmp_path / ".env").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600") as caught:
        load({}, {}, tmp_path)
    assert "secret" not in str(caught.value)


def test_a_dotenv_that_cannot_be_looked_for_is_one_line_that_names_it(tmp_path, monkeypatch):
    unusable = tmp_path / ("x" * 300)
    with pytest.raises(ConfigError, match=r"x/\.env cannot be looked for: File name too long: make /") as raised:
        load({}, {}, unusable)
    assert "\n" not in str(raised.value)
    private(tmp_path / ".env", "BREADTH_POLLS=3\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(unusable))
    assert load({}, {}, tmp_path).settings.polls == 3, "the first one that is there counts"
    with pytest.raises(ConfigError, match="XDG_CONFIG_HOME"):
        load({}, {}, tmp_path / "none")


def test_a_dotenv_that_is_no_text_is_one_line(tmp_path):
    (tmp_path / ".env").write_bytes(b"MYSQL_PASSWORD=\xff\n")
    (tmp_path / ".env").chmod(0o600)
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        load({}, {}, tmp_path)


def test_a_config_file_with_a_password_that_others_may_read_is_refused(tmp_path):
    file = tmp_path / "c.toml"
    file.write_text('db = "mysql://u:secret@h/x"\n')
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load({}, {}, tmp_path, file)
    file.write_text('db = "mysql://u@h/x"\n')
    assert load({}, {}, tmp_path, file).settings.db == (DatabaseUrl.parse("mysql://u@h/x"),)


def test_the_seeds_variables_select_mysql_only_without_db(tmp_path):
    seed = {"MYSQL_HOST": "h", "MYSQL_PORT": "3307", "MYSQL_USER": "u", "MYSQL_PASSWORD": "p", "MYSQL_DB": "d"}
    (url,) = load({}, seed, tmp_path).settings.db
    assert (url.host, url.port, url.user, url.password, url.database) == ("h", 3307, "u", "p", "d")
    (url,) = load({"db": ("mysql://w@other/e",)}, seed, tmp_path).settings.db
    assert (url.host, url.password) == ("other", "p")


def test_passwords_never_show_and_one_on_the_command_line_warns(tmp_path):
    loaded = load({"db": ("mysql://u:s3cret@h/x",)}, {}, tmp_path)
    assert "MYSQL_PASSWORD" in loaded.warnings[0]
    shown = masked("db", loaded.settings.db) + repr(loaded) + str(loaded.settings.db[0])
    assert "s3cret" not in shown
    assert masked("yahoo_url", "http://u:s3cret@proxy:80/x") == "http://u:***@proxy:80/x"
    assert masked("yahoo_url", "http://u:a@s3cret@proxy:80/x") == "http://u:***@proxy:80/x"
    assert masked("yahoo_url", "http://u:a/s3cret@proxy") == "http://u:***@proxy"


@pytest.mark.parametrize(
    "url",
    [
        *("postgres://u:s3cret@h/x", "mysql:u:s3cret@h/x", "mysql://u:a@s3cret@h/", "mysql://u:s3cret/1@h/x"),
        *("mysql://u:1@s3cret@h:99999/x", "mysql://u:[s3cret@h/x", "mysql://u:s3cret#1@h/x"),
        *("mysql://u:12345/s3cret@h/db", "mysql://u:99999/s3cret@h/db", "mysql://u:5/d?s3cret=1@h/db"),
        *("mysql://u:5/d#s3cret@h/db", "sqlite://u:s3cret@h/db"),
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_its_password(url):
    with pytest.raises(UsageError) as caught:
        DatabaseUrl.parse(url)
    assert "s3cret" not in str(caught.value)


def test_a_sqlite_url_is_relative_with_three_slashes_and_absolute_with_four(tmp_path):
    relative, absolute = load({"db": ("sqlite:///a.db", "sqlite:////var/b.db")}, {}, tmp_path).settings.db
    assert relative.path == tmp_path / "a.db"
    assert absolute.path == Path("/var/b.db")


def test_a_sqlite_url_in_the_home_directory_is_expanded_wherever_it_stands(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    url, file = "sqlite:///~/a.db", tmp_path / "home" / "a.db"
    toml = private(tmp_path / "c.toml", f'db = "{url}"\n')
    for flags, environ, config in (({"db": (url,)}, {}, None), ({}, {"BREADTH_DB": url}, None), ({}, {}, toml)):
        assert [found.path for found in load(flags, environ, tmp_path, config).settings.db] == [file]
    assert _database(url, tmp_path).path == file
    with pytest.raises(UsageError, match=r"^environment: --db .* there is no such home directory$"):
        load({}, {"BREADTH_DB": "sqlite:///~nobody-is-called-so/a.db"}, tmp_path)


@pytest.mark.parametrize(
    "pair",
    [
        ("sqlite:///x.db", "sqlite:///{directory}/x.db"),
        ("sqlite:///x.db", "sqlite:///link.db"),
        ("sqlite:///x.db", "sqlite:///y/../x.db"),
        ("mysql://a@h/d", "mysql://b@H:3306/d"),
    ],
)
def test_a_database_given_twice_is_refused_in_whatever_spelling(tmp_path, pair):
    (tmp_path / "link.db").symlink_to("x.db")
    with pytest.raises(UsageError, match="given twice"):
        load({"db": tuple(url.format(directory=tmp_path) for url in pair)}, {}, tmp_path)


@pytest.mark.parametrize("name", ["a b.db", "50%.db", "what?.db", "a@b.db"])
def test_a_sqlite_url_that_is_printed_can_be_read_again(tmp_path, name):
    assert DatabaseUrl.parse(DatabaseUrl("sqlite", path=tmp_path / name).masked).path == tmp_path / name


def test_every_setting_has_help_and_a_line_in_the_docs():
    text = (DOCS / "operations.md").read_text()
    for spec in fields(Settings):
        assert spec.metadata["help"].endswith(".") or "." in spec.metadata["help"]
        assert f"`{flag_of(spec.name)}" in text, f"{flag_of(spec.name)} is not in docs/operations.md"
