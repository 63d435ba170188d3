"""Settings: one field is a name, a check, a default and a line of help. Layer 1.

A value comes from the first of: flag, environment (`BREADTH_…`), `.env` (working directory, else the config
directory), the TOML file given by `--config`, the default. Unknown names are errors. Nothing here opens a database or
touches the state directory.
"""

from __future__ import annotations

import io
import os
import re
import stat
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import platformdirs
from dotenv import dotenv_values

from pipeline.dburl import DatabaseUrl
from pipeline.errors import ConfigError, UsageError
from pipeline.parse import address, choice, duration, duration_or_none, existing, integer, path, speed, text, yes_no

APP = "breadth-pipeline"
PREFIX = "BREADTH_"
DEFAULT_DASHBOARD = "127.0.0.1:8321"
_PASSWORD = re.compile(rb"://[^/@\s]*:[^\s]*@")
"""A password in a URL."""


def setting(parse: Any, default: str | None, help: str, metavar: str = "", **extra: Any) -> Any:
    """A field of Settings. `parse(name, text)` raises UsageError; `default` is text, None means unset."""
    metadata = {"parse": parse, "default": default, "help": help, "metavar": metavar, **extra}
    return field(default=None, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The effective settings of one command."""

    universe: str = setting(text, "nifty50", "Named universe or CSV file (see: universe list).", "NAME|FILE")
    index: str = setting(text, "auto", "Index fetched beside the poll; auto: by universe; none.", "SYMBOL")
    source: str = setting(text, "yahoo", "yahoo, or recording:NAME.csv.gz.", "SOURCE")
    speed: float | None = setting(speed, "1", "Times real time for a recording: a number, or max.", "N|max")
    db: tuple[DatabaseUrl, ...] = setting(
        text, None, "A database; repeatable. Default: sqlite breadth.db in the state directory.", "URL", many=True
    )
    interval_s: int | None = setting(duration, None, "Time between polls (5m, 30s). Default 5m.", "TIME")
    polls: int | None = setting(integer(1, 1_000_000), None, "End after N polls.", "N")
    once: bool = setting(yes_no, "false", "One poll, then end.", switch=True)
    any_time: bool = setting(yes_no, "false", "Poll now, whether or not the market is open.", switch=True)
    calendar: str | None = setting(choice("NSE", "NYSE"), None, "Trading calendar. Default: by suffix.", "NSE|NYSE")
    calendar_file: Path | None = setting(existing, None, "CSV of own sessions and holidays.", "FILE")
    wait_s: int = setting(duration_or_none, "1h", "Longest wait for the open; beyond it the run ends.", "TIME")
    drain_s: int = setting(duration, "30s", "Time for the last records to reach every database.", "TIME")
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
    keep_s: int = setting(duration, "7d", "Keep journal records this long after every database has them.", "TIME")
    heartbeat_s: int = setting(duration, "60s", "A child that is silent this long is killed and replaced.", "TIME")
    min_free_mb: int = setting(integer(0, 10**9), "200", "Warn when the state directory has less room (MB).", "MB")
    queue_size: int = setting(integer(1, 30_000), "1000", "Hints that fit between fetcher and writers.", "N")


@dataclass(frozen=True, slots=True)
class Loaded:
    """`origins`: {field: where its value came from}; `files`: those read; `warnings`: one line each."""

    settings: Settings
    origins: Mapping[str, str]
    files: tuple[Path, ...]
    warnings: tuple[str, ...]


Source = tuple[str, Mapping[str, Any]]
"""(label, {field: text or texts}) in order of precedence."""


def flag_of(name: str) -> str:
    """`interval_s` -> `--interval`: units are part of the field's name, not of the flag's."""
    return "--" + _public(name).replace("_", "-")


def load(flags: Mapping[str, Any], environ: Mapping[str, str], cwd: Path, config: Path | None = None) -> Loaded:
    """Settings from every source. `flags`: {field: text, texts or None}.

    Raises UsageError for a bad value or unknown name, ConfigError for a file that others may read.
    """
    dotenv_path, dotenv = _dotenv(cwd)
    config = config or (Path(environ[PREFIX + "CONFIG"]) if environ.get(PREFIX + "CONFIG") else None)
    sources: list[Source] = [
        ("flag", {name: value for name, value in flags.items() if value not in (None, ())}),
        ("environment", _from_environment(environ, "the environment")),
        (f".env {dotenv_path}", _from_environment(dotenv, str(dotenv_path))),
    ]
    if config is not None:
        sources.append((f"file {config}", _from_toml(config)))
    chosen: dict[str, tuple[str, Any]] = {}
    for label, values in sources:
        for name, value in values.items():
            chosen.setdefault(name, (label, value))
    parsed = {name: _parse(name, value) for name, (_, value) in chosen.items()}
    origins = {name: label for name, (label, _) in chosen.items()}
    parsed = {**defaults(), **parsed}
    secrets = {**dotenv, **environ}
    _add_databases(parsed, origins, chosen, secrets, cwd)
    files = tuple(p for p in (dotenv_path, config) if p is not None)
    return Loaded(Settings(**parsed), origins, files, _warnings(chosen))


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
    return re.sub(r"(://[^/@:]*):[^/]*@", r"\1:***@", str(value))


def _public(name: str) -> str:
    return name.removesuffix("_s")


def _fields_by_key() -> dict[str, str]:
    return {_public(spec.name): spec.name for spec in fields(Settings)}


def _parse(name: str, value: Any) -> Any:
    spec = next(spec for spec in fields(Settings) if spec.name == name)
    if spec.metadata.get("many"):
        return tuple(value) if isinstance(value, list | tuple) else tuple(str(value).split())
    return spec.metadata["parse"](flag_of(name), str(value))


def _unknown(name: str, known: Sequence[str], where: str) -> UsageError:
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}?" if near else "see: breadth-pipeline config"
    return UsageError(f"unknown setting {name!r} in {where}: {hint}")


def _from_environment(environ: Mapping[str, str], where: str) -> dict[str, str]:
    known = {PREFIX + key.upper(): name for key, name in _fields_by_key().items()}
    found = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable == PREFIX + "CONFIG":
            continue
        if variable not in known:
            raise _unknown(variable, list(known), where)
        found[known[variable]] = value
    return found


def _from_toml(file: Path) -> dict[str, Any]:
    try:
        content = file.read_bytes()
        values = tomllib.loads(content.decode())
    except OSError as error:
        raise UsageError(f"--config {str(file)!r} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--config {str(file)!r} is not TOML: {error}") from None
    known = {key.replace("_", "-"): name for key, name in _fields_by_key().items()}
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = known.get(key.replace("_", "-"))
        if name is None:
            raise _unknown(key, list(known), str(file))
        if isinstance(value, dict):
            raise UsageError(f"{file}: {key} must be a value, not a table")
        found[name] = masked(name, value) if isinstance(value, bool) else value
    if _PASSWORD.search(content):
        _refuse_readable(file)
    return found


def _dotenv(cwd: Path) -> tuple[Path | None, dict[str, str]]:
    for directory in (cwd, Path(platformdirs.user_config_dir(APP))):
        candidate = directory / ".env"
        if candidate.is_file():
            _refuse_readable(candidate)
            try:
                content = candidate.read_text(encoding="utf-8")
            except OSError as error:
                raise ConfigError(f"{candidate} cannot be read: {error.strerror}") from None
            except UnicodeDecodeError:
                raise ConfigError(f"{candidate} is not UTF-8 text: save it anew") from None
            values = dotenv_values(stream=io.StringIO(content), interpolate=False)
            return candidate, {key: value or "" for key, value in values.items()}
    return None, {}


def _refuse_readable(file: Path) -> None:
    """Raises ConfigError for a file with secrets that somebody besides its owner may read or write."""
    mode = file.stat().st_mode
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{file} can be read by others (mode {stat.S_IMODE(mode):04o}): chmod 600 {file}")


def _add_databases(
    parsed: dict[str, Any],
    origins: dict[str, str],
    chosen: Mapping[str, tuple[str, Any]],
    secrets: Mapping[str, str],
    cwd: Path,
) -> None:
    password = secrets.get("MYSQL_PASSWORD")
    urls = [DatabaseUrl.parse(url, password) for url in parsed.get("db", ())]
    if not urls and (secrets.get("MYSQL_HOST") or secrets.get("MYSQL_DB")):
        urls = [_seed_mysql(secrets)]
        origins["db"] = "MYSQL_… variables"
    roles: dict[str, str] = {}
    for url in urls:
        if url.masked in roles:
            raise UsageError(f"--db {url.masked} is given twice")
        roles[url.masked] = url.role
    parsed["db"] = tuple(_absolute(url, cwd) for url in urls)


def _absolute(url: DatabaseUrl, cwd: Path) -> DatabaseUrl:
    return DatabaseUrl("sqlite", path=cwd / url.path) if url.path is not None else url


def _seed_mysql(secrets: Mapping[str, str]) -> DatabaseUrl:
    port = secrets.get("MYSQL_PORT") or "3306"
    database = secrets.get("MYSQL_DB")
    if not database:
        raise UsageError("MYSQL_HOST is set but MYSQL_DB is not: set MYSQL_DB to the database's name, or give --db")
    if not port.isdigit() or not 0 < int(port) < 65536:
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
