"""Server-sent events: one viewer's connection, which holds numbers and never a queue. Dashboard process, event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence

from pipeline.dashboard.channel import Channel
from pipeline.dashboard.columns import iso_utc
from pipeline.dashboard.feed import HEARTBEAT_S, Feed
from pipeline.dashboard.frames import Frame, Packer
from pipeline.dashboard.security import Receive, Scope, Send

STREAMS_MAX = 800
WATCH_MAX = 8
SEND_TIMEOUT_S = 30.0
"""A viewer that takes nothing for so long is cut off; it connects again when it lives."""


class Viewer:
    """What one connection was sent last of each channel, of the operations and of the heartbeat."""

    def __init__(self, feed: Feed, watches: Sequence[str], operations: bool) -> None:
        """Raises LookupError when there are too many watched days."""
        self._feed = feed
        self._operations_sent = 0 if operations else None
        self._beats_sent = feed.beats
        self._sent: dict[Channel, int] = {}
        for watch in dict.fromkeys(watches):
            channel = feed.watch(watch)
            if channel is None:
                self.close()
                raise LookupError("too many days are watched")
            self._sent[channel] = -1
        self.wake = asyncio.Event()
        self.wake.set()
        feed.wakes.add(self.wake)

    def close(self) -> None:
        for channel in self._sent:
            self._feed.channels.unwatch(channel)
        if hasattr(self, "wake"):
            self._feed.wakes.discard(self.wake)

    def hello(self) -> Frame:
        return Frame(
            "hello",
            {
                "epoch": self._feed.epoch,
                "heartbeat_s": HEARTBEAT_S,
                "server_time_utc": iso_utc(self._feed.now()),
                "watch": [channel.watch for channel in self._sent],
            },
        )

    def due(self) -> Iterator[Frame]:
        """The frames that this viewer has not got: the newest one where it follows, a snapshot where it fell behind."""
        feed = self._feed
        for channel, sent in self._sent.items():
            if channel.state is None or channel.seq == sent:
                continue
            self._sent[channel] = channel.seq
            follows = sent == channel.seq - 1 and channel.frame is not None
            yield channel.frame if follows and channel.frame is not None else feed.full_frame(channel)
        if self._operations_sent is not None and self._operations_sent != feed.operations_seq:
            self._operations_sent = feed.operations_seq
            if feed.operations_frame is not None:
                yield feed.operations_frame
        if self._beats_sent != feed.beats and feed.beat is not None:
            self._beats_sent = feed.beats
            yield feed.beat


async def stream(feed: Feed, viewer: Viewer, packed: bool, scope: Scope, receive: Receive, send: Send) -> None:
    """Sends until the viewer leaves, the feed closes, or the viewer takes nothing for SEND_TIMEOUT_S."""
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store, no-transform"),
        (b"x-accel-buffering", b"no"),
        (b"vary", b"accept-encoding"),
        *([(b"content-encoding", b"gzip")] if packed else []),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["method"] == "HEAD":
        await send({"type": "http.response.body", "body": b""})
        return
    leaving = asyncio.ensure_future(_leave(receive, viewer.wake))
    packer = Packer() if packed else None

    async def give(frame: Frame) -> None:
        body = packer.add(frame) if packer else frame.plain
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await send({"type": "http.response.body", "body": body, "more_body": True})

    try:
        await give(viewer.hello())
        ending = False
        while not (leaving.done() or ending):
            await viewer.wake.wait()
            viewer.wake.clear()
            ending = feed.closing  # known before the frames are asked for: the last ones are among them
            for frame in viewer.due():
                await give(frame)
        if not leaving.done():
            await give(Frame("bye", {"reason": "stopping"}))
            await send({"type": "http.response.body", "body": packer.end() if packer else b""})
    except TimeoutError:
        return  # the server closes the connection of an answer that was not finished
    finally:
        leaving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await leaving


async def _leave(receive: Receive, wake: asyncio.Event) -> None:
    """Ends when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        continue
    wake.set()
