"""The page as a supervised process: its death, its slowness or its viewers never touch fetcher and writers. Layer 3."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from pipeline import dashboard
from pipeline.dashboard.security import check_listen, parse_listen
from pipeline.dburl import DatabaseUrl
from pipeline.health import Reporter
from pipeline.process import Ends

FOREVER_S = 10**9


@dataclass(frozen=True, slots=True)
class PagePlan:
    urls: tuple[DatabaseUrl, ...]
    listen: str
    state_dir: Path
    token_file: Path | None


def check(listen: str, token_file: Path | None) -> None:
    """Raises ConfigError for an address that others reach without a token, or a token that cannot be used."""
    token = dashboard.read_token(token_file) if token_file is not None else None
    check_listen(parse_listen(listen)[0], token)


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
        parse_listen(plan.listen),
        state_dir=plan.state_dir,
        token=token,
        ready=lambda url: reporter.report(state="running", address=url),
        stop=stop,
        signals=False,
        flag="--dashboard",
    )
