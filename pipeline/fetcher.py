"""The fetcher process: the main job. Polls the source on the session's grid, computes breadth, journals it. Layer 3.

Never waits for the supervisor, the log, a writer or a database: the journal's commit is the only thing it waits for.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipeline import agenda, breadth, day_records, frozen, records
from pipeline.clock import Clock, SystemClock
from pipeline.config import Settings
from pipeline.health import Reporter
from pipeline.intake import Intake
from pipeline.market import Market, open_market
from pipeline.model import Answer, Outcome, Record, Session, Snapshot, Universe
from pipeline.process import Ends
from pipeline.session import local_text
from pipeline.sources import open_source
from pipeline.tally import Tally

GO_S = 5.0
"""Longest wait for the supervisor's word that some database accepts us, before the first poll of a run."""
HOLIDAY_S = 1800
FETCH_GRACE_S = 60.0
READY_S = 10
"""Before the first poll of a day the session is journaled this much ahead."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """What the fetcher needs; `begin`: when the run (not this incarnation) started; no database, no password."""

    settings: Settings
    universe: Universe | None
    stream: str
    begin: datetime


class Stopped(Exception):
    """The supervisor asked the fetcher to stop."""


def run(plan: FetchPlan, ends: Ends, reporter: Reporter) -> None:
    """The target of the fetcher child. Raises ConfigError or UsageError for what can never work."""
    with contextlib.suppress(Stopped):
        Fetcher(plan, ends, reporter, SystemClock()).run()


class Fetcher:
    def __init__(self, plan: FetchPlan, ends: Ends, reporter: Reporter, clock: Clock) -> None:
        self._plan, self._ends, self._reporter, self._clock = plan, ends, reporter, clock
        self._settings = plan.settings
        self._references = breadth.References()
        self._went = False
        self._started = time.monotonic()
        self._delay_s = self._kept = 0
        self._trouble: str | None = None
        self._index_told = False

    def run(self) -> None:
        """Opens the journal and the market, then takes the session's polls."""
        plan = self._plan
        self._reporter.allow(120)
        settings = self._settings
        source = open_source(settings.source, base_url=settings.yahoo_url, interval_s=settings.interval_s)
        with contextlib.closing(source):  # first: one that cannot be opened leaves no journal under its name
            self._intake = Intake(settings.state_dir, plan.stream, self._clock, self._ends.hints)
            try:
                unfinished = self._intake.unfinished
                self._session(open_market(settings, source, plan.universe, plan.begin, self._clock, unfinished))
            finally:
                self._intake.close()
                with contextlib.suppress(OSError):  # the state directory itself is gone
                    self._reporter.report(**self._intake.report())

    def _session(self, market: Market) -> None:
        """The main loop: for each poll that is due, wait for its instant, then poll or say why not."""
        if market.session is None:
            facts = {**market.report(self._clock.now()), **self._intake.report()}
            self._reporter.report(phase="closed", closed=market.closed_line(), universe=market.universe.name, **facts)
            return
        todo = self._begin(market)
        due = todo.due
        late: list[datetime] = []
        if not due and not todo.cut and not market.live:
            self._report(phase="done", closed=f"{market.source.name} is complete: every poll is in the journal")
            return
        for index, instant in enumerate(due):
            following = agenda.following(due, index)
            if late and not market.pace.passed(following):
                log.warning("%s", agenda.skipped_line(late, agenda.TOO_LATE))
                late = []
            self._wait(market, self._taken_at(market, instant, following))
            at_once = index == 0 and self._settings.any_time  # "now" is not missed while a process starts
            if market.pace.passed(following) and not at_once:
                self._skip(market, instant, agenda.TOO_LATE)
                late.append(instant)
            else:
                self._poll(market, instant, following)
        self._flush()
        self._report(phase="done")

    def _begin(self, market: Market) -> agenda.Agenda:
        """Journals the session, restores what a former incarnation knew, and accounts for grid points that passed."""
        session = market.session
        assert session is not None
        name = market.source.name
        self._tally = Tally()
        kept = frozen.kept(self._settings.state_dir)
        if kept is not None and kept.trade_date == session.trade_date:
            self._references.restore(kept.trade_date, kept.references)
        past = self._intake.past(market.universe.name, session, name, market.begin, self._remember)
        todo = market.agenda(past, self._clock)
        self._tally.plan(len(todo.due) + len(todo.missed))
        self._report(phase="waiting", universe=market.universe.name, todo=len(todo.due))
        if market.live and not self._settings.any_time:  # the former plan ends here, before the session's record
            former = agenda.abandoned(session, market.interval_s, self._clock.now(), past)
            former = sorted({*former} - {*todo.due, *todo.missed})
            self._tally.plan(len(todo.due) + len(todo.missed) + len(former))
            self._account(market, former)
        if market.live and todo.due and past.plan is None:
            self._wait(market, todo.due[0] - timedelta(seconds=READY_S))
        self._intake.append_session(
            records.session_record(universe=market.universe, session=session, interval_s=market.interval_s, source=name)
        )
        self._account(market, todo.missed)
        self._report(phase="open")
        return todo

    def _remember(self, record: Record) -> None:
        self._tally.remember(record)
        self._references.restore(*day_records.frozen_references(record))

    def _taken_at(self, market: Market, instant: datetime, following: datetime | None) -> datetime:
        if market.live and following is None and market.session is not None and instant == market.session.close:
            return agenda.closing_time(instant, self._delay_s)
        return instant

    def _wait(self, market: Market, until: datetime) -> None:
        """Until the instant is due, serving the supervisor's words meanwhile. Raises Stopped."""
        self._reporter.report(next_poll=until.isoformat(), **market.report(self._clock.now()))
        while True:
            remaining = market.pace.seconds_until(until)
            self._reporter.allow(FETCH_GRACE_S)
            self._listen(max(0.0, min(remaining, 1.0)))
            if self._intake.retry():
                self._report()
            if remaining <= 0 and self._may_go():
                return

    def _listen(self, wait_s: float) -> None:
        if self._ends.control.poll(wait_s):
            self._obey(self._ends.control.recv_bytes().decode())

    def _may_go(self) -> bool:
        """Before its first poll a run waits a moment for the verdict of the databases, never longer."""
        if not self._went and time.monotonic() - self._started < GO_S:
            self._listen(0.05)
            return self._went
        self._went = True
        return True

    def _obey(self, word: str) -> None:
        """Carries out a word of the supervisor. Raises Stopped."""
        name, *arguments = word.split()
        if name == "stop":
            raise Stopped
        if name == "go":
            self._went = True
        if name == "rotate":
            self._intake.rotate(*arguments)
        if name == "prune":
            self._intake.prune(arguments[0], int(arguments[1]), self._settings.keep_s)

    def _poll(self, market: Market, instant: datetime, following: datetime | None) -> None:
        """One poll: fetch, compute, journal, hint."""
        assert market.session is not None
        budget_s = market.pace.budget_s(following, market.interval_s)
        answer = self._fetch(market, instant, budget_s)
        if market.live and instant == market.session.close and self._stated_delay(answer) > self._delay_s:
            self._delay_s = self._stated_delay(answer)
            self._wait(market, agenda.closing_time(instant, self._delay_s))
            later = self._fetch(market, instant, budget_s)
            answer = later if later.quotes else answer  # what the source had at the close is better than nothing
        arrived = time.time()
        self._delay_s = max(self._delay_s, self._stated_delay(answer))
        references = self._freeze(answer, market.session)
        snapshot = breadth.compute(market.universe, answer.quotes, references, market.session)
        record = records.poll_record(
            universe=market.universe,
            session=market.session,
            instant=instant,
            source=market.source.name,
            answer=answer,
            snapshot=snapshot,
            fetched_at=self._clock.now(),
            index=market.index,
            stocks=self._settings.stocks,
        )
        outcome, reason = records.outcome_of(answer, snapshot)
        stored = self._intake.append(record, arrived)
        self._tell(market, instant, answer, snapshot, outcome, reason, stored)

    def _freeze(self, answer: Answer, session: Session) -> Mapping[str, int]:
        """The previous closes to count from; kept aside where the journal will not show them."""
        references = self._references.freeze(answer.quotes, session)
        if not self._settings.stocks and len(references) != self._kept:
            with contextlib.suppress(OSError):  # a full disk: the next poll tries again
                frozen.keep(self._settings.state_dir, session.trade_date, references)
                self._kept = len(references)
        return references

    def _fetch(self, market: Market, instant: datetime, budget_s: float) -> Answer:
        self._reporter.allow(budget_s + FETCH_GRACE_S)
        deadline = time.monotonic() + budget_s
        return market.source.fetch(market.universe.symbols, market.index, instant, deadline)

    @staticmethod
    def _stated_delay(answer: Answer) -> int:
        return max((quote.delay_s or 0 for quote in answer.quotes.values()), default=0)

    def _account(self, market: Market, missed: Sequence[datetime]) -> None:
        """For grid points that passed while nobody polled."""
        for instant in missed:
            self._skip(market, instant, agenda.NOT_RUNNING)
        if missed:
            log.warning("%s", agenda.skipped_line(missed, agenda.NOT_RUNNING))

    def _skip(self, market: Market, instant: datetime, reason: str) -> None:
        assert market.session is not None
        self._intake.append(
            records.unpolled_record(
                universe=market.universe,
                session=market.session,
                instant=instant,
                source=market.source.name,
                outcome=Outcome.SKIPPED,
                reason=reason,
            )
        )
        self._tally.count(Outcome.SKIPPED, None)

    def _flush(self) -> None:
        """At the end of the session what waits for room gets the drain's time."""
        deadline = time.monotonic() + self._settings.drain_s
        while self._intake.waiting and time.monotonic() < deadline:
            self._reporter.allow(FETCH_GRACE_S)
            self._listen(0.5)
            self._intake.retry()

    @staticmethod
    def _suspicious(market: Market, instant: datetime) -> bool:
        session = market.session
        if session is None or not market.live or market.settings.any_time:
            return False
        return (instant - session.open).total_seconds() >= HOLIDAY_S

    def _tell(
        self,
        market: Market,
        instant: datetime,
        answer: Answer,
        snapshot: Snapshot,
        outcome: Outcome,
        reason: str | None,
        stored: bool,
    ) -> None:
        """Reports the poll and warns about what its reader should know."""
        self._tally.count(outcome, snapshot)
        if market.index and answer.index is None and answer.quotes and not self._index_told:
            self._index_told = True
            log.warning("index %s has no quote, polls are stored without it: is --index right?", market.index)
        self._warn(instant, None if outcome is Outcome.TAKEN else f"{outcome.value}: {reason}")
        self._report(
            poll=self._tally.poll(instant, answer, snapshot, outcome, reason, stored),
            sectors={name: [c.advances, c.declines] for name, c in snapshot.sectors.items()},
        )
        if answer.quotes and self._tally.no_trade_yet and self._suspicious(market, instant):
            self._tally.no_trade_yet = False
            log.warning("%s", market.holiday_hint())

    def _warn(self, instant: datetime, trouble: str | None) -> None:
        """Tells what is wrong with the polls when it begins, changes and ends, not at each of them."""
        if trouble is not None and trouble != self._trouble:
            log.warning("poll %s %s", local_text(instant), trouble)
        elif trouble is None and self._trouble is not None:
            log.info("poll %s taken: nothing is missing any more", local_text(instant))
        self._trouble = trouble

    def _report(self, **changes: Any) -> None:
        self._reporter.report(state="running", polls=self._tally.report(), **self._intake.report(), **changes)
