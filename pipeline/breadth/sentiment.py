"""The sentiment label. Layer 1, pure."""

from __future__ import annotations

BANDS: tuple[tuple[float, str], ...] = (
    (70.0, "STRONG BULLISH"),
    (60.0, "BULLISH"),
    (55.0, "SLIGHTLY BULLISH"),
    (45.0, "NEUTRAL"),
    (40.0, "SLIGHTLY BEARISH"),
    (30.0, "BEARISH"),
    (0.0, "STRONG BEARISH"),
)
"""(lowest `adv_pct` that has the label, label), from the top."""


def sentiment(adv_pct: float | None) -> str | None:
    """The label of `adv_pct` (percent of issues traded, unrounded: 69.999 is BULLISH). None when nothing traded.

    The bands are those of the system this one succeeds, and lean: 40 up, 40 down, 20 unchanged is SLIGHTLY BEARISH.
    """
    if adv_pct is None:
        return None
    return next(label for lowest, label in BANDS if adv_pct >= lowest)
