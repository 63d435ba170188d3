"""What verify found, as data. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.journal import Identity

MAX_LISTED = 10

MISSING = "missing"
EXTRA = "extra"
DIFFERENT = "different"
PENDING = "not there yet"
FAILURES = (MISSING, EXTRA, DIFFERENT, PENDING)
"""Kinds that mean: they do not agree."""

DEAD = "dead letters"
DROPPED = "dropped by hand"
PRUNED = "stock rows pruned"
OLDER = "older than the journal"
FOREIGN = "from another journal"
SUPERSEDED = "superseded by a live run"
TAKEN = "not taken here, taken by another journal"
NOTES = (DEAD, DROPPED, PRUNED, OLDER, FOREIGN, SUPERSEDED, TAKEN)
"""Kinds that are accounted for."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Rows of one table under one key (a poll time; "" for the day's session and members) that have one fault."""

    kind: str
    table: str
    poll_time: str
    rows: int
    detail: str


@dataclass(slots=True)
class DatabaseDay:
    """One database's part of a day. `content`: a hash over what agreed, equal for databases that hold equal rows."""

    database: str
    polls: int = 0
    rows: int = 0
    content: str = ""
    error: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    findings: dict[str, list[Finding]] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        """Counts its rows; keeps it when there are few of its kind."""
        self.counts[finding.kind] += finding.rows
        kept = self.findings.setdefault(finding.kind, [])
        if len(kept) < MAX_LISTED:
            kept.append(finding)

    @property
    def agrees(self) -> bool:
        return not self.error and not any(self.counts[kind] for kind in FAILURES)


@dataclass(frozen=True, slots=True)
class Plan:
    """Planned polls of one source's session against the journal. `planned` None: no grid is known."""

    source: str
    planned: int | None
    outcomes: Mapping[str, int]
    missing: Sequence[str]
    upcoming: int = 0
    unplanned: int = 0

    @property
    def agrees(self) -> bool:
        return not self.missing


@dataclass(slots=True)
class Day:
    universe: str
    trade_date: str
    plans: list[Plan]
    databases: list[DatabaseDay]

    @property
    def agrees(self) -> bool:
        return all(plan.agrees for plan in self.plans) and all(each.agrees for each in self.databases)


@dataclass(slots=True)
class Report:
    """`databases`: {masked URL: what is wrong with it as a whole, "" for nothing}."""

    journal: Identity
    days: list[Day]
    databases: dict[str, str]
    damage: str = ""

    @property
    def agrees(self) -> bool:
        return bool(self.days) and not self.damage and not any(self.databases.values()) and self._days_agree

    @property
    def _days_agree(self) -> bool:
        return all(day.agrees for day in self.days)

    def as_json(self) -> dict[str, Any]:
        journal = self.journal
        return {
            "agrees": self.agrees,
            "journal": {
                "id": journal.journal_id,
                "stream": journal.stream,
                "first_seq": journal.first_seq,
                "last_seq": journal.last_seq,
                "damage": self.damage or None,
            },
            "databases": [{"database": name, "error": error or None} for name, error in self.databases.items()],
            "days": [_day_json(day) for day in self.days],
        }


def _day_json(day: Day) -> dict[str, Any]:
    return {
        "universe": day.universe,
        "trade_date": day.trade_date,
        "agrees": day.agrees,
        "plans": [
            {
                "source": plan.source,
                "planned": plan.planned,
                "outcomes": dict(plan.outcomes),
                "missing": list(plan.missing[:MAX_LISTED]),
                "missing_count": len(plan.missing),
                "upcoming": plan.upcoming,
                "unplanned": plan.unplanned,
            }
            for plan in day.plans
        ],
        "databases": [
            {
                "database": each.database,
                "agrees": each.agrees,
                "error": each.error or None,
                "polls": each.polls,
                "rows": each.rows,
                "content": each.content,
                "counts": {kind: each.counts[kind] for kind in (*FAILURES, *NOTES) if each.counts[kind]},
                "findings": [_finding_json(finding) for finding in _all(each)],
            }
            for each in day.databases
        ],
    }


def _all(each: DatabaseDay) -> Iterator[Finding]:
    for kind in (*FAILURES, *NOTES):
        yield from each.findings.get(kind, ())


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "table": finding.table,
        "poll_time": finding.poll_time or None,
        "rows": finding.rows,
        "detail": finding.detail,
    }
