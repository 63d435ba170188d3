"""The project's own Yahoo: a threaded server on 127.0.0.1 with cookie, crumb and v7 quotes in the recorded shapes.

Tests drive it in process (`with LoopbackYahoo() as yahoo: yahoo.set_quote(...)`); integration tests and the bench run
it as a process (`python -m tests.loopback_yahoo --recording NAME --port 0`), which prints its URL on the first line and
takes the same orders as JSON by POST to `/_control` (see `LoopbackYahoo.order`); GET `/_control` answers the counts.
It never speaks to another host. It ignores curl's `Upgrade: h2c`, as a plain HTTP/1.1 server may.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

UNITS = 10_000
MOST_LISTS = 20_000
ALWAYS_SENT = {"symbol", "quoteType", "exchange", "marketState", "exchangeDataDelayedBy", "region"}
"""Fields Yahoo sends even when `fields=` does not name them (recorded: quote_TSLA_fields_limited_2025.json)."""


def quote_row(symbol: str, price: Any, prev_close: Any, volume: Any = 1000, trade_time: Any = None, **more: Any):
    """One v7 row; prices in currency. `more` overrides or adds fields; a field given as `...` is left out."""
    indian = symbol.endswith(".NS") or symbol in ("^NSEI", "^CRSLDX", "^NSEBANK", "^CNXIT")
    row = {
        "language": "en-US",
        "region": "US",
        "quoteType": "INDEX" if symbol.startswith("^") else "EQUITY",
        "currency": "INR" if indian else "USD",
        "exchange": "NSI" if indian else "NMS",
        "exchangeTimezoneName": "Asia/Kolkata" if indian else "America/New_York",
        "marketState": "REGULAR",
        "regularMarketPrice": price,
        "regularMarketPreviousClose": prev_close,
        "regularMarketVolume": volume,
        "regularMarketTime": int(time.time()) if trade_time is None else trade_time,
        "regularMarketOpen": price,
        "regularMarketDayHigh": price,
        "regularMarketDayLow": price,
        "exchangeDataDelayedBy": 0,
        "sourceInterval": 15,
        "shortName": symbol,
        "symbol": symbol,
    }
    return {key: value for key, value in {**row, **more}.items() if value is not ...}


@dataclass
class Behaviour:
    """What the next requests of a kind get instead of the truth. `times` None: until cleared.

    kind: status | hang | html | empty | cut | refuse | body (`body` as it is). `path`: cookie | crumb | quote | any.
    """

    kind: str
    path: str = "quote"
    times: int | None = None
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    yahoo: LoopbackYahoo

    def __init__(self, address: tuple[str, int], handler: Any) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that clients keep alive."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no news."""


class LoopbackYahoo:
    """The server and everything a test may set. Attributes may be changed at any time from any thread.

    `quotes`: {symbol: v7 row}. `max_list`: longer lists get HTTP 400. `only_last`: only the last of a list is answered.
    `requests`: {kind: count}; `lists`: the symbols of the newest quote requests, in order of arrival.
    """

    def __init__(self, port: int = 0, latency_s: float = 0.0) -> None:
        self.latency_s = latency_s
        self.quotes: dict[str, dict] = {}
        self.max_list: int | None = None
        self.only_last = False
        self.crumb = "lOOpBaCk.1/x"
        self.cookie = "d=AQABBLoopback"
        self.requests: Counter[str] = Counter()
        self.lists: list[list[str]] = []
        self.follow: _Follow | None = None
        self._behaviours: list[Behaviour] = []
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.yahoo = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def start(self) -> LoopbackYahoo:
        self._thread.start()
        return self

    def close(self) -> None:
        """Hanging requests are let go, connections end, the port is free afterwards."""
        self._released.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.hang_up()

    def __enter__(self) -> LoopbackYahoo:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.close()

    def set_quote(self, symbol: str, price: Any, prev_close: Any, *args: Any, **more: Any) -> None:
        self.quotes[symbol] = quote_row(symbol, price, prev_close, *args, **more)

    def set_rows(self, rows: Iterable[dict]) -> None:
        """Replace all quotes by v7 rows (recorded ones, for example)."""
        self.quotes = {row["symbol"]: row for row in rows}

    def set_recording(self, name: str, moment: datetime | None = None, *, today: bool = False) -> None:
        """The state of a recording at `moment` (default: its close); `today` moves its trades to the present day."""
        self.follow = _Follow(name, today=today)
        self.quotes = self.follow.rows(moment)

    def behave(self, kind: str, **how: Any) -> Behaviour:
        behaviour = Behaviour(kind, **how)
        with self._lock:
            self._behaviours.append(behaviour)
        return behaviour

    def recover(self) -> None:
        """Forget every order to misbehave; requests that hang are answered with nothing."""
        with self._lock:
            self._behaviours.clear()
            released, self._released = self._released, threading.Event()
        released.set()
        self.max_list, self.only_last = None, False

    def expire_crumb(self) -> None:
        """From now on only a newly asked crumb is good: everything else gets 401."""
        self.crumb = f"crumb.{time.monotonic_ns() % 10**9}"

    def order(self, order: dict[str, Any]) -> None:
        """`{"behave": {"kind": "status", "status": 429, "times": 3}}`, `{"recover": true}`, `{"latency_s": 0.5}`,
        `{"max_list": 20}`, `{"expire_crumb": true}`, `{"quotes": [v7 rows]}`, `{"moment": ISO with offset}`."""
        if "behave" in order:
            self.behave(**order["behave"])
        if order.get("recover"):
            self.recover()
        if order.get("expire_crumb"):
            self.expire_crumb()
        if "quotes" in order:
            self.follow = None
            self.set_rows(order["quotes"])
        if "moment" in order and self.follow:
            self.quotes = self.follow.rows(datetime.fromisoformat(order["moment"]))
        for name in ("latency_s", "max_list", "only_last"):
            if name in order:
                setattr(self, name, order[name])

    def counts(self) -> dict[str, Any]:
        return {**self.requests, "symbols": sum(map(len, self.lists)), "lists": [len(names) for names in self.lists]}

    def take_behaviour(self, path: str) -> Behaviour | None:
        with self._lock:
            for behaviour in self._behaviours:
                if behaviour.path in (path, "any"):
                    if behaviour.times is not None:
                        behaviour.times -= 1
                        if behaviour.times <= 0:
                            self._behaviours.remove(behaviour)
                    return behaviour
        return None

    def note(self, path: str, symbols: list[str] | None) -> None:
        with self._lock:
            self.requests[path] += 1
            if symbols is not None:
                self.lists.append(symbols)
                del self.lists[:-MOST_LISTS]

    def hang(self) -> None:
        self._released.wait(120)

    def answer_quotes(self, symbols: list[str], fields: list[str]) -> dict:
        """The v7 answer: unknown symbols are left out silently, `fields` trims the rows."""
        if self.follow and self.follow.moving:
            self.quotes = self.follow.rows()
        asked = symbols[-1:] if self.only_last else symbols
        rows = [self.quotes[symbol] for symbol in asked if symbol in self.quotes]
        if fields:
            keep = ALWAYS_SENT.union(fields)
            rows = [{key: value for key, value in row.items() if key in keep} for row in rows]
        return {"quoteResponse": {"result": rows, "error": None}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the counts say what came."""

    def do_GET(self) -> None:
        yahoo, parts = self.server.yahoo, urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        path = {"/v7/finance/quote": "quote", "/v1/test/getcrumb": "crumb", "/": "cookie"}.get(parts.path, "other")
        if parts.path == "/_control":
            return self._send(200, json.dumps(yahoo.counts()))
        symbols = [name for name in query.get("symbols", "").split(",") if name]
        yahoo.note(path, symbols if path == "quote" else None)
        if yahoo.latency_s:
            threading.Event().wait(yahoo.latency_s)
        behaviour = yahoo.take_behaviour(path)
        if behaviour is not None:
            self._misbehave(behaviour, yahoo, symbols)
        else:
            getattr(self, f"_{path}")(yahoo, query, symbols)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if urlsplit(self.path).path != "/_control":
            return self._send(404, "")
        self.server.yahoo.order(json.loads(body))
        return self._send(200, "{}")

    def _misbehave(self, behaviour: Behaviour, yahoo: LoopbackYahoo, symbols: list[str]) -> None:
        if behaviour.kind == "hang":
            yahoo.hang()
            self.close_connection = True
        elif behaviour.kind == "refuse":
            self.close_connection = True
        elif behaviour.kind == "cut":
            whole = json.dumps(yahoo.answer_quotes(symbols, []))
            self._send(200, whole[: len(whole) // 2])
        else:
            html = "<html><body><h1>Yahoo! - 999 Unable to process request at this time</h1></body></html>"
            status = behaviour.status if behaviour.kind == "status" else 200
            text = {"html": html, "empty": "", "body": behaviour.body}.get(behaviour.kind, behaviour.body)
            if status == 429 and not text:
                text = "Too Many Requests\r\n"
            self._send(status, text, behaviour.headers)

    def _cookie(self, yahoo: LoopbackYahoo, query: dict[str, str], symbols: list[str]) -> None:
        """fc.yahoo.com answers 404 and sets the cookie all the same."""
        self._send(404, "", {"Set-Cookie": f"A3={yahoo.cookie}; Max-Age=31557600; Path=/; HttpOnly"})

    def _crumb(self, yahoo: LoopbackYahoo, query: dict[str, str], symbols: list[str]) -> None:
        if f"A3={yahoo.cookie}" not in (self.headers.get("Cookie") or ""):
            return self._unauthorized("Invalid Cookie")
        return self._send(200, yahoo.crumb, {"Content-Type": "text/plain"})

    def _quote(self, yahoo: LoopbackYahoo, query: dict[str, str], symbols: list[str]) -> None:
        if f"A3={yahoo.cookie}" not in (self.headers.get("Cookie") or "") or query.get("crumb") != yahoo.crumb:
            return self._unauthorized("Invalid Crumb")
        if not symbols:
            return self._finance_error(400, "Bad Request", "Missing required query parameter=symbols")
        if yahoo.max_list is not None and len(symbols) > yahoo.max_list:
            return self._finance_error(400, "Bad Request", f"Too many symbols: {len(symbols)}")
        fields = [name for name in query.get("fields", "").split(",") if name]
        return self._send(200, json.dumps(yahoo.answer_quotes(symbols, fields)))

    def _other(self, yahoo: LoopbackYahoo, query: dict[str, str], symbols: list[str]) -> None:
        self._send(404, "")

    def _unauthorized(self, what: str) -> None:
        self._finance_error(401, "Unauthorized", what)

    def _finance_error(self, status: int, code: str, description: str) -> None:
        body = {"finance": {"result": None, "error": {"code": code, "description": description}}}
        self._send(status, json.dumps(body))

    def _send(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        body = text.encode()
        given = {"Content-Type": "application/json;charset=utf-8", **(headers or {})}
        self.send_response(status)
        for name, value in given.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Follow:
    """A recording as v7 rows: at a moment, or moving on (`speed` recorded seconds a second from `start`)."""

    def __init__(self, name: str, today: bool = False, start: datetime | None = None, speed: float = 0.0) -> None:
        from pipeline.sources.recording import open_recording

        self.recording = open_recording(name)
        self.session = self.recording.session
        self.suffix = ".NS" if self.recording.calendar == "NSE" else ""
        self.today, self.moving = today, speed > 0
        self._start, self._speed, self._began = start or self.session.open, speed, time.monotonic()

    def rows(self, moment: datetime | None = None) -> dict[str, dict]:
        if moment is None and self.moving:
            moment = self._start + timedelta(seconds=self._speed * (time.monotonic() - self._began))
        moment = min(moment or self.session.close, self.session.close)
        symbols = self.recording.universe.symbols
        quotes = self.recording.fetch(symbols, None, moment, time.monotonic() + 60).quotes
        return {row["symbol"]: row for row in (self._row(quote, moment) for quote in quotes.values())}

    def _row(self, quote: Any, moment: datetime) -> dict:
        """A stock that has not traded yet is still stated with yesterday's price and time, as Yahoo does."""
        yesterday = int((self.session.open - timedelta(hours=18)).timestamp())
        traded = quote.trade_time is not None
        symbol = quote.symbol if quote.symbol.endswith(self.suffix) else quote.symbol + self.suffix
        price, prev = (quote.price if traded else quote.prev_close), quote.prev_close
        row = quote_row(
            symbol,
            None if price is None else price / UNITS,
            None if prev is None else prev / UNITS,
            quote.volume if traded else 0,
            self._shift(quote.trade_time if traded else yesterday),
        )
        for name, value in (("Open", quote.day_open), ("DayHigh", quote.day_high), ("DayLow", quote.day_low)):
            row[f"regularMarket{name}"] = None if value is None else value / UNITS
        return row

    def _shift(self, trade_time: int) -> int:
        """With `today`: the same wall time on the present day of the exchange, never later than now."""
        if not self.today:
            return trade_time
        now = datetime.now(self.session.timezone)
        days = (now.date() - self.session.trade_date).days
        moved = datetime.fromtimestamp(trade_time, self.session.timezone) + timedelta(days=days)
        return int(min(moved, now).timestamp())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", help="path or name of an embedded recording")
    parser.add_argument("--at", help="moment, ISO or HH:MM (default: the close; with --speed the open)")
    parser.add_argument("--speed", type=float, default=0.0, help="recorded seconds a second; 0 stands still")
    parser.add_argument("--today", action="store_true", help="move the trades to the exchange's present day")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds a request")
    args = parser.parse_args()
    yahoo = LoopbackYahoo(args.port, args.latency)
    if args.recording:
        follow = _Follow(args.recording, args.today, speed=args.speed)
        moment = _moment(args.at, follow) if args.at else None
        if args.speed:
            follow._start = moment or follow.session.open
            moment = None
        yahoo.follow, yahoo.quotes = follow, follow.rows(moment)
    yahoo.start()
    print(yahoo.url, flush=True)
    threading.Event().wait()


def _moment(text: str, follow: _Follow) -> datetime:
    if len(text) == 5:
        text = f"{follow.session.trade_date}T{text}:00"
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=follow.session.timezone)


if __name__ == "__main__":
    main()
