"""What is true of breadth for any market, by generated ones."""

import math
from dataclasses import asdict, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.breadth import References, compute
from pipeline.model import Status
from tests.unit.breadth_cases import SESSION, at, count, market, quote

SUMMED = (
    *("universe_size", "advances", "declines", "unchanged", "total_stocks", "not_traded", "no_reference", "no_quote"),
    *("adv_decl_diff", "up_volume", "down_volume", "unch_volume", "net_volume"),
)
TIMES = st.sampled_from([None, at("2026-06-17 15:29"), at("09:10"), at("09:15"), at("11:00"), at("15:40")])
PRICES = st.one_of(st.none(), st.integers(-5, 40), st.integers(1, 10**9))
VOLUMES = st.one_of(st.none(), st.integers(0, 3), st.integers(-5, 10**12))


@st.composite
def quotes(draw, prices=PRICES, volumes=VOLUMES, times=TIMES):
    """Up to 30 quotes with distinct symbols."""
    size = draw(st.integers(0, 30))
    return [quote(f"S{n}", draw(prices), draw(prices), draw(volumes), draw(times)) for n in range(size)]


traded_quotes = quotes(st.integers(1, 40), st.integers(0, 1000), st.just(at("11:00")))


@given(quotes(), st.integers(0, 3))
def test_every_issue_is_in_one_state_and_every_measure_in_its_range(listed, absent):
    counts = count(*listed, missing=[f"X{n}" for n in range(absent)]).counts
    assert counts.advances + counts.declines + counts.unchanged == counts.total_stocks
    parts = counts.total_stocks + counts.not_traded + counts.no_reference + counts.no_quote
    assert parts == counts.universe_size == len(listed) + absent
    assert abs(counts.adv_decl_diff) <= counts.total_stocks
    if counts.total_stocks:
        assert math.isclose(counts.adv_pct + counts.decl_pct + counts.unch_pct, 100)
        assert counts.market_sentiment
        assert -100 <= counts.ad_pct <= 100
    ranges = {"coverage": 1, "advancing_share": 1, "up_volume_pct": 100, "adv_pct": 100, "trin": math.inf}
    for name, top in ranges.items():
        value = getattr(counts, name)
        assert value is None or (0 <= value <= top and math.isfinite(value))


@given(traded_quotes)
def test_mirrored_prices_swap_the_sides(listed):
    mirrored = [
        replace(one, price=2 * one.prev_close - one.price + 100, prev_close=one.prev_close + 100) for one in listed
    ]
    ours = count(*(replace(one, price=one.price + 100, prev_close=one.prev_close + 100) for one in listed)).counts
    theirs = count(*mirrored).counts
    assert (ours.advances, ours.declines, ours.unchanged) == (theirs.declines, theirs.advances, theirs.unchanged)
    assert (ours.up_volume, ours.down_volume) == (theirs.down_volume, theirs.up_volume)
    assert ours.adv_decl_diff == -theirs.adv_decl_diff
    for name in ("ad_pct", "rana"):
        value, opposite = getattr(ours, name), getattr(theirs, name)
        assert (value is None and opposite is None) or value == -opposite
    assert (ours.trin is None) == (theirs.trin is None)
    assert ours.trin is None or math.isclose(ours.trin * theirs.trin, 1)


@given(traded_quotes, st.integers(2, 1000))
def test_scaled_volumes_scale_the_sums_and_no_ratio(listed, factor):
    before = asdict(count(*listed).counts)
    after = asdict(count(*(replace(one, volume=one.volume * factor) for one in listed)).counts)
    for name, value in before.items():
        if name in ("up_volume", "down_volume", "unch_volume", "net_volume"):
            assert after[name] == (None if value is None else value * factor)
        elif isinstance(value, float):
            assert math.isclose(after[name], value)
        else:
            assert after[name] == value


@given(quotes(), st.integers(2, 100))
def test_a_split_known_to_price_and_reference_changes_nothing(listed, factor):
    def split(value):
        return None if value is None else value * factor

    scaled = [replace(one, price=split(one.price), prev_close=split(one.prev_close)) for one in listed]
    assert count(*scaled).counts == count(*listed).counts


@given(quotes(), st.randoms(use_true_random=False))
def test_the_order_of_issues_and_of_quotes_does_not_matter(listed, random):
    sectors = [f"sector {n % 3}" for n in range(len(listed))]
    universe, by_symbol = market(*listed, sectors=sectors)
    members = list(universe.members)
    random.shuffle(members)
    shuffled = list(by_symbol.items())
    random.shuffle(shuffled)
    again = compute(replace(universe, members=tuple(members)), dict(shuffled), {}, SESSION)
    assert again == compute(universe, by_symbol, {}, SESSION)
    assert list(again.sectors) == sorted(again.sectors)


@given(traded_quotes, st.integers(0, 1000))
def test_one_more_unchanged_issue_touches_only_what_counts_it(listed, volume):
    before = count(*listed).counts
    after = count(*listed, quote("EXTRA", 500, 500, volume)).counts
    assert (after.unchanged, after.total_stocks) == (before.unchanged + 1, before.total_stocks + 1)
    for name in ("advances", "declines", "adv_decl_ratio", "adv_decl_diff", "advancing_share", "rana"):
        assert getattr(after, name) == getattr(before, name)


@given(quotes(), st.integers(1, 4))
def test_sectors_add_up_to_the_total(listed, groups):
    snapshot = count(*listed, sectors=[f"sector {n % groups}" for n in range(len(listed))])
    for name in SUMMED:
        total = getattr(snapshot.counts, name)
        parts = [getattr(sector, name) for sector in snapshot.sectors.values()]
        if total is None:
            assert set(parts) == {None}
        else:
            assert sum(parts) == total


@settings(max_examples=50)
@given(st.lists(quotes(), min_size=1, max_size=4))
def test_a_day_replayed_or_received_twice_gives_the_same_numbers(polls):
    def replay(times):
        references, last = References(), {}
        for listed in polls:
            for _ in range(times):
                last |= {one.symbol: one for one in listed}
                frozen = references.freeze(last, SESSION)
        universe, _ = market(*last.values())
        return compute(universe, last, frozen, SESSION)

    once = replay(1)
    assert replay(1) == replay(2) == once
    assert all(once.references[symbol] > 0 for symbol, status in once.statuses.items() if status is Status.ADVANCE)
