"""The one state of an issue in a poll. Layer 1, pure.

Decided in this order, the first that fits wins: no quote, no reference, not traded, advance, decline, unchanged.
Not traded is not unchanged: the exchanges count only issues that traded in the session.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from pipeline.model import Quote, Session, Status


@dataclass(frozen=True, slots=True)
class TradingWindow:
    """The trade times (epoch seconds) that belong to a session: from its open until its date ends.

    A trade time before the open is an auction of the pre-open phase or an earlier day; one on a later date is
    another session's. One between the close and midnight is the closing auction, and counts.
    """

    start: float
    end: float

    @staticmethod
    def of(session: Session) -> TradingWindow:
        return TradingWindow(session.open.timestamp(), _midnight_after(session))


def _midnight_after(session: Session) -> float:
    next_day = session.trade_date + timedelta(days=1)
    return datetime.combine(next_day, time(), session.timezone).timestamp()


def traded_on(trade_time: int | None, session: Session) -> bool:
    """Whether `trade_time` lies on the session's date (pre-open phase included), by the exchange's clock."""
    if trade_time is None:
        return False
    midnight = datetime.combine(session.trade_date, time(), session.timezone).timestamp()
    return midnight <= trade_time < _midnight_after(session)


def state(quote: Quote | None, reference: int | None, window: TradingWindow) -> Status:
    """The state of an issue.

    Traded: the last trade's time lies in the window; a trade is one even when the volume says 0 (Yahoo's first bar of
    an NSE day). Without a trade time the volume decides: 0 means that nothing traded. A halted or illiquid issue
    keeps the state of its last price. Unchanged: equal to 0.0001. Source: counting rules of the exchanges, which
    publish "issues traded" = advances + declines + unchanged.
    """
    if quote is None or quote.price is None or quote.price <= 0:
        return Status.NO_QUOTE
    if reference is None or reference <= 0:
        return Status.NO_REFERENCE
    trade_time = quote.trade_time
    if trade_time is None:
        if quote.volume == 0:
            return Status.NOT_TRADED
    elif not window.start <= trade_time < window.end:
        return Status.NOT_TRADED
    if quote.price > reference:
        return Status.ADVANCE
    return Status.DECLINE if quote.price < reference else Status.UNCHANGED
