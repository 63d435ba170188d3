"""The routes (docs/api.md). Dashboard process, event loop; everything that reads a database goes through the gate."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.dashboard import changes, load, metrics, operations
from pipeline.dashboard.answers import (
    NAME_MAX,
    Answers,
    BadRequest,
    accepts_gzip,
    busy_code,
    date_of,
    error_answer,
    file_answer,
    name_of,
    number_of,
)
from pipeline.dashboard.channel import split_watch
from pipeline.dashboard.columns import iso_utc
from pipeline.dashboard.feed import Feed
from pipeline.dashboard.gate import Busy, Unreachable
from pipeline.dashboard.load import NotFound
from pipeline.dashboard.security import Receive, Scope, Send
from pipeline.dashboard.static import INDEX, MISSING_PAGE, Assets
from pipeline.dashboard.stream import STREAMS_MAX, WATCH_MAX, Viewer, stream
from pipeline.reader import Reader

DAYS_MAX = 5


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
        return file_answer(request, asset, "no-cache")

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        asset = self._assets.get(name)
        if asset is None or name == INDEX:
            raise NotFound("not_found", "no such file")
        return file_answer(request, asset, "public, max-age=31536000, immutable")

    async def nothing(self, request: Request) -> Response:
        return Response(status_code=204)

    # Probes

    async def healthz(self, request: Request) -> Response:
        return Response(b"ok\n", media_type="text/plain")

    async def readyz(self, request: Request) -> Response:
        """200 when the database can be read, pipeline running or not. Asks beside the page's long answers."""
        gate = self._feed.gate
        try:
            await self._answers.get("readyz", lambda: gate.ask(lambda reader: len(reader.universes()), "feed"))
        except (Unreachable, Busy):
            # Needs no token, so it does not say which database, nor what that said.
            return Response(b"the database cannot be read\n", 503, media_type="text/plain")
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
        date, t = date_of(request), number_of(request, "t", None, 0, 10 * 86_400)
        static = request.query_params.get("static", "1") != "0"
        name = name_of(request, "universe")
        channel = self._feed.channels.shown(name, date) if t is None else None
        if channel is not None:
            key = ("channel", channel.watch, channel.seq, static)
            return await self._json(request, key, lambda: _done(self._feed.snapshot(channel, static=static)))
        if self._feed.channels.default.universe is None and name is None:
            return await self._json(request, "empty", lambda: _done(self._empty()))
        universe = await self._universe(request)

        def read(reader: Reader) -> tuple[load.View, dict[str, int]]:
            day = load.resolve_date(reader, universe, date)
            revision = self._feed.revisions.of(reader, universe, day)
            series = {"count": reader.poll_count(universe, day), "rev": revision.number}
            return load.view(reader, universe, day, t), series

        async def make() -> Any:
            view, series = await self._feed.gate.ask(read)
            return {
                "universe": universe,
                "seq": None,
                "epoch": None,
                "state": {"since_utc": None, **self._feed.state_of(universe, view)},
                **changes.whole(view, static=static),
                "series": series,
            }

        return await self._json(request, ("snapshot", universe, date, t, static), make)

    def _empty(self) -> dict[str, Any]:
        state = {"since_utc": None, **self._feed.state_of("", None)}
        head = {"universe": None, "seq": None, "epoch": None, "state": state}
        return {**head, **changes.whole(None), "series": {"count": 0, "rev": 0}}

    async def series(self, request: Request) -> Response:
        universe, date = await self._universe(request), date_of(request)
        days = number_of(request, "days", 2, 1, DAYS_MAX) or 1

        def read(reader: Reader) -> list[dict[str, Any]]:
            wanted = load.days_to(reader, universe, load.resolve_date(reader, universe, date), days)
            revisions = [self._feed.revisions.of(reader, universe, day) for day in wanted]
            return [
                load.series(reader, universe, day) | {"rev": revision.number}
                for day, revision in zip(wanted, revisions, strict=True)
            ]

        async def make() -> Any:
            return {"universe": universe, "days": await self._feed.gate.ask(read)}

        return await self._json(request, ("series", universe, date, days, self._stand(universe)), make)

    def _stand(self, universe: str) -> tuple[tuple[str, int], ...]:
        """What a kept answer is of: an event of any watched day of the universe may ask for what is newer."""
        return tuple((channel.watch, channel.seq) for channel in self._feed.channels if channel.universe == universe)

    async def stock(self, request: Request) -> Response:
        universe, date, symbol = await self._universe(request), date_of(request), name_of(request, "symbol")
        if symbol is None:
            raise BadRequest("symbol is missing")

        def read(reader: Reader) -> dict[str, Any]:
            return load.stock(reader, universe, load.resolve_date(reader, universe, date), symbol)

        key = ("stock", universe, date, symbol)
        return await self._json(request, key, lambda: self._feed.gate.ask(read))

    async def operations(self, request: Request) -> Response:
        return await self._json(request, ("ops", self._feed.operations_seq), lambda: _done(self._feed.operations()))

    async def history(self, request: Request) -> Response:
        points = number_of(request, "points", operations.POINTS_DEFAULT, 1, operations.POINTS_MAX) or 1
        since, date = number_of(request, "since", None, 0, 1 << 40), date_of(request)
        start, end = operations.span(date, since, self._feed.now())
        directory = self._feed.status.directory
        market = (self._feed.status.content or {}).get("market") or {}

        async def make() -> Any:
            return await asyncio.to_thread(operations.history, directory, start, end, points, market.get("timezone"))

        return await self._json(request, ("history", date, since, points), make)

    # Helpers

    async def _universe(self, request: Request) -> str:
        """The one asked for, or the default. Raises NotFound when nothing is stored at all."""
        universe = name_of(request, "universe") or self._feed.channels.default.universe
        if universe is None:
            universe = await self._feed.gate.ask(self._feed.default_universe)
        if universe is None:
            raise NotFound("unknown_universe", "nothing is stored yet")
        return universe

    async def _json(self, request: Request, key: Any, make: Callable[[], Awaitable[Any]]) -> Response:
        plain, packed = await self._answers.get(key, make)
        headers = {"cache-control": "no-store", "vary": "accept-encoding"}
        if packed and accepts_gzip(request):
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
            await stream(feed, viewer, accepts_gzip(request), scope, receive, send)
        finally:
            viewer.close()


def build(feed: Feed, assets: Assets) -> tuple[Starlette, Api]:
    """The application without its guard."""
    api = Api(feed, assets)
    handlers: dict[Any, Any] = {
        BadRequest: lambda request, error: error_answer(400, "bad_request", str(error)),
        NotFound: lambda request, error: error_answer(404, error.code, str(error)),
        Unreachable: lambda request, error: error_answer(503, "database_unreachable", str(error), retry_s=2),
        Busy: lambda request, error: error_answer(503, busy_code(error), str(error), retry_s=5),
        HTTPException: lambda request, error: error_answer(error.status_code, "not_found", "no such address"),
    }
    application = Starlette(routes=api.routes(), exception_handlers=handlers)
    application.router.redirect_slashes = False  # a redirect would name a scheme that a proxy may have changed
    return application, api


async def _done(value: Any) -> Any:
    return value
