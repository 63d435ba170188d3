"""The page of a run: it ends with the run, not before its viewers have the last poll."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from pipeline.errors import EXIT_DONE
from tests.harness import Pipeline, make_recording
from tests.page_server import Stream


@pytest.fixture
def pipeline(tmp_path):
    """A made-up recording into `breadth.db`, a poll in 0.5 s."""
    recording = make_recording(tmp_path / "recording", "made", bars=6)
    run = ["--source", f"recording:{recording}", "--db", f"sqlite:///{tmp_path}/breadth.db", "--dashboard"]
    made = Pipeline(tmp_path, [*run, "127.0.0.1:0", "--interval", "5m", "--speed", "600"])
    yield made
    made.close()


def viewer_of(pipeline, query: str) -> Stream:
    where = urlsplit(pipeline.wait_status(lambda found: found["dashboard"], "the page"))
    return Stream(where.hostname or "", where.port or 0, query)


@pytest.mark.parametrize("query", ["?ops=1", "?watch=made&ops=1"])
def test_viewers_get_the_last_poll_the_end_of_the_run_and_a_goodbye(pipeline, query):
    pipeline.start("--polls", "8")
    shown, ran, event = "", True, ""
    with closing(viewer_of(pipeline, query)) as viewer:
        while event != "bye":
            event, data = viewer.next()
            shown = (data.get("market") or {}).get("poll_time") or shown
            ran = data["running"] if event == "operations" else ran
    assert pipeline.wait_exit() == EXIT_DONE, pipeline.log_tail()
    assert shown == pipeline.status()["poll"]["poll_time"]
    assert data == {"reason": "stopping"}
    assert not ran
    assert "killed" not in pipeline.log_text()


def test_a_page_that_hangs_is_not_waited_for_longer_than_it_may_take(pipeline):
    pipeline.start()
    with closing(viewer_of(pipeline, "")):
        pipeline.wait_polls(2)
        os.kill(pipeline.pid_of("dashboard"), signal.SIGSTOP)
        assert pipeline.stop(15) == EXIT_DONE, pipeline.log_tail()
    assert "dashboard did not end by the deadline and is killed" in pipeline.log_text()


def test_a_port_that_is_taken_is_told_with_the_flag_that_the_run_has(pipeline):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        host, port = taken.getsockname()
        pipeline.start("--dashboard", f"{host}:{port}", "--polls", "2")
        assert pipeline.wait_exit() == EXIT_DONE, pipeline.log_tail()
    assert "give another one with --dashboard HOST:PORT" in pipeline.log_text()
