"""The session's previous closes, frozen. Layer 1, pure (state in memory, no I/O).

A quote's previous close belongs to the session its price belongs to: before the day's first trade it is one session
too old. So an issue's reference is the one stated with its first quote of the session's date, and stays for the day,
whatever the source says later; a new date starts empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

from pipeline.breadth.states import TradingWindow
from pipeline.model import Quote, Session


class References:
    """{symbol: previous close in units} of one session. Held by the fetcher, for the life of the session."""

    def __init__(self) -> None:
        self._trade_date: date | None = None
        self._frozen: dict[str, int] = {}

    @property
    def mapping(self) -> Mapping[str, int]:
        """What is frozen now, as a read-only view."""
        return MappingProxyType(self._frozen)

    @property
    def trade_date(self) -> date | None:
        return self._trade_date

    def freeze(self, quotes: Mapping[str, Quote], session: Session) -> Mapping[str, int]:
        """Freeze what is not frozen yet: the previous close of quotes whose trade time lies on the session's date.

        A quote without a usable previous close freezes nothing; a later one may. Returns `mapping`.
        """
        self._start(session.trade_date)
        day = TradingWindow.of_date(session)
        for symbol, quote in quotes.items():
            if symbol in self._frozen or quote.prev_close is None or quote.prev_close <= 0:
                continue
            if day.holds(quote.trade_time):
                self._frozen[symbol] = quote.prev_close
        return self.mapping

    def restore(self, trade_date: date, references: Mapping[str, int]) -> None:
        """Take back what was frozen before a restart (`day_records.frozen_references`); what is frozen stays."""
        self._start(trade_date)
        for symbol, reference in references.items():
            if reference > 0:
                self._frozen.setdefault(symbol, reference)

    def _start(self, trade_date: date) -> None:
        if trade_date != self._trade_date:
            self._trade_date = trade_date
            self._frozen = {}
