"""The watched days: which there are, who watches them, which to look at now. Dashboard process, event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from pipeline.dashboard.channel import Channel, split_watch

LOOK_S = 0.03
IDLE_LOOK_S = 0.5
STORED_LOOK_S = 1.0
PUBLISH_GAP_S = 0.2
UNWATCHED_S = 30.0
CHANNELS_MAX = 64


class Channels:
    """By what is watched; the default universe's newest day is there always, under ""."""

    def __init__(self) -> None:
        self.default = Channel("", None, None)
        self._all: dict[str, Channel] = {"": self.default}

    def __iter__(self) -> Iterator[Channel]:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)

    def watch(self, watch: str) -> Channel | None:
        """The channel, made when it is new; None when there are too many."""
        channel = self._all.get(watch)
        if channel is None:
            if len(self._all) >= CHANNELS_MAX:
                return None
            channel = self._all[watch] = Channel(watch, *split_watch(watch), watched=loop_time())
        channel.viewers += 1
        return channel

    @staticmethod
    def unwatch(channel: Channel) -> None:
        channel.viewers -= 1
        channel.watched = loop_time()

    def shown(self, universe: str | None, date: str | None = None) -> Channel | None:
        """The loaded channel of that day (None: the newest) that is looked at, at best the one of these very words.

        None for a date without polls: whether it is stored at all is for the database to say.
        """
        words = f"{universe or ''}@{date}" if date else universe or ""
        wanted = [
            channel
            for channel in self
            if channel.date == date
            and channel.state is not None
            and channel.universe == (universe or self.default.universe)
            and (date is None or channel.mark.count)
        ]
        return max(wanted, key=lambda one: (not self._has_twin(one), one.watch == words, one.looked), default=None)

    def pause_s(self) -> float:
        """How long to wait before the next look."""
        return LOOK_S if any(channel.viewers for channel in self) else IDLE_LOOK_S

    def due(self) -> Iterator[Channel]:
        """Channels to look at now; those without viewers for a while are dropped."""
        now = loop_time()
        for channel in list(self):
            if not channel.viewers and channel.watch and now - channel.watched > UNWATCHED_S:
                del self._all[channel.watch]
            elif now - channel.published >= PUBLISH_GAP_S and not self._has_twin(channel):
                wait = STORED_LOOK_S if channel.date else LOOK_S if channel.viewers else IDLE_LOOK_S
                if channel.state is None or now - channel.looked >= wait * 0.9:
                    yield channel

    def _has_twin(self, channel: Channel) -> bool:
        """The default channel without viewers need not be looked at while another one shows the same day."""
        return (
            channel is self.default
            and not channel.viewers
            and channel.state is not None
            and any(
                other.watch and other.viewers and other.date is None and other.universe == channel.universe
                for other in self
            )
        )


def loop_time() -> float:
    return asyncio.get_running_loop().time()
