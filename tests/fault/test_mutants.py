"""The code broken in each of the named ways is noticed: the torture can fail."""

from __future__ import annotations

import pytest

from tests.torture import mutants, ordeal
from tests.torture.faults import FAULTS, schedule


@pytest.fixture(scope="module")
def reports(need_server, tmp_path_factory):
    return mutants.hunt(tmp_path_factory.mktemp("mutants"), seed=5)


@pytest.mark.mysql
@pytest.mark.slow
@pytest.mark.parametrize("name", [mutant.name for mutant in mutants.MUTANTS])
def test_a_mutant_is_caught_within_fifty_faults(name, reports):
    report = reports[name]
    assert not report.clean, f"{name} survived {sum(report.faults.values())} faults"
    assert sum(report.faults.values()) <= mutants.MOST_FAULTS


def test_every_mutant_can_be_made_and_one_whose_text_is_gone_is_an_error(tmp_path):
    for number, mutant in enumerate(mutants.MUTANTS):
        mutants.apply(mutant, tmp_path / str(number))
    stale = mutants.Mutant("stale", (("writer.py", "this text stands nowhere", ""),))
    with pytest.raises(LookupError, match=r"stands 0 times in pipeline/writer\.py"):
        mutants.apply(stale, tmp_path / "stale")


@pytest.mark.mysql
@pytest.mark.slow
def test_a_short_torture_ends_clean(need_server, tmp_path):
    report = ordeal.run(tmp_path, 12, seed=3)
    assert report.clean, f"{report.balance}\n{report.caught}\n{report.log_tail}"
    assert sum(report.faults.values()) == 12


def test_a_seed_gives_its_schedule_and_a_long_torture_leaves_no_fault_out():
    able = {"root", "fiu"}
    names = [fault.name for fault in schedule(3, 200, able)]
    assert names == [fault.name for fault in schedule(3, 200, able)]
    assert names != [fault.name for fault in schedule(4, 200, able)]
    assert set(names[: len(FAULTS)]) == {fault.name for fault in FAULTS}
    assert "disk full" not in {fault.name for fault in schedule(3, 200, {"fiu"})}
