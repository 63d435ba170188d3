"""How fast and how much at once a service may be asked: token bucket, pause after 429, length of lists. Layer 2.

Clock and randomness are injected. Nothing here makes a request.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

MAX_PAUSE_S = 900.0
MIN_PAUSE_S = 1.0
FIRST_PAUSE_S = 5.0


class Pacer:
    """A token bucket for all workers of a source, with a pause that holds for all of them.

    After a 429 nobody asks until Retry-After has passed, else for 5 s doubling to 15 minutes, with jitter.
    """

    def __init__(
        self,
        rate_per_s: float,
        burst: int,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._rate_per_s, self._burst = rate_per_s, float(burst)
        self._monotonic, self._jitter = monotonic, jitter
        self._tokens, self._filled_at = self._burst, monotonic()
        self._paused_until = self._paused_at = float("-inf")
        self._strikes = 0
        self._changed = threading.Condition()

    def acquire(self, deadline: float) -> bool:
        """Wait for a token; False when none can be had by `deadline`, or a pause ends only after it."""
        with self._changed:
            while True:
                now = self._monotonic()
                wait_s = self._wait_s(now)
                if wait_s <= 0:
                    self._tokens -= 1
                    return now < deadline
                if now + wait_s >= deadline:
                    return False
                self._changed.wait(wait_s)

    def limited(self, retry_after_s: float | None, sent_at: float) -> bool:
        """A 429 for a request sent at `sent_at`. False when it belongs to the pause that is already on."""
        with self._changed:
            if sent_at <= self._paused_at:
                return False
            now = self._monotonic()
            backoff_s = FIRST_PAUSE_S * 2 ** min(self._strikes, 16) * (0.5 + 0.5 * self._jitter())
            pause_s = backoff_s if retry_after_s is None else retry_after_s
            self._paused_at, self._paused_until = now, now + min(MAX_PAUSE_S, max(MIN_PAUSE_S, pause_s))
            self._strikes += 1
            self._changed.notify_all()
            return True

    def worked(self) -> None:
        """A poll passed without a 429: the next pause is a short one again."""
        with self._changed:
            self._strikes = 0

    def pause_left_s(self) -> float:
        with self._changed:
            return max(0.0, self._paused_until - self._monotonic())

    def _wait_s(self, now: float) -> float:
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate_per_s)
        self._filled_at = now
        for_token_s = 0.0 if self._tokens >= 1 else (1 - self._tokens) / self._rate_per_s
        return max(for_token_s, self._paused_until - now)


class ListLength:
    """How many symbols go into one list: what the service accepts, between 20 and 200, learnt from what it does."""

    LEAST, MOST, CLEAN_POLLS = 20, 200, 3

    def __init__(self, start: int) -> None:
        self.length = max(1, min(start, self.MOST))
        self._least = min(self.LEAST, self.length)
        self._most = self.MOST
        self._clean = 0

    def halve(self) -> None:
        """The service asked for less."""
        self.length = max(self._least, self.length // 2)
        self._clean = 0

    def too_long(self, length: int) -> None:
        """A list of `length` failed where shorter ones succeeded: never that long again."""
        self._most = max(self._least, min(self._most, length - 1))
        self.length = max(self._least, min(self.length, length // 2))
        self._clean = 0

    def clean_poll(self) -> None:
        """Everything was answered: after three such polls, lists grow by a quarter."""
        self._clean += 1
        if self._clean >= self.CLEAN_POLLS:
            self._clean = 0
            self.length = min(self._most, self.length + max(1, self.length // 4))
