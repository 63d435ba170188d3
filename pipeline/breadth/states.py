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
    """The trade times (epoch seconds) that belong to a session: start <= time < end."""

    start: float
    end: float

    @staticmethod
    def of_session(session: Session) -> TradingWindow:
        """From the open until the date ends: a trade in the session.

        A time before the open is the pre-open phase or an earlier day, one on a later date another session. One
        between the close and midnight is the closing auction, and counts.
        """
        return TradingWindow(session.open.timestamp(), _midnight(session, 1))

    @staticmethod
    def of_date(session: Session) -> TradingWindow:
        """The session's date by the exchange's clock, pre-open phase included."""
        return TradingWindow(_midnight(session, 0), _midnight(session, 1))

    def holds(self, trade_time: int | None) -> bool:
        return trade_time is not None and self.start <= trade_time < self.end


def _midnight(session: Session, days: int) -> float:
    day = session.trade_date + timedelta(days=days)
    return datetime.combine(day, time(), session.timezone).timestamp()


def state(quote: Quote | None, reference: int | None, window: TradingWindow) -> Status:
    """The state of an issue.

    Traded: the last trade's time lies in the window; a trade is one even when the volume says 0 (Yahoo's first bar of
    an NSE day). Without a trade time the volume decides: 0 means that nothing traded. A halted or illiquid issue
    keeps the state of its last price. Unchanged: equal to 0.0001. Source: counting rules of the exchanges, which
    publish "issues traded" = advances + declines + unchanged.
    """
    if quote is None:
        return Status.NO_QUOTE
    price = quote.price
    if price is None or price <= 0:
        return Status.NO_QUOTE
    if reference is None or reference <= 0:
        return Status.NO_REFERENCE
    trade_time = quote.trade_time
    traded = quote.volume != 0 if trade_time is None else window.start <= trade_time < window.end
    if not traded:
        return Status.NOT_TRADED
    if price > reference:
        return Status.ADVANCE
    return Status.DECLINE if price < reference else Status.UNCHANGED
