"""Events as bytes: made once, sent to every viewer, plain or compressed. Pure.

A compressed stream is one gzip member per viewer whose blocks are shared: each block is deflated on its own (no look
back) and ends on a byte, so the same bytes fit into everybody's stream and no viewer costs a compressor.
"""

from __future__ import annotations

import zlib
from functools import cached_property
from typing import Any

import msgspec

GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LEVEL = 6
_encoder = msgspec.json.Encoder()


def to_json(value: Any) -> bytes:
    """JSON in UTF-8; NaN becomes null, text that is not valid Unicode is replaced."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(_clean(value))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


class Frame:
    """One event of a stream."""

    def __init__(self, event: str, data: Any) -> None:
        self.event = event
        # JSON escapes line breaks inside strings, so one data line holds it all.
        self.plain = b"event: " + event.encode() + b"\ndata: " + to_json(data) + b"\n\n"

    @cached_property
    def packed(self) -> bytes:
        """A run of deflate blocks that needs nothing before it and ends on a byte."""
        squeeze = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
        return squeeze.compress(self.plain) + squeeze.flush(zlib.Z_FULL_FLUSH)


class Packer:
    """One viewer's gzip member around shared blocks."""

    def __init__(self) -> None:
        self._crc = 0
        self._size = 0

    def add(self, frame: Frame) -> bytes:
        start = GZIP_HEADER if self._size == 0 else b""
        self._crc = zlib.crc32(frame.plain, self._crc)
        self._size += len(frame.plain)
        return start + frame.packed

    def end(self) -> bytes:
        """The last block and the member's check sum."""
        return b"\x03\x00" + self._crc.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little")
