"""Rows as the tables take them: checked before they are sent, by the same rules for every database. Pure.

Databases differ in what they swallow (SQLite any length, MySQL any trailing blank, a lax server anything), so a row is
judged here first and equal runs leave equal rows. What passes here and is refused all the same is found by bisection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from functools import cache
from typing import Annotated, Any, Literal

import msgspec

from pipeline.model import Outcome, Row, Status
from pipeline.tables import Column, Table

_REQUIRED = frozenset(
    "advances declines unchanged total_stocks status outcome timezone source name sector".split()  # noqa: SIM905
)
_CHOICES = {"status": tuple(Status), "outcome": tuple(Outcome)}
_LENGTHS = {"date": 10, "datetime": 19, "datetime3": 23}
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?: ([01]\d|2[0-3])(?::[0-5]\d){2}(?:\.\d{3})?)?")
_INT32 = (-(2**31), 2**31 - 1)
_INT64 = (-(2**63), 2**63 - 1)
_PRICE_LIMIT = 999_999_999.9999
_DOUBLE_LIMIT = 1.79e308


def nullable(table: Table, column: Column) -> bool:
    return column.name not in table.key and column.name not in _REQUIRED


def is_wide(column: Column) -> bool:
    """Whether an integer column holds 64 bits (volumes) and not 32."""
    return column.kind == "int" and "volume" in column.name


def refusals(table: Table, rows: Sequence[Row]) -> dict[int, str]:
    """{index of a row that no database may take: why}. Empty when all are good (0.4 µs a row)."""
    try:
        msgspec.convert(rows, _rows_type(table))
    except msgspec.ValidationError:
        suspects: Sequence[int] = range(len(rows))
    else:
        suspects = _suspects_by_value(table, rows)
    return {index: why for index in suspects if (why := _refusal(table, rows[index]))}


def _suspects_by_value(table: Table, rows: Sequence[Row]) -> Sequence[int]:
    """All rows when a key or a time among them is malformed, else none."""
    for place, sound in _checked(table):
        if not sound({row[place] for row in rows}):
            return range(len(rows))
    return ()


@cache
def _checked(table: Table) -> tuple[tuple[int, Callable[[set[Any]], bool]], ...]:
    """(place of a column, whether all of its distinct values are sound)."""
    found: list[tuple[int, Callable[[set[Any]], bool]]] = []
    for place, column in enumerate(table.columns):
        if column.kind in _LENGTHS:
            found.append((place, _are_moments))
        elif column.kind == "text" and column.name in table.key:
            found.append((place, _are_names))
    return tuple(found)


def _are_moments(values: set[Any]) -> bool:
    return not any(_moment_refusal(value) for value in values)


def _are_names(values: set[Any]) -> bool:
    """All at once: a poll has thousands of distinct symbols."""
    return "" not in values and values == set(map(str.strip, values))


def _refusal(table: Table, row: Row) -> str | None:
    if len(row) != len(table.columns):
        return f"{len(row)} values for the {len(table.columns)} columns of {table.name}"
    for column, value in zip(table.columns, row, strict=True):
        try:
            msgspec.convert(value, _value_type(table, column))
        except msgspec.ValidationError as error:
            return f"{table.name}.{column.name}: {_shown(value)}: {error}"
        check = _value_check(table, column)
        if check and (why := check(value)):
            return f"{table.name}.{column.name}: {_shown(value)}: {why}"
    return None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:76]}… ({len(text)} characters)"


@cache
def _rows_type(table: Table) -> Any:
    types = tuple(_value_type(table, column) for column in table.columns)
    return list[tuple[types]]  # type: ignore[valid-type]


@cache
def _value_type(table: Table, column: Column) -> Any:
    """The msgspec type of a column's values; limits are those of the MySQL columns."""
    kind: Any
    if column.name in _CHOICES:
        kind = Literal[tuple(str(choice) for choice in _CHOICES[column.name])]
    elif column.kind == "text":
        kind = Annotated[str, msgspec.Meta(max_length=column.length)]
    elif column.kind == "int":
        low, high = _INT64 if is_wide(column) else _INT32
        kind = Annotated[int, msgspec.Meta(ge=low, le=high)]
    elif column.kind == "price":
        kind = Annotated[float, msgspec.Meta(ge=-_PRICE_LIMIT, le=_PRICE_LIMIT)]
    elif column.kind == "double":
        kind = Annotated[float, msgspec.Meta(ge=-_DOUBLE_LIMIT, le=_DOUBLE_LIMIT)]
    else:
        length = _LENGTHS[column.kind]
        kind = Annotated[str, msgspec.Meta(min_length=length, max_length=length)]
    return kind | None if nullable(table, column) else kind


def _value_check(table: Table, column: Column) -> Callable[[Any], str | None] | None:
    """What more is asked of one value of the column; None: nothing."""
    if column.kind in _LENGTHS:
        return _moment_refusal
    if column.kind == "text" and column.name in table.key:
        return _key_refusal
    return None


def _moment_refusal(value: str | None) -> str | None:
    if value is None:
        return None
    found = _MOMENT.fullmatch(value)
    if not found:
        return "not a date or time of the form 2026-11-26 09:20:00"
    try:
        date.fromisoformat(found[1])
    except ValueError:
        return "no such day"
    return None


def _key_refusal(value: str) -> str | None:
    return None if value and value == value.strip() else "a name must not be empty, begin or end with a blank"
