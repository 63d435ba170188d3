"""Settings: which source wins, what is refused, what is masked."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

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
        ("polls", "0"),
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


def test_a_dotenv_that_others_may_read_is_refused(tmp_path):
    (tmp_path / ".env").write_text("MYSQL_PASSWORD=secret\n")
    (tmp_path / ".env").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600") as caught:
        load({}, {}, tmp_path)
    assert "secret" not in str(caught.value)


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


@pytest.mark.parametrize(
    "url",
    [
        *("postgres://u:s3cret@h/x", "mysql:u:s3cret@h/x", "mysql://u:a@s3cret@h/", "mysql://u:s3cret/1@h/x"),
        *("mysql://u:1@s3cret@h:99999/x", "mysql://u:[s3cret@h/x", "mysql://u:s3cret#1@h/x"),
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


def test_every_setting_has_help_and_a_line_in_the_docs():
    text = (DOCS / "operations.md").read_text()
    for spec in fields(Settings):
        assert spec.metadata["help"].endswith(".") or "." in spec.metadata["help"]
        assert f"`{flag_of(spec.name)}" in text, f"{flag_of(spec.name)} is not in docs/operations.md"
