"""Fixtures that several kinds of test share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mariadb import Certificates, MariaDb, running, server_binary


def _short_directory() -> Path:
    """A directory with a short name: a socket's path may have 107 bytes only."""
    return Path(tempfile.mkdtemp(prefix="bp-"))


def _need_server() -> None:
    if server_binary() is None:
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail("CI must have a database server: install mariadb-server")
        pytest.skip("install mariadb-server")


@pytest.fixture(scope="session")
def need_server() -> None:
    """Skips where there is no server to start; in CI that is a failure."""
    _need_server()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """A private server for the whole session. A test that kills or freezes it must bring it back."""
    _need_server()
    with running(_short_directory()) as server:
        yield server


@pytest.fixture
def mariadb_database(mariadb: MariaDb) -> Iterator[str]:
    """A fresh, empty database on it; `mariadb.url(mariadb_database)` reaches it as a user with all rights."""
    name = mariadb.create_database()
    yield name
    mariadb.drop_database(name)


@pytest.fixture
def own_mariadb() -> Iterator[MariaDb]:
    """A server of the test's own, to be killed, frozen and filled (about 2 s)."""
    _need_server()
    with running(_short_directory()) as server:
        yield server


@pytest.fixture(scope="session")
def certificates() -> Iterator[tuple[Certificates, Certificates]]:
    """Two certificate authorities that know nothing of each other."""
    directory = _short_directory()
    yield Certificates(directory, "ca"), Certificates(directory, "other")
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def mariadb_tls(certificates: tuple[Certificates, Certificates]) -> Iterator[MariaDb]:
    """A private server that speaks TLS with a certificate of the first authority."""
    _need_server()
    with running(_short_directory(), certificates=certificates[0]) as server:
        yield server
