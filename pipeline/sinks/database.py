"""The adapter's part of a sink: one connection, with statements, transactions and errors turned into SinkErrors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.model import Row
from pipeline.tables import Table


@dataclass(frozen=True, slots=True)
class Space:
    """`used`: bytes of everything of ours; `rows`: rows of the stock table, as the database estimates or counts them;
    `stock_bytes`: bytes of that table, None when the database does not tell tables apart."""

    used: int
    rows: int
    stock_bytes: int | None


class Database(ABC):
    """A connection. Statements take `?` placeholders; every error leaves as a SinkError."""

    dialect: str
    for_update: str
    """Ends a SELECT whose rows stay locked until the transaction ends."""
    keep_existing: str
    """Ends an INSERT that leaves a row with the same key as it is; `{0}`: any column of the key."""
    version: str
    """Product and version of the server."""

    @abstractmethod
    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows; dates and times as text as they are stored, decimals as float."""

    @abstractmethod
    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        """The number of rows touched, as the database counts them."""

    def insert_missing(self, table: str, values: Mapping[str, Any]) -> None:
        """Inserts one row {column: value}, key first, unless there is one with its key."""
        names = list(values)
        self.execute(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "
            + self.keep_existing.format(names[0]),
            tuple(values.values()),
        )

    @abstractmethod
    def upsert(self, table: Table, rows: Sequence[Row]) -> None:
        """Inserts rows or overwrites those with the same key.

        May return while the database is still at work on the last of them: `settle` waits for it, and comes before
        anything else on this connection. Either raises SinkRejected when the database refuses some of the rows.
        """

    def settle(self) -> None:
        """Waits for what the last `upsert` left under way."""
        return

    @abstractmethod
    def fill(self, table: Table, rows: Sequence[Row]) -> int:
        """Inserts rows whose key is not there yet, and leaves the others as they are; the number inserted."""

    def confirm(self) -> None:
        """Raises SinkUnavailable when this connection does not lead any more to what its URL names."""
        return

    @abstractmethod
    def begin(self) -> None: ...

    @abstractmethod
    def begin_reading(self) -> None:
        """Begins a transaction whose queries all see one state of the database; `rollback` ends it."""

    @abstractmethod
    def commit(self) -> None: ...

    @abstractmethod
    def rollback(self) -> None: ...

    @abstractmethod
    def columns(self, table: str) -> tuple[str, ...]:
        """The columns of a table or view in order; empty when there is none of that name."""

    def untransactional(self) -> list[tuple[str, str]]:
        """(table, storage engine) of our tables whose rows a transaction would not keep together."""
        return []

    @abstractmethod
    def view_body(self, view: str) -> str:
        """The SELECT of a view; empty when there is none of that name."""

    @abstractmethod
    def space(self) -> Space:
        """What the database takes on its disk."""

    @abstractmethod
    def close(self) -> None:
        """Closes at once, without waiting for the server. What was not committed is rolled back."""
