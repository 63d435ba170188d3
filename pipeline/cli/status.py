"""`breadth-pipeline status`: is a pipeline running, and how does each part of it do? Reads the status file only.

It never touches the instance lock: taking it, even for a moment, could turn a starting run away. Whether the pipeline
runs is told by its process (the pid, started no later than the status says) and by the age of what it last wrote.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click
import psutil

from pipeline import status as status_file
from pipeline.cli.common import with_settings
from pipeline.cli.output import print_json, print_lines, terminal
from pipeline.config import Settings
from pipeline.errors import EXIT_DEGRADED, EXIT_DONE, EXIT_NOT_RUNNING
from pipeline.figures import byte_size, clock, count, duration, fit, grouped, pad, percent, plain, ratio, section
from pipeline.terminal import Terminal

STALE_S = status_file.FRESH_S
_CLOCK_SLACK_S = 5.0
_WORKING = ("healthy", "starting", "draining")
_WARNINGS = 3


@click.command()
@with_settings("universe", "state_dir")
@click.option("--json", "as_json", is_flag=True, help="The whole status as JSON, with `running` and `healthy`.")
def status(settings: Settings, as_json: bool) -> None:
    """Show the processes, queue, journal and databases of a pipeline; exit 0 healthy, 1 degraded, 3 not running."""
    found = status_file.read(settings.state_dir)
    now = datetime.now(UTC)
    code, verdict = judge(found, now)
    if as_json:
        running = code != EXIT_NOT_RUNNING
        facts = {"running": running, "healthy": code == EXIT_DONE, "verdict": verdict}
        print_json({**facts, "processes": [], **(found or {"state_dir": str(settings.state_dir)})})
    elif found is None:
        click.echo(f"not running: no status in {plain(settings.state_dir)}; start with: breadth-pipeline run")
    else:
        screen = terminal()
        print_lines(status_lines(found, verdict, code, now, screen), screen)
    sys.exit(code)


def judge(found: Mapping[str, Any] | None, now: datetime) -> tuple[int, str]:
    """The exit code, and the state in words."""
    if found is None:
        return EXIT_NOT_RUNNING, "not running"
    state = str(found.get("state", ""))
    if state == "stopped" or not is_ours(found.get("pid"), found.get("started_at")):
        return EXIT_NOT_RUNNING, "not running" if state == "stopped" else f"not running (ended while {state})"
    age = _age(found, now)
    if age is None or age > STALE_S:
        return EXIT_DEGRADED, f"degraded: the supervisor has said nothing for {duration(age)}"
    if state not in _WORKING:
        return EXIT_DEGRADED, state
    broken = [str(p.get("role")) for p in found.get("processes") or () if not _works(p)]
    refused = [str(d.get("role")) for d in found.get("databases") or () if d.get("state") not in ("ok", "starting")]
    if broken or refused:
        return EXIT_DEGRADED, "degraded: " + ", ".join(plain(role) for role in dict.fromkeys(broken + refused))
    return EXIT_DONE, state


def is_ours(pid: object, started_at: object) -> bool:
    """Whether process `pid` lives and is the one that started then: a number is used again after a while."""
    if not isinstance(pid, int) or not isinstance(started_at, str):
        return False
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        started: float = process.create_time()
        return started <= datetime.fromisoformat(started_at).timestamp() + _CLOCK_SLACK_S
    except (psutil.Error, ValueError):
        return False


def _works(process: Mapping[str, Any]) -> bool:
    if process.get("state") not in ("running", "starting", "stopping", "stopped"):
        return False
    pid = process.get("pid")
    return process.get("state") != "running" or (isinstance(pid, int) and psutil.pid_exists(pid))


def _age(found: Mapping[str, Any], now: datetime) -> float | None:
    try:
        return max(0.0, status_file.age_s(dict(found), now))
    except (KeyError, TypeError, ValueError):
        return None


def status_lines(found: Mapping[str, Any], verdict: str, code: int, now: datetime, terminal: Terminal) -> list[str]:
    """The status as one table, 80 columns."""
    market, journal, queue = section(found, "market"), section(found, "journal"), section(found, "queue")
    running = code != EXIT_NOT_RUNNING
    colour = {EXIT_DONE: "green", EXIT_DEGRADED: "yellow"}.get(code, "red")
    lines = [
        f"{plain(found.get('universe', '-'))}  {terminal.paint(plain(verdict), 'bold', colour)}",
        f"{'' if running else 'last known: '}market {plain(market.get('phase') or '-')} "
        f"{plain(market.get('calendar') or '')}, source {plain(found.get('source', '-'))}, "
        f"{duration(_age(found, now))} ago",
        "",
        terminal.paint(
            f"{'Process':<32}{'Pid':>8}  {'State':<10}{'Beat':>7}{'CPU':>7}{'Memory':>10}{'Rest.':>6}", "bold"
        ),
        *(_process_line(process, running) for process in found.get("processes") or ()),
        "",
        terminal.paint(f"{'Database':<32}{'State':<9}{'Cursor':>8}{'Behind':>8}{'Rows':>13}{'Lag':>10}", "bold"),
        *(line for database in found.get("databases") or () for line in _database_lines(database)),
        "",
        f"journal {grouped(journal.get('last_seq'))} records, {byte_size(journal.get('bytes'))}, "
        f"{byte_size(journal.get('free_bytes'))} free; queue depth {grouped(queue.get('depth'))}, "
        f"{grouped(queue.get('dropped'))} hints dropped",
        *_poll_lines(section(found, "poll"), section(found, "polls")),
        *_unstored_lines(found.get("unstored"), running, terminal),
    ]
    if running and found.get("dashboard"):
        lines.append(f"live page {plain(found['dashboard'])}")
    return lines + _warning_lines(found, terminal)


def _process_line(process: Mapping[str, Any], running: bool) -> str:
    cpu, state = process.get("cpu_pct"), process.get("state", "-") if running else "gone"
    return (
        f"{pad(process.get('role', '-'), 32)}{process.get('pid') or '-':>8}  {pad(state, 10)}"
        f"{duration(process.get('heartbeat_age_s')):>7}{percent(cpu):>7}{byte_size(process.get('rss_bytes')):>10}"
        f"{grouped(process.get('restarts')):>6}"
    )


def _database_lines(database: Mapping[str, Any]) -> list[str]:
    role = str(database.get("role", "-")).removeprefix("writer:")
    lines = [
        f"{pad(role, 32)}{pad(database.get('state', '-'), 9)}{grouped(database.get('cursor')):>8}"
        f"{grouped(database.get('ahead')):>8}{grouped(database.get('rows_written')):>13}"
        f"{duration(database.get('lag_s')):>10}"
    ]
    troubles = [
        count(database[key], noun) for key, noun in (("errors", "error"), ("dead_letters", "row")) if database.get(key)
    ]
    if database.get("dead_letters"):
        troubles[-1] += " refused"
    note = "; ".join([*troubles, *([database["message"]] if database.get("message") else [])])
    return [*lines, "  " + fit(note, 77)] if note else lines


def _poll_lines(poll: Mapping[str, Any], polls: Mapping[str, Any]) -> list[str]:
    if not poll.get("poll_time"):
        return ["no poll yet"]
    number = f"{poll.get('number') or 0} of {poll.get('of') or '-'}"
    line = f"last poll {clock(poll['poll_time'])} ({number}): {plain(poll.get('outcome') or '-')}"
    if poll.get("advances") is not None:
        line += f", {poll['advances']} up {poll['declines']} down, ratio {ratio(poll.get('adv_decl_ratio'))}"
    totals = ", ".join(f"{polls[name]} {name}" for name in ("partial", "failed", "skipped") if polls.get(name))
    return [line + (f"; {totals}" if totals else "")]


def _unstored_lines(unstored: int | None, running: bool, terminal: Terminal) -> list[str]:
    if not unstored:
        return []
    if running:
        return [terminal.paint(f"{count(unstored, 'poll waits', 'polls wait')} in memory, not stored", "yellow")]
    return [terminal.paint(f"{count(unstored, 'poll was', 'polls were')} in memory only and lost", "yellow")]


def _warning_lines(found: Mapping[str, Any], terminal: Terminal) -> list[str]:
    recent = list(found.get("warnings") or ())[-_WARNINGS:]
    texts = [f"{clock(warning.get('ts'))}Z {warning.get('process')}: {warning.get('text')}" for warning in recent]
    return [terminal.paint(fit(text, 79), "yellow") for text in texts]
