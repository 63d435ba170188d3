"""The dashboard as it runs: who may ask what, and that text is only text."""

from __future__ import annotations

import contextlib
import html
import json
import re
import socket
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.dashboard.stream import STREAMS_MAX
from pipeline.model import Member, Universe
from tests.integration.dashboards import HOSTILE, live_day, wait
from tests.market_day import universe_of
from tests.page_server import PageServer, serving


def test_names_and_symbols_are_data_everywhere(file):
    universe = Universe(HOSTILE[:30], (Member("<b>&.NS", "", HOSTILE[:29]), Member("ÄÖ-雪.NS", "\x00\u2028", "s")))
    day = live_day(file, universe)
    # The pipeline stores no line breaks in names, but others may write into the tables.
    day.execute("UPDATE pipeline_member SET name = ? WHERE symbol = ?", (HOSTILE, "<b>&.NS"))
    with serving(file) as server:
        viewer = server.watch()
        _, shown = viewer.next("snapshot")
        assert shown["universe"] == universe.name
        assert shown["stocks"]["symbol"] == ["<b>&.NS", "ÄÖ-雪.NS"]
        assert shown["stocks"]["name"] == [HOSTILE, "\x00"]
        assert shown["sector_names"] == [HOSTILE[:29], "s"]
        day.poll(day.at(1), {"<b>&.NS": 123.0})
        change = viewer.next("change")[1]
        assert change["universe"] == universe.name
        status, headers, body = server.request("/api/v1/stock?symbol=%3Cb%3E%26.NS")
        assert (status, json.loads(body)["name"]) == (200, HOSTILE)
        assert headers["Content-Type"] == "application/json"
        assert headers["X-Content-Type-Options"] == "nosniff"
        viewer.close()


def test_refuses_foreign_hosts_other_methods_bodies_and_long_addresses(file):
    live_day(file)
    with serving(file) as server:
        for host in ("evil.example", f"evil.example:{server.port}", "127.0.0.1.evil.example", "192.0.2.1", "", "a b"):
            status, _, body = server.request("/api/v1/snapshot", headers={"Host": host})
            assert status == 400, host
            assert b"adv" not in body
        for host in (f"localhost:{server.port}", "127.0.0.1", f"127.0.0.1:{server.port}", "[::1]:99", "LOCALHOST"):
            assert server.request("/healthz", headers={"Host": host})[0] == 200, host
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
            status, headers, _ = server.request("/api/v1/snapshot", method)
            assert (status, headers["Allow"]) == (405, "GET, HEAD"), method
            assert headers["Access-Control-Allow-Origin"] is None
        assert server.request("/", body=b"x" * 10)[0] == 413
        assert server.request("/api/v1/snapshot?universe=" + "x" * 5000)[0] == 414
        status, headers, body = server.request("/api/v1/snapshot", "HEAD")
        assert (status, body) == (200, b"")
        assert server.request("/static/../__init__.py")[0] == 404
        assert server.request("/static/%2e%2e/app.py")[0] == 404


def test_every_answer_carries_the_security_headers(file):
    live_day(file)
    with serving(file) as server:
        for path in ("/", "/api/v1/snapshot", "/static/none", "/metrics", "/healthz"):
            _, headers, _ = server.request(path)
            policy = headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert "*" not in policy
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Server"] is None


def onward(welcome: bytes) -> str:
    """Where the page that sets the cookie sends the browser: the whole of its one refresh."""
    (content,) = re.findall(r'<meta http-equiv="refresh" content="0;url=([^"\s<>]*)">', welcome.decode())
    return html.unescape(content)


def test_another_address_needs_a_token_and_a_token_opens_it_by_header_or_cookie(file, tmp_path):
    live_day(file)
    with pytest.raises(RuntimeError, match="without a token"):
        PageServer("--db", f"sqlite:///{file}", host="0.0.0.0")
    secret = "a-long-secret-token-4711"
    token = tmp_path / "token"
    token.write_text(f"{secret}\n")
    token.chmod(0o644)
    with pytest.raises(RuntimeError, match="chmod 600"):
        PageServer("--db", f"sqlite:///{file}", "--token-file", str(token), host="0.0.0.0")
    token.chmod(0o600)
    server = PageServer("--db", f"sqlite:///{file}", "--token-file", str(token), host="0.0.0.0")
    try:
        server.host = "127.0.0.1"
        for path in (
            "/",
            "/api/v1/snapshot",
            "/api/v1/stream",
            "/metrics",
            "/static/x",
            "/?token=wrong",
            "/api/v1/dates?token=" + secret,
        ):
            assert server.request(path)[0] == 401, path
        assert server.request("/healthz")[0] == 200
        assert server.request("/metrics", headers={"Authorization": f"Bearer {secret}"})[0] == 200
        assert server.request("/metrics", headers={"Authorization": f"Bearer {secret}x"})[0] == 401
        status, headers, body = server.request(f"/?token={secret}")
        cookie = headers["Set-Cookie"]
        assert (status, onward(body)) == (200, "/")
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert secret not in cookie
        for rest in ("universe=a%22%3E%3Cb&date=2026-11-25", "view=operations", "date=%00;url%3D//evil.example%0A"):
            _, _, body = server.request(f"/?{rest}&token={secret}")
            assert parse_qs(urlsplit(onward(body)).query) == parse_qs(rest), "the link shows what it was made for"
            assert (onward(body)[:2], secret in body.decode()) == ("/?", False)
        pair = cookie.split(";")[0]
        assert server.request("/api/v1/snapshot", headers={"Cookie": f"a=b; {pair}"})[0] == 200
        assert server.request("/api/v1/snapshot", headers={"Host": "evil.example", "Cookie": pair})[0] == 400
    finally:
        assert server.stop() == 0
    assert secret not in server.errors()


def test_streams_have_a_cap_and_a_place_is_free_again_when_a_viewer_leaves(file):
    live_day(file, universe_of("small", ["A", "B"]))
    with serving(file) as server, contextlib.ExitStack() as crowd:
        request = b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for _ in range(STREAMS_MAX):
            raw = crowd.enter_context(socket.create_connection((server.host, server.port)))
            raw.sendall(request)
        wait(lambda: server.json("/api/v1/operations")["viewers"] == STREAMS_MAX)
        status, headers, body = server.request("/api/v1/stream")
        assert (status, json.loads(body)["error"]["code"]) == (503, "too_many_streams")
        assert int(headers["Retry-After"]) > 0
        assert server.request("/api/v1/snapshot")[0] == 200, "the rest still answers"
        raw.close()
        wait(lambda: server.request("/api/v1/stream", "HEAD")[0] == 200)


def test_a_taken_port_is_one_line_and_exit_2(file):
    live_day(file)
    with serving(file) as server:
        with pytest.raises(RuntimeError, match="--listen") as failure:
            PageServer("--db", f"sqlite:///{file}", port=server.port)
        assert "Traceback" not in str(failure.value)
