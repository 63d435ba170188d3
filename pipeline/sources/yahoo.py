"""Yahoo Finance as a source: quotes of a universe in lists over v7, asked by a few threads. Layer 2, fetcher process.

A poll asks in lists, asks a second time for what did not come, in shorter lists, as far as its deadline allows, and
stops: every symbol ends as a quote, as bad with a reason, or as missing. One that Yahoo keeps leaving out rests: it is
asked for now and then, in the ordinary lists, and never twice in a poll. The source never raises for trouble of network
or data, never sleeps past its deadline, and is used by the process that made it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.model import Answer
from pipeline.sources.pacing import ListLength, Pacer
from pipeline.sources.yahoo_poll import Poll, chunks
from pipeline.sources.yahoo_rows import FIELDS, UnusableBody, parse
from pipeline.sources.yahoo_session import NoAnswer, YahooSession
from pipeline.symbols import symbol_problem

RATE_PER_S = 5.0
BURST = 20
REQUEST_TIMEOUT_S = 10.0
MISSING_POLLS, MISSING_FOR = 3, timedelta(minutes=1)
"""A symbol that is left out of so many polls in a row, over at least so long, rests."""
REST = timedelta(minutes=5)
"""A resting symbol is asked for again after so long."""
_SECOND_ASK_MOST = 20
_FIRST_ASK_SHARE = 0.6
_MARGIN_S = 0.2
_OK, _UNAUTHORIZED, _FORBIDDEN, _TOO_MANY = 200, 401, 403, 429


@dataclass(slots=True)
class _Absence:
    """What became of a symbol since it was last seen. Instants are the polls'."""

    since: datetime
    asked: datetime
    polls: int = 0

    @property
    def rests(self) -> bool:
        return self.polls >= MISSING_POLLS and self.asked - self.since >= MISSING_FOR

    def is_due(self, instant: datetime) -> bool:
        return not (self.rests and timedelta(0) <= instant - self.asked < REST)


class YahooSource:
    """See `sources.Source`. `batch`: the lists' first length."""

    name = "yahoo"
    live = True

    def __init__(
        self,
        base_url: str | None = None,
        batch: int = 50,
        threads: int = 4,
        *,
        rate_per_s: float = RATE_PER_S,
        burst: int = BURST,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        self._base_url, self._threads = base_url, threads
        self._request_timeout_s = request_timeout_s
        self.lists = ListLength(batch)
        self.pacer = Pacer(rate_per_s, burst)
        self._absent: dict[str, _Absence] = {}
        self._one_poll = threading.Lock()
        self._retired_sent = 0
        self._connect()

    def fetch(self, symbols: Sequence[str], index: str | None, instant: datetime, deadline: float) -> Answer:
        """See `sources.Source.fetch`."""
        with self._one_poll:
            if self._pid != os.getpid():
                self._connect()
            asked = [*([index] if index else []), *symbols]
            bad = {symbol: f"symbol {problem}" for symbol in asked if (problem := symbol_problem(symbol))}
            due = [s for s in dict.fromkeys(asked) if s not in bad and self._is_due(s, instant)]
            poll = self._ask(due, deadline)
            if poll.struck == 0 and poll.answered:
                self.pacer.worked()
            self._remember_missing(poll, due, instant)
            poll.bad.update(bad)
            poll.resting = sum(map(self._rests, dict.fromkeys(symbols)))
            return poll.answer(symbols, index, self.pacer.pause_left_s())

    def close(self) -> None:
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._session.close()

    def _connect(self) -> None:
        """Session and threads of this process: those of before a fork would give the answers of another."""
        self._pid = os.getpid()
        self._session = YahooSession(self._base_url)
        self._workers = ThreadPoolExecutor(self._threads, thread_name_prefix="yahoo")

    def _sent(self) -> int:
        return self._retired_sent + self._session.sent

    def _ask(self, symbols: list[str], deadline: float) -> Poll:
        """Both passes; ends by `deadline`, whatever the server does."""
        sent_before, left_s = self._sent(), max(0.0, deadline - time.monotonic())
        last_call = deadline - min(_MARGIN_S, 0.1 * left_s)
        poll = Poll()
        poll.put(chunks(symbols, self.lists.length))
        self._run(poll, last_call, min(self._request_timeout_s, _FIRST_ASK_SHARE * left_s))
        left = [symbol for symbol in poll.left(symbols) if not self._rests(symbol)]
        if left and poll.worth_asking_again and time.monotonic() < last_call:
            poll.start_second_pass()
            poll.put(chunks(left, max(1, min(_SECOND_ASK_MOST, self.lists.length // 2))))
            self._run(poll, last_call, self._request_timeout_s)
        self._learn(poll, left)
        poll.requests = self._sent() - sent_before
        poll.seal()
        return poll

    def _run(self, poll: Poll, deadline: float, timeout_s: float) -> None:
        """Let the workers empty the poll's lists. One that hangs all the same is left behind with its session."""
        workers = min(self._threads, poll.waiting)
        futures = [self._workers.submit(self._work, self._session, poll, deadline, timeout_s) for _ in range(workers)]
        done, hanging = wait(futures, timeout=max(0.0, deadline - time.monotonic()) + _MARGIN_S / 2)
        for future in done:
            future.result()
        if hanging:
            poll.fail("no answer in time")
            self._workers.shutdown(wait=False, cancel_futures=True)
            self._retired_sent += self._session.sent
            self._connect()

    def _work(self, session: YahooSession, poll: Poll, deadline: float, timeout_s: float) -> None:
        """A worker: takes lists until there are none, or no time."""
        while (symbols := poll.take()) is not None:
            if not self.pacer.acquire(deadline):
                poll.out_of_time(symbols)
                return
            sent_at = time.monotonic()
            try:
                response = session.quotes(symbols, FIELDS, min(deadline, sent_at + timeout_s))
                poll.received(response.received)
                if response.status == _TOO_MANY:
                    self._slow_down(poll, symbols, response.retry_after_s, sent_at)
                elif response.status in (_UNAUTHORIZED, _FORBIDDEN):
                    poll.locked_out(f"HTTP {response.status} from {session.host}", give_up_after=self._threads)
                elif response.status != _OK:
                    poll.refused(symbols, f"HTTP {response.status} from {session.host}")
                else:
                    poll.take_quotes(symbols, *parse(response.body))
            except NoAnswer as error:
                poll.unreachable(str(error), give_up_after=self._threads)
            except UnusableBody as error:
                poll.refused(symbols, f"{session.host} sent {error}")

    def _slow_down(self, poll: Poll, symbols: list[str], retry_after_s: float | None, sent_at: float) -> None:
        """A 429: all workers pause, and the list is halved and asked again when the pause is over."""
        if self.pacer.limited(retry_after_s, sent_at):
            self.lists.halve()
            poll.struck += 1
        poll.put(chunks(symbols, min(self.lists.length, max(1, (len(symbols) + 1) // 2))))

    def _learn(self, poll: Poll, left: list[str]) -> None:
        """Change the lists' length by what the two passes showed."""
        if poll.refused_length > poll.longest_answered and poll.second_pass_worked:
            self.lists.too_long(poll.refused_length)
        elif poll.answered and not poll.failures and not poll.struck and not poll.left(left):
            self.lists.clean_poll()

    def _is_due(self, symbol: str, instant: datetime) -> bool:
        absence = self._absent.get(symbol)
        return absence is None or absence.is_due(instant)

    def _rests(self, symbol: str) -> bool:
        absence = self._absent.get(symbol)
        return absence is not None and absence.rests

    def _remember_missing(self, poll: Poll, due: Sequence[str], instant: datetime) -> None:
        """Counts the polls that left a symbol out; one of which nothing is known (an outage) is no such poll."""
        for symbol in due:
            if symbol in poll.quotes or symbol in poll.bad:
                self._absent.pop(symbol, None)
            elif symbol in poll.left_out or symbol in self._absent:
                absence = self._absent.setdefault(symbol, _Absence(instant, instant))
                absence.asked = instant
                absence.polls += symbol in poll.left_out


def open_yahoo(
    rest: str = "", base_url: str | None = None, batch: int = 50, threads: int = 4, **_options: object
) -> YahooSource:
    """The source behind `yahoo`."""
    return YahooSource(base_url, batch, threads)
