"""The supervisor's handle on a child: when it is given up, when it counts as degraded."""

from __future__ import annotations

import queue
import time
from types import SimpleNamespace

import pytest

from pipeline.errors import EXIT_CONFIG
from pipeline.process import Child


@pytest.fixture
def child():
    return Child("fetcher", "module:function", None, log_level="info", queue_size=1)


def test_a_setting_that_cannot_work_is_fatal_before_the_first_poll_only(child):
    child.state = {"exit_code": EXIT_CONFIG, "fatal": "no such calendar", "poll": {"poll_time": "09:15:00"}}
    assert not child.settled(EXIT_CONFIG)
    child.state.pop("poll")
    assert child.settled(EXIT_CONFIG)
    assert (child.fatal, child.exit_code) == ("no such calendar", EXIT_CONFIG)


@pytest.mark.parametrize(("deaths", "ago_s", "condition"), [(5, 0, "running"), (6, 0, "degraded"), (6, 61, "running")])
def test_a_child_that_died_six_times_is_degraded_for_a_minute(child, deaths, ago_s, condition):
    child.process = SimpleNamespace(exitcode=None)
    child.state = {"state": "running"}
    child.deaths = [time.monotonic() - ago_s] * deaths
    assert child.condition == condition


def test_a_hint_that_does_not_fit_is_counted_and_a_mere_waking_is_not(child):
    child.hints = queue.Queue(1)
    for hint in ((1, 0.0), (2, 0.0), None, (3, 0.0)):
        child.hint(hint)
    assert child.unheard == 2
