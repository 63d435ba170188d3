"""The fetcher's count of a session's polls, for status, progress and the day's summary. Layer 3."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from pipeline.model import Answer, Outcome, Record, Snapshot
from pipeline.session import local_text
from pipeline.tables import POLL, SNAPSHOT

_OUTCOME = POLL.column_names.index("outcome")
_COVERAGE = SNAPSHOT.column_names.index("coverage")
_TRADED = SNAPSHOT.column_names.index("total_stocks")


class Tally:
    """Counts by outcome over the whole session: those of former incarnations come from the journal's records."""

    def __init__(self) -> None:
        self.planned = 0
        self._counts: Counter[str] = Counter()
        self._lowest: float | None = None
        self.no_trade_yet = True

    def plan(self, more: int) -> None:
        """`more` polls are to be accounted for after those counted so far."""
        self.planned = sum(self._counts.values()) + more

    def remember(self, record: Record) -> None:
        """Counts a record of the journal."""
        for row in record.tables.get(POLL.name, []):
            self._counts[row[_OUTCOME]] += 1
        for row in record.tables.get(SNAPSHOT.name, []):
            self._cover(row[_COVERAGE], row[_TRADED])

    def count(self, outcome: Outcome, snapshot: Snapshot | None) -> None:
        self._counts[outcome.value] += 1
        if snapshot is not None and outcome is not Outcome.FAILED:
            self._cover(snapshot.counts.coverage, snapshot.counts.total_stocks)

    def _cover(self, coverage: float | None, traded: int) -> None:
        if traded:
            self.no_trade_yet = False
        if coverage is not None:
            self._lowest = coverage if self._lowest is None else min(self._lowest, coverage)

    def report(self) -> dict[str, Any]:
        """`polls` of the status."""
        counts = {outcome.value: self._counts[outcome.value] for outcome in Outcome}
        return {"planned": self.planned, **counts, "lowest_coverage": self._lowest}

    def poll(
        self,
        instant: datetime,
        answer: Answer,
        snapshot: Snapshot,
        outcome: Outcome,
        reason: str | None,
        stored: bool,
    ) -> dict[str, Any]:
        """`poll` of the status."""
        counts = snapshot.counts
        shown = outcome is not Outcome.FAILED
        return {
            "number": sum(self._counts.values()),
            "of": self.planned,
            "poll_time": local_text(instant),
            "outcome": outcome.value,
            "reason": (reason or "")[:300] or None,
            "duration_ms": round(answer.duration_s * 1000),
            "requests": answer.requests,
            "coverage": counts.coverage if shown else None,
            "advances": counts.advances if shown else None,
            "declines": counts.declines if shown else None,
            "unchanged": counts.unchanged if shown else None,
            "adv_decl_ratio": counts.adv_decl_ratio if shown else None,
            "market_sentiment": counts.market_sentiment if shown else None,
            "delay_s": max((q.delay_s or 0 for q in answer.quotes.values()), default=None),
            "stored": stored,
        }
