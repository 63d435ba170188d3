"""What a run says of its market: phase, session, next open."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pipeline import config
from pipeline.market import open_market
from pipeline.model import Member, Universe
from pipeline.sources import open_source
from tests.harness.clocked import TurnedClock

INDIA = ZoneInfo("Asia/Kolkata")
FRIDAY, MONDAY = "2026-11-27T09:15:00+05:30", "2026-11-30T09:15:00+05:30"
UNIVERSE = Universe("u", (Member("TCS.NS"),))


@pytest.mark.parametrize(
    ("wait", "begin", "now", "phase", "session_open", "next_open"),
    [
        ("1h", "08:30", "08:30", "waiting", FRIDAY, FRIDAY),
        ("1h", "08:30", "09:15", "open", FRIDAY, MONDAY),
        ("1h", "11:00", "11:00", "open", FRIDAY, MONDAY),
        ("0", "08:30", "08:30", "closed", None, FRIDAY),
        ("1h", "18:00", "18:00", "closed", None, MONDAY),
    ],
)
def test_the_next_open_is_todays_until_it_has_come(tmp_path: Path, wait, begin, now, phase, session_open, next_open):
    began, asked = (datetime.fromisoformat(f"2026-11-27 {at}").replace(tzinfo=INDIA) for at in (begin, now))
    settings = config.load({"wait_s": wait}, {}, tmp_path, None).settings
    market = open_market(settings, open_source("yahoo"), UNIVERSE, began, TurnedClock(began), lambda *session: False)
    found = market.report(asked)["market"]
    assert (found["phase"], found["session_open"], found["next_open"]) == (phase, session_open, next_open)
