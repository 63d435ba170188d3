"""Records as bytes: what the journal keeps. Layer 1, pure.

A payload is zstandard(msgpack([1, key, universe, trade_date, source, {table: rows}])), with zstandard's checksum: each
one can be told sound by itself, wherever it is found. The digest chains: it covers
the digest before, so a journal that was cut, edited or copied and continued elsewhere is told apart.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import zstandard

from pipeline.errors import JournalDamagedError
from pipeline.model import Record

VERSION = 1
DIGEST_BYTES = 16
_MAX_PLAIN_BYTES = 256 * 1024 * 1024
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[int, str, str, str, str, dict[str, list[tuple[Any, ...]]]])


def encode(record: Record) -> bytes:
    """The payload of `record`; the same record gives the same bytes."""
    plain = _encoder.encode((VERSION, record.key, record.universe, record.trade_date, record.source, record.tables))
    return zstandard.ZstdCompressor(level=1, write_checksum=True).compress(plain)


def decode(payload: bytes) -> Record:
    """The record of a payload. Raises JournalDamagedError for bytes that are not one."""
    try:
        plain = zstandard.ZstdDecompressor().decompress(payload, max_output_size=_MAX_PLAIN_BYTES)
        version, key, universe, trade_date, source, tables = _decoder.decode(plain)
    except (zstandard.ZstdError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise JournalDamagedError(f"a journal payload of {len(payload)} bytes cannot be read: {error}") from error
    if version != VERSION:
        raise JournalDamagedError(f"journal payload version {version} is not {VERSION}: written by another release")
    return Record(key, universe, trade_date, source, tables)


def digest(previous: bytes, payload: bytes) -> bytes:
    """The chained digest (16 bytes, BLAKE2b) of a payload that follows a record with digest `previous` (first: b"")."""
    return hashlib.blake2b(previous + payload, digest_size=DIGEST_BYTES).digest()
