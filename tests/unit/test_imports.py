"""What each process loads: pandas and yfinance belong to the fetcher alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = "{'yfinance', 'pandas', 'numpy', 'exchange_calendars', 'curl_cffi'}"


@pytest.mark.parametrize(
    "modules",
    [
        "pipeline.cli.run, pipeline.supervisor, pipeline.fetcher",
        "pipeline.process, pipeline.writer, pipeline.sinks.mysql, pipeline.sinks.sqlite",
    ],
    ids=["supervisor", "writer"],
)
def test_supervisor_and_writer_load_neither_yfinance_nor_pandas_nor_numpy(modules):
    """The supervisor imports the fetcher's module for its plan; what is heavy there is imported when it runs."""
    code = f"import sys, {modules}; sys.exit(' '.join({HEAVY} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"loaded: {done.stderr}"
