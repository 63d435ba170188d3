"""The embedded days, counted at every poll by the pipeline and by a naive program: the numbers agree."""

import math
from dataclasses import asdict
from pathlib import Path

import pytest

import pipeline
from pipeline.breadth import References, compute
from pipeline.session import local_text, session_grid
from pipeline.sources.recording import open_recording
from tests.naive import count_recording

RECORDINGS = sorted((Path(pipeline.__file__).parent / "data" / "recordings").glob("*.csv.gz"))


def counted(path):
    """A day's polls as the pipeline counts them: [{column: value}]."""
    recording, references = open_recording(str(path)), References()
    for instant in session_grid(recording.session, recording.interval_s):
        if instant == recording.session.open:
            continue
        quotes = recording.fetch(recording.universe.symbols, None, instant, math.inf).quotes
        frozen = references.freeze(quotes, recording.session)
        counts = compute(recording.universe, quotes, frozen, recording.session).counts
        yield asdict(counts) | {"poll_time": local_text(instant)}


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name.removesuffix(".csv.gz"))
def test_a_recorded_day_counts_as_a_naive_program_counts_it(path):
    naive, ours = count_recording(path), list(counted(path))
    assert len(ours) == len(naive) > 20
    for one, other in zip(ours, naive, strict=True):
        for name, value in other.items():
            agrees = math.isclose(one[name], value, rel_tol=1e-12) if isinstance(value, float) else one[name] == value
            assert agrees, (other["poll_time"], name, one[name], value)


def test_three_days_are_embedded():
    assert len(RECORDINGS) >= 3
