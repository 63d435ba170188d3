"""A client that never finishes its request loses its connection: the first request, and a later one alike."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from pipeline.dashboard import server

SHORT_S = 1
DEADLINE_S = 30.0


async def answer(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def address(monkeypatch):
    monkeypatch.setattr(server, "REQUEST_TIMEOUT_S", SHORT_S)
    config = server._config(answer)
    config.timeout_keep_alive = SHORT_S
    running = server.Server(config)
    with server.bind(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()
        running.should_exit = True
        thread.join()


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"], ids=["first", "second"])
def test_a_request_that_trickles_is_cut_off(address, begun):
    with socket.create_connection(address) as client:
        client.sendall(begun + b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
        client.settimeout(0.05)
        deadline = time.monotonic() + DEADLINE_S
        got = b""
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < deadline:
                with contextlib.suppress(TimeoutError):
                    block = client.recv(4096)
                    got += block
                    if not block:
                        break
                client.sendall(b"x")
        assert time.monotonic() < deadline, "the connection is still open"
        assert got.count(b"200 OK") == (1 if begun else 0)
