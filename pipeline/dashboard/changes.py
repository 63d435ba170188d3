"""What goes over the wire: a View whole, and the difference of two Views. Pure.

A difference is small because most of it is columns of what moved; prices keep their text, so nothing is rounded twice.
"""

from __future__ import annotations

from typing import Any

from pipeline.dashboard.columns import Columns
from pipeline.dashboard.load import View

DENSE = ("ltp", "volume", "status", "traded_t")
SPARSE = ("prev_close", "day_open", "day_high", "day_low")


def whole(view: View | None, *, static: bool = True) -> dict[str, Any]:
    """The data part of a snapshot answer; all null for a universe without any."""
    if view is None:
        empty: dict[str, Any] = dict.fromkeys(("trade_date", "session", "market", "sectors", "stocks", "members"))
        return empty | {"sector_names": []}
    members, stocks = view.members, view.stocks
    found: dict[str, Any] = {
        "trade_date": view.trade_date,
        "session": view.session,
        "market": view.market,
        "sectors": view.sectors,
        "members": members.digest if members else None,
    }
    if members and static:
        found["sector_names"] = members.sector_names
    elif not members:
        found["sector_names"] = []
    if stocks is not None and members is not None and static:
        names: Columns = {"symbol": [*members.symbols], "name": [*members.names], "sector": [*members.sectors]}
        stocks = names | stocks
    found["stocks"] = stocks
    return found


def comparable(old: View | None, new: View) -> bool:
    """Whether `difference` can say how to get from `old` to `new`: same day, same positions, same session."""
    return (
        old is not None
        and old.trade_date == new.trade_date
        and old.universe == new.universe
        and old.session == new.session
        and (old.market is None) == (new.market is None)
        and (old.stocks is None) == (new.stocks is None)
        and (old.members and old.members.digest) == (new.members and new.members.digest)
    )


def difference(old: View, new: View) -> dict[str, Any]:
    """The data part of a `change`; the two must be comparable."""
    same = old.market == new.market and old.stocks == new.stocks and old.sectors == new.sectors
    return {
        "trade_date": new.trade_date,
        "market": None if same else new.market,
        "sectors": None if same else new.sectors,
        "stocks": None if old.stocks is None or new.stocks is None else _stocks(old.stocks, new.stocks),
    }


def _stocks(old: Columns, new: Columns) -> dict[str, Any]:
    moved = [at for at in range(len(new["ltp"])) if any(old[name][at] != new[name][at] for name in DENSE)]
    sparse = {}
    for name in SPARSE:
        places = [at for at, value in enumerate(new[name]) if value != old[name][at]]
        if places:
            sparse[name] = [places, [new[name][at] for at in places]]
    return {"i": moved, **{name: [new[name][at] for at in moved] for name in DENSE}, "sparse": sparse}
