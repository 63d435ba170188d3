"""One poll, counted. Layer 1, pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.breadth.groups import Tally, counts, sector_name
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
    used_references: dict[str, int] = {}
    volumes: dict[str, dict[Status, list[int | None]]] = {}
    for member in universe.members:
        symbol = member.symbol
        quote, reference = quotes.get(symbol), references.get(symbol)
        if reference is None and quote is not None:
            reference = quote.prev_close
        status = statuses[symbol] = state(quote, reference, window)
        if reference is not None and reference > 0:
            used_references[symbol] = reference
        group = volumes.get(member.sector)
        if group is None:
            group = volumes[member.sector] = {status: [] for status in Status}
        group[status].append(None if quote is None else quote.volume)
    tallies = _tallies(volumes)
    total = Tally.total(tallies.values())
    usable = total.has_usable_volume()
    return Snapshot(
        counts=counts(total, usable_volume=usable),
        sectors={sector: counts(tallies[sector], usable_volume=usable) for sector in sorted(tallies)},
        statuses=statuses,
        quotes={symbol: quotes[symbol] for symbol in statuses if symbol in quotes},
        references=used_references,
    )


def _tallies(volumes: Mapping[str, Mapping[Status, Sequence[int | None]]]) -> dict[str, Tally]:
    """{sector as the tables hold it: Tally} of {sector as stated: {status: volumes of its issues}}."""
    tallies: dict[str, Tally] = {}
    for stated_sector, by_status in volumes.items():
        tally = tallies.setdefault(sector_name(stated_sector), Tally())
        for status, stated_volumes in by_status.items():
            tally.add(status, stated_volumes)
    return tallies
