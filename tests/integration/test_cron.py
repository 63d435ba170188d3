"""breadth-cron as cron calls it (no PATH, HOME or LANG to speak of), and what `schedule` prints."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipeline.cli.units import Job, crontab, service, timer
from pipeline.errors import UsageError
from pipeline.lock import InstanceLock, state_directory

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "bin" / "breadth-cron"
PROGRAM = Path(sys.executable).parent / "breadth-pipeline"
RECORDING = "recording:in_nifty50_5m_2026-06-18.csv.gz"
CRON = {"SHELL": "/bin/sh", "PATH": "/usr/bin:/bin", "LOGNAME": "x"}
FAKE = """#!/bin/sh
echo "$0|$*|$PATH|$HOME|$LANG|$(pwd)" > "$FAKE_SEEN"
[ -z "$FAKE_WAIT" ] || { trap 'echo drained; exit 0' TERM; : > "$FAKE_SEEN.up"; while :; do sleep 0.05; done; }
[ -z "$FAKE_SAYS" ] || echo "$FAKE_SAYS"
exit $FAKE_CODE
"""


@pytest.fixture
def fake(tmp_path):
    """A breadth-pipeline that notes how it was called."""
    program = tmp_path / "venv" / "bin" / "breadth-pipeline"
    program.parent.mkdir(parents=True)
    program.write_text(FAKE)
    program.chmod(0o755)
    shutil.copy(SCRIPT, program.parent)
    return program


def cron(*arguments, script=SCRIPT, **environment):
    return subprocess.run(
        ["/bin/sh", "-c", " ".join(shlex.quote(str(word)) for word in (script, *arguments))],
        env={**CRON, **{name: str(value) for name, value in environment.items()}},
        capture_output=True,
        text=True,
        cwd="/",
        timeout=90,
    )


def test_it_sets_what_cron_lacks_and_finds_the_program_beside_it(fake, tmp_path):
    seen = tmp_path / "seen"
    done = cron("--universe", "a b", script=fake.parent / "breadth-cron", FAKE_SEEN=seen, FAKE_CODE=0)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    program, arguments, path, home, lang, where = seen.read_text().strip().split("|")
    assert (program, arguments) == (str(fake), "run --cron --universe a b")
    assert "/usr/local/bin" in path.split(":")
    assert home == where == os.path.expanduser("~")
    assert lang == "C.UTF-8"


@pytest.mark.parametrize(
    ("code", "says", "out", "err"),
    [
        (0, "", "", ""),
        (75, "", "", ""),
        (0, "the summary", "the summary\n", ""),
        (69, "the summary", "the summary\n", "exit code 69 (nothing was fetched"),
        (78, "", "", "exit code 78 (the configuration cannot work)"),
        (2, "", "", "exit code 2 (an option is wrong)"),
    ],
)
def test_cron_mails_summaries_and_trouble_only(fake, tmp_path, code, says, out, err):
    found = {"FAKE_SEEN": tmp_path / "seen", "FAKE_CODE": code, "FAKE_SAYS": says}
    done = cron("--program", fake, "--cd", tmp_path, **found)
    assert done.returncode == (0 if code == 75 else code)
    assert done.stdout == out
    assert err in done.stderr
    assert bool(done.stderr) == bool(err)


def test_a_signal_reaches_the_run_and_the_script_waits_until_it_has_drained(fake, tmp_path):
    seen = tmp_path / "seen"
    environment = {**CRON, "FAKE_SEEN": str(seen), "FAKE_WAIT": "1"}
    run = subprocess.Popen(
        [SCRIPT, "--program", fake], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    up = Path(f"{seen}.up")
    while not up.exists():
        assert run.poll() is None
    run.send_signal(signal.SIGTERM)
    assert run.communicate(timeout=30) == ("drained\n", "")
    assert run.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--program", "/nowhere"), "--program /nowhere is not a program"),
        (("--cd",), "--cd needs a value"),
        (("--program", "/bin/true", "--cd", "/nowhere"), "cannot enter /nowhere"),
    ],
)
def test_a_wrong_line_in_the_crontab_is_said_in_one_line(arguments, message):
    done = cron(*arguments)
    assert done.returncode == 78
    assert message in done.stderr.splitlines()[-1]


@pytest.fixture
def real(tmp_path):
    """The real program's options for a state of its own, with every near day closed."""
    closed = tmp_path / "closed.csv"
    days = [date.today() + timedelta(days=n) for n in range(-2, 10)]
    closed.write_text("date,open,close,kind\n" + "".join(f"{day},,,holiday\n" for day in days))
    return ["--program", PROGRAM, "--cd", tmp_path, "--state-dir", tmp_path / "state"], ["--calendar-file", closed]


def test_the_real_run_is_silent_when_closed_or_up_and_ends_a_day_with_one_summary(real, tmp_path):
    options, closed = real
    home = {"HOME": tmp_path}
    shut = cron(*options, "--state-dir", tmp_path / "closed", "--universe", "nifty50", *closed, **home)
    assert (shut.returncode, shut.stdout, shut.stderr) == (0, "", "")
    refusing = ("--db", f"sqlite:///{closed[1]}/no.db")
    shut = cron(*options, "--state-dir", tmp_path / "closed", "--universe", "nifty50", *closed, *refusing, **home)
    assert (shut.returncode, shut.stdout, shut.stderr) == (0, "", ""), "a refusal is told when the market opens"
    day = [*options, "--source", RECORDING, "--speed", "max"]
    with InstanceLock(state_directory(tmp_path / "state") / "lock"):
        up = cron(*day, **home)
    assert (up.returncode, up.stdout, up.stderr) == (0, "", "")
    first = cron(*day, **home)
    assert (first.returncode, first.stderr) == (0, "")
    assert "75 polls planned, 75 taken, 0 skipped, 0 failed" in first.stdout
    assert "rows, nothing waiting" in first.stdout
    assert "warnings" not in first.stdout
    again = cron(*day, **home)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    refused = cron(*day, "--state-dir", tmp_path / "refused", *refusing, **home)
    assert refused.returncode == 78
    assert "no.db" in refused.stderr
    wrong = cron(*options, "--universe", "nope", **home)
    assert wrong.returncode == 2
    assert "universe 'nope' is unknown" in wrong.stderr


def test_the_summary_by_cron_tells_the_warnings_that_only_the_log_has_shown(real, tmp_path):
    options, _ = real
    day = [*options, "--source", RECORDING, "--speed", "max", "--polls", "3", "--min-free-mb", "999999999"]
    done = cron(*day, HOME=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    heading, warning = done.stdout.splitlines()[-2:]
    assert heading == "warnings and errors:"
    assert warning.startswith("  error supervisor: only ")
    assert warning.endswith("(limit 999999999): journaling stops when it is full")


def job(**changes):
    found = {
        "universe": "nifty50",
        "script": Path("/opt/a b/breadth-cron"),
        "program": Path("/opt/a b/breadth-pipeline"),
        "options": ("--universe", "/x/100%$HOME.csv"),
        "directory": None,
        "drain_s": 30,
        "notes": ("note",),
    }
    return Job(**{**found, **changes})


def test_the_crontab_line_survives_cron_and_the_shell():
    notes, half_hourly, reboot = crontab(job()).splitlines()
    assert notes == "# note"
    command = half_hourly.removeprefix("*/30 * * * * ")
    assert reboot == f"@reboot {command}"
    for at, char in enumerate(command):  # cron turns every % that has no backslash into a line break
        assert char != "%" or command[at - 1] == "\\"
    words = shlex.split(command.replace("\\%", "%"))
    program = ["--program", "/opt/a b/breadth-pipeline"]
    assert words == ["/opt/a b/breadth-cron", *program, "--universe", "/x/100%$HOME.csv"]


def test_a_line_break_in_a_path_is_refused():
    with pytest.raises(UsageError, match="rename it"):
        crontab(job(options=("--universe", "/x/\n* * * * * rm.csv")))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_units(tmp_path):
    program = tmp_path / "a b" / "breadth-pipeline"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    files = {"t.service": service(job(program=program, universe="t")), "t.timer": timer(job(universe="t"))}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "SYSTEMD_UNIT_PATH": f"{tmp_path}:"}
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(tmp_path / name for name in files)],
        capture_output=True,
        text=True,
        env=environment,
    )
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "t.service" in line or "t.timer" in line]
    assert ours == []


def scheduled(home: Path, *arguments: str, **environment: str) -> tuple[list[str], str]:
    """(words of the half-hourly line behind --program FILE, all that was printed)."""
    given = {"PATH": os.environ["PATH"], "HOME": str(home), **environment}
    done = subprocess.run([PROGRAM, "schedule", *arguments], capture_output=True, text=True, env=given, cwd=home)
    assert (done.returncode, done.stderr) == (0, "")
    line = next(text for text in done.stdout.splitlines() if text.startswith("*/30"))
    words = shlex.split(line)[5:]
    return words[words.index("--program") + 2 :], done.stdout


def test_schedule_carries_over_what_it_can_and_names_what_cron_will_not_know(tmp_path):
    (tmp_path / "ulist.txt").write_text("symbol\nAAPL\n")
    (tmp_path / "sc.toml").write_text("interval = '1m'\n")
    words, _ = scheduled(tmp_path, "--universe", "ulist.txt", BREADTH_CONFIG="sc.toml")
    assert words == ["--universe", str(tmp_path / "ulist.txt"), "--config", str(tmp_path / "sc.toml")]
    seed = {"MYSQL_HOST": "h", "MYSQL_DB": "d", "MYSQL_PASSWORD": "hush"}
    words, said = scheduled(tmp_path, **seed, BREADTH_POLLS="3", BREADTH_UNIVERSE="dow30")
    assert words == ["--universe", "dow30"]
    assert "unknown to cron: BREADTH_POLLS, MYSQL_DB, MYSQL_HOST, MYSQL_PASSWORD;" in said
    assert "hush" not in said
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in seed.items()))
    (tmp_path / ".env").chmod(0o600)
    assert "unknown to cron" not in scheduled(tmp_path, **seed)[1]


def test_schedule_prints_absolute_paths_and_no_password(tmp_path, monkeypatch):
    (tmp_path / "own.csv").write_text("symbol,name,sector\nAAPL,Apple,Tech\nMSFT,Microsoft,Tech\n")
    (tmp_path / ".env").touch(0o600)
    monkeypatch.chdir(tmp_path)
    command = ["schedule", "--universe", "own.csv", "--db", "mysql://u:hush@h/d", "--", "--interval", "1m"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TZ": "Australia/Sydney"}
    done = subprocess.run([PROGRAM, *command], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "hush" not in done.stdout
    line = next(text for text in done.stdout.splitlines() if text.startswith("*/30"))
    words = shlex.split(line)[5:]
    assert Path(words[0]).is_absolute()
    assert words[1:5] == ["--cd", str(tmp_path), "--program", str(PROGRAM)]
    assert words[5:] == ["--universe", str(tmp_path / "own.csv"), "--db", "mysql://u@h:3306/d", "--interval", "1m"]
    assert "NYSE next trades" in done.stdout
    assert "America/New_York" in done.stdout
    assert "AE" in done.stdout
