"""Files made to hurt end as a picture or as an error of ours, within the caps."""

import pytest

from tests.fuzz import hostile


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, id=name, marks=[pytest.mark.slow] if c.is_slow else []) for name, c in hostile.CASES.items()],
)
def test_a_hostile_file_is_read_or_refused_within_the_caps(box, case):
    outcome = box.run(case.target, case.make())
    assert outcome.kind == ("read" if case.words is None else "refused"), outcome
    assert (case.words or "") in outcome.detail
