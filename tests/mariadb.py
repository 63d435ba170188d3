"""A private MariaDB (or MySQL) server for tests and benches: own directory, own port, own socket, own process.

    server = MariaDb(Path("/tmp/x"))          # nothing happens yet
    server.start()                            # initialises the data directory the first time; waits until it answers
    server.freeze(); server.thaw()            # SIGSTOP, SIGCONT
    server.kill(); server.start()             # SIGKILL and crash recovery on the same data and the same port
    server.stop()

The server dies with the process that started it. Never touches a system-wide instance.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import mysql.connector

START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 30.0
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/usr/local/bin", "/opt/homebrew/bin")
_numbers = itertools.count(1)


def find(*names: str) -> str | None:
    """The first of these programs that exists, on PATH or where distributions keep servers."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *_PLACES))
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def server_binary() -> str | None:
    return find("mariadbd", "mysqld")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class MariaDb:
    """One server. `durable`: fsync at every commit (off: faster tests). `certificates`: answers TLS with them."""

    host = "127.0.0.1"

    def __init__(
        self,
        directory: Path,
        *,
        durable: bool = False,
        certificates: Certificates | None = None,
        options: tuple[str, ...] = (),
    ) -> None:
        self.directory = directory
        self.durable = durable
        self.certificates = certificates
        self.options = options
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.directory / "s.sock"

    @property
    def log(self) -> Path:
        return self.directory / "error.log"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Starts and waits until the server answers. Raises RuntimeError with the end of its log."""
        data = self.directory / "data"
        if not data.exists():
            self._initialise(data)
        self.port = self.port or free_port()
        self.process = subprocess.Popen(
            [*_dies_with_parent(), *self._command(data)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_DEADLINE_S
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the database server did not start:\n{self.log_tail()}")
            time.sleep(0.02)

    def _initialise(self, data: Path) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        install = find("mariadb-install-db", "mysql_install_db")
        binary = server_binary()
        assert binary, "install mariadb-server"
        user = ["--user=root"] if os.geteuid() == 0 else []
        command = (
            [
                install,
                "--no-defaults",
                f"--datadir={data}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ]
            if install
            else [binary, "--no-defaults", "--initialize-insecure", f"--datadir={data}"]
        )
        own = {**os.environ, "TMPDIR": str(self.directory)}  # servers that are made at once share no temporary names
        done = subprocess.run([*command, *user], capture_output=True, text=True, check=False, env=own)
        if done.returncode:
            raise RuntimeError(f"the data directory could not be made:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")

    def _command(self, data: Path) -> list[str]:
        binary = server_binary()
        assert binary, "install mariadb-server"
        flush = 1 if self.durable else 2
        command = [
            binary,
            "--no-defaults",
            f"--datadir={data}",
            f"--socket={self.socket}",
            f"--port={self.port}",
            f"--bind-address={self.host}",
            f"--pid-file={self.directory / 'pid'}",
            f"--log-error={self.log}",
            f"--tmpdir={self.directory}",
            f"--innodb-flush-log-at-trx-commit={flush}",
            "--innodb-buffer-pool-size=128M",
            "--skip-name-resolve",
            "--skip-log-bin",
            *self.options,
        ]
        if os.geteuid() == 0:
            command.append("--user=root")
        if self.certificates is not None:
            command += [
                f"--ssl-ca={self.certificates.ca}",
                f"--ssl-cert={self.certificates.certificate}",
                f"--ssl-key={self.certificates.key}",
            ]
        return command

    def answers(self) -> bool:
        try:
            self.connect().close()
        except mysql.connector.Error:
            return False
        return True

    def log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else "(no log)"

    def stop(self) -> None:
        """A clean shutdown; SIGKILL when it does not come in time. Harmless when it is not running."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.thaw()
            self.process.terminate()
            try:
                self.process.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()

    def kill(self) -> None:
        """SIGKILL, as a crash; returns when it is gone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        self.stop()
        self.start()

    def connect(self, database: str | None = None, **options: Any) -> Any:
        """A connection as root over the socket (pure Python), autocommit."""
        settings = {
            "user": "root",
            "unix_socket": str(self.socket),
            "use_pure": True,
            "connection_timeout": 10,
            "charset": "utf8mb4",
            "collation": "utf8mb4_unicode_ci",
            "autocommit": True,
            "ssl_disabled": True,
        }
        if database is not None:
            settings["database"] = database
        return mysql.connector.connect(**(settings | options))

    def execute(self, sql: str, params: tuple[Any, ...] = (), database: str | None = None) -> list[tuple[Any, ...]]:
        """One statement as root; the rows when it gives any."""
        with contextlib.closing(self.connect(database)) as connection:
            cursor = connection.cursor()
            cursor.execute(sql, params)
            return list(cursor.fetchall()) if cursor.description else []

    def create_database(self, prefix: str = "t") -> str:
        name = f"{prefix}_{os.getpid()}_{next(_numbers)}"
        self.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        return name

    def drop_database(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS `{name}`")

    def create_user(self, name: str, password: str, grants: tuple[str, ...] = ()) -> None:
        """A user for TCP from this machine. `grants`: whole statements."""
        host = "%"
        self.execute(f"DROP USER IF EXISTS '{name}'@'{host}'")
        self.execute(f"CREATE USER '{name}'@'{host}' IDENTIFIED BY '{password}'")
        for grant in grants:
            self.execute(grant)

    def url(self, database: str, user: str = "tester", password: str = "secret", options: str = "") -> str:
        """`mysql://tester:secret@127.0.0.1:PORT/database`: the user `tester` may do everything."""
        query = f"?{options}" if options else ""
        return f"mysql://{quote(user)}:{quote(password, safe='')}@{self.host}:{self.port}/{database}{query}"


class Certificates:
    """A certificate authority of our own and a server certificate for localhost and 127.0.0.1, made by openssl."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.ca = directory / f"{name}.pem"
        self.certificate = directory / f"{name}-server.pem"
        self.key = directory / f"{name}-server.key"
        ca_key = directory / f"{name}.key"
        extensions = directory / f"{name}.ext"
        request = directory / f"{name}.csr"
        # Python 3.13 and newer look closer: who may sign, and by whose key it was signed.
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
        signing = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes"]
        _openssl(*new, "-x509", *signing, "-days", "3650", "-subj", f"/CN={name}", "-keyout", ca_key, "-out", self.ca)
        _openssl(*new, "-subj", "/CN=localhost", "-keyout", self.key, "-out", request)
        _openssl(
            *("openssl", "x509", "-req", "-days", "3650", "-in", request, "-CA", self.ca, "-CAkey", ca_key),
            *("-set_serial", "1", "-extfile", extensions, "-out", self.certificate),
        )


def _openssl(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True)


def _dies_with_parent() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


@contextlib.contextmanager
def running(directory: Path, **options: Any) -> Iterator[MariaDb]:
    """A started server with the user `tester` (password `secret`, all rights); at the end stopped and removed."""
    server = MariaDb(directory, **options)
    try:
        server.start()
        server.create_user("tester", "secret", ("GRANT ALL PRIVILEGES ON *.* TO 'tester'@'%' WITH GRANT OPTION",))
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)
