"""Every row of the fault matrix, once, by real processes, signals and servers: nothing lost, nothing twice, no gaps.

What a row promises besides is asserted by the fault itself (tests/torture/faults.py), which the torture repeats at
random. The pipeline of a test is the next one's: faults come one after the other, as they do.
"""

from __future__ import annotations

import os

import pytest

from tests.torture.faults import FAULTS


@pytest.mark.mysql
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_nothing_is_lost_twice_or_missing_after(fault, field, battle):
    if fault.needs and fault.needs not in battle.available:
        assert not (os.environ.get("CI") == "true" and os.geteuid() == 0), f"CI must have what {fault.name} needs"
        pytest.skip(f"this fault needs {fault.needs}")
    field.torn = True
    fault.inflict(field)
    field.check_journals()
    balance = field.rig.settle()
    balance.add(field.balance)
    assert balance.clean, f"{balance}\n{field.rig.pipeline.log_tail()}"
    field.torn = False
