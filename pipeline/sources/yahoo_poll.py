"""One poll of Yahoo in progress: the lists that wait, what came back, what went wrong. Layer 2, fetcher process.

Shared by the workers of the poll; after `seal` late workers change nothing any more.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence

from pipeline.model import Answer, Quote

_MAX_REASON = 255
_MAX_STRIKES = 5
_NAMED = 3


def chunks(symbols: Sequence[str], length: int) -> list[list[str]]:
    return [list(symbols[start : start + length]) for start in range(0, len(symbols), length)]


class Poll:
    """`quotes`, `bad`: by the symbol that came back. `left_out`: what whole answers did not mention.

    `resting`: symbols that are missing so long that they are asked for now and then only.

    `failures`: {reason: lists}. `answered`: lists with an answer. `struck`: rate limits met. `refused_length` and
    `longest_answered`: the longest list of the first pass that failed, and that did not.
    """

    def __init__(self) -> None:
        self.quotes: dict[str, Quote] = {}
        self.bad: dict[str, str] = {}
        self.left_out: set[str] = set()
        self.resting = 0
        self.failures: Counter[str] = Counter()
        self.answered = 0
        self.struck = 0
        self.requests = 0
        self.refused_length = 0
        self.second_pass_worked = False
        self.longest_answered = 0
        self._first_pass = True
        self._answered_before = 0
        self._locked_out = False
        self._unreached = 0
        self._lists: deque[list[str]] = deque()
        self._stopped = self._sealed = False
        self._began = self._ended = time.monotonic()
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        return len(self._lists)

    @property
    def worth_asking_again(self) -> bool:
        """Not while the service asks for patience, and not what it does not let us see."""
        return self.struck == 0 and not self._locked_out

    def put(self, lists: Iterable[list[str]]) -> None:
        with self._lock:
            self._lists.extend(lists)

    def take(self) -> list[str] | None:
        with self._lock:
            stop = self._stopped or self._sealed or self.struck >= _MAX_STRIKES
            return None if stop or not self._lists else self._lists.popleft()

    def start_second_pass(self) -> None:
        """Lists nobody took are forgotten: what did not come is put again."""
        with self._lock:
            self._first_pass, self._stopped, self._unreached = False, False, 0
            self._answered_before = self.answered
            self._lists.clear()

    def received(self, at: float) -> None:
        with self._lock:
            self._ended = max(self._ended, at)

    def take_quotes(self, symbols: Sequence[str], quotes: dict[str, Quote], bad: dict[str, str]) -> None:
        """An answer for a list; symbols nobody asked for are ignored.

        Only a first answer that held at least half of its list says that the rest is unknown to Yahoo: there were days
        on which it returned the last symbol of a list only.
        """
        wanted = set(symbols)
        came = wanted.intersection(quotes.keys() | bad.keys())
        with self._lock:
            if self._sealed:
                return
            self.answered += 1
            if not self._first_pass:
                self.second_pass_worked = self.second_pass_worked or bool(came)
            elif 2 * len(came) >= len(wanted):
                self.longest_answered = max(self.longest_answered, len(wanted))
                self.left_out.update(wanted - came)
            else:
                self.refused_length = max(self.refused_length, len(wanted))
            self.quotes.update((symbol, quote) for symbol, quote in quotes.items() if symbol in wanted)
            self.bad.update((symbol, reason) for symbol, reason in bad.items() if symbol in wanted)

    def refused(self, symbols: Sequence[str], reason: str) -> None:
        """A list that got an answer, but not quotes."""
        with self._lock:
            if self._first_pass:
                self.refused_length = max(self.refused_length, len(symbols))
        self.fail(reason)

    def unreachable(self, reason: str, give_up_after: int) -> None:
        """No answer at all; after `give_up_after` of them without any success the rest of the pass is not sent."""
        with self._lock:
            self._unreached += 1
            self._ended = time.monotonic()
            self._stopped = self._unreached >= give_up_after and self.answered == self._answered_before
        self.fail(reason)

    def locked_out(self, reason: str, give_up_after: int) -> None:
        """401 or 403 even with a fresh crumb."""
        with self._lock:
            self._locked_out = True
        self.unreachable(reason, give_up_after)

    def out_of_time(self, symbols: list[str]) -> None:
        """The list was taken, and could not be sent before the deadline."""
        self.put([symbols])
        self.fail("no time left to ask for all")

    def fail(self, reason: str) -> None:
        with self._lock:
            if not self._sealed:
                self.failures[reason] += 1

    def left(self, symbols: Sequence[str]) -> list[str]:
        return [symbol for symbol in symbols if symbol not in self.quotes and symbol not in self.bad]

    def seal(self) -> None:
        with self._lock:
            self._sealed = True

    def answer(self, symbols: Sequence[str], index: str | None, pause_left_s: float) -> Answer:
        """The poll as an Answer over `symbols`; the index apart."""
        asked = dict.fromkeys(symbols)
        quotes = {symbol: self.quotes[symbol] for symbol in asked if symbol in self.quotes}
        bad = {symbol: self.bad[symbol] for symbol in asked if symbol in self.bad and symbol not in quotes}
        missing = frozenset(symbol for symbol in asked if symbol not in quotes and symbol not in bad)
        return Answer(
            quotes=quotes,
            bad=bad,
            missing=missing,
            index=self.quotes.get(index) if index else None,
            requests=self.requests,
            duration_s=max(0.0, self._ended - self._began),
            reason=self._reason(asked, bad, missing, pause_left_s),
        )

    def _reason(
        self, asked: dict[str, None], bad: dict[str, str], missing: frozenset[str], pause_left_s: float
    ) -> str | None:
        """One line, the worst first; None when every symbol has a quote."""
        parts: list[str] = []
        if missing and (self.struck or pause_left_s):
            parts.append(f"Yahoo limits the rate (HTTP 429): asking again in {pause_left_s:.0f} s")
        elif missing and self.failures:
            parts.append(self.failures.most_common(1)[0][0])
        if missing:
            resting = f", {self.resting} of them asked for now and then only" if self.resting else ""
            parts.append(f"{len(missing)} of {len(asked)} symbols missing ({_some(asked, missing)}){resting}")
        if bad:
            first = next(iter(bad))
            parts.append(f"{len(bad)} bad ({first}: {bad[first]})")
        return "; ".join(parts)[:_MAX_REASON] or None


def _some(asked: Iterable[str], missing: frozenset[str]) -> str:
    """The first few, in the universe's order."""
    names = [symbol for symbol in asked if symbol in missing]
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
