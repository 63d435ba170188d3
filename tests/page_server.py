"""The real dashboard in a process of its own, and a small client for its stream. For tests and benches."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

START_S = 30.0
ANSWER_S = 20.0


class PageServer:
    """`breadth-pipeline dashboard` on a free port of the loopback."""

    def __init__(
        self, *arguments: str, host: str = "127.0.0.1", port: int = 0, preexec: Callable[[], None] | None = None
    ) -> None:
        command = [sys.executable, "-m", "pipeline", "dashboard", "--listen", f"{host}:{port}", *arguments]
        foreign = ("BREADTH_", "MYSQL_", "XDG_")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        environment = {**kept, "HOME": os.devnull}  # no pipeline ever ran in that home
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=preexec
        )
        assert self.process.stdout is not None
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()
        line = self._lines.get(timeout=START_S)
        found = re.search(r"http://\S+/", line)
        if found is None:
            raise RuntimeError(f"the dashboard did not start: {line}{self.errors()}")
        self.url = found[0]
        where = urlsplit(self.url)
        self.host, self.port = where.hostname or "", where.port or 0

    def _read(self, stream: Any) -> None:
        for line in stream:
            self._lines.put(line)
        self._lines.put("")

    def errors(self) -> str:
        """Everything on stderr, once the process has ended."""
        self.process.wait(timeout=START_S)
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def request(
        self, path: str, method: str = "GET", headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=ANSWER_S)
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def json(self, path: str) -> Any:
        status, _, body = self.request(path)
        if status != 200:
            raise AssertionError(f"{path}: {status} {body!r}")
        return json.loads(body)

    def wire_size(self, path: str) -> int:
        """Bytes of the body as a browser receives it."""
        status, headers, body = self.request(path, headers={"Accept-Encoding": "gzip"})
        assert status == 200
        if headers["Content-Encoding"] == "gzip":
            gzip.decompress(body)
        return len(body)

    def watch(self, query: str = "", headers: dict[str, str] | None = None) -> Stream:
        return Stream(self.host, self.port, query, headers)

    def stop(self, deadline_s: float = 10.0) -> int:
        """SIGTERM and the exit code; kills what has not ended by the deadline (and gives its code)."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=deadline_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Stream:
    """A viewer: `next()` gives (event, data) with a deadline."""

    def __init__(self, host: str, port: int, query: str = "", headers: dict[str, str] | None = None) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=ANSWER_S)
        self._connection.request("GET", f"/api/v1/stream{query}", headers=headers or {})
        self.answer = self._connection.getresponse()
        if self.answer.status != 200:
            raise AssertionError(f"stream: {self.answer.status} {self.answer.read()!r}")

    def next(self, *wanted: str) -> tuple[str, Any]:
        """The next event, or the next of these kinds. Raises TimeoutError or ConnectionError."""
        deadline = time.monotonic() + ANSWER_S
        while time.monotonic() < deadline:
            event, data = self._read()
            if not wanted or event in wanted:
                return event, data
        raise TimeoutError(f"no {wanted} within {ANSWER_S} s")

    def until(self, holds: Callable[[str, Any], bool]) -> Any:
        """Data of the first event for which `holds(event, data)`."""
        deadline = time.monotonic() + ANSWER_S
        while time.monotonic() < deadline:
            event, data = self._read()
            if holds(event, data):
                return data
        raise TimeoutError("the event did not come")

    def _read(self) -> tuple[str, Any]:
        event = data = ""
        while True:
            line = self.answer.readline().decode()
            if not line:
                raise ConnectionError("the stream ended")
            if line == "\n":
                return event, json.loads(data)
            field, _, value = line.rstrip("\n").partition(": ")
            if field == "event":
                event = value
            elif field == "data":
                data = value

    def close(self) -> None:
        self.answer.close()
        self._connection.close()


@contextlib.contextmanager
def serving(database: Path | str, *arguments: str) -> Iterator[PageServer]:
    """A dashboard over an SQLite file (or a URL)."""
    url = database if isinstance(database, str) else f"sqlite:///{database}"
    server = PageServer("--db", url, *arguments)
    try:
        yield server
    finally:
        server.stop()
