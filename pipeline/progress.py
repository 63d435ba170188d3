"""The progress of a run on the terminal, and its summary at the end. Layer 3; in the supervisor's process.

Draws from the status alone. Never raises: a terminal that was closed, or is too slow for a moment, must not touch the
run. On a terminal the picture is drawn in place; elsewhere it is a line a poll.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from pipeline.figures import byte_size, clock, count, fit, grouped, pad, percent, plain, ratio, section
from pipeline.summary import rows_written, summary
from pipeline.terminal import Terminal

Status = Mapping[str, Any]

WIDTH = 78
_HEIGHT = 14
_SECTORS = 4
_BAR = 40


class Progress:
    """`mode`: `on` draws in place, `plain` writes a line a poll, `auto` chooses by the stream, `off` shows no progress.

    `finish` writes the summary in every mode.
    """

    def __init__(self, stream: TextIO, mode: str = "auto") -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._terminal = Terminal.of(stream)
        if mode == "auto":
            roomy = self._terminal.width > WIDTH and self._terminal.height > _HEIGHT
            mode = "on" if self._terminal.interactive and roomy else "plain"
        self._mode = mode
        self._drawn: list[str] = []
        self._shown: tuple[Any, ...] = ()
        self._broken = self._finished = False

    def update(self, status: Status) -> None:
        """Shows `status` where it says something new."""
        with self._lock:
            if self._finished:
                return
            if self._mode == "on":
                self._draw(live_lines(status, self._terminal))
            elif self._mode == "plain":
                key = _poll_key(status)
                if key and key != self._shown:
                    self._shown = key
                    self._write(self._text([poll_line(status), *_sectors_below(status)]))

    def finish(self, status: Status, notes: Sequence[str] = ()) -> None:
        """Leaves the last picture standing; writes the summary and `notes` below it, once, and nothing after them."""
        with self._lock:
            if self._finished:
                return
            self.update(status)
            self._drawn = []
            self._write(("\n" if self._mode != "off" else "") + self._text([*summary(status).splitlines(), *notes]))
            self._finished = True

    def keep_logs_above(self, logger: logging.Logger) -> None:
        """From now on the logger's lines on stdout and stderr go above the picture instead of through it."""
        for handler in logger.handlers if self._mode == "on" else ():
            if type(handler) is logging.StreamHandler and handler.stream in (sys.stdout, sys.stderr):
                handler.setStream(_Above(self, handler.stream))

    def write_above(self, stream: TextIO, text: str) -> None:
        """Writes whole lines to `stream`, where the picture was, and the picture below them."""
        with self._lock:
            drawn, self._drawn = self._drawn, []
            if drawn:
                self._write(f"\x1b[{len(drawn)}A\r\x1b[J")
            stream.write(text)
            stream.flush()
            if drawn:
                self._draw(drawn)

    def _draw(self, lines: list[str]) -> None:
        if lines == self._drawn:
            return
        up = f"\x1b[{len(self._drawn)}A" if self._drawn else ""
        below = "\x1b[J" if len(lines) < len(self._drawn) else ""
        self._write(up + "\r" + below + "".join(f"{line}\x1b[K\n" for line in map(self._terminal.encodable, lines)))
        self._drawn = lines

    def _text(self, lines: list[str]) -> str:
        return self._terminal.encodable("".join(f"{line}\n" for line in lines))

    def _write(self, text: str) -> None:
        if self._broken:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # closed or gone: the run goes on unseen
            self._broken = True


class _Above:
    """A log handler's stream, in front of the real one."""

    def __init__(self, progress: Progress, stream: TextIO) -> None:
        self._progress, self._stream = progress, stream

    def write(self, text: str) -> None:
        self._progress.write_above(self._stream, text)

    def flush(self) -> None:
        self._stream.flush()


def live_lines(status: Status, terminal: Terminal) -> list[str]:
    """The picture that is drawn in place: at most 13 lines (of two databases) of at most 79 columns."""
    poll, market = section(status, "poll"), section(status, "market")
    title = fit(f"{status.get('universe', '-')}  {market.get('trade_date') or ''}  {status.get('source', '')}", 56)
    state = str(status.get("state", "-"))
    colour = {"healthy": "green", "degraded": "yellow"}.get(state, "")
    lines = [f"{terminal.paint(pad(title, 58), 'bold')}{terminal.paint(pad(state, -20), colour)}"]
    if poll.get("poll_time"):
        lines += _counted(poll, terminal)
        lines += _sector_lines(section(poll, "sectors"))
    else:
        lines.append(fit(_waiting(market), WIDTH))
    lines += _stored(status)
    warning = _last_warning(status)
    return [*lines, terminal.paint(fit(warning, WIDTH), "yellow")] if warning else lines


def poll_line(status: Status) -> str:
    """One poll in one line of at most 79 columns."""
    poll = section(status, "poll")
    head = f"{clock(poll.get('poll_time'))} {_number(poll):>7}"
    if poll.get("advances") is None:
        reason = poll.get("reason")
        return f"{head} {fit(str(poll.get('outcome', '-')) + (f': {reason}' if reason else ''), 54)}"
    return (
        f"{head} {poll['advances']:>4} up {poll['declines']:>4} down {poll.get('unchanged') or 0:>3} same"
        f" {ratio(poll.get('adv_decl_ratio')):>6} {plain(poll.get('market_sentiment') or '-'):<16}"
        f" {_short(rows_written(status)):>6} rows"
    )


def _sectors_below(status: Status) -> list[str]:
    """The strongest and the weakest sector, below a poll's line; at most 79 columns."""
    best, worst = _extremes(section(section(status, "poll"), "sectors"))
    named = [("strong", best[0])] if best else []
    named += [("weak", worst[-1])] if worst else []
    cells = [f"{title} {pad(name, 12)} {up:>3} up {down:>3} down" for title, (name, up, down) in named]
    return [" " * 9 + "  ".join(cells)] if cells else []


def _counted(poll: Status, terminal: Terminal) -> list[str]:
    if poll.get("advances") is None:
        text = f"{clock(poll['poll_time'])}  {poll.get('outcome', '-')}: {poll.get('reason') or 'no reason stated'}"
        return [terminal.paint(fit(text, WIDTH), "yellow")]
    total = max(1, poll["advances"] + poll["declines"] + (poll.get("unchanged") or 0))
    lines = []
    for name, colour in (("advances", "green"), ("declines", "red"), ("unchanged", "")):
        share = (poll.get(name) or 0) / total
        bar = terminal.paint(terminal.bar(share, _BAR), colour)
        lines.append(f"{name:<10}{poll.get(name) or 0:>6} {percent(100 * share):>8}  {bar}")
    coverage = percent(100 * poll["coverage"]) if poll.get("coverage") is not None else "-"
    lines.append(
        f"ratio {ratio(poll.get('adv_decl_ratio'))}   {terminal.sentiment(poll.get('market_sentiment'))}"
        f"   coverage {coverage}"
    )
    return lines


def _sector_lines(sectors: Mapping[str, Any]) -> list[str]:
    lines = []
    for title, chosen in zip(("strong", "weak"), _extremes(sectors), strict=True):
        cells = [f"{pad(name, 19)} {up:>3} up {down:>3} down" for name, up, down in chosen[: _SECTORS // 2]]
        if cells:
            lines.append(f"{title:<7}" + " ".join(cells).rstrip())
    return lines


def _extremes(sectors: Mapping[str, Any]) -> tuple[list[tuple[str, int, int]], list[tuple[str, int, int]]]:
    """(strongest, weakest) as (name, advances, declines), by the share of advances among advances and declines."""
    moved = [(name, counts[0], counts[1]) for name, counts in sectors.items() if counts[0] + counts[1]]
    ranked = sorted(moved, key=lambda sector: (-sector[1] / (sector[1] + sector[2]), -sector[1] - sector[2], sector[0]))
    best = ranked[: _SECTORS // 2] if len(ranked) >= _SECTORS else ranked
    return best, ranked[len(best) :][-(_SECTORS // 2) :]


def _stored(status: Status) -> list[str]:
    poll, journal = section(status, "poll"), section(status, "journal")
    number = f"poll {poll.get('number') or 0} of {poll.get('of') or '-'} {clock(poll.get('poll_time'))}"
    stored = f"{grouped(rows_written(status))} rows stored   journal {byte_size(journal.get('bytes'))}"
    lines = [fit(f"{number}   {stored}", WIDTH)]
    if unstored := status.get("unstored"):
        lines.append(f"{count(unstored, 'poll waits', 'polls wait')} in memory, not stored")
    for database in status.get("databases") or ():
        ahead = database.get("ahead") or 0
        if ahead > 1 or database.get("state") not in ("ok", "starting", None):
            text = f"{database.get('role', '-')}: {database.get('state', '-')}, {count(ahead, 'record')} waiting"
            lines.append(fit(f"{text}  {database.get('message') or ''}", WIDTH))
    if status.get("dashboard"):
        lines.append(fit(f"live page {status['dashboard']}", WIDTH))
    return lines


def _waiting(market: Status) -> str:
    phase = market.get("phase") or "starting"
    opens = market.get("session_open") or market.get("next_open")
    if opens and phase != "open":
        return f"{phase}: the session opens {opens}"
    return f"{phase}: waiting for the first poll"


def _last_warning(status: Status) -> str:
    warnings = status.get("warnings") or ()
    return plain(warnings[-1].get("text", "")) if warnings else ""


def _poll_key(status: Status) -> tuple[Any, ...]:
    poll = section(status, "poll")
    return (poll.get("poll_time"), poll.get("outcome")) if poll.get("poll_time") else ()


def _number(poll: Status) -> str:
    return f"{poll.get('number') or 0}/{poll.get('of') or '-'}"


def _short(rows: int) -> str:
    return grouped(rows) if rows < 100_000 else f"{rows / 1000:,.0f}k"
