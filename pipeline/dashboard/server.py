"""Runs the dashboard: socket, application, feed, and an end within 2.5 s whoever still watches. Dashboard process."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import resource
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.dashboard.app import build
from pipeline.dashboard.feed import Feed
from pipeline.dashboard.gate import Gate
from pipeline.dashboard.hours import MarketHours
from pipeline.dashboard.operations import Status
from pipeline.dashboard.security import Guard, check_listen
from pipeline.dashboard.static import Assets
from pipeline.dburl import DatabaseUrl
from pipeline.errors import UsageError

CONNECTIONS_MAX = 1024
BACKLOG = 1024
SEND_BUFFER_BYTES = 128 * 1024
"""Bounds what the kernel keeps for a viewer that does not read."""
REQUEST_TIMEOUT_S = 10
STOP_LOOK_S = 0.1
LAST_LOOK_S = 0.8
GRACE_S = 1


class Protocol(H11Protocol):
    """HTTP/1.1, and an end for connections that do not send a whole request in time."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._deadline()

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        idle = before is None or before.response_complete
        kept = self.timeout_keep_alive_task if idle else None
        if kept is not None:
            # Bytes of an unfinished request do not extend its time, be it the first one or a later one.
            self.timeout_keep_alive_task = None
        super().data_received(data)
        if kept is not None:
            if self.cycle is before and not self.transport.is_closing():
                self.timeout_keep_alive_task = kept
            else:
                kept.cancel()

    def _deadline(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(REQUEST_TIMEOUT_S, self._too_slow)

    def _too_slow(self) -> None:
        self.transport.close()


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: the signals are ours, or the supervisor's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(
    urls: Sequence[DatabaseUrl],
    listen: tuple[str, int],
    state_dir: Path | None,
    token: str | None,
    allow_hosts: Sequence[str],
    ready: Callable[[str], None] | None,
    stop: Event | None,
    signals: bool,
    flag: str,
) -> None:
    """See `pipeline.dashboard.serve`."""
    check_listen(listen[0], token)
    if not urls:
        raise UsageError("the dashboard needs a database: give --db URL")
    _allow_files()
    with bind(listen, flag) as listener, contextlib.closing(MarketHours()) as hours:
        feed = Feed(Gate(urls), Status(state_dir), hours.of)
        application, _ = build(feed, Assets())
        server = Server(_config(Guard(application, listen[0], token, allow_hosts)))
        announce = functools.partial(ready, url_of(listen[0], listener)) if ready is not None else None
        asyncio.run(_serve(server, feed, listener, announce, stop, signals))


def _allow_files() -> None:
    """Room for every connection: the usual soft limit is just CONNECTIONS_MAX."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS_MAX + 256
    if soft != resource.RLIM_INFINITY and soft < wanted:
        room = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, room), hard))


def bind(listen: tuple[str, int], flag: str = "--listen") -> socket.socket:
    """A listening socket. Raises UsageError, naming the user's `flag`, when the address cannot be had."""
    host, port = listen
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, number)
    except OSError as error:
        raise UsageError(f"the dashboard cannot listen on {host}:{port}: {error.strerror or error}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"the dashboard cannot listen on {host}:{port}: {error.strerror}; give another one with {flag} HOST:PORT"
        ) from error
    return listener


def url_of(host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


async def _serve(
    server: Server,
    feed: Feed,
    listener: socket.socket,
    announce: Callable[[], None] | None,
    stop: Event | None,
    signals: bool,
) -> None:
    ending = asyncio.Event()
    if signals:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ending.set)
    tasks = [asyncio.ensure_future(feed.run()), asyncio.ensure_future(_watch_stop(stop, ending))]
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    waiting = asyncio.ensure_future(_announce(server, announce, ending))
    await asyncio.wait([serving, waiting, tasks[0]], return_when=asyncio.FIRST_COMPLETED)
    feed.finish()
    await asyncio.wait(tasks[:1], timeout=LAST_LOOK_S)
    feed.close()
    server.should_exit = True
    await serving
    for task in (*tasks, waiting):
        task.cancel()
    for outcome in await asyncio.gather(*tasks, waiting, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


def _config(app: Any) -> uvicorn.Config:
    # The log is the caller's; a line per request would drown it.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    return uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=16 * 1024,
    )


async def _announce(server: Server, announce: Callable[[], None] | None, ending: asyncio.Event) -> None:
    """Says that the server listens, once it does; ends when the server has to."""
    while not server.started:
        await asyncio.sleep(0.01)
    if announce is not None:
        announce()
    await ending.wait()


async def _watch_stop(stop: Event | None, ending: asyncio.Event) -> None:
    while stop is not None and not stop.is_set():
        await asyncio.sleep(STOP_LOOK_S)
    if stop is not None:
        ending.set()
