"""`breadth-pipeline schedule`: prints a crontab line, a systemd service and timer that start `run`. Writes nothing."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import platformdirs

import pipeline
from pipeline.cli.common import universe_name, with_settings
from pipeline.cli.units import Job, crontab, service, timer
from pipeline.config import APP, Loaded
from pipeline.dburl import DatabaseUrl
from pipeline.errors import ConfigError
from pipeline.model import Session
from pipeline.universes import default_calendar, file_of, load

KINDS = ("crontab", "service", "timer")
_SHORTEST_WAIT_S = 1800


@click.command(context_settings={"ignore_unknown_options": False})
@with_settings("universe", "db", "state_dir", "calendar", "calendar_file", "wait_s", "drain_s", loaded=True)
@click.option("--only", type=click.Choice(KINDS), help="Print one of them, for a pipe or a file.")
@click.argument("run_options", nargs=-1, type=click.UNPROCESSED)
def schedule(loaded: Loaded, only: str | None, run_options: tuple[str, ...]) -> None:
    """Print a crontab line and a systemd service and timer for a universe.

    RUN_OPTIONS, after `--`, are passed to `run` as they are.
    """
    job = job_of(loaded, run_options, Path.cwd(), datetime.now(UTC))
    texts = {"crontab": crontab(job), "service": service(job), "timer": timer(job)}
    if only:
        click.echo(texts[only], nl=False)
        return
    units = f"~/.config/systemd/user/{job.unit}"
    click.echo(f"# ---- crontab: add these lines with crontab -e\n{texts['crontab']}")
    click.echo("# ---- or systemd: two files, then")
    click.echo(f"#      systemctl --user daemon-reload && systemctl --user enable --now {job.unit}.timer")
    click.echo("#      loginctl enable-linger    (so that it runs while you are not logged in)")
    click.echo(f"# ---- {units}.service\n{texts['service']}")
    click.echo(f"# ---- {units}.timer\n{texts['timer']}", nl=False)


def job_of(loaded: Loaded, extra: tuple[str, ...], cwd: Path, now: datetime) -> Job:
    """The job with absolute paths. Raises UsageError for an unknown universe, ConfigError without the script."""
    from pipeline.calendars import Calendar

    settings, name = loaded.settings, universe_name(loaded.settings, loaded.origins)
    universe = load(settings.universe, settings.calendar).universe
    calendar = Calendar(settings.calendar or default_calendar(universe)[0], settings.calendar_file)
    session = calendar.current_session(now) or calendar.next_session(now)
    notes = [_hours_note(calendar.name, session), "every half hour: right in every zone, and silent when it is closed"]
    if settings.wait_s < _SHORTEST_WAIT_S:
        notes.append(f"--wait is {settings.wait_s} s: under 30m the first polls of a session are missed")
    script, program = _installed()
    return Job(
        universe=name,
        script=script,
        program=program,
        options=(*_options(loaded), *extra),
        directory=cwd if (cwd / ".env").is_file() else None,
        drain_s=settings.drain_s,
        notes=(*notes, *_unsaid_notes(loaded)),
    )


def _hours_note(name: str, session: Session | None) -> str:
    if session is None:
        return f"{name}: no session is known within the next weeks"
    local = [at.astimezone() for at in (session.open, session.close)]
    return (
        f"{name} next trades {session.open:%a %d %b %Y %H:%M}-{session.close:%H:%M} {session.timezone.key}, "
        f"which is {local[0]:%H:%M}-{local[1]:%H:%M %Z} on this machine"
    )


def _installed() -> tuple[Path, Path]:
    """breadth-cron and breadth-pipeline: beside this Python, the script else in the checkout."""
    beside = Path(sys.executable).parent
    checkout = Path(pipeline.__file__).resolve().parent.parent / "bin"
    program = beside / "breadth-pipeline"
    script = next((d / "breadth-cron" for d in (beside, checkout) if (d / "breadth-cron").is_file()), None)
    if script is None or not program.is_file():
        raise ConfigError(f"breadth-cron or breadth-pipeline is not in {beside}: install the package with pip there")
    return script, program


def _options(loaded: Loaded) -> list[str]:
    """The options of `run` that were given here as flags, with absolute paths and without a password."""
    settings, origins = loaded.settings, loaded.origins
    file = file_of(settings.universe)
    options = ["--universe", str(file.absolute()) if file else settings.universe]
    if loaded.config is not None:
        options += ["--config", str(loaded.config.absolute())]
    if origins.get("db") == "flag":
        for url in settings.db:
            options += ["--db", _without_password(url)]
    if origins.get("calendar") == "flag":
        options += ["--calendar", str(settings.calendar)]
    for name, flag in (("state_dir", "--state-dir"), ("calendar_file", "--calendar-file")):
        if origins.get(name) == "flag":
            options += [flag, str(getattr(settings, name))]
    for name, flag in (("wait_s", "--wait"), ("drain_s", "--drain")):
        if origins.get(name) == "flag":
            options += [flag, f"{getattr(settings, name)}s"]
    return options


def _without_password(url: DatabaseUrl) -> str:
    text = url.masked.replace(":***@", "@")
    options = "&".join(f"{name}={value}" for name, value in url.options.items())
    return f"{text}?{options}" if options else text


def _unsaid_notes(loaded: Loaded) -> list[str]:
    """What the printed command does not carry."""
    notes = []
    if loaded.origins.get("db") == "flag" and any(url.password for url in loaded.settings.db):
        file = f"{platformdirs.user_config_dir(APP)}/.env"
        notes.append(f"the password is left out: put MYSQL_PASSWORD=... into {file} (chmod 600)")
    lost = [variable for variable in loaded.shell if variable != "BREADTH_UNIVERSE"]  # that is an option now
    if lost:
        notes.append(f"set in this shell, unknown to cron: {', '.join(lost)}; put them into .env (chmod 600)")
    return notes
