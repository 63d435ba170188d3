"""What `show` and `history` share: which database, universe and date are meant. Layer 5.

Reads only. Every question that has no answer is one line: exit 1 for no data, 2 for a name or date that is not there
or not a date, 69 for a database that does not answer, 78 for one that refuses or may not be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date

from pipeline import seed
from pipeline.cli.common import universe_name
from pipeline.config import Loaded
from pipeline.dburl import DatabaseUrl
from pipeline.errors import ConfigError, PipelineError, SinkSchemaError, UsageError
from pipeline.figures import plain
from pipeline.reader import Reader
from pipeline.sinks import open_database
from pipeline.sinks.base import refuse_seed_layout

_LISTED = 8


@contextmanager
def opened(loaded: Loaded) -> Iterator[tuple[Reader, DatabaseUrl]]:
    """A reader of the first database of the settings. Raises PipelineError, for the seed's tables with what to do."""
    url = loaded.settings.db[0]
    try:
        absent = url.path is not None and not url.path.is_file()
    except OSError as error:  # no right to look, a name too long
        raise ConfigError(f"{url.path} cannot be read: {error.strerror}") from None
    if absent:
        raise PipelineError(f"no database at {url.path} yet: name another with --db, --universe or --state-dir")
    database = open_database(url, readonly=True)
    try:
        yield Reader(database), url
    except SinkSchemaError:
        for table in seed.TABLES:
            refuse_seed_layout(table.name, database.columns(table.name))
        raise
    finally:
        database.close()


def chosen_universe(reader: Reader, loaded: Loaded, url: DatabaseUrl) -> str:
    """The universe asked for; without one, the only universe of the database, else the default one."""
    stored = [str(row["name"]) for row in reader.universes()]
    if not stored:
        raise PipelineError(f"{plain(url.masked)} holds no snapshot yet; start one with: breadth-pipeline run")
    wanted = universe_name(loaded.settings, loaded.origins)
    if "universe" not in loaded.origins and wanted not in stored:
        if len(stored) == 1:
            return stored[0]
        raise UsageError(f"{plain(url.masked)} holds several universes; choose with --universe: {listed(stored)}")
    if wanted not in stored:
        raise UsageError(f"--universe {wanted!r} is not in {plain(url.masked)}; it holds: {listed(stored)}")
    return wanted


def checked_date(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        raise UsageError(f"--date {text!r} is not a date: use YYYY-MM-DD") from None


def no_data(reader: Reader, universe: str, day: str | None) -> PipelineError:
    days = reader.dates(universe)
    if not days:
        return PipelineError(f"no snapshot of {plain(universe)} is stored yet; start one with: breadth-pipeline run")
    when = f" on {day}" if day else ""
    return PipelineError(f"no snapshot of {plain(universe)}{when}; days stored: {listed(sorted(days, reverse=True))}")


def listed(names: Sequence[str]) -> str:
    shown = ", ".join(plain(name) for name in names[:_LISTED])
    return shown + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
