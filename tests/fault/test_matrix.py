"""Every row of the fault matrix, once, by real processes, signals and servers: nothing lost, nothing twice, no gaps.

A row of several variants, of which a torture draws one, runs each of them here. What a row promises besides is asserted
by the fault itself (tests/torture/faults.py), which the torture repeats at random. The pipeline of a test is the next
one's: faults come one after the other, as they do.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from tests.torture import journals
from tests.torture.faults import DELETED, FAULTS, TORN

VARIANTS = {"torn journal": TORN, "deleted log": DELETED}


def of_its_own(fault, hurt):
    return replace(fault, name=f"{fault.name} {hurt.__name__}", inflict=lambda field: journals.hurt(field, hurt))


CASES = [
    case for fault in FAULTS for case in ([of_its_own(fault, hurt) for hurt in VARIANTS.get(fault.name, ())] or [fault])
]


@pytest.mark.mysql
@pytest.mark.parametrize("fault", CASES, ids=lambda fault: fault.name.replace(" ", "-"))
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
