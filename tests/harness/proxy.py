"""A TCP proxy before a MySQL server that can hurt a COMMIT: cut it off before or after the server has it, or delay it.

proxy.at_commit(Proxy.CUT_AFTER)      # the next COMMIT is carried out, its answer never arrives
proxy.at_commit(Proxy.CUT_BEFORE)     # the next COMMIT never arrives
proxy.at_commit(callback)             # called when the next COMMIT has been sent on
proxy.delay_s = 1.0                   # every answer to a COMMIT takes a second longer
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

_COMMIT = b"\x03COMMIT"
_PIECE = 1 << 16


class Proxy:
    """Listens on `port` (127.0.0.1) as soon as it is made. `commits`: how many passed."""

    CUT_BEFORE = "before"
    CUT_AFTER = "after"

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._order: str | Callable[[], None] | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._open: set[socket.socket] = set()
        self.obeyed = threading.Event()
        self.delay_s = 0.0
        self.commits = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def at_commit(self, order: str | Callable[[], None] | None) -> None:
        """What happens at the next COMMIT, once; `obeyed` is set when it has."""
        with self._lock:
            self._order = order
            self.obeyed.clear()

    def cut(self) -> None:
        """Cuts every connection now."""
        with self._lock:
            both = list(self._open)
        for end in both:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), name="proxy-connection", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                server = socket.create_connection(("127.0.0.1", self._target_port), 5)
            except OSError:
                return
            with server:
                server.settimeout(None)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._open |= {client, server}
                state = _State()
                back = threading.Thread(target=self._answers, args=(server, client, state), daemon=True)
                back.start()
                self._questions(client, server, state)
                back.join()
                with self._lock:
                    self._open -= {client, server}

    def _questions(self, client: socket.socket, server: socket.socket, state: _State) -> None:
        """From the client to the server."""
        with contextlib.suppress(OSError):
            while data := client.recv(_PIECE):
                order = self._take_order() if data.endswith(_COMMIT) else None
                if order == self.CUT_BEFORE:
                    self.obeyed.set()
                    break
                state.mute = order == self.CUT_AFTER
                state.slow = data.endswith(_COMMIT)
                server.sendall(data)
                if callable(order):
                    order()
                    self.obeyed.set()
        for end in (client, server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _answers(self, server: socket.socket, client: socket.socket, state: _State) -> None:
        """From the server to the client."""
        with contextlib.suppress(OSError):
            while data := server.recv(_PIECE):
                if state.mute:
                    self.obeyed.set()
                    break
                if state.slow and self.delay_s:
                    self._closed.wait(self.delay_s)
                client.sendall(data)
        for end in (client, server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _take_order(self) -> str | Callable[[], None] | None:
        with self._lock:
            self.commits += 1
            order, self._order = self._order, None
            return order


class _State:
    """Of one connection: whether the next answer is withheld, whether it answers a COMMIT."""

    def __init__(self) -> None:
        self.mute = self.slow = False
