"""The token bucket, the pause after a 429 and the length of lists, on a clock that the test moves."""

from __future__ import annotations

import pytest

from pipeline.sources.pacing import MAX_PAUSE_S, ListLength, Pacer


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_burst_is_free_and_then_the_rate_holds(clock):
    pacer = Pacer(2.0, 3, clock)
    assert [pacer.acquire(clock.now + 0.1) for _ in range(4)] == [True, True, True, False]
    clock.now += 0.5
    assert [pacer.acquire(clock.now + 0.1) for _ in range(2)] == [True, False]


def test_retry_after_pauses_everybody_and_counts_once_for_requests_in_flight(clock):
    pacer = Pacer(100.0, 100, clock)
    assert pacer.limited(30.0, sent_at=99.0)
    assert not pacer.limited(30.0, sent_at=99.5)
    assert not pacer.acquire(clock.now + 29.9)
    clock.now += 30.0
    assert pacer.acquire(clock.now + 0.1)


def test_without_retry_after_the_pause_doubles_up_to_15_minutes_and_is_short_again_after_success(clock):
    pacer = Pacer(100.0, 100, clock, jitter=lambda: 1.0)
    pauses = []
    for _ in range(10):
        clock.now += 2000.0
        pacer.limited(None, sent_at=clock.now)
        pauses.append(pacer.pause_left_s())
    assert pauses[:4] == [5.0, 10.0, 20.0, 40.0]
    assert pauses[-1] == MAX_PAUSE_S
    pacer.worked()
    clock.now += 2000.0
    pacer.limited(None, sent_at=clock.now)
    assert pacer.pause_left_s() == 5.0


def test_jitter_shortens_a_pause_by_half_at_most_and_retry_after_is_bounded(clock):
    pacer = Pacer(100.0, 100, clock, jitter=lambda: 0.0)
    pacer.limited(None, sent_at=clock.now)
    assert pacer.pause_left_s() == 2.5
    clock.now += 10.0
    pacer.limited(1e9, sent_at=clock.now)
    assert pacer.pause_left_s() == MAX_PAUSE_S


def test_lists_grow_after_clean_polls_up_to_200_and_shrink_down_to_20():
    lists = ListLength(50)
    for _ in range(100):
        lists.clean_poll()
    assert lists.length == 200
    for _ in range(10):
        lists.halve()
    assert lists.length == 20
    assert ListLength(1000).length == 200
    assert ListLength(5).length == 5


def test_a_length_that_failed_is_never_reached_again():
    lists = ListLength(50)
    lists.too_long(50)
    for _ in range(100):
        lists.clean_poll()
    assert lists.length == 49
