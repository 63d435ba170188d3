"""Database URLs: parsed once, printed without secrets. Layer 1, pure."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from pipeline.errors import UsageError

DIALECTS = ("sqlite", "mysql")
_DATABASE_NAME = re.compile(r"[A-Za-z0-9_$-]{1,64}")
_OPTIONS = {"tls": ("prefer", "require", "verify"), "tls_ca": None, "unix_socket": None}


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """`sqlite:///relative.db`, `sqlite:////absolute.db` or `mysql://user:pass@host:port/db?tls=verify&tls_ca=FILE`.

    `path` is set for sqlite; host, port, user, password, database for mysql. The password never shows in repr or str.
    """

    dialect: str
    path: Path | None = None
    host: str = ""
    port: int = 3306
    user: str = ""
    password: str | None = field(default=None, repr=False)
    database: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, password: str | None = None) -> DatabaseUrl:
        """Raises UsageError, without repeating a password, when `text` is no such URL."""
        scheme, separator, rest = text.partition("://")
        if not separator or scheme not in DIALECTS:
            raise UsageError(
                f"--db {hidden(text)!r} is not a database URL: use sqlite:///FILE, sqlite:////ABSOLUTE/FILE or "
                "mysql://USER@HOST:PORT/DATABASE"
            )
        if scheme == "sqlite":
            return cls("sqlite", path=_sqlite_path(text, rest))
        return _mysql(text, password)

    @property
    def masked(self) -> str:
        """The URL as it may be printed, and be read again: `***` for the password."""
        if self.dialect == "sqlite":
            return "sqlite:///" + str(self.path).replace("%", "%25").replace("?", "%3F")
        secret = ":***" if self.password else ""
        return f"mysql://{quote(self.user)}{secret}@{_bracketed(self.host)}:{self.port}/{self.database}"

    @property
    def role(self) -> str:
        """A short name for processes and metrics: `sqlite:breadth.db`, `mysql:host:3306/db`."""
        if self.path is not None:
            return f"sqlite:{self.path.name}"
        return f"mysql:{self.host}:{self.port}/{self.database}"

    @property
    def target(self) -> tuple[str, ...]:
        """Equal for URLs of one database, in whatever spelling and for whatever user."""
        if self.path is not None:
            return (os.path.realpath(self.path),)
        return (self.host, str(self.port), self.options.get("unix_socket", ""), self.database)

    def __str__(self) -> str:
        return self.masked


def _sqlite_path(text: str, rest: str) -> Path:
    if not rest.startswith("/") or rest == "/":
        raise UsageError(f"--db {hidden(text)!r} names no file: use sqlite:///FILE or sqlite:////ABSOLUTE/FILE")
    path = unquote(rest[1:])
    if "?" in rest:
        raise UsageError(f"--db {text!r}: a sqlite URL takes no options; write %3F for a ? in the file's name")
    if path == ":memory:":
        raise UsageError(f"--db {text!r}: a database in memory would end with its process: name a file")
    if any(ord(char) < 32 for char in path):
        raise UsageError(f"--db {text!r}: a file's name cannot have control characters")
    return Path(path)


def _mysql(text: str, password: str | None) -> DatabaseUrl:
    try:
        parts = urlsplit(text)
        port = 3306 if parts.port is None else parts.port
        behind = parts.path + parts.query + parts.fragment
    except ValueError:
        port, behind = 0, "@"
    if "@" in behind or not port:  # a password with a / in it, the part before which looks like a host and its port
        raise UsageError(
            f"--db {hidden(text)!r}: no host and port (1 to 65535) can be read from it: percent-encode special "
            "characters of user and password (/ is %2F, @ is %40), and write an IPv6 address in [ ]"
        )
    database = unquote(parts.path.lstrip("/"))
    if not parts.hostname or not database:
        raise UsageError(f"--db {hidden(text)!r} needs a host and a database: mysql://USER@HOST:PORT/DATABASE")
    if not _DATABASE_NAME.fullmatch(database):
        raise UsageError(f"--db: database name {database!r} may hold letters, digits, _, $ and - only")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name, value in options.items():
        if name not in _OPTIONS:
            raise UsageError(f"--db: unknown option {name!r} in the URL: known are {', '.join(_OPTIONS)}")
        choices = _OPTIONS[name]
        if choices and value not in choices:
            raise UsageError(f"--db: {name}={value!r} must be one of {', '.join(choices)}")
    if "tls_ca" in options and options.get("tls") != "verify":
        raise UsageError("--db: tls_ca without tls=verify protects nothing: add tls=verify to the URL")
    own = unquote(parts.password) if parts.password is not None else None
    return DatabaseUrl(
        "mysql",
        host=parts.hostname,
        port=port,
        user=unquote(parts.username or ""),
        password=own if own is not None else password,
        database=database,
        options=options,
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def hidden(text: str) -> str:
    """Any URL without what stands between the first colon that can begin a password and the last @."""
    return re.sub(r"^([^@]*?:(?://[^:/@]*:)?).*@", r"\1***@", text, flags=re.DOTALL)
