"""Where quotes come from: the protocol of a source, and the registry that opens one by its name. Layer 2.

A new source is one module and one line in `REGISTRY`; it is imported when it is opened, and the contract tests run
over the registry.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib import import_module
from typing import Protocol

from pipeline.errors import UsageError
from pipeline.model import Answer

REGISTRY = {
    "yahoo": "pipeline.sources.yahoo:open_yahoo",
    "recording": "pipeline.sources.recording:open_recording",
}
"""{kind: module:function(what stands behind the colon, **options) -> Source}."""


class Source(Protocol):
    """Quotes of a universe at an instant. Used by one process and one thread; `name` goes into the column `source`."""

    @property
    def name(self) -> str: ...

    @property
    def live(self) -> bool:
        """Whether the answers are of now, so that a grid point that passed cannot be asked for any more."""
        ...

    def fetch(self, symbols: Sequence[str], index: str | None, instant: datetime, deadline: float) -> Answer:
        """Every symbol's quote, problem or absence at the planned `instant` (aware).

        Returns by `deadline` (of time.monotonic()). Trouble of network or data never raises: it is in the answer, one
        line in `reason`. Raises ConfigError only for a configuration that can never work.
        """
        ...

    def close(self) -> None: ...


def open_source(spec: str, **options: object) -> Source:
    """The source of `yahoo` or `recording:NAME`; `options` go to it, each takes those it knows. Raises UsageError."""
    kind, _, rest = spec.partition(":")
    if kind not in REGISTRY:
        raise UsageError(f"source {spec[:80]!r} is unknown: use yahoo or recording:NAME.csv.gz")
    module, _, function = REGISTRY[kind].partition(":")
    source: Source = getattr(import_module(module), function)(rest, **options)
    return source
