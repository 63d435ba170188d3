"""One look at the database for all viewers: channels, their sequence, their newest frame. Dashboard process.

A channel is a watched day (`nifty50`, the newest; `nifty50@2026-11-25`). The feed asks for its version token, loads it
when that changed, and turns the difference into one frame. Nothing is kept per viewer: a viewer holds the number it was
sent last and takes the newest frame, or a fresh snapshot when it missed one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pipeline.dashboard import changes
from pipeline.dashboard.channel import Channel, Loaded, look
from pipeline.dashboard.channels import Channels, loop_time
from pipeline.dashboard.columns import iso_utc
from pipeline.dashboard.frames import Frame
from pipeline.dashboard.gate import Busy, Gate, Unreachable
from pipeline.dashboard.load import View
from pipeline.dashboard.operations import Status
from pipeline.dashboard.revisions import Revisions
from pipeline.dashboard.state import Hours, in_session, pipeline_of, state
from pipeline.reader import Reader

log = logging.getLogger(__name__)

STATE_S = 1.0
STATUS_S = 1.0
RETRY_S = 1.0
HEARTBEAT_S = 10


class Feed:
    """Keeps the channels up to date and wakes the viewers. Runs on the loop; only `look` runs elsewhere."""

    def __init__(
        self,
        gate: Gate,
        status: Status,
        hours: Callable[[str | None], Hours],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.gate, self.status, self.hours, self.now = gate, status, hours, now
        self.epoch = secrets.token_hex(4)
        self.channels = Channels()
        self.revisions = Revisions()
        self._busy = False
        self.wakes: set[asyncio.Event] = set()
        self.problem: str | None = None
        self.closing = self._finishing = False
        self.beat: Frame | None = None
        self.beats = 0
        self.operations_frame: Frame | None = None
        self.operations_seq = 0
        self.looks = self.changes_seen = 0
        self._ran: bool | None = None
        self._touched = asyncio.Event()

    # What the application asks

    def watch(self, watch: str) -> Channel | None:
        """The channel, made when it is new; None when there are too many."""
        channel = self.channels.watch(watch)
        self._touched.set()
        return channel

    def snapshot(self, channel: Channel, *, static: bool = True) -> dict[str, Any]:
        """The snapshot answer of a channel as its stream stands; its state has the clock of this moment."""
        clock = {"server_time_utc": iso_utc(self.now())}
        return {
            "universe": channel.universe,
            "seq": channel.seq,
            "epoch": self.epoch,
            "state": channel.state and channel.state | clock,
            **changes.whole(channel.view, static=static),
            "series": {"count": channel.mark.count, "rev": channel.mark.rev},
        }

    def full_frame(self, channel: Channel) -> Frame:
        if channel.full is None:
            channel.full = Frame("snapshot", {"watch": channel.watch, **self.snapshot(channel)})
        return channel.full

    def operations(self) -> dict[str, Any]:
        now = self.now()
        age = self.status.age_s(now)
        return {
            "server_time_utc": iso_utc(now),
            "running": self.status.running(now),
            "age_s": None if age is None else round(age, 1),
            "problem": self.status.problem(now),
            "status": self.status.content,
            "viewers": len(self.wakes),
            "database": self.gate.role,
        }

    def state_of(self, universe: str, view: View | None, changed: datetime | None = None) -> dict[str, Any]:
        """The state of a view now, without `since_utc`."""
        now = self.now()
        age = self.status.age_s(now)
        pipeline = pipeline_of(self.status.content, age, universe, has_directory=self.status.directory is not None)
        told = pipeline.market is not None or (view is not None and in_session(view, now))
        hours = Hours() if told else self.hours(view.clock.zone.key if view else None)
        return state(view, pipeline, hours, now, changed=changed, problem=self.problem)

    # The loop

    async def run(self) -> None:
        """Until `close`, or a last look after `finish`. Never ends by itself: a database that fails is a state."""
        beat = loop_time() + HEARTBEAT_S
        status_at = state_at = 0.0
        last = False
        while not (self.closing or last):
            now, last = loop_time(), self._finishing
            if last or now >= status_at:
                status_at = now + STATUS_S
                self._look_at_status()
            await self._look_at_database(list(self.channels if last else self.channels.due()))
            if last or now >= state_at:
                state_at = now + STATE_S
                self._refresh_states()
            if now >= beat:
                beat = now + HEARTBEAT_S
                self._heartbeat()
            await self._pause()

    def finish(self) -> None:
        """Lets `run` look once more at all there is, and end."""
        self._finishing = True
        self._touched.set()

    def close(self) -> None:
        """Ends `run`, and every viewer's stream once it has got what is published."""
        self.closing = True
        self._touched.set()
        self._wake()

    async def _pause(self) -> None:
        pause = RETRY_S if self.problem else self.channels.pause_s()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._touched.wait()
        self._touched.clear()

    async def _look_at_database(self, due: list[Channel]) -> None:
        if not due:
            return
        try:
            found = await self.gate.ask(lambda reader: self._look(reader, due), lane="feed")
        except Busy as error:
            self._put_off(str(error), due)
            return
        except Unreachable as error:
            self._fail(str(error))
            return
        except Exception as error:
            self._fail(f"{type(error).__name__}: {error}")
            return
        if self.problem is not None:
            log.info("dashboard: the database answers again")
            self.problem = None
            self._refresh_states()
        self._busy = False
        self.looks += 1
        for channel, universe, loaded in found:
            channel.looked = loop_time()
            channel.universe = universe
            if loaded is not None:
                self._take(channel, loaded)
            elif channel.state is None:
                self._publish_full(channel)

    def _look(self, reader: Reader, due: list[Channel]) -> list[tuple[Channel, str | None, Loaded | None]]:
        found: list[tuple[Channel, str | None, Loaded | None]] = []
        for channel in due:
            settled = channel.watch or channel.view is not None  # the default one may still be another
            universe = (channel.universe if settled else None) or self.default_universe(reader)
            loaded = None
            if universe:
                loaded = look(reader, self.revisions, universe, channel.date, channel.token, channel.mark)
            found.append((channel, universe, loaded))
        return found

    def default_universe(self, reader: Reader) -> str | None:
        """The running pipeline's universe, be it the only one that is to come, else the one with the newest day."""
        known = reader.universes()
        running = (self.status.content or {}).get("universe") if self.status.running(self.now()) else None
        if running and (not known or any(row["name"] == running for row in known)):
            return str(running)
        newest = max(known, key=lambda row: (row["latest_date"], row["days"]), default=None)
        return str(newest["name"]) if newest else None

    def _put_off(self, why: str, due: list[Channel]) -> None:
        """What was read before stays, and is asked for again; where nothing was read, that is what viewers are told."""
        if self.problem is not None or any(channel.state is None for channel in due):
            self._fail(why)
        elif not self._busy:
            log.warning("dashboard: %s; what was read before stays, and is asked for again", why)
            self._busy = True

    def _fail(self, problem: str) -> None:
        if self.problem is None:
            log.warning("dashboard: the database cannot be read: %s", problem)
        self.problem = problem
        self._refresh_states()

    # Publishing

    def _take(self, channel: Channel, loaded: Loaded) -> None:
        old, first = channel.view, channel.token is None
        channel.token, channel.view, channel.mark = loaded.token, loaded.view, loaded.mark
        self.changes_seen += 1
        if not first:
            channel.changed = self.now()
        if first or old is None or loaded.view is None or not changes.comparable(old, loaded.view):
            self._publish_full(channel)
            return
        self._set_state(channel)
        data = changes.difference(old, loaded.view)
        more = {
            "state": channel.state,
            "series": {"count": channel.mark.count, "rev": channel.mark.rev},
            "points": loaded.points,
            "reasons": loaded.reasons,
        }
        self._publish(channel, "change", data | more)

    def _publish_full(self, channel: Channel) -> None:
        self._set_state(channel)
        channel.seq += 1
        channel.frame = self.full_frame(channel)
        channel.published = loop_time()
        self._wake()

    def _publish(self, channel: Channel, event: str, data: dict[str, Any]) -> None:
        head = {"watch": channel.watch, "universe": channel.universe, "seq": channel.seq + 1, "base": channel.seq}
        channel.frame = Frame(event, head | data)
        channel.seq += 1
        if event == "change":
            channel.published = loop_time()
        self._wake()

    def _set_state(self, channel: Channel) -> bool:
        """Whether the state changed (its clock aside)."""
        found = self.state_of(channel.universe or "", channel.view, channel.changed)
        old = channel.state
        if old is None or old["name"] != found["name"]:
            channel.since = self.now()
        found["since_utc"] = iso_utc(channel.since)
        channel.state = found
        channel.full = None  # its clock is a second old
        return old is None or old | {"server_time_utc": found["server_time_utc"]} != found

    def _refresh_states(self) -> None:
        for channel in self.channels:
            if channel.state is None and self.problem is None:
                continue  # not loaded yet
            if channel.state is None:
                self._publish_full(channel)
            elif self._set_state(channel):
                self._publish(channel, "state", {"state": channel.state})

    def _look_at_status(self) -> None:
        running = self.status.running(self.now())
        if self.status.refresh() or self.operations_frame is None or running != self._ran:
            self._ran = self.status.running(self.now())
            self.operations_frame = Frame("operations", self.operations())
            self.operations_seq += 1
            self._wake()

    def _heartbeat(self) -> None:
        self.beats += 1
        self.beat = Frame("heartbeat", {"server_time_utc": iso_utc(self.now()), "viewers": len(self.wakes)})
        self._wake()

    def _wake(self) -> None:
        for wake in self.wakes:
            wake.set()
