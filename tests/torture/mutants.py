"""The code broken in named ways, in a copy: each break must be noticed by the torture within 50 faults.

The product has no switch for any of them. A mutant whose text is no longer found is an error, not a success.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.harness.pipeline import ROOT
from tests.mariadb import running
from tests.torture import ordeal
from tests.torture.faults import FAULTS, Fault

MOST_FAULTS = 50
SETTLE_S = 10.0
QUICK = ("fetcher killed", "writer killed", "commit unknown", "database killed", "everything killed")


@dataclass(frozen=True)
class Mutant:
    """`changes`: (file in the package, text, its replacement)."""

    name: str
    changes: tuple[tuple[str, str, str], ...]


_STORE = """            written = Batch(database, stream, journal_id).store(entries)
            _move(database, stream, journal_id, entries[-1])
"""
_APART = "            database.commit()\n            database.begin()\n"
MUTANTS = (
    Mutant(
        "rows committed before the cursor",
        (("sinks/base.py", _STORE, _STORE.replace("(entries)\n", "(entries)\n" + _APART)),),
    ),
    Mutant(
        "cursor committed before the rows",
        (
            (
                "sinks/base.py",
                _STORE,
                "            _move(database, stream, journal_id, entries[-1])\n"
                + _APART
                + "            written = Batch(database, stream, journal_id).store(entries)\n",
            ),
        ),
    ),
    Mutant(
        "acknowledged before the journal's commit",
        (
            (
                "journal/append.py",
                '            self._connection.execute(\n                "INSERT INTO record',
                "            if not self._connection.in_transaction:\n"
                '                self._connection.execute("BEGIN")\n'
                "            elif self._last_seq % 10 == 0:\n"
                '                self._connection.execute("COMMIT")\n'
                '                self._connection.execute("BEGIN")\n'
                '            self._connection.execute(\n                "INSERT INTO record',
            ),
            (
                "journal/append.py",
                "                if self._open is not None and self._open.in_transaction:\n"
                "                    self._open.rollback()",
                "                pass",
            ),
        ),
    ),
    Mutant(
        "a queue used again after its reader was killed",
        (
            (
                "process.py",
                "        self.hints = SPAWN.Queue(self._queue_size)",
                "        self.hints = self.hints or SPAWN.Queue(self._queue_size)",
            ),
            ("process.py", "        self.hints.cancel_join_thread()\n        self.hints.close()\n", ""),
            ("writer.py", "IDLE_S = 0.5", "IDLE_S = 1e6"),
        ),
    ),
    Mutant(
        "the fetch waits for a database",
        (
            (
                "fetcher.py",
                "        answer = self._fetch(market, instant, budget_s)\n        if market.live",
                "        from pipeline import status\n"
                "        for _ in range(30):\n"
                "            shown = (status.read(self._settings.state_dir) or {}).get('databases', ())\n"
                "            if all(row['state'] == 'ok' for row in shown):\n"
                "                break\n"
                "            time.sleep(0.1)\n"
                "        answer = self._fetch(market, instant, budget_s)\n        if market.live",
            ),
        ),
    ),
)


def apply(mutant: Mutant, directory: Path) -> Path:
    """A copy of the package with the mutant in it; the directory to import from."""
    unwanted = shutil.ignore_patterns("__pycache__", "page", "static", "recordings")
    shutil.copytree(ROOT / "pipeline", directory / "pipeline", ignore=unwanted)
    shutil.copytree(ROOT / "sql", directory / "sql")
    for name, old, new in mutant.changes:
        file = directory / "pipeline" / name
        text = file.read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise LookupError(f"mutant {mutant.name!r}: its text stands {text.count(old)} times in pipeline/{name}")
        file.write_text(text.replace(old, new), encoding="utf-8")
    return directory


def plan(seed: int) -> list[Fault]:
    chance = random.Random(seed)
    quick = [fault for fault in FAULTS if fault.name in QUICK]
    return chance.sample(quick, len(quick)) + chance.choices(quick, k=MOST_FAULTS - len(quick))


def hunt(directory: Path, seed: int, mutants: Iterable[Mutant] = MUTANTS) -> dict[str, ordeal.Report]:
    """Each mutant's torture, to its end or to the first thing wrong."""
    reports = {}
    with running(directory / "m", options=ordeal.SERVER_OPTIONS) as server:
        for number, mutant in enumerate(mutants):
            place = directory / f"mutant{number}"
            package = apply(mutant, place / "package")
            print(f"mutant: {mutant.name}", flush=True)
            reports[mutant.name] = ordeal.run(
                place, plan(seed + number), seed, package=package, server=server, settle_every=1, settle_s=SETTLE_S
            )
    return reports


def main(directory: Path, seed: int) -> int:
    begin = time.monotonic()
    reports = hunt(directory, seed)
    for name, report in reports.items():
        number = sum(report.faults.values())
        what = f"survived {number} faults" if report.clean else f"caught after {number} faults: {report.first_word}"
        print(f"{name}: {what}")
    survivors = [name for name, report in reports.items() if report.clean]
    print(f"{len(reports) - len(survivors)} of {len(reports)} mutants caught in {time.monotonic() - begin:.0f} s")
    return 1 if survivors else 0
