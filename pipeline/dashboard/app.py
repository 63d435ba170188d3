"""The routes (docs/api.md). Dashboard process, event loop; everything that reads a database goes through the gate."""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.dashboard import changes, load, metrics, operations
from pipeline.dashboard.columns import iso_utc
from pipeline.dashboard.feed import Feed, split_watch
from pipeline.dashboard.frames import to_json
from pipeline.dashboard.gate import Busy, Unreachable
from pipeline.dashboard.load import NotFound
from pipeline.dashboard.security import Receive, Scope, Send
from pipeline.dashboard.static import INDEX, MISSING_PAGE, Asset, Assets
from pipeline.dashboard.stream import STREAMS_MAX, WATCH_MAX, Viewer, stream
from pipeline.reader import Reader

CACHE_S = 1.0
CACHE_MAX = 128
GZIP_FROM_BYTES = 512
DAYS_MAX = 5
NAME_MAX = 128
_DATE = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")


class BadRequest(Exception):
    """A parameter that cannot be; the message names it."""


class Answers:
    """Encoded answers for a second: a hundred browsers that open at once ask the database once."""

    def __init__(self) -> None:
        self._kept: dict[Any, tuple[float, asyncio.Task[tuple[bytes, bytes]]]] = {}

    async def get(self, key: Any, make: Callable[[], Awaitable[Any]]) -> tuple[bytes, bytes]:
        """(plain, gzip) of what `make` gives."""
        now = time.monotonic()
        for old, (until, task) in list(self._kept.items()):
            if until < now and task.done():
                del self._kept[old]
        kept = self._kept.get(key)
        if kept is None or kept[0] < now:
            kept = (now + CACHE_S, asyncio.ensure_future(self._encode(make)))
            if len(self._kept) < CACHE_MAX:
                self._kept[key] = kept
        try:
            return await asyncio.shield(kept[1])
        except Exception:
            self._kept.pop(key, None)
            raise

    @staticmethod
    async def _encode(make: Callable[[], Awaitable[Any]]) -> tuple[bytes, bytes]:
        return await asyncio.to_thread(_pack, to_json(await make()))


def _pack(plain: bytes) -> tuple[bytes, bytes]:
    return plain, gzip.compress(plain, 6, mtime=0) if len(plain) >= GZIP_FROM_BYTES else b""


class Api:
    """The handlers, over one feed."""

    def __init__(self, feed: Feed, assets: Assets) -> None:
        self._feed, self._assets = feed, assets
        self._answers = Answers()
        self.metrics = metrics.Metrics(feed)

    def routes(self) -> list[Route]:
        return [
            Route("/", self.index),
            Route("/static/{name:path}", self.static),
            Route("/favicon.ico", self.nothing),
            Route("/healthz", self.healthz),
            Route("/readyz", self.readyz),
            Route("/metrics", self.metrics_text),
            Route("/api/v1/universes", self.universes),
            Route("/api/v1/dates", self.dates),
            Route("/api/v1/snapshot", self.snapshot),
            Route("/api/v1/series", self.series),
            Route("/api/v1/stock", self.stock),
            Route("/api/v1/operations", self.operations),
            Route("/api/v1/operations/history", self.history),
            Route("/api/v1/stream", Stream(self._feed)),
        ]

    # The page

    async def index(self, request: Request) -> Response:
        asset = self._assets.get(INDEX)
        if asset is None:
            return Response(MISSING_PAGE, media_type="text/html", headers={"cache-control": "no-store"})
        return _asset(request, asset, "no-cache")

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        asset = self._assets.get(name)
        if asset is None or name == INDEX:
            raise NotFound("not_found", "no such file")
        return _asset(request, asset, "public, max-age=31536000, immutable")

    async def nothing(self, request: Request) -> Response:
        return Response(status_code=204)

    # Probes

    async def healthz(self, request: Request) -> Response:
        return Response(b"ok\n", media_type="text/plain")

    async def readyz(self, request: Request) -> Response:
        """200 when the database can be read, pipeline running or not."""
        try:
            await self._answers.get("readyz", lambda: self._feed.gate.ask(lambda reader: len(reader.universes())))
        except (Unreachable, Busy) as error:
            return Response(f"{error}\n", 503, media_type="text/plain")
        return Response(b"ready\n", media_type="text/plain")

    async def metrics_text(self, request: Request) -> Response:
        body, kind = self.metrics.text(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": kind})

    # Data

    async def universes(self, request: Request) -> Response:
        return await self._json(request, "universes", self._universes)

    async def _universes(self) -> dict[str, Any]:
        known = await self._feed.gate.ask(lambda reader: reader.universes())
        default = await self._feed.gate.ask(self._feed.default_universe)
        now = self._feed.now()
        running = self._feed.status.running(now)
        writes = (self._feed.status.content or {}).get("universe")
        for row in known:
            row["running"] = (running and writes == row["name"]) if running is not None else None
        return {"default": default, "server_time_utc": iso_utc(now), "epoch": self._feed.epoch, "universes": known}

    async def dates(self, request: Request) -> Response:
        universe = await self._universe(request)

        async def make() -> Any:
            dates = await self._feed.gate.ask(lambda reader: reader.dates(universe))
            if not dates:
                raise NotFound("unknown_universe", f"nothing is stored for the universe {universe!r}")
            return {"universe": universe, "dates": dates}

        return await self._json(request, ("dates", universe), make)

    async def snapshot(self, request: Request) -> Response:
        date, t = _date(request), _number(request, "t", None, 0, 10 * 86_400)
        static = request.query_params.get("static", "1") != "0"
        name = _name(request, "universe")
        channel = self._feed.newest(name) if date is None and t is None else None
        if channel is not None:
            key = ("channel", channel.watch, channel.seq, static, id(channel.state))
            return await self._json(request, key, lambda: _done(self._feed.snapshot(channel, static=static)))
        if self._feed.channels[""].universe is None and name is None:
            return await self._json(request, "empty", lambda: _done(self._empty()))
        universe = await self._universe(request)

        async def make() -> Any:
            view, mark = await self._feed.gate.ask(lambda reader: _view(reader, universe, date, t))
            return {
                "universe": universe,
                "seq": None,
                "epoch": None,
                "state": {"since_utc": None, **self._feed.state_of(universe, view)},
                **changes.whole(view, static=static),
                "series": {"count": mark, "rev": 0},
            }

        return await self._json(request, ("snapshot", universe, date, t, static), make)

    def _empty(self) -> dict[str, Any]:
        state = {"since_utc": None, **self._feed.state_of("", None)}
        head = {"universe": None, "seq": None, "epoch": None, "state": state}
        return {**head, **changes.whole(None), "series": {"count": 0, "rev": 0}}

    async def series(self, request: Request) -> Response:
        universe, date = await self._universe(request), _date(request)
        days = _number(request, "days", 2, 1, DAYS_MAX) or 1

        def read(reader: Reader) -> list[dict[str, Any]]:
            return load.series(reader, universe, load.resolve_date(reader, universe, date), days)

        async def make() -> Any:
            found = await self._feed.gate.ask(read)
            for day in found:
                day["rev"] = self._rev(universe, day["trade_date"])
            return {"universe": universe, "days": found}

        return await self._json(request, ("series", universe, date, days, self._rev_key(universe)), make)

    def _rev(self, universe: str, date: str) -> int:
        for channel in self._feed.channels.values():
            if channel.universe == universe and channel.view is not None and channel.view.trade_date == date:
                return channel.mark.rev
        return 0

    def _rev_key(self, universe: str) -> int:
        channel = self._feed.newest(universe)
        return channel.seq if channel else -1

    async def stock(self, request: Request) -> Response:
        universe, date, symbol = await self._universe(request), _date(request), _name(request, "symbol")
        if symbol is None:
            raise BadRequest("symbol is missing")

        def read(reader: Reader) -> dict[str, Any]:
            return load.stock(reader, universe, load.resolve_date(reader, universe, date), symbol)

        key = ("stock", universe, date, symbol)
        return await self._json(request, key, lambda: self._feed.gate.ask(read))

    async def operations(self, request: Request) -> Response:
        return await self._json(request, ("ops", self._feed.operations_seq), lambda: _done(self._feed.operations()))

    async def history(self, request: Request) -> Response:
        points = _number(request, "points", operations.POINTS_DEFAULT, 1, operations.POINTS_MAX) or 1
        since, date = _number(request, "since", None, 0, 1 << 40), _date(request)
        start, end = operations.span(date, since, self._feed.now())
        directory = self._feed.status.directory
        market = (self._feed.status.content or {}).get("market") or {}

        async def make() -> Any:
            return await asyncio.to_thread(operations.history, directory, start, end, points, market.get("timezone"))

        return await self._json(request, ("history", date, since, points), make)

    # Helpers

    async def _universe(self, request: Request) -> str:
        """The one asked for, or the default. Raises NotFound when nothing is stored at all."""
        universe = _name(request, "universe") or self._feed.channels[""].universe
        if universe is None:
            universe = await self._feed.gate.ask(self._feed.default_universe)
        if universe is None:
            raise NotFound("unknown_universe", "nothing is stored yet")
        return universe

    async def _json(self, request: Request, key: Any, make: Callable[[], Awaitable[Any]]) -> Response:
        plain, packed = await self._answers.get(key, make)
        headers = {"cache-control": "no-store", "vary": "accept-encoding"}
        if packed and _accepts_gzip(request):
            return Response(packed, media_type="application/json", headers=headers | {"content-encoding": "gzip"})
        return Response(plain, media_type="application/json", headers=headers)


class Stream:
    """The ASGI application of `/api/v1/stream`."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        feed = self._feed
        watches = request.query_params.getlist("watch") or [""]
        if len(watches) > WATCH_MAX or any(len(watch) > NAME_MAX for watch in watches):
            raise BadRequest(f"watch: at most {WATCH_MAX} of at most {NAME_MAX} characters")
        for watch in watches:
            try:
                split_watch(watch)
            except ValueError:
                raise BadRequest(f"watch={watch!r}: use UNIVERSE or UNIVERSE@YYYY-MM-DD") from None
        if len(feed.wakes) >= STREAMS_MAX or feed.closing:
            raise Busy("too many streams are open")
        try:
            viewer = Viewer(feed, watches, request.query_params.get("ops") == "1")
        except LookupError as error:
            raise Busy(str(error)) from None
        try:
            await stream(feed, viewer, _accepts_gzip(request), scope, receive, send)
        finally:
            viewer.close()


def build(feed: Feed, assets: Assets) -> tuple[Starlette, Api]:
    """The application without its guard."""
    api = Api(feed, assets)
    handlers: dict[Any, Any] = {
        BadRequest: lambda request, error: _error(400, "bad_request", str(error)),
        NotFound: lambda request, error: _error(404, error.code, str(error)),
        Unreachable: lambda request, error: _error(503, "database_unreachable", str(error), retry_s=2),
        Busy: lambda request, error: _error(503, _busy_code(error), str(error), retry_s=5),
        HTTPException: lambda request, error: _error(error.status_code, "not_found", "no such address"),
    }
    return Starlette(routes=api.routes(), exception_handlers=handlers), api


def _view(reader: Reader, universe: str, date: str | None, t: int | None) -> tuple[load.View, int]:
    day = load.resolve_date(reader, universe, date)
    return load.view(reader, universe, day, t), reader.poll_count(universe, day)


async def _done(value: Any) -> Any:
    return value


def _busy_code(error: Busy) -> str:
    return "too_many_streams" if "stream" in str(error) or "watched" in str(error) else "busy"


def _error(status: int, code: str, message: str, retry_s: int | None = None) -> Response:
    headers = {"cache-control": "no-store"} | ({"retry-after": str(retry_s)} if retry_s is not None else {})
    body = to_json({"error": {"code": code, "message": message}})
    return Response(body, status, media_type="application/json", headers=headers)


def _accepts_gzip(request: Request) -> bool:
    accepted = request.headers.get("accept-encoding", "")
    return any(
        part.strip().split(";")[0] == "gzip" and not part.replace(" ", "").endswith("q=0")
        for part in accepted.split(",")
    )


def _asset(request: Request, asset: Asset, cache: str) -> Response:
    headers = {"cache-control": cache, "vary": "accept-encoding", "content-type": asset.kind}
    if _accepts_gzip(request):
        return Response(asset.packed, headers=headers | {"content-encoding": "gzip"})
    return Response(asset.plain, headers=headers)


def _name(request: Request, key: str) -> str | None:
    value = request.query_params.get(key)
    if value is not None and len(value) > NAME_MAX:
        raise BadRequest(f"{key} has more than {NAME_MAX} characters")
    return value or None


def _date(request: Request) -> str | None:
    value = request.query_params.get("date")
    if value in (None, "", "latest"):
        return None
    if not _DATE.fullmatch(value or ""):
        raise BadRequest(f"date={value!r} is not YYYY-MM-DD")
    return value


def _number(request: Request, key: str, default: int | None, low: int, high: int) -> int | None:
    value = request.query_params.get(key)
    if value is None or value == "":
        return default
    try:
        found = int(float(value))
    except (ValueError, OverflowError):
        raise BadRequest(f"{key}={value!r} is not a number") from None
    if not low <= found <= high:
        raise BadRequest(f"{key}={value} is not between {low} and {high}")
    return found
