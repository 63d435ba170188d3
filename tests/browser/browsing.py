"""A watched browser: every page of it fails its test on a console error or on a request to another host."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Request

from pipeline.dashboard import build

CHROMIUM = "chromium"
ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    # Whatever is not this machine does not exist.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
AXE = build.PAGE / "node_modules" / "axe-core" / "axe.min.js"
WCAG = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
DESKTOP = {"width": 1400, "height": 1000}
USUAL: dict[str, Any] = {"viewport": DESKTOP, "color_scheme": "dark", "timezone_id": "Pacific/Auckland"}
PHONE = {"width": 390, "height": 844}


def chromium() -> str | None:
    """Debian's Chromium; None when it is not installed."""
    return shutil.which(CHROMIUM)


def launch(playwright: Playwright, *more: str) -> Browser:
    executable = chromium()
    assert executable is not None
    arguments = [*ARGUMENTS, *more, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    return playwright.chromium.launch(executable_path=executable, args=arguments)


class Watched:
    """A browser context that remembers what went wrong in it."""

    def __init__(self, context: BrowserContext, allowed: str | None) -> None:
        self.context = context
        self.wrongs: list[str] = []
        self._allowed = re.compile(allowed) if allowed else None
        context.on("console", lambda message: self._heard(message.type, message.text))
        context.on("weberror", lambda error: self._heard("error", str(error.error)))
        context.on("request", self._requested)

    def _heard(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not (self._allowed and self._allowed.search(text)):
            self.wrongs.append(f"{kind}: {text}")

    def _requested(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("blob", "data") and parts.hostname != "127.0.0.1":
            self.wrongs.append(f"request to {request.url}")

    def open(self, url: str) -> Page:
        page = self.context.new_page()
        page.goto(url)
        return page


@contextmanager
def watched(browser: Browser, *, allowed: str | None = None, **options: Any) -> Iterator[Watched]:
    """A fresh context (its own storage and connection); `allowed`: console errors that the test itself causes."""
    context = browser.new_context(**{**USUAL, **options})
    context.set_default_timeout(15_000)
    seen = Watched(context, allowed)
    try:
        yield seen
    finally:
        context.close()
    assert not seen.wrongs, seen.wrongs


def axe_findings(page: Page, axe: str, only: dict[str, Any] = WCAG) -> list[str]:
    """What axe finds on the page now: rule, and the first elements. `only`: the rules to run."""
    page.evaluate(f"window.axe || (() => {{ {axe} }})()")
    found = page.evaluate("only => axe.run(document, {runOnly: only, resultTypes: ['violations']})", only)
    return [f"{one['id']}: {one['help']} ({_nodes(one['nodes'])})" for one in found["violations"]]


def _nodes(nodes: list[dict[str, Any]]) -> str:
    return "; ".join(f"{node['target']} {node['failureSummary'][:160]}" for node in nodes[:3])


def axe_source() -> str:
    """axe-core of the page's own lock file; installed when a built page came without its tools."""
    if not AXE.is_file():
        build.build(force=True)
    return Path(AXE).read_text()
