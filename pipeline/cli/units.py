"""Text of a crontab line and of systemd units that start a run. Layer 5, pure.

Both start every half hour of every day, and at boot. That is right for every market on a machine in any zone, through
daylight saving, special sessions and reboots: Debian's cron has no CRON_TZ, a run ends silently while the market is
closed, and a second one while a run is up.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError

STOP_MARGIN_S = 30


@dataclass(frozen=True, slots=True)
class Job:
    """`script`: bin/breadth-cron. `options`: those of `run`. `directory`: where the run's `.env` is, if not the home.
    `notes`: lines about the market's hours."""

    universe: str
    script: Path
    program: Path
    options: tuple[str, ...]
    directory: Path | None
    drain_s: int
    notes: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        where = ["--cd", str(self.directory)] if self.directory else []
        return [str(self.script), *where, "--program", str(self.program), *self.options]

    @property
    def unit(self) -> str:
        return f"breadth-{self.universe}"


def crontab(job: Job) -> str:
    """Two lines of a user's crontab (`crontab -e`), with their comments."""
    command = " ".join(_for_cron(word) for word in job.words)
    notes = "".join(f"# {note}\n" for note in job.notes)
    return f"{notes}*/30 * * * * {command}\n@reboot {command}\n"


def service(job: Job) -> str:
    """The unit that runs once. `mixed`: the supervisor alone gets the SIGTERM, and drains."""
    directory = _escaped(str(job.directory)) if job.directory else "~"
    return f"""[Unit]
Description=Market breadth of {job.universe}
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
WorkingDirectory={directory}
Environment=LANG=C.UTF-8
ExecStart={" ".join(_for_systemd(word) for word in [str(job.program), "run", "--cron", *job.options])}
SuccessExitStatus=75
Restart=on-abnormal
RestartSec=5
KillMode=mixed
TimeoutStopSec={job.drain_s + STOP_MARGIN_S}
UMask=0077
NoNewPrivileges=yes
"""


def timer(job: Job) -> str:
    """The unit that starts it; a service that is running already is left alone."""
    return f"""[Unit]
Description=Start of the market breadth of {job.universe}

[Timer]
OnCalendar=*-*-* *:00/30:00
OnStartupSec=1min
AccuracySec=1s

[Install]
WantedBy=timers.target
"""


def _for_cron(word: str) -> str:
    """A word of a crontab's command: quoted for the shell, and `%`, which cron takes for a line break, escaped."""
    _one_line(word)
    return shlex.quote(word).replace("%", "\\%")


def _for_systemd(word: str) -> str:
    """A word of ExecStart: quoted, with specifiers and variables taken literally."""
    _one_line(word)
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def _escaped(path: str) -> str:
    _one_line(path)
    return path.replace("%", "%%")


def _one_line(word: str) -> None:
    if not word.isprintable():
        raise UsageError(f"{word!r} contains characters that neither a crontab nor a unit can hold; rename it")
