"""Parameters of a request and bodies of an answer: checked, encoded once, compressed. Dashboard process, event loop."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pipeline.dashboard.channel import day_of
from pipeline.dashboard.frames import to_json
from pipeline.dashboard.gate import Busy
from pipeline.dashboard.static import Asset

CACHE_S = 1.0
CACHE_MAX = 128
GZIP_FROM_BYTES = 512
NAME_MAX = 128


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


def busy_code(error: Busy) -> str:
    return "too_many_streams" if "stream" in str(error) or "watched" in str(error) else "busy"


def error_answer(status: int, code: str, message: str, retry_s: int | None = None) -> Response:
    headers = {"cache-control": "no-store"} | ({"retry-after": str(retry_s)} if retry_s is not None else {})
    body = to_json({"error": {"code": code, "message": message}})
    return Response(body, status, media_type="application/json", headers=headers)


def accepts_gzip(request: Request) -> bool:
    accepted = request.headers.get("accept-encoding", "")
    return any(
        part.strip().split(";")[0] == "gzip" and not part.replace(" ", "").endswith("q=0")
        for part in accepted.split(",")
    )


def file_answer(request: Request, asset: Asset, cache: str) -> Response:
    headers = {"cache-control": cache, "vary": "accept-encoding", "content-type": asset.kind}
    if accepts_gzip(request):
        return Response(asset.packed, headers=headers | {"content-encoding": "gzip"})
    return Response(asset.plain, headers=headers)


def name_of(request: Request, key: str) -> str | None:
    value = request.query_params.get(key)
    if value is not None and len(value) > NAME_MAX:
        raise BadRequest(f"{key} has more than {NAME_MAX} characters")
    return value or None


def date_of(request: Request) -> str | None:
    value = request.query_params.get("date", "")
    try:
        return day_of(value)
    except ValueError:
        raise BadRequest(f"date={value!r} is not a day as YYYY-MM-DD") from None


def number_of(request: Request, key: str, default: int | None, low: int, high: int) -> int | None:
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
