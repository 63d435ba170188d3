"""The Arms Index (TRIN). Layer 1, pure."""

from __future__ import annotations


def trin(advances: int, declines: int, up_volume: int | None, down_volume: int | None) -> float | None:
    """`(A / D) / (UV / DV)`, computed as `(A * DV) / (D * UV)`; no unit, above 0.

    The average volume of a declining issue over that of an advancing one: below 1 volume goes to advancing issues.
    None when any of the four is 0 or unknown. Source: Richard W. Arms, The Arms Index.
    """
    if not (advances and declines and up_volume and down_volume):
        return None
    return (advances * down_volume) / (declines * up_volume)
