"""The built page's files, held in memory, plain and gzip. Dashboard process.

Only what was found below the directory when it was read can be asked for: no request names a path on the disk.
"""

from __future__ import annotations

import gzip
import mimetypes
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = Path(__file__).parent / "static"
INDEX = "index.html"
MISSING_PAGE = b"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Breadth: page not built</title></head>
<body><h1>The page is not built</h1>
<p>The server runs, its data is under <a href="/api/v1/snapshot">/api/v1/snapshot</a>, but the page's files are missing.
Build them in the checkout with <code>make page</code>, then load this again.</p></body></html>
"""
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Asset:
    kind: str
    plain: bytes
    packed: bytes


class Assets:
    """The files below a directory by their relative path; read again for as long as there is no index."""

    def __init__(self, directory: Path = DIRECTORY) -> None:
        self._directory = directory
        self._files: dict[str, Asset] = {}

    def get(self, name: str) -> Asset | None:
        if INDEX not in self._files:
            self._files = _read(self._directory)
        return self._files.get(name)


def _read(directory: Path) -> dict[str, Asset]:
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.suffix == ".gz" or path.name.startswith(".") or not path.is_file():
            continue
        plain = path.read_bytes()
        beside = path.with_name(path.name + ".gz")
        packed = beside.read_bytes() if beside.is_file() else gzip.compress(plain, 9, mtime=0)
        kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        found[path.relative_to(directory).as_posix()] = Asset(kind, plain, packed)
    return found
