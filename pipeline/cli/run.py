"""`breadth-pipeline run`: settings, lock and logs, then the supervisor's main loop."""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from importlib.metadata import version

import click

from pipeline import logs
from pipeline.cli.common import RECORDING, universe_name, with_settings
from pipeline.clock import SystemClock
from pipeline.config import Loaded, Settings
from pipeline.errors import EXIT_TERMINATED, EXIT_UNFINISHED, AlreadyRunningError, UsageError
from pipeline.fleet import Fleet
from pipeline.model import Universe
from pipeline.process import Child
from pipeline.progress import Progress
from pipeline.summary import warning_lines
from pipeline.supervisor import Supervisor

ALL = tuple(spec.name for spec in fields(Settings))
LOG = "pipeline.log"


@click.command()
@with_settings(*ALL, loaded=True)
def run(loaded: Loaded) -> int:
    """Poll the market, compute breadth and store it, until the session's close.

    \b
    Exit codes: 0 done, drained, or market closed; 2 usage; 69 nothing was
    fetched, or records are not in every database after --drain; 75 already
    running; 78 configuration; 143 ended at once by a second signal.
    """
    return supervise(loaded)


def supervise(loaded: Loaded, leave: Callable[[], bool] | None = None) -> int:
    """Runs the pipeline in this process and its children; returns the exit code. Raises PipelineError.

    `leave`: asked after the drain, again and again; the page stays up until it says so.
    """
    from pipeline.lock import InstanceLock, state_directory

    settings = loaded.settings
    universe, doubts = _universe(loaded)
    name = universe_name(settings, loaded.origins)
    _check_dashboard(settings)
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    multiprocessing.set_start_method("spawn", force=True)
    directory = state_directory(settings.state_dir)
    try:
        lock = InstanceLock(directory / "lock")
    except AlreadyRunningError as error:
        if not settings.cron:
            raise
        return error.exit_code
    with lock:
        settings = replace(settings, log_file=settings.log_file or (directory / LOG if settings.cron else None))
        warnings = _configure_logs(settings)
        _say_first(loaded, name, (*loaded.warnings, *doubts))
        return _supervise(settings, universe, name, warnings, leave)


def _supervise(
    settings: Settings, universe: Universe | None, name: str, warnings: logs.Warnings, leave: Callable[[], bool] | None
) -> int:
    clock = SystemClock()
    progress = Progress(sys.stdout, settings.progress)
    progress.keep_logs_above(logging.getLogger())
    fleet = _fleet(settings, universe, name, clock)
    supervisor = Supervisor(settings, fleet, warnings, clock, progress.update)
    code = supervisor.run(leave and (lambda: _left(progress, supervisor, leave)))
    market, polls = (supervisor.status.get(part) or {} for part in ("market", "polls"))
    session = bool(market.get("trade_date"))  # none: closed, or a recording that is complete
    if settings.cron and not session and market.get("phase") == "closed" and code == EXIT_UNFINISHED:
        return 0  # an old backlog was told by the summary of its own day, not again every half hour
    if polls.get("planned") and session and (settings.cron or settings.progress != "off"):
        unseen = warning_lines(warnings.distinct, settings.log_file) if settings.cron and settings.log_file else []
        progress.finish(supervisor.status, unseen)
    if supervisor.message and code != EXIT_TERMINATED and not (settings.cron and code == 0):
        with suppress(OSError):  # nobody reads any more: the exit code stands
            click.echo(f"breadth-pipeline: {supervisor.message}", err=code != 0)
    return code


def _left(progress: Progress, supervisor: Supervisor, leave: Callable[[], bool]) -> bool:
    progress.finish(supervisor.status)
    return leave()


def _universe(loaded: Loaded) -> tuple[Universe | None, tuple[str, ...]]:
    """The universe, None for the recording's own; and what is doubtful about it."""
    from pipeline import universes

    settings = loaded.settings
    recorded = settings.source.startswith(RECORDING)
    if recorded and "universe" not in loaded.origins:
        return None, ()
    if not recorded and settings.speed != 1:
        raise UsageError("--speed is for recordings: real time cannot be hurried; use it with --source recording:NAME")
    found = universes.load(settings.universe, None if recorded else settings.calendar)
    return found.universe, found.warnings


def _fleet(settings: Settings, universe: Universe | None, name: str, clock: SystemClock) -> Fleet:
    from pipeline.fetcher import FetchPlan
    from pipeline.writer import WritePlan

    def child(role: str, target: str, plan: object) -> Child:
        return Child(role, target, plan, log_level=settings.log_level, queue_size=settings.queue_size)

    fetcher = child("fetcher", "pipeline.fetcher:run", FetchPlan(replace(settings, db=()), universe, name, clock.now()))
    writers: list[Child] = []
    for url in settings.db:
        role = f"writer:{url.role}"
        if any(writer.role == role for writer in writers):
            role += f"#{len(writers) + 1}"
        writers.append(child(role, "pipeline.writer:run", WritePlan(url, settings.state_dir, settings.create)))
    page = None
    if settings.dashboard is not None:
        from pipeline.dashboard.child import PagePlan

        plan = PagePlan(settings.db, settings.dashboard, settings.state_dir, settings.token_file)
        page = child("dashboard", "pipeline.dashboard.child:run", plan)
    return Fleet(name, fetcher, writers, page, settings.heartbeat_s)


def _check_dashboard(settings: Settings) -> None:
    """Refuses before the start what the page's process would refuse later."""
    if settings.dashboard is not None:
        from pipeline.dashboard.child import check

        check(settings.dashboard, settings.token_file)


def _configure_logs(settings: Settings) -> logs.Warnings:
    try:
        return logs.configure(settings.log_level, settings.log_format, settings.log_file)
    except OSError as error:
        raise UsageError(f"--log-file {str(settings.log_file)!r} cannot be written: {error.strerror}") from None


def _say_first(loaded: Loaded, name: str, doubts: tuple[str, ...]) -> None:
    log = logging.getLogger("pipeline.run")
    settings = loaded.settings
    files = ", ".join(str(file) for file in loaded.files) or "none"
    log.info(
        "breadth-pipeline %s: universe %s, source %s, databases %s, state %s, settings files %s",
        version("breadth-pipeline"),
        name,
        settings.source,
        " ".join(str(url) for url in settings.db),
        settings.state_dir,
        files,
    )
    for doubt in doubts:
        log.warning("%s", doubt)
