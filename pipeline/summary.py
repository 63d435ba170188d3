"""What a run did, in the few lines that end it, that cron mails, and that say where to look next. Layer 2."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pipeline.config import default_state_dir
from pipeline.figures import clock, count, fit, grouped, percent, plain, ratio, section

Status = Mapping[str, Any]
MOST_WARNINGS = 20


def summary(status: Status) -> str:
    """What the run did, and where to look next; every line at most 79 columns unless a path is longer."""
    polls, market = section(status, "polls"), section(status, "market")
    taken = (polls.get("taken") or 0) + (polls.get("partial") or 0)
    partial = f" ({polls['partial']} partial)" if polls.get("partial") else ""
    lines = [
        f"{plain(status.get('universe', '-'))}, session {market.get('trade_date') or '-'}",
        f"{count(polls.get('planned') or 0, 'poll')} planned, {taken} taken{partial}, "
        f"{polls.get('skipped') or 0} skipped, {polls.get('failed') or 0} failed",
    ]
    if polls.get("lowest_coverage") is not None:
        lines.append(f"lowest coverage {percent(100 * polls['lowest_coverage'])}")
    lines += _last_counts(section(status, "poll"))
    lines += [_database_line(database) for database in status.get("databases") or ()]
    return "\n".join([*lines, *_further(status)]) + "\n"


def warning_lines(told: Collection[str], log: Path) -> list[str]:
    """What a run warned of, whole, for those who do not watch its log; nothing when it warned of nothing."""
    more = len(told) - MOST_WARNINGS
    lines = [f"  {plain(text)}" for text in list(told)[:MOST_WARNINGS]]
    lines += [f"  … and {more:,} more, see {plain(log)}"] if more > 0 else []
    return ["warnings and errors:", *lines] if lines else []


def _last_counts(poll: Status) -> list[str]:
    if poll.get("advances") is None:
        reason = poll.get("reason")
        return [f"last poll {clock(poll.get('poll_time'))} {poll['outcome']}: {fit(reason, 120)}"] if reason else []
    return [
        f"last poll {clock(poll.get('poll_time'))}: {poll['advances']} up, {poll['declines']} down, "
        f"{poll.get('unchanged')} same, ratio {ratio(poll.get('adv_decl_ratio'))}, "
        f"{plain(poll.get('market_sentiment') or '-')}"
    ]


def _database_line(database: Status) -> str:
    ahead = database.get("ahead") or 0
    backlog = f"{count(ahead, 'record')} left in the journal for the next start" if ahead else "nothing waiting"
    line = f"{plain(database.get('url', '-'))}: {grouped(database.get('rows_written') or 0)} rows, {backlog}"
    if database.get("dead_letters"):
        line += f", {count(database['dead_letters'], 'row')} refused (dead-letter list)"
    if ahead and database.get("message"):
        line += f" ({fit(database['message'], 120)})"
    return line


def _further(status: Status) -> list[str]:
    """The commands to look further, ready to be copied, with no more options than they need."""
    universe, directory = str(status.get("universe") or ""), str(status.get("state_dir") or "")
    urls = [str(database["url"]) for database in status.get("databases") or () if database.get("url")]
    named = [f" --db {_quoted(url.replace(':***@', '@'))}" for url in urls]
    where = named[0] if named and urls[0] != f"sqlite:///{directory}/breadth.db" else ""  # the default there
    everywhere = "".join(named) if len(named) > 1 else where
    chosen = f" --universe {_quoted(universe)}" if universe else ""
    at_home = not directory or Path(directory) == default_state_dir(universe)
    kept = chosen if at_home else f" --state-dir {_quoted(directory)}"
    looked = where + chosen if where else kept
    program = _program()
    return [
        "look further:",
        f"  {program} show{looked}",
        f"  {program} history{looked}",
        f"  {program} dashboard{where}{kept}",
        f"  {program} status{kept}",
        f"  {program} verify{everywhere}{kept}",
    ]


def _program() -> str:
    """This program as a shell finds it: by name, or by path when it is not on PATH (a checkout's)."""
    name = "breadth-pipeline"
    if shutil.which(name) or Path(sys.argv[0]).name != name:
        return name
    return _quoted(str(Path(sys.argv[0]).resolve()))


def _quoted(text: str) -> str:
    """`text` as one word of a shell command; a path in the home directory with `~`."""
    home = f"{Path.home()}/"
    if text.startswith(home):
        return "~/" + shlex.quote(plain(text.removeprefix(home)))
    return shlex.quote(plain(text))


def rows_written(status: Status) -> int:
    """Rows stored so far, all databases together."""
    return sum(database.get("rows_written") or 0 for database in status.get("databases") or ())
