"""The page as a supervised process: its death, its slowness or its viewers never touch fetcher and writers. Layer 3."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from pipeline import dashboard
from pipeline.dburl import DatabaseUrl
from pipeline.errors import ConfigError
from pipeline.health import Reporter
from pipeline.process import Ends

LOOPBACK = ("127.0.0.1", "::1", "localhost")
FOREVER_S = 10**9


@dataclass(frozen=True, slots=True)
class PagePlan:
    urls: tuple[DatabaseUrl, ...]
    listen: str
    state_dir: Path
    token_file: Path | None


def split(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def check(listen: str, token_file: Path | None) -> None:
    """Raises ConfigError for an address that others reach without a token."""
    host, _ = split(listen)
    if host not in LOOPBACK and token_file is None:
        raise ConfigError(f"--dashboard {listen} can be reached by others: give --token-file, or use 127.0.0.1")
    if token_file is not None:
        dashboard.read_token(token_file)


def run(plan: PagePlan, ends: Ends, reporter: Reporter) -> None:
    """The target of the dashboard child: serves until told to stop."""
    stop = threading.Event()

    def listen() -> None:
        while ends.control.recv_bytes() != b"stop":
            pass
        stop.set()

    threading.Thread(target=listen, name="control", daemon=True).start()
    reporter.allow(FOREVER_S)
    token = dashboard.read_token(plan.token_file) if plan.token_file else None
    dashboard.serve(
        plan.urls,
        split(plan.listen),
        state_dir=plan.state_dir,
        token=token,
        ready=lambda url: reporter.report(state="running", address=url),
        stop=stop,
        signals=False,
    )
