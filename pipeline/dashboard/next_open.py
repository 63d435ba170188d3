"""`python -m pipeline.dashboard.next_open NSE`: prints the exchange's present and next session as one line of JSON.

A process of its own, because the calendar needs pandas and the dashboard does without.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Literal, cast

from pipeline.calendars import Calendar


def answer(calendar: Calendar, now: datetime) -> dict[str, str | None]:
    """`open`, `close` of the session now or next, `next_open`, and `until` when this is old (ISO with offset)."""
    current, following = calendar.current_session(now), calendar.next_session(now)
    shown = current or following
    ends = shown.close if shown else now.astimezone(UTC)
    return {
        "open": shown.open.isoformat() if shown else None,
        "close": shown.close.isoformat() if shown else None,
        "next_open": following.open.isoformat() if following else None,
        "until": ends.isoformat(),
    }


if __name__ == "__main__":
    name = cast(Literal["NSE", "NYSE"], sys.argv[1])
    print(json.dumps(answer(Calendar(name), datetime.now(UTC))))
