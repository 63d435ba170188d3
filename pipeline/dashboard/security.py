"""Who may ask, and how: Host, method, size, token, and the headers of every answer. Dashboard process.

An ASGI wrapper around the application: what it refuses never reaches it. The token is compared in constant time and
never logged; the browser gets a cookie that is derived from it, not the token itself.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
import socket
import stat
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from pipeline.dashboard.frames import to_json
from pipeline.errors import ConfigError, UsageError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

ADDRESS_MAX_BYTES = 4096
TOKEN_MIN_CHARACTERS = 16
COOKIE = "breadth"
OPEN_PATHS = ("/healthz", "/readyz")
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
# After the cookie is set the browser goes on by itself: a redirect would be part of the navigation from the other
# site or terminal, and a SameSite=Strict cookie does not travel with that.
_WELCOME = '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={}"><title>Breadth</title>'


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_listen(host: str, token: str | None) -> None:
    """Raises ConfigError for an address that others can reach without a token."""
    if not is_loopback(host) and token is None:
        raise ConfigError(
            f"the dashboard does not listen on {host!r} without a token: give --token-file FILE, or listen on 127.0.0.1"
        )


def read_token_file(path: Path) -> str:
    """The token in a file that only its owner can read. Raises ConfigError; never shows the token."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(f"token file {path} cannot be read: {error.strerror}") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"token file {path} is not a file")
        if found.st_mode & 0o077:
            raise ConfigError(f"token file {path} can be read by others: chmod 600 {path}")
        text = os.read(descriptor, 4096).decode("ascii", "replace").strip()
    finally:
        os.close(descriptor)
    if len(text) < TOKEN_MIN_CHARACTERS or not text.isprintable() or re.search(r"\s|�", text):
        raise ConfigError(f"token file {path} needs one token of at least {TOKEN_MIN_CHARACTERS} ASCII characters")
    return text


def allowed_hosts(listen_host: str, extra: Sequence[str]) -> frozenset[str]:
    """The names that a Host header may carry; IP literals besides are safe, a rebound name needs a name."""
    names = {"localhost", listen_host.lower(), *(name.lower().strip("[]") for name in extra)}
    if not is_loopback(listen_host):
        names.add(socket.gethostname().lower())
    return frozenset(names)


def host_allowed(header: str, names: frozenset[str], *, loopback: bool) -> bool:
    """Whether this Host header names us. On loopback only loopback literals do."""
    match = _HOST.fullmatch(header)
    if match is None:
        return False
    host = match[1].strip("[]").lower()
    if host in names:
        return True
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return False
    return literal.is_loopback or not loopback


def parse_listen(text: str) -> tuple[str, int]:
    """`127.0.0.1:8321`, `[::1]:8321`, `:8321` or `8321`. Raises UsageError."""
    host, separator, port = text.rpartition(":")
    host = host.strip("[]") if separator else ""
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"--listen {text!r} is not HOST:PORT, such as 127.0.0.1:8321")
    return host or "127.0.0.1", int(port)


class Refused(Exception):
    """An answer that ends the request before the application sees it."""

    def __init__(self, status: int, code: str, message: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers


class Guard:
    """Wraps the application."""

    def __init__(self, app: App, listen_host: str, token: str | None, extra_hosts: Sequence[str] = ()) -> None:
        self._app = app
        self._names = allowed_hosts(listen_host, extra_hosts)
        self._loopback = is_loopback(listen_host)
        self._token = token.encode() if token is not None else None
        self._cookie = hashlib.sha256(b"breadth-dashboard " + token.encode()).hexdigest() if token is not None else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            await send(message)

        try:
            self._check(scope)
            onward = self._check_token(scope)
        except Refused as refused:
            body = to_json({"error": {"code": refused.code, "message": str(refused)}})
            await _answer(guarded, refused.status, b"application/json", body, refused.headers)
            return
        if onward is not None:
            cookie = f"{COOKIE}={self._cookie}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000"
            body = _WELCOME.format(onward).encode()
            await _answer(guarded, 200, b"text/html; charset=utf-8", body, [(b"set-cookie", cookie.encode())])
            return
        await self._app(scope, receive, guarded)

    def _check(self, scope: Scope) -> None:
        hosts = _values(scope, b"host")
        if len(hosts) != 1 or not host_allowed(hosts[0], self._names, loopback=self._loopback):
            raise Refused(400, "bad_host", "this server does not answer for that Host")
        if scope["method"] not in ("GET", "HEAD"):
            raise Refused(405, "method_not_allowed", "only GET and HEAD", [(b"allow", b"GET, HEAD")])
        if len(scope["raw_path"]) + len(scope["query_string"]) > ADDRESS_MAX_BYTES:
            raise Refused(414, "too_long", f"an address has at most {ADDRESS_MAX_BYTES} bytes")
        if _values(scope, b"transfer-encoding") or any(value != "0" for value in _values(scope, b"content-length")):
            raise Refused(413, "body_refused", "a request has no body here", [(b"connection", b"close")])

    def _check_token(self, scope: Scope) -> str | None:
        """Where to go on to with the cookie, when the address has the token. Raises Refused without token or cookie."""
        if self._token is None or scope["path"] in OPEN_PATHS:
            return None
        if scope["path"] == "/" and b"token=" in scope["query_string"]:
            asked = parse_qs(scope["query_string"].decode("latin-1"))
            given = asked.pop("token", [""])[0]
            if hmac.compare_digest(given.encode(), self._token):
                # Percent-encoded, and so safe in HTML but for the "&" between two.
                rest = urlencode(asked, doseq=True).replace("&", "&amp;")
                return f"/?{rest}" if rest else "/"
        for value in _values(scope, b"authorization"):
            kind, _, given = value.partition(" ")
            if kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token):
                return None
        if any(hmac.compare_digest(value, self._cookie.encode()) for value in _cookies(_values(scope, b"cookie"))):
            return None
        raise Refused(
            401,
            "unauthorized",
            "open /?token=TOKEN once, or send Authorization: Bearer",
            [(b"www-authenticate", b"Bearer")],
        )


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _cookies(headers: Iterable[str]) -> list[bytes]:
    found = []
    for header in headers:
        try:
            jar = SimpleCookie(header)
        except CookieError:
            continue
        if COOKIE in jar:
            found.append(jar[COOKIE].value.encode())
    return found


async def _answer(
    send: Send, status: int, kind: bytes, body: bytes, headers: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    length = str(len(body)).encode()
    own = [(b"content-type", kind), (b"content-length", length), (b"cache-control", b"no-store"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": own})
    await send({"type": "http.response.body", "body": body})
