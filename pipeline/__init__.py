"""breadth-pipeline: real-time market breadth, fetched, journaled, stored, shown.

The three classes of the Python API are importable from here (docs/python-api.md); they are loaded when first asked
for, so that `import pipeline` stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.api.calculator import IntradayAdvDeclCalculator
    from pipeline.api.fetcher import RealTimeDataFetcher
    from pipeline.api.logger import AsyncDataLogger

__all__ = ["AsyncDataLogger", "IntradayAdvDeclCalculator", "RealTimeDataFetcher"]

_API = {
    "AsyncDataLogger": "pipeline.api.logger",
    "IntradayAdvDeclCalculator": "pipeline.api.calculator",
    "RealTimeDataFetcher": "pipeline.api.fetcher",
}


def __getattr__(name: str) -> Any:
    if name not in _API:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_API[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_API})
