"""What a MySQL or MariaDB error means for the batch: classified by errno.

Never by the exception's class: the driver's two implementations differ in it.
"""

from __future__ import annotations

import ssl

import mysql.connector

from pipeline.errors import SinkError, SinkRefused, SinkRejected, SinkSchemaError, SinkUnavailable

ROW = frozenset({1048, 1062, 1216, 1264, 1265, 1292, 1366, 1367, 1406, 1411, 1452, 1644, 1690, 3819, 4025, 4038})
"""The row will never be taken: null, range, length, characters, constraint, trigger."""
SCHEMA = frozenset({1054, 1064, 1109, 1136, 1146, 1347, 1356, 1364, 1471})
REFUSED = frozenset(
    {1044, 1045, 1049, 1115, 1129, 1130, 1141, 1142, 1143, 1193, 1227, 1251, 1273, 1370, 1698, 1820, 1862, 2026}
)
REFUSED_BY_CLIENT = frozenset({2059, 2061, 2068})
ALARM = frozenset({3, 1021, 1026, 1030, 1114, 1290, 1792, 1836})
"""Unavailable until somebody helps: disk or table full, read-only."""
PACKET_TOO_LARGE = 1153
_HINTS = {
    1044: "grant the user rights on this database (docs/databases.md)",
    1045: "check the user and the password",
    1698: "check the user and the password",
    1049: "create the database first: CREATE DATABASE … CHARACTER SET utf8mb4",
    1142: "grant what is missing (docs/databases.md)",
    1143: "grant what is missing (docs/databases.md)",
    1146: "run `breadth-pipeline db init`",
    1054: "run `breadth-pipeline db check`",
    1130: "allow this host for the user",
    1193: "switch InnoDB on: transactions are needed",
    1114: "the server's table or disk is full: make room",
    1021: "the server's disk is full: make room",
    1290: "the server is read-only",
    1836: "the server is read-only",
}


def translated(error: mysql.connector.Error | OSError, where: str) -> SinkError:
    """The SinkError of a driver's error. `where`: the database's masked URL."""
    number = getattr(error, "errno", None)
    text = _one_line(getattr(error, "msg", None) or str(error))
    hint = f": {_HINTS[number]}" if number in _HINTS else ""
    message = f"{where}: {text}{f' ({number})' if number and number > 0 else ''}{hint}"
    if _is_certificate_trouble(error):
        return SinkRefused(f"{where}: the server's TLS certificate is not accepted: {text}")
    if number in ROW:
        return SinkRejected(text)
    if number in SCHEMA:
        return SinkSchemaError(message)
    if number in REFUSED or number in REFUSED_BY_CLIENT:
        return SinkRefused(message)
    return SinkUnavailable(message, alarm=number in ALARM)


def _is_certificate_trouble(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _one_line(text: str) -> str:
    return " ".join(text.split())
