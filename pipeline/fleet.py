"""The supervisor's children as one: started, listened to, mended with back-off, killed. Layer 3."""

from __future__ import annotations

import logging
import random
import time
from typing import Any

from pipeline.errors import UnfinishedError
from pipeline.process import Child

FIRST_RESTART_S, LONGEST_RESTART_S = 0.2, 30.0
STEADY_S = 60.0
"""A child that ran this long starts again without the back-off of its former deaths."""
MANY_RESTARTS = 5
LONGEST_TURN_S = 1.0
"""When one takes longer, this process was stopped, perhaps its children too: that time is nobody's silence."""
LAST_WORDS_S = 1.0
"""A killed child can leave its log's queue locked: nobody waits for it longer than this."""
log = logging.getLogger(__name__)


class Fleet:
    """`fetcher`, `writers` in the order of the databases, and perhaps `dashboard`."""

    def __init__(
        self, stream: str, fetcher: Child, writers: list[Child], dashboard: Child | None, heartbeat_s: float
    ) -> None:
        self.stream = stream
        self.fetcher, self.writers, self.dashboard = fetcher, writers, dashboard
        self._heartbeat_s = heartbeat_s
        self._mended = time.monotonic()
        self._random = random.Random()

    @property
    def children(self) -> list[Child]:
        return [self.fetcher, *self.writers, *([self.dashboard] if self.dashboard else [])]

    def start(self) -> None:
        """Raises UnfinishedError, and leaves nobody behind, when the machine has no room for so many processes."""
        try:
            for child in self.children:
                child.start()
        except (OSError, RuntimeError) as error:
            self.kill()
            why = getattr(error, "strerror", None) or error
            raise UnfinishedError(f"the processes of a run cannot be started: {why}; look at ulimit -a") from None

    def waitables(self) -> list[Any]:
        return [item for child in self.children for item in child.waitables]

    def listen(self) -> bool:
        return any([child.listen() for child in self.children])

    def queue_depth(self) -> int:
        return sum(child.depth() for child in [self.fetcher, *self.writers])

    def dropped_hints(self) -> int:
        """Those that the fetcher could not pass on, and those that a writer's queue had no room for."""
        return self.fetcher.total("dropped") + sum(writer.unheard for writer in self.writers)

    def mend(self) -> None:
        """Kills the silent, buries the dead, starts those whose time has come."""
        now = time.monotonic()
        away_s, self._mended = max(0.0, now - self._mended - LONGEST_TURN_S), now
        for child in self.children:
            child.last_beat = min(now, child.last_beat + away_s)
            if child.alive and now - child.last_beat > self._heartbeat_s and not child.ended:
                log.error("%s has been silent for %.0f s and is killed", child.role, now - child.last_beat)
                child.kill()
                child.last_beat = now
            if child.dead:
                self._bury(child, now)
            elif child.restart_at is not None and now >= child.restart_at and not child.given_up:
                self._start_again(child, now)

    def _start_again(self, child: Child, now: float) -> None:
        try:
            child.start()
        except (OSError, RuntimeError) as error:  # no descriptor, no thread, no memory: for now
            delay = self._next_delay(child)
            child.restart_at = now + delay
            reason = getattr(error, "strerror", None) or error
            log.error("%s cannot be started (%s), tried again in %.1f s", child.role, reason, delay)  # noqa: TRY400

    def _next_delay(self, child: Child) -> float:
        delay = child.backoff_s * self._random.uniform(0.5, 1.0)
        child.backoff_s = min(2 * max(child.backoff_s, FIRST_RESTART_S), LONGEST_RESTART_S)
        return delay

    def _bury(self, child: Child, now: float) -> None:
        lived = now - child.started
        code = child.reap()
        if child.settled(code):
            if child.fatal is not None and child is not self.fetcher and not child.stopping:
                log.error("%s stopped for good: %s", child.role, child.fatal)
            return
        if lived >= STEADY_S:
            child.backoff_s = FIRST_RESTART_S
        delay = self._next_delay(child)
        child.deaths = [t for t in child.deaths if now - t < 60] + [now]
        child.restart_at = now + delay
        why = f" ({child.state['fatal']})" if child.state.get("fatal") else ""
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}{why}"
        many = "; it dies often: look at the log" if len(child.deaths) > MANY_RESTARTS else ""
        log.warning("%s %s and starts again in %.1f s%s", child.role, how, delay, many)

    def kill(self) -> None:
        """Ends every child now, and waits until they are gone and their last words are in the log."""
        for child in self.children:
            child.give_up()
        for child in self.children:
            if child.process is not None:
                child.reap()
        deadline = time.monotonic() + LAST_WORDS_S
        for child in self.children:
            child.hear_out(deadline - time.monotonic())
