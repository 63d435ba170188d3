"""Database URLs: parsed once, printed without secrets. Layer 1, pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from pipeline.errors import UsageError

DIALECTS = ("sqlite", "mysql")
_DATABASE_NAME = re.compile(r"[A-Za-z0-9_$-]{1,64}")
_HOST_AND_NUMBER = re.compile(r"mysql://([^:@/?#]*@)?[^:@/?#]*:\d+(/|$)")
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
                f"--db {_hide(text)!r} is not a database URL: use sqlite:///FILE, sqlite:////ABSOLUTE/FILE or "
                "mysql://USER@HOST:PORT/DATABASE"
            )
        if scheme == "sqlite":
            return cls("sqlite", path=_sqlite_path(text, rest))
        return _mysql(text, password)

    @property
    def masked(self) -> str:
        """The URL as it may be printed: `***` for the password."""
        if self.dialect == "sqlite":
            return f"sqlite:///{self.path}"
        secret = ":***" if self.password else ""
        return f"mysql://{quote(self.user)}{secret}@{_bracketed(self.host)}:{self.port}/{self.database}"

    @property
    def role(self) -> str:
        """A short name for processes and metrics: `sqlite:breadth.db`, `mysql:host:3306/db`."""
        if self.path is not None:
            return f"sqlite:{self.path.name}"
        return f"mysql:{self.host}:{self.port}/{self.database}"

    def __str__(self) -> str:
        return self.masked


def _sqlite_path(text: str, rest: str) -> Path:
    if not rest.startswith("/") or rest == "/":
        raise UsageError(f"--db {text!r} names no file: use sqlite:///FILE or sqlite:////ABSOLUTE/FILE")
    return Path(unquote(rest[1:]))


def _mysql(text: str, password: str | None) -> DatabaseUrl:
    try:
        parts = urlsplit(text)
        port = parts.port or 3306
    except ValueError:  # its text may hold a password with a slash in it, taken for a port
        shown = text if _HOST_AND_NUMBER.match(text) else "mysql://…"
        raise UsageError(
            f"--db {shown!r}: no host and port (1 to 65535) can be read from it: percent-encode special characters of "
            "user and password (/ is %2F, @ is %40), and write an IPv6 address in [ ]"
        ) from None
    database = unquote(parts.path.lstrip("/"))
    if not parts.hostname or not database:
        raise UsageError(f"--db {_hide(text)!r} needs a host and a database: mysql://USER@HOST:PORT/DATABASE")
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


def _hide(text: str) -> str:
    """Without what stands between the first colon that can begin a password and the last @."""
    return re.sub(r"^([^@]*?:(?://[^:/@]*:)?).*@", r"\1***@", text, flags=re.DOTALL)
