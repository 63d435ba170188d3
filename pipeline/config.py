"""Settings: one field is a name, a check, a default and a line of help. Layer 1.

A value comes from the first of: flag, environment (`BREADTH_…`), `.env` (working directory, else the config
directory), the TOML file given by `--config`, the default. Unknown names are errors. Nothing here opens a database or
touches the state directory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import platformdirs

from pipeline import config_files
from pipeline.dburl import DatabaseUrl, hidden
from pipeline.errors import UsageError
from pipeline.parse import (
    DAY_S,
    MILLENNIUM_S,
    address,
    choice,
    duration,
    existing,
    index,
    integer,
    path,
    port_number,
    speed,
    text,
    yes_no,
)

APP = "breadth-pipeline"
PREFIX = "BREADTH_"
DEFAULT_DASHBOARD = "127.0.0.1:8321"
_SEED = "MYSQL_… variables"
_SEED_VARIABLES = ("MYSQL_HOST", "MYSQL_PORT", "MYSQL_USER", "MYSQL_PASSWORD", "MYSQL_DB")


def setting(parse: Any, default: str | None, help: str, metavar: str = "", **extra: Any) -> Any:
    """A field of Settings. `parse(name, text)` raises UsageError; `default` is text, None means unset."""
    metadata = {"parse": parse, "default": default, "help": help, "metavar": metavar, **extra}
    return field(default=None, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The effective settings of one command."""

    universe: str = setting(text, "nifty50", "Named universe or CSV file (see: universe list).", "NAME|FILE")
    index: str = setting(index, "auto", "Index fetched beside the poll; auto: by universe; none.", "SYMBOL")
    source: str = setting(text, "yahoo", "yahoo, or recording:NAME.csv.gz.", "SOURCE")
    speed: float | None = setting(speed, "1", "Times real time for a recording: a number, or max.", "N|max")
    db: tuple[DatabaseUrl, ...] = setting(
        text, None, "A database; repeatable. Default: sqlite breadth.db in the state directory.", "URL", many=True
    )
    interval_s: int | None = setting(duration(1, DAY_S), None, "Time between polls (5m, 30s). Default 5m.", "TIME")
    polls: int | None = setting(integer(1, 1_000_000), None, "End after N polls.", "N")
    once: bool = setting(yes_no, "false", "One poll, then end.", switch=True)
    any_time: bool = setting(yes_no, "false", "Poll now, whether or not the market is open.", switch=True)
    calendar: str | None = setting(choice("NSE", "NYSE"), None, "Trading calendar. Default: by suffix.", "NSE|NYSE")
    calendar_file: Path | None = setting(existing, None, "CSV of own sessions and holidays.", "FILE")
    wait_s: int = setting(duration(0, 366 * DAY_S), "1h", "Longest wait for the open; beyond it the run ends.", "TIME")
    drain_s: int = setting(duration(1, DAY_S), "30s", "Time for the last records to reach every database.", "TIME")
    state_dir: Path = setting(path, None, "Journal, status, lock. Default: one per universe.", "DIR")
    stocks: bool = setting(yes_no, "true", "Store every stock's price, not only the breadth.", switch=True)
    create: bool = setting(yes_no, "true", "Create missing tables at start.", switch=True)
    dashboard: str | None = setting(
        address, None, f"Serve the live page (default {DEFAULT_DASHBOARD}).", "HOST:PORT", bare=DEFAULT_DASHBOARD
    )
    token_file: Path | None = setting(existing, None, "Token that viewers of the page must give.", "FILE")
    yahoo_url: str | None = setting(text, None, "Another base URL in place of Yahoo's hosts.", "URL")
    log_file: Path | None = setting(path, None, "Log here instead of stderr; reopened when renamed.", "FILE")
    log_format: str = setting(choice("text", "json"), "text", "Format of the log.", "text|json")
    log_level: str = setting(choice("debug", "info", "warning", "error"), "info", "Least level logged.", "LEVEL")
    progress: str = setting(choice("auto", "on", "plain", "off"), "off", "Show progress on stdout.", "MODE")
    cron: bool = setting(yes_no, "false", "Say nothing but the day's summary and warnings.", switch=True)
    keep_s: int = setting(
        duration(1, MILLENNIUM_S), "7d", "Keep journal records this long after every database has them.", "TIME"
    )
    heartbeat_s: int = setting(
        duration(1, DAY_S), "60s", "A child that is silent this long is killed and replaced.", "TIME"
    )
    min_free_mb: int = setting(integer(0, 10**9), "200", "Warn when the state directory has less room (MB).", "MB")
    queue_size: int = setting(integer(1, 30_000), "1000", "Hints that fit between fetcher and writers.", "N")


_FIELDS = {spec.name: spec for spec in fields(Settings)}
_MANY, _SWITCHES = ({name for name, spec in _FIELDS.items() if spec.metadata.get(kind)} for kind in ("many", "switch"))


@dataclass(frozen=True, slots=True)
class Loaded:
    """`origins`: {field: where its value came from}; `config`: the TOML file; `warnings`: one line each.

    `files`: those read. `shell`: variables of the environment that count, and that no `.env` holds for a cron job.
    """

    settings: Settings
    origins: Mapping[str, str]
    files: tuple[Path, ...]
    warnings: tuple[str, ...]
    config: Path | None = None
    shell: tuple[str, ...] = ()


def flag_of(name: str) -> str:
    """`interval_s` -> `--interval`: units are part of the field's name, not of the flag's."""
    return "--" + _public(name).replace("_", "-")


def load(flags: Mapping[str, Any], environ: Mapping[str, str], cwd: Path, config: Path | None = None) -> Loaded:
    """Settings from every source. `flags`: {field: text, texts or None}.

    Raises UsageError for a bad value or unknown name, ConfigError for a file that others may read or that is no .env.
    """
    dotenv_path, dotenv = config_files.read_dotenv((cwd, Path(platformdirs.user_config_dir(APP))))
    variables = {**dotenv, **environ}
    named = variables.get(PREFIX + "CONFIG")
    config = config or (Path(named) if named else None)
    sources: list[tuple[str, Mapping[str, Any]]] = [
        ("flag", {name: value for name, value in flags.items() if value not in (None, ())}),
        ("environment", _from_variables(environ, "the environment")),
        (f".env {dotenv_path}", _from_variables(dotenv, str(dotenv_path))),
    ]
    if config is not None:
        sources.append((f"file {config}", _from_toml(config)))
    chosen: dict[str, tuple[str, Any]] = {}
    for label, values in sources:
        for name, value in values.items():
            chosen.setdefault(name, (label, value))
    parsed = defaults()
    for name, (label, value) in chosen.items():
        with _told(label):
            parsed[name] = _parse(name, value)
    origins = {name: label for name, (label, _) in chosen.items()}
    _add_databases(parsed, origins, variables, cwd)
    files = tuple(p for p in (dotenv_path, config) if p is not None)
    shell = tuple(name for name in _variables(parsed, origins) if environ.get(name) != dotenv.get(name))
    return Loaded(Settings(**parsed), origins, files, _warnings(chosen), config, shell)


def _variables(parsed: Mapping[str, Any], origins: Mapping[str, str]) -> list[str]:
    """The environment's variables that may have had a say in the settings."""
    names = [PREFIX + _public(name).upper() for name, label in origins.items() if label == "environment"]
    if any(url.dialect == "mysql" for url in parsed["db"]):
        names += _SEED_VARIABLES if origins["db"] == _SEED else ("MYSQL_PASSWORD",)
    return sorted(names)


@contextmanager
def _told(origin: str) -> Iterator[None]:
    """Says where a bad value stands, unless the flag that the message names was given as such."""
    try:
        yield
    except UsageError as error:
        raise error if origin == "flag" else UsageError(f"{origin}: {error}") from None


def defaults() -> dict[str, Any]:
    """{field: value} of those that have a default."""
    given = {spec.name: spec.metadata for spec in fields(Settings) if spec.metadata["default"] is not None}
    return {name: metadata["parse"](flag_of(name), metadata["default"]) for name, metadata in given.items()}


def masked(name: str, value: Any) -> str:
    """The value of a setting as it may be printed."""
    if value is None:
        return "max" if name == "speed" else ""
    if isinstance(value, tuple):
        return " ".join(str(item) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return hidden(text) if "://" in text else text


def _public(name: str) -> str:
    return name.removesuffix("_s")


def _fields_by_key() -> dict[str, str]:
    return {_public(name): name for name in _FIELDS}


def _parse(name: str, value: Any) -> Any:
    metadata = _FIELDS[name].metadata
    if metadata.get("many"):
        return tuple(value.split() or [value]) if isinstance(value, str) else tuple(value)
    return metadata["parse"](flag_of(name), value)


def _from_variables(environ: Mapping[str, str], where: str) -> dict[str, str]:
    known = {PREFIX + key.upper(): name for key, name in _fields_by_key().items()}
    found = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable == PREFIX + "CONFIG":
            continue
        if variable not in known:
            raise config_files.unknown(variable, list(known), where)
        found[known[variable]] = value
    return found


def _from_toml(file: Path) -> Mapping[str, Any]:
    keys = {key.replace("_", "-"): name for key, name in _fields_by_key().items()}
    return config_files.read_toml(file, keys, many=_MANY, switches=_SWITCHES)


def _add_databases(parsed: dict[str, Any], origins: dict[str, str], variables: Mapping[str, str], cwd: Path) -> None:
    with _told(origins.get("db", _SEED)):
        given = [DatabaseUrl.parse(url, variables.get("MYSQL_PASSWORD")) for url in parsed.get("db", ())]
        urls = [_absolute(url, cwd) for url in given]
    if not urls and (variables.get("MYSQL_HOST") or variables.get("MYSQL_DB")):
        urls = [_seed_mysql(variables)]
        origins["db"] = _SEED
    parsed["db"] = _each_once(urls)


def _each_once(urls: Sequence[DatabaseUrl]) -> tuple[DatabaseUrl, ...]:
    """Raises UsageError when two are one database: its two writers would move one cursor."""
    seen: set[tuple[str, ...]] = set()
    for url in urls:
        if url.target in seen:
            raise UsageError(f"--db {url} is given twice, perhaps in another spelling")
        seen.add(url.target)
    return tuple(urls)


def _absolute(url: DatabaseUrl, cwd: Path) -> DatabaseUrl:
    """With `~` as the home directory, as in the other settings that are paths. Raises UsageError for one unknown."""
    if url.path is None:
        return url
    try:
        return DatabaseUrl("sqlite", path=cwd / url.path.expanduser())
    except RuntimeError:
        raise UsageError(f"--db {url} is not a path: there is no such home directory") from None


def _seed_mysql(secrets: Mapping[str, str]) -> DatabaseUrl:
    port = secrets.get("MYSQL_PORT") or "3306"
    database = secrets.get("MYSQL_DB")
    if not database:
        raise UsageError("MYSQL_HOST is set but MYSQL_DB is not: set MYSQL_DB to the database's name, or give --db")
    if not port_number(port):
        raise UsageError(f"MYSQL_PORT {port!r} is not a port number")
    return DatabaseUrl(
        "mysql",
        host=secrets.get("MYSQL_HOST") or "localhost",
        port=int(port),
        user=secrets.get("MYSQL_USER") or "",
        password=secrets.get("MYSQL_PASSWORD"),
        database=database,
    )


def _warnings(chosen: Mapping[str, tuple[str, Any]]) -> tuple[str, ...]:
    label, urls = chosen.get("db", ("", ()))
    if label == "flag" and any(DatabaseUrl.parse(url).password for url in urls):
        return ("a password on the command line can be seen by every user (ps): set MYSQL_PASSWORD instead",)
    return ()


def default_state_dir(universe: str) -> Path:
    """The state directory by platform convention, one per universe."""
    return Path(platformdirs.user_state_dir(APP)) / universe


def environment() -> Mapping[str, str]:
    return os.environ
