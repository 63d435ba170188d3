"""Tallies of a group of issues, and the measures over them. Layer 1, pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipeline.breadth import ratios
from pipeline.breadth.sentiment import sentiment
from pipeline.breadth.trin import trin
from pipeline.breadth.volume import MAX_VOLUME, Volumes, usable, volumes
from pipeline.model import UNKNOWN_SECTOR, Counts, Status

SECTOR_LENGTH = 64
TRADED = (Status.ADVANCE, Status.DECLINE, Status.UNCHANGED)


def sector_name(stated: str) -> str:
    """The group of issues with that sector, cut to what the tables hold. Without one: `Unknown`, so groups add up."""
    return stated.strip()[:SECTOR_LENGTH] or UNKNOWN_SECTOR


class Tally:
    """How many issues of a group are in each state, and the session volume (shares) on each side.

    `missing_volume`: issues that traded without a usable volume.
    """

    __slots__ = (
        *("advances", "declines", "unchanged", "not_traded", "no_reference", "no_quote"),
        *("up_volume", "down_volume", "unch_volume", "missing_volume"),
    )

    def __init__(self) -> None:
        self.advances = self.declines = self.unchanged = 0
        self.not_traded = self.no_reference = self.no_quote = 0
        self.up_volume = self.down_volume = self.unch_volume = self.missing_volume = 0

    def add(self, status: Status, stated_volumes: Sequence[int | None]) -> None:
        """Count issues that are in `status`, given by their session volumes."""
        known = [volume for volume in stated_volumes if volume is not None and 0 <= volume <= MAX_VOLUME]
        issues, volume = len(stated_volumes), sum(known)
        if status in TRADED:
            self.missing_volume += issues - len(known)
        if status is Status.ADVANCE:
            self.advances += issues
            self.up_volume += volume
        elif status is Status.DECLINE:
            self.declines += issues
            self.down_volume += volume
        elif status is Status.UNCHANGED:
            self.unchanged += issues
            self.unch_volume += volume
        elif status is Status.NOT_TRADED:
            self.not_traded += issues
        elif status is Status.NO_REFERENCE:
            self.no_reference += issues
        else:
            self.no_quote += issues

    @staticmethod
    def total(tallies: Iterable[Tally]) -> Tally:
        """The tally of all groups together: totals are sums of groups by construction."""
        total = Tally()
        for tally in tallies:
            for name in Tally.__slots__:
                setattr(total, name, getattr(total, name) + getattr(tally, name))
        return total

    @property
    def traded(self) -> int:
        return self.advances + self.declines + self.unchanged

    @property
    def universe_size(self) -> int:
        return self.traded + self.not_traded + self.no_reference + self.no_quote

    def has_usable_volume(self) -> bool:
        """Whether the volumes of a poll say anything; asked of the total only (`volume.usable`)."""
        return usable(
            advances=self.advances,
            declines=self.declines,
            traded=self.traded,
            missing=self.missing_volume,
            up=self.up_volume,
            down=self.down_volume,
            unchanged=self.unch_volume,
        )


def counts(tally: Tally, *, usable_volume: bool) -> Counts:
    """Every measure over a group. `usable_volume`: of the whole poll; if not, the volume family and TRIN are None."""
    advances, declines, unchanged, traded = tally.advances, tally.declines, tally.unchanged, tally.traded
    measured = Volumes()
    if usable_volume:
        measured = volumes(advances, declines, tally.up_volume, tally.down_volume, tally.unch_volume)
    adv_pct = ratios.percent(advances, traded)
    return Counts(
        universe_size=tally.universe_size,
        advances=advances,
        declines=declines,
        unchanged=unchanged,
        total_stocks=traded,
        not_traded=tally.not_traded,
        no_reference=tally.no_reference,
        no_quote=tally.no_quote,
        coverage=ratios.coverage(traded, tally.universe_size),
        adv_pct=adv_pct,
        decl_pct=ratios.percent(declines, traded),
        unch_pct=ratios.percent(unchanged, traded),
        adv_decl_ratio=ratios.adv_decl_ratio(advances, declines),
        adv_decl_diff=advances - declines,
        advancing_share=ratios.advancing_share(advances, declines),
        ad_pct=ratios.ad_pct(advances, declines, traded),
        rana=ratios.rana(advances, declines),
        up_volume=measured.up,
        down_volume=measured.down,
        unch_volume=measured.unchanged,
        net_volume=measured.net,
        ud_volume_ratio=measured.ud_ratio,
        up_volume_pct=measured.up_pct,
        trin=trin(advances, declines, measured.up, measured.down),
        market_sentiment=sentiment(adv_pct),
    )
