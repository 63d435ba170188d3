"""The dashboard: an HTTP server of its own process that reads the databases and the pipeline's status. Layer 3.

`serve` is its entry. It never writes, never imports yfinance or pandas, and nothing of the pipeline waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

from pipeline.dburl import DatabaseUrl

DEFAULT_LISTEN = ("127.0.0.1", 8321)


def serve(
    urls: Sequence[DatabaseUrl],
    listen: tuple[str, int] = DEFAULT_LISTEN,
    *,
    state_dir: Path | None = None,
    token: str | None = None,
    allow_hosts: Sequence[str] = (),
    ready: Callable[[str], None] | None = None,
    stop: Event | None = None,
    signals: bool = True,
    flag: str = "--listen",
) -> None:
    """Serve until SIGTERM or SIGINT (when `signals`), or until `stop` is set; within 2.5 s either way.

    `ready(url)` is called once when the socket listens; port 0 takes a free one. `token` is needed for an address other
    than loopback. Raises UsageError, naming `flag`, for a listen address that cannot be had, ConfigError for one that
    may not.
    """
    from pipeline.dashboard.server import run

    run(urls, listen, state_dir, token, allow_hosts, ready, stop, signals, flag)


def read_token(path: Path) -> str:
    """The token in `path` (mode 0600, at least 16 characters). Raises ConfigError."""
    from pipeline.dashboard.security import read_token_file

    return read_token_file(path)
