"""Up and down volume: an issue's whole session volume goes to the side of its present state. Layer 1, pure.

When an issue crosses its previous close its volume changes sides, so up volume can fall during a day. It is neither
volume on upticks nor the up-minutes of an index. Unit: shares. Source: UVOL, DVOL, VOLD of the exchanges' statistics.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_MISSING_SHARE = 0.05
MAX_VOLUME = 10**15
"""Shares. No issue trades more in a session: beyond it, and below 0, a stated volume is missing, not 0. The sum of
thousands still fits 64 bits."""


@dataclass(frozen=True, slots=True)
class Volumes:
    """Volume measures of one group; all None when the poll's volumes say nothing."""

    up: int | None = None
    down: int | None = None
    unchanged: int | None = None
    net: int | None = None
    ud_ratio: float | None = None
    up_pct: float | None = None


def usable(*, advances: int, declines: int, traded: int, missing: int, up: int, down: int, unchanged: int) -> bool:
    """Whether the volumes of a whole poll say anything; decided once, so that sectors add up to the total.

    `missing`: traded issues without a volume; more than 5 % of those traded are too many. Null is not 0: a side that
    has issues but no volume, beside another that has volume, is a source that left the volume out. When every volume
    is 0 the source says so for all alike (Yahoo's 09:15 bars): the sums are then 0 and the ratios undefined.
    """
    if missing > MAX_MISSING_SHARE * traded:
        return False
    one_sided = (advances > 0 and up == 0) or (declines > 0 and down == 0)
    return not one_sided or up + down + unchanged == 0


def volumes(advances: int, declines: int, up: int, down: int, unchanged: int) -> Volumes:
    """The volume measures of a group whose volumes are usable.

    `net = UV - DV`; `ud_ratio = UV / DV`, None when DV is 0; `up_pct = 100 * UV / (UV + DV)`, percent, None when
    neither side has volume. Both are also None when a side has issues but no volume (a small sector).
    """
    net = up - down
    if (advances and not up) or (declines and not down):
        return Volumes(up, down, unchanged, net)
    ud_ratio = up / down if down else None
    up_pct = 100 * up / (up + down) if up + down else None
    return Volumes(up, down, unchanged, net, ud_ratio, up_pct)
