"""Yahoo's cookie and crumb by yfinance, and requests for lists of quotes. Layer 2, fetcher process.

Everything that touches yfinance's private parts is here and nowhere else; tests/unit/test_yahoo_session.py fails when
they change. Quotes are asked by the session directly: yfinance's own `get` turns one rate-limited call into six.
A session belongs to the process that made it: after a fork its answers were another's. It never retries by itself,
except once after a refused crumb.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from curl_cffi import requests
from yfinance.data import YfData
from yfinance.exceptions import YFRateLimitError

from pipeline.dburl import hidden
from pipeline.errors import ConfigError

QUOTE_URL = "https://query1.finance.yahoo.com/v7/finance/quote"
_CRUMB = re.compile(r"[^\s<>{}\"']{4,64}")
_CURL_TEXT = re.compile(r"curl: \((\d+)\)\s*(.*?)(?:\.? See https?://.*)?$", re.DOTALL)
_CURL_REASONS = {
    5: "the proxy's name cannot be resolved",
    6: "the name cannot be resolved, is there a network?",
    7: "the connection is refused or there is no route",
    28: "no answer in time",
    52: "the connection was closed without an answer",
    56: "the connection broke off",
    60: "its TLS certificate is not valid",
}
_HTTP_OK, _HTTP_UNAUTHORIZED, _HTTP_FORBIDDEN, _HTTP_TOO_MANY = 200, 401, 403, 429


class NoAnswer(Exception):
    """A request that got no usable response; the message is one line for people."""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back. `retry_after_s`: what a 429 asked for. `received`: monotonic time of the last byte."""

    status: int
    body: bytes
    retry_after_s: float | None
    received: float


class _Quiet(threading.local):
    on = False


_quiet = _Quiet()


def _not_ours(record: logging.LogRecord) -> bool:
    """Drops what yfinance logs about requests of ours: the reason reaches the poll, and a thing is said once."""
    return not _quiet.on


class _Session(requests.Session[Any]):
    """curl_cffi's session that moves *.yahoo.com to a base URL, and bounds and counts every request."""

    def __init__(self, base_url: str | None) -> None:
        super().__init__(impersonate="chrome")
        self.sent = 0
        self.bound = threading.local()
        self._base = urlsplit(base_url) if base_url else None
        self._count_lock = threading.Lock()

    def request(self, method: Any, url: str, *args: Any, **kwargs: Any) -> Any:
        deadline = getattr(self.bound, "deadline", None)
        if deadline is not None:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise requests.exceptions.Timeout("curl: (28) no time left")
            kwargs["timeout"] = min(left_s, kwargs.get("timeout") or left_s)
        with self._count_lock:
            self.sent += 1
        response = super().request(method, self._moved(url), *args, **kwargs)
        self.bound.response = response
        return response

    def _moved(self, url: str) -> str:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if self._base is None or not (host == "yahoo.com" or host.endswith(".yahoo.com")):
            return url
        path = self._base.path.rstrip("/") + (parts.path or "/")
        return urlunsplit((self._base.scheme, self._base.netloc, path, parts.query, ""))


class _Crumbs(YfData):  # type: ignore[misc]
    """yfinance's way to cookie and crumb, without its cache on disk: processes would share it, and wait for it."""

    def _load_cookie_curlCffi(self) -> bool:
        """Asked before every crumb: whether the session holds a cookie already."""
        return any(cookie.name == "A3" for cookie in self._session.cookies.jar)

    def _save_cookie_curlCffi(self) -> bool:
        return True


class YahooSession:
    """Quotes by list. Used by the threads of one source; cookie and crumb are asked for once and shared."""

    def __init__(self, base_url: str | None = None, crumb_timeout_s: float = 10.0) -> None:
        _check(base_url)
        logging.getLogger("yfinance").addFilter(_not_ours)
        self.host = urlsplit(base_url or QUOTE_URL).netloc.rpartition("@")[2]
        self._http = _Session(base_url)
        # The metaclass keeps one YfData a process and would swap the session of a program that uses yfinance itself.
        self._crumbs = type.__call__(_Crumbs, self._http)
        self._crumb_timeout_s = crumb_timeout_s
        self._crumb: str | None = None
        self._failure: tuple[float, Exception] | None = None
        self._lock = threading.Lock()

    @property
    def sent(self) -> int:
        """Requests made so far, cookie and crumb included."""
        return int(self._http.sent)

    def quotes(self, symbols: Sequence[str], fields: str, deadline: float) -> Response:
        """The answer for a list. A refused crumb is renewed once, by one thread for all. Raises NoAnswer."""
        for attempt in (1, 2):
            crumb = self._get_crumb(deadline)
            if isinstance(crumb, Response):
                return crumb
            response = self._get(
                QUOTE_URL,
                {"symbols": ",".join(symbols), "fields": fields, "formatted": "false", "crumb": crumb},
                deadline,
            )
            if response.status not in (_HTTP_UNAUTHORIZED, _HTTP_FORBIDDEN) or attempt > 1:
                break
            self._refused(crumb)
        return response

    def close(self) -> None:
        self._http.close()

    def _get(self, url: str, params: dict[str, str], deadline: float) -> Response:
        self._http.bound.deadline = deadline
        try:
            got = self._http.get(url, params=params)
        except (OSError, requests.exceptions.RequestException) as error:
            raise NoAnswer(self._reason(error)) from error
        finally:
            self._http.bound.deadline = None
        return Response(got.status_code, got.content, _retry_after(got.headers), time.monotonic())

    def _get_crumb(self, deadline: float) -> str | Response:
        """The crumb, or the 429 that came in its place. Raises NoAnswer.

        Threads that waited while another asked in vain take its failure, instead of asking one after the other.
        """
        came = time.monotonic()
        if not self._lock.acquire(timeout=max(0.0, deadline - came)):
            raise NoAnswer(f"no crumb from {self.host} in time")
        try:
            if self._crumb is not None:
                return self._crumb
            if self._failure is not None and self._failure[0] >= came:
                raise NoAnswer(str(self._failure[1])) from self._failure[1]
            try:
                got = self._ask_crumb(min(deadline, came + self._crumb_timeout_s))
            except NoAnswer as error:
                self._failure = (time.monotonic(), error)
                raise
            if isinstance(got, str):
                self._crumb = got
            return got
        finally:
            self._lock.release()

    def _ask_crumb(self, deadline: float) -> str | Response:
        """Two requests, bounded together: yfinance itself would wait up to 30 s for each, holding its lock."""
        self._crumbs._crumb = self._crumbs._cookie = None
        self._crumbs._cookie_strategy = "basic"
        bound = self._http.bound
        bound.deadline, bound.response, _quiet.on = deadline, None, True
        try:
            crumb, _strategy = self._crumbs._get_cookie_and_crumb(self._crumb_timeout_s)
        except YFRateLimitError:
            headers = bound.response.headers if bound.response is not None else {}
            return Response(_HTTP_TOO_MANY, b"", _retry_after(headers), time.monotonic())
        except Exception as error:
            # yfinance reads pages of strangers there, with whatever exception their shape leads to.
            raise NoAnswer(self._reason(error)) from error
        finally:
            bound.deadline, _quiet.on = None, False
            self._crumbs._crumb = None
        status = bound.response.status_code if bound.response is not None else 0
        if status != _HTTP_OK or not isinstance(crumb, str) or not _CRUMB.fullmatch(crumb):
            raise NoAnswer(f"{self.host} gave no crumb (HTTP {status})")
        return crumb

    def _refused(self, crumb: str) -> None:
        """Forget the crumb and its cookie, unless another thread has a new one already."""
        with self._lock:
            if self._crumb == crumb:
                self._crumb = None
                self._http.cookies.clear()

    def _reason(self, error: Exception) -> str:
        match = _CURL_TEXT.search(str(error))
        if match:
            text = _CURL_REASONS.get(int(match[1]), match[2].strip())
        else:
            text = f"{type(error).__name__}: {error}".splitlines()[0]
        return f"no answer from {self.host}: {text}"[:200]


def _check(base_url: str | None) -> None:
    url = base_url or QUOTE_URL
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        usable = usable and "@" not in parts.path + parts.query + parts.fragment  # a password with a / in it
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            f"Yahoo URL {hidden(url)!r} must be http://host:port or https://host, with a port up to 65535"
        )


def _retry_after(headers: Any) -> float | None:
    """Seconds of a Retry-After header, given in seconds or as a date; None without a usable one."""
    text = (headers.get("Retry-After") or "").strip()
    if text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
