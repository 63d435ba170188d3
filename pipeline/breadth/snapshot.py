"""One poll, counted. Layer 1, pure."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.breadth.groups import Tally, counts, sector_of
from pipeline.breadth.states import TradingWindow, state
from pipeline.model import Quote, Session, Snapshot, Status, Universe


def compute(
    universe: Universe, quotes: Mapping[str, Quote], references: Mapping[str, int], session: Session
) -> Snapshot:
    """Count a poll: the state of every member, and every measure over the universe and over each sector.

    `quotes`: {symbol: Quote}; those of other symbols are ignored. `references`: {symbol: frozen previous close in
    units}; a member without one is compared with its quote's own. Everything is recomputed: receiving a quote twice
    or in another order changes nothing. About 2 ms for 2,000 issues.
    """
    window = TradingWindow.of_session(session)
    statuses: dict[str, Status] = {}
    used_quotes: dict[str, Quote] = {}
    used_references: dict[str, int] = {}
    tallies: dict[str, Tally] = {}
    by_stated_sector: dict[str, Tally] = {}
    for member in universe.members:
        symbol = member.symbol
        quote = quotes.get(symbol)
        reference = references.get(symbol)
        if quote is not None:
            used_quotes[symbol] = quote
            if reference is None:
                reference = quote.prev_close
        status = statuses[symbol] = state(quote, reference, window)
        if reference is not None and reference > 0:
            used_references[symbol] = reference
        tally = by_stated_sector.get(member.sector)
        if tally is None:
            tally = by_stated_sector[member.sector] = tallies.setdefault(sector_of(member), Tally())
        tally.add(status, None if quote is None else quote.volume)
    total = Tally.total(tallies.values())
    usable = total.has_usable_volume()
    return Snapshot(
        counts=counts(total, usable_volume=usable),
        sectors={sector: counts(tallies[sector], usable_volume=usable) for sector in sorted(tallies)},
        statuses=statuses,
        quotes=used_quotes,
        references=used_references,
    )
